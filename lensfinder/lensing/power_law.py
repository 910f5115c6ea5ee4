"""Elliptical power law: deflection, convergence, magnification, critical curve and caustic.

The ellipsoid of `sie` with a free slope of the density, rho ~ r^-slope; 2 is isothermal. In the
frame whose x axis is the major axis, with theta_E on the intermediate axis,

    kappa = (3 - slope) / 2 (theta_E / sqrt(q x^2 + y^2 / q))^(slope - 1).

Its deflection is equation 13 of Tessore & Metcalf (2015, A&A 580, A79). With t = slope - 1,
b = theta_E sqrt(q), R = sqrt(q^2 x^2 + y^2), f = (1 - q) / (1 + q) and w the polar angle of
(q x, y),

    alpha = 2 b / (1 + q) (b / R)^(t - 1) e^(i w) F(1, t / 2; 2 - t / 2; -f e^(2 i w)),

whose hypergeometric series has terms in the ratio -f e^(2 i w) (2 n - 2 + t) / (2 n + 2 - t).
"""

import math

import numpy as np

from lensfinder.lensing._array import to_arrays
from lensfinder.lensing.critical import N_POINTS, directions
from lensfinder.lensing.frame import from_major_axis, to_major_axis
from lensfinder.lensing.shear import shear_deflection

_CENTRE = 1e-30  # arcsec^2: squares below are the centre itself
_EXACT = 1e-13  # what is left out of the series, relative to it, where q is known
_MOST, _TENSOR = 600, 60  # terms at most (q = 0.02 to 1e-10), and where q is a tensor


def power_law_deflection(x, y, *, theta_E, q, phi, slope, x0=0.0, y0=0.0):
    """Deflection of an elliptical power law.

    Parameters
    ----------
    x, y : array_like or tensor
        Position [arcsec]; everything broadcasts.
    theta_E : array_like or tensor
        Einstein radius on the intermediate axis [arcsec].
    q : array_like or tensor
        Axis ratio, 0 < q <= 1.
    phi : array_like or tensor
        Position angle of the major axis, counter-clockwise from +x [rad].
    slope : array_like or tensor
        Of the density, 1 < slope < 3; 2 for an isothermal one.
    x0, y0 : array_like or tensor
        Centre [arcsec].

    Returns
    -------
    alpha_x, alpha_y : array or tensor
        Deflection [arcsec]; zero at the centre.

    Notes
    -----
    Exact to 1e-10 of theta_E for q >= 0.02, in tensors for q >= 0.2 and as far as their dtype goes.
    """
    xp, (x, y, theta_E, q, phi, slope, x0, y0) = to_arrays(x, y, theta_E, q, phi, slope, x0, y0)
    u, v, cos_phi, sin_phi = to_major_axis(xp, x, y, phi, x0, y0)
    along, across = _deflection(xp, u, v, theta_E, q, slope)
    return from_major_axis(along, across, cos_phi, sin_phi)


def _deflection(xp, u, v, theta_E, q, slope):
    """Deflection in the frame of the major axis; `xp` from `to_arrays`, which made the arrays."""
    R = xp.sqrt(xp.maximum(q * q * u * u + v * v, _CENTRE))
    c, s = q * u / R, v / R
    f, tail = (1.0 - q) / (1.0 + q), 3.0 - slope  # 2 - t
    step_x, step_y = -f * (c * c - s * s), -f * (2.0 * c * s)
    sum_x, sum_y = xp.ones_like(step_x), xp.zeros_like(step_x)
    for n in range(_terms(xp, f), 0, -1):  # Horner: 1 + k_1 w (1 + k_2 w (1 + ...))
        k = (2.0 * n - tail) / (2.0 * n + tail)
        sum_x, sum_y = (
            1.0 + k * (step_x * sum_x - step_y * sum_y),
            k * (step_x * sum_y + step_y * sum_x),
        )
    b = theta_E * xp.sqrt(q)
    size = 2.0 * b / (1.0 + q) * (b / R) ** (slope - 2.0)
    return size * (c * sum_x - s * sum_y), size * (c * sum_y + s * sum_x)


