"""The search for the mass of largest evidence, in the standard normal numbers of the priors.

Three steps. A scan over theta_E and some shapes on a coarse source grid finds the local maxima: too
small a radius shows the source as a demagnified image, too large a one turned over (Maresca et al.
2021), and both are maxima of their own. Each of the best is refined without derivatives (COBYQA).
At the best of those, on the fine grid, a parabola is fitted to values up to 2.4 standard deviations
around the peak. It gives the top, the covariance and, as its determinant, the integral
over the priors (Laplace's approximation). Fitted to more values than it has coefficients, it
averages out the small steps that the evidence makes where triangles of the source grid flip: 0.2 in
the log evidence with `gradient` regularisation, which knows no neighbours, and 1.7 with `constant`;
more where a source is bright and sharp, unless the grid is finer there.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import optimize, special

from lensfinder.errors import InversionError
from lensfinder.inversion.mass import MassModel

SCAN, FEWEST, STEP = 30, 6, 0.08  # values of theta_E, at most and least; in ln theta_E
STARTS = 4  # local maxima that are refined
KEPT = 50.0  # log evidence below the best, on the coarse grid, from which on a maximum is dropped
REACH, HALFWAY = 2.4, 1.2  # standard deviations at which the parabola is fitted
ROUNDS = 10  # parabolas; each moves the centre to the top of the last
ROUGH = 0.5  # of the scatter: what less than this would gain cannot be told from it
NEAR = 3.0  # of the units of a design: points of earlier rounds that still count
DEPTH = 8.0  # log evidence below the highest from which on points weigh less
CLEAR = 2.0  # standard errors of the curvature
SMOOTH, WIDEST = 0.5, 2.0  # scatter from which on the points are set wider, and how much at most
FARTHEST = 3.0  # standard deviations that one round may move
FIRST, LAST = 0.5, 0.03  # radii of trust of the refinement, in standard deviations of the prior


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


@dataclass(frozen=True, eq=False)
class Peak:
    """A parabola on the top of a posterior.

    Attributes
    ----------
    z : array (P,)
        Its top.
    covariance : array (P, P)
        Inverse of its curvature, widened by the scatter and by how well the top is known.
    log_volume : float
        Half the logarithm of the determinant of the inverse of its curvature.
    value : float
        Its height.
    roughness : float
        Scatter of the values about it.
    definite : bool
        Whether it falls in every direction.
    settled : bool
        Whether its top is where it was fitted.
    """

    z: np.ndarray
    covariance: np.ndarray
    log_volume: float
    value: float
    roughness: float
    definite: bool
    settled: bool


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


def local_maxima(target: Target, *, count: int | None = None) -> list[tuple[float, np.ndarray]]:
    """Maxima along theta_E, best first.

    At each radius a round lens and six elongated ones are tried, one standard deviation of the
    priors from the middle, because the right radius with a wrong shape explains less than a wrong
    radius.

    Parameters
    ----------
    target : Target
        On a coarse grid.
    count : int, optional
        Values of theta_E, at equal steps of the prior's probability; by its width when absent.

    Returns
    -------
    list of (float, array (P,))
        Value and place; empty if no model could be inverted. At most one where theta_E is not
        fitted.
    """
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
    values = np.array([-np.inf, *(value for value, _ in best), -np.inf])
    tops = (values[1:-1] >= values[:-2]) & (values[1:-1] >= values[2:]) & np.isfinite(values[1:-1])
    return sorted((best[k] for k in np.flatnonzero(tops)), key=lambda pair: -pair[0])


def _scan_count(prior):
    """How many values of theta_E to look at: steps of 8 %, within reason."""
    edges = np.zeros((2, len(prior.free)))
    if "theta_E" in prior.free:
        edges[:, prior.free.index("theta_E")] = special.ndtri([0.01, 0.99])
    low, high = np.maximum(prior.values(edges)["theta_E"], 1e-6)
    return int(np.clip(np.ceil(np.log(high / low) / STEP), FEWEST, SCAN))


def refine(target: Target, z) -> tuple[float, np.ndarray]:
    """Climb from a point without derivatives.

    Parameters
    ----------
    target : Target
        What to climb on.
    z : array (P,)
        Where to begin.

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
            initial_tr_radius=FIRST, final_tr_radius=LAST, maxfev=12 * len(z) + 20, scale=False
        ),
    )
    return -float(found.fun), np.asarray(found.x)


