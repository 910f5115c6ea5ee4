"""Files of any of the known kinds, as a stream of cutouts.

Without a layout these are recognised:

* FITS, one file per object, an image extension per band: ``EXTNAME`` = band, ``PIXSCALE``,
  ``BUNIT``, ``MAGZERO``, optional ``<band>_PSF`` and ``<band>_RMS`` (what `write_cutouts` writes);
* FITS, one file per band: ``<id>_<band>.fits``, ``<band>_<id>.fits`` (``_``, ``-`` or ``.``), or a
  folder per object with ``<band>.fits``; give `bands`;
* a FITS cube ``(B, H, W)``: give `bands`, or the keywords ``BAND1``, ``BAND2``, ...;
* a FITS stack of stamps ``(N, H, W)``, one extension per band, or ``(N, B, H, W)`` with `bands`;
  ids come from a table with a column ``id``, else stamps are numbered;
* npz and HDF5 as `lensfinder.data.containers` describes.

Each may be gzip'ed. Anything else needs a layout (`lensfinder.data.layout`).
"""

import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

from lensfinder.data.cutout import Cutout
from lensfinder.data.guard import DEFAULT_LIMITS, ReadLimits
from lensfinder.data.layout import load_layout
from lensfinder.data.read_auto import read_arrays, read_fits, read_fits_per_band
from lensfinder.data.read_layout import read_object
from lensfinder.errors import DataFormatError, LensfinderError, TruncatedFileError

ARRAY_ENDINGS = (".npz", ".h5", ".hdf5")
FITS_ENDINGS = (".fits", ".fit", ".fts", ".fits.fz")


def read_cutouts(
    paths, *, layout=None, bands=None, limits: ReadLimits = DEFAULT_LIMITS
) -> Iterator[Cutout]:
    """Read objects, in the order of `paths` and by name within a folder.

    Parameters
    ----------
    paths : path-like or sequence of path-like
        Files, folders (searched at all depths) and glob patterns.
    layout : str, path-like, Layout or None
        How the files map to bands; None recognises the kinds listed above.
    bands : sequence of str or None
        Without a layout: names of the bands, in axis order, of files that do not name them.
    limits : ReadLimits
        Caps on what is read.

    Returns
    -------
    iterator of Cutout
        One per object. A file that cannot be read gives an empty cutout with a status and a
        message instead of an exception.

    Raises
    ------
    DataFormatError
        At once, if a path does not exist or nothing that matches is in it.
    UnknownNameError, SpecError
        At once, if the layout is unknown or invalid.
    """
    layout = None if layout is None else load_layout(layout)
    bands = None if bands is None else tuple(bands)
    files = _expand(paths, layout)
    if layout is not None:
        return _layout_stream(files, layout, limits)
    return _auto_stream(files, bands, limits)


def _expand(paths, layout) -> list[Path]:
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    files: list[Path] = []
    for item in given:
        path = Path(item)
        if path.is_dir():
            # hidden files are what an interrupted writer leaves behind
            found = [file for file in sorted(path.rglob("*")) if not file.name.startswith(".")]
            found = [file for file in found if file.is_file() and _wanted(file, layout)]
            problem = "holds no file that matches the layout" if layout else "holds no image file"
        elif path.exists():
            found, problem = [path], ""
        else:
            found = [Path(name) for name in sorted(glob.glob(str(item), recursive=True))]
            found = [file for file in found if file.is_file()]
            problem = "does not exist"
        if not found:
            raise DataFormatError(f"{item} {problem}. Check the path.", path=str(item))
        files += found
    if not files:
        raise DataFormatError("No path was given. Name files, folders or glob patterns.")
    return list(dict.fromkeys(files))


def _wanted(path, layout) -> bool:
    if layout is not None:
        return _match(layout, path) is not None
    return _plain_name(path).endswith(FITS_ENDINGS + ARRAY_ENDINGS)


def _match(layout, path):
    # absolute, so that a pattern may name the folder even if the file was given without it
    return re.search(layout.match, path.absolute().as_posix())


def _plain_name(path) -> str:
    return path.name.lower().removesuffix(".gz")


def stem_of(path) -> str:
    """File name without its endings (``.fits``, ``.fits.gz``, ``.h5``, ...)."""
    name = Path(path).name
    for ending in (".gz", ".fz", *FITS_ENDINGS, *ARRAY_ENDINGS):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return name or Path(path).name


def _attempt(identity, path, read) -> Iterator[Cutout]:
    """Whatever `read` yields, or one empty cutout that says why it could not."""
    try:
        cutouts = list(read())
    except TruncatedFileError as error:
        cutouts = [Cutout.failed(identity, path, "truncated", str(error))]
    except LensfinderError as error:
        cutouts = [Cutout.failed(identity, path, "unreadable", str(error))]
    yield from cutouts


# --- without a layout -----------------------------------------------------------------------------
def _auto_stream(files, bands, limits):
    for identity, members in _objects(files, bands):
        if identity is not None:
            yield from _attempt(
                identity,
                members[0][1].parent,
                lambda i=identity, m=members: read_fits_per_band(i, m, limits),
            )
            continue
        for _, path in members:
            read = read_arrays if _plain_name(path).endswith(ARRAY_ENDINGS) else read_fits
            stem = stem_of(path)
            yield from _attempt(stem, path, lambda p=path, s=stem, r=read: r(p, s, bands, limits))


def _objects(files, bands):
    """Group files named after a band; ``(None, [(None, path)])`` for a file on its own."""
    groups: dict = {}
    for path in files:
        key, band = (None, str(path)), None
        if bands and not _plain_name(path).endswith(ARRAY_ENDINGS):
            identity, band = _split_name(path, bands)
            if band is not None:
                key = (identity, str(path.parent))
        groups.setdefault(key, []).append((band, path))
    return [(key[0], members) for key, members in groups.items()]


def _split_name(path, bands):
    """Object id and band in a file name, or (None, None)."""
    stem = stem_of(path)
    for band in bands:
        if stem == band:
            return path.resolve().parent.name, band
        for separator in "_-.":
            if stem.endswith(separator + band):
                return stem[: -len(band) - 1], band
            if stem.startswith(band + separator):
                return stem[len(band) + 1 :], band
    return None, None


# --- with a layout --------------------------------------------------------------------------------
def _layout_stream(files, layout, limits):
    seen = set()
    for path in files:
        found = _match(layout, path)
        if found is None:
            message = f"The name of {path.name} does not match layout {layout.name!r}."
            yield Cutout.failed(stem_of(path), path, "unreadable", message)
            continue
        identity = found.group("id")
        if (identity, path.parent) in seen:
            continue  # another file of an object that was read already
        seen.add((identity, path.parent))
        yield from _attempt(
            identity, path, lambda i=identity, p=path: [read_object(i, p, layout, limits)]
        )
