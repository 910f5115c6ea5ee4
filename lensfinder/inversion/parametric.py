"""The two ways to fit the mass of a lens: climb to the evidence's maximum, or sample under it."""

import time

import numpy as np
from scipy import special

from lensfinder.errors import ArgumentError, FitError
from lensfinder.inversion.lens_fit import (
    POOR,
    LensFit,
    Maximum,
    estimates,
    parameter_draws,
    point_estimates,
    reduced_chi2,
)
from lensfinder.inversion.memory import Memory
from lensfinder.inversion.priors import MassPrior
from lensfinder.inversion.search import KEPT, Target
from lensfinder.inversion.tops import (
    NOTHING,
    contenders,
    has_rival,
    mixture,
    refined_maxima,
    solutions,
    top_of,
)

EDGE = 3.0  # |z| beyond which a value lies in the outermost 0.3 % of its prior
FAINT = 25.0  # log evidence over that of no source at all, below which there is hardly an arc
LIVE, EFFECTIVE = 400, 2000  # live points of the nested sampling, and draws it shall be worth


def maximise(
    inverter,
    prior: MassPrior,
    *,
    coarse=None,
    seed: int = 0,
    tolerance: float = 0.1,
    memory: Memory | None = None,
    progress=None,
) -> LensFit:
    """Find the mass of largest posterior, with errors from the curvature there (Laplace).

    They are widened as `lensfinder.inversion.tops` says, and solutions of other radii have their
    share of the draws. `log_marginal` is that of the best alone.

    Parameters
    ----------
    inverter : Inverter
        The lens on the grid that the answer is for.
    prior : MassPrior
        Where to look.
    coarse : Inverter, optional
        The same lens on a coarser and faster grid, for the search; `inverter` when absent.
    seed : int
        Of the draws that the percentiles are taken from.
    tolerance : float
        Log evidence that another round would have to gain.
    memory : Memory, optional
        What an interrupted fit knows already.
    progress : callable, optional
        Told a `Progress` whenever the fit improves.

    Returns
    -------
    LensFit
        The fit; its status says where it is not to be trusted.

    Raises
    ------
    FitError
        If no mass model within the priors can be inverted.
    """
    started = time.perf_counter()
    memory = Memory() if memory is None else memory  # an empty one is false
    check_free(prior)
    words = dict(progress=progress)
    search = Target(coarse or inverter, prior, memory, grid="coarse", **words)
    target = Target(inverter, prior, memory, grid="fine", **words)
    tops = refined_maxima(search)
    target.stage = "peak"
    near = [z for value, z in tops if value > tops[0][0] - KEPT]
    tried = [top_of(target, z, tolerance=tolerance) for z in contenders(target, near)]
    found = solutions(tried, prior)
    best = found[0]
    peak, z = best.peak, best.z
    mass = prior.mass(z)
    if mass is None:
        raise FitError(NOTHING)
    inversion = inverter.invert(mass)
    status = [] if peak.settled else ["not_settled"]
    status += ["rival"] if has_rival(found) else []
    samples, parameters = None, point_estimates(mass)
    names, marginal = prior.free, float("nan")
    covariance = np.full((len(names), len(names)), np.nan)
    if best.definite:
        rng = np.random.default_rng(seed)
        draws = parameter_draws(prior, mixture(found, rng))
        samples, parameters = _stacked(draws, names), estimates(draws, mass)
        covariance = np.atleast_2d(np.cov(samples.T))
        # In z the prior is a unit Gaussian, so its 2 pi and the integral's cancel.
        marginal = peak.value + peak.log_volume
    else:
        status.append("no_errors")
    return LensFit(
        mass=mass,
        parameters=parameters,
        names=names,
        covariance=covariance,
        samples=samples,
        log_evidence=inversion.log_evidence,
        log_marginal=marginal,
        inversion=inversion,
        prior=prior,
        method="maximise",
        maxima=tuple(
            Maximum(prior.mass(z), float(value + 0.5 * z @ z))
            for value, z in tops
            if prior.mass(z) is not None
        ),
        roughness=peak.roughness,
        evaluations=search.evaluations + target.evaluations,
        seconds=time.perf_counter() - started,
        status=tuple(status + _remarks(inversion, z)),
    )


