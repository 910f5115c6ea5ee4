"""Surveys: what a telescope records, band by band."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from lensfinder.errors import SpecError, UnknownNameError
from lensfinder.specs.quantity import quantity, stated

LARGEST_STACK = 100_000  # exposures that are averaged


def _is_brightness(sky) -> bool:
    """Whether a sky is given in mag/arcsec2."""
    return isinstance(sky, dict) and str(sky.get("unit")).replace(" ", "") == "mag/arcsec2"


def _brightness(sky) -> float:
    return stated({**sky, "unit": "mag"}, "mag", low=0, high=40)


def _read_sky(given, info: ValidationInfo):
    """Refuse a sky in mag/arcsec2 that the group, which knows the pixel scale, left alone."""
    if _is_brightness(given):
        _brightness(given)  # its own mistakes first
        raise ValueError(
            "a sky in mag/arcsec2 needs the zero point of its band and the pixel scale of its "
            "group; give both."
        )
    return given


class Band(BaseModel):
    """One filter of one survey: optics, exposure and noise.

    Attributes
    ----------
    name : str
        Band name, e.g. ``VIS`` or ``r``.
    wavelength : float
        Pivot wavelength, nm.
    psf_fwhm : float or None
        Full width at half maximum of a Gaussian PSF, arcsec.
    psf_file : str or None
        FITS or npy image of the PSF instead, at `psf_scale` arcsec per pixel.
    psf_scale : float or None
        Pixel scale of `psf_file`, arcsec.
    zero_point : float
        AB magnitude of 1 electron/s.
    exposure_time : float
        Length of one exposure, s.
    n_exposures : int
        Number of exposures that are averaged.
    sky : float
        Sky background, electron/s/pixel.
    read_noise : float
        Electrons per pixel per readout.
    dark_current : float
        Electrons per second per pixel.
    gain : float
        Electrons per ADU.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    wavelength: quantity("nm", low=100, high=30_000)
    psf_fwhm: quantity("arcsec", low=1e-3, high=20) | None = None
    psf_file: str | None = None
    psf_scale: quantity("arcsec", low=1e-4, high=20) | None = None
    zero_point: quantity("mag", low=0, high=60)
    exposure_time: quantity("s", low=1e-3, high=1e8)
    n_exposures: int = Field(default=1, ge=1, le=LARGEST_STACK)
    sky: Annotated[quantity("electron/s", low=0, high=1e6), BeforeValidator(_read_sky)]
    read_noise: quantity("electron", low=0, high=1e4)
    dark_current: quantity("electron/s", low=0, high=1e4)
    gain: quantity("electron/adu", low=1e-3, high=1e4) = 1.0

    @model_validator(mode="after")
    def _one_psf(self):
        if (self.psf_fwhm is None) == (self.psf_file is None):
            raise ValueError("give either psf_fwhm or psf_file.")
        if (self.psf_file is None) != (self.psf_scale is None):
            raise ValueError("psf_file and psf_scale go together.")
        return self

    @property
    def total_time(self) -> float:
        """Length of all exposures together, s."""
        return self.exposure_time * self.n_exposures

    @property
    def background_sigma(self) -> float:
        """Noise of an empty pixel of the averaged image, electron/s.

        Sky and dark electrons are Poisson distributed, each of the readouts adds its own noise.
        """
        electrons = (self.sky + self.dark_current) * self.total_time
        variance = electrons + self.n_exposures * self.read_noise**2
        return variance**0.5 / self.total_time

    def flux(self, magnitude):
        """Electrons per second of an AB magnitude.

        Parameters
        ----------
        magnitude : float or array
            AB magnitude.

        Returns
        -------
        float or array
            Flux, electron/s.
        """
        return 10.0 ** (-0.4 * (magnitude - self.zero_point))


def _skies_to_electrons(data, info: ValidationInfo):
    """Convert a band's sky from mag/arcsec2, which needs the zero point and the pixel scale."""
    if not isinstance(data, dict) or not isinstance(data.get("bands"), list | tuple):
        return data
    return {**data, "bands": [_with_sky(band, data.get("pixel_scale")) for band in data["bands"]]}


