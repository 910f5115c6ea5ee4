"""Special functions that `keras.ops` lacks, or that XLA does not vectorise.

XLA on a CPU calls the C library for every `arctan`, `arctanh` and `arccos`, one number at a time.
The approximations here are polynomials and ratios of polynomials, which it turns into vector
instructions. They serve float32; float64 (NumPy or tensors) takes the exact functions.
"""

from lensfinder.lensing._array import is_double

# arccos(u) / sqrt(1 - u^2) for 0 <= u <= 1: minimax polynomial in (u - 1/2), relative error 1.1e-8
# (Lawson weights on 3,001 Chebyshev nodes). Expanding about the middle of the interval keeps the
# sum free of cancellation.
_INNER = (
    1.20919959,
    -0.52720032,
    0.27893003,
    -0.15869405,
    0.09387237,
    -0.05680867,
    0.03392513,
    -0.02096542,
    0.01765077,
    -0.01135737,
)
# arccosh(u) / sqrt(u^2 - 1) for 1 <= u <= 100: minimax ratio in u, relative error 5.1e-8. All
# coefficients are positive, so no term cancels another.
_OUTER_TOP = (
    2.59325904e07,
    2.23875797e07,
    4.70749828e06,
    2.71263527e05,
    3.82713455e03,
    8.53368974,
)
_OUTER_BOTTOM = (
    1.65128545e07,
    2.47468280e07,
    1.05382202e07,
    1.44415357e06,
    6.00805381e04,
    6.32422731e02,
    1.0,
)


def polynomial(coefficients, x):
    """Horner's sum of ``coefficients[k] * x**k``."""
    total = x * coefficients[-1] + coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        total = total * x + coefficient
    return total


def arccos_ratio_inner(xp, u):
    """``arccos(u) / sqrt(1 - u^2)`` for 0 <= u <= 1; smooth, and 1 at u = 1.

    Parameters
    ----------
    xp : module
        `numpy` or `keras.ops`, from `to_arrays`, which made `u`.
    u : array
        Values in [0, 1]; excess by rounding is harmless.

    Returns
    -------
    array
        Relative error 1.4e-7 at worst in float32, 1e-15 in float64.
    """
    if not is_double(xp, u):
        return polynomial(_INNER, u - 0.5)
    # arccos(u) = 2 arctan(t) with t^2 = (1-u)/(1+u); arctan(t)/t is even in t, so the rounding of
    # 1 - u near u = 1 enters only at first order in t^2, which is where it is harmless.
    t = _root_of_ratio(xp, 1.0 - u, 1.0 + u)
    return 2.0 / (1.0 + u) * xp.arctan(t) / t


def arccos_ratio_outer(xp, u):
    """``arccosh(u) / sqrt(u^2 - 1)`` for u >= 1: `arccos_ratio_inner` continued beyond 1.

    Parameters
    ----------
    xp : module
        `numpy` or `keras.ops`, from `to_arrays`, which made `u`.
    u : array
        Values in [1, 100] for float32, in [1, inf) for float64.

    Returns
    -------
    array
        Relative error 5e-7 at worst (1.1e-7 rms) in float32, 1e-14 in float64.
    """
    if not is_double(xp, u):
        return polynomial(_OUTER_TOP, u) / polynomial(_OUTER_BOTTOM, u)
    # arccosh(u) = 2 arctanh(t) = log((1+t)/(1-t)) with t^2 = (u-1)/(u+1), and
    # (1+t)/(1-t) = (1+t)^2 (1+u)/2, which keeps its digits when t -> 1.
    t = _root_of_ratio(xp, u - 1.0, u + 1.0)
    far = xp.log((1.0 + t) ** 2 * (1.0 + u) / 2.0) / 2.0
    near = xp.arctanh(xp.minimum(t, 0.6))
    return 2.0 / (1.0 + u) * xp.where(t < 0.5, near, far) / t


def _root_of_ratio(xp, top, bottom):
    """sqrt(top / bottom), kept positive: f(t)/t is then 1 at the branch point, never 0/0."""
    return xp.sqrt(xp.maximum(top / bottom, 1e-40))


# Binet's function as Stieltjes' continued fraction (Abramowitz & Stegun 6.1.48).
_STIELTJES = (
    1 / 12,
    1 / 30,
    53 / 210,
    195 / 371,
    22999 / 22737,
    29944523 / 19733142,
    109535241009 / 48264275462,
)
_SHIFT = 4


def binet(xp, z):
    """Binet's function: ``log Gamma(z) - (z - 1/2) log z + z - log(2 pi) / 2``, for z > 0.

    Small and smooth, so that what remains of the flux of a Sersic profile after the large terms
    have been cancelled by hand stays exact in float32. Absolute error below 1e-11 for z >= 0.4.
    """
    far = z + _SHIFT
    value = _STIELTJES[-1] / far
    for coefficient in _STIELTJES[-2::-1]:
        value = coefficient / (far + value)
    for k in range(_SHIFT):  # Gamma(z + 1) = z Gamma(z)
        value = value + (z + k + 0.5) * xp.log1p(1.0 / (z + k)) - 1.0
    return value
