"""Curves with bands: points of the curve itself, and bands as wide as they should be."""

import numpy as np
import pytest

from lensfinder.errors import MetricError
from lensfinder.training import metrics
from lensfinder.training.curves import purity_band, roc_band


def sample(rng, n=2000):
    label = (rng.random(n) < 0.4).astype(int)
    return label, rng.normal(size=n) + 2 * label


def test_the_roc_curve_is_made_of_points_that_are_reached(rng):
    label, score = sample(rng)
    curve = roc_band(label, score, rng=rng, draws=20)
    fpr, tpr, _ = metrics.roc_curve(label, score)
    assert set(curve.y) <= set(tpr)
    assert curve.x[0] == 1 / (label == 0).sum()
    assert curve.y[0] == tpr[fpr <= curve.x[0]].max()
    for value in (0.01, 0.1):
        at = np.argmin(np.abs(curve.x - value))
        assert curve.y[at] == metrics.tpr_at_fpr(label, score, curve.x[at])
    assert (np.diff(curve.y) >= 0).all()
    assert ((curve.low <= curve.high) & (curve.high <= 1)).all()


def test_the_purity_curve_is_precision_over_recall(rng):
    label, score = sample(rng)
    curve = purity_band(label, score, rng=rng, draws=20)
    at = np.argmin(np.abs(curve.x - 0.5))
    threshold = np.sort(score[label == 1])[::-1][int(np.ceil(0.5 * label.sum())) - 1]
    passed = score >= threshold
    assert abs(curve.y[at] - label[passed].mean()) < 1e-12  # the same fraction
    rare = purity_band(label, score, rng=rng, draws=2, prevalence=1e-4)
    pure = curve.y == 1  # no non-lens passes: pure whatever the prevalence
    assert (rare.y[pure] == 1).all()
    assert (rare.y[~pure] < curve.y[~pure]).all()


def test_a_band_is_as_wide_as_the_scatter_of_fresh_samples(rng):
    label, score = sample(rng)
    curve = roc_band(label, score, rng=rng, draws=200)
    at = np.argmin(np.abs(curve.x - 0.1))
    fresh = [metrics.tpr_at_fpr(*sample(rng), curve.x[at]) for _ in range(200)]
    width = 0.5 * (curve.high[at] - curve.low[at])
    # a standard deviation of 200 has an error of 5 %, a width from quantiles of 8 %; two of them
    assert abs(width / np.std(fresh) - 1) < 0.35
    assert abs(2 * width / np.std(fresh) - 1) > 0.35


def test_curves_are_seeded_and_refuse_one_class(rng):
    label, score = sample(rng, 300)
    for band in (roc_band, purity_band):
        one, two = (band(label, score, rng=np.random.default_rng(1), draws=5) for _ in range(2))
        assert (one.low == two.low).all()
        with pytest.raises(MetricError, match="Both classes"):
            band(np.ones(5), np.arange(5), rng=rng)
