"""Write cutouts: FITS, one file per object with an extension per band; or arrays in one file."""

from pathlib import Path
from urllib.parse import quote

import numpy as np
from astropy.io import fits

from lensfinder.errors import DataFormatError, OutputExistsError, StampShapeError
from lensfinder.specs import InputContract, load_survey
from lensfinder.tables import write_atomically

_STAMPED = "by lensfinder"  # instead of the time of writing: the same input gives the same bytes


def write_cutouts(
    folder, ids, images, survey, *, psf=None, rms=None, header=None, wcs=None, overwrite=False
) -> list[Path]:
    """Write one FITS file per object, whole or not at all.

    The primary header holds ``OBJECT`` and ``SURVEY``; each band is an image extension with
    ``EXTNAME`` = band, ``PIXSCALE`` (arcsec), ``BUNIT``, ``MAGZERO``, ``CHECKSUM`` and ``DATASUM``;
    ``<band>_PSF`` and ``<band>_RMS`` follow where given.

    Parameters
    ----------
    folder : path-like
        Where to write; made if needed.
    ids : sequence of str
        Names of the objects: printable ASCII, all different. Characters that do not belong into a
        file name are percent-encoded there, not in ``OBJECT``.
    images : dict of str to array (N, stamp, stamp, bands)
        One per group of the survey.
    survey : Survey or str
        The survey the images are made for.
    psf, rms : dict of str to array, optional
        Per band: one image for all objects, or one per object along the first axis.
    header : dict, optional
        Further keywords of the primary header, e.g. ``{"KIND": "mock"}``.
    wcs : sequence of dict or None
        Per object, the celestial keywords of each band that has any, as `Cutout.wcs`.
    overwrite : bool
        Whether files that exist may be replaced.

    Returns
    -------
    list of Path
        The files, in the order of `ids`.

    Raises
    ------
    OutputExistsError
        If a file exists, before anything is written.
    DataFormatError
        If an id cannot be written or occurs twice.
    StampShapeError, MissingBandError
        If the images do not have the survey's shapes.
    """
    survey = load_survey(survey)
    images = _checked(ids, images, survey)
    folder = Path(folder)
    paths = [folder / (quote(_checked_id(name), safe="+,=@") + ".fits") for name in ids]
    if len({str(path).lower() for path in paths}) < len(paths):
        raise DataFormatError("Two objects have the same id. Give each its own.")
    taken = [path for path in paths if path.exists()]
    if taken and not overwrite:
        raise OutputExistsError(
            f"{taken[0]} exists, like {len(taken) - 1} more of the files to write. Choose another "
            "folder, or pass overwrite=True.",
            path=str(taken[0]),
        )
    for row, (name, path) in enumerate(zip(ids, paths)):
        sky = wcs[row] if wcs else {}
        units = _units(row, name, images, survey, psf or {}, rms or {}, header or {}, sky)
        write_atomically(
            path,
            lambda temporary, hdus=units: hdus.writeto(
                temporary, overwrite=True, output_verify="exception"
            ),
        )
    return paths


def write_arrays(path, ids, images, survey, *, overwrite=False) -> Path:
    """Write all objects into one npz or HDF5 file that `read_cutouts` reads.

    Parameters
    ----------
    path : path-like
        File ending in ``.npz``, ``.h5`` or ``.hdf5``. Names and shapes of the arrays are those of
        `lensfinder.data.containers`.
    ids : sequence of str
        Names of the objects.
    images : dict of str to array (N, stamp, stamp, bands)
        One per group of the survey.
    survey : Survey or str
        The survey the images are made for.
    overwrite : bool
        Whether a file that exists may be replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputExistsError
        If the file exists.
    DataFormatError
        If the ending is not known.
    StampShapeError, MissingBandError
        If the images do not have the survey's shapes.
    """
    path, survey = Path(path), load_survey(survey)
    if path.suffix not in (".npz", ".h5", ".hdf5"):
        raise DataFormatError(f"Arrays are written as .npz or .h5. Received: {path.name!r}.")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists. Pass overwrite=True to replace it.")
    images = _checked(ids, images, survey)
    arrays = {"ids": np.array([str(name) for name in ids])}
    for group in survey.groups:
        ending = "" if len(survey.groups) == 1 else f"_{group.name}"
        arrays[f"images{ending}"] = images[group.name]
        arrays[f"bands{ending}"] = np.array(group.band_names)
        arrays[f"pixel_scale{ending}"] = np.array(group.pixel_scale)
        arrays[f"zero_point{ending}"] = np.array([band.zero_point for band in group.bands])
        arrays[f"unit{ending}"] = np.array(survey.unit)
    write_atomically(
        path,
        lambda temporary: (
            np.savez(temporary, **arrays)
            if path.suffix == ".npz"
            else _write_hdf5(temporary, arrays)
        ),
    )
    return path


def _write_hdf5(path, arrays):
    import h5py

    with h5py.File(path, "w", track_order=True) as file:
        for name, array in arrays.items():
            if array.dtype.kind == "U":
                file.create_dataset(name, data=array.astype(object), dtype=h5py.string_dtype())
            else:
                # pages of the data are checksummed, so that a flipped bit does not go unnoticed
                chunked = {"chunks": (1, *array.shape[1:]), "fletcher32": True}
                file.create_dataset(name, data=array, **(chunked if array.ndim == 4 else {}))


def _checked(ids, images, survey) -> dict[str, np.ndarray]:
    images = {name: np.asarray(array, np.float32) for name, array in images.items()}
    InputContract.from_survey(survey).check(images)
    count = len(next(iter(images.values())))
    if count != len(ids):
        raise StampShapeError(f"{len(ids)} ids do not name {count} images.")
    return images


def _checked_id(name) -> str:
    name = str(name)
    if not name or not name.isascii() or not name.isprintable() or name != name.strip():
        raise DataFormatError(
            f"The id {name!r} cannot be written to a FITS header. Use printable ASCII without "
            "spaces at its ends."
        )
    return name


def _units(row, name, images, survey, psf, rms, header, wcs) -> fits.HDUList:
    primary = fits.PrimaryHDU()
    primary.header["OBJECT"] = (name, "name of the object")
    primary.header["SURVEY"] = (survey.name, "survey the bands belong to")
    for keyword, value in header.items():
        primary.header[keyword] = value
    units = fits.HDUList([primary])
    for group in survey.groups:
        for channel, band in enumerate(group.bands):
            unit = _image(images[group.name][row, :, :, channel], band.name, group)
            unit.header["BUNIT"] = survey.unit
            unit.header["MAGZERO"] = (band.zero_point, "[mag] AB magnitude of one BUNIT")
            unit.header.update(wcs.get(band.name, {}))
            units.append(unit)
            if band.name in psf:
                units.append(_image(_of_row(psf[band.name], row), f"{band.name}_PSF", group))
            if band.name in rms:
                unit = _image(_of_row(rms[band.name], row), f"{band.name}_RMS", group)
                unit.header["BUNIT"] = survey.unit
                units.append(unit)
    units.update_extend()
    for unit in units:
        unit.add_checksum(when=_STAMPED)
    return units


def _of_row(array, row):
    array = np.asarray(array, np.float32)
    return array[row] if array.ndim == 3 else array


def _image(array, name, group) -> fits.ImageHDU:
    unit = fits.ImageHDU(np.ascontiguousarray(array, np.float32))
    unit.header["EXTNAME"] = name  # set here, because the `name` argument would capitalise it
    unit.header["PIXSCALE"] = (group.pixel_scale, "[arcsec] side of a pixel")
    return unit
