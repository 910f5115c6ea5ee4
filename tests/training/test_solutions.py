"""The three solutions of a lens, on a small mock without the simulator."""

from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lensfinder.errors import ArgumentError, InversionError
from lensfinder.inversion import MassModel
from lensfinder.inversion.pixels import pixel_centres
from lensfinder.inversion.relation import SOLUTIONS
from lensfinder.lensing.sersic import sersic_profile
from lensfinder.specs import load_survey
from lensfinder.training.solutions import (
    Scan,
    gaussian_kernel,
    make_inverter,
    noise_map,
    observed,
    places,
    three_solutions,
)

SURVEY = load_survey("euclid-vis-maresca2021")
BAND, SCALE = SURVEY.bands[0], 0.1
MASS = MassModel(theta_E=1.1, q=0.75, phi=0.4)
SCAN = Scan(source_pixels=150, steps=3, size=32)


@cache
def clean(side=48, fine=4, x=0.12, y=-0.06):
    """Noiseless image of a bright source, electron/s; blurred by the kernel of the inversion."""
    from scipy import ndimage

    px, py = pixel_centres((side * fine, side * fine), SCALE / fine)
    beta = MASS.trace(*np.broadcast_arrays(px, py))
    sharp = sersic_profile(*beta, flux=0.1, R_e=0.15, n=1.0, q=0.8, phi=0.3, x0=x, y0=y)
    sharp = sharp.reshape(side, fine, side, fine).mean(axis=(1, 3))
    return ndimage.convolve(sharp, gaussian_kernel(BAND.psf_fwhm, SCALE), mode="constant")


@cache
def solved(x=0.12, y=-0.06):
    inverter = make_inverter(clean(x=x, y=y), band=BAND, pixel_scale=SCALE, scan=SCAN)
    return three_solutions(inverter, MASS, scan=SCAN)


def test_the_evidence_chooses_the_truth_on_a_noiseless_mock():
    under, correct, over = solved()
    assert [solution.kind for solution in (under, correct, over)] == list(SOLUTIONS)
    assert correct.theta_E == pytest.approx(MASS.theta_E, abs=1e-9)  # the middle of the scan
    assert correct.log_evidence > max(under.log_evidence, over.log_evidence) + 10
    assert under.theta_E < 0.9 * MASS.theta_E < 1.1 * MASS.theta_E < over.theta_E


def test_sizes_are_as_the_paper_says():
    under, correct, over = (solution.inputs["source"][..., 0] for solution in solved())
    axis = np.arange(32) - 15.5
    r = np.hypot(axis[:, None], axis)

    def extent(image):
        light = np.clip(image, 0, None) * (image > 0.1)
        return float((light * r).sum() / light.sum())

    # a compact source, a copy of about half the size of the image, and one as large as the image
    assert extent(correct) < 0.7 * extent(under) < 0.7 * extent(over)


def test_the_over_magnified_copy_is_upside_down():
    x, y = 0.4, -0.2  # two images, the brighter one on the side of the source
    for solution in solved(x, y):
        row, column = np.unravel_index(solution.inputs["source"][..., 0].argmax(), (32, 32))
        along = (column - 15.5) * x + (row - 15.5) * y
        assert (along < 0) == (solution.kind == "over")


def test_places_of_the_scan():
    found = places(1.2, SCAN)
    assert list(found) == list(SOLUTIONS)
    assert_allclose(found["correct"][1], 1.2)
    assert_allclose(found["under"][1], 0.46 * 1.2 - 0.08)
    assert_allclose(found["over"][1], 2.11 * 1.2 + 0.16)
    for theta in (0.05, 0.3, 2.5):  # the bounds of the paper's full fits hold for all of them
        some = places(theta, SCAN)
        assert (some["under"] > 0).all()
        assert (some["under"] <= 0.9 * theta + 1e-12).all()
        assert (some["over"] >= 1.1 * theta - 1e-12).all()


def test_noise_is_what_the_map_says():
    rng = np.random.default_rng(1)
    level = np.full((200, 200), 0.5)
    image = observed(level, BAND, rng)
    sigma = noise_map(level, BAND)
    # 40,000 pixels: 5 sigma of the mean is 2.5 % of sigma, of the standard deviation 1.8 %
    assert abs(image.mean() - 0.5) < 0.025 * sigma.mean()
    assert abs(image.std() / sigma.mean() - 1) < 0.018
    assert sigma.mean() == pytest.approx(np.sqrt((1 + 0.5) / 565), rel=1e-12)


def test_the_kernel_has_the_width_of_the_band():
    kernel = gaussian_kernel(0.4, 0.1)
    x, _ = pixel_centres(kernel.shape, 0.1)
    sigma = np.sqrt((kernel * x**2).sum())
    assert kernel.sum() == pytest.approx(1)
    assert sigma == pytest.approx(0.4 / 2.3548, rel=2e-3)  # cut at four sigma


def test_lenses_that_cannot_be_used_are_refused():
    empty = observed(np.zeros((48, 48)), BAND, np.random.default_rng(2))
    with pytest.raises(InversionError):
        make_inverter(empty, band=BAND, pixel_scale=SCALE, scan=SCAN)
    x, y = pixel_centres((48, 48), SCALE)
    one_image = 5 * np.exp(-((x - 1.5) ** 2 + y**2) / 0.05)
    with pytest.raises(InversionError, match="on one side of the lens"):
        make_inverter(one_image, band=BAND, pixel_scale=SCALE, scan=SCAN)
    other = BAND.model_copy(update={"psf_fwhm": None})
    with pytest.raises(ArgumentError, match="Gaussian PSF"):
        make_inverter(clean(), band=other, pixel_scale=SCALE, scan=SCAN)
