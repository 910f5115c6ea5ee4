"""Calibrating an adapted finder on its answers to images that it was not trained on."""

from dataclasses import dataclass

import numpy as np

from lensfinder.errors import MetricError
from lensfinder.training.calibration import cross_fitted, fit_temperature
from lensfinder.zoo.calibration import LEAST_OF_EACH, Temperature


@dataclass(frozen=True)
class Calibrated:
    """What came of a calibration.

    Attributes
    ----------
    calibration : Temperature or None
        For the preset; None where there can be none.
    score : array (N,)
        What the preset gives for the objects that are measured.
    probability : array (N,)
        The same by calibrations fitted without the object: what its calibration is measured on.
    why_not : str or None
        Why there is none, in words.
    """

    calibration: Temperature | None
    score: np.ndarray
    probability: np.ndarray
    why_not: str | None = None


def calibrated(label, score, *, spare=None, seed: int) -> Calibrated:
    """Fit a temperature and a bias on held-out answers, if there are enough of them.

    With cross-validation, the answers are those of networks trained on part of the images; the
    calibration is for the one trained on all, which is at least as good. Isotonic regression has
    too many parameters for so few.

    Parameters
    ----------
    label : array (N,)
        0 or 1, of the objects that are measured.
    score : array (N,)
        Answers to them, by networks that were not trained on them.
    spare : tuple of two arrays (M,), or None
        Labels and answers of other objects to fit on. Without, the measured ones are fitted on, and
        what is measured is cross-fitted.
    seed : int
        Deals the folds.

    Returns
    -------
    Calibrated
        Without a calibration, scores are what was given.
    """
    known, given = (label, score) if spare is None else spare
    lenses = int(np.sum(known))
    counts = lenses, len(known) - lenses
    if min(counts) < LEAST_OF_EACH:
        why = f"there were answers to {counts[0]} lenses and {counts[1]} others to calibrate on"
        return Calibrated(None, score, score, why)
    try:
        found = fit_temperature(known, given)
        rng = np.random.default_rng(seed)
        held = None if spare is not None else cross_fitted(label, score, rng=rng)
    except MetricError as error:  # a temperature without end, or one that cannot be measured
        why = f"no calibration could be fitted: {str(error).split('. ')[0].rstrip('.')}"
        return Calibrated(None, score, score, why)
    applied = found.apply(score)
    return Calibrated(found, applied, applied if held is None else held)
