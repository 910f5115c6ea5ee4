"""From the places of a coarse search to the solutions on the fine grid, and what they share.

Several places may explain an image about as well. Each is climbed to its top; the highest is the
answer, and one of another Einstein radius that comes close is its rival: the draws of the posterior
are then shared out between them.
"""

from dataclasses import dataclass

import numpy as np

from lensfinder.errors import FitError
from lensfinder.inversion.lens_fit import DRAWS
from lensfinder.inversion.parabolas import Peak, climb_parabolas
from lensfinder.inversion.search import NARROW, Target, apart, climb, local_maxima

MOST = 3  # places that are climbed to their tops on the fine grid
NEAR = 40.0  # log evidence below the best, after a climb there, up to which they are
RIVAL = 6.0  # log evidence below the best, at which a person should know of another radius
SHARING = 15.0  # and at which it still has a share of the posterior
SCATTERS = 3.0  # about a parabola by which a point may lie above its top
FIRM = 3.0  # times that for one that settled: of a hundred points one lies far above by chance
# Times the errors that the likelihood's curvature gives, which come out too small: the prior of the
# source knows of no sharp cores, and its pixels follow the data that they are to explain. Chosen on
# mocks of another seed than those of benchmarks/audit.py, whose result says how errors fare.
WIDER = 1.6
NOTHING = (
    "No mass model within the priors can be inverted. Widen the priors, or check mask and noise."
)


@dataclass(frozen=True, eq=False)
class Top:
    """A solution on the fine grid.

    Attributes
    ----------
    peak : Peak
        The parabola on it.
    z : array (P,) or None
        Its top, or a point that was tried where the parabola does not hold; None where there is
        none.
    definite : bool
        Whether the parabola holds.
    height : float
        The highest value met on the way, up to the constant that all solutions share: what a
        parabola says of its top cannot be compared with that where none holds.
    """

    peak: Peak
    z: np.ndarray | None
    definite: bool
    height: float


def refined_maxima(search: Target, **words) -> list[tuple[float, np.ndarray]]:
    """The local maxima of a scan, the best of them refined.

    Parameters
    ----------
    search : Target
        On a coarse grid.
    **words : dict
        Of `lensfinder.inversion.search.local_maxima`.

    Returns
    -------
    list of (float, array (P,))
        Value and place, best first.

    Raises
    ------
    FitError
        If no mass model within the priors can be inverted.
    """
    tops = local_maxima(search, **words)
    if not tops:
        raise FitError(NOTHING)
    search.stage = "refine"
    return sorted((climb(search, z) for _, z in tops), key=lambda pair: -pair[0])


def contenders(target: Target, places) -> list[np.ndarray]:
    """Of the places found on a coarse grid, those worth climbing from on the fine one.

    Parameters
    ----------
    target : Target
        On the fine grid.
    places : sequence of array (P,)
        At least one.

    Returns
    -------
    list of array (P,)
        After a climb, best first; at most one of each radius.

    Raises
    ------
    FitError
        If none of them can be inverted on the fine grid.
    """
    if len(places) < 2:
        return list(places)
    climbed = [climb(target, z, first=NARROW) for z in places]
    climbed = sorted((pair for pair in climbed if np.isfinite(pair[0])), key=lambda pair: -pair[0])
    if not climbed:
        raise FitError(NOTHING)
    kept = []
    for value, z in climbed:
        alone = all(apart(target.prior, z, other) for other in kept)
        if alone and value > climbed[0][0] - NEAR:
            kept.append(z)
    return kept[:MOST]


def top_of(target: Target, place, *, tolerance: float) -> Top:
    """Climb from a place to the top of its solution.

    Parameters
    ----------
    target : Target
        On the fine grid.
    place : array (P,)
        Near it.
    tolerance : float
        Of `lensfinder.inversion.parabolas.climb_parabolas`.

    Returns
    -------
    Top
        The solution.
    """
    target.top, target.at = -np.inf, None
    peak = climb_parabolas(target, place, tolerance=tolerance)
    doubt = max(1.0, SCATTERS * peak.roughness) if peak.definite else 0.0
    doubt *= FIRM if peak.settled else 1.0
    if not target(peak.z) >= target.top - doubt:
        # the top of a parabola that does not hold may be worse than a point that was tried
        return Top(peak, target.at, False, target.top)
    return Top(peak, peak.z, peak.definite, target.top)


def solutions(tops, prior) -> list[Top]:
    """The tops of different radii, highest first; of those that climbed to one place the highest.

    Parameters
    ----------
    tops : sequence of Top
        From `top_of`.
    prior : MassPrior
        What z means.

    Returns
    -------
    list of Top
        Each with a model.

    Raises
    ------
    FitError
        If there is no model at all.
    """
    found = []
    for top in sorted((t for t in tops if t.z is not None), key=lambda top: -top.height):
        if np.isfinite(top.height) and all(apart(prior, top.z, other.z) for other in found):
            found.append(top)
    if not found:
        raise FitError(NOTHING)
    return found


def has_rival(found) -> bool:
    """Whether a solution of another radius is about as high as the best.

    Parameters
    ----------
    found : sequence of Top
        From `solutions`.

    Returns
    -------
    bool
        True for a person to know of it.
    """
    best, *others = found
    return any(top.height > best.height - RIVAL for top in others)


def mixture(tops, rng) -> np.ndarray:
    """Draws of the posterior: Gaussians about some tops, as often as each holds of it.

    The evidence is taken to the power ``1 / WIDER**2``; the prior, a unit Gaussian in z, is left as
    it is. A Gaussian is as wide as the one or the other, whichever is narrower: a prior of the same
    image must not count twice, and what the data do not know stays as wide as the prior.

    Parameters
    ----------
    tops : sequence of Top
        At least one; those below the first by more than `SHARING` have no share.
    rng : numpy.random.Generator
        Where the draws come from.

    Returns
    -------
    array (DRAWS, P)
        In z, one top after the other.
    """
    tops = [top for top in tops if top.definite and top.height > tops[0].height - SHARING]
    widened = [_widened(top.peak.covariance) for top in tops]
    logs = []
    for top, covariance in zip(tops, widened, strict=True):
        prior = -0.5 * float(top.z @ top.z)
        tempered = (top.height - prior) / WIDER**2 + prior
        logs.append(tempered + 0.5 * float(np.linalg.slogdet(covariance)[1]))
    shares = np.exp(np.array(logs) - max(logs))
    counts = rng.multinomial(DRAWS, shares / shares.sum())
    gaussians = [
        rng.multivariate_normal(top.z, covariance, count)
        for top, covariance, count in zip(tops, widened, counts, strict=True)
    ]
    return np.concatenate(gaussians)


def _widened(covariance):
    """Covariance in z of the likelihood, made `WIDER` times as wide, or of the prior.

    Along each axis whichever knows more, not both together: the priors of a modelling network, and
    those of a refit, were made of the light that is fitted, which must not count twice.
    """
    precision, axes = np.linalg.eigh(np.linalg.inv(covariance))
    return (axes / np.maximum((precision - 1.0) / WIDER**2, 1.0)) @ axes.T
