"""Galaxies, sources and a small survey to paint with: drawn, so that the truth is known."""

import numpy as np

from lensfinder.data import Cutout
from lensfinder.lensing import sersic_profile
from lensfinder.specs import load_survey

BAND = """
      - name: {name}
        wavelength: {{value: {wavelength}, unit: nm, source: test}}
        psf_fwhm: {{value: 0.6, unit: arcsec, source: test}}
        zero_point: {{value: {zero_point}, unit: mag, source: test}}
        exposure_time: {{value: 150, unit: s, source: test}}
        n_exposures: 4
        sky: {{value: 20, unit: electron/s, source: test}}
        read_noise: {{value: 4.5, unit: electron, source: test}}
        dark_current: {{value: 0, unit: electron/s, source: test}}
"""
SURVEY = """
name: small
description: for tests
groups:
  - name: cam
    stamp: 40
    pixel_scale: {value: 0.168, unit: arcsec, source: test}
    bands:
""" + "".join(
    BAND.format(name=name, wavelength=wavelength, zero_point=zero_point).lstrip("\n")
    for name, wavelength, zero_point in (("g", 480, 28.9), ("i", 773, 28.6))
)
NOISE = 1.0  # electron/s, RMS of the sky of the galaxies
SCALE, SOURCE_SCALE = 0.168, 0.03


def survey(folder):
    """The small survey, from a file in `folder`."""
    path = folder / "small.yaml"
    path.write_text(SURVEY)
    return load_survey(path)


def sersic_image(side, scale, *, over=3, **shape):
    """A Sérsic profile in pixels of `side` by `side`, each the mean of `over` x `over` points."""
    axis = ((np.arange(side * over) + 0.5) / over - side / 2) * scale
    light = sersic_profile(axis[None, :], axis[:, None], **shape)
    return light.reshape(side, over, side, over).mean(axis=(1, 3)) * scale**2


def galaxy(k, *, side=80, scale=SCALE, unit="electron/s", zero_points=(28.9, 28.6), **options):
    """Galaxy k with noise: bands g and i, wider than the stamps of the survey."""
    rng = np.random.default_rng((17, k))
    shape = {"R_e": rng.uniform(0.6, 1.2), "n": 2.0, "q": rng.uniform(0.55, 0.95)}
    shape |= {"phi": rng.uniform(0, np.pi), "x0": rng.normal(0, 0.05), "y0": rng.normal(0, 0.05)}
    cutout = Cutout(f"galaxy-{k}", **options)
    for band, flux, zero_point in zip("gi", (800.0, 3000.0), zero_points, strict=True):
        image = sersic_image(side, scale, flux=flux, **shape)
        cutout.bands[band] = (image + rng.normal(0, NOISE, image.shape)).astype(np.float32)
        cutout.pixel_scales[band], cutout.units[band] = scale, unit
        cutout.zero_points[band] = zero_point
    return cutout


def source(k, *, side=81, noise=0.0, flux=30.0, bands=("g", "i")):
    """Sharp source k at 0.03 arcsec per pixel, zero point 26; free of sky unless there is noise."""
    rng = np.random.default_rng((18, k))
    shape = {"R_e": 0.2, "n": 1.0, "q": 0.7, "phi": rng.uniform(0, np.pi)}
    image = sersic_image(side, SOURCE_SCALE, flux=flux, **shape)
    if not noise:
        axis = np.arange(side) - side // 2
        image[np.hypot(axis, axis[:, None]) > 0.45 * side] = 0.0
    image = image + (rng.normal(0, noise, image.shape) if noise else 0.0)
    cutout = Cutout(f"source-{k}")
    for factor, band in enumerate(bands, 1):
        cutout.bands[band] = (image * factor).astype(np.float32)
        cutout.pixel_scales[band], cutout.units[band] = SOURCE_SCALE, "electron/s"
        cutout.zero_points[band] = 26.0
    return cutout


def catalogue(count, **columns):
    """Redshift and dispersion of galaxies 0 to count - 1."""
    from astropy.table import Table

    table = Table({"id": [f"galaxy-{k}" for k in range(count)]})
    table["z_lens"] = np.linspace(0.3, 0.5, count)
    table["sigma_v"] = np.linspace(220.0, 300.0, count)
    for name, values in columns.items():
        table[name] = values
    return table


def source_catalogue(count):
    """Redshifts of sources 0 to count - 1."""
    from astropy.table import Table

    ids = [f"source-{k}" for k in range(count)]
    return Table({"id": ids, "z_src": np.linspace(1.5, 2.5, count)})
