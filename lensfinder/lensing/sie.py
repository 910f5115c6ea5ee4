"""Singular isothermal ellipsoid: potential, deflection, convergence, magnification.

theta_E is on the intermediate axis: in the frame whose x axis is the major axis,

    kappa = theta_E / (2 sqrt(q x^2 + y^2 / q)).

The deflection is homogeneous of degree zero: it depends on the direction (c, s) = (x, y) / r only.
With p = sqrt(q^2 c^2 + s^2), which runs from q to 1, equation 27 of Kormann, Schneider & Bartelmann
(1994, A&A 284, 285) becomes

    alpha_x = theta_E sqrt(q)     c C(p),        C(u) = arccos(u) / sqrt(1 - u^2),
    alpha_y = theta_E / sqrt(q)   s C(p / q),

with one function C, analytic on u > 0 and equal to 1 at u = 1. Nothing is divided by
sqrt(1 - q^2), so q -> 1 needs no series and no special case.
"""

import numpy as np

from lensfinder.lensing._array import to_arrays
from lensfinder.lensing.frame import from_major_axis, to_major_axis
from lensfinder.lensing.special import arccos_ratio_inner, arccos_ratio_outer

# Squares below this are taken for the centre itself (arcsec^2): well above the smallest normal
# float32 (1e-38), well below any distance that matters.
_CENTRE = 1e-30


def sie_deflection(x, y, *, theta_E, q, phi, x0=0.0, y0=0.0):
    """Deflection of a singular isothermal ellipsoid.

    Parameters
    ----------
    x, y : array_like or tensor
        Position [arcsec]; everything broadcasts.
    theta_E : array_like or tensor
        Einstein radius on the intermediate axis [arcsec].
    q : array_like or tensor
        Axis ratio, 0 < q <= 1 (0.01 <= q for the stated accuracy in float32).
    phi : array_like or tensor
        Position angle of the major axis, counter-clockwise from +x [rad].
    x0, y0 : array_like or tensor
        Centre [arcsec].

    Returns
    -------
    alpha_x, alpha_y : array or tensor
        Deflection [arcsec]; the source position is ``(x - alpha_x, y - alpha_y)``. Zero at the
        centre, its mean over directions.

    Notes
    -----
    Relative error in float32 below 1e-6 (rms 1e-7), for any q including 1.
    """
    xp, (x, y, theta_E, q, phi, x0, y0) = to_arrays(x, y, theta_E, q, phi, x0, y0)
    u, v, cos_phi, sin_phi = to_major_axis(xp, x, y, phi, x0, y0)
    inverse_r = 1.0 / xp.sqrt(xp.maximum(u * u + v * v, _CENTRE))
    c, s = u * inverse_r, v * inverse_r
    along, across = deflection_of_direction(xp, c, s, theta_E, q)
    return from_major_axis(along, across, cos_phi, sin_phi)


def deflection_of_direction(xp, c, s, theta_E, q):
    """Deflection in the frame of the major axis, in the direction of the unit vector (c, s).

    `xp` comes from `to_arrays`, which made the arrays. Returns both components [arcsec].
    """
    root_q = xp.sqrt(q)
    p = xp.sqrt(xp.maximum(q * q * c * c + s * s, _CENTRE))  # never the sqrt of 0: gradients
    along = theta_E * root_q * c * arccos_ratio_inner(xp, p)
    across = theta_E / root_q * s * arccos_ratio_outer(xp, p * (1.0 / q))
    return along, across


def sie_potential(x, y, *, theta_E, q, phi, x0=0.0, y0=0.0):
    """Lensing potential of a singular isothermal ellipsoid [arcsec^2], zero at the centre.

    The potential is homogeneous of degree one, hence equal to position times deflection (Euler).

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
    x0, y0 : array_like or tensor
        Centre [arcsec].

    Returns
    -------
    array or tensor
        Potential [arcsec^2]; its gradient is `sie_deflection`.
    """
    _, (x, y, theta_E, q, phi, x0, y0) = to_arrays(x, y, theta_E, q, phi, x0, y0)
    alpha_x, alpha_y = sie_deflection(x, y, theta_E=theta_E, q=q, phi=phi, x0=x0, y0=y0)
    return (x - x0) * alpha_x + (y - y0) * alpha_y


