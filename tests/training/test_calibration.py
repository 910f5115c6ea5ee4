"""Fitting calibrations, against scikit-learn, known truths, and what must not pass."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from lensfinder.errors import MetricError, UnknownNameError
from lensfinder.training import metrics
from lensfinder.training.calibration import (
    cross_fitted,
    fit,
    fit_isotonic,
    fit_temperature,
    log_losses,
)
from lensfinder.zoo.calibration import logit, sigmoid


def sample(rng, n, distort=lambda x: x):
    """Labels drawn from known log odds, and the scores of a network that distorts them."""
    truth = rng.normal(0, 2.5, n)
    return (rng.random(n) < sigmoid(truth)).astype(int), sigmoid(distort(truth))


def overconfident(x):
    return 1.6 * x - 0.7


def bent(x):
    """No straight line in the log odds undoes this."""
    return np.where(x > 0, 3 * x, 0.5 * x) + 1


def passes(label, score, rng):
    """Whether the calibration error is below what chance gives a perfect model in 99 of 100."""
    gate = metrics.null_calibration_error(score, rng=rng, draws=400)
    return metrics.calibration_error(label, score) < gate


def test_temperature_agrees_with_scikit_learn(rng):
    label, score = sample(rng, 3000, overconfident)
    found = fit_temperature(label, score)
    oracle = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    oracle.fit(logit(score)[:, None], label)
    # two optimisers, both stopped where the gradient of the mean loss is below 1e-5
    assert_allclose(1 / found.temperature, oracle.coef_[0, 0], rtol=1e-3, atol=0)
    assert_allclose(found.bias, oracle.intercept_[0], rtol=0, atol=1e-3)
    assert found.objects == 3000
    assert_allclose(found.prevalence, label.mean(), rtol=1e-12, atol=0)


def test_temperature_finds_what_was_done_to_the_scores(rng):
    label, score = sample(rng, 20_000, overconfident)
    found = fit_temperature(label, score)
    # the information of 20,000 objects leaves 1.5 % on the slope and 0.025 on the bias (1 sigma)
    assert abs(found.temperature / 1.6 - 1) < 0.06
    assert abs(found.bias - 0.7 / 1.6) < 0.1
    assert abs(found.temperature - 1) > 0.3


def test_isotonic_passes_through_the_blocks_of_scikit_learn(rng):
    label, score = sample(rng, 800, bent)
    found = fit_isotonic(label, score)
    x = logit(score)
    steps = IsotonicRegression().fit_transform(x, label)
    values, place = np.unique(steps, return_inverse=True)
    centres = np.array([x[place == block].mean() for block in range(values.size)])
    assert len(found.values) == values.size > 8
    assert_allclose(found.logits, centres, rtol=1e-9, atol=1e-9)  # the same means
    inner = slice(1, -1)  # the outermost blocks may hold one class alone
    assert_allclose(sigmoid(np.array(found.values))[inner], values[inner], rtol=1e-9, atol=0)
    assert_allclose(found.apply(sigmoid(centres))[inner], values[inner], rtol=1e-9, atol=0)


def test_isotonic_never_says_never(rng):
    label, score = sample(rng, 300)
    p = fit_isotonic(label, score).apply(np.array([0.0, 1e-8, 1 - 1e-7, 1.0]))
    assert ((p > 0) & (p < 1)).all()
    assert p[0] < 1 / 300
    assert p[-1] > 1 - 1 / 300


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_a_fit_repairs_fresh_objects_and_the_gate_sees_the_damage(method, rng):
    fitted = fit(*sample(rng, 10_000, overconfident), method=method)
    label, score = sample(rng, 10_000, overconfident)
    assert not passes(label, score, rng)
    # isotonic regression of 10,000 objects is itself uncertain by about half the gate
    repaired = fitted.apply(score)
    if method == "temperature":
        assert passes(label, repaired, rng)
    gate = metrics.null_calibration_error(repaired, rng=rng)
    assert metrics.calibration_error(label, repaired) < 2 * gate
    assert metrics.calibration_error(label, score) > 4 * gate
    assert log_losses(label, repaired).mean() < log_losses(label, score).mean() - 0.01


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_a_fit_leaves_every_ranking_figure_alone(method, rng):
    label, score = sample(rng, 2000, bent)
    score = score.astype(np.float32)  # as networks give them
    assert (score == 1).any()
    repaired = fit(label, score, method=method).apply(score)
    for figure in (metrics.roc_auc, metrics.precision_recall_auc):
        assert_allclose(figure(label, repaired), figure(label, score), rtol=1e-12, atol=0)
    assert metrics.tpr_before(label, repaired, 1) == metrics.tpr_before(label, score, 1)


def test_best_takes_the_bent_line_only_where_it_is_needed(rng):
    assert fit(*sample(rng, 6000, bent), rng=rng).kind == "isotonic"
    assert fit(*sample(rng, 6000, overconfident), rng=rng).kind == "temperature"


def test_best_leaves_scores_alone_that_are_right_already(rng):
    # one standard error is beaten by chance now and then: most of ten samples, and not all, decide
    found = [fit(*sample(rng, 1500), rng=rng) for _ in range(10)]
    left = [each for each in found if each.kind == "temperature" and each.unchanged]
    assert len(left) >= 7
    assert all(abs(each.prevalence - 0.5) < 0.1 and each.objects == 1500 for each in left)
    score = np.array([1e-6, 0.2, 0.5, 0.97])
    assert_allclose(left[0].apply(score), score, rtol=1e-12, atol=0)
    assert not fit(*sample(rng, 6000, overconfident), rng=rng).unchanged


def test_cross_fitted_probabilities_are_those_of_fits_without_the_object(rng):
    label, score = sample(rng, 3000, overconfident)
    found = cross_fitted(label, score, rng=rng)
    both = fit_temperature(label, score).apply(score)
    # other fits than the one of all objects, by what 600 objects more or less make of it
    assert 0 < np.abs(logit(found) - logit(both)).max() < 1
    assert passes(label, found, rng)
    assert not passes(label, score, rng)
    # on few objects they show what the fit of the same objects hides
    few = [sample(rng, 100, overconfident) for _ in range(30)]
    gaps = [
        log_losses(a, cross_fitted(a, b, rng=rng)).mean()
        - log_losses(a, fit_temperature(a, b).apply(b)).mean()
        for a, b in few
    ]
    assert np.mean(gaps) > 0.005  # twice two parameters over 200


def test_best_is_seeded(rng):
    label, score = sample(rng, 500, bent)
    one, two = (fit(label, score, rng=np.random.default_rng(3)) for _ in range(2))
    assert one == two
    with pytest.raises(MetricError, match="Give rng"):
        fit(label, score)


def test_scores_of_exactly_zero_and_one_are_calibrated_too(rng):
    label, score = sample(rng, 2000, lambda x: 20 * x)
    score = score.astype(np.float32)
    assert (score == 1).any()
    for method in ("temperature", "isotonic"):
        p = fit(label, score, method=method).apply(score)
        assert np.isfinite(log_losses(label, p)).all()


@pytest.mark.parametrize(
    ("label", "score", "words"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], "separate"),
        ([1, 1, 0, 1, 0, 0], [0.1, 0.2, 0.3, 0.8, 0.85, 0.9], "do not score higher"),
        ([0, 1, 0, 1], [0.1, 1.2, 0.8, 0.9], r"\[0, 1\]"),
        ([0, 0, 0, 0], [0.1, 0.2, 0.8, 0.9], "Both classes"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(label, score, words):
    with pytest.raises(MetricError, match=words):
        fit_temperature(label, score)


def test_isotonic_needs_scores_that_say_something():
    with pytest.raises(MetricError, match="one block"):
        fit_isotonic([1, 0, 1, 0], [0.5, 0.5, 0.5, 0.5])


def test_an_unknown_method_is_named():
    with pytest.raises(UnknownNameError, match="best, isotonic, temperature"):
        fit([0, 1], [0.1, 0.9], method="beta")
