"""External shear: a tidal field across the lens, without convergence."""

from lensfinder.lensing._array import to_arrays


def shear_deflection(x, y, *, gamma1, gamma2, x0=0.0, y0=0.0):
    """Deflection of an external shear.

    Parameters
    ----------
    x, y : array_like or tensor
        Position [arcsec]; everything broadcasts.
    gamma1, gamma2 : array_like or tensor
        Shear components, dimensionless; ``gamma1 > 0`` stretches images along x.
    x0, y0 : array_like or tensor
        Where the shear deflects by nothing [arcsec].

    Returns
    -------
    alpha_x, alpha_y : array or tensor
        Deflection [arcsec]; the source position is ``(x - alpha_x, y - alpha_y)``.

    Notes
    -----
    Gradient of `shear_potential`; `lenstronomy`'s ``SHEAR`` with the same ``gamma1, gamma2``.
    """
    _, (x, y, gamma1, gamma2, x0, y0) = to_arrays(x, y, gamma1, gamma2, x0, y0)
    dx, dy = x - x0, y - y0
    return gamma1 * dx + gamma2 * dy, gamma2 * dx - gamma1 * dy


def shear_potential(x, y, *, gamma1, gamma2, x0=0.0, y0=0.0):
    """Potential of an external shear [arcsec^2]: ``gamma1 (x^2 - y^2) / 2 + gamma2 x y``.

    Parameters
    ----------
    x, y : array_like or tensor
        Position [arcsec]; everything broadcasts.
    gamma1, gamma2 : array_like or tensor
        Shear components, as in `shear_deflection`.
    x0, y0 : array_like or tensor
        Where the shear deflects by nothing [arcsec].

    Returns
    -------
    array or tensor
        Potential [arcsec^2]; its gradient is `shear_deflection`.
    """
    _, (x, y, gamma1, gamma2, x0, y0) = to_arrays(x, y, gamma1, gamma2, x0, y0)
    dx, dy = x - x0, y - y0
    return 0.5 * gamma1 * (dx * dx - dy * dy) + gamma2 * dx * dy
