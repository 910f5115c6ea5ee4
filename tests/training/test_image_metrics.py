"""PSNR and SSIM, beside scikit-image."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from lensfinder.errors import MetricError
from lensfinder.training.image_metrics import WINDOW, data_range, image_figures, psnr, ssim


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(1)
    truth = 50 + 3 * rng.normal(size=(3, 23, 20, 2))
    return truth.astype("f4"), (truth + rng.normal(size=truth.shape)).astype("f4")


def spans(truth):
    return truth.max(axis=(1, 2, 3)) - truth.min(axis=(1, 2, 3))


def test_psnr_is_that_of_scikit_image(pair):
    truth, image = pair
    oracle = [
        peak_signal_noise_ratio(a, b, data_range=span)
        for a, b, span in zip(truth, image, spans(truth), strict=True)
    ]
    np.testing.assert_allclose(psnr(truth, image), oracle, rtol=0, atol=1e-3)  # float32
    np.testing.assert_allclose(data_range(truth), spans(truth), rtol=1e-6)
    # ten times the error is 20 decibels
    worse = truth + 10 * (image - truth)
    np.testing.assert_allclose(psnr(truth, image) - psnr(truth, worse), 20, rtol=0, atol=1e-3)


def test_ssim_is_that_of_scikit_image(pair):
    truth, image = pair
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    oracle = [
        structural_similarity(
            a.astype(float), b.astype(float), data_range=span, channel_axis=-1, **options
        )
        for a, b, span in zip(truth, image, spans(truth), strict=True)
    ]
    np.testing.assert_allclose(ssim(truth, image), oracle, rtol=0, atol=1e-5)  # measured 1e-7
    assert np.ptp(oracle) > 1e-3
    shifted = ssim(truth, image + 5)  # the light counts, not the structure alone
    assert np.all(np.abs(shifted - np.array(oracle)) > 1e-4)


def test_equal_images_are_as_near_as_can_be(pair):
    truth, _ = pair
    found = image_figures(truth, truth, batch=2)
    np.testing.assert_allclose(found["ssim"], 1, rtol=0, atol=1e-5)
    assert np.all(found["psnr"] >= 190)


def test_the_unit_does_not_matter(pair):
    one, other = image_figures(*pair), image_figures(*(1e-3 * x for x in pair))
    for name, values in one.items():
        np.testing.assert_allclose(values, other[name], rtol=1e-4, atol=1e-4)


def test_what_cannot_be_compared_is_refused(pair):
    truth, image = pair
    with pytest.raises(MetricError, match="at least 11 pixels"):
        ssim(truth[:, : WINDOW - 1], image[:, : WINDOW - 1])
    with pytest.raises(MetricError, match="same images"):
        image_figures(truth, image[:2])
    with pytest.raises(MetricError, match="not finite"):
        image_figures(truth, np.where(image == image.max(), np.nan, image))
