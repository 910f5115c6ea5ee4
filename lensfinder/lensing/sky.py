"""Where east and north are in an image: offsets on the sky, from offsets in the image."""

import math
import warnings
from dataclasses import dataclass

import numpy as np

from lensfinder.errors import ArgumentError
from lensfinder.lensing.ellipticity import NORTH_UP


@dataclass(frozen=True)
class Orientation:
    """How an image lies on the sky.

    Attributes
    ----------
    north : float
        Direction of north in the image, counter-clockwise from +x [rad]; up by default.
    east_left : bool
        True when east is counter-clockwise from north, as on the sky; False for a mirrored image.
    """

    north: float = NORTH_UP
    east_left: bool = True

    @classmethod
    def from_wcs(cls, wcs):
        """From world coordinates.

        Parameters
        ----------
        wcs : mapping or astropy.wcs.WCS
            Keywords of an image's header, or what was made of them.

        Returns
        -------
        Orientation
            That of the image.

        Raises
        ------
        ArgumentError
            If they do not say where north is.
        """
        found = compass(wcs)
        if found is None:
            raise ArgumentError(
                "The header does not say where north and east are (no celestial WCS). Give an "
                "image that has one, or say how the image lies on the sky."
            )
        north, east = found
        left = north[0] * east[1] - north[1] * east[0] > 0.0
        return cls(math.atan2(north[1], north[0]), bool(left))

    def east_north(self, x, y):
        """Offsets on the sky of offsets in the image.

        Parameters
        ----------
        x, y : array_like
            Offsets along +x and +y [arcsec].

        Returns
        -------
        east, north : numpy.ndarray
            Offsets to the east and to the north [arcsec].
        """
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        cos, sin = math.cos(self.north), math.sin(self.north)
        hand = 1.0 if self.east_left else -1.0
        return hand * (cos * y - sin * x), cos * x + sin * y


def compass(wcs) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Directions of north and east in an image.

    Parameters
    ----------
    wcs : mapping, astropy.wcs.WCS or None
        World coordinate keywords of the image's header.

    Returns
    -------
    north, east : tuple of float
        Unit vectors (x, y), +y up; or None where the header does not say, or says nonsense.
    """
    from astropy.wcs import WCS, FITSFixedWarning, WcsError

    if not isinstance(wcs, WCS):
        matrix_keys = ("CD1_1", "CD2_2", "CDELT1", "PC1_1", "CD1_2")
        if not wcs or not any(key in wcs for key in matrix_keys):
            return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FITSFixedWarning)
            wcs = wcs if isinstance(wcs, WCS) else WCS(wcs)
            if wcs.naxis < 2 or not wcs.has_celestial:
                return None
            matrix = wcs.celestial.pixel_scale_matrix  # degrees of (east, north) per (x, y) pixel
    except (WcsError, ValueError):
        return None
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-20:
        return None
    east, north = np.linalg.inv(matrix).T
    return tuple(north / np.hypot(*north)), tuple(east / np.hypot(*east))
