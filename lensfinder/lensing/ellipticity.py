"""The ellipticity type: one convention, with named converters to and from every other.

Ours: ``e1, e2 = (1 - q^2) / (1 + q^2) (cos, sin) 2 phi`` with q the axis ratio and phi the position
angle of the major axis, counter-clockwise from +x [rad] (Pearson et al. 2019, Schuldt et al. 2021).
"""

import math
from dataclasses import dataclass

from lensfinder.lensing._array import to_arrays

NORTH_UP = math.pi / 2  # direction of north, counter-clockwise from +x [rad]


@dataclass(frozen=True)
class Ellipticity:
    """Shape and orientation of an ellipse, or of many.

    Parameters
    ----------
    e1, e2 : float, array or tensor
        ``(1 - q^2) / (1 + q^2)`` times the cosine and the sine of twice the position angle.
        Any shapes that broadcast.
    """

    e1: object
    e2: object

    @classmethod
    def from_axis_ratio(cls, q, phi):
        """From the axis ratio, 0 < q <= 1, and the position angle from +x [rad]."""
        xp, (q, phi) = to_arrays(q, phi)
        e = (1.0 - q * q) / (1.0 + q * q)
        return cls(e * xp.cos(2.0 * phi), e * xp.sin(2.0 * phi))

    def magnitude(self):
        """``(1 - q^2) / (1 + q^2)``, between 0 (a circle) and 1."""
        xp, (e1, e2) = to_arrays(self.e1, self.e2)
        # Never the square root of 0, whose gradient is infinite; 1e-18 is invisible beside 1.
        return xp.sqrt(xp.maximum(e1 * e1 + e2 * e2, 1e-36))

    def axis_ratio(self):
        """Axis ratio; 1 for a circle, and 0 for a magnitude of 1 or more, which no ellipse has."""
        xp, (e,) = to_arrays(self.magnitude())
        return xp.sqrt(xp.maximum(1.0 - e, 0.0) / (1.0 + e))

    def position_angle(self):
        """Angle of the major axis from +x [rad], in (-pi/2, pi/2]; 0 for a circle."""
        xp, (e1, e2) = to_arrays(self.e1, self.e2)
        return 0.5 * xp.arctan2(e2, e1)

    # --- lenstronomy --------------------------------------------------------------------------
    @classmethod
    def from_lenstronomy(cls, e1, e2):
        """From lenstronomy's ``e1, e2``, of magnitude ``(1 - q) / (1 + q)``."""
        _, (e1, e2) = to_arrays(e1, e2)
        ratio = 2.0 / (1.0 + e1 * e1 + e2 * e2)  # e = 2 g / (1 + g^2)
        return cls(e1 * ratio, e2 * ratio)

    def to_lenstronomy(self):
        """lenstronomy's ``e1, e2``, of magnitude ``(1 - q) / (1 + q)``."""
        xp, (e1, e2) = to_arrays(self.e1, self.e2)
        ratio = 1.0 / (1.0 + xp.sqrt(xp.maximum(1.0 - e1 * e1 - e2 * e2, 0.0)))
        return e1 * ratio, e2 * ratio

    # --- COOLEST ------------------------------------------------------------------------------
    @classmethod
    def from_coolest(cls, q, angle):
        """From COOLEST's ``q`` and ``phi``: degrees, counter-clockwise from +y."""
        return cls.from_east_of_north(q, angle)

    def to_coolest(self):
        """COOLEST's ``q`` and ``phi`` (degrees, counter-clockwise from +y, in (-90, 90])."""
        return self.axis_ratio(), self.east_of_north()

    # --- the sky ------------------------------------------------------------------------------
    @classmethod
    def from_east_of_north(cls, q, angle, *, north=NORTH_UP, east_left=True):
        """From the axis ratio and a position angle on the sky.

        Parameters
        ----------
        q : float, array or tensor
            Axis ratio.
        angle : float, array or tensor
            Position angle, from north through east [deg].
        north : float, array or tensor
            Direction of north in the image, counter-clockwise from +x [rad]; up by default.
        east_left : bool
            True when east is counter-clockwise from north, as on the sky; False for an image
            that is mirrored.
        """
        _, (angle, north) = to_arrays(angle, north)
        turn = math.radians(1.0 if east_left else -1.0)
        return cls.from_axis_ratio(q, north + turn * angle)

    def east_of_north(self, *, north=NORTH_UP, east_left=True):
        """Position angle on the sky [deg], in (-90, 90]; see `from_east_of_north`."""
        xp, (phi, north) = to_arrays(self.position_angle(), north)
        turn = math.degrees(1.0 if east_left else -1.0)
        angle = turn * (phi - north)
        return angle - 180.0 * xp.ceil((angle - 90.0) / 180.0)
