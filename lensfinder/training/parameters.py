"""Figures of merit of a modeller: the table of Pearson et al. 2019, and robust ones beside it."""

import numpy as np

from lensfinder.errors import MetricError
from lensfinder.lensing.ellipticity import Ellipticity
from lensfinder.training.bootstrap import bootstrap

NMAD = 1.4826  # turns the median absolute deviation of a Gaussian into its standard deviation


def parameter_differences(truth, predicted) -> dict[str, np.ndarray]:
    """Predicted minus true value of each parameter, and of the two that papers quote.

    From e1 and e2 follow ``ellipticity``, 1 - q, and ``orientation``, in radians, whose differences
    are taken modulo pi: an ellipse turned by half a turn is the same ellipse (Pearson et al. 2019,
    section 3.1 and table 1).

    Parameters
    ----------
    truth, predicted : dict of str to array (N,)
        The same columns in both.

    Returns
    -------
    dict of str to array (N,)
        Differences, in each parameter's own unit.

    Raises
    ------
    MetricError
        If columns or lengths differ, or a value is not finite.
    """
    if set(truth) != set(predicted) or not truth:
        raise MetricError(
            f"Truth and predictions must have the same columns. Received: {sorted(truth)} and "
            f"{sorted(predicted)}."
        )
    true = {name: np.asarray(values, np.float64) for name, values in truth.items()}
    ours = {name: np.asarray(values, np.float64) for name, values in predicted.items()}
    shapes = {values.shape for values in (*true.values(), *ours.values())}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1 or not next(iter(shapes))[0]:
        raise MetricError(f"Every column must be a vector of one length. Received: {shapes}.")
    for name in true:
        if not (np.isfinite(true[name]).all() and np.isfinite(ours[name]).all()):
            raise MetricError(f"{name} is not finite everywhere. Drop the flagged rows first.")
    found = {name: ours[name] - true[name] for name in true}
    if {"e1", "e2"} <= set(true):
        before = Ellipticity(true["e1"], true["e2"])
        after = Ellipticity(ours["e1"], ours["e2"])
        found["ellipticity"] = before.axis_ratio() - after.axis_ratio()
        found["orientation"] = wrap(after.position_angle() - before.position_angle())
    return found


def wrap(angle):
    """Difference of two position angles, modulo half a turn.

    Parameters
    ----------
    angle : array
        Difference, rad.

    Returns
    -------
    array
        The same difference in [-pi/2, pi/2).
    """
    return (np.asarray(angle) + np.pi / 2) % np.pi - np.pi / 2


def parameter_table(truth, predicted, *, rng, draws: int = 200) -> dict[str, dict[str, float]]:
    """Errors of each parameter over a test sample, with the errors of these errors.

    Parameters
    ----------
    truth, predicted : dict of str to array (N,)
        The same columns in both.
    rng : numpy.random.Generator
        For the bootstrap.
    draws : int
        Number of resampled samples.

    Returns
    -------
    dict of str to dict of str to float
        Per parameter: ``rms`` (over all objects, about zero, as in the paper's table 1), ``bias``
        (mean), ``median``, ``p16``, ``p84`` and ``nmad`` of predicted - true; ``rms_std`` and
        ``nmad_std`` by bootstrap; ``rms_constant``: the RMS of always answering the sample's mean,
        which a useful network must beat (pi / sqrt(12) for orientations).

    Raises
    ------
    MetricError
        If the two cannot be compared.
    """
    differences = parameter_differences(truth, predicted)
    names = list(differences)
    stacked = np.stack([differences[name] for name in names], axis=1)
    spread = bootstrap(lambda rows: _spread(names, rows), stacked, rng=rng, draws=draws)
    constant = _constant(truth)
    table = {}
    for name in names:
        values = differences[name]
        low, middle, high = np.quantile(values, (0.16, 0.5, 0.84))
        table[name] = {
            "rms": float(np.sqrt(np.mean(values**2))),
            "rms_std": spread[f"{name} rms"]["std"],
            "rms_constant": constant[name],
            "bias": float(values.mean()),
            "median": float(middle),
            "p16": float(low),
            "p84": float(high),
            "nmad": float(NMAD * np.median(np.abs(values - middle))),
            "nmad_std": spread[f"{name} nmad"]["std"],
        }
    return table


def _spread(names, rows):
    rms = np.sqrt(np.mean(rows**2, axis=0))
    nmad = NMAD * np.median(np.abs(rows - np.median(rows, axis=0)), axis=0)
    values = {f"{name} rms": float(value) for name, value in zip(names, rms, strict=True)}
    return values | {f"{name} nmad": float(value) for name, value in zip(names, nmad, strict=True)}


def _constant(truth):
    columns = {name: np.asarray(values, np.float64) for name, values in truth.items()}
    found = {name: float(values.std()) for name, values in columns.items()}
    if {"e1", "e2"} <= set(columns):
        shape = Ellipticity(columns["e1"], columns["e2"])
        found["ellipticity"] = float(shape.axis_ratio().std())
        found["orientation"] = float(np.pi / np.sqrt(12))
    return found
