"""Calibrating an adapted finder: from how many answers, on which, and what is said if it is not."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder.training.adaptation_calibration import calibrated
from lensfinder.training.calibration import fit_temperature
from lensfinder.zoo.calibration import LEAST_OF_EACH, sigmoid


def answers(rng, lenses, others):
    """A network that is far too sure of itself, and wrong now and then."""
    label = np.repeat([1.0, 0.0], [lenses, others])
    return label, sigmoid(6 * rng.normal(2 * label - 1, 1.5))


def test_a_temperature_is_fitted_from_the_least_number_on(rng):
    label, score = answers(rng, LEAST_OF_EACH, LEAST_OF_EACH + 5)
    found = calibrated(label, score, seed=1)
    assert found.calibration == fit_temperature(label, score)
    assert (found.calibration.objects, found.why_not) == (2 * LEAST_OF_EACH + 5, None)
    assert found.calibration.temperature > 2
    assert_array_equal(found.score, found.calibration.apply(score))
    # what it is measured on is from fits without each object
    assert np.abs(found.probability - found.score).max() > 0
    again = calibrated(label, score, seed=1)
    assert_array_equal(again.probability, found.probability)


@pytest.mark.parametrize(
    ("lenses", "others", "words"),
    [(LEAST_OF_EACH - 1, 200, "19 lenses and 200 others"), (50, 3, "50 lenses and 3 others")],
)
def test_too_few_answers_give_none_and_say_so(rng, lenses, others, words):
    label, score = answers(rng, lenses, others)
    found = calibrated(label, score, seed=1)
    assert found.calibration is None
    assert words in found.why_not
    assert_array_equal(found.score, score)
    assert_array_equal(found.probability, score)


def test_classes_that_are_separated_give_none_and_say_so(rng):
    label = np.repeat([1.0, 0.0], 30)
    found = calibrated(label, 0.2 + 0.6 * label, seed=1)
    assert found.calibration is None
    assert "separate lenses from non-lenses entirely" in found.why_not


def test_spare_answers_are_fitted_on_and_the_measured_ones_are_not(rng):
    spare = answers(rng, 40, 60)
    label, score = answers(rng, 30, 30)
    found = calibrated(label, score, spare=spare, seed=1)
    assert found.calibration == fit_temperature(*spare)
    assert_allclose(found.calibration.prevalence, 0.4, rtol=1e-12, atol=0)
    assert_array_equal(found.probability, found.score)
    # it is the spare ones that must be enough
    assert calibrated(label, score, spare=answers(rng, 5, 5), seed=1).calibration is None
