"""How the factors on a modeller's spreads go with its answers, and what they were fitted on."""

from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from lensfinder.zoo.layers.spread_scale import answer_numbers

FLAT = -1.0  # of a spread with itself: there all spreads come out the same
LARGEST = 100.0  # of a factor, and its inverse the smallest

_Numbers = Annotated[tuple[float, ...], Field(min_length=1, max_length=66)]


class CalibratedOn(BaseModel):
    """Mocks of one population that spreads were calibrated on.

    Attributes
    ----------
    population : str
        Its name.
    seed, start : int
        Of the simulator, and its first object.
    objects : int
        How many lenses of them were used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    population: str = Field(min_length=1, max_length=500)
    seed: int = Field(ge=0)
    start: int = Field(default=0, ge=0)
    objects: int = Field(ge=1)


class Slopes(BaseModel):
    """Log-linear factors on spreads, to be multiplied with the constant ones.

    A wider raw spread is always a wider calibrated one: the slope of a target's spread with itself
    is above -1.

    Attributes
    ----------
    weights : tuple of tuples of float
        For each of P targets, the slope with each of the numbers: the log of the spread of every
        target and, with `shape`, the predicted theta_E (arcsec) and size of the ellipticity.
    pivots : tuple of float
        Of the numbers: where the constant factors hold.
    ranges : tuple of (float, float)
        Of the numbers in the sample; beyond, the factor is that of the end.
    shape : tuple of three int or None
        Places of theta_E, e1 and e2 among the targets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    weights: Annotated[tuple[_Numbers, ...], Field(min_length=1, max_length=64)]
    pivots: _Numbers
    ranges: Annotated[tuple[tuple[float, float], ...], Field(min_length=1, max_length=66)]
    shape: tuple[int, int, int] | None = None

    @model_validator(mode="after")
    def _pairs(self):
        count = len(self.weights)
        numbers = count if self.shape is None else count + 2
        lengths = {len(self.pivots), len(self.ranges), *map(len, self.weights)}
        if lengths != {numbers}:
            raise ValueError(f"slopes of {count} targets go with {numbers} numbers each")
        if self.shape is not None and not (
            len(set(self.shape)) == 3 and min(self.shape) >= 0 and max(self.shape) < count
        ):
            raise ValueError("theta_E, e1 and e2 have three places among the targets")
        low, high = np.transpose(self.ranges)
        if not ((low <= self.pivots) & (self.pivots <= high)).all():
            raise ValueError("a pivot lies in its range")
        if min(line[k] for k, line in enumerate(self.weights)) <= FLAT:
            raise ValueError(f"the slope of a spread with itself is above {FLAT:g}")
        return self

    def log_factors(self, mean, std) -> np.ndarray:
        """What they do to posteriors; what the layer does, in float64.

        Parameters
        ----------
        mean, std : array (N, P)
            Of the posteriors without calibration.

        Returns
        -------
        array (N, P)
            Logarithms of the factors, 0 at the pivots.
        """
        numbers = answer_numbers(np.asarray(mean), np.asarray(std), self.shape, xp=np)
        kept = np.clip(numbers, *np.transpose(self.ranges)) - np.array(self.pivots)
        return kept @ np.transpose(self.weights)

    def largest(self) -> np.ndarray:
        """The largest |log factor| of each target that any answer can have, (P,)."""
        ends = np.array(self.ranges) - np.array(self.pivots)[:, None]
        parts = np.array(self.weights)[..., None] * ends
        return np.maximum(parts.max(axis=-1).sum(axis=-1), -parts.min(axis=-1).sum(axis=-1))
