"""Figures of merit of a finder, against scikit-learn and against values worked out by hand."""

import time

import numpy as np
import pytest
from scipy.stats import binom
from sklearn import metrics as oracle

from lensfinder.errors import MetricError
from lensfinder.training import metrics
from lensfinder.training.bootstrap import bootstrap
from lensfinder.training.chance import chance_counts
from lensfinder.training.scores import finder_figures

EXACT = {"rtol": 1e-12, "atol": 0}  # same sums in float64, another order


def sample(rng, n=3000, ties=False):
    label = (rng.random(n) < 0.3).astype(int)
    score = 1 / (1 + np.exp(-(rng.normal(size=n) + 1.5 * label - 0.7)))
    return label, np.round(score, 2) if ties else score


@pytest.mark.parametrize("ties", [False, True])
def test_areas_agree_with_scikit_learn(rng, ties):
    label, score = sample(rng, ties=ties)
    np.testing.assert_allclose(
        metrics.roc_auc(label, score), oracle.roc_auc_score(label, score), **EXACT
    )
    np.testing.assert_allclose(
        metrics.precision_recall_auc(label, score),
        oracle.average_precision_score(label, score),
        **EXACT,
    )
    assert abs(metrics.roc_auc(label, 1 - score) - oracle.roc_auc_score(label, score)) > 0.1


@pytest.mark.parametrize("ties", [False, True])
def test_roc_curve_agrees_with_scikit_learn(rng, ties):
    label, score = sample(rng, ties=ties)
    ours, theirs = (
        metrics.roc_curve(label, score),
        oracle.roc_curve(label, score, drop_intermediate=False),
    )
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, **EXACT)


def test_f_beta_agrees_with_scikit_learn(rng):
    label, score = sample(rng, n=400)
    best, threshold = metrics.best_f_beta(label, score)
    all_of_them = [oracle.fbeta_score(label, score >= t, beta=0.001**0.5) for t in np.unique(score)]
    np.testing.assert_allclose(best, max(all_of_them), **EXACT)
    np.testing.assert_allclose(
        oracle.fbeta_score(label, score >= threshold, beta=0.001**0.5), best, **EXACT
    )


def test_brier_agrees_with_scikit_learn(rng):
    label, score = sample(rng)
    np.testing.assert_allclose(
        metrics.brier_score(label, score), oracle.brier_score_loss(label, score), **EXACT
    )


def test_rates_worked_out_by_hand():
    label = np.array([1, 1, 0, 1, 0, 1, 0, 0])
    score = np.array([9, 8, 7, 6, 5, 4, 3, 2]) / 10
    assert metrics.tpr_before(label, score, 1) == 0.5
    assert metrics.tpr_before(label, score, 2) == 0.75
    assert metrics.tpr_at_fpr(label, score, 0.25) == 0.75
    assert metrics.tpr_at_fpr(label, score, 0.5) == 1.0
    assert np.isnan(metrics.tpr_at_fpr(label, score, 0.2))  # 4 non-lenses cannot tell 0.2 from 0


def test_a_tie_with_a_non_lens_is_not_found_before_it():
    label, score = np.array([1, 0, 1, 0]), np.array([0.9, 0.9, 0.5, 0.1])
    assert metrics.tpr_before(label, score, 1) == 0.0


def test_tpr_at_fpr_does_not_interpolate(rng):
    label, score = sample(rng)
    value = metrics.tpr_at_fpr(label, score, 0.01)
    fpr, tpr, _ = metrics.roc_curve(label, score)
    assert value in tpr
    assert fpr[tpr == value].min() <= 0.01


def test_purity_falls_with_rarity_and_its_limit_is_what_no_hits_can_claim():
    label = np.repeat([1, 0], [100, 3000])
    score = np.where(label == 1, 0.9, 0.1)
    common = metrics.purity_at_prevalence(label, score, prevalence=1e-2)
    rare = metrics.purity_at_prevalence(label, score, prevalence=1e-4)
    assert np.isnan([common["purity"], rare["purity"]]).all(), "no false positive: no purity seen"
    # rule of three: 0 of 3,000 excludes rates above 1e-3 at 95 % (3.0 is rounded from 2.9957)
    np.testing.assert_allclose(rare["fpr_upper"], 1e-3, rtol=0.01, atol=0)
    np.testing.assert_allclose(rare["purity_lower"], 1e-4 / (1e-4 + 1e-3), rtol=0.01, atol=0)
    assert rare["purity_lower"] < common["purity_lower"]