def climb_parabolas(target: Target, z, *, tolerance: float = 0.1) -> Peak:
    """Fit parabolas about the peak until the last one has its top where it was fitted.

    Each round turns its points against those of the last, and fits all that lie near the peak.
    Where the values scatter about the parabola the points are set wider apart, so that the fall
    to the outermost stands out.

    Parameters
    ----------
    target : Target
        On the fine grid.
    z : array (P,)
        Near the peak.
    tolerance : float
        Log evidence that another round would have to gain to be worth it.

    Returns
    -------
    Peak
        The last parabola.
    """
    count = len(z)
    design, rng = _design(count), np.random.default_rng(0)  # directions: the same in every fit
    target.warm(z)
    axes, spread = _first_axes(target, z), 1.0
    places, heights = np.empty((0, count)), np.empty(0)
    for turn in range(ROUNDS):
        rotation = np.linalg.qr(rng.standard_normal((count, count)))[0] if turn else np.eye(count)
        unit = spread * axes
        points = z + design @ rotation.T @ unit.T
        places = np.concatenate([places, points])
        heights = np.concatenate([heights, [target(point) for point in points]])
        t = np.linalg.solve(unit, (places - z).T).T
        near = np.linalg.norm(t, axis=1) < NEAR
        c, g, H, roughness, known = _parabola(t[near], heights[near], DEPTH * spread**2)
        if not np.isfinite(c):
            nan = np.full((count, count), np.nan)
            return Peak(z, nan, np.nan, float(np.nanmax(heights)), np.nan, False, False)
        curvature, turned = np.linalg.eigh(-H)
        definite = bool((curvature > 0).all())
        # Where it does not fall, go as far as the design reached, uphill.
        bent = np.maximum(curvature, 0.25)
        step = turned @ ((turned.T @ g) / bent)
        widths = 1.0 / np.sqrt(bent)
        length = float(np.linalg.norm((turned.T @ step) / widths))
        step *= min(1.0, FARTHEST / max(length, 1e-12))
        gain = float(g @ step + 0.5 * step @ H @ step)
        top, axes = z + unit @ step, unit @ (turned * widths)
        spread = float(np.clip(np.sqrt(roughness / SMOOTH), 1.0, WIDEST))
        settled = definite and gain < max(tolerance, ROUGH * roughness)
        alike = bool((spread * widths > 0.5).all() and (spread * widths < 2.0).all())
        if (settled and alike) or turn == ROUNDS - 1:
            # Points of another spacing serve as well, if the fall stands out of the scatter.
            clear = curvature > CLEAR * _curvature_errors(known, turned)
            settled = settled and (alike or bool(clear.all()))
            covariance = axes @ axes.T
            inverse = (turned / bent) @ turned.T
            doubt = known[1 : 1 + count, 1 : 1 + count]
            unsure = unit @ inverse @ doubt @ inverse @ unit.T  # where the top is
            # Where the evidence is as high as at the top but for the scatter, nobody can tell.
            wider = covariance * (1.0 + 2.0 * roughness / count) + unsure
            volume = 0.5 * float(np.linalg.slogdet(covariance)[1])
            return Peak(top, wider, volume, c + gain, roughness, definite, settled)
        highest = int(np.nanargmax(np.where(np.isfinite(heights), heights, -np.inf)))
        z = top if definite or heights[highest] < c + gain else places[highest]
        # No posterior is wider than its prior, whose width in z is 1.
        axes /= np.maximum(np.linalg.norm(axes, axis=0), 1.0)
        target.warm(z)
    raise AssertionError("not reached: the last round returns")


def _design(count):
    """Points at which a parabola is fitted, in standard deviations: centre, axes and diagonals."""
    points = [np.zeros(count)]
    unit = np.eye(count) * REACH
    points += [sign * unit[i] for i in range(count) for sign in (1, -1)]
    points += [sign * HALFWAY / REACH * unit[i] for i in range(count) for sign in (1, -1)]
    for i, j in combinations(range(count), 2):
        # Two of the four corners, in turns, so that no direction is preferred.
        flip = 1 if (i + j) % 2 else -1
        points += [sign * (unit[i] + flip * unit[j]) / np.sqrt(2.0) for sign in (1, -1)]
    return np.array(points)


def _parabola(points, values, depth):
    """Least squares ``c + g t + t H t / 2``, scatter, covariance of all; NaN without values."""
    count = points.shape[1]
    i, j = np.triu_indices(count)
    squares = points[:, i] * points[:, j] * np.where(i == j, 0.5, 1.0)
    terms = np.concatenate([np.ones((len(points), 1)), points, squares], axis=1)
    good = np.isfinite(values)
    if good.sum() < terms.shape[1]:
        nan = np.nan
        return nan, np.full(count, nan), np.eye(count), nan, None
    # Far below the top a parabola is no guide: what lies there weighs less.
    fallen = values[good].max() - values[good]
    weights = 1.0 / np.sqrt(1.0 + (fallen / depth) ** 2)
    weighted = terms[good] * weights[:, None]
    answer = np.linalg.lstsq(weighted, values[good] * weights, rcond=None)[0]
    spare = max(int(good.sum()) - terms.shape[1], 1)
    left = (values[good] - terms[good] @ answer) * weights
    H = np.zeros((count, count))
    H[i, j] = H[j, i] = answer[1 + count :]
    roughness = float(np.sqrt((left**2).sum() / spare))
    known = roughness**2 * np.linalg.pinv(weighted.T @ weighted)
    return answer[0], answer[1 : 1 + count], H, roughness, known


def _curvature_errors(known, directions):
    """Standard errors of the curvature along columns, from the covariance of a parabola."""
    i, j = np.triu_indices(len(directions))
    terms = np.zeros((directions.shape[1], len(known)))
    terms[:, 1 + len(directions) :] = (
        directions[i] * directions[j] * np.where(i == j, 1, 2)[:, None]
    ).T
    return np.sqrt(np.einsum("ki,ij,kj->k", terms, known, terms))


def _first_axes(target, z):
    """Steps along each axis over which the posterior changes by about one half."""
    here, axes = target(z), []
    for unit in np.eye(len(z)):
        step = 0.05
        for _ in range(6):
            falls = [here - target(z + sign * step * unit) for sign in (1, -1)]
            fall = 0.5 * sum(falls)
            if not np.isfinite(fall):
                step *= 0.3
                continue
            wanted = step * np.sqrt(0.5 / fall) if fall > 0 else 3.0 * step
            ratio, step = wanted / step, float(np.clip(wanted, 0.2 * step, 5.0 * step))
            step = min(step, 1.0)
            if 0.4 < ratio < 2.5:
                break
        axes.append(step * unit)
    return np.array(axes).T
