"""ROC and purity-completeness curves with bootstrap bands, on the grids that figures need."""

from dataclasses import dataclass

import numpy as np

from lensfinder.training.metrics import checked, roc_curve
from lensfinder.training.rarity import purities

BAND = (0.16, 0.84)  # of the bootstrap samples: the central 68 %
DRAWS = 100


@dataclass(frozen=True)
class Curve:
    """A curve and its band; no value is interpolated between two objects.

    Attributes
    ----------
    x, y : array (G,)
        The curve.
    low, high : array (G,)
        The central 68 % of bootstrap samples.
    """

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray


def roc_band(label, score, *, rng, draws: int = DRAWS, points: int = 200) -> Curve:
    """True-positive rate over false-positive rate.

    Parameters
    ----------
    label : array (N,)
        0 or 1.
    score : array (N,)
        Higher is more lens-like.
    rng : numpy.random.Generator
        For the bootstrap.
    draws : int
        Bootstrap samples.
    points : int
        Points of the curve, logarithmic from one false positive to all.

    Returns
    -------
    Curve
        x is the false-positive rate.

    Raises
    ------
    MetricError
        If the two cannot be compared.
    """
    label, score = checked(label, score)
    non_lenses = int((~label).sum())
    grid = np.geomspace(1 / non_lenses, 1.0, points)

    def rates(rows):
        fpr, tpr, _ = roc_curve(label[rows], score[rows])
        # grid[0] * (1 + tiny), or rounding would put one false positive just beyond it
        return tpr[np.searchsorted(fpr, grid * (1 + 1e-9), side="right") - 1]

    return _band(grid, rates, label, rng, draws)


def purity_band(
    label, score, *, rng, prevalence: float | None = None, draws: int = DRAWS, points: int = 200
) -> Curve:
    """Purity over completeness (precision over recall).

    Parameters
    ----------
    label : array (N,)
        0 or 1.
    score : array (N,)
        Higher is more lens-like.
    rng : numpy.random.Generator
        For the bootstrap.
    prevalence : float or None
        Lenses per object; as in the sample by default.
    draws : int
        Bootstrap samples.
    points : int
        Points of the curve, evenly up to completeness 1.

    Returns
    -------
    Curve
        x is the completeness.

    Raises
    ------
    MetricError
        If the two cannot be compared.
    """
    label, score = checked(label, score)
    share = float(label.mean()) if prevalence is None else prevalence
    grid = np.linspace(1 / points, 1.0, points)

    def rates(rows):
        fpr, tpr, _ = roc_curve(label[rows], score[rows])
        at = np.searchsorted(tpr, grid * (1 - 1e-9), side="left")
        return purities(tpr[at], fpr[at], prevalence=share)

    return _band(grid, rates, label, rng, draws)


def _band(grid, rates, label, rng, draws) -> Curve:
    classes = [np.flatnonzero(label == kind) for kind in (True, False)]
    drawn = [
        rates(np.concatenate([rng.choice(part, part.size) for part in classes]))
        for _ in range(draws)
    ]
    low, high = np.quantile(drawn, BAND, axis=0)
    return Curve(grid, rates(slice(None)), low, high)
