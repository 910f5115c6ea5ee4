"""Errors of a modeller's parameters where they depend on the lens: by Einstein radius and S/N."""

import numpy as np

from lensfinder.errors import MetricError
from lensfinder.training.bootstrap import bootstrap
from lensfinder.training.parameters import parameter_differences

AXES = ("theta_E", "snr")
BINS = 6
LEAST = 20  # lenses per bin: the RMS of so many is known to 16 %


def errors_in_bins(truth, predicted, by, *, rng, bins: int = BINS, draws: int = 100) -> list[dict]:
    """RMS and bias of every parameter in bins of equal numbers of lenses.

    Parameters
    ----------
    truth, predicted : dict of str to array (N,)
        The same columns in both.
    by : array (N,)
        What to bin by.
    rng : numpy.random.Generator
        For the bootstrap.
    bins : int
        Number of bins; fewer if a bin would hold fewer than 20 lenses.
    draws : int
        Bootstrap samples.

    Returns
    -------
    list of dict
        Per bin: ``low``, ``high``, ``median`` (of `by`), ``objects``, and ``parameters``: for each
        the ``rms`` with ``rms_std``, and the ``median``, ``p16`` and ``p84`` of predicted - true.

    Raises
    ------
    MetricError
        If the columns cannot be compared, or `by` is not finite or of another length.
    """
    differences = parameter_differences(truth, predicted)
    names, by = list(differences), np.asarray(by, np.float64)
    stacked = np.stack([differences[name] for name in names], axis=1)
    if by.shape != (len(stacked),) or not np.isfinite(by).all():
        raise MetricError(
            f"What to bin by must be finite for each of {len(stacked)} lenses. "
            f"Received: shape {by.shape}."
        )
    count = int(np.clip(by.size // LEAST, 1, bins))
    lines = []
    for part in np.array_split(np.argsort(by, kind="stable"), count):
        rows = stacked[part]
        root = np.sqrt(np.mean(rows**2, axis=0))
        spread = (
            bootstrap(lambda some: _rms(names, some), rows, rng=rng, draws=draws)
            if len(rows) > 1
            else {name: {"std": float("nan")} for name in names}
        )
        low, middle, high = np.quantile(rows, (0.16, 0.5, 0.84), axis=0)
        lines.append(
            {
                "low": float(by[part].min()),
                "high": float(by[part].max()),
                "median": float(np.median(by[part])),
                "objects": int(part.size),
                "parameters": {
                    name: {
                        "rms": float(root[i]),
                        "rms_std": spread[name]["std"],
                        "median": float(middle[i]),
                        "p16": float(low[i]),
                        "p84": float(high[i]),
                    }
                    for i, name in enumerate(names)
                },
            }
        )
    return lines


def bins_along(table, truth, predicted, *, rng) -> dict[str, list[dict]]:
    """RMS and bias of every parameter in bins of Einstein radius, and of S/N.

    Parameters
    ----------
    table : astropy.table.Table
        One row per lens: ``theta_E``, ``snr``. An axis that it has not got, or that is not known of
        all lenses, is left out.
    truth, predicted : dict of str to array (N,)
        The same columns in both.
    rng : numpy.random.Generator
        For the bootstrap.

    Returns
    -------
    dict of str to list of dict
        By axis, as from `errors_in_bins`.

    Raises
    ------
    MetricError
        If the columns cannot be compared.
    """
    found = {}
    for name in AXES:
        if name in table.colnames and np.isfinite(np.asarray(table[name], np.float64)).all():
            found[name] = errors_in_bins(truth, predicted, table[name], rng=rng)
    return found


def _rms(names, rows) -> dict[str, float]:
    return dict(zip(names, np.sqrt(np.mean(rows**2, axis=0)).tolist(), strict=True))


def running_quantiles(x, y, *, quantiles=(0.16, 0.5, 0.84), points: int = 12):
    """Quantiles of y over x, in runs of equal numbers that overlap by half.

    Parameters
    ----------
    x, y : array (N,)
        Values; N at least 2.
    quantiles : sequence of float
        Which.
    points : int
        Number of runs.

    Returns
    -------
    centres : array (points,)
        Median x of each run.
    values : array (len(quantiles), points)
        Quantiles of y there.

    Raises
    ------
    MetricError
        If the two differ in length, or hold fewer than two values.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.shape != y.shape or x.ndim != 1 or x.size < 2:
        raise MetricError(f"Two vectors of one length >= 2 are needed. Received: {x.shape}.")
    order = np.argsort(x, kind="stable")
    width = max(2, int(np.ceil(2 * x.size / (points + 1))))
    starts = np.unique(np.linspace(0, max(0, x.size - width), points).astype(int))
    runs = [order[start : start + width] for start in starts]
    centres = np.array([np.median(x[run]) for run in runs])
    values = np.array([np.quantile(y[run], quantiles) for run in runs]).T
    return centres, values
