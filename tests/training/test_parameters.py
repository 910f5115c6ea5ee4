"""Figures of merit of a modeller."""

import numpy as np
import pytest

from lensfinder.errors import MetricError
from lensfinder.lensing.ellipticity import Ellipticity
from lensfinder.training.parameters import parameter_differences, parameter_table, wrap


def columns(q, phi, theta_E=1.0):
    shape = Ellipticity.from_axis_ratio(np.asarray(q, float), np.asarray(phi, float))
    return {"theta_E": np.full(len(q), theta_E), "e1": shape.e1, "e2": shape.e2}


def test_orientation_is_compared_modulo_half_a_turn():
    before, after = columns([0.5], [np.radians(89)]), columns([0.5], [np.radians(-89)])
    found = parameter_differences(before, after)["orientation"]
    # float64 rounding of cos, sin and arctan2
    np.testing.assert_allclose(found, np.radians([2.0]), rtol=1e-9, atol=0)
    assert abs(np.radians(89) - np.radians(-89)) > 3  # what it would be without


def test_ellipticity_is_one_minus_the_axis_ratio():
    found = parameter_differences(columns([0.5, 0.8], [0.3, 0.3]), columns([0.6, 0.6], [0.3, 0.3]))
    # 1 - 0.6 minus 1 - 0.5 is -0.1
    np.testing.assert_allclose(found["ellipticity"], [-0.1, 0.2], rtol=1e-9, atol=0)


def test_wrap_covers_half_a_turn(rng):
    angles = rng.uniform(-20, 20, 1000)
    wrapped = wrap(angles)
    assert wrapped.min() >= -np.pi / 2
    assert wrapped.max() < np.pi / 2
    np.testing.assert_allclose(np.sin(2 * wrapped), np.sin(2 * angles), rtol=0, atol=1e-12)


def test_table_recovers_a_known_scatter(rng):
    n = 20_000
    truth = {"theta_E": rng.uniform(0.5, 2, n)}
    table = parameter_table(
        truth, {"theta_E": truth["theta_E"] + rng.normal(0.02, 0.1, n)}, rng=rng, draws=50
    )["theta_E"]
    # standard errors: bias sigma / sqrt(n) = 7e-4, rms sigma / sqrt(2 n) = 5e-4; five of each
    assert abs(table["bias"] - 0.02) < 3.5e-3
    assert abs(table["rms"] - np.hypot(0.1, 0.02)) < 2.5e-3
    assert abs(table["nmad"] - 0.1) < 5e-3
    assert abs(table["rms"] - 1.1 * np.hypot(0.1, 0.02)) > 2.5e-3  # it can see 10 %
    assert 3e-4 < table["rms_std"] < 8e-4
    assert table["p16"] < table["median"] < table["p84"]
    assert abs(table["rms_constant"] - 1.5 / np.sqrt(12)) < 5e-3


def test_outliers_move_the_rms_and_not_the_nmad(rng):
    truth = {"theta_E": np.zeros(1000)}
    values = rng.normal(0, 0.1, 1000)
    values[:20] += 5
    table = parameter_table(truth, {"theta_E": values}, rng=rng, draws=5)["theta_E"]
    assert table["rms"] > 0.5
    assert table["nmad"] < 0.12


def test_random_orientations_have_the_rms_of_a_constant(rng):
    n = 20_000
    one, two = (columns(np.full(n, 0.7), rng.uniform(0, np.pi, n)) for _ in range(2))
    table = parameter_table(one, two, rng=rng, draws=5)["orientation"]
    # the RMS of a uniform angle in (-pi/2, pi/2); its standard error is 0.3 %
    assert abs(table["rms"] / table["rms_constant"] - 1) < 0.015


@pytest.mark.parametrize(
    ("truth", "predicted", "words"),
    [
        ({"theta_E": [1.0]}, {"e1": [1.0]}, "same columns"),
        ({"theta_E": [1.0]}, {"theta_E": [np.nan]}, "not finite"),
        ({"theta_E": [1.0, 2.0]}, {"theta_E": [1.0]}, "one length"),
        ({}, {}, "same columns"),
    ],
)
def test_what_cannot_be_compared_is_refused(truth, predicted, words):
    with pytest.raises(MetricError, match=words):
        parameter_differences(truth, predicted)
