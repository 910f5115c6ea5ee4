"""Where the unphysical solutions of an inversion lie: figure 4 of Maresca, Dye & Li (2021).

A pixelised source can explain an image with an Einstein radius that is far too small (the
under-magnified solution: a shrunk copy of the image) or too large (the over-magnified one: a copy
upside down). Both radii are linear in the true one,

    theta_U = a theta_E + b,        theta_O = c theta_E + d,

which is how training pairs are made without a full fit, and how a fit that ended in the wrong place
is started again.
"""

import re
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lensfinder.errors import FitError, UnknownNameError
from lensfinder.paths import data_specs_dir
from lensfinder.specs import read_yaml, validate

SOLUTIONS = ("under", "correct", "over")  # in this order in every label and probability
DEFAULT = "lensfinder"
_RESAMPLES = 500  # for errors good to 3 %


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Line(_Part):
    """``theta = slope theta_E + intercept``.

    Attributes
    ----------
    slope : float
        Without unit, positive.
    intercept : float
        arcsec.
    slope_std, intercept_std : float or None
        Standard errors; the second in arcsec.
    scatter : float or None
        Robust standard deviation of the fits about the line, arcsec.
    count : int or None
        Number of fits.
    """

    slope: float = Field(gt=0)
    intercept: float = Field(ge=-10, le=10)
    slope_std: float | None = Field(default=None, ge=0)
    intercept_std: float | None = Field(default=None, ge=0)
    scatter: float | None = Field(default=None, ge=0)
    count: int | None = Field(default=None, ge=1)

    def __call__(self, theta_E):
        """Einstein radius of the unphysical solution.

        Parameters
        ----------
        theta_E : float or array
            The true one, arcsec.

        Returns
        -------
        float or array
            arcsec.
        """
        return self.slope * theta_E + self.intercept

    def inverse(self, theta):
        """The true Einstein radius behind that of an unphysical solution.

        Parameters
        ----------
        theta : float or array
            Einstein radius that was found, arcsec.

        Returns
        -------
        float or array
            arcsec.
        """
        return (theta - self.intercept) / self.slope


class Relation(_Part):
    """Einstein radii of the unphysical solutions, forwards and back.

    Attributes
    ----------
    name, description, source : str
        What it is, and where it is from.
    unit : str
        Of all angles: arcsec.
    under_line, over_line : Line
        The two lines; ``under`` and ``over`` in the file.
    over_inverse : Line or None
        Used by `correct_from_over` where a paper prints another line for the way back.
    provenance : dict of str to str or number
        How it was measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_alias=True)
    name: str
    description: str
    source: str
    unit: Literal["arcsec"]
    under_line: Line = Field(alias="under")
    over_line: Line = Field(alias="over")
    over_inverse: Line | None = None
    provenance: dict[str, str | int | float] = {}

    def under(self, theta_E):
        """Einstein radius of the under-magnified solution.

        Parameters
        ----------
        theta_E : float or array
            The true one, arcsec.

        Returns
        -------
        float or array
            arcsec.
        """
        return self.under_line(theta_E)

    def over(self, theta_E):
        """Einstein radius of the over-magnified solution.

        Parameters
        ----------
        theta_E : float or array
            The true one, arcsec.

        Returns
        -------
        float or array
            arcsec.
        """
        return self.over_line(theta_E)

    def correct_from_under(self, theta_U):
        """The true Einstein radius, from an under-magnified solution.

        Parameters
        ----------
        theta_U : float or array
            What was found, arcsec.

        Returns
        -------
        float or array
            arcsec.
        """
        return self.under_line.inverse(theta_U)

    def correct_from_over(self, theta_O):
        """The true Einstein radius, from an over-magnified solution.

        Parameters
        ----------
        theta_O : float or array
            What was found, arcsec.

        Returns
        -------
        float or array
            arcsec.
        """
        return (self.over_inverse or self.over_line).inverse(theta_O)


def relation_names() -> list[str]:
    """Names of the relations that come with the package.

    Returns
    -------
    list of str
        Sorted.
    """
    return sorted(path.stem for path in (data_specs_dir() / "relations").glob("*.yaml"))


def load_relation(name=DEFAULT) -> Relation:
    """A relation by name.

    Parameters
    ----------
    name : str or Relation
        ``"lensfinder"``, from our own inversions (`benchmarks/relation.py`), or ``"maresca2021"``,
        as printed; a relation is returned as it is.

    Returns
    -------
    Relation
        The relation.

    Raises
    ------
    UnknownNameError
        If there is none of this name.
    SpecError
        If its file is not valid.
    """
    if isinstance(name, Relation):
        return name
    known = relation_names()
    if not re.fullmatch(r"[A-Za-z0-9_-]+", str(name)) or str(name) not in known:
        raise UnknownNameError("relation", str(name), known)
    path = data_specs_dir() / "relations" / f"{name}.yaml"
    return validate(Relation, read_yaml(path), str(path))


def fit_line(theta_E, theta, *, rng) -> Line:
    """A line through fits, some of which ended elsewhere.

    Least absolute deviations, which a fit in a wrong place moves no more than one in a right place;
    errors from resampled fits.

    Parameters
    ----------
    theta_E : array (N,)
        True Einstein radii, arcsec.
    theta : array (N,)
        Those of the unphysical solutions, arcsec; NaN where there is none.
    rng : numpy.random.Generator
        For the errors.

    Returns
    -------
    Line
        With errors, scatter and count.

    Raises
    ------
    FitError
        If fewer than ten fits are left, or the line does not rise.
    """
    theta_E, theta = np.asarray(theta_E, float), np.asarray(theta, float)
    good = np.isfinite(theta_E) & np.isfinite(theta)
    theta_E, theta = theta_E[good], theta[good]
    if theta.size < 10:
        raise FitError(f"A line needs 10 fits. Received: {theta.size}. Fit more lenses.")
    slope, intercept = _least_absolute(theta_E, theta)
    if slope <= 0:
        raise FitError(
            f"The Einstein radii of the unphysical solutions fall with the true ones (slope "
            f"{slope:.3g}). Fit more lenses, over a wider range."
        )
    rows = rng.integers(0, theta.size, (_RESAMPLES, theta.size))
    resampled = np.array([_least_absolute(theta_E[row], theta[row]) for row in rows])
    apart = np.abs(theta - slope * theta_E - intercept)
    return Line(
        slope=slope,
        intercept=intercept,
        slope_std=float(resampled[:, 0].std()),
        intercept_std=float(resampled[:, 1].std()),
        scatter=float(1.4826 * np.median(apart)),
        count=int(theta.size),
    )


def _least_absolute(x, y, rounds=40, floor=1e-4):
    """Slope and intercept of least absolute deviations, by reweighted least squares."""
    weights = np.ones_like(x)
    for _ in range(rounds):
        mean_x, mean_y = np.average(x, weights=weights), np.average(y, weights=weights)
        spread = np.sum(weights * (x - mean_x) ** 2)
        slope = np.sum(weights * (x - mean_x) * (y - mean_y)) / spread if spread > 0 else 0.0
        intercept = mean_y - slope * mean_x
        weights = 1.0 / np.maximum(np.abs(y - slope * x - intercept), floor)
    return float(slope), float(intercept)
