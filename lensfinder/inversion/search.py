"""The search for the mass of largest evidence, in the standard normal numbers of the priors.

A scan over theta_E and some shapes on a coarse source grid, then climbs without derivatives
(COBYQA) that narrow the places down: short ones from every local maximum of the scan and from every
stretch of radii, long ones from the best of those. Too small a radius shows the source as a
demagnified image, too large a one turned over (Maresca et al. 2021), and both are broad maxima of
their own; the right one is narrow, and lies below them until its shape is nearly right. At the best
places, on the fine grid, parabolas are fitted (`lensfinder.inversion.parabolas`).
"""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from lensfinder.errors import InversionError
from lensfinder.inversion.mass import MassModel

SCAN, FEWEST, STEP = 30, 6, 0.08  # values of theta_E, at most and least; in ln theta_E
STRETCHES = 20  # of radii, from each of which one place is climbed from
STARTS = 4  # places that are kept after the short climbs
APART = 0.1  # in ln theta_E: two places that are closer are one
KEPT = 200.0  # log evidence below the best, on the coarse grid, from which on a place is dropped
FIRST, LAST = 0.5, 0.03  # radii of trust of a climb, in standard deviations of the prior
NARROW = 0.2  # the first where places are compared: longer steps leave the peak of a sharp source
BRIEF, LONG = 24, 48  # evaluations of a short climb, and of those that follow it


@dataclass(frozen=True)
class Progress:
    """Where a fit is: told after every evaluation that is better than all before.

    Attributes
    ----------
    stage : str
        ``scan``, ``refine``, ``peak`` or ``nested``.
    evaluations : int
        So far.
    log_evidence : float
        Best so far.
    chi2_per_pixel : float
        Residual of the best so far.
    mass : MassModel
        Best so far.
    """

    stage: str
    evaluations: int
    log_evidence: float
    chi2_per_pixel: float
    mass: MassModel


class Target:
    """Logarithm of the posterior density in z, up to a constant: evidence times prior.

    Parameters
    ----------
    inverter : Inverter
        The lens.
    prior : MassPrior
        What z means.
    memory : Memory
        What is known already.
    grid : str
        Name of the inverter, for the memory.
    progress : callable, optional
        Told a `Progress`.
    """

    def __init__(self, inverter, prior, memory, *, grid, progress=None):
        self.inverter, self.prior = inverter, prior
        self._memory, self._grid, self._progress = memory, grid, progress
        self.stage, self.strength = "scan", None
        self.evaluations, self.best = 0, -np.inf
        self.top, self.at = -np.inf, None

    def warm(self, z) -> float:
        """Search for the strength of the regularisation from the one at `z` from now on.

        Parameters
        ----------
        z : array (P,)
            Where later points will be close to.

        Returns
        -------
        float
            Log evidence there.
        """
        self.strength = None
        log_evidence, _, strength = self._ask(z)
        self.strength = strength if np.isfinite(strength) else None
        return log_evidence

    def evidence(self, z) -> float:
        """Log evidence at a point; minus infinity where there is none."""
        return self._ask(z)[0]

    def __call__(self, z) -> float:
        """Log evidence plus the logarithm of the prior, less that of its normalisation."""
        z = np.asarray(z, dtype=np.float64)
        value = self.evidence(z) - 0.5 * float(z @ z)
        if value > self.top:  # of all points asked for, what is fallen back on
            self.top, self.at = value, z
        return value

    def _ask(self, z):
        self.evaluations += 1
        key = [self._grid, self.strength, *map(float, z)]
        known = self._memory.get(key)
        mass = None
        if known is None:
            mass = self.prior.mass(z)
            known = self._evaluated(mass)
            self._memory.keep(key, known)
        log_evidence, chi2, _ = known = [-np.inf if v is None else v for v in known]
        if log_evidence > self.best:
            self.best = log_evidence
            if self._progress is not None:
                self._progress(
                    Progress(
                        stage=self.stage,
                        evaluations=self.evaluations,
                        log_evidence=log_evidence,
                        chi2_per_pixel=chi2 / len(self.inverter.observation),
                        mass=mass or self.prior.mass(z),
                    )
                )
        return known

    def _evaluated(self, mass):
        """Log evidence, chi^2 and strength; None for each where a model cannot be inverted."""
        if mass is None:
            return [None, None, None]
        try:
            evidence = self.inverter.evaluate(mass, start=self.strength)
        except InversionError:
            return [None, None, None]
        strength = None if evidence.strength_at_limit else float(evidence.strength)
        return [float(evidence.log_evidence), float(evidence.chi2), strength]


