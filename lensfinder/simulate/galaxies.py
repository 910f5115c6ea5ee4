"""Galaxies as one or two Sérsic components with fluxes in every band."""

import numpy as np

from lensfinder.errors import SpecError
from lensfinder.simulate import photometry

# Offsets within the block of streams of a galaxy
_BRIGHTNESS, _SIZE, _INDEX, _AXIS, _ANGLE = 0, 1, 2, 3, 4
_BULGE = {"fraction": 8, "size_ratio": 9, "sersic_index": 10, "axis_ratio": 11}
STREAMS_PER_GALAXY = 16


def draw_galaxy(
    name, galaxy, survey, draws, stream, z, cosmology, *, sigma_v=None, shape=None, offset=0
):
    """Draw one galaxy per object.

    Parameters
    ----------
    name : str
        Prefix of its columns.
    galaxy : Galaxy
        From what.
    survey : Survey
        Whose bands.
    draws : Draws
        The objects.
    stream : str
        Name of the first stream.
    z : array (N,)
        Redshifts.
    cosmology : str
        Its name.
    sigma_v : array (N,) or None
        Velocity dispersion, km/s, for scaling relations.
    shape : dict or None
        ``q`` and ``phi`` if they are not drawn here.
    offset : int
        Added to the stream, for the k-th neighbour.

    Returns
    -------
    dict of str to array (N,)
        ``<name>_R_e`` (arcsec), ``_n``, ``_q``, ``_phi`` (rad), ``_flux_<band>`` (electron/s) of
        the main component and the same of ``<name>_bulge`` if there is one.
    """

    def u(k):
        return draws(stream, offset + k)

    absolute = _absolute(galaxy, u(_BRIGHTNESS), z, sigma_v)
    R_e = _radius(galaxy.size, u(_SIZE), z, cosmology, sigma_v, absolute)
    n = galaxy.sersic_index.draw(u(_INDEX), "")
    if shape is None:
        if galaxy.axis_ratio is None:
            raise SpecError(f"The galaxies {name!r} need an axis_ratio. Add one.")
        shape = {
            "q": np.clip(galaxy.axis_ratio.draw(u(_AXIS), ""), 0.1, 1.0),
            "phi": np.pi * u(_ANGLE),
        }
    columns = {f"{name}_R_e": R_e, f"{name}_n": n} | {f"{name}_{k}": v for k, v in shape.items()}
    share = 1.0
    if galaxy.bulge is not None:
        part = {key: getattr(galaxy.bulge, key).draw(u(step), "") for key, step in _BULGE.items()}
        share = 1.0 - part["fraction"]
        columns |= {
            f"{name}_bulge_R_e": R_e * part["size_ratio"],
            f"{name}_bulge_n": part["sersic_index"],
            f"{name}_bulge_q": np.clip(part["axis_ratio"], 0.1, 1.0),
            f"{name}_bulge_phi": shape["phi"],
        }
    for band in survey.bands:
        flux = _flux(
            galaxy, galaxy.template, band, survey, u(_BRIGHTNESS), absolute, z, cosmology, R_e, n
        )
        columns[f"{name}_flux_{band.name}"] = flux * share
        if galaxy.bulge is not None:
            flux = _flux(
                galaxy,
                galaxy.bulge_template,
                band,
                survey,
                u(_BRIGHTNESS),
                absolute,
                z,
                cosmology,
                R_e,
                n,
            )
            columns[f"{name}_bulge_flux_{band.name}"] = flux * (1.0 - share)
    return columns


def _absolute(galaxy, u, z, sigma_v):
    """Rest-frame magnitude, or None if the brightness is given as observed."""
    brightness = galaxy.brightness
    if brightness.kind == "early_type":
        return photometry.early_type_magnitude(_needs(sigma_v)) + brightness.scatter.draw(u, "mag")
    if brightness.kind == "absolute":
        return brightness.magnitude.draw(u, "mag") - brightness.evolution * z
    return None


def _flux(galaxy, template, band, survey, u, absolute, z, cosmology, R_e, n):
    brightness = galaxy.brightness
    if brightness.kind == "intensity":
        area = survey.finest.pixel_scale**2
        intensity = brightness.intensity.draw(u, "electron/s")
        return intensity / area * photometry.sersic_flux_per_intensity(R_e, n)
    if brightness.kind == "apparent":
        magnitude = photometry.observed_magnitude(
            template, brightness.magnitude.draw(u, "mag"), brightness.wavelength, band.wavelength, z
        )
    else:
        rest = photometry.REST_R if brightness.kind == "early_type" else brightness.wavelength
        magnitude = photometry.apparent_magnitude(
            template, absolute, rest, band.wavelength, z, cosmology
        )
    return band.flux(magnitude)


def _radius(size, u, z, cosmology, sigma_v, absolute):
    """Effective radius, arcsec."""
    if size.kind == "angular":
        return size.radius.draw(u, "arcsec")
    if size.kind == "early_type":
        kpc = photometry.early_type_radius(_needs(sigma_v)) * 10.0 ** size.scatter_dex.draw(u, "")
    else:
        kpc = size.radius.draw(u, "kpc") * (1.0 + z) ** -size.evolution
        if size.luminosity_slope:
            if absolute is None:
                raise SpecError("luminosity_slope needs a brightness of kind absolute.")
            kpc = kpc * 10.0 ** (-0.4 * size.luminosity_slope * (absolute - size.pivot_magnitude))
    return kpc / photometry.kpc_per_arcsec(z, cosmology)


def _needs(sigma_v):
    if sigma_v is None:
        raise SpecError("The scaling relations of kind early_type are for lens galaxies only.")
    return sigma_v
