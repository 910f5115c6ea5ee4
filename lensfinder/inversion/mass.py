"""The mass of a lens as a value: parameters, and the one thing an inversion asks of it, `trace`.

Anything with a method ``trace(x, y)`` that takes image-plane positions to the source plane can
stand in for `MassModel`.
"""

from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lensfinder.lensing.critical import caustic, critical_curve, cut
from lensfinder.lensing.power_law import (
    power_law_caustic,
    power_law_critical_curve,
    power_law_deflection,
    power_law_magnification,
)
from lensfinder.lensing.shear import shear_deflection
from lensfinder.lensing.sie import sie_deflection, sie_magnification

ISOTHERMAL = 2.0


@runtime_checkable
class Mass(Protocol):
    """What an inversion needs to know of a lens."""

    def trace(self, x, y):
        """Source-plane positions of image-plane positions, all in arcsec."""


class MassModel(BaseModel):
    """A singular ellipsoid with external shear, in the conventions of `lensing`.

    Isothermal unless another slope is given.

    Attributes
    ----------
    theta_E : float
        Einstein radius on the intermediate axis, arcsec.
    q : float
        Axis ratio, 0 < q <= 1.
    phi : float
        Position angle of the major axis, counter-clockwise from +x, rad.
    x, y : float
        Centre, arcsec from the middle of the image.
    gamma1, gamma2 : float
        External shear, which deflects by nothing in the middle of the image.
    slope : float
        Of the density, rho ~ r^-slope, 1 < slope < 3; 2 for an isothermal ellipsoid.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    theta_E: float = Field(gt=0)
    q: float = Field(default=1.0, gt=0, le=1)
    phi: float = 0.0
    x: float = 0.0
    y: float = 0.0
    gamma1: float = 0.0
    gamma2: float = 0.0
    slope: float = Field(default=ISOTHERMAL, gt=1, lt=3)

    @model_validator(mode="after")
    def _shear_is_weak(self):
        if self.gamma1**2 + self.gamma2**2 >= 1:
            raise ValueError("The external shear must be smaller than 1.")
        return self

    @property
    def isothermal(self) -> bool:
        """Whether the slope is exactly 2."""
        return self.slope == ISOTHERMAL

    def ellipsoid(self) -> dict[str, float]:
        """Arguments of the functions in `lensfinder.lensing`, without shear.

        Returns
        -------
        dict of str to float
            With ``slope`` for those of `power_law` where it is not 2, else for those of `sie`.
        """
        lens = dict(theta_E=self.theta_E, q=self.q, phi=self.phi, x0=self.x, y0=self.y)
        return lens if self.isothermal else lens | dict(slope=self.slope)

    def trace(self, x, y):
        """Where light seen at a position comes from.

        Parameters
        ----------
        x, y : array
            Image-plane positions, arcsec.

        Returns
        -------
        x_source, y_source : array
            Source-plane positions, arcsec, float64.
        """
        deflection = sie_deflection if self.isothermal else power_law_deflection
        alpha_x, alpha_y = deflection(x, y, **self.ellipsoid())
        if self.gamma1 or self.gamma2:
            shear_x, shear_y = shear_deflection(x, y, **self._shear())
            alpha_x, alpha_y = alpha_x + shear_x, alpha_y + shear_y
        return x - alpha_x, y - alpha_y

    def magnification(self, x, y):
        """Signed magnification of a point at image-plane positions.

        Parameters
        ----------
        x, y : array
            Image-plane positions, arcsec.

        Returns
        -------
        array
            Inverse determinant of the Jacobian.
        """
        magnification = sie_magnification if self.isothermal else power_law_magnification
        return magnification(x, y, **self.ellipsoid(), **self._shear())

    def critical_curve(self):
        """Tangential critical curve (n, 2), arcsec."""
        curve = critical_curve if self.isothermal else power_law_critical_curve
        return curve(**self.ellipsoid(), **self._shear())

    def caustic(self):
        """Tangential caustic (n, 2), arcsec."""
        curve = caustic if self.isothermal else power_law_caustic
        return curve(**self.ellipsoid(), **self._shear())

    def cut(self):
        """The cut (n, 2), arcsec; None where the slope is not 2, for then there is none."""
        return cut(**self.ellipsoid(), **self._shear()) if self.isothermal else None

    def _shear(self):
        return dict(gamma1=self.gamma1, gamma2=self.gamma2)
