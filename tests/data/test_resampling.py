"""Resampling: flux, moments, centres, and what a bad pixel may spoil."""

import numpy as np
import pytest

from lensfinder.data.resampling import covers, crop, overlap_matrix, resample
from lensfinder.errors import StampShapeError

# of the output pixel's area: grids with aligned phases miss Sheppard's correction by up to b^2/48
TOLERANCE = 0.025


def gaussian(stamp, scale, sigma, x0=0.0, y0=0.0):
    axis = (np.arange(stamp) - (stamp - 1) / 2) * scale
    profile = np.exp(-((axis[None] - x0) ** 2 + (axis[:, None] - y0) ** 2) / (2 * sigma**2))
    return profile / profile.sum()


def moments(image, scale):
    image = image.astype(float)
    axis = (np.arange(len(image)) - (len(image) - 1) / 2) * scale
    x, y = (image.sum(0) @ axis) / image.sum(), (image.sum(1) @ axis) / image.sum()
    return x, y, (image.sum(0) @ (axis - x) ** 2) / image.sum()


@pytest.mark.parametrize(
    ("scale", "stamp", "out_scale", "out_stamp"),
    [(0.05, 281, 0.1, 141), (0.08, 140, 0.1, 112), (0.168, 101, 0.1, 170), (0.14, 61, 0.3, 29)],
)
def test_flux_centre_and_width(scale, stamp, out_scale, out_stamp):
    image = gaussian(stamp, scale, sigma=0.6, x0=0.3, y0=-0.2)
    result = resample(image, scale, out_scale, out_stamp)
    assert result.shape == (out_stamp, out_stamp)
    assert result.dtype == np.float32
    # 1e-6: float32 sums; the Gaussian is below 1e-9 of its peak outside either grid
    assert result.sum(dtype=float) == pytest.approx(image.sum(), rel=1e-6)
    x, y, variance = moments(result, out_scale)
    # aliasing of the two grids, measured 2e-3 of an output pixel
    assert (x, y) == pytest.approx((0.3, -0.2), abs=5e-3 * out_scale)
    # squares of uniform brightness add a^2/12; binning adds b^2/12 (Sheppard's correction)
    expected = moments(image, scale)[2] + (scale**2 + out_scale**2) / 12
    assert variance == pytest.approx(expected, abs=TOLERANCE * out_scale**2)
    assert variance != pytest.approx(expected - out_scale**2 / 12, abs=TOLERANCE * out_scale**2)


def test_whole_number_ratios_are_block_sums(rng):
    image = rng.normal(size=(24, 24)).astype(np.float32)
    blocks = image.reshape(12, 2, 12, 2).sum((1, 3))
    np.testing.assert_allclose(resample(image, 0.1, 0.2), blocks, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(resample(image, 0.1, 0.1), image)


def test_orientation_is_kept():
    image = np.zeros((9, 9))
    image[7, 2] = 1.0  # high row, low column
    result = resample(image, 0.1, 0.3)
    assert np.unravel_index(result.argmax(), (3, 3)) == (2, 0)


def test_a_bad_pixel_spoils_what_it_overlaps(rng):
    image = rng.normal(size=(12, 12))
    image[0, 0] = np.nan
    result = resample(image, 0.1, 0.2)
    assert np.isnan(result[0, 0])
    assert np.isnan(result).sum() == 1
    image[0, 0] = np.inf
    assert np.isnan(resample(image, 0.1, 0.15)).sum() == 1


def test_overlaps_sum_to_one_where_covered():
    matrix = overlap_matrix(50, 0.08, 30, 0.1)
    covered = np.abs((np.arange(50) - 24.5) * 0.08) < 1.4
    np.testing.assert_allclose(matrix.sum(0)[covered], 1.0, rtol=1e-12)
    assert (matrix.sum(0) <= 1 + 1e-12).all()


def test_crop_takes_the_middle():
    image = np.arange(36.0).reshape(6, 6)
    np.testing.assert_array_equal(crop(image, 2), [[14, 15], [20, 21]])
    np.testing.assert_array_equal(crop(image, 6), image)
    with pytest.raises(StampShapeError, match="Cannot cut"):
        crop(image, 7)


def test_covers():
    assert covers((57, 80), 0.1, 0.1, 57)
    assert covers((19, 19), 0.3, 0.1, 57)
    assert not covers((80, 56), 0.1, 0.1, 57)


@pytest.mark.parametrize(
    ("shape", "scale"), [((4,), 0.1), ((2, 4, 4), 0.1), ((4, 4), 0.0), ((4, 4), -1.0)]
)
def test_impossible_input(shape, scale):
    with pytest.raises(StampShapeError):
        resample(np.zeros(shape), scale, 0.1)


def test_not_even_one_pixel():
    with pytest.raises(StampShapeError, match="fits"):
        resample(np.zeros((2, 2)), 0.1, 1.0)
