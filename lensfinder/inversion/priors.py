"""What is known of the mass before the fit: one prior per parameter, and the way into unit cubes.

A shape is sampled as e1 and e2, which have no angle that wraps. Free parameters are counted in
standard normal numbers z: each prior's quantile function takes the normal probability of z to a
value. In z every prior is the same Gaussian, without edges, which is where `search` works.
"""

import math
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from scipy import special

from lensfinder.errors import SYSTEM_STATUS, ArgumentError
from lensfinder.inversion.mass import ISOTHERMAL, MassModel
from lensfinder.lensing.ellipticity import Ellipticity
from lensfinder.specs._yaml import read_yaml, validate
from lensfinder.specs.prior import Constant, LogUniform, Normal, Uniform
from lensfinder.specs.quantity import convert
from lensfinder.tables.lenses import read_lenses

PARAMETERS = {  # name: unit
    "theta_E": "arcsec",
    "e1": "",
    "e2": "",
    "x": "arcsec",
    "y": "arcsec",
    "gamma1": "",
    "gamma2": "",
    "slope": "",
}
SHEAR = ("gamma1", "gamma2")
TABLE_NAMES = {"x": "x_lens", "y": "y_lens"}  # of parameters, where a table calls them otherwise
_OURS = "lensfinder: wide by default"
_NETWORK = "the table of a modelling network"
_POSSIBLE = {"e1": 0.99, "e2": 0.99, "gamma1": 0.4, "gamma2": 0.4}  # of what a table may say
_WIDEST = {"e1": 0.7, "e2": 0.7, "gamma1": 0.4, "gamma2": 0.4}  # hypot below 1
FLATTEST, STEEPEST = 1.0, 3.0  # slopes between which an ellipsoid can be
_SLOPES = (1.2, 2.8)  # as far as a prior goes


def _prior_in(unit):
    """The annotation of a prior in a unit; `specs.prior` knows kinds that no fit needs."""

    def check(prior):
        convert(1.0, prior.unit, unit)
        return prior

    kinds = Annotated[Constant | Uniform | LogUniform | Normal, Field(discriminator="prior")]
    return Annotated[kinds, AfterValidator(check)]


def _fixed(value, unit, source=_OURS):
    return Constant(prior="constant", value=value, unit=unit, source=source)


def _flat(low, high, unit, source=_OURS):
    return Uniform(prior="uniform", low=low, high=high, unit=unit, source=source)


def _bell(mean, sigma, unit, source=_OURS, low=-math.inf, high=math.inf):
    words = dict(prior="normal", mean=mean, sigma=sigma, unit=unit, source=source)
    return Normal(**words, low=low, high=high)


_Arcsec, _Number = _prior_in("arcsec"), _prior_in("")


