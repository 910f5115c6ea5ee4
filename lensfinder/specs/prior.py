"""Priors: a named distribution with its unit and source, drawn through its quantile function.

Every prior turns one uniform number into one value, so that a parameter of object i depends on
the numbers of object i alone, however many objects are drawn together.
"""

import math
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from scipy import special, stats

from lensfinder.specs.quantity import convert

Finite = Annotated[float, Field(allow_inf_nan=False)]
_LEAST_SHARE = 1e-9  # of a cut distribution: below it, quantiles would lose their digits


class _Prior(BaseModel):
    """What all priors share: the unit of their values and where the numbers come from."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    unit: str
    source: str = Field(min_length=1)

    def draw(self, u, target: str | None = None, **scales: float):
        """Turn uniform numbers into values.

        Parameters
        ----------
        u : array
            Uniform numbers in (0, 1).
        target : str or None
            Unit of the result; the prior's own by default.
        **scales : float
            Size in `target` of units that depend on the survey, e.g. ``pixel=0.1``.

        Returns
        -------
        array
            One value per number, in `target`.
        """
        values = self._quantile(np.asarray(u, dtype=np.float64))
        if target is None or self.unit == target:
            return values
        return values * (
            scales[self.unit] if self.unit in scales else convert(1, self.unit, target)
        )


class Constant(_Prior):
    """Always the same value."""

    prior: Literal["constant"]
    value: Finite

    def _quantile(self, u):
        return np.full_like(u, self.value)


class Uniform(_Prior):
    """Flat between `low` and `high`."""

    prior: Literal["uniform"]
    low: Finite
    high: Finite

    @model_validator(mode="after")
    def _ordered(self):
        return _check_order(self)

    def _quantile(self, u):
        return self.low + u * (self.high - self.low)


class LogUniform(_Prior):
    """Flat in the logarithm between `low` and `high`, both positive."""

    prior: Literal["log_uniform"]
    low: float = Field(gt=0, allow_inf_nan=False)
    high: float = Field(gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _ordered(self):
        return _check_order(self)

    def _quantile(self, u):
        return self.low * (self.high / self.low) ** u


class _Bounded(_Prior):
    """A distribution cut at `low` and `high`, renormalised in between."""

    low: float = -math.inf
    high: float = math.inf

    @model_validator(mode="after")
    def _ordered(self):
        _check_order(self)
        share = self._cdf(np.float64(self.high)) - self._cdf(np.float64(self.low))
        if not share > _LEAST_SHARE:
            raise ValueError(f"less than {_LEAST_SHARE:g} of the distribution lies in the range.")
        return self

    def _quantile(self, u):
        below, above = self._cdf(np.float64(self.low)), self._cdf(np.float64(self.high))
        return np.clip(self._ppf(below + u * (above - below)), self.low, self.high)


class Normal(_Bounded):
    """Gaussian, optionally cut."""

    prior: Literal["normal"]
    mean: Finite
    sigma: float = Field(gt=0, allow_inf_nan=False)

    def _cdf(self, x):
        return special.ndtr((x - self.mean) / self.sigma)

    def _ppf(self, p):
        return self.mean + self.sigma * special.ndtri(p)


class LogNormal(_Bounded):
    """Gaussian in the decimal logarithm: `median`, and `dex` of scatter."""

    prior: Literal["log_normal"]
    median: float = Field(gt=0, allow_inf_nan=False)
    dex: float = Field(gt=0, allow_inf_nan=False)
    low: float = 0.0

    def _cdf(self, x):
        with np.errstate(divide="ignore"):
            return special.ndtr(np.log10(np.maximum(x, 0) / self.median) / self.dex)

    def _ppf(self, p):
        return self.median * 10.0 ** (self.dex * special.ndtri(p))


class Exponential(_Bounded):
    """Exponential of mean `scale`, from 0."""

    prior: Literal["exponential"]
    scale: float = Field(gt=0, allow_inf_nan=False)
    low: float = 0.0

    def _cdf(self, x):
        return -np.expm1(-np.maximum(x, 0) / self.scale)

    def _ppf(self, p):
        return -self.scale * np.log1p(-p)


class ExGaussian(_Bounded):
    """Sum of a Gaussian (`mean`, `sigma`) and an exponential of mean `scale`."""

    prior: Literal["exgaussian"]
    mean: Finite
    sigma: float = Field(gt=0, allow_inf_nan=False)
    scale: float = Field(gt=0, allow_inf_nan=False)

    def _cdf(self, x):
        return stats.exponnorm.cdf(x, self.scale / self.sigma, loc=self.mean, scale=self.sigma)

    def _ppf(self, p):
        grid, cdf = _exgaussian_table(self.mean, self.sigma, self.scale)
        return np.interp(p, cdf, grid)


class PowerOfTen(_Prior):
    """Density proportional to 10^(slope x) between `low` and `high`: number counts in magnitude."""

    prior: Literal["power_of_ten"]
    slope: Finite
    low: Finite
    high: Finite

    @model_validator(mode="after")
    def _ordered(self):
        if self.slope == 0:
            raise ValueError("the slope must not be zero; use the prior 'uniform'.")
        return _check_order(self)

    def _quantile(self, u):
        k = self.slope * math.log(10.0)
        return self.low + np.log1p(u * np.expm1(k * (self.high - self.low))) / k


class Schechter(_Prior):
    """Absolute magnitudes of a Schechter luminosity function between `low` and `high`."""

    prior: Literal["schechter"]
    m_star: Finite
    alpha: Finite
    low: Finite
    high: Finite

    @model_validator(mode="after")
    def _ordered(self):
        return _check_order(self)

    def _quantile(self, u):
        grid, cdf = _schechter_table(self.m_star, self.alpha, self.low, self.high)
        return np.interp(u, cdf, grid)


class Choice(_Prior):
    """One of some values, with weights."""

    prior: Literal["choice"]
    values: tuple[Finite, ...] = Field(min_length=1)
    weights: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _paired(self):
        if len(self.values) != len(self.weights):
            raise ValueError("values and weights must be equally many.")
        return self

    def _quantile(self, u):
        edges = np.cumsum(self.weights) / np.sum(self.weights)
        index = np.minimum(np.searchsorted(edges, u, side="right"), len(self.values) - 1)
        return np.asarray(self.values)[index]


Prior = Annotated[
    Constant
    | Uniform
    | LogUniform
    | Normal
    | LogNormal
    | Exponential
    | ExGaussian
    | PowerOfTen
    | Schechter
    | Choice,
    Field(discriminator="prior"),
]


def prior_in(target: str, *also: str):
    """The annotation of a prior whose unit must be convertible to `target`.

    Parameters
    ----------
    target : str
        Unit of the parameter; ``""`` for a pure number.
    *also : str
        Further units that the consumer converts itself, e.g. ``pixel``.

    Returns
    -------
    type
        An annotation for a pydantic field.
    """

    def check(prior):
        if prior.unit != target and prior.unit not in also:
            convert(1.0, prior.unit, target)
        return prior

    return Annotated[Prior, AfterValidator(check)]


def _check_order(prior):
    if not prior.low < prior.high:
        raise ValueError(f"low must be below high, not {prior.low} and {prior.high}.")
    return prior


@lru_cache(maxsize=64)
def _exgaussian_table(mean, sigma, scale):
    grid = np.linspace(mean - 8 * sigma, mean + 8 * sigma + 40 * scale, 20_001)
    return grid, stats.exponnorm.cdf(grid, scale / sigma, loc=mean, scale=sigma)


@lru_cache(maxsize=64)
def _schechter_table(m_star, alpha, low, high):
    grid = np.linspace(low, high, 4_001)
    ratio = 10.0 ** (-0.4 * (grid - m_star))
    density = ratio ** (alpha + 1.0) * np.exp(-ratio)
    cdf = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    return grid, cdf / cdf[-1]
