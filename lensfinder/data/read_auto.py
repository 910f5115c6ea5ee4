"""Cutouts from files that describe themselves: see `lensfinder.data.readers` for the kinds."""

import math
from collections.abc import Iterator

import numpy as np

from lensfinder.data.containers import ArrayFile
from lensfinder.data.cutout import Cutout
from lensfinder.data.fits_file import FitsFile, wcs_keywords, wcs_pixel_scale
from lensfinder.data.units import canonical_unit
from lensfinder.errors import DataFormatError

# extension names that say what an extension is, not which band it holds
_NAMELESS = {"", "PRIMARY", "SCI", "IMAGE", "DATA", "COMPRESSED_IMAGE"}


def number_or_none(value) -> float | None:
    """A finite number, or None for anything else a header may hold."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return None
    return float(value) if math.isfinite(value) else None


# --- FITS -----------------------------------------------------------------------------------------
def read_fits(path, stem, bands, limits) -> Iterator[Cutout]:
    """Objects of one FITS file: extensions, cube or stack.

    Parameters
    ----------
    path : Path
        The file.
    stem : str
        Its name without endings, for ids.
    bands : tuple of str or None
        Names for bands that have none.
    limits : ReadLimits
        Caps.

    Yields
    ------
    Cutout
        The objects.

    Raises
    ------
    DataFormatError
        If the file cannot be read, or it cannot be told what its axes are.
    """
    file = FitsFile(path, limits)
    units = file.science()
    if not units:
        raise DataFormatError(f"{path.name} holds no image.")
    axes = {len(unit.shape) for unit in units}
    if axes == {2}:
        yield _object(file, units, path, stem, bands)
    elif axes == {3}:
        yield from _cube_or_stack(file, units, path, stem, bands)
    elif axes == {4} and len(units) == 1:
        yield from _stack_of_cubes(file, units[0], path, stem, bands)
    else:
        raise DataFormatError(
            f"{path.name} holds images with {sorted(axes)} axes together. Describe it in a layout."
        )


def read_fits_per_band(identity, members, limits) -> Iterator[Cutout]:
    """One object from one FITS file per band.

    Parameters
    ----------
    identity : str
        Id of the object.
    members : list of (str, Path)
        Band and file.
    limits : ReadLimits
        Caps.

    Yields
    ------
    Cutout
        The object.

    Raises
    ------
    DataFormatError
        If a file cannot be read or holds several images.
    """
    cutout = Cutout(identity, path=str(members[0][1].parent))
    for band, path in members:
        file = FitsFile(path, limits)
        unit = file.find(band)
        if unit is None or len(unit.shape) != 2:
            units = file.science()
            if len(units) != 1 or len(units[0].shape) != 2:
                raise DataFormatError(f"{path.name} must hold one image of band {band}.")
            unit = units[0]
        _add_band(cutout, band, file, unit, file.data(unit))
        cutout.meta.setdefault("files", []).append(str(path))
    yield cutout


def _object(file, units, path, stem, bands) -> Cutout:
    primary = file.header(file.units[0])
    # OBJECT names the object in our own files; elsewhere it is often the pointing of the survey
    identity = str(primary["OBJECT"]) if primary.get("SURVEY") and primary.get("OBJECT") else stem
    cutout = Cutout(identity, path=str(path))
    if "SURVEY" in primary:
        cutout.meta["survey"] = str(primary["SURVEY"])
    if "KIND" in primary:
        cutout.meta["kind"] = str(primary["KIND"])
    if "PLANE" in primary:
        cutout.meta["plane"] = str(primary["PLANE"])
    if primary.get("DARK") is True:
        cutout.meta["dark"] = True
    names = _band_names(file, units, bands)
    if len(set(names)) < len(names):
        raise DataFormatError(f"{path.name} holds one band twice: {', '.join(names)}.")
    for name, unit in zip(names, units):
        _add_band(cutout, name, file, unit, file.data(unit))
        for kind, store in (("_PSF", cutout.psfs), ("_RMS", cutout.rms)):
            companion = file.find(name + kind) if name else None
            # names of other writers may be capitalised, unless that confuses two bands (r and R)
            alone = sum(other.upper() == name.upper() for other in names) == 1
            exact = companion is not None and companion.name == name + kind
            if companion is not None and (exact or alone) and len(companion.shape) == 2:
                store[name] = file.data(companion)
    return cutout


def _band_names(file, units, bands) -> list[str]:
    """Names as the file gives them; `bands` names only what the file leaves nameless."""
    names = [_band_name(file, unit) for unit in units]
    missing = [index for index, name in enumerate(names) if not name]
    if bands is not None and len(bands) == len(missing):
        for index, band in zip(missing, bands):
            names[index] = band
    return names


def _band_name(file, unit) -> str:
    """EXTNAME unless it is a mere kind, else the keyword BAND or FILTER, else nothing."""
    if unit.name.upper() not in _NAMELESS:
        return unit.name
    header = file.header(unit)
    return str(header.get("BAND") or header.get("FILTER") or "").strip()


def _cube_or_stack(file, units, path, stem, bands):
    planes = {unit.shape[0] for unit in units}
    if len(planes) > 1:
        raise DataFormatError(f"{path.name}: stacks must have the same length: {sorted(planes)}.")
    count = planes.pop()
    named = _numbered_bands(file.header(units[0]), count)
    if len(units) == 1 and (named or (bands is not None and len(bands) > 1)):
        names = tuple(named or bands)
        if len(names) != count:
            raise DataFormatError(
                f"{path.name} has {count} planes for {len(names)} bands ({', '.join(names)})."
            )
        data = file.data(units[0])
        cutout = Cutout(stem, path=str(path))
        for name, plane in zip(names, data):
            _add_band(cutout, name, file, units[0], plane)
        yield cutout
        return
    names = _band_names(file, units, bands)
    stacks = [file.data(unit) for unit in units]
    for index, identity in enumerate(_ids(file.ids(count), stem, count)):
        cutout = Cutout(identity, path=str(path), meta={"row": index})
        for name, unit, stack in zip(names, units, stacks):
            _add_band(cutout, name, file, unit, stack[index])
        yield cutout


def _stack_of_cubes(file, unit, path, stem, bands):
    count, planes = unit.shape[:2]
    names = _numbered_bands(file.header(unit), planes) or bands
    if names is None or len(names) != planes:
        raise DataFormatError(
            f"{path.name} holds {planes} bands per stamp. Name them with `bands`, in their order."
        )
    data = file.data(unit)
    for index, identity in enumerate(_ids(file.ids(count), stem, count)):
        cutout = Cutout(identity, path=str(path), meta={"row": index})
        for name, plane in zip(names, data[index]):
            _add_band(cutout, name, file, unit, plane)
        yield cutout


def _numbered_bands(header, count) -> list[str] | None:
    names = [str(header.get(f"BAND{k}", "")).strip() for k in range(1, count + 1)]
    return names if all(names) else None


def _ids(ids, stem, count) -> list[str]:
    return ids or [f"{stem}-{index + 1:06d}" for index in range(count)]


def _add_band(cutout, band, file, unit, image) -> None:
    header = file.header(unit)
    primary = file.header(file.units[0]) if unit.index else {}
    scale = number_or_none(header.get("PIXSCALE", primary.get("PIXSCALE")))
    if scale is None or scale <= 0:
        scale = wcs_pixel_scale(header)
    cutout.bands[band] = image
    cutout.pixel_scales[band] = scale
    cutout.units[band] = canonical_unit(header.get("BUNIT", primary.get("BUNIT")))
    cutout.zero_points[band] = number_or_none(header.get("MAGZERO", primary.get("MAGZERO")))
    keywords = wcs_keywords(header)
    if keywords:
        cutout.wcs[band] = keywords


# --- npz and HDF5 ---------------------------------------------------------------------------------
def read_arrays(path, stem, bands, limits) -> Iterator[Cutout]:
    """Objects of one npz or HDF5 file with the documented names.

    Parameters
    ----------
    path : Path
        The file.
    stem : str
        Its name without endings, for ids.
    bands : tuple of str or None
        Names of the bands, if the file does not say.
    limits : ReadLimits
        Caps.

    Yields
    ------
    Cutout
        The objects.

    Raises
    ------
    DataFormatError
        If a name is missing or arrays do not fit together.
    """
    file = ArrayFile(path, limits)
    endings = [name.removeprefix("images") for name in file.names if name.startswith("images")]
    endings = [ending for ending in endings if ending == "" or ending.startswith("_")]
    if not endings:
        raise DataFormatError(
            f"{path.name} needs an array `images`; it holds {', '.join(file.names)[:200]}. "
            "Describe it in a layout."
        )
    groups = [_array_group(file, ending, bands, path) for ending in endings]
    counts = {len(group["images"]) for group in groups}
    if len(counts) > 1:
        raise DataFormatError(f"{path.name}: groups hold different numbers of objects: {counts}.")
    count = counts.pop()
    ids = _ids(file.words("ids"), stem, count)
    if len(ids) != count:
        raise DataFormatError(f"{path.name} has {len(ids)} ids for {count} images.")
    for index, identity in enumerate(ids):
        cutout = Cutout(identity, path=str(path), meta={"row": index})
        for group in groups:
            for channel, band in enumerate(group["bands"]):
                cutout.bands[band] = np.ascontiguousarray(group["images"][index, :, :, channel])
                cutout.pixel_scales[band] = group["pixel_scale"][channel]
                cutout.units[band] = group["unit"]
                cutout.zero_points[band] = group["zero_point"][channel]
        yield cutout


def _array_group(file, ending, bands, path) -> dict:
    images = file.get("images" + ending)
    if images.dtype.kind not in "biuf" or images.ndim not in (3, 4):
        raise DataFormatError(
            f"{path.name}: images{ending} must be numbers of shape (N, H, W, B) or (N, H, W). "
            f"Received: {images.dtype} {images.shape}."
        )
    images = images[..., None] if images.ndim == 3 else images
    names = file.words("bands" + ending) or (bands if ending == "" else None)
    if names is None and images.shape[-1] == 1:
        names = [""]
    if names is None or len(names) != images.shape[-1]:
        raise DataFormatError(
            f"{path.name}: images{ending} has {images.shape[-1]} channels but bands{ending} names "
            f"{names}. Add `bands{ending}`, or give `bands`."
        )
    unit = file.words("unit" + ending)
    with np.errstate(over="ignore"):
        images = images.astype(np.float32)
    return {
        "images": images,
        "bands": names,
        "pixel_scale": _per_band(file, "pixel_scale" + ending, len(names), positive=True),
        "zero_point": _per_band(file, "zero_point" + ending, len(names)),
        "unit": canonical_unit(unit[0]) if unit else None,
    }


def _per_band(file, name, count, positive=False) -> list:
    array = file.get(name)
    if array is None:
        return [None] * count
    if array.dtype.kind not in "iuf" or array.size not in (1, count):
        raise DataFormatError(f"{name!r} must hold one number, or one per band ({count}).")
    values = [number_or_none(value) for value in np.broadcast_to(array.ravel(), count)]
    return [None if positive and value is not None and value <= 0 else value for value in values]