def _terms(xp, f):
    """Terms of the series, of which each is at most f times the last."""
    if xp is not np:
        return _TENSOR
    largest = float(np.max(f, initial=0.0))
    if largest <= _EXACT:
        return 1
    return min(math.ceil(math.log(_EXACT) / math.log(largest)), _MOST)


def power_law_convergence(x, y, *, theta_E, q, phi, slope, x0=0.0, y0=0.0):
    """Convergence of an elliptical power law.

    Parameters
    ----------
    x, y : array_like or tensor
        Position [arcsec]; everything broadcasts.
    theta_E : array_like or tensor
        Einstein radius on the intermediate axis [arcsec].
    q : array_like or tensor
        Axis ratio, 0 < q <= 1.
    phi : array_like or tensor
        Position angle of the major axis, counter-clockwise from +x [rad].
    slope : array_like or tensor
        Of the density, 1 < slope < 3.
    x0, y0 : array_like or tensor
        Centre [arcsec].

    Returns
    -------
    array or tensor
        Convergence, dimensionless; large and finite at the centre.
    """
    xp, (x, y, theta_E, q, phi, slope, x0, y0) = to_arrays(x, y, theta_E, q, phi, slope, x0, y0)
    u, v, _, _ = to_major_axis(xp, x, y, phi, x0, y0)
    radius = xp.sqrt(xp.maximum(q * u * u + v * v / q, _CENTRE))
    return 0.5 * (3.0 - slope) * (theta_E / radius) ** (slope - 1.0)


def power_law_magnification(
    x, y, *, theta_E, q, phi, slope, x0=0.0, y0=0.0, gamma1=0.0, gamma2=0.0
):
    """Signed magnification of an elliptical power law with external shear.

    Parameters
    ----------
    x, y : array_like or tensor
        Position [arcsec]; everything broadcasts.
    theta_E : array_like or tensor
        Einstein radius on the intermediate axis [arcsec].
    q : array_like or tensor
        Axis ratio, 0 < q <= 1.
    phi : array_like or tensor
        Position angle of the major axis, counter-clockwise from +x [rad].
    slope : array_like or tensor
        Of the density, 1 < slope < 3.
    x0, y0 : array_like or tensor
        Centre [arcsec].
    gamma1, gamma2 : array_like or tensor
        External shear, as in `shear_deflection`.

    Returns
    -------
    array or tensor
        Inverse determinant of the Jacobian, negative for a saddle point; infinite on a critical
        curve.
    """
    xp, (x, y, theta_E, q, phi, slope, x0, y0, gamma1, gamma2) = to_arrays(
        x, y, theta_E, q, phi, slope, x0, y0, gamma1, gamma2
    )
    lens = dict(theta_E=theta_E, q=q, phi=phi, slope=slope, x0=x0, y0=y0)
    kappa, own1, own2 = _kappa_and_shear(xp, x, y, lens)
    determinant = (1.0 - kappa) ** 2 - (own1 + gamma1) ** 2 - (own2 + gamma2) ** 2
    with np.errstate(divide="ignore"):  # the critical curve is no mistake
        return 1.0 / determinant


def _kappa_and_shear(xp, x, y, lens):
    """Convergence and shear: the deflection is homogeneous, so that Euler's theorem gives both.

    With z = x + i y from the centre, z d alpha + conj(z) gamma = (1 - t) alpha, d alpha = kappa.
    """
    kappa = power_law_convergence(x, y, **lens)
    alpha_x, alpha_y = power_law_deflection(x, y, **lens)
    dx, dy = x - lens["x0"], y - lens["y0"]
    r2 = xp.maximum(dx * dx + dy * dy, _CENTRE)
    power = 2.0 - lens["slope"]
    gamma1 = (power * (alpha_x * dx - alpha_y * dy) - kappa * (dx * dx - dy * dy)) / r2
    gamma2 = (power * (alpha_x * dy + alpha_y * dx) - kappa * 2.0 * dx * dy) / r2
    return kappa, gamma1, gamma2


