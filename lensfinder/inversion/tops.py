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
from lensfinder.inversion.search import APART, LONG, NARROW, Target, climb, local_maxima

MOST = 3  # places that are climbed to their tops on the fine grid
NEAR = 40.0  # log evidence below the best, after a climb there, up to which they are
RIVAL = 6.0  # log evidence below the best, at which a solution of another radius still counts
SCATTERS = 3.0  # about a parabola by which a point may lie above its top
# Times the errors that the curvature gives: with those the 68th percentile of |error| / sigma of
# theta_E was 1.7 on mocks of maresca2021 (1.2 to 1.4 of the shape, 1.1 of the centre). The prior of
# the source knows of no sharp cores, and its pixels follow the data that they are to explain.
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
        Of the posterior at `z`, up to the constant that all solutions share.
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
    return sorted((climb(search, z, most=LONG) for _, z in tops), key=lambda pair: -pair[0])


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
    """
    if len(places) < 2:
        return list(places)
    climbed = [climb(target, z, first=NARROW, most=LONG) for z in places]
    climbed.sort(key=lambda pair: -pair[0])
    kept = []
    for value, z in climbed:
        alone = all(_apart(target.prior, z, other) for other in kept)
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
    if not peak.settled and not target(peak.z) >= target.top - doubt:
        # the top of a parabola that does not hold may be worse than a point that was tried
        return Top(peak, target.at, False, target.top)
    return Top(peak, peak.z, peak.definite, peak.value)


def is_rival(top: Top, best: Top, prior) -> bool:
    """Whether a solution of another radius is about as high as the best.

    Parameters
    ----------
    top, best : Top
        The solutions; a solution is no rival of itself.
    prior : MassPrior
        What z means.

    Returns
    -------
    bool
        True for another radius and a like height.
    """
    if top is best or top.z is None or best.z is None:
        return False
    return bool(_apart(prior, top.z, best.z) and top.height > best.height - RIVAL)


def mixture(peaks, rng) -> np.ndarray:
    """Draws of Gaussians about some tops, as often as each holds of the posterior.

    The posterior is that of the evidence to the power ``1 / WIDER**2``, which is what widens every
    Gaussian by `WIDER`.

    Parameters
    ----------
    peaks : sequence of Peak
        At least one, all definite.
    rng : numpy.random.Generator
        Where the draws come from.

    Returns
    -------
    array (DRAWS, P)
        In z, one top after the other.
    """
    heights = np.array([peak.value for peak in peaks])
    volumes = np.array([peak.log_volume for peak in peaks])
    shares = np.exp((heights - heights.max()) / WIDER**2 + volumes - volumes.max())
    counts = rng.multinomial(DRAWS, shares / shares.sum())
    gaussians = [
        rng.multivariate_normal(peak.z, WIDER**2 * peak.covariance, count)
        for peak, count in zip(peaks, counts, strict=True)
    ]
    return np.concatenate(gaussians)


def _apart(prior, z, other):
    """Whether two places differ in radius."""
    radii = [np.log(prior.values(place)["theta_E"]) for place in (z, other)]
    return bool(abs(radii[0] - radii[1]) > APART)
