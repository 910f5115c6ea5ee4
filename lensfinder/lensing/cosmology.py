"""Distances, the Einstein radius of a velocity dispersion, and time delays, in flat cosmologies.

Astropy integrates one redshift at a time, too slowly for a simulator that draws thousands per
second. A `Distances` asks astropy once, on a grid, and interpolates: relative error below 1e-6.
"""

import functools
import math

import numpy as np

from lensfinder.errors import SpecError, UnknownNameError
from lensfinder.lensing.constants import ARCSEC_RAD, DAY_S, MPC_KM, SPEED_OF_LIGHT_KM_S

Z_MAX = 20.0
_NODES = 1025


def _pearson2019():
    from astropy.cosmology import FlatLambdaCDM

    return FlatLambdaCDM(H0=67.4, Om0=0.32, name="pearson2019")


def _schuldt2021():
    from astropy.cosmology import FlatLambdaCDM

    return FlatLambdaCDM(H0=72.0, Om0=0.32, name="schuldt2021")


def _planck18():
    from astropy.cosmology import Planck18

    return Planck18


# Name: what makes it. Pearson et al. (2019), section 2; Schuldt et al. (2021), section 1; Planck
# Collaboration (2020), table 2, as astropy has it.
_NAMED = {"pearson2019": _pearson2019, "schuldt2021": _schuldt2021, "planck18": _planck18}


def cosmology_names() -> tuple[str, ...]:
    """Names that `named_cosmology` and every `cosmology` argument of this module accept.

    Returns
    -------
    tuple of str
        The names.
    """
    return tuple(_NAMED)


def named_cosmology(name: str):
    """The astropy cosmology of this name.

    Parameters
    ----------
    name : str
        One of `cosmology_names`, or of astropy's own (``Planck15``, ``WMAP9``, ...).

    Returns
    -------
    astropy.cosmology.FLRW
        A flat cosmology.

    Raises
    ------
    UnknownNameError
        If there is none; the message lists the known names.
    """
    if name in _NAMED:
        return _NAMED[name]()
    from astropy import cosmology

    if name not in cosmology.available:
        raise UnknownNameError("cosmology", name, {*_NAMED, *cosmology.available})
    return getattr(cosmology, name)


class Distances:
    """Fast distances in one flat cosmology, vectorised in NumPy.

    Parameters
    ----------
    cosmology : astropy.cosmology.FLRW
        A flat cosmology; its comoving distances then subtract.

    Raises
    ------
    SpecError
        If the cosmology is not flat.

    Notes
    -----
    Cubic Hermite interpolation in log(1 + z) between 1,025 nodes up to z = 20. The slopes are exact
    (c / H), so the error is h^4/384 times the fourth derivative: below 1e-8 of the distance.
    """

    def __init__(self, cosmology):
        if cosmology.Ok0 != 0.0:
            raise SpecError(
                f"Distances need a flat cosmology. Received: {cosmology.name!r} with "
                f"Ok0 = {cosmology.Ok0}. Use one with Ok0 = 0."
            )
        self.cosmology = cosmology
        log_nodes = np.linspace(0.0, math.log1p(Z_MAX), _NODES)
        z = np.expm1(log_nodes)
        self._step = log_nodes[1]
        self._value = cosmology.comoving_distance(z).to_value("Mpc")
        hubble_distance = cosmology.hubble_distance.to_value("Mpc")
        self._slope = hubble_distance * cosmology.inv_efunc(z) * (1.0 + z) * self._step

    def comoving(self, z):
        """Line-of-sight comoving distance [Mpc] to redshift `z`, array_like in [0, 20].

        Raises
        ------
        SpecError
            If a redshift is outside the range or NaN.
        """
        z = np.asarray(z, dtype=np.float64)
        if not np.all((z >= 0.0) & (z <= Z_MAX)):
            raise SpecError(
                f"Redshifts must lie in [0, {Z_MAX:g}]. Received: {np.min(z)} to {np.max(z)}. "
                "Drop or correct those rows."
            )
        position = np.log1p(z) / self._step
        i = np.minimum(position.astype(np.int64), _NODES - 2)
        t = position - i
        rise = self._value[i + 1] - self._value[i]
        left, right = self._slope[i] - rise, rise - self._slope[i + 1]
        return self._value[i] + t * rise + t * (1 - t) * ((1 - t) * left + t * right)

    def angular_diameter(self, z):
        """Angular diameter distance [Mpc] from us to redshift `z`."""
        return self.comoving(z) / (1.0 + np.asarray(z, dtype=np.float64))

    def angular_diameter_between(self, z_1, z_2):
        """Angular diameter distance [Mpc] from `z_1` to `z_2`; negative when ``z_2 < z_1``."""
        z_2 = np.asarray(z_2, dtype=np.float64)
        return (self.comoving(z_2) - self.comoving(z_1)) / (1.0 + z_2)

    def lensing_ratio(self, z_lens, z_src):
        """D_ds / D_s, between 0 and 1; 0 for a source in front of the lens, which is not lensed."""
        far = self.comoving(z_src)
        gap = np.maximum(far - self.comoving(z_lens), 0.0)
        return gap / np.where(far > 0.0, far, 1.0)

    def time_delay_distance(self, z_lens, z_src):
        """Time-delay distance [Mpc], ``(1 + z_d) D_d D_s / D_ds``; needs ``z_lens < z_src``."""
        z_lens, z_src = np.broadcast_arrays(
            np.asarray(z_lens, dtype=np.float64), np.asarray(z_src, dtype=np.float64)
        )
        if not np.all(z_lens < z_src):
            raise SpecError(
                "Time delays need every source behind its lens. Received: "
                f"{int(np.sum(~(z_lens < z_src)))} pairs with z_lens >= z_src. Drop those rows."
            )
        near, far = self.comoving(z_lens), self.comoving(z_src)
        return near * far / (far - near)  # the factors 1 + z cancel


