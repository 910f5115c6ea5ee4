"""Tiny surveys, mocks and files for the tests of the data room."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lensfinder.specs import InputContract, Survey


def band(name, zero_point=25.0, wavelength=700.0):
    return {
        "name": name,
        "wavelength": wavelength,
        "psf_fwhm": 0.2,
        "zero_point": zero_point,
        "exposure_time": 500.0,
        "sky": 0.2,
        "read_noise": 5.0,
        "dark_current": 0.01,
    }


@pytest.fixture(scope="session")
def survey():
    """Two groups: 16 px at 0.1 arcsec in V, 8 px at 0.3 arcsec in J and H."""
    return Survey.model_validate(
        {
            "name": "tiny",
            "description": "for tests",
            "groups": [
                {"name": "vis", "stamp": 16, "pixel_scale": 0.1, "bands": [band("V")]},
                {
                    "name": "nir",
                    "stamp": 8,
                    "pixel_scale": 0.3,
                    "bands": [band("J", 26.0, 1300.0), band("H", 26.0, 1700.0)],
                },
            ],
        }
    )


@pytest.fixture(scope="session")
def contract(survey):
    return InputContract.from_survey(survey)


@pytest.fixture(scope="session")
def vis(survey):
    """The contract of the first group alone."""
    return InputContract.from_survey(survey, groups=["vis"])


@pytest.fixture
def images(survey, rng):
    return {g.name: rng.normal(size=(3, *g.shape)).astype(np.float32) for g in survey.groups}


@pytest.fixture
def put(tmp_path):
    """Write a FITS file from (EXTNAME, array, keywords) triples; the first may be primary."""

    def write(name, *units, primary=None, **options):
        hdus = [fits.PrimaryHDU()]
        for extname, array, header in units:
            unit = fits.ImageHDU(array)
            unit.header.update(header)
            if extname:
                unit.header["EXTNAME"] = extname
            hdus.append(unit)
        hdus[0].header.update(primary or {})
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fits.HDUList(hdus).writeto(path, **options)
        return path

    return write


KNOWN = {"PIXSCALE": 0.1, "BUNIT": "electron/s", "MAGZERO": 25.0}


@pytest.fixture
def known():
    """Keywords that make a band fit the tiny survey."""
    return dict(KNOWN)


def mocks(survey, count, batch, seed=0):
    """Batches of noise with a truth table; row i is the same for every batch size."""
    rng = np.random.default_rng(seed)
    pixels = {
        group.name: rng.standard_normal((count, *group.shape), dtype=np.float32)
        for group in survey.groups
    }
    truth = Table(
        {
            "id": [f"m{row:04d}" for row in range(count)],
            "label": np.arange(count) % 2,
            "theta_E": rng.uniform(0.5, 2.0, count),
            "kind": ["lens" if row % 2 else "spiral" for row in range(count)],
        }
    )
    truth["theta_E"].unit = "arcsec"
    for start in range(0, count, batch):
        part = slice(start, start + batch)
        cut = {name: array[part] for name, array in pixels.items()}
        yield SimpleNamespace(
            images=cut,
            truth=truth[part],
            planes={"S2": {"vis": 2 * cut["vis"]}},
        )


@pytest.fixture(scope="session")
def make_mocks(survey):
    return lambda count, batch, **options: mocks(survey, count, batch, **options)
