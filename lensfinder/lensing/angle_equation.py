"""The lens equation of an SIE with external shear, as the root of a function of one angle.

Seen from the lens centre, an image at r e(t), with e = (cos t, sin t), obeys
M r e = b + alpha(t), with M the Jacobian of the shear and b the source. So with
w(t) = M^-1 (b + alpha(t)) the two equations become

    F(t) = w . n = 0,      r = w . e > 0,      n = (-sin t, cos t),

and F' = r_c(t) - w . e is known in closed form (`critical_radius`). Where F' = 0 at a root, two
images merge on the critical curve; where F'' = 0 too, three do, on a cusp.

A scan over angles finds sign changes of F. Roots that hide between two nodes of the scan come in
pairs: near a fold of the caustic F turns inside the interval, which the signs of F' at its ends
tell; near a cusp F' itself dips through zero and back, for which the smallest |F'| are searched.
"""

import math
from typing import NamedTuple

import numpy as np

from lensfinder.lensing.critical import critical_radius, directions
from lensfinder.lensing.sie import deflection_of_direction

_ITERATIONS = 120  # bisection alone needs 45
_RESOLUTION = 1e-15  # of an angle of order one [rad]
_ZOOM = np.linspace(0.0, 1.0, 9)  # four times finer at each step
_ZOOM_STEPS = 11  # from 0.1 to 2e-8 rad, where a quadratic minimum is flat to 1e-15


class AngleEquation:
    """F(t), its derivative and the radius, for N systems in the frame of their major axes."""

    def __init__(self, bx, by, theta_E, q, g1, g2):
        self.b, self.theta_E, self.q, self.g1, self.g2 = (bx, by), theta_E, q, g1, g2
        self.determinant = 1.0 - g1 * g1 - g2 * g2

    def __call__(self, c, s, row):
        """F, w . e and r_c in the directions (c, s) of the systems `row`."""
        extra = (slice(None), *(None,) * (np.ndim(c) - 1))
        bx, by, theta_E, q, g1, g2, det = (
            v[row][extra]
            for v in (*self.b, self.theta_E, self.q, self.g1, self.g2, self.determinant)
        )
        ax, ay = deflection_of_direction(np, c, s, theta_E, q)
        vx, vy = bx + ax, by + ay
        wx = ((1.0 + g1) * vx + g2 * vy) / det
        wy = (g2 * vx + (1.0 - g1) * vy) / det
        r_c = critical_radius(np, c, s, theta_E=theta_E, q=q, gamma1=g1, gamma2=g2)
        return c * wy - s * wx, c * wx + s * wy, r_c

    def at(self, t, row):
        """F, F' and w . e at the angles `t` of the systems `row`."""
        F, r, r_c = self(np.cos(t), np.sin(t), row)
        return F, r_c - r, r


class _Intervals(NamedTuple):
    """Stretches of angle, with F, F' and w . e at both ends."""

    row: np.ndarray
    low: np.ndarray
    high: np.ndarray
    F_low: np.ndarray
    F_high: np.ndarray
    slope_low: np.ndarray
    slope_high: np.ndarray
    r_low: np.ndarray
    r_high: np.ndarray

    def select(self, chosen):
        return _Intervals(*(values[chosen] for values in self))

    def crossing(self):
        """F changes sign from one end to the other."""
        return (self.F_low >= 0.0) != (self.F_high >= 0.0)

    def turning(self):
        """F heads for zero at both ends: it may cross inside, and come back."""
        positive = self.F_low >= 0.0
        heads = (positive != (self.slope_low >= 0.0)) & (positive == (self.slope_high >= 0.0))
        return heads & ~self.crossing()

    def split(self, t, F, slope, r):
        """Both parts of every interval, cut at `t`."""
        left = self._replace(high=t, F_high=F, slope_high=slope, r_high=r)
        right = self._replace(low=t, F_low=F, slope_low=slope, r_low=r)
        return left.join(right)

    def join(self, other):
        return _Intervals(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))


