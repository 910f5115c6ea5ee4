"""A lens, and a fitter that is quick because it is told where the truth lies."""

import inspect
from functools import cache

import numpy as np

from lensfinder.audit import Lens
from lensfinder.fit import fit_lens
from lensfinder.inversion import AdaptiveGrid, Inverter, MassModel, MassPrior
from lensfinder.inversion.lens_fit import LensFit, point_estimates
from tests.inversion.systems import SCALE, Source, a_lens, gaussian_psf

TRUTH = MassModel(theta_E=1.0, q=0.8, phi=0.4)
SOURCE = Source(R_e=0.15, x=0.15, y=-0.05)


@cache
def lens(seed=3):
    """A lens of 40 pixels a side, double-imaged."""
    return a_lens(seed=seed, mass=TRUTH, source=SOURCE, side=40, inner=0.3, outer=1.9)


@cache
def inverter():
    """Ready to be inverted."""
    made = lens()
    return Inverter(made.image, made.noise, **made.known, source=AdaptiveGrid(pixels=150, sub=2))


def inverted(theta_E):
    """The reconstruction with a wrong Einstein radius, all else at the truth."""
    return inverter().invert(TRUTH.model_copy(update={"theta_E": theta_E}), strength=1.0)


def to_audit(row=0, prior=None):
    """The lens as `audit_lens` takes it."""
    return Lens(row, lens().image, lens().noise, gaussian_psf(), SCALE, prior)


class Fitter:
    """Answers the truth if the prior allows it, else `start` or the nearest radius that it allows.

    Parameters
    ----------
    start : float
        Einstein radius that is found with a wide prior.
    """

    def __init__(self, start):
        self.start, self.calls = start, []

    def __call__(self, image, noise, *, prior, tolerance, seed, folder, **other):
        known = dict(prior=prior, tolerance=tolerance, seed=seed, folder=folder)
        inspect.signature(fit_lens).bind(image, noise, **known, **other)  # as the real one
        self.calls.append(known | other)
        theta = self.start
        if prior is not None and prior.theta_E.prior == "uniform":
            theta = float(np.clip(TRUTH.theta_E, prior.theta_E.low, prior.theta_E.high))
        return fitted(theta, prior or MassPrior())


def fitted(theta_E, prior):
    """What a fit answers that ended at some radius."""
    inversion = inverted(theta_E)
    nan = float("nan")
    return LensFit(
        mass=inversion.mass,
        parameters=point_estimates(inversion.mass),
        names=prior.free,
        covariance=np.full((len(prior.free),) * 2, nan),
        samples=None,
        log_evidence=inversion.log_evidence,
        log_marginal=nan,
        inversion=inversion,
        prior=prior,
        method="maximise",
        maxima=(),
        roughness=nan,
        evaluations=1,
        seconds=0.5,
        status=(),
    )