def sie_convergence(x, y, *, theta_E, q, phi, x0=0.0, y0=0.0):
    """Convergence of a singular isothermal ellipsoid: ``theta_E / (2 sqrt(q x^2 + y^2 / q))``.

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
    x0, y0 : array_like or tensor
        Centre [arcsec].

    Returns
    -------
    array or tensor
        Convergence, dimensionless. Infinite at the centre in principle: there the value is that
        at 1e-15 arcsec, large and finite.
    """
    xp, (x, y, theta_E, q, phi, x0, y0) = to_arrays(x, y, theta_E, q, phi, x0, y0)
    u, v, _, _ = to_major_axis(xp, x, y, phi, x0, y0)
    return 0.5 * theta_E / xp.sqrt(xp.maximum(q * u * u + v * v / q, _CENTRE))


def sie_shear(x, y, *, theta_E, q, phi, x0=0.0, y0=0.0):
    """Shear components of a singular isothermal ellipsoid.

    A deflection that depends on direction alone has no radial derivative, so its Jacobian is
    ``2 kappa t t^T`` with t the unit vector across the radius: the shear is as large as the
    convergence, and tangential.

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
    x0, y0 : array_like or tensor
        Centre [arcsec].

    Returns
    -------
    gamma1, gamma2 : array or tensor
        ``-kappa cos 2 theta`` and ``-kappa sin 2 theta`` at the polar angle theta. Zero at the
        centre, their mean over directions.
    """
    xp, (x, y, theta_E, q, phi, x0, y0) = to_arrays(x, y, theta_E, q, phi, x0, y0)
    kappa = sie_convergence(x, y, theta_E=theta_E, q=q, phi=phi, x0=x0, y0=y0)
    cos_2, sin_2 = _double_angle(xp, x - x0, y - y0)
    return -kappa * cos_2, -kappa * sin_2


def sie_magnification(x, y, *, theta_E, q, phi, x0=0.0, y0=0.0, gamma1=0.0, gamma2=0.0):
    """Signed magnification of a singular isothermal ellipsoid with external shear.

    With M the Jacobian without the ellipsoid and t the unit vector across the radius, the matrix
    determinant lemma gives ``det(M - 2 kappa t t^T) = det M - 2 kappa t^T adj(M) t``.

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
    x0, y0 : array_like or tensor
        Centre [arcsec].
    gamma1, gamma2 : array_like or tensor
        External shear, as in `shear_deflection`.

    Returns
    -------
    array or tensor
        Inverse determinant of the Jacobian, negative for a saddle point; infinite on the
        critical curve.
    """
    xp, (x, y, theta_E, q, phi, x0, y0, gamma1, gamma2) = to_arrays(
        x, y, theta_E, q, phi, x0, y0, gamma1, gamma2
    )
    kappa = sie_convergence(x, y, theta_E=theta_E, q=q, phi=phi, x0=x0, y0=y0)
    cos_2, sin_2 = _double_angle(xp, x - x0, y - y0)
    across = 1.0 - gamma1 * cos_2 - gamma2 * sin_2
    determinant = 1.0 - gamma1 * gamma1 - gamma2 * gamma2 - 2.0 * kappa * across
    with np.errstate(divide="ignore"):  # the critical curve is no mistake
        return 1.0 / determinant


def _double_angle(xp, dx, dy):
    """Cosine and sine of twice the polar angle; both 0 at the centre."""
    inverse_r = 1.0 / xp.sqrt(xp.maximum(dx * dx + dy * dy, _CENTRE))
    c, s = dx * inverse_r, dy * inverse_r
    return c * c - s * s, 2.0 * c * s