def local_maxima(
    target: Target, *, count: int | None = None, stretches: int = STRETCHES, starts: int = STARTS
) -> list[tuple[float, np.ndarray]]:
    """Places to climb from, far apart in theta_E, best first.

    At each radius a round lens and six elongated ones are tried, one standard deviation of the
    priors from the middle, because the right radius with a wrong shape explains less than a wrong
    radius. From the highest of each stretch of radii, and from every local maximum, a short climb
    follows.

    Parameters
    ----------
    target : Target
        On a coarse grid.
    count : int, optional
        Values of theta_E, at equal steps of the prior's probability; by its width when absent.
    stretches : int
        Of radii, in equal numbers of values.
    starts : int
        Places to return, at most.

    Returns
    -------
    list of (float, array (P,))
        Value and place; empty if no model could be inverted. At most one where theta_E is not
        fitted.
    """
    scanned = _scan(target, count)
    values = np.array([-np.inf, *(value for value, _ in scanned), -np.inf])
    tops = (values[1:-1] >= values[:-2]) & (values[1:-1] >= values[2:])
    parts = np.array_split(np.arange(len(scanned)), min(stretches, len(scanned)))
    chosen = {max(part, key=lambda k: scanned[k][0]) for part in parts}
    chosen |= set(np.flatnonzero(tops))
    places = [scanned[k][1] for k in sorted(chosen) if np.isfinite(scanned[k][0])]
    climbed = [climb(target, z, first=NARROW, most=BRIEF) for z in places]
    best = max((value for value, _ in climbed), default=-np.inf)
    kept = []
    for value, z in sorted(climbed, key=lambda pair: -pair[0]):
        if value > best - KEPT and all(apart(target.prior, z, other) for _, other in kept):
            kept.append((value, z))
    return kept[:starts]


def apart(prior, z, other) -> bool:
    """Whether two places differ in radius.

    Parameters
    ----------
    prior : MassPrior
        What z means.
    z, other : array (P,)
        The places.

    Returns
    -------
    bool
        False where theta_E is not fitted.
    """
    radii = [np.log(prior.values(place)["theta_E"]) for place in (z, other)]
    return bool(abs(radii[0] - radii[1]) > APART)


def _scan(target, count):
    """Value and place of the best shape at each radius."""
    free = target.prior.free
    shapes = [np.zeros(len(free))]
    if {"e1", "e2"} <= set(free):
        for angle in np.arange(6) * np.pi / 3.0:
            shape = np.zeros(len(free))
            shape[[free.index("e1"), free.index("e2")]] = np.cos(angle), np.sin(angle)
            shapes.append(shape)
    scanned = "theta_E" in free
    count = _scan_count(target.prior) if count is None else count
    radii = special.ndtri((np.arange(count) + 0.5) / count) if scanned else np.zeros(1)
    best = []
    for radius in radii:
        points = [shape.copy() for shape in shapes]
        if scanned:
            for point in points:
                point[free.index("theta_E")] = radius
        target.warm(points[0])
        values = [target(point) for point in points]
        top = int(np.argmax(values))
        best.append((values[top], points[top]))
    return best


def _scan_count(prior):
    """How many values of theta_E to look at: steps of 8 %, within reason."""
    edges = np.zeros((2, len(prior.free)))
    if "theta_E" in prior.free:
        edges[:, prior.free.index("theta_E")] = special.ndtri([0.01, 0.99])
    low, high = np.maximum(prior.values(edges)["theta_E"], 1e-6)
    return int(np.clip(np.ceil(np.log(high / low) / STEP), FEWEST, SCAN))


def climb(target: Target, z, *, first: float = FIRST, most: int = LONG):
    """Climb from a point without derivatives.

    Parameters
    ----------
    target : Target
        What to climb on.
    z : array (P,)
        Where to begin.
    first : float
        How far the first steps go.
    most : int
        Evaluations after which to stop.

    Returns
    -------
    value : float
        The highest.
    z : array (P,)
        Where.
    """
    target.warm(z)
    floor = target(z) - 1e6  # COBYQA wants finite numbers everywhere
    found = optimize.minimize(
        lambda at: -max(target(at), floor),
        z,
        method="COBYQA",
        options=dict(
            initial_tr_radius=first,
            final_tr_radius=LAST,
            maxfev=most,
            scale=False,
        ),
    )
    return -float(found.fun), np.asarray(found.x)