class MassPrior(BaseModel):
    """Priors of the parameters of a `MassModel`; wide where nothing is said.

    Each is a ``constant`` (not fitted), ``uniform``, ``log_uniform`` or ``normal`` (cut at ``low``
    and ``high``) distribution of `lensfinder.specs.prior`, with its unit and source.

    Attributes
    ----------
    theta_E : prior
        Einstein radius on the intermediate axis, arcsec.
    e1, e2 : prior
        Ellipticity, ``(1 - q^2) / (1 + q^2)`` times cosine and sine of twice the angle.
    x, y : prior
        Centre, arcsec from the middle of the image.
    gamma1, gamma2 : prior
        External shear; fixed at zero by default.
    slope : prior
        Of the density; fixed at 2, isothermal, by default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    theta_E: _Arcsec = _flat(0.1, 3.0, "arcsec")
    e1: _Number = _bell(0.0, 0.25, "", low=-0.7, high=0.7)
    e2: _Number = _bell(0.0, 0.25, "", low=-0.7, high=0.7)
    x: _Arcsec = _bell(0.0, 0.1, "arcsec")
    y: _Arcsec = _bell(0.0, 0.1, "arcsec")
    gamma1: _Number = _fixed(0.0, "")
    gamma2: _Number = _fixed(0.0, "")
    slope: _Number = _fixed(ISOTHERMAL, "")

    # --- making one -------------------------------------------------------------------------------
    @classmethod
    def from_yaml(cls, path) -> "MassPrior":
        """Read priors from a YAML file, one key per parameter; the others stay wide.

        Parameters
        ----------
        path : str or Path
            The file.

        Returns
        -------
        MassPrior
            The priors.

        Raises
        ------
        SpecError
            Naming the file and the key that cannot be.
        """
        return validate(cls, read_yaml(path), str(path))

    @classmethod
    def from_table(cls, table, *, sigma=None, widen: float = 1.0) -> list["MassPrior | None"]:
        """The posterior of a modelling network as the prior of a fit, row by row.

        Normal priors in theta_E, e1 and e2 (centre, shear and slope too, where the table has
        them) of the table's ``_std`` or ``_p16 _p50 _p84`` columns, cut where physics ends. What
        the table does not say stays wide, the shear zero and the slope 2.

        Parameters
        ----------
        table : astropy.table.Table or path
            What `lensfinder.model` writes.
        sigma : mapping of str to float, optional
            Standard deviations for parameters for which the table has none.
        widen : float
            Factor on all standard deviations.

        Returns
        -------
        list of MassPrior or None
            One per row; None where the row has no usable numbers.

        Raises
        ------
        ArgumentError
            If neither the table nor `sigma` says how uncertain theta_E, e1 and e2 are.
        """
        lenses = read_lenses(table, sigma=sigma, slopes=True)
        lacking = [name for name in ("theta_E", "e1", "e2") if name not in lenses.spread]
        if lacking or not (np.isfinite(widen) and widen > 0):
            raise ArgumentError(
                f"A prior needs standard deviations of theta_E, e1 and e2 (lacking: {lacking}) and "
                f"a positive factor on them. Received: {widen}. Add columns such as theta_E_std, "
                "or give `sigma`."
            )
        fatal = sum(
            SYSTEM_STATUS[name]
            for name in ("bad_input", "missing_value", "bad_theta_E", "bad_ellipticity")
        )
        return [
            None if bits & fatal else cls._of_row(lenses, row, widen)
            for row, bits in enumerate(lenses.bits)
        ]

    @classmethod
    def _of_row(cls, lenses, row, widen):
        priors = {}
        for name, unit in PARAMETERS.items():
            column = TABLE_NAMES.get(name, name)
            if column in lenses.assumed or column not in lenses.spread:
                continue
            middle, below, above = (float(part[row]) for part in lenses.spread[column])
            width = widen * 0.5 * (below + above)
            if width == 0:
                priors[name] = _fixed(middle, unit, _NETWORK)
            elif math.isfinite(width) and width > 0:
                high = _POSSIBLE.get(name, math.inf)
                low = 1e-3 if name == "theta_E" else -high
                if name == "slope":
                    low, high = _SLOPES
                try:
                    priors[name] = _bell(middle, width, unit, _NETWORK, low, high)
                except ValidationError:  # nearly all of the bell lies beyond what is possible
                    return None
            elif name in ("theta_E", "e1", "e2"):
                return None  # no prior is better than one that nobody asked for
        return cls(**priors)

    def uniform(self, name: str, low: float, high: float) -> "MassPrior":
        """The same with a flat prior for one parameter, e.g. a narrow one for theta_E.

        Parameters
        ----------
        name : str
            Parameter.
        low, high : float
            Edges, in its unit.

        Returns
        -------
        MassPrior
            The new priors.
        """
        return self.replaced(name, _flat(low, high, _unit(name), "given"))

    def fixed(self, **values: float) -> "MassPrior":
        """The same with parameters that are not fitted.

        Parameters
        ----------
        **values : float
            Parameters and their values, in their units.

        Returns
        -------
        MassPrior
            The new priors.
        """
        prior = self
        for name, value in values.items():
            prior = prior.replaced(name, _fixed(value, _unit(name), "given"))
        return prior

    def replaced(self, name: str, prior) -> "MassPrior":
        """The same with another prior of one parameter.

        Parameters
        ----------
        name : str
            Parameter.
        prior : Constant, Uniform, LogUniform or Normal
            Of `lensfinder.specs.prior`.

        Returns
        -------
        MassPrior
            The new priors.
        """
        _unit(name)
        return type(self)(**{**{key: getattr(self, key) for key in PARAMETERS}, name: prior})

    def centred(self, x: float, y: float, *, sigma: float) -> "MassPrior":
        """The same with the centre expected at a place, e.g. that of the lens light.

        Parameters
        ----------
        x, y : float
            Where, arcsec.
        sigma : float
            Standard deviation per axis, arcsec.

        Returns
        -------
        MassPrior
            The new priors.
        """
        prior = self.replaced("x", _bell(x, sigma, "arcsec", "given"))
        return prior.replaced("y", _bell(y, sigma, "arcsec", "given"))

    def sheared(self, *, sigma: float = 0.07) -> "MassPrior":
        """The same with a free external shear, where it was fixed.

        Parameters
        ----------
        sigma : float
            Standard deviation of each component.

        Returns
        -------
        MassPrior
            The new priors.
        """
        prior = self
        for name in SHEAR:
            if isinstance(getattr(self, name), Constant):
                bell = _bell(0.0, sigma, "", low=-_WIDEST[name], high=_WIDEST[name])
                prior = prior.replaced(name, bell)
        return prior

    def power_law(self, *, sigma: float = 0.2) -> "MassPrior":
        """The same with a free slope of the density about that of an isothermal lens.

        Parameters
        ----------
        sigma : float
            Standard deviation; massive early-type galaxies scatter by 0.16 about 2.08 (Auger et
            al. 2010).

        Returns
        -------
        MassPrior
            The new priors.
        """
        if not isinstance(self.slope, Constant):
            return self
        low, high = _SLOPES
        return self.replaced("slope", _bell(ISOTHERMAL, sigma, "", low=low, high=high))

    # --- using one --------------------------------------------------------------------------------
    @property
    def free(self) -> tuple[str, ...]:
        """Names of the parameters that are fitted, in order."""
        return tuple(n for n in PARAMETERS if not isinstance(getattr(self, n), Constant))

    def values(self, z) -> dict[str, np.ndarray]:
        """Parameters from standard normal numbers.

        Parameters
        ----------
        z : array (..., P)
            One number per free parameter.

        Returns
        -------
        dict of str to array (...)
            Every parameter, in arcsec and pure numbers.
        """
        z = np.asarray(z, dtype=np.float64)
        cube = special.ndtr(z)
        found, place = {}, 0
        for name, unit in PARAMETERS.items():
            prior = getattr(self, name)
            if isinstance(prior, Constant):
                found[name] = np.full(z.shape[:-1], prior.value * convert(1.0, prior.unit, unit))
                continue
            found[name] = prior.draw(cube[..., place], unit)
            place += 1
        return found

    def mass(self, z) -> MassModel | None:
        """The mass model at a point, or None where no lens has such numbers.

        Parameters
        ----------
        z : array (P,)
            Standard normal numbers.

        Returns
        -------
        MassModel or None
            The model.
        """
        v = {name: float(value) for name, value in self.values(z).items()}
        if not possible(v):
            return None
        shape = Ellipticity(v.pop("e1"), v.pop("e2"))
        return MassModel(**v, q=float(shape.axis_ratio()), phi=float(shape.position_angle()))


def possible(values):
    """Whether a lens can have these parameters (bool, elementwise).

    Parameters
    ----------
    values : mapping of str to array
        As `MassPrior.values` gives them.

    Returns
    -------
    bool or array of bool
        False for a shape or a shear beyond 1, a radius that is not positive, a slope that is not
        between 1 and 3, and NaN.
    """
    return (
        (values["theta_E"] > 0)
        & np.isfinite(values["theta_E"])
        & (np.hypot(values["e1"], values["e2"]) < 0.99)
        & (np.hypot(values["gamma1"], values["gamma2"]) < 0.99)
        & (values["slope"] > FLATTEST)
        & (values["slope"] < STEEPEST)
        & np.isfinite(values["x"] + values["y"])
    )


def _unit(name):
    if name not in PARAMETERS:
        raise ArgumentError(f"There is no parameter {name!r}. Known: {', '.join(PARAMETERS)}.")
    return PARAMETERS[name]
