"""The regularisation strength of largest evidence.

`log evidence` as a function of ln lambda is smooth with one maximum, so three values that bracket
it and successive parabolas (Brent) find it in six to eight Cholesky factors from anywhere, four or
five from the strength of a similar mass model. One tridiagonalisation for all lambda costs as much
as eight factors: it never wins (see benchmarks/inversion.py).
"""

import math

from scipy.optimize import minimize_scalar

from lensfinder.errors import InversionError

FIRST_STEP, WARM_STEP, GROWTH = 1.5, 0.3, 2.0  # in ln lambda
LARGEST_DISTANCE = 40.0  # in ln lambda, from where the search starts
TOLERANCE = 1e-4  # relative, in ln lambda: an error in the log evidence below 1e-4


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
        True when the evidence still grew at the edge of the range.
    """
    centre, known = math.log(start), {}

    def cost(x):
        x = float(x)
        if x not in known:
            try:
                known[x] = -log_evidence(math.exp(x))
            except InversionError:
                known[x] = math.inf
        return known[x]

    step = WARM_STEP if warm else FIRST_STEP
    low, mid, high = centre - step, centre, centre + step
    while not cost(low) > cost(mid) < cost(high):
        downhill_left = cost(low) < cost(high)
        step *= GROWTH
        if downhill_left:
            low, mid, high = low - step, low, mid
        else:
            low, mid, high = mid, high, high + step
        if abs(mid - centre) > LARGEST_DISTANCE:
            return math.exp(mid), True
    found = minimize_scalar(cost, bracket=(low, mid, high), method="brent", tol=TOLERANCE)
    return math.exp(float(found.x)), False