def solve(problem, rows, n_scan):
    """Every image of the systems `rows` of an `AngleEquation`, without the central ones.

    Parameters
    ----------
    problem : AngleEquation
    rows : numpy.ndarray of int
        Which of its systems.
    n_scan : int
        Angles of the scan.

    Returns
    -------
    row, c, s, r, r_c : numpy.ndarray
        For every image: its system, direction, radius [arcsec], and the critical radius there.
    """
    scan = _scan(problem, rows, n_scan)
    split = np.zeros(scan.F_low.shape, dtype=bool)
    where, t = _pinches(problem, scan)
    split[where] = True
    # Everything that happens at r < 0 at both ends is on the far side of the lens.
    kept = (scan.crossing() | scan.turning()) & ((scan.r_low > 0.0) | (scan.r_high > 0.0)) & ~split
    pinched = scan.select(where)
    intervals = scan.select(kept).join(pinched.split(t, *problem.at(t, pinched.row)))

    turning = intervals.select(intervals.turning())
    dip = _refine(problem, turning, of_slope=True)
    F, slope, r = problem.at(dip, turning.row)
    found = turning.split(dip, F, slope, r)
    found = found.select(found.crossing())

    found = found.join(intervals.select(intervals.crossing()))
    t = _refine(problem, found)
    c, s = np.cos(t), np.sin(t)
    _, r, r_c = problem(c, s, found.row)
    image = r > 0.0
    return found.row[image], c[image], s[image], r[image], r_c[image]


def _scan(problem, rows, n_scan):
    """The intervals between the angles of the scan, all the way round; arrays (systems, angles)."""
    c, s = directions(np, problem.q[rows, None], n_scan)
    F, r, r_c = problem(c, s, rows)
    low = np.unwrap(np.arctan2(s, c), axis=1)

    def following(values):
        return np.roll(values, -1, axis=1)

    high = following(low)
    high[:, -1] += 2.0 * math.pi
    row = np.broadcast_to(rows[:, None], F.shape)
    slope = r_c - r
    return _Intervals(row, low, high, F, following(F), slope, following(slope), r, following(r))


def _pinches(problem, scan):
    """Where F' dips through zero and back between two nodes of the scan.

    Returns
    -------
    where : tuple of numpy.ndarray
        Indices of the intervals of `scan`.
    t : numpy.ndarray
        An angle in each, at which F' has the other sign.
    """
    slope, size = scan.slope_low, np.abs(scan.slope_low)
    before, after = np.roll(slope, 1, axis=1), scan.slope_high
    sign = np.sign(slope)
    smallest = (size <= sign * before) & (size <= sign * after)
    # A smooth function falls below its smallest node by less than it changes between nodes.
    near = size < np.maximum(np.abs(before - slope), np.abs(after - slope))
    i, k = np.nonzero(smallest & near & (scan.r_low > 0.0))
    row, sign, middle = scan.row[i, k], sign[i, k], scan.low[i, k]
    low = scan.low[i, k - 1] - np.where(k == 0, 2.0 * math.pi, 0.0)
    high = scan.high[i, k]
    t, value = middle, size[i, k]
    for _ in range(_ZOOM_STEPS):
        grid = low[:, None] + (high - low)[:, None] * _ZOOM
        values = sign[:, None] * problem.at(grid, row)[1]
        best = np.argmin(values, axis=1)
        each = np.arange(best.size)
        t, value = grid[each, best], values[each, best]
        low = grid[each, np.maximum(best - 1, 0)]
        high = grid[each, np.minimum(best + 1, _ZOOM.size - 1)]
    through = value < 0.0
    i, k, t = i[through], k[through], t[through]
    left = t < middle[through]
    wraps = left & (k == 0)
    k = np.where(left, (k - 1) % slope.shape[1], k)
    return (i, k), np.where(wraps, t + 2.0 * math.pi, t)


def _refine(problem, intervals, of_slope=False):
    """Root of F in each interval, at the ends of which its signs differ; root of F' if asked.

    A Newton step that leaves its bracket, or is not half as long as the step before, is replaced
    by bisection, so the bracket shrinks whatever the function does. F' has no derivative here: it
    is bisected, until F is found beyond zero or the bracket is empty.
    """
    row, low, high = intervals.row, intervals.low.copy(), intervals.high.copy()
    sign = intervals.F_low >= 0.0
    root = 0.5 * (low + high)
    last = high - low
    active = np.arange(root.size)
    for _ in range(_ITERATIONS):
        t = root[active]
        F, slope, _ = problem.at(t, row[active])
        # F turns back where its slope has the sign that F has at the lower end.
        same = ((slope < 0.0) if of_slope else (F >= 0.0)) == sign[active]
        low[active] = np.where(same, t, low[active])
        high[active] = np.where(same, high[active], t)
        step = 0.5 * (low[active] + high[active]) - t
        if of_slope:
            done = (F >= 0.0) != sign[active]
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                newton = -F / slope
            safe = (np.abs(newton) <= 0.5 * last[active]) & (t + newton >= low[active])
            safe &= t + newton <= high[active]
            step = np.where(safe, newton, step)
            done = np.abs(step) < _RESOLUTION
        last[active] = np.abs(step)
        root[active] = np.where(done, t, t + step)
        active = active[~(done | (high[active] - low[active] < _RESOLUTION))]
        if not active.size:
            break
    return root
