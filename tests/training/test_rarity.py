"""Purity and completeness where lenses are rare, worked out by hand and by counting."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lensfinder.errors import MetricError
from lensfinder.training import metrics, rarity
from lensfinder.training.scores import finder_figures


def sample(lenses=1000, others=4000):
    """Half of the lenses above all others, a quarter beside 1 % of them, a quarter below."""
    label = np.repeat([1, 0], [lenses, others])
    score = np.concatenate([
        np.repeat([0.9, 0.6, 0.1], [lenses // 2, lenses // 4, lenses // 4]),
        np.repeat([0.6, 0.2], [others // 100, others - others // 100]),
    ])  # fmt: skip
    return label, score


def test_purity_is_what_a_survey_would_count():
    label, score = sample()
    # 1,000,000 objects, 1,000 lenses: at p >= 0.6 750 lenses and 1 % of 999,000 others
    expected = 750 / (750 + 9_990)
    found = rarity.purities(np.array([0.75]), np.array([0.01]), prevalence=1e-3)
    assert_allclose(found, expected, rtol=1e-12, atol=0)
    table = metrics.purity_at_prevalence(label, score, completeness=0.6, prevalence=1e-3)
    assert_allclose(table["purity"], expected, rtol=1e-12, atol=0)
    assert np.isnan(rarity.purities(np.array([0.0]), np.array([0.0]), prevalence=1e-3)).all()


def test_purity_at_the_sample_s_own_prevalence_is_precision(rng):
    label = (rng.random(500) < 0.3).astype(int)
    score = np.round(rng.random(500) + 0.4 * label, 2)
    true, false, _ = metrics.counts_by_threshold(label, score)
    found = rarity.purities(true / true[-1], false / false[-1], prevalence=label.mean())
    assert_allclose(found[1:], true[1:] / (true[1:] + false[1:]), rtol=1e-12, atol=0)


@pytest.mark.parametrize(("purity", "expected"), [(0.05, 0.75), (0.5, 0.5)])
def test_completeness_at_purity_takes_the_most_that_is_pure_enough(purity, expected):
    found = rarity.completeness_at_purity(*sample(), purity=purity, prevalence=1e-3)
    assert found["completeness"] == expected
    assert found["threshold"] == (0.6 if expected == 0.75 else 0.9)
    assert found["false_positives"] == (40 if expected == 0.75 else 0)


def test_what_so_few_non_lenses_cannot_measure_is_not_claimed():
    label, score = sample()
    # one false positive among 4,000 leaves a purity of 0.8 at 1 in 1,000, of 0.29 at 1 in 10,000
    common, rare = (
        rarity.completeness_at_purity(label, score, purity=0.5, prevalence=p) for p in (1e-3, 1e-4)
    )
    assert common["completeness"] == 0.5
    assert np.isnan(rare["completeness"])
    assert rare["completeness_supported"] == 0


def test_a_purity_without_a_false_positive_is_not_claimed(rng):
    label, score = sample()
    # no non-lens at 0.9, where half of the lenses are; 40 of them at 0.6
    none, some = (
        metrics.purity_at_prevalence(label, score, completeness=share, prevalence=1e-4)
        for share in (0.5, 0.6)
    )
    assert (none["false_positive_rate"], some["false_positive_rate"]) == (0, 0.01)
    assert np.isnan(none["purity"])
    assert 0 < none["purity_lower"] < 0.1
    assert 0 < some["purity_lower"] < some["purity"] < 0.02
    flat = rarity.flat_figures(label, score)
    assert np.isnan(flat["purity_0.5_0.0001"])
    figures = finder_figures(label, score, rng=rng, draws=5)
    for values in figures["surveys"].values():
        assert values["purity_at_completeness"]["0.5"]["purity"] is None
    assert figures["std"]["purity_0.5_0.001"] is None
    json.dumps(figures, allow_nan=False)


def test_support_is_the_rule_of_three():
    label = np.repeat([1, 0], [100, 2992])
    score = label * 0.8 + 0.1
    needed = rarity.needed(purity=0.5, prevalence=1e-3)
    assert_allclose(needed, 3 / 1e-3, rtol=0.01, atol=0)  # 3.0 is rounded from 2.9957
    for others, supported in ((needed, 1.0), (needed - 10, 0.0)):
        rows = slice(0, 100 + others) if others <= 2992 else slice(None)
        kept = np.concatenate([label[rows], np.zeros(max(0, others - 2992), int)])
        scores = np.concatenate([score[rows], np.full(max(0, others - 2992), 0.1)])
        found = rarity.completeness_at_purity(kept, scores, purity=0.5, prevalence=1e-3)
        assert found["completeness_supported"] == supported
        assert found["non_lenses_needed"] == needed


def test_limits_of_many_rates_are_those_of_each():
    hits = np.array([0, 1, 5, 5, 40, 200, 200])
    found = rarity.upper_rates(hits, 200)
    expected = [metrics.upper_limit(int(count), 200) for count in hits]
    assert_allclose(found, expected, rtol=1e-12, atol=0)


def test_the_limits_hold_as_often_as_they_say(rng):
    rate, total, tries = 0.02, 300, 4000
    hits = rng.binomial(total, rate, tries)
    held = (rarity.upper_rates(hits, total) > rate).mean()
    # Clopper-Pearson is never below 95 %; 4,000 tries scatter by 0.35 %
    assert held > 0.94
    assert (hits / total > rate).mean() < 0.6, "the rate itself would not hold"


def test_the_flat_figures_are_those_of_the_table(rng):
    label = (rng.random(6000) < 0.5).astype(int)
    score = 1 / (1 + np.exp(-(rng.normal(size=6000) + 4 * label - 2)))
    flat, table = rarity.flat_figures(label, score), rarity.survey_figures(label, score)
    assert len(flat) == 3 * 4
    for prevalence, values in table.items():
        for share, entry in values["purity_at_completeness"].items():
            assert_allclose(flat[f"purity_{share}_{prevalence}"], entry["purity"], rtol=1e-12)
        for share, entry in values["completeness_at_purity"].items():
            assert_allclose(flat[f"completeness_{share}_{prevalence}"], entry["completeness"])


@pytest.mark.parametrize("purity", [0, 1, 2, np.nan])
def test_a_purity_is_a_fraction(purity):
    with pytest.raises(MetricError, match="between 0 and 1"):
        rarity.completeness_at_purity(*sample(), purity=purity, prevalence=1e-3)
