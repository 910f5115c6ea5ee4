"""The lens equation of an SIE with external shear, from the image to the source, and its cost.

Backward is a formula; forward, from a source to its images, is `multiplicity.image_positions`. Both
share the Fermat potential, Schneider, Ehlers & Falco (1992), equation 5.11:

    tau(x) = |x - beta|^2 / 2 - psi(x)      [arcsec^2],

whose stationary points are the images and whose differences are the delays.
"""

from lensfinder.lensing._array import to_arrays
from lensfinder.lensing.shear import shear_deflection, shear_potential
from lensfinder.lensing.sie import sie_convergence, sie_deflection, sie_potential, sie_shear


def source_position(x, y, *, theta_E, q, phi, x0=0.0, y0=0.0, gamma1=0.0, gamma2=0.0):
    """Where an image comes from: ``beta = x - alpha(x)``.

    Parameters
    ----------
    x, y : array_like or tensor
        Image position [arcsec]; everything broadcasts.
    theta_E : array_like or tensor
        Einstein radius on the intermediate axis [arcsec].
    q, phi : array_like or tensor
        Axis ratio, and position angle of the major axis from +x [rad].
    x0, y0 : array_like or tensor
        Centre of the lens [arcsec].
    gamma1, gamma2 : array_like or tensor
        External shear, which deflects by nothing at the origin.

    Returns
    -------
    x_src, y_src : array or tensor
        Source position [arcsec].
    """
    _, (x, y) = to_arrays(x, y)
    sie_x, sie_y = sie_deflection(x, y, theta_E=theta_E, q=q, phi=phi, x0=x0, y0=y0)
    shear_x, shear_y = shear_deflection(x, y, gamma1=gamma1, gamma2=gamma2)
    return x - sie_x - shear_x, y - sie_y - shear_y


def fermat_potential(
    x, y, x_src, y_src, *, theta_E, q, phi, x0=0.0, y0=0.0, gamma1=0.0, gamma2=0.0
):
    """Fermat potential of an image, which `time_delay` turns into days.

    Parameters
    ----------
    x, y : array_like or tensor
        Image position [arcsec]; everything broadcasts.
    x_src, y_src : array_like or tensor
        Source position [arcsec].
    theta_E : array_like or tensor
        Einstein radius on the intermediate axis [arcsec].
    q, phi : array_like or tensor
        Axis ratio, and position angle of the major axis from +x [rad].
    x0, y0 : array_like or tensor
        Centre of the lens [arcsec].
    gamma1, gamma2 : array_like or tensor
        External shear, whose potential is zero at the origin.

    Returns
    -------
    array or tensor
        Fermat potential [arcsec^2]. Only differences between images of one source mean anything.
    """
    _, (x, y, x_src, y_src) = to_arrays(x, y, x_src, y_src)
    psi = sie_potential(x, y, theta_E=theta_E, q=q, phi=phi, x0=x0, y0=y0)
    psi = psi + shear_potential(x, y, gamma1=gamma1, gamma2=gamma2)
    return 0.5 * ((x - x_src) ** 2 + (y - y_src) ** 2) - psi


def lens_jacobian(x, y, *, theta_E, q, phi, x0=0.0, y0=0.0, gamma1=0.0, gamma2=0.0):
    """Jacobian of the lens equation, d beta / d x, a symmetric matrix.

    Parameters
    ----------
    x, y : array_like or tensor
        Image position [arcsec]; everything broadcasts.
    theta_E : array_like or tensor
        Einstein radius on the intermediate axis [arcsec].
    q, phi : array_like or tensor
        Axis ratio, and position angle of the major axis from +x [rad].
    x0, y0 : array_like or tensor
        Centre of the lens [arcsec].
    gamma1, gamma2 : array_like or tensor
        External shear.

    Returns
    -------
    a_xx, a_xy, a_yy : array or tensor
        ``1 - kappa - g1``, ``-g2``, ``1 - kappa + g1``, with g the shear of lens and field. The
        inverse of the determinant is `sie_magnification`.
    """
    sie = {"theta_E": theta_E, "q": q, "phi": phi, "x0": x0, "y0": y0}
    kappa = sie_convergence(x, y, **sie)
    own1, own2 = sie_shear(x, y, **sie)
    _, (gamma1, gamma2) = to_arrays(gamma1, gamma2)
    return 1.0 - kappa - own1 - gamma1, -own2 - gamma2, 1.0 - kappa + own1 + gamma1
