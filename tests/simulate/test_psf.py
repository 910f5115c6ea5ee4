"""Point spread functions: flux, the analytic Gaussian, and images of any orientation."""

from math import erf

import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_allclose

from lensfinder.errors import SpecError
from lensfinder.simulate.psf import GAUSSIAN_SIGMA, SeparablePsf, gauss_nodes
from lensfinder.specs import load_survey

FWHM = 0.17


def gaussian_pixels(n, scale, fwhm, x=0.0, y=0.0):
    """A Gaussian integrated over each pixel, by the error function."""
    edges = (np.arange(n + 1) - n / 2) * scale
    root = fwhm * GAUSSIAN_SIGMA * 2**0.5
    across, up = (np.diff([0.5 * erf((e - at) / root) for e in edges]) for at in (x, y))
    return up[:, None] * across[None, :]


def point_source(psf, n, scale, x, y):
    """Image of a point of unit flux."""
    rows, columns = psf.operators([y], n, scale), psf.operators([x], n, scale)
    pairs = zip(rows, columns, strict=True)
    return sum(row[0][:, :1] * column[1][:, 0] for row, column in pairs)


def two_blobs(n=201, scale=0.02):
    """A lopsided PSF: a main Gaussian and a third of it up and to the right, more up."""
    main = gaussian_pixels(n, scale, 0.2)
    return 0.75 * main + 0.25 * gaussian_pixels(n, scale, 0.2, x=0.2, y=0.5)


@pytest.mark.parametrize("order", [1, 2, 4, 12])
def test_nodes_integrate_polynomials_exactly(order):
    positions, weights = gauss_nodes(5, 0.3, order)
    assert weights.sum() == pytest.approx(0.3, rel=1e-12)
    power = 2 * order - 1
    found = (np.tile(weights, 5) * (positions + 1) ** power).sum()
    exact = ((1 + 0.75) ** (power + 1) - (1 - 0.75) ** (power + 1)) / (power + 1)
    assert found == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("kind", ["gaussian", "image"])
def test_flux_is_conserved(kind):
    """To 1e-6 where the stamp holds the whole PSF; for any node in the middle of the stamp."""
    psf = SeparablePsf.gaussian(FWHM)
    if kind == "image":
        psf = SeparablePsf.from_image(two_blobs(), 0.02)
    nodes = np.linspace(-0.5, 0.5, 21)
    for x in nodes:
        assert point_source(psf, 71, 0.1, x, -0.3 * x).sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("scale", [0.05, 0.1, 0.3])
def test_a_point_source_is_the_analytic_gaussian(scale):
    found = point_source(SeparablePsf.gaussian(FWHM), 31, scale, 0.123, -0.287)
    exact = gaussian_pixels(31, scale, FWHM, 0.123, -0.287)
    assert_allclose(found, exact, rtol=0, atol=1e-6 * exact.max())
    wrong = gaussian_pixels(31, scale, 1.01 * FWHM, 0.123, -0.287)
    assert np.abs(found - wrong).max() > 1e-4 * exact.max()  # 1 % wider is seen


def test_an_image_of_a_gaussian_is_a_gaussian():
    """17 samples per FWHM; the spline through their running sum is good to 1e-4 of the peak."""
    image = gaussian_pixels(201, 0.01, FWHM)
    psf = SeparablePsf.from_image(7.0 * image, 0.01)  # its normalisation does not matter
    assert len(psf.kernels) == 1
    assert psf.fwhm == pytest.approx(FWHM, rel=0.02)
    gaussian = SeparablePsf.gaussian(FWHM)
    for x, y in ((0, 0), (0.033, 0.071)):
        exact = point_source(gaussian, 31, 0.1, x, y)
        assert_allclose(point_source(psf, 31, 0.1, x, y), exact, rtol=0, atol=1e-4 * exact.max())


def test_an_asymmetric_image_keeps_its_orientation():
    psf = SeparablePsf.from_image(two_blobs(), 0.02)
    found = point_source(psf, 31, 0.1, 0.1, -0.2)
    main = gaussian_pixels(31, 0.1, 0.2, 0.1, -0.2)
    exact = 0.75 * main + 0.25 * gaussian_pixels(31, 0.1, 0.2, 0.3, 0.3)
    assert_allclose(found, exact, rtol=0, atol=1e-3 * exact.max())
    blob = np.unravel_index(np.argmax(found - 0.75 * main), found.shape)
    assert blob == (15 + 3, 15 + 3)
    turned = 0.75 * main + 0.25 * gaussian_pixels(31, 0.1, 0.2, 0.6, 0.0)  # transposed
    assert np.abs(found - turned).max() > 0.1 * exact.max()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_rank_is_cut_where_nothing_is_lost(seed):
    """A rough PSF comes back to 1e-5 of its flux; one of rank two costs two terms."""
    rough = np.random.default_rng(seed).uniform(size=(15, 21)) * gaussian_pixels(21, 1, 8)[3:18]
    psf = SeparablePsf.from_image(rough, 0.1)
    rows = sum(np.outer(r[0][:, 0], c[1][:, 0]) for r, c in _own_pixels(psf, rough.shape))
    assert np.abs(rows - rough / rough.sum()).sum() < 1e-5
    assert len(SeparablePsf.from_image(two_blobs(), 0.02).kernels) == 2


def _own_pixels(psf, shape):
    height, width = (psf.operators([0.0], side, 0.1) for side in shape)
    return zip(height, width, strict=True)


def test_the_psf_of_a_band_comes_from_its_file(tmp_path):
    band = load_survey("euclid-vis").band("VIS")
    np.save(tmp_path / "psf.npy", two_blobs())
    fits.writeto(tmp_path / "psf.fits", two_blobs())
    images = []
    for name in ("psf.npy", "psf.fits"):
        change = {"psf_fwhm": None, "psf_file": str(tmp_path / name), "psf_scale": 0.02}
        psf = SeparablePsf.of_band(band.model_copy(update=change))
        images.append(point_source(psf, 31, 0.1, 0, 0))
    assert_allclose(*images, atol=1e-9)
    assert SeparablePsf.of_band(band).fwhm == 0.17


@pytest.mark.parametrize("name", ["missing.fits", "missing.npy", "text.fits", "pickle.npy"])
def test_a_psf_file_that_is_none(tmp_path, name):
    (tmp_path / "text.fits").write_text("not FITS")
    np.save(tmp_path / "pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    band = load_survey("euclid-vis").band("VIS")
    change = {"psf_fwhm": None, "psf_file": str(tmp_path / name), "psf_scale": 0.02}
    with pytest.raises(SpecError, match="cannot be read as a PSF"):
        SeparablePsf.of_band(band.model_copy(update=change))


@pytest.mark.parametrize(
    "image",
    [
        np.ones((4, 5)),
        np.ones((5, 5, 1)),
        np.ones((1, 1)),
        np.zeros((5, 5)),
        -np.ones((5, 5)),
        np.full((5, 5), np.nan),
    ],
    ids=["even", "cube", "one pixel", "dark", "negative", "NaN"],
)
def test_an_image_that_is_no_psf(image):
    with pytest.raises(SpecError, match="PSF image must"):
        SeparablePsf.from_image(image, 0.1)
