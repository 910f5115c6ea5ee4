"""Statistics of the posterior of another code's parameters, from draws of ours."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Statistics:
    """One parameter of one lens.

    Attributes
    ----------
    value : float
        At the parameters of the table.
    mean, std, p16, p50, p84 : float or None
        Of the draws; None for a parameter that is known exactly, or not uncertain in the table.
    """

    value: float
    mean: float | None = None
    std: float | None = None
    p16: float | None = None
    p50: float | None = None
    p84: float | None = None

    @property
    def free(self) -> bool:
        """Whether there is a posterior."""
        return self.std is not None


def statistics(value, draws=None, *, period=None) -> Statistics:
    """Statistics of a parameter.

    Parameters
    ----------
    value : float
        Of the table.
    draws : numpy.ndarray or None, (n,)
        Of the posterior.
    period : float or None
        Of an angle: draws are taken within half a period of `value`, so that 89 and -89 degrees
        are neighbours.

    Returns
    -------
    Statistics
        Plain floats.
    """
    value = float(value)
    if draws is None:
        return Statistics(value)
    draws = np.asarray(draws, dtype=np.float64)
    if period is not None:
        draws = value + np.mod(draws - value + 0.5 * period, period) - 0.5 * period
    std = float(draws.std())
    if not std > 1e-12:  # rounding of parameters that do not vary
        return Statistics(value)
    p16, p50, p84 = (float(p) for p in np.percentile(draws, (16, 50, 84)))
    return Statistics(value, float(draws.mean()), std, p16, p50, p84)
