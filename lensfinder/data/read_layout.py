"""One object from somebody else's files, as a layout describes them."""

import glob
import os
from pathlib import Path

import numpy as np

from lensfinder.data.containers import ArrayFile
from lensfinder.data.cutout import Cutout
from lensfinder.data.fits_file import FitsFile, wcs_keywords, wcs_pixel_scale
from lensfinder.data.layout import Layout, Place
from lensfinder.data.read_auto import number_or_none
from lensfinder.data.units import canonical_unit
from lensfinder.errors import DataFormatError


def read_object(identity, path, layout: Layout, limits) -> Cutout:
    """Read an object; bands of the layout that its files lack are left out.

    Parameters
    ----------
    identity : str
        Id of the object.
    path : Path
        Its main file.
    layout : Layout
        Where everything is.
    limits : ReadLimits
        Caps.

    Returns
    -------
    Cutout
        The object.

    Raises
    ------
    DataFormatError
        If a file cannot be read, or none of the layout's bands is there.
    """
    files = _Files(identity, path, layout, limits)
    cutout = Cutout(identity, path=str(path), meta={"layout": layout.name})
    for band in layout.bands:
        _read_band(cutout, band, files, layout)
    if not cutout.bands:
        raise DataFormatError(
            f"{path.name} holds none of the bands of layout {layout.name!r}: "
            f"{', '.join(layout.bands)}."
        )
    return cutout


class _Files:
    """The files of one object, each opened once."""

    def __init__(self, identity, path, layout, limits):
        self._identity, self._main, self._limits = identity, Path(path), limits
        self._kind = FitsFile if layout.container == "fits" else ArrayFile
        self._open = {}

    def locate(self, place: Place, band: str) -> Path | None:
        if place.file is None:
            return self._main
        # only the template's own wildcards count, not those in the id or in the folder's name
        name = place.file.replace("{id}", glob.escape(self._identity)).replace("{band}", band)
        pattern = os.path.join(glob.escape(str(self._main.parent)), name)
        return next((Path(found) for found in sorted(glob.glob(pattern))), None)

    def array(self, place: Place, band: str):
        """(array, header, file), or None where the place does not exist."""
        path = self.locate(place, band)
        if path is None:
            return None
        if path not in self._open:
            self._open[path] = self._kind(path, self._limits)
        file = self._open[path]
        if isinstance(file, FitsFile):
            unit = file.table(place.key) if place.cell else file.find(place.key)
            if unit is None or not (place.cell or len(unit.shape) >= 2):
                return None
            data = file.cell(unit) if place.cell else file.data(unit)
            header = {**file.header(file.units[0]), **file.header(unit)}
        else:
            data, header = file.get(str(place.key)), {}
            if data is None:
                return None
            if data.dtype.kind not in "biuf":
                raise DataFormatError(f"{path.name}: {place.key!r} does not hold numbers.")
            with np.errstate(over="ignore"):
                data = data.astype(np.float32)
        if place.plane is not None:
            if data.ndim < 3 or place.plane >= data.shape[0]:
                raise DataFormatError(f"{path.name}: {place.key!r} has no plane {place.plane}.")
            data = data[place.plane]
        if data.ndim != 2:
            raise DataFormatError(
                f"{path.name}: band {band} must be an image of 2 axes. Received: {data.shape}. "
                "Give a `plane` in the layout."
            )
        return data, header, file


def _read_band(cutout, band, files, layout) -> None:
    places = layout.bands[band]
    found = next(filter(None, (files.array(place, band) for place in places.image)), None)
    if found is None:
        return
    image, header, file = found
    image = _orient(image, layout)
    noise = files.array(places.noise, band) if places.noise else None
    if noise is not None:
        rms = _orient(_as_rms(noise[0], layout.noise), layout)
        if rms.shape != image.shape:
            raise DataFormatError(
                f"The noise map of band {band} has shape {rms.shape}, its image {image.shape}."
            )
        cutout.rms[band] = rms
    cutout.bands[band] = _blank(image, cutout.rms.get(band), layout.bad_pixels)
    psf = files.array(places.psf, band) if places.psf else None
    if psf is not None:
        cutout.psfs[band] = _orient(psf[0], layout)

    def fact(kind):
        for source in layout.facts(band, kind):
            value = _fact(source, header, file)
            if value is not None:
                return value
        return None

    scale = number_or_none(fact("pixel_scale"))
    cutout.pixel_scales[band] = scale if scale is not None and scale > 0 else None
    cutout.units[band] = canonical_unit(fact("unit"))
    cutout.zero_points[band] = number_or_none(fact("zero_point"))
    turned = layout.transpose or layout.flip_x or layout.flip_y  # the keywords are of the file's
    if not turned and (keywords := wcs_keywords(header)):
        cutout.wcs[band] = keywords


def _fact(source, header, file):
    if source.constant is not None:
        return source.constant
    if source.header is not None:
        return header.get(source.header)
    if source.wcs:
        return wcs_pixel_scale(header)
    array = file.get(source.dataset) if isinstance(file, ArrayFile) else None
    if array is None:
        return None
    if array.shape == (2, 2):  # a pixel-to-sky matrix: its determinant is the area of a pixel
        return float(np.sqrt(abs(np.linalg.det(array.astype(float)))))
    return array.item() if array.size == 1 else None


def _orient(array, layout):
    array = array.T if layout.transpose else array
    array = array[:, ::-1] if layout.flip_x else array
    array = array[::-1] if layout.flip_y else array
    return np.ascontiguousarray(array)


def _as_rms(noise, kind):
    if kind == "rms":
        return noise
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(noise if kind == "variance" else 1.0 / noise)


def _blank(image, rms, rule):
    """Bad pixels become NaN; what to do about them is decided when stamps are assembled."""
    if rule is None:
        return image
    bad = np.zeros(image.shape, bool)
    if rule.rms_above is not None and rms is not None:
        bad |= ~(rms < rule.rms_above)
    if rule.equals is not None:
        bad |= image == rule.equals
    return np.where(bad, np.float32(np.nan), image) if bad.any() else image