@functools.cache
def _distances_of_name(name):
    return Distances(named_cosmology(name))


def distances(cosmology) -> Distances:
    """Distances in a cosmology.

    Parameters
    ----------
    cosmology : str, astropy.cosmology.FLRW or Distances
        A name of `cosmology_names`, or a flat cosmology.

    Returns
    -------
    Distances
        Made once per name; a `Distances` is returned as it is.
    """
    if isinstance(cosmology, Distances):
        return cosmology
    if isinstance(cosmology, str):
        return _distances_of_name(cosmology)
    return Distances(cosmology)


def theta_E_sis(sigma_v, z_lens, z_src, cosmology="planck18"):
    """Einstein radius of a singular isothermal sphere.

    Parameters
    ----------
    sigma_v : array_like
        Line-of-sight velocity dispersion [km/s]; everything broadcasts.
    z_lens, z_src : array_like
        Redshifts.
    cosmology : str, astropy.cosmology.FLRW or Distances
        A name of `cosmology_names`, or a flat cosmology.

    Returns
    -------
    numpy.ndarray
        ``4 pi (sigma / c)^2 D_ds / D_s`` [arcsec]; 0 for a source in front of the lens.
    """
    beta_squared = (np.asarray(sigma_v, dtype=np.float64) / SPEED_OF_LIGHT_KM_S) ** 2
    ratio = distances(cosmology).lensing_ratio(z_lens, z_src)
    return 4.0 * math.pi * beta_squared * ratio / ARCSEC_RAD


def sigma_v_sis(theta_E, z_lens, z_src, cosmology="planck18"):
    """Velocity dispersion of a singular isothermal sphere: inverse of `theta_E_sis`.

    Parameters
    ----------
    theta_E : array_like
        Einstein radius [arcsec]; everything broadcasts.
    z_lens, z_src : array_like
        Redshifts.
    cosmology : str, astropy.cosmology.FLRW or Distances
        A name of `cosmology_names`, or a flat cosmology.

    Returns
    -------
    numpy.ndarray
        Line-of-sight velocity dispersion [km/s]; infinite for a source in front of the lens.
    """
    ratio = distances(cosmology).lensing_ratio(z_lens, z_src)
    theta_E = np.asarray(theta_E, dtype=np.float64) * ARCSEC_RAD
    with np.errstate(divide="ignore"):
        return SPEED_OF_LIGHT_KM_S * np.sqrt(theta_E / (4.0 * math.pi * ratio))


def time_delay(fermat, z_lens, z_src, cosmology="planck18"):
    """Time delay of a Fermat potential [days].

    Parameters
    ----------
    fermat : array_like
        Fermat potential, or a difference of two [arcsec^2], as `image_positions` gives it.
    z_lens, z_src : array_like
        Redshifts, ``z_lens < z_src``; they broadcast with `fermat`.
    cosmology : str, astropy.cosmology.FLRW or Distances
        A name of `cosmology_names`, or a flat cosmology.

    Returns
    -------
    numpy.ndarray
        Delay [days].
    """
    distance_km = distances(cosmology).time_delay_distance(z_lens, z_src) * MPC_KM
    seconds = distance_km / SPEED_OF_LIGHT_KM_S * np.asarray(fermat) * ARCSEC_RAD**2
    return seconds / DAY_S
