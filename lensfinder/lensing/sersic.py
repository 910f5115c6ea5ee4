"""Sersic light profiles, normalised to their total flux.

I(R) proportional to exp(-b (R / R_e)^(1/n)), with the elliptical radius R^2 = q x^2 + y^2 / q in
the frame of the major axis. The area inside an isophote is pi R^2 whatever q, so R_e is the
half-light radius on the intermediate axis. Half of the flux lies inside R_e when gamma(2n, b) =
Gamma(2n) / 2 (Ciotti & Bertin 1999, A&A 352, 447).
"""

import math

from lensfinder.lensing._array import to_arrays
from lensfinder.lensing.frame import to_major_axis
from lensfinder.lensing.special import binet, polynomial

# n (b - 2n + 1/3) as a polynomial in 1/(n + 0.2) - 1: minimax fit on 0.2 <= n <= 15 to the exact
# root. Ciotti & Bertin's asymptotic series is off by 3e-4 at n = 0.36 and 4e-5 at n = 1.
_B_SERIES = (
    0.012103576607,
    0.00258382992206,
    0.000239537528891,
    -0.000165848133135,
    -4.73277349633e-05,
    -2.39437165068e-07,
    -2.49600398002e-06,
    -6.03971921921e-07,
    2.61206464858e-07,
    -1.10150925988e-07,
    2.52665487254e-08,
)
# (R / R_e)^2 below this is the centre. The smallest power of ten that is a normal float32.
_CENTRE = 1e-37


def sersic_b(n):
    """The b of a Sersic profile, for which R_e encloses half of the flux.

    Parameters
    ----------
    n : array_like or tensor
        Sersic index, 0.2 <= n <= 15; no meaning outside.

    Returns
    -------
    array or tensor
        b; absolute error below 1e-10 in float64.
    """
    _, (n,) = to_arrays(n)
    return 2.0 * n - _two_n_minus_b(n)


def _two_n_minus_b(n):
    return 1.0 / 3.0 - polynomial(_B_SERIES, 1.0 / (n + 0.2) - 1.0) / n


def sersic_profile(x, y, *, flux, R_e, n, q, phi, x0=0.0, y0=0.0):
    """Surface brightness of a Sersic profile.

    Parameters
    ----------
    x, y : array_like or tensor
        Position [arcsec]; everything broadcasts.
    flux : array_like or tensor
        Total flux, out to infinity [any unit F].
    R_e : array_like or tensor
        Half-light radius on the intermediate axis [arcsec].
    n : array_like or tensor
        Sersic index, 0.2 <= n <= 15.
    q : array_like or tensor
        Axis ratio, 0 < q <= 1.
    phi : array_like or tensor
        Position angle of the major axis, counter-clockwise from +x [rad].
    x0, y0 : array_like or tensor
        Centre [arcsec].

    Returns
    -------
    array or tensor
        Surface brightness [F / arcsec^2], finite at the centre.
    """
    xp, (x, y, flux, R_e, n, q, phi, x0, y0) = to_arrays(x, y, flux, R_e, n, q, phi, x0, y0)
    u, v, _, _ = to_major_axis(xp, x, y, phi, x0, y0)
    # Divisions act on the parameters, which are usually fewer than the positions.
    scale = 1.0 / (R_e * R_e)
    r2 = (q * scale) * (u * u) + (scale / q) * (v * v)
    # The profile as exp(log-peak - b (R/R_e)^(1/n)): with n = 8 both terms are near 16, and
    # their float32 rounding gives 1e-6 of the surface brightness.
    power = xp.exp(xp.log(xp.maximum(r2, _CENTRE)) * (0.5 / n))
    power = xp.where(r2 > _CENTRE, power, xp.zeros_like(power))
    gap = _two_n_minus_b(n)
    b = 2.0 * n - gap
    at_r_e = flux / (R_e * R_e) * xp.exp(_log_brightness_at_r_e(xp, n, gap))
    return at_r_e * xp.exp(b * (1.0 - power))


def _log_brightness_at_r_e(xp, n, gap):
    """log of I(R_e) R_e^2 / flux = b^(2n) e^(-b) / (2 pi n Gamma(2n)), with b = 2n - gap.

    Stirling's form of Gamma(2n) takes the large terms out: what is summed here is of order one.
    """
    z = 2.0 * n
    large = z * xp.log1p(-gap / z) + gap  # z log(b/z) + z - b
    return large - 0.5 * xp.log(z) - binet(xp, z) - 1.5 * math.log(2 * math.pi) + math.log(2.0)


def double_sersic(x, y, *, flux, bulge_fraction, bulge, disc, x0=0.0, y0=0.0):
    """Surface brightness of two concentric Sersic components.

    Parameters
    ----------
    x, y : array_like or tensor
        Position [arcsec]; everything broadcasts.
    flux : array_like or tensor
        Total flux of both [any unit F].
    bulge_fraction : array_like or tensor
        Share of the flux in the bulge, 0 to 1.
    bulge, disc : mapping
        ``R_e``, ``n``, ``q`` and ``phi`` of each, as `sersic_profile` takes them.
    x0, y0 : array_like or tensor
        Common centre [arcsec].

    Returns
    -------
    array or tensor
        Surface brightness [F / arcsec^2].
    """
    _, (x, y, flux, fraction, x0, y0) = to_arrays(x, y, flux, bulge_fraction, x0, y0)
    centre = {"x0": x0, "y0": y0}
    inner = sersic_profile(x, y, flux=flux * fraction, **bulge, **centre)
    outer = sersic_profile(x, y, flux=flux * (1.0 - fraction), **disc, **centre)
    return inner + outer


def flux_from_magnitude(magnitude, zero_point):
    """Flux of an AB magnitude.

    Parameters
    ----------
    magnitude : array_like or tensor
        AB magnitude.
    zero_point : array_like or tensor
        AB magnitude of 1 e-/s.

    Returns
    -------
    array or tensor
        Flux [e-/s].
    """
    xp, (magnitude, zero_point) = to_arrays(magnitude, zero_point)
    return xp.exp((zero_point - magnitude) * (0.4 * math.log(10.0)))


def magnitude_from_flux(flux, zero_point):
    """AB magnitude of a flux.

    Parameters
    ----------
    flux : array_like or tensor
        Flux, positive [e-/s].
    zero_point : array_like or tensor
        AB magnitude of 1 e-/s.

    Returns
    -------
    array or tensor
        AB magnitude.
    """
    xp, (flux, zero_point) = to_arrays(flux, zero_point)
    return zero_point - xp.log(flux) * (2.5 / math.log(10.0))


def sersic_to_lenstronomy(flux, R_e, n):
    """Parameters of lenstronomy's ``SERSIC`` and ``SERSIC_ELLIPSE`` for the same profile.

    lenstronomy's radius is on the intermediate axis too, but its b is 1.9992 n - 0.3271, off by up
    to 3 % for n < 1, so that its R_sersic does not quite hold half of the light.

    Parameters
    ----------
    flux, R_e, n : array_like or tensor
        As `sersic_profile` takes them; n > 0.17.

    Returns
    -------
    amp : array or tensor
        Surface brightness at R_sersic [F / arcsec^2].
    R_sersic : array or tensor
        Radius [arcsec].
    """
    xp, (flux, R_e, n) = to_arrays(flux, R_e, n)
    gap = _two_n_minus_b(n)
    b, theirs = 2.0 * n - gap, 1.9992 * n - 0.3271
    at_r_e = flux / (R_e * R_e) * xp.exp(_log_brightness_at_r_e(xp, n, gap))
    return at_r_e * xp.exp(b - theirs), R_e * (theirs / b) ** n
