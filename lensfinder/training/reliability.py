"""Whether probabilities are what they say: reliability curve, calibration error and its gate.

The gate is the calibration error that a perfectly calibrated model shows by chance on as many
objects (its 99 % quantile): below it nothing can be told from perfect, above it something is wrong.
"""

import numpy as np

from lensfinder.errors import MetricError
from lensfinder.training import metrics
from lensfinder.training.calibration import fit_temperature, log_losses

INTERVAL = 0.68  # central, of the fraction of lenses in a bin


def reliability_curve(label, score, *, bins: int = metrics.CALIBRATION_BINS) -> list[dict]:
    """Fraction of lenses against predicted probability, in bins of equal numbers of objects.

    Parameters
    ----------
    label : array (N,)
        0 or 1.
    score : array (N,)
        Probabilities.
    bins : int
        Number of bins.

    Returns
    -------
    list of dict
        Per bin, from low to high: ``objects``, ``lenses``, ``probability`` (mean), ``fraction``
        of lenses with ``low`` and ``high`` (central 68 % Clopper-Pearson interval).

    Raises
    ------
    MetricError
        If the two cannot be compared, or scores are no probabilities.
    """
    label, score = _probabilities(label, score)
    order = np.argsort(score, kind="stable")
    lines = []
    for part in np.array_split(order, bins):
        if not part.size:
            continue
        hits = int(label[part].sum())
        low, high = binomial_interval(hits, part.size, confidence=INTERVAL)
        lines.append(
            {
                "objects": int(part.size),
                "lenses": hits,
                "probability": float(score[part].mean()),
                "fraction": hits / part.size,
                "low": float(low),
                "high": float(high),
            }
        )
    return lines


def binomial_interval(hits, total, *, confidence: float = INTERVAL):
    """Central Clopper-Pearson interval of a fraction; never empty, exact for small numbers.

    Parameters
    ----------
    hits, total : int or int array
        Events among trials; `total` may be 0.
    confidence : float
        Probability inside.

    Returns
    -------
    low, high : float or array
        0 and 1 where there was no trial.
    """
    from scipy.stats import beta

    hits, total = np.asarray(hits), np.asarray(total)
    tail = (1 - confidence) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(hits > 0, beta.ppf(tail, np.maximum(hits, 1), total - hits + 1), 0.0)
        missed = total - hits
        high = np.where(missed > 0, beta.ppf(1 - tail, hits + 1, np.maximum(missed, 1)), 1.0)
    return low, high


def calibration_figures(label, score, *, rng, bins: int = metrics.CALIBRATION_BINS) -> dict:
    """Everything about calibration, with the gates that chance sets.

    Parameters
    ----------
    label : array (N,)
        0 or 1.
    score : array (N,)
        Probabilities.
    rng : numpy.random.Generator
        For the chance values.
    bins : int
        Number of bins.

    Returns
    -------
    dict
        ``error`` (expected calibration error), ``error_null_99`` (its gate), ``calibrated`` (below
        the gate), ``brier``, ``log_loss``, ``temperature`` and ``bias`` (of the fit on this sample:
        1 and 0 for calibrated probabilities; None if the scores separate the classes), ``top_bin``
        and ``reliability`` (see `reliability_curve`).

    Raises
    ------
    MetricError
        If the two cannot be compared, or scores are no probabilities.
    """
    label, score = _probabilities(label, score)
    curve = reliability_curve(label, score, bins=bins)
    error = metrics.calibration_error(label, score, bins=bins)
    gate = metrics.null_calibration_error(score, rng=rng, bins=bins)
    try:
        fitted = fit_temperature(label, score)
        line = {"temperature": fitted.temperature, "bias": fitted.bias}
    except MetricError:  # separated or inverted classes have no such line; the rest still holds
        line = {"temperature": None, "bias": None}
    return {
        "error": error,
        "error_null_99": gate,
        "calibrated": bool(error <= gate),
        "brier": metrics.brier_score(label, score),
        "log_loss": float(log_losses(label, score).mean()),
        **line,
        "top_bin": curve[-1],
        "reliability": curve,
    }


def flat_calibration(label, score) -> dict[str, float]:
    """The figures of calibration that a bootstrap resamples.

    Parameters
    ----------
    label : array (N,)
        0 or 1.
    score : array (N,)
        Probabilities.

    Returns
    -------
    dict of str to float
        ``calibration_error``, ``brier`` and ``log_loss``.

    Raises
    ------
    MetricError
        If the two cannot be compared, or scores are no probabilities.
    """
    return {
        "calibration_error": metrics.calibration_error(label, score),
        "brier": metrics.brier_score(label, score),
        "log_loss": float(log_losses(label, score).mean()),
    }


def _probabilities(label, score):
    label, score = metrics.checked(label, score)
    if score.min() < 0 or score.max() > 1:
        raise MetricError("Calibration needs probabilities in [0, 1].")
    return label, score
