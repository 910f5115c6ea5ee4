"""Result folders of PyAutoLens (as version 2026.7.29.1 writes them), read without PyAutoLens.

A folder holds ``image/fit.fits`` (mask, 1 where not fitted, and the normalised residual),
``image/source_plane_reconstruction_0.csv`` (y, x and brightness of the source pixels),
``files/model.json`` and ``files/samples_summary.json`` (the lens) and ``files/dataset.fits``. Its
images have row 0 at the top. ``image/model_galaxy_images.fits`` holds the light of each galaxy, in
the order of their redshifts: that of the lens is taken off.
"""

import csv
import json
from pathlib import Path

import numpy as np

from lensfinder.audit.elsewhere import Reconstruction, rasterise, read_plane
from lensfinder.data.fits_file import FitsFile
from lensfinder.errors import DataFormatError
from lensfinder.inversion.mass import MassModel
from lensfinder.lensing.einstein_radius import theta_E_from_pyautolens
from lensfinder.lensing.ellipticity import Ellipticity

FIT, SOURCE = "image/fit.fits", "image/source_plane_reconstruction_{}.csv"
GALAXIES = "image/model_galaxy_images.fits"
DATASETS = ("files/dataset.fits", "image/dataset.fits")
MODEL, SUMMARY = "files/model.json", "files/samples_summary.json"
LIGHT = (".profiles.light", ".profiles.basis.")  # in the class paths of what shines
ISOTHERMAL, SHEAR = ("Isothermal", "IsothermalSph"), ("ExternalShear",)
SCALE_OPTION = "--pixel-scale"
_LONGEST = 1 << 24  # bytes of a text file; theirs have a hundredth of it


def read_pyautolens(folder, *, pixel_scale=None, image=None) -> Reconstruction:
    """The maximum-likelihood reconstruction in a result folder of PyAutoLens.

    Parameters
    ----------
    folder : path-like
        What holds ``image`` and ``files``, or a folder above exactly one such.
    pixel_scale : float or None
        Arcsec per pixel, if the headers do not say (``PIXSCAX``).
    image : path-like or None
        The observed image without the light of the lens, FITS with row 0 at the bottom, if the
        folder has none.

    Returns
    -------
    Reconstruction
        The mass is None unless the lens is isothermal, with or without shear. The light of the lens
        is taken off the image; where the folder does not hold it there is no image, and a `remark`.

    Raises
    ------
    DataFormatError
        If there is no such folder, or a file of it is missing or not what PyAutoLens writes.
    PixelScaleError
        If nothing says how large the pixels are.
    """
    folder = _result_folder(Path(folder))
    residual, scale = _plane(folder / FIT, "NORMALIZED_RESIDUAL_MAP", pixel_scale)
    masked, _ = _plane(folder / FIT, "MASK", scale)
    y, x, brightness = _source(folder)
    source, source_scale, centre = rasterise(x, y, brightness)
    observed = noise = None
    for name in DATASETS:
        if (folder / name).is_file() and observed is None:
            observed, _ = _plane(folder / name, "DATA", scale)
            noise, _ = _plane(folder / name, "NOISE_MAP", scale)
    remark = ""
    if image is not None:
        arcs, _ = read_plane(image, scale=scale, option=SCALE_OPTION)
    elif observed is None:
        arcs = None
    else:
        arcs, remark = _without_lens_light(folder, observed, scale)
    return Reconstruction(
        id=folder.parent.name or folder.name,
        source=source,
        source_scale=source_scale,
        source_centre=centre,
        residual=residual,
        noise=1.0,
        pixel_scale=scale,
        mask=masked == 0,
        image=arcs,
        image_noise=noise,
        mass=_mass(folder),
        remark=remark,
    )


def _result_folder(folder) -> Path:
    if not folder.is_dir():
        raise DataFormatError(f"{folder} is not a folder. Name a result folder of PyAutoLens.")
    if (folder / FIT).is_file():
        return folder
    found = sorted(path.parent.parent for path in folder.rglob(FIT))
    if len(found) != 1:
        raise DataFormatError(
            f"{folder} holds {len(found)} results ({FIT}). Name one of them"
            + (f", e.g. {found[0]}." if found else ".")
        )
    return found[0]


def _plane(path, key, scale):
    """An image of a file, turned so that row 0 is at the bottom."""
    if not path.is_file():
        raise DataFormatError(
            f"{path} is missing. Run the fit to its end, with fits_fit switched on."
        )
    if FitsFile(path).find(key) is None:
        raise DataFormatError(f"{path} has no image {key}. Expected a file of PyAutoLens.")
    image, scale = read_plane(path, key, scale=scale, option=SCALE_OPTION)
    return image[::-1].copy(), scale


def _source(folder):
    """y, x and brightness of the source pixels."""
    path = folder / SOURCE.format(0)
    if not path.is_file():
        raise DataFormatError(
            f"{path} is missing. Set `csv_reconstruction: true` in config/visualize/plots.yaml of "
            "PyAutoLens, and let it write its results again."
        )
    if (folder / SOURCE.format(1)).is_file():
        raise DataFormatError(
            f"{folder} holds more than one pixelised source. Audit a fit of one source plane."
        )
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        wanted = ("y", "x", "reconstruction")
        values = np.array([[float(row[name]) for name in wanted] for row in rows])
    except (KeyError, TypeError, ValueError) as error:
        raise DataFormatError(
            f"{path} needs the columns y, x and reconstruction, in numbers. Let PyAutoLens write "
            "it again."
        ) from error
    return values.reshape(-1, len(wanted)).T


