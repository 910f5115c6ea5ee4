"""Einstein radii: converters between the conventions of other codes and papers, and ours.

Ours, theta_E, is on the intermediate axis: kappa = theta_E / (2 sqrt(q x^2 + y^2 / q)) in the frame
of the major axis. Since sqrt(q x^2 + y^2 / q) = sqrt(q) xi with xi^2 = x^2 + y^2 / q^2, any
isothermal convergence K / xi has theta_E = 2 sqrt(q) K. Each pair below only says what its K is.

The critical curve of the ellipsoid alone is the isodensity kappa = 1/2, the ellipse
q x^2 + y^2 / q = theta_E^2 of area pi theta_E^2. So theta_E is also the *effective* Einstein radius
(area of the critical curve), and the mean convergence inside that ellipse is 1.
"""

from lensfinder.lensing._array import to_arrays


def theta_E_from_barkana(theta_E, q):
    """Our theta_E from that of Schuldt et al. (2021), after Barkana (1998).

    There kappa = theta_E' / ((1 + q) xi), so K = theta_E' / (1 + q).

    Parameters
    ----------
    theta_E : array_like or tensor
        Einstein radius in the source's convention [arcsec].
    q : array_like or tensor
        Axis ratio.

    Returns
    -------
    array or tensor
        theta_E on the intermediate axis [arcsec].
    """
    xp, (theta_E, q) = to_arrays(theta_E, q)
    return theta_E * (2.0 * xp.sqrt(q) / (1.0 + q))


def theta_E_to_barkana(theta_E, q):
    """Inverse of `theta_E_from_barkana`.

    Parameters
    ----------
    theta_E : array_like or tensor
        theta_E on the intermediate axis [arcsec].
    q : array_like or tensor
        Axis ratio.

    Returns
    -------
    array or tensor
        Einstein radius in Barkana's convention [arcsec].
    """
    xp, (theta_E, q) = to_arrays(theta_E, q)
    return theta_E * ((1.0 + q) / (2.0 * xp.sqrt(q)))


def theta_E_from_pyautolens(einstein_radius, q):
    """Our theta_E from PyAutoLens' ``mp.Isothermal(einstein_radius=...)``.

    There kappa = einstein_radius / ((1 + q) xi): the convention of Barkana under another name.

    Parameters
    ----------
    einstein_radius : array_like or tensor
        PyAutoLens' einstein_radius [arcsec].
    q : array_like or tensor
        Axis ratio.

    Returns
    -------
    array or tensor
        theta_E on the intermediate axis [arcsec].
    """
    return theta_E_from_barkana(einstein_radius, q)


def theta_E_to_pyautolens(theta_E, q):
    """Inverse of `theta_E_from_pyautolens`.

    Parameters
    ----------
    theta_E : array_like or tensor
        theta_E on the intermediate axis [arcsec].
    q : array_like or tensor
        Axis ratio.

    Returns
    -------
    array or tensor
        PyAutoLens' einstein_radius [arcsec].
    """
    return theta_E_to_barkana(theta_E, q)


def theta_E_from_keeton(b, q):
    """Our theta_E from the b of Keeton (2001, astro-ph/0102341), used by Pearson et al. (2019).

    His isothermal ellipsoid, without core, is kappa = b / (2 xi), so K = b / 2. His b is the
    Einstein radius along the major axis: at y = 0 the critical curve is at x = b.

    Parameters
    ----------
    b : array_like or tensor
        Keeton's b [arcsec].
    q : array_like or tensor
        Axis ratio.

    Returns
    -------
    array or tensor
        theta_E on the intermediate axis [arcsec].
    """
    xp, (b, q) = to_arrays(b, q)
    return b * xp.sqrt(q)


def theta_E_to_keeton(theta_E, q):
    """Inverse of `theta_E_from_keeton`.

    Parameters
    ----------
    theta_E : array_like or tensor
        theta_E on the intermediate axis [arcsec].
    q : array_like or tensor
        Axis ratio.

    Returns
    -------
    array or tensor
        Keeton's b [arcsec].
    """
    xp, (theta_E, q) = to_arrays(theta_E, q)
    return theta_E / xp.sqrt(q)


def theta_E_from_circular_aperture(radius, q):
    """Our theta_E from the radius of the *circle* whose mean convergence is 1.

    The mean of 1 / sqrt(q cos^2 + sin^2 / q) over angles is a complete elliptic integral, and with
    Gauss' arithmetic-geometric mean: radius = theta_E sqrt(q) / agm(1, q).

    Parameters
    ----------
    radius : array_like or tensor
        Radius of the circle [arcsec].
    q : array_like or tensor
        Axis ratio.

    Returns
    -------
    array or tensor
        theta_E on the intermediate axis [arcsec].
    """
    xp, (radius, q) = to_arrays(radius, q)
    return radius * _agm_with_one(xp, q) / xp.sqrt(q)


def theta_E_to_circular_aperture(theta_E, q):
    """Inverse of `theta_E_from_circular_aperture`.

    Parameters
    ----------
    theta_E : array_like or tensor
        theta_E on the intermediate axis [arcsec].
    q : array_like or tensor
        Axis ratio.

    Returns
    -------
    array or tensor
        Radius of the circle [arcsec].
    """
    xp, (theta_E, q) = to_arrays(theta_E, q)
    return theta_E * xp.sqrt(q) / _agm_with_one(xp, q)


def _agm_with_one(xp, q):
    a, g = (1.0 + q) / 2.0, xp.sqrt(q)
    for _ in range(5):  # converges quadratically: 1e-15 for q > 1e-4
        a, g = (a + g) / 2.0, xp.sqrt(a * g)
    return a
