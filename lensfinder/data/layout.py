"""How somebody else's files map to bands: a small YAML file, validated and frozen.

A layout says which files make one object (a regular expression over paths), where each band's
image, PSF and noise map sit (file, extension or data set, plane), and where the pixel scale, the
unit and the zero point come from. ``data_specs/layouts/`` holds the ones we ship.
"""

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lensfinder.errors import UnknownNameError
from lensfinder.paths import data_specs_dir
from lensfinder.specs import read_yaml, validate


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Place(_Frozen):
    """Where an array sits.

    Attributes
    ----------
    file : str or None
        File name or glob beside the object's main file, in which ``{id}`` and ``{band}`` are
        replaced; None for the main file itself. ``../`` leads to a neighbouring folder.
    key : str, int or None
        FITS: EXTNAME or number of the extension (None: the first image). HDF5, npz: data set.
    plane : int or None
        Index along the first axis, where the array holds several planes.
    cell : bool
        FITS: the image is a cell of a binary table of one row, the only one that holds a square
        number of numbers; row by row.
    """

    file: str | None = None
    key: str | int | None = None
    plane: int | None = Field(default=None, ge=0)
    cell: bool = False

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given):
        return {"key": given} if isinstance(given, str | int) else given


class Fact(_Frozen):
    """Where a number or a word about a band comes from; exactly one of the four.

    Attributes
    ----------
    header : str or None
        FITS keyword of the band's extension (or of the primary header).
    wcs : bool
        Pixel scale from the CD matrix, or PC and CDELT.
    dataset : str or None
        HDF5 or npz data set; a 2x2 matrix means the square root of its determinant.
    constant : float, str or None
        The value itself.
    """

    header: str | None = None
    wcs: bool = False
    dataset: str | None = None
    constant: float | str | None = None

    @model_validator(mode="after")
    def _one(self):
        given = [self.header is not None, self.wcs, self.dataset is not None]
        if sum(given) + (self.constant is not None) != 1:
            raise ValueError("give exactly one of header, wcs, dataset and constant.")
        return self


class BadPixels(_Frozen):
    """Which pixels are bad; they become NaN in the image.

    Attributes
    ----------
    rms_above : float or None
        Pixels whose noise map is at least this, or is not finite (Euclid Q1 writes 1e16).
    equals : float or None
        Pixels that hold exactly this value.
    """

    rms_above: float | None = None
    equals: float | None = None


class BandLayout(_Frozen):
    """Where one band's arrays and facts are; facts left out are the layout's.

    Attributes
    ----------
    image : tuple of Place
        Alternatives; the first that exists is read.
    psf, noise : Place or None
        PSF image and noise map.
    pixel_scale, unit, zero_point : tuple of Fact or None
        Alternatives; the first that has a value counts.
    """

    image: tuple[Place, ...]
    psf: Place | None = None
    noise: Place | None = None
    pixel_scale: tuple[Fact, ...] | None = None
    unit: tuple[Fact, ...] | None = None
    zero_point: tuple[Fact, ...] | None = None

    @field_validator("image", "pixel_scale", "unit", "zero_point", mode="before")
    @classmethod
    def _listed(cls, given):
        return given if given is None or isinstance(given, list | tuple) else [given]


class Layout(_Frozen):
    """A data set's files, mapped to objects and bands.

    Attributes
    ----------
    name, description, source : str
        What it is called, what it is for, and where these facts come from.
    container : {"fits", "hdf5", "npz"}
        Kind of file (gzip is seen through).
    match : str
        Regular expression searched in the path (with ``/``) of each file; its group ``id`` names
        the object. Files of one folder with one id are one object, the first is its main file.
    bands : dict of str to BandLayout
        The bands.
    pixel_scale, unit, zero_point : tuple of Fact
        For the bands that do not say otherwise.
    noise : {"rms", "variance", "inverse_variance"}
        What the noise maps hold.
    transpose, flip_x, flip_y : bool
        What brings row 0 to the bottom and +x to the right; applied in this order.
    bad_pixels : BadPixels or None
        Which pixels are bad.
    """

    name: str
    description: str
    source: str
    container: Literal["fits", "hdf5", "npz"]
    match: str
    bands: dict[str, BandLayout] = Field(min_length=1)
    pixel_scale: tuple[Fact, ...] = ()
    unit: tuple[Fact, ...] = ()
    zero_point: tuple[Fact, ...] = ()
    noise: Literal["rms", "variance", "inverse_variance"] = "rms"
    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False
    bad_pixels: BadPixels | None = None

    @field_validator("pixel_scale", "unit", "zero_point", mode="before")
    @classmethod
    def _listed(cls, given):
        return given if isinstance(given, list | tuple) else [given]

    @field_validator("match")
    @classmethod
    def _names_the_object(cls, given):
        try:
            groups = re.compile(given).groupindex
        except re.error as error:
            raise ValueError(f"is not a regular expression ({error}).") from error
        if "id" not in groups:
            raise ValueError("needs a group (?P<id>...) that names the object.")
        return given

    def facts(self, band: str, kind: str) -> tuple[Fact, ...]:
        """Where a band's pixel scale, unit or zero point comes from.

        Parameters
        ----------
        band : str
            Name of the band.
        kind : {"pixel_scale", "unit", "zero_point"}
            Which fact.

        Returns
        -------
        tuple of Fact
            The band's own alternatives, else the layout's.
        """
        own = getattr(self.bands[band], kind)
        return getattr(self, kind) if own is None else own


def layout_names() -> tuple[str, ...]:
    """Names of the layouts that come with the package.

    Returns
    -------
    tuple of str
        Sorted names, each a file ``data_specs/layouts/<name>.yaml``.
    """
    return tuple(sorted(path.stem for path in _folder().glob("*.yaml")))


def load_layout(name_or_path) -> Layout:
    """Read a layout.

    Parameters
    ----------
    name_or_path : str, path-like or Layout
        A name of `layout_names`, or a YAML file; a `Layout` is returned as it is.

    Returns
    -------
    Layout
        The validated layout.

    Raises
    ------
    UnknownNameError
        If it is neither a known name nor a file.
    SpecError
        If the file has an unknown key or an impossible value.
    """
    if isinstance(name_or_path, Layout):
        return name_or_path
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        if str(name_or_path) not in layout_names():
            raise UnknownNameError("layout", str(name_or_path), layout_names())
        path = _folder() / f"{name_or_path}.yaml"
    return validate(Layout, read_yaml(path), str(path), strict_units=False)


def _folder() -> Path:
    return data_specs_dir() / "layouts"