def _with_sky(band, pixel_scale):
    sky = band.get("sky") if isinstance(band, dict) else None
    if not _is_brightness(sky):
        return band
    try:
        scale = stated(pixel_scale, "arcsec", low=1e-3, high=20)
        zero_point = stated(band.get("zero_point"), "mag", low=0, high=60)
        rate = 10.0 ** (-0.4 * (_brightness(sky) - zero_point)) * scale**2
    except ValueError:
        return band  # the fields that are wrong say so themselves
    return {**band, "sky": {**sky, "value": rate, "unit": "electron/s"}}


class Group(BaseModel):
    """Bands that share one pixel grid.

    Attributes
    ----------
    name : str
        Name of the group.
    stamp : int
        Side of the square stamp, pixels.
    pixel_scale : float
        Arcsec per pixel.
    bands : tuple of Band
        The bands in channel order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    stamp: int = Field(ge=4, le=4096)
    pixel_scale: quantity("arcsec", low=1e-3, high=20)
    bands: tuple[Band, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _sky(cls, data, info: ValidationInfo):
        return _skies_to_electrons(data, info)

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands in channel order."""
        return tuple(band.name for band in self.bands)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one object's array: (stamp, stamp, bands)."""
        return (self.stamp, self.stamp, len(self.bands))

    @property
    def width(self) -> float:
        """Side of the stamp on the sky, arcsec."""
        return self.stamp * self.pixel_scale


class Survey(BaseModel):
    """A survey: its groups of bands, each with optics, exposure and noise.

    Attributes
    ----------
    name, description : str
        What it is called, and what it is.
    groups : tuple of Group
        One per pixel grid.
    unit : str
        Pixel unit of its images.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    description: str
    groups: tuple[Group, ...] = Field(min_length=1)
    unit: str = Field(default="electron/s", pattern=r"^electron/s$")

    @model_validator(mode="after")
    def _distinct(self):
        for kind, values in (
            ("group", [group.name for group in self.groups]),
            ("band", [band.name for band in self.bands]),
        ):
            if len(set(values)) != len(values):
                raise ValueError(f"each {kind} may stand once only: {values}.")
        return self

    @property
    def bands(self) -> tuple[Band, ...]:
        """All bands, group by group."""
        return tuple(band for group in self.groups for band in group.bands)

    def stacked(self, visits: int) -> "Survey":
        """The same survey with every image the mean of several visits.

        Parameters
        ----------
        visits : int
            How often the exposures of every band are repeated; 1 gives the survey itself.

        Returns
        -------
        Survey
            Of the same name, so that its images meet the same input contract.

        Raises
        ------
        SpecError
            If that is not at least once, or more exposures than a band may have.
        """
        most = LARGEST_STACK // max(band.n_exposures for band in self.bands)
        if not 1 <= visits <= most:
            raise SpecError(f"visits must be 1 to {most} of {self.name}. Received: {visits}.")
        groups = []
        for group in self.groups:
            bands = tuple(
                band.model_copy(update={"n_exposures": band.n_exposures * visits})
                for band in group.bands
            )
            groups.append(group.model_copy(update={"bands": bands}))
        return self.model_copy(update={"groups": tuple(groups)})

    @property
    def finest(self) -> Group:
        """The group with the smallest pixels."""
        return min(self.groups, key=lambda group: group.pixel_scale)

    def group(self, name: str) -> Group:
        """The group of this name.

        Parameters
        ----------
        name : str
            Name of a group.

        Returns
        -------
        Group
            The group.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        return _named("group", name, self.groups)

    def band(self, name: str) -> Band:
        """The band of this name.

        Parameters
        ----------
        name : str
            Name of a band.

        Returns
        -------
        Band
            The band.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        return _named("band", name, self.bands)


def _named(kind, name, items):
    for item in items:
        if item.name == name:
            return item
    raise UnknownNameError(kind, name, [item.name for item in items])
