"""Populations: from which distributions lenses, sources and their neighbours are drawn."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

from lensfinder.specs.prior import prior_in
from lensfinder.specs.quantity import quantity

CLASSES = ("lens", "no_source", "unlensed_source", "look_alike")
TEMPLATES = ("early_type", "star_forming")
LOOK_ALIKES = (
    *("ring", "spiral", "merger"),  # those of populations that name none
    *("flocculent", "barred", "clumpy", "companions"),
    *("edge_on", "knotted_ring", "shells", "interacting"),
)
CLASSIC_LOOK_ALIKES = LOOK_ALIKES[:3]
# options of the simulator that decide what the objects are, and their defaults
DRAWN = {"sources": None, "subtract_lens_light": False, "visits": 1}
# real galaxies to lense, by name; what every user has. "hubble-odd" is every other galaxy of
# "hubble", so that those left out can test a network that has seen these
SOURCE_LIBRARIES = ("hubble", "hubble-odd")
COSMOLOGIES = ("pearson2019", "schuldt2021", "planck18")


class _Part(BaseModel):
    """A frozen part of a population."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _without_absent(data: dict, *names) -> dict:
    """Plain data without keys that are None: what never had them is still what it was."""
    return {key: value for key, value in data.items() if key not in names or value is not None}


# --- how bright -----------------------------------------------------------------------------------
class ApparentMagnitude(_Part):
    """AB magnitudes as observed at one wavelength."""

    kind: Literal["apparent"]
    magnitude: prior_in("mag")
    wavelength: quantity("nm", low=100, high=30_000)


class AbsoluteMagnitude(_Part):
    """Rest-frame AB magnitudes at one wavelength, brightening by `evolution` per unit redshift."""

    kind: Literal["absolute"]
    magnitude: prior_in("mag")
    wavelength: quantity("nm", low=100, high=30_000)
    evolution: quantity("mag", low=-5, high=5) = 0.0


class EarlyTypeMagnitude(_Part):
    """Rest-frame r magnitude from the velocity dispersion (Hyde & Bernardi 2009), with scatter."""

    kind: Literal["early_type"]
    scatter: prior_in("mag")


class SurfaceIntensity(_Part):
    """Surface brightness at the effective radius, electron/s per pixel of the finest group."""

    kind: Literal["intensity"]
    intensity: prior_in("electron/s")


Brightness = Annotated[
    ApparentMagnitude | AbsoluteMagnitude | EarlyTypeMagnitude | SurfaceIntensity,
    Field(discriminator="kind"),
]


# --- how large ------------------------------------------------------------------------------------
class AngularSize(_Part):
    """Effective radius on the sky."""

    kind: Literal["angular"]
    radius: prior_in("arcsec")


class PhysicalSize(_Part):
    """Effective radius in kpc, shrinking as (1 + z)^-evolution, growing as L^luminosity_slope."""

    kind: Literal["physical"]
    radius: prior_in("kpc")
    evolution: float = Field(default=0.0, ge=-3, le=3)
    luminosity_slope: float = Field(default=0.0, ge=0, le=2)
    pivot_magnitude: quantity("mag", low=-40, high=0) = -21.0


class EarlyTypeSize(_Part):
    """Effective radius from the velocity dispersion (Hyde & Bernardi 2009), with scatter."""

    kind: Literal["early_type"]
    scatter_dex: prior_in("")


Size = Annotated[AngularSize | PhysicalSize | EarlyTypeSize, Field(discriminator="kind")]


# --- galaxies -------------------------------------------------------------------------------------
class Bulge(_Part):
    """A second, central component; the main one is then the disc."""

    fraction: prior_in("")
    size_ratio: prior_in("")
    sersic_index: prior_in("")
    axis_ratio: prior_in("")


class Galaxy(_Part):
    """Light of a galaxy: brightness, size, Sérsic index, shape and spectral template."""

    brightness: Brightness
    size: Size
    sersic_index: prior_in("")
    axis_ratio: prior_in("") | None = None
    template: Literal[TEMPLATES]
    bulge: Bulge | None = None
    bulge_template: Literal[TEMPLATES] = "early_type"


class LensLight(Galaxy):
    """Light of the lens galaxy, which follows its mass with scatter.

    ``axis_ratio_factor``: the light's axis ratio is that of the mass divided by this.
    ``angle_offset``: position angle of the mass minus that of the light.
    ``independent``: fraction of objects whose mass ignores the light (own axis ratio and angle).
    """

    axis_ratio_factor: prior_in("")
    angle_offset: prior_in("rad")
    independent: float = Field(default=0.0, ge=0, le=1)


class Mass(_Part):
    """The SIE and the external shear.

    Either `einstein_radius` is drawn and the velocity dispersion follows (SIS), or the other way
    round; the other one is left out.
    """

    einstein_radius: prior_in("arcsec") | None = None
    velocity_dispersion: prior_in("km/s") | None = None
    axis_ratio: prior_in("")
    position_angle: prior_in("rad")
    centre: prior_in("arcsec", "pixel")
    shear: prior_in("")
    shear_angle: prior_in("rad")
    minimum_axis_ratio: float = Field(default=0.1, gt=0, le=1)

    @model_validator(mode="after")
    def _one_strength(self):
        if (self.einstein_radius is None) == (self.velocity_dispersion is None):
            raise ValueError("give either einstein_radius or velocity_dispersion.")
        return self


