"""What a fit answers: the mass with its uncertainties, the reconstruction, and how it was found."""

from dataclasses import dataclass

import numpy as np

from lensfinder.inversion.light import LensLight
from lensfinder.inversion.mass import MassModel
from lensfinder.inversion.priors import PARAMETERS, MassPrior, possible
from lensfinder.inversion.result import Inversion
from lensfinder.lensing.ellipticity import Ellipticity
from lensfinder.lensing.shape_draws import near_angle

DRAWS = 4000  # of the Gaussians about the maxima, for percentiles
POOR = 1.3  # chi^2 per degree of freedom above which the model does not explain the image


@dataclass(frozen=True)
class Estimate:
    """One parameter after the fit, in its unit; phi in rad.

    Attributes
    ----------
    mean, std : float
        Of the posterior.
    p16, p50, p84 : float
        Its percentiles.
    """

    mean: float
    std: float
    p16: float
    p50: float
    p84: float


@dataclass(frozen=True)
class Maximum:
    """A local maximum of the evidence that the search met, on its coarse grid.

    Attributes
    ----------
    mass : MassModel
        Where.
    log_evidence : float
        How high.
    """

    mass: MassModel
    log_evidence: float


@dataclass(frozen=True, eq=False)
class LensFit:
    """The mass of a lens, fitted by source inversion.

    Attributes
    ----------
    mass : MassModel
        The best model.
    parameters : dict of str to Estimate
        ``theta_E, e1, e2, x, y, gamma1, gamma2, slope`` and, derived from the draws, ``q, phi``.
        Of a parameter that was not fitted the standard deviation is 0; NaN where there are no
        errors.
    names : tuple of str
        The P fitted parameters.
    covariance : array (P, P)
        Of the fitted parameters; NaN where there are no errors.
    samples : array (n, P) or None
        Equally weighted draws of the posterior.
    log_evidence : float
        Of the source inversion at the best model.
    log_marginal : float
        Integrated over the priors; NaN where it could not be.
    inversion : Inversion
        Source, model image and residuals at the best model.
    prior : MassPrior
        As used.
    method : str
        ``maximise`` or ``nested``.
    maxima : tuple of Maximum
        The local maxima in theta_E, best first.
    roughness : float
        Scatter of the log evidence about the parabola fitted to its peak; NaN for ``nested``.
    evaluations : int
        Mass models inverted, those remembered from an interrupted run included.
    seconds : float
        Wall time of this run.
    status : tuple of str
        Names of flags of `lensfinder.errors.FIT_STATUS`; empty if nothing is wrong.
    light : LensLight or None
        Light of the lens, where it was subtracted or fitted.
    """

    mass: MassModel
    parameters: dict[str, Estimate]
    names: tuple[str, ...]
    covariance: np.ndarray
    samples: np.ndarray | None
    log_evidence: float
    log_marginal: float
    inversion: Inversion
    prior: MassPrior
    method: str
    maxima: tuple[Maximum, ...]
    roughness: float
    evaluations: int
    seconds: float
    status: tuple[str, ...]
    light: LensLight | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.status

    @property
    def best(self) -> dict[str, float]:
        """Every parameter of the best model, e1 and e2 as well as q and phi."""
        return {name: value.mean for name, value in point_estimates(self.mass).items()}

    @property
    def reduced_chi2(self) -> float:
        """chi^2 over the pixels less what the source used of them."""
        return reduced_chi2(self.inversion)


def reduced_chi2(inversion) -> float:
    """chi^2 per degree of freedom of an inversion.

    Parameters
    ----------
    inversion : Inversion
        A reconstruction.

    Returns
    -------
    float
        chi^2 over the number of pixels less the number of source parameters that the data
        determine (Suyu et al. 2006, section 2.2).
    """
    return inversion.chi2 / (len(inversion.observation) - inversion.degrees_of_freedom)


def parameter_draws(prior: MassPrior, z) -> dict[str, np.ndarray]:
    """Parameters of draws in z, those that no lens can have left out.

    Parameters
    ----------
    prior : MassPrior
        What z means.
    z : array (n, P)
        Draws.

    Returns
    -------
    dict of str to array (m,)
        Every parameter, and q and phi.
    """
    draws = prior.values(z)
    good = possible(draws)
    draws = {name: values[good] for name, values in draws.items()}
    shape = Ellipticity(draws["e1"], draws["e2"])
    return draws | {"q": shape.axis_ratio(), "phi": shape.position_angle()}


def estimates(draws, mass: MassModel) -> dict[str, Estimate]:
    """Mean, standard deviation and percentiles of draws; those of phi about its mean direction.

    Parameters
    ----------
    draws : dict of str to array (m,)
        From `parameter_draws`.
    mass : MassModel
        The best model: of the angles that differ by half a turn, those of phi are beside its own,
        and so may lie beyond (-pi/2, pi/2].

    Returns
    -------
    dict of str to Estimate
        One per parameter.
    """
    found = {}
    for name, values in draws.items():
        centre = 0.0
        if name == "phi":
            centre = 0.5 * np.arctan2(np.sin(2 * values).mean(), np.cos(2 * values).mean())
            values = (values - centre + np.pi / 2) % np.pi - np.pi / 2
            (centre,) = near_angle([centre], mass.phi)
        p16, p50, p84 = centre + np.percentile(values, [16, 50, 84])
        numbers = (centre + values.mean(), values.std(), p16, p50, p84)
        found[name] = Estimate(*map(float, numbers))
    return found


def point_estimates(mass: MassModel) -> dict[str, Estimate]:
    """The parameters of a model without errors.

    Parameters
    ----------
    mass : MassModel
        The model.

    Returns
    -------
    dict of str to Estimate
        Means; NaN for all else.
    """
    shape = Ellipticity.from_axis_ratio(mass.q, mass.phi)
    values = {name: getattr(mass, name, None) for name in (*PARAMETERS, "q", "phi")}
    values |= {"e1": float(shape.e1), "e2": float(shape.e2)}
    nan = float("nan")
    return {name: Estimate(float(value), nan, nan, nan, nan) for name, value in values.items()}
