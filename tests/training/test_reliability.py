"""Reliability: the curve, its intervals, and figures that see what is wrong."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.calibration import calibration_curve

from lensfinder.errors import MetricError
from lensfinder.training import metrics
from lensfinder.training.reliability import (
    binomial_interval,
    calibration_figures,
    flat_calibration,
    reliability_curve,
)
from lensfinder.training.scores import without_nan


def sample(rng, n=6000):
    truth = 1 / (1 + np.exp(-rng.normal(0, 2, n)))
    return (rng.random(n) < truth).astype(int), truth


def test_the_curve_agrees_with_scikit_learn(rng):
    label, score = sample(rng, 3000)
    ours = reliability_curve(label, score, bins=10)
    fraction, mean = calibration_curve(label, score, n_bins=10, strategy="quantile")
    # scikit-learn cuts at interpolated quantiles: an object may be in the neighbouring bin
    assert_allclose([line["fraction"] for line in ours], fraction, rtol=0, atol=5 / 300)
    assert_allclose([line["probability"] for line in ours], mean, rtol=0, atol=2e-3)
    assert sum(line["objects"] for line in ours) == 3000
    assert sum(line["lenses"] for line in ours) == label.sum()


def test_the_curve_gives_the_calibration_error(rng):
    label, score = sample(rng)
    gaps = [
        line["objects"] * abs(line["probability"] - line["fraction"])
        for line in reliability_curve(label, score)
    ]
    error = sum(gaps) / label.size
    assert_allclose(error, metrics.calibration_error(label, score), rtol=1e-9, atol=0)


def test_intervals_are_never_empty_and_hold_as_often_as_they_say(rng):
    low, high = binomial_interval([0, 3, 10, 0], [10, 10, 10, 0])
    assert_allclose(low, [0, 0.142, 0.833, 0], rtol=0, atol=5e-3)  # tables of Clopper-Pearson
    assert_allclose(high, [0.167, 0.508, 1, 1], rtol=0, atol=5e-3)
    hits = rng.binomial(40, 0.3, 5000)
    low, high = binomial_interval(hits, np.full(5000, 40))
    held = ((low < 0.3) & (high > 0.3)).mean()
    # exact intervals hold at least 68 %, at 40 trials up to 78 %; 5,000 tries scatter by 0.7 %
    assert 0.66 < held < 0.80


def test_calibrated_probabilities_pass_and_others_do_not(rng):
    label, score = sample(rng)
    good = calibration_figures(label, score, rng=rng)
    assert good["calibrated"]
    # 6,000 objects know temperature and bias to 3 % and 0.04 (1 sigma)
    assert abs(good["temperature"] - 1) < 0.12
    assert abs(good["bias"]) < 0.15
    for wrong in (score**2, 0.5 + 0.5 * score, 1 / (1 + ((1 - score) / score) ** 1.4)):
        bad = calibration_figures(label, wrong, rng=rng)
        assert not bad["calibrated"]
        assert bad["error"] > bad["error_null_99"]
        assert bad["log_loss"] > good["log_loss"]
    sure = calibration_figures(label, 1 / (1 + ((1 - score) / score) ** 1.4), rng=rng)
    assert abs(sure["temperature"] - 1.4) < 0.15


def test_figures_are_plain_data_with_the_top_bin_on_its_own(rng):
    label, score = sample(rng, 1500)
    figures = calibration_figures(label, score, rng=rng)
    json.dumps(figures, allow_nan=False)
    assert figures["top_bin"] == figures["reliability"][-1]
    assert figures["top_bin"]["objects"] == 100
    flat = flat_calibration(label, score)
    assert flat["brier"] == figures["brier"]
    assert flat["calibration_error"] == figures["error"]


def test_separated_classes_have_no_temperature_and_everything_else(rng):
    figures = calibration_figures([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], rng=rng, bins=2)
    assert figures["temperature"] is figures["bias"] is None
    assert figures["brier"] > 0


@pytest.mark.parametrize("score", [[0.1, 1.5], [-0.1, 0.5]])
def test_scores_that_are_no_probabilities_are_refused(score, rng):
    for figure in (reliability_curve, flat_calibration):
        with pytest.raises(MetricError, match="probabilities"):
            figure([0, 1], score)
    with pytest.raises(MetricError, match="probabilities"):
        calibration_figures([0, 1], score, rng=rng)


def test_numbers_that_are_none_become_none():
    nested = {"a": float("nan"), "b": [1.0, float("inf"), {"c": 2}], "d": "text"}
    assert without_nan(nested) == {"a": None, "b": [1.0, None, {"c": 2}], "d": "text"}