class SourcePosition(_Part):
    """Where the source's centre lies.

    ``critical_curve``: uniform inside the tangential critical curve of the lens;
    ``caustic``: uniform where there is more than one image; ``einstein_radius``: uniform within
    the circle; ``magnification``: uniform where the point-source magnification exceeds
    `minimum_magnification`. Unlensed sources lie uniform in a square of half-side
    `unlensed_half_width`.
    """

    region: Literal["critical_curve", "caustic", "einstein_radius", "magnification"]
    minimum_magnification: float | None = Field(default=None, gt=1)
    unlensed_half_width: quantity("arcsec", low=0, high=60) = 2.0

    @model_validator(mode="after")
    def _magnification(self):
        if (self.region == "magnification") != (self.minimum_magnification is not None):
            raise ValueError("minimum_magnification goes with region: magnification.")
        return self


class Neighbours(_Part):
    """Unrelated galaxies in the field."""

    mean: float = Field(ge=0, le=50)
    maximum: int = Field(ge=1, le=50)
    galaxy: Galaxy
    redshift: prior_in("")
    avoid_radius: quantity("arcsec", low=0, high=60) = 0.0


class Acceptance(_Part):
    """When a drawn lens is kept (Pearson 2019, criteria i-iv of section 2.1).

    The range of velocity dispersions keeps lenses whose Einstein radius was drawn from having the
    light of galaxies that do not exist.
    """

    multiple_images: bool = False
    resolved: bool = False
    minimum_magnification: float | None = Field(default=None, ge=0)
    sheared: bool = False
    minimum_snr: float | None = Field(default=None, ge=0)
    images_inside_stamp: bool = False
    minimum_dispersion: quantity("km/s", low=0, high=5000) | None = None
    maximum_dispersion: quantity("km/s", low=0, high=5000) | None = None


class LabelRule(_Part):
    """What counts as a lens.

    ``construction``: what was drawn as one; ``visible``: the three criteria of the second
    lens-finding challenge (Bom 2022, section 2): groups of source pixels, magnification in all
    bands, and number of source pixels. Pixels are counted in `band`, by default the first of the
    finest group.
    """

    rule: Literal["construction", "visible"]
    minimum_magnification: float | None = None
    minimum_pixels: int | None = None
    band: str | None = None

    @model_serializer(mode="wrap")
    def _plain(self, handler):
        return _without_absent(handler(self), "band")

    @model_validator(mode="after")
    def _complete(self):
        given = self.minimum_magnification is not None and self.minimum_pixels is not None
        if (self.rule == "visible") != given:
            raise ValueError("minimum_magnification and minimum_pixels go with rule: visible.")
        if self.band is not None and self.rule != "visible":
            raise ValueError("band goes with rule: visible.")
        return self


class Population(BaseModel):
    """A named population of lenses and of what is mistaken for them.

    Attributes
    ----------
    name, description, paper : str
        What it is called, what it is, where it comes from.
    cosmology : str
        One of the named cosmologies of `lensfinder.lensing.cosmology`.
    classes : dict of str to float
        Fractions of lenses, lens galaxies without a source, with an unlensed source beside them,
        and look-alikes.
    look_alikes : dict of str to float or None
        Fractions of the kinds of look-alikes; None: rings, spirals and mergers, equally many.
    lens_redshift, source_redshift : Prior
        Redshifts; the source lies behind the lens.
    minimum_redshift_gap : float
        By how much it lies behind, at least.
    mass, lens_light, source, source_position, neighbours, acceptance, label
        Its parts.
    """

    # an infinite bound stays a number in plain data, though `_plain` has no types to say so
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")
    name: str
    description: str
    paper: str
    cosmology: Literal[COSMOLOGIES]
    classes: dict[Literal[CLASSES], Annotated[float, Field(ge=0, le=1)]]
    look_alikes: dict[Literal[LOOK_ALIKES], Annotated[float, Field(ge=0, le=1)]] | None = None
    lens_redshift: prior_in("")
    source_redshift: prior_in("")
    minimum_redshift_gap: float = Field(default=0.1, gt=0)
    mass: Mass
    lens_light: LensLight | None = None
    source: Galaxy
    source_position: SourcePosition
    neighbours: Neighbours | None = None
    acceptance: Acceptance = Acceptance()
    label: LabelRule = LabelRule(rule="construction")

    @property
    def look_alike_kinds(self) -> tuple[str, ...]:
        """Kinds of look-alikes among the objects, in the order of the registry."""
        if not self.classes.get("look_alike"):
            return ()
        if self.look_alikes is None:
            return CLASSIC_LOOK_ALIKES
        return tuple(name for name in LOOK_ALIKES if self.look_alikes.get(name, 0) > 0)

    @model_serializer(mode="wrap")
    def _plain(self, handler):
        return _without_absent(handler(self), "look_alikes")

    @model_validator(mode="after")
    def _whole(self):
        total = sum(self.classes.values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the fractions of classes must add up to 1, not {total}.")
        if self.look_alikes is not None:
            total = sum(self.look_alikes.values())
            if abs(total - 1) > 1e-9:
                raise ValueError(f"the fractions of look_alikes must add up to 1, not {total}.")
            if not self.classes.get("look_alike"):
                raise ValueError("look_alikes go with a class look_alike above 0.")
        if self.lens_light is None and set(self.classes) - {"lens"}:
            raise ValueError("without lens light every object must be a lens.")
        return self
