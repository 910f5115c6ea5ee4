"""COOLEST templates (Galan et al. 2023) with a pixelised source, read without their package.

The source is the only light of kind ``PixelatedRegularGrid`` or ``IrregularGrid``, its values in a
FITS file beside the template; the lens the only mass of kind ``SIE`` and ``ExternalShear``. A
template has no residual: that image comes beside it. Profiles of light in other entities than that
of the source are light of the lens; a template does not say how they look behind the PSF.
"""

import json
from pathlib import Path

import numpy as np
from astropy.io import fits

from lensfinder.audit.elsewhere import Reconstruction, noise_of, rasterise, read_plane
from lensfinder.data.fits_file import FitsFile
from lensfinder.data.guard import decoding
from lensfinder.errors import DataFormatError, PixelScaleError
from lensfinder.inversion.mass import MassModel
from lensfinder.lensing.ellipticity import Ellipticity

REGULAR, IRREGULAR = "PixelatedRegularGrid", "IrregularGrid"
LENS, SHEAR = "SIE", "ExternalShear"
_LONGEST = 1 << 24  # bytes of a template; theirs have a hundredth of it
_SQUARE = 1e-3  # relative difference of the two sides that a pixel may have


def read_coolest(file, *, residual, noise=None, image=None) -> Reconstruction:
    """A reconstruction from a COOLEST template and the residual image of its model.

    Parameters
    ----------
    file : path-like
        The template, JSON.
    residual : path-like
        FITS image of observation minus model, on the pixels of the observation.
    noise : float, path-like or None
        Standard deviation of the residual; that of the template when None.
    image : path-like or None
        FITS image of the observation without the light of the lens.

    Returns
    -------
    Reconstruction
        With a mass if it is an isothermal ellipsoid, and the image if the template has one and
        no light of the lens; else there is a `remark` instead.

    Raises
    ------
    DataFormatError
        If the template is not one, or has not exactly one pixelised source.
    PixelScaleError
        If the template has no pixel size.
    ArgumentError
        If there is no noise.
    """
    path = Path(file)
    template = _template(path)
    scale = _pixel_scale(template, path)
    residual, _ = read_plane(residual, scale=scale, option="pixel_size of the template")
    observation = template.get("observation") or {}
    noise = noise_of(_noise(observation, path) if noise is None else noise, residual.shape)
    shining, remark = _lens_lights(template), ""
    if image is not None:
        image, _ = read_plane(image, scale=scale, option="pixel_size of the template")
    elif shining:
        remark = (
            f"the template has light of the lens ({', '.join(shining)}), which the image still "
            "holds: no second opinion by parity; give the image without it (--image)"
        )
    else:
        image = _observed(observation, path, scale)
    source, source_scale, centre = _source(template, path)
    return Reconstruction(
        id=path.stem,
        source=source,
        source_scale=source_scale,
        source_centre=centre,
        residual=residual,
        noise=noise,
        pixel_scale=scale,
        image=image,
        image_noise=None if image is None else noise,
        mass=_mass(template, path),
        remark=remark,
    )


def _template(path) -> dict:
    if not path.is_file():
        raise DataFormatError(f"{path} does not exist. Name a COOLEST template.")
    try:
        if path.stat().st_size > _LONGEST:
            raise ValueError("too long")
        found = json.loads(path.read_bytes())
        if found["standard"] != "COOLEST":
            raise ValueError("another standard")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataFormatError(
            f"{path} is no COOLEST template. Expected JSON with the standard COOLEST."
        ) from error
    return found


def _pixel_scale(template, path):
    size = (template.get("instrument") or {}).get("pixel_size")
    placeholder = "lensfinder.pixel_size" in (template.get("meta") or {})
    if not isinstance(size, int | float) or not size > 0 or placeholder:
        raise PixelScaleError(
            f"{path} does not say how large the pixels of the image are. Write pixel_size into "
            "its instrument."
        )
    return float(size)


def _profiles(template, kind):
    """Every profile of one kind of model (``light_model``, ``mass_model``)."""
    for entity in template.get("lensing_entities") or []:
        yield from entity.get(kind) or []


def _lens_lights(template) -> list[str]:
    """Kinds of the profiles of light in entities that have no pixelised one."""
    found = []
    for entity in template.get("lensing_entities") or []:
        kinds = [str(profile.get("type")) for profile in entity.get("light_model") or []]
        found += [] if {REGULAR, IRREGULAR} & set(kinds) else kinds
    return found


