"""How mocks are painted: one frozen, validated set of choices."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lensfinder.errors import SimulationError
from lensfinder.lensing.cosmology import named_cosmology


class Settings(BaseModel):
    """What is painted. The defaults are those of Schuldt et al. (2021), section 2.

    Attributes
    ----------
    name : {"painted"}
        Stands in the manifest where that of a population would.
    kind : {"both", "doubles", "quads"}
        Number of images of the source's brightest pixel: two or more, two, or four.
    theta_E : {"natural", "flat"}
        Distribution of Einstein radii: as redshifts and dispersions make it, or cut off at
        `per_bin` lenses in each 0.1 arcsec.
    min_theta_E, max_theta_E : float
        Limits of the Einstein radius on the intermediate axis, arcsec.
    per_bin : int or None
        Most lenses per bin of a flat distribution. None: a tenth of the objects, so that ten bins
        fill; massive galaxies fill more, with fewer in each.
    bin_width : float
        Arcsec.
    band : str or None
        Band of the moments, of the source's centre and of its peak. None: ``i``, or the band
        nearest to 770 nm.
    centre_scatter : float
        Standard deviation of the mass centre about that of the light, per axis, arcsec.
    q_scatter, angle_scatter : float
        Standard deviation of the mass's axis ratio and position angle (rad) about the light's.
    independent_share : float
        Share of the lenses whose mass does not follow the light: the axis ratio of another galaxy,
        any position angle.
    max_shear : float
        External shear, uniform from 0 to this, in any direction.
    min_peak : float
        Least peak of the arcs, in units of the background RMS.
    non_lenses : float
        Share of galaxies that get no arcs; half of them get an unlensed source instead.
    poisson : bool
        Whether the arcs bring their own photon noise, as for the survey's exposure.
    cosmology : str
        For the Einstein radius.
    subpixels : int or None
        Rays per pixel and axis. None: pixels of the source are not skipped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    name: Literal["painted"] = "painted"
    kind: Literal["both", "doubles", "quads"] = "both"
    theta_E: Literal["natural", "flat"] = "natural"
    min_theta_E: float = Field(default=0.5, ge=0, lt=60)
    max_theta_E: float = Field(default=5.0, gt=0, lt=60)
    per_bin: int | None = Field(default=None, ge=1)
    bin_width: float = Field(default=0.1, gt=0)
    band: str | None = None
    centre_scatter: float = Field(default=0.05, ge=0, lt=10)
    q_scatter: float = Field(default=0.05, ge=0, lt=1)
    angle_scatter: float = Field(default=0.17453292519943295, ge=0, lt=10)
    independent_share: float = Field(default=0.0, ge=0, le=1)
    max_shear: float = Field(default=0.0, ge=0, lt=0.5)
    min_peak: float = Field(default=1.0, ge=0)
    non_lenses: float = Field(default=0.0, ge=0, lt=1)
    poisson: bool = False
    cosmology: str = "planck18"
    subpixels: int | None = Field(default=None, ge=1, le=16)

    @model_validator(mode="after")
    def _limits(self):
        if self.min_theta_E >= self.max_theta_E:
            raise ValueError("min_theta_E must be below max_theta_E.")
        named_cosmology(self.cosmology)
        return self

    @classmethod
    def of(cls, **options) -> "Settings":
        """Settings from options; a mistake is a `SimulationError` that names the option.

        Parameters
        ----------
        **options : object
            Fields.

        Returns
        -------
        Settings
            The settings.

        Raises
        ------
        SimulationError
            If an option is unknown or its value cannot be.
        """
        try:
            return cls(**options)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "settings"
            raise SimulationError(
                f"{place}: {first['msg']} Known options: {', '.join(cls.model_fields)}."
            ) from error

    def bin_of(self, theta_E):
        """Number of the bin an Einstein radius falls into, from 0 at `min_theta_E`.

        Parameters
        ----------
        theta_E : array
            Arcsec.

        Returns
        -------
        array of int
            Bins of `bin_width`.
        """
        return ((theta_E - self.min_theta_E) / self.bin_width + 1e-9).astype(int)

    def largest_bin(self, n: int) -> int | None:
        """How many lenses a bin takes in a set of n objects; None for any number.

        Parameters
        ----------
        n : int
            Objects of the set.

        Returns
        -------
        int or None
            The number.
        """
        if self.theta_E == "natural":
            return None
        if self.per_bin is not None:
            return self.per_bin
        return max(1, n // 10)

    def reference(self, survey):
        """The band of the moments, of the source's centre and of the arcs' peak.

        Parameters
        ----------
        survey : Survey
            Whose bands.

        Returns
        -------
        Band
            The band.

        Raises
        ------
        UnknownNameError
            If the survey has not got the band that was named.
        """
        if self.band is not None:
            return survey.band(self.band)
        named = [band for band in survey.bands if band.name == "i"]
        return named[0] if named else min(survey.bands, key=lambda b: abs(b.wavelength - 770.0))
