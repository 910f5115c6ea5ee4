"""Axis ratio and position angle of an ellipse that is known as draws of e1 and e2."""

import numpy as np

from lensfinder.lensing.ellipticity import Ellipticity

LEAST = 0.1  # of the draws must be ellipses


def shape_spreads(e1, e2, levels) -> dict[str, np.ndarray]:
    """Standard deviations and quantiles of axis ratio and position angle.

    Draws beyond an ellipticity of 1, which no ellipse has, are left out. Position angles go round:
    they are measured from their circular mean, modulo pi, so their quantiles are in order and may
    lie beyond (-pi/2, pi/2], and their standard deviation is at most about pi / sqrt(12), where
    nothing is known.

    Parameters
    ----------
    e1, e2 : array (draws, N)
        Draws for N ellipses.
    levels : sequence of float
        Of the quantiles, 0 to 1.

    Returns
    -------
    dict of str to array (1 + levels, N)
        ``q`` and ``phi`` (rad): the standard deviation, then the quantiles; NaN where less than a
        tenth of the draws is an ellipse.
    """
    good = np.hypot(e1, e2) < 1  # NaN is no ellipse either
    enough = good.mean(axis=0) >= LEAST
    ellipse = Ellipticity(np.where(good, e1, 0.0), np.where(good, e2, 0.0))
    angle = ellipse.position_angle()
    circle = np.stack([np.sin(2 * angle), np.cos(2 * angle)])
    middle = np.arctan2(*np.where(good, circle, 0).sum(axis=1)) / 2
    apart = (angle - middle + np.pi / 2) % np.pi - np.pi / 2
    found = {"q": _spread(ellipse.axis_ratio(), good, levels), "phi": _spread(apart, good, levels)}
    found["phi"][1:] += middle
    return {name: np.where(enough, lines, np.nan) for name, lines in found.items()}


def near_angle(quantiles, angle) -> np.ndarray:
    """Quantiles of a position angle beside the angle itself, all turned by the same half-turns.

    An ellipse looks the same after half a turn, so pi may be added to all quantiles at once. They
    stay in order, and may lie beyond (-pi/2, pi/2], where the angle itself never does.

    Parameters
    ----------
    quantiles : array (levels, N)
        Rad, in order, from `shape_spreads`.
    angle : array (N,)
        Rad, such as the angle of the mean ellipticity; where it is NaN nothing is turned.

    Returns
    -------
    array (levels, N)
        Such that the middle one lies within pi/2 of the angle.
    """
    quantiles = np.asarray(quantiles, float)
    apart = (np.asarray(angle, float) - quantiles[len(quantiles) // 2]) / np.pi
    return quantiles + np.pi * np.where(np.isfinite(apart), np.round(apart), 0.0)


def _spread(drawn, good, levels):
    """Standard deviation and quantiles along the first axis, of the good ones alone."""
    count = np.maximum(good.sum(axis=0), 1)
    mean = np.where(good, drawn, 0).sum(axis=0) / count
    std = np.sqrt(np.where(good, (drawn - mean) ** 2, 0).sum(axis=0) / count)
    ordered = np.sort(np.where(good, drawn, np.inf), axis=0)
    at = np.asarray(levels, float)[:, None] * (count - 1)
    below = np.take_along_axis(ordered, np.floor(at).astype(int), axis=0)
    above = np.take_along_axis(ordered, np.ceil(at).astype(int), axis=0)
    finite = np.isfinite(below)  # not so where no draw is good
    between = np.where(finite, above, 0) - np.where(finite, below, 0)
    return np.concatenate([std[None], below + (at % 1) * between])
