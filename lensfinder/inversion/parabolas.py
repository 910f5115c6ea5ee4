"""The peak of a posterior: parabolas fitted to it, round after round, and what they say.

A parabola is fitted to values up to 2.4 standard deviations around the peak, farther where they
scatter. It gives the top, the covariance and, as its determinant, the integral over the priors
(Laplace's approximation). Fitted to more values than it has coefficients, it averages out the small
steps that the evidence makes where triangles of the source grid flip: 0.2 in the log evidence with
`gradient` regularisation, which knows no neighbours, and 1.7 with `constant`; more where a source
is bright and sharp, unless the grid is finer there.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lensfinder.inversion.search import Target

REACH, HALFWAY = 2.4, 1.2  # standard deviations at which the parabola is fitted
ROUNDS = 10  # parabolas; each moves the centre to the top of the last
ROUGH = 0.5  # of the scatter: what less than this would gain cannot be told from it
NEAR = 3.0  # of the units of a design: points of earlier rounds that still count
DEPTH = 8.0  # log evidence below the highest from which on points weigh less
CLEAR = 2.0  # standard errors of the curvature
SMOOTH, WIDEST = 0.5, 5.0  # scatter from which on the points are set wider, and how much at most
FARTHEST = 3.0  # standard deviations that one round may move


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