def nested(
    inverter,
    prior: MassPrior,
    *,
    coarse=None,
    seed: int = 0,
    tolerance: float = 0.1,
    live: int = LIVE,
    effective: int = EFFECTIVE,
    memory: Memory | None = None,
    progress=None,
) -> LensFit:
    """Sample the posterior by importance nested sampling (nautilus; Lange 2023).

    The evidence is taken as it is: errors are not widened as those of `maximise` are.

    Every evaluation starts its search for the strength of the regularisation from the same value,
    that of the best model of a coarse search, so that the likelihood is a function of the
    parameters alone and a run with the same seed repeats itself.

    Parameters
    ----------
    inverter : Inverter
        The lens.
    prior : MassPrior
        What is integrated over.
    coarse : Inverter, optional
        A faster grid, for the search that comes first.
    seed : int
        Of the sampler.
    tolerance : float
        Fraction of the evidence that may be left in the live points, in tenths.
    live : int
        Live points.
    effective : int
        Effective number of draws to reach.
    memory : Memory, optional
        What an interrupted fit knows already.
    progress : callable, optional
        Told a `Progress` whenever the fit improves.

    Returns
    -------
    LensFit
        The fit.

    Raises
    ------
    FitError
        If no mass model within the priors can be inverted.
    """
    from nautilus import Sampler

    started = time.perf_counter()
    memory = Memory() if memory is None else memory  # an empty one is false
    check_free(prior)
    search = Target(coarse or inverter, prior, memory, grid="coarse", progress=progress)
    target = Target(inverter, prior, memory, grid="fine", progress=progress)
    tops = refined_maxima(search)
    target.stage = "nested"
    target.warm(tops[0][1])
    lowest = -1e100  # nautilus takes no infinities
    tiny = np.finfo(float).tiny
    sampler = Sampler(
        lambda cube: special.ndtri(np.clip(cube, tiny, 1.0 - 1e-16)),
        lambda z: max(target.evidence(z), lowest),
        n_dim=len(prior.free),
        n_live=live,
        n_networks=1,
        pass_dict=False,
        seed=seed,
    )
    sampler.run(f_live=0.1 * tolerance, n_eff=effective)
    z, log_weights, log_evidence = sampler.posterior()
    weights = np.exp(log_weights - log_weights.max())
    best = z[
        int(np.argmax(np.where(weights > 0, log_evidence - 0.5 * (z**2).sum(axis=1), -np.inf)))
    ]
    mass = prior.mass(best)
    if mass is None:
        raise FitError(NOTHING)
    rng = np.random.default_rng(seed)
    size = max(int(weights.sum() ** 2 / (weights**2).sum()), 1)
    chosen = rng.choice(len(z), size=size, p=weights / weights.sum())
    draws = parameter_draws(prior, z[chosen])
    samples = _stacked(draws, prior.free)
    inversion = inverter.invert(mass)
    return LensFit(
        mass=mass,
        parameters=estimates(draws, mass),
        names=prior.free,
        covariance=np.atleast_2d(np.cov(samples.T)),
        samples=samples,
        log_evidence=inversion.log_evidence,
        log_marginal=float(sampler.log_z),
        inversion=inversion,
        prior=prior,
        method="nested",
        maxima=tuple(Maximum(prior.mass(z), float(v + 0.5 * z @ z)) for v, z in tops),
        roughness=float("nan"),
        evaluations=search.evaluations + target.evaluations,
        seconds=time.perf_counter() - started,
        status=tuple(_remarks(inversion, best)),
    )


METHODS = {"maximise": maximise, "nested": nested}


def check_free(prior: MassPrior) -> None:
    """Refuse priors that leave nothing to fit.

    Parameters
    ----------
    prior : MassPrior
        Of all parameters.

    Raises
    ------
    ArgumentError
        If every parameter is fixed.
    """
    if not prior.free:
        raise ArgumentError("Every parameter is fixed: there is nothing to fit. Use `invert`.")


def _stacked(draws, names):
    return np.stack([draws[name] for name in names], axis=1)


def _remarks(inversion, z):
    """Names of flags of what is wrong with a best model."""
    found = []
    seen = inversion.observation
    arcs = seen.data if inversion.light is None else seen.data - inversion.light
    nothing = -0.5 * (((arcs / seen.noise) ** 2).sum() + inversion.evidence.log_noise)
    if not inversion.log_evidence > nothing + FAINT:
        found.append("faint_arcs")
    if np.abs(z).max() > EDGE:
        found.append("prior_edge")
    if inversion.evidence.strength_at_limit:
        found.append("strength_at_limit")
    if not reduced_chi2(inversion) < POOR:
        found.append("poor_fit")
    return found