def _source(template, path):
    lights = [
        p for p in _profiles(template, "light_model") if p.get("type") in (REGULAR, IRREGULAR)
    ]
    if len(lights) != 1:
        raise DataFormatError(
            f"{path} has {len(lights)} pixelised lights. Expected one: the source. Remove others."
        )
    try:
        pixels = lights[0]["parameters"]["pixels"]
        name = pixels["fits_file"]["path"]
        sides = [pixels["field_of_view_x"], pixels["field_of_view_y"]]
        edges = np.array(sides, dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise DataFormatError(
            f"The pixelised source of {path} names no FITS file or no field of view. Write both."
        ) from error
    place = _beside(path, name)
    if lights[0]["type"] == IRREGULAR:
        return rasterise(*_points(place))
    values, _ = read_plane(place, scale=1.0, option="field_of_view of the template")
    steps = (edges[:, 1] - edges[:, 0]) / values.shape[::-1]
    if edges.shape != (2, 2) or not (np.isfinite(steps) & (steps != 0)).all():
        raise PixelScaleError(f"The source of {path} has no field of view. Write both its edges.")
    if not np.isclose(*np.abs(steps), rtol=_SQUARE, atol=0):
        raise PixelScaleError(
            f"The source of {path} has pixels of {steps[0]:.4g} by {steps[1]:.4g} arcsec. Expected "
            "squares."
        )
    # an axis may be written from its larger edge to its smaller one
    values = values[:: int(np.sign(steps[1])), :: int(np.sign(steps[0]))]
    centre = edges.mean(axis=1)
    return np.ascontiguousarray(values), float(abs(steps[0])), (float(centre[0]), float(centre[1]))


def _points(place):
    """x, y and brightness of an irregular grid: the first three columns of a table."""
    unit = FitsFile(place).table(None)  # sizes are checked before anything is decoded
    if unit is None:
        raise DataFormatError(f"{place} holds no table of x, y and z. Write it again.")
    with decoding(place):
        rows = fits.getdata(place, unit.index)
        return [np.asarray(rows.field(i), dtype=np.float64) for i in range(3)]


def _beside(path, name) -> Path:
    """A file named in a template: it lies in the folder of the template."""
    place = path.parent / str(name)
    if not name or place.resolve().parent != path.parent.resolve():
        raise DataFormatError(f"{path} names the file {name!r}. Put it beside the template.")
    if not place.is_file():
        raise DataFormatError(f"{place} is missing. Put it beside the template that names it.")
    return place


def _observed(observation, path, scale):
    name = ((observation.get("pixels") or {}).get("fits_file") or {}).get("path")
    if not name:
        return None
    return read_plane(_beside(path, name), scale=scale, option="pixel_size of the template")[0]


def _noise(observation, path):
    """Noise as the template gives it: a map or one number; None for what we do not read."""
    noise = observation.get("noise") or {}
    if noise.get("type") == "NoiseMap":
        name = ((noise.get("noise_map") or {}).get("fits_file") or {}).get("path")
        return _beside(path, name) if name else None
    if noise.get("type") == "UniformGaussianNoise":
        return noise.get("std_dev")
    return None


def _mass(template, path) -> MassModel | None:
    masses = list(_profiles(template, "mass_model"))
    lenses = [profile for profile in masses if profile.get("type") == LENS]
    shears = [profile for profile in masses if profile.get("type") == SHEAR]
    if len(lenses) != 1 or len(shears) > 1 or len(masses) > len(lenses) + len(shears):
        return None
    try:
        lens = _values(lenses[0])
        shear = _values(shears[0]) if shears else {"gamma_ext": 0.0, "phi_ext": 0.0}
        phi = float(Ellipticity.from_coolest(lens["q"], lens["phi"]).position_angle())
        angle = 2 * np.radians(shear["phi_ext"] + 90.0)
        return MassModel(
            theta_E=lens["theta_E"],
            q=lens["q"],
            phi=phi,
            x=lens["center_x"],
            y=lens["center_y"],
            gamma1=float(shear["gamma_ext"] * np.cos(angle)),
            gamma2=float(shear["gamma_ext"] * np.sin(angle)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataFormatError(
            f"The lens of {path} has no point estimates that a lens can have. Complete it."
        ) from error


def _values(profile) -> dict[str, float]:
    return {
        name: float(parameter["point_estimate"]["value"])
        for name, parameter in profile["parameters"].items()
    }
