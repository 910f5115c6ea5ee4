"""Critical curves and caustics of a singular isothermal ellipsoid with external shear.

Let M = 1 - Gamma be the Jacobian of the shear alone, and let a position, seen from the centre of
the ellipsoid, be r (cos t, sin t). The deflection depends on t alone, so its Jacobian is
(2 k / r) n n^T, with n = (-sin t, cos t) and k(t) = r kappa. Then

    det A = det M (1 - r_c(t) / r),
    r_c(t) = 2 k n^T M^-1 n = 2 k (1 - gamma1 cos 2t - gamma2 sin 2t) / (1 - gamma^2):

one critical radius per direction, in closed form. Without shear it is the isodensity kappa = 1/2
(Kormann, Schneider & Bartelmann 1994). As r -> 0 the source goes to minus the deflection, which
draws the *cut*: a source inside it has one more image.

The external shear deflects by nothing at the origin of the image (not at the lens), so a lens off
the origin has its caustics shifted by M (x0, y0).
"""

import math

import numpy as np

from lensfinder.lensing._array import to_arrays
from lensfinder.lensing.frame import from_major_axis
from lensfinder.lensing.sie import deflection_of_direction

N_POINTS = 256


def critical_curve(*, theta_E, q, phi, x0=0.0, y0=0.0, gamma1=0.0, gamma2=0.0, n_points=N_POINTS):
    """Tangential critical curve, as a closed polygon in the image plane.

    Parameters
    ----------
    theta_E : array_like or tensor, (...)
        Einstein radius on the intermediate axis [arcsec]; all parameters broadcast.
    q, phi : array_like or tensor, (...)
        Axis ratio, and position angle of the major axis from +x [rad].
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
    lens = _Rays(theta_E, q, phi, x0, y0, gamma1, gamma2, n_points)
    return lens.xp.stack([lens.x0 + lens.r_c * lens.c, lens.y0 + lens.r_c * lens.s], axis=-1)


def caustic(*, theta_E, q, phi, x0=0.0, y0=0.0, gamma1=0.0, gamma2=0.0, n_points=N_POINTS):
    """Tangential caustic: the source positions of the vertices of `critical_curve`.

    Parameters
    ----------
    theta_E : array_like or tensor, (...)
        Einstein radius on the intermediate axis [arcsec]; all parameters broadcast.
    q, phi : array_like or tensor, (...)
        Axis ratio, and position angle of the major axis from +x [rad].
    x0, y0 : array_like or tensor, (...)
        Centre [arcsec].
    gamma1, gamma2 : array_like or tensor, (...)
        External shear, smaller than 1.
    n_points : int
        Vertices; the first is not repeated at the end.

    Returns
    -------
    array or tensor, (..., n_points, 2)
        x and y [arcsec]. Clockwise where four images are: such a source is wound round negatively.
    """
    lens = _Rays(theta_E, q, phi, x0, y0, gamma1, gamma2, n_points)
    return lens.source(lens.r_c)


def cut(*, theta_E, q, phi, x0=0.0, y0=0.0, gamma1=0.0, gamma2=0.0, n_points=N_POINTS):
    """The cut, or radial pseudo-caustic: where the centre goes to, direction by direction.

    Parameters
    ----------
    theta_E : array_like or tensor, (...)
        Einstein radius on the intermediate axis [arcsec]; all parameters broadcast.
    q, phi : array_like or tensor, (...)
        Axis ratio, and position angle of the major axis from +x [rad].
    x0, y0 : array_like or tensor, (...)
        Centre [arcsec].
    gamma1, gamma2 : array_like or tensor, (...)
        External shear, smaller than 1.
    n_points : int
        Vertices; the first is not repeated at the end.

    Returns
    -------
    array or tensor, (..., n_points, 2)
        x and y [arcsec], counter-clockwise about the sources with one more image.
    """
    lens = _Rays(theta_E, q, phi, x0, y0, gamma1, gamma2, n_points)
    return lens.source(lens.xp.zeros_like(lens.r_c))


def critical_radius(xp, c, s, *, theta_E, q, gamma1, gamma2):
    """Distance of the critical curve from the centre in the direction (c, s) [arcsec].

    Everything in the frame of the major axis, the shear too; `xp` and arrays from `to_arrays`.
    """
    p = xp.sqrt(q * q * c * c + s * s)
    twice_k = theta_E * xp.sqrt(q) / p
    across = 1.0 - gamma1 * (c * c - s * s) - gamma2 * (2.0 * c * s)
    return twice_k * across / (1.0 - gamma1 * gamma1 - gamma2 * gamma2)


def shear_in_frame(xp, gamma1, gamma2, phi):
    """Components of the shear on axes turned by `phi`."""
    cos_2, sin_2 = xp.cos(2.0 * phi), xp.sin(2.0 * phi)
    return gamma1 * cos_2 + gamma2 * sin_2, gamma2 * cos_2 - gamma1 * sin_2


def directions(xp, q, n_points):
    """Unit vectors (c, s) in the frame of the major axis, denser where the deflection turns fast.

    The deflection changes within an angle q of the major axis. tan t = sqrt(q) tan(E), with E
    uniform, follows that and leaves no wide gap at the minor axis.
    """
    E = np.arange(n_points) * (2.0 * math.pi / n_points)
    _, (cos_E, sin_E, q) = to_arrays(np.cos(E), np.sin(E), q)
    s = xp.sqrt(q) * sin_E
    norm = xp.sqrt(cos_E * cos_E + s * s)
    return cos_E / norm, s / norm


class _Rays:
    """Directions around the lenses of a batch, with the critical radius and deflection of each."""

    def __init__(self, theta_E, q, phi, x0, y0, gamma1, gamma2, n_points):
        xp, parameters = to_arrays(theta_E, q, phi, x0, y0, gamma1, gamma2)
        theta_E, q, phi, x0, y0, gamma1, gamma2 = (p[..., None] for p in parameters)
        # Give the centre one common shape: x and y are stacked.
        self.xp, self.x0, self.y0 = xp, x0 + xp.zeros_like(y0), y0 + xp.zeros_like(x0)
        self.gamma1, self.gamma2 = gamma1, gamma2
        c, s = directions(xp, q, n_points)
        g1, g2 = shear_in_frame(xp, gamma1, gamma2, phi)
        self.r_c = critical_radius(xp, c, s, theta_E=theta_E, q=q, gamma1=g1, gamma2=g2)
        along, across = deflection_of_direction(xp, c, s, theta_E, q)
        cos_phi, sin_phi = xp.cos(phi), xp.sin(phi)
        self.c, self.s = from_major_axis(c, s, cos_phi, sin_phi)
        self.alpha = from_major_axis(along, across, cos_phi, sin_phi)

    def source(self, r):
        """Source positions (..., n_points, 2) at distance `r` from the centre."""
        x, y = self.x0 + r * self.c, self.y0 + r * self.s
        source_x = (1.0 - self.gamma1) * x - self.gamma2 * y - self.alpha[0]
        source_y = (1.0 + self.gamma1) * y - self.gamma2 * x - self.alpha[1]
        return self.xp.stack([source_x, source_y], axis=-1)


def polygon_area(points):
    """Signed area of closed polygons (shoelace); positive for counter-clockwise ones.

    Parameters
    ----------
    points : array_like or tensor, (..., n, 2)
        Vertices [arcsec].

    Returns
    -------
    array or tensor, (...)
        Area [arcsec^2].
    """
    xp, (points,) = to_arrays(points)
    x, y = points[..., 0], points[..., 1]
    # About the first vertex: the shift removes the cancellation of far polygons.
    x, y = x - x[..., :1], y - y[..., :1]
    return 0.5 * xp.sum(x * xp.roll(y, -1, axis=-1) - xp.roll(x, -1, axis=-1) * y, axis=-1)


def einstein_radius_from_area(area):
    """Effective Einstein radius: that of the circle of the same area.

    Parameters
    ----------
    area : array_like or tensor
        Area inside the critical curve [arcsec^2]; its sign does not matter.

    Returns
    -------
    array or tensor
        Radius [arcsec].
    """
    xp, (area,) = to_arrays(area)
    return xp.sqrt(xp.abs(area) / math.pi)