def test_calibration_error_sees_overconfidence(rng):
    truth = rng.random(5000)
    label = (rng.random(5000) < truth).astype(int)
    gate = metrics.null_calibration_error(truth, rng=rng)
    assert 0.01 < gate < 0.03  # 0.019 for n = 5,000 (RELIABILITY E6); its own scatter is 10 %
    assert metrics.calibration_error(label, truth) < gate
    logit = np.log(truth / (1 - truth))
    assert metrics.calibration_error(label, 1 / (1 + np.exp(-1.3 * logit))) > gate
    assert metrics.calibration_error(label, truth**3) > 5 * gate


def test_the_gate_is_known_well_and_fast(rng):
    score = rng.beta(0.3, 0.3, 10_000)
    begin = time.process_time()
    gates = [metrics.null_calibration_error(score, rng=rng) for _ in range(8)]
    assert (time.process_time() - begin) / 8 < 1  # 0.2 s; a label per object and draw took 1 to 2
    # the 99 % quantile of 5,000 draws scatters by 1 %, of the 200 that were drawn once by 5 %
    assert np.std(gates, ddof=1) / np.mean(gates) < 0.025
    few = [metrics.null_calibration_error(score, rng=rng, draws=200) for _ in range(8)]
    assert np.std(few, ddof=1) / np.mean(few) > 0.025
    # what it replaces: a label for each object in each draw
    parts = np.array_split(np.sort(score), metrics.CALIBRATION_BINS)
    errors = [
        sum(abs((rng.random(p.size) < p).sum() - p.sum()) for p in parts) / score.size
        for _ in range(1000)
    ]
    assert abs(np.mean(gates) / np.quantile(errors, 0.99) - 1) < 0.08


def test_numbers_by_chance_are_those_of_their_distribution(rng):
    p = np.concatenate([rng.random(300), [0.0, 1.0]])
    counts = chance_counts(p, draws=100_000, rng=rng)
    variance = (p * (1 - p)).sum()
    assert abs(counts.mean() - p.sum()) < 5 * np.sqrt(variance / 1e5)
    assert abs(counts.var() / variance - 1) < 5 * np.sqrt(2 / 1e5)
    one = chance_counts(np.full(40, 0.3), draws=100_000, rng=rng)
    expected = binom.pmf(np.arange(41), 40, 0.3)
    seen = np.bincount(one, minlength=41) / 1e5
    assert np.abs(seen - expected).max() < 5 * np.sqrt(0.15 / 1e5)
    np.testing.assert_array_equal(chance_counts([0.0, 1.0, 1.0], draws=5, rng=rng), 2)


def test_bootstrap_error_of_a_mean_is_the_textbook_one(rng):
    values = rng.normal(size=2000)
    found = bootstrap(np.mean, values, rng=rng, draws=400)
    expected = 1 / np.sqrt(2000)
    # the relative scatter of a standard deviation from 400 draws is 1 / sqrt(800) = 3.5 %
    assert abs(found["std"] / expected - 1) < 0.15
    assert abs(found["std"] / (1.5 * expected) - 1) > 0.15
    assert found["p16"] < np.mean(values) < found["p84"]


def test_bootstrap_is_seeded(rng):
    label, score = sample(rng, n=300)
    one, two, other = (
        bootstrap(metrics.roc_auc, label, score, rng=np.random.default_rng(seed), draws=20)
        for seed in (1, 1, 2)
    )
    assert one == two != other


@pytest.mark.parametrize(
    ("label", "score", "words"),
    [
        ([1, 0, 1], [0.1, 0.2], "one length"),
        ([1, 0], [0.1, np.nan], "not finite"),
        ([1, 1], [0.1, 0.2], "Both classes"),
        ([1, 2], [0.1, 0.2], "0 or 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(label, score, words):
    for function in (metrics.roc_auc, metrics.brier_score, metrics.calibration_error):
        with pytest.raises(MetricError, match=words):
            function(label, score)


def test_finder_figures_are_plain_finite_data(rng):
    import json

    label, score = sample(rng, n=600)
    kinds = np.where(label == 1, "lens", rng.choice(["ring", "spiral"], 600))
    figures = finder_figures(label, score, rng=rng, draws=10, kinds=kinds)
    json.dumps(figures, allow_nan=False)
    assert figures["tpr_at_fpr_0.0001"] is None
    assert set(figures["non_lenses"]) == {"ring", "spiral", "threshold"}
    passed = sum(
        figures["non_lenses"][kind]["false_positive_rate"] * figures["non_lenses"][kind]["objects"]
        for kind in ("ring", "spiral")
    )
    assert round(passed) <= 0.01 * (label == 0).sum()