def power_law_critical_curve(
    *, theta_E, q, phi, slope, x0=0.0, y0=0.0, gamma1=0.0, gamma2=0.0, n_points=N_POINTS
):
    """Tangential critical curve, as a closed polygon in the image plane.

    Along a ray from the centre kappa and shear fall as r^-t, so that the determinant is quadratic
    in r^-t: its smaller root lies on the outer curve.

    Parameters
    ----------
    theta_E : array_like or tensor, (...)
        Einstein radius on the intermediate axis [arcsec]; all parameters broadcast.
    q, phi : array_like or tensor, (...)
        Axis ratio, and position angle of the major axis from +x [rad].
    slope : array_like or tensor, (...)
        Of the density, 1 < slope < 3.
    x0, y0 : array_like or tensor, (...)
        Centre [arcsec].
    gamma1, gamma2 : array_like or tensor, (...)
        External shear, smaller than 1.
    n_points : int
        Vertices; the first is not repeated at the end.

    Returns
    -------
    array or tensor, (..., n_points, 2)
        x and y of the vertices [arcsec], counter-clockwise about the centre.
    """
    xp, (theta_E, q, phi, slope, x0, y0, gamma1, gamma2) = to_arrays(
        theta_E, q, phi, slope, x0, y0, gamma1, gamma2
    )
    theta_E, q, phi, slope, x0, y0, gamma1, gamma2 = (
        p[..., None] for p in (theta_E, q, phi, slope, x0, y0, gamma1, gamma2)
    )
    c, s = directions(xp, q, n_points)
    c, s = from_major_axis(c, s, xp.cos(phi), xp.sin(phi))
    lens = dict(theta_E=theta_E, q=q, phi=phi, slope=slope, x0=x0, y0=y0)
    # At one arcsec from the centre; r^-t times that elsewhere.
    kappa, own1, own2 = _kappa_and_shear(xp, x0 + c, y0 + s, lens)
    ahead = 1.0 - gamma1 * gamma1 - gamma2 * gamma2
    half = kappa + gamma1 * own1 + gamma2 * own2
    last = kappa * kappa - own1 * own1 - own2 * own2
    # Real: the Jacobian of the shear is positive definite.
    w = ahead / (half + xp.sqrt(xp.maximum(half * half - last * ahead, 0.0)))
    r = w ** (-1.0 / (slope - 1.0))
    return xp.stack([x0 + r * c, y0 + r * s], axis=-1)


def power_law_caustic(
    *, theta_E, q, phi, slope, x0=0.0, y0=0.0, gamma1=0.0, gamma2=0.0, n_points=N_POINTS
):
    """Tangential caustic: the source positions of the vertices of `power_law_critical_curve`.

    Parameters
    ----------
    theta_E : array_like or tensor, (...)
        Einstein radius on the intermediate axis [arcsec]; all parameters broadcast.
    q, phi : array_like or tensor, (...)
        Axis ratio, and position angle of the major axis from +x [rad].
    slope : array_like or tensor, (...)
        Of the density, 1 < slope < 3.
    x0, y0 : array_like or tensor, (...)
        Centre [arcsec].
    gamma1, gamma2 : array_like or tensor, (...)
        External shear, smaller than 1.
    n_points : int
        Vertices; the first is not repeated at the end.

    Returns
    -------
    array or tensor, (..., n_points, 2)
        x and y [arcsec].
    """
    lens = dict(theta_E=theta_E, q=q, phi=phi, slope=slope, x0=x0, y0=y0)
    shear = dict(gamma1=gamma1, gamma2=gamma2)
    curve = power_law_critical_curve(**lens, **shear, n_points=n_points)
    xp, (theta_E, q, phi, slope, x0, y0, gamma1, gamma2) = to_arrays(
        theta_E, q, phi, slope, x0, y0, gamma1, gamma2
    )
    rays = {
        name: value[..., None]
        for name, value in zip(lens, (theta_E, q, phi, slope, x0, y0), strict=True)
    }
    x, y = curve[..., 0], curve[..., 1]
    alpha = power_law_deflection(x, y, **rays)
    bent = shear_deflection(x, y, gamma1=gamma1[..., None], gamma2=gamma2[..., None])
    return xp.stack([x - alpha[0] - bent[0], y - alpha[1] - bent[1]], axis=-1)