def _without_lens_light(folder, image, scale):
    """The image without the light of all galaxies but the source; or None, and why not."""
    galaxies = list(_galaxies(_json(folder / MODEL)))
    if not any(shines and not pixelised for _, shines, pixelised in galaxies):
        return image, ""
    redshifts = [redshift for redshift, _, _ in galaxies]
    sources = [pixelised for _, _, pixelised in galaxies]
    file = folder / GALAXIES
    if not file.is_file() or None in redshifts or sum(sources) != 1:
        return None, (
            f"the lens has light of its own, which {GALAXIES} does not tell apart: no second "
            "opinion by parity; give the image without it (--image)"
        )
    order = sorted(range(len(galaxies)), key=redshifts.__getitem__)  # ties stay as they are
    lenses = [i for i, place in enumerate(order) if not sources[place]]
    return image - sum(_plane(file, f"GALAXY_{i}", scale)[0] for i in lenses), ""


def _galaxies(node):
    """(redshift or None, whether it has light profiles, whether it is pixelised) of each galaxy."""
    if not isinstance(node, dict):
        return
    arguments = node.get("arguments")
    if str(node.get("class_path", "")).endswith(".Galaxy") and isinstance(arguments, dict):
        places = list(_class_paths(arguments))
        redshift = arguments.get("redshift")
        redshift = redshift.get("value") if isinstance(redshift, dict) else redshift
        yield (
            redshift if isinstance(redshift, int | float) else None,
            any(kind in place for place in places for kind in LIGHT),
            any(place.endswith(".Pixelization") for place in places),
        )
    elif isinstance(arguments, dict):
        for child in arguments.values():
            yield from _galaxies(child)


def _class_paths(node):
    """Every class path in a model, however deep."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and "class_path" in node:
        yield str(node["class_path"])
    for child in children:
        yield from _class_paths(child)


def _mass(folder) -> MassModel | None:
    """The isothermal lens, if that is what was fitted."""
    model, summary = (_json(folder / name) for name in (MODEL, SUMMARY))
    if model is None or summary is None:
        return None
    try:
        best = summary["arguments"]["max_log_likelihood_sample"]["arguments"]["kwargs"]["arguments"]
        profiles = list(_profiles(model))
        values = [(kind, _values(node, path, best)) for kind, node, path in profiles]
    except (KeyError, TypeError, ValueError) as error:
        raise DataFormatError(
            f"{folder / SUMMARY} does not go with {folder / MODEL}. Expected files of one fit of "
            "PyAutoLens 2026.7."
        ) from error
    lenses = [found for kind, found in values if kind in ISOTHERMAL]
    shears = [found for kind, found in values if kind in SHEAR]
    others = [kind for kind, _ in values if kind not in ISOTHERMAL + SHEAR]
    if len(lenses) != 1 or len(shears) > 1 or others:
        return None
    return mass_of(lenses[0], shears[0] if shears else {})


def mass_of(lens, shear) -> MassModel:
    """A mass model from PyAutoLens' parameters.

    Parameters
    ----------
    lens : mapping of str to float
        ``einstein_radius``, ``centre_0, centre_1`` (y, x) and ``ell_comps_0, ell_comps_1``; what is
        missing is zero.
    shear : mapping of str to float
        ``gamma_1, gamma_2``; empty for none.

    Returns
    -------
    MassModel
        In our conventions.

    Raises
    ------
    DataFormatError
        If no lens has these numbers.
    """
    shape = Ellipticity.from_lenstronomy(lens.get("ell_comps_1", 0.0), lens.get("ell_comps_0", 0.0))
    q = float(shape.axis_ratio())
    try:
        return MassModel(
            theta_E=float(theta_E_from_pyautolens(lens["einstein_radius"], q)),
            q=q,
            phi=float(shape.position_angle()),
            x=lens.get("centre_1", 0.0),
            y=lens.get("centre_0", 0.0),
            gamma1=shear.get("gamma_1", 0.0),
            gamma2=shear.get("gamma_2", 0.0),
        )
    except (KeyError, ValueError) as error:
        raise DataFormatError(
            f"No isothermal lens has these parameters: {dict(lens)}. Check the result."
        ) from error


def _profiles(node, path=()):
    """(name of the class, its node, its path) of every mass profile in a model."""
    place = str(node.get("class_path", "")) if isinstance(node, dict) else ""
    if ".profiles.mass." in place or "_and_mass_profiles." in place:
        yield place.rsplit(".", 1)[-1], node, path
    elif isinstance(node, dict) and isinstance(node.get("arguments"), dict):
        for name, child in node["arguments"].items():
            yield from _profiles(child, (*path, name))


def _values(node, path, best) -> dict[str, float]:
    """Parameters of a profile: fixed ones from the model, fitted ones from the best sample."""
    found = {}
    for name, child in node["arguments"].items():
        here = ".".join((*path, name))
        if isinstance(child, int | float):
            found[name] = float(child)
        elif child["type"] == "tuple":
            found |= {f"{name}_{i}": float(value) for i, value in enumerate(child["values"])}
        elif child["type"] == "tuple_prior":
            found |= _values(child, (*path, name), best)
        elif child["type"] in ("Constant", "constant"):
            found[name] = float(child["value"])
        else:
            found[name] = float(best[here])
    return found


def _json(path):
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _LONGEST:
            raise ValueError("too long")
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataFormatError(
            f"{path} is no JSON file. Let PyAutoLens write its results again."
        ) from error
