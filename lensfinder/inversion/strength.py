"""The regularisation strength of largest evidence.

The log evidence as a function of ln lambda is smooth with one maximum. Each value costs a Cholesky
factor, so the search stops as soon as the parabola through the best three values promises less than
`GAIN`: after about nine values from anywhere, four to six from the strength of a similar mass
model, within 0.001 of the largest log evidence. (One tridiagonalisation that serves all lambda
costs as much as seven, measured by benchmarks/inversion.py: less than a search from anywhere, more
than the warm ones that a fit consists of.)
"""

import math

from lensfinder.errors import InversionError

FIRST_STEP, WARM_STEP = 1.2, 0.4  # in ln lambda
FURTHEST_STEP = 4.0  # beyond what is known, in units of the last interval
LARGEST_DISTANCE = 60.0  # in ln lambda, from where the search starts
GAIN = 1e-4  # of the log evidence, the least that is worth another value
MOST_VALUES = 60
NARROW = 0.9  # intervals, in ln lambda, in which the evidence is a parabola: beyond, look again
LOPSIDED = 6.0  # ratio of intervals above which the larger is halved, far from the maximum


def best_strength(log_evidence, *, start, warm=False):
    """Maximise the evidence over the strength.

    Parameters
    ----------
    log_evidence : callable
        Function of lambda; may raise `InversionError` where it is not defined.
    start : float
        Where to begin.
    warm : bool
        Whether `start` is thought to be close.

    Returns
    -------
    strength : float
        lambda.
    at_limit : bool
        True when the evidence has no maximum within reach: it still grows, or grows no more.
    """
    centre, step = math.log(start), WARM_STEP if warm else FIRST_STEP
    known = {}

    def look_at(x):
        try:
            known[x] = log_evidence(math.exp(x))
        except InversionError:
            known[x] = -math.inf

    for x in (centre - step, centre, centre + step):
        look_at(x)
    for _ in range(MOST_VALUES):
        places = sorted(known)
        best = max(range(len(places)), key=lambda k: known[places[k]])
        at_edge = best in (0, len(places) - 1)
        middle = min(max(best, 1), len(places) - 2)
        three = places[middle - 1 : middle + 2]
        vertex, gain = _parabola(three, [known[x] for x in three])
        if at_edge:
            near, far = (places[1], places[0]) if best == 0 else (places[-2], places[-1])
            grows = known[far] - known[near] >= GAIN  # not so where both are minus infinity
            if not grows or abs(far - centre) > LARGEST_DISTANCE:
                return math.exp(far), True
            look_at(_beyond(near, far, vertex))
            continue
        left, right = three[1] - three[0], three[2] - three[1]
        if gain < GAIN and max(left, right) < NARROW:
            break
        lopsided = max(left, right) > LOPSIDED * min(left, right)
        if gain < GAIN or (lopsided and gain > 1.0):
            vertex = three[1] + (right / 2 if right > left else -left / 2)
        look_at(vertex)
    return math.exp(max(known, key=known.get)), False


def _parabola(x, y):
    """Place of the maximum of a parabola through three points, and its height above the middle one.

    NaN and infinity where there is none.
    """
    if not all(map(math.isfinite, y)):
        return (x[0] + x[2]) / 2 if y[0] == y[2] else x[1] + (x[2] - x[1]) / 2, math.inf
    left, right = (y[1] - y[0]) / (x[1] - x[0]), (y[2] - y[1]) / (x[2] - x[1])
    curvature = (right - left) / (x[2] - x[0])
    if curvature >= 0:
        return math.nan, math.inf
    slope = left + curvature * (x[1] - x[0])  # at the middle point
    return x[1] - slope / (2 * curvature), -(slope**2) / (4 * curvature)


def _beyond(near, far, vertex):
    """The next place to look at outside of what is known, towards the vertex if there is one."""
    interval = far - near
    share = (vertex - far) / interval if math.isfinite(vertex) else FURTHEST_STEP
    return far + interval * min(max(share, 0.5), FURTHEST_STEP)
