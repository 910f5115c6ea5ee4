"""Error bars by resampling objects with replacement."""

import numpy as np

from lensfinder.errors import MetricError


def bootstrap(statistic, *arrays, rng, draws: int = 200, strata=None) -> dict[str, float]:
    """Scatter of a statistic over resampled data sets.

    Parameters
    ----------
    statistic : callable
        Function of the arrays that returns a float, or a dict of floats.
    *arrays : array (N, ...)
        What it is computed from; rows stay together.
    rng : numpy.random.Generator
        Source of randomness.
    draws : int
        Number of resampled sets.
    strata : array (N,) or None
        Resample within each value of this, e.g. the label, so that no set loses a class.

    Returns
    -------
    dict of str to float or dict of str to dict
        ``std``, ``p16`` and ``p84``; for a statistic that returns a dict, one such per key.

    Raises
    ------
    MetricError
        If the arrays differ in length or hold fewer than two objects.
    """
    arrays = [np.asarray(array) for array in arrays]
    sizes = {len(array) for array in arrays}
    if len(sizes) != 1 or min(sizes) < 2:
        raise MetricError(f"Resampling needs arrays of one length, at least 2. Received: {sizes}.")
    (size,) = sizes
    results = [
        statistic(*(array[rows] for array in arrays))
        for rows in resampled_rows(size, rng=rng, draws=draws, strata=strata)
    ]
    if isinstance(results[0], dict):
        return {key: _spread([result[key] for result in results]) for key in results[0]}
    return _spread(results)


def resampled_rows(size: int, *, rng, draws: int, strata=None):
    """Rows of resampled data sets, one after another.

    Parameters
    ----------
    size : int
        Number of objects.
    rng : numpy.random.Generator
        Source of randomness.
    draws : int
        Number of resampled sets.
    strata : array (N,) or None
        As in `bootstrap`.

    Yields
    ------
    int array (N,)
        Rows, drawn with replacement within each stratum.

    Raises
    ------
    MetricError
        If there are fewer than two objects.
    """
    if size < 2:
        raise MetricError(f"Resampling needs at least 2 objects. Received: {size}.")
    strata = np.zeros(size, dtype=int) if strata is None else np.asarray(strata)
    members = [np.flatnonzero(strata == value) for value in np.unique(strata)]
    for _ in range(draws):
        yield np.concatenate([rng.choice(part, part.size) for part in members])


def _spread(values) -> dict[str, float]:
    low, high = np.quantile(values, (0.16, 0.84))
    return {"std": float(np.std(values, ddof=1)), "p16": float(low), "p84": float(high)}
