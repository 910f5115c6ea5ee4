"""What is fitted: order of the pixels, rays, blurring, and what is refused."""

import numpy as np
import pytest
from scipy import ndimage
from systems import SCALE, gaussian_psf, lopsided_psf

from lensfinder.errors import ArgumentError, InversionError, MaskError, NoiseMapError, PsfError
from lensfinder.inversion import annulus, observe

SHAPE = (40, 34)
MASK = annulus(SHAPE, pixel_scale=SCALE, inner=0.4, outer=1.4)


def observed(image, noise=1.0, **changes):
    arguments = dict(psf=gaussian_psf(), pixel_scale=SCALE, mask=MASK) | changes
    return observe(image, noise, **arguments)


def test_every_pixel_of_the_mask_is_there_once_and_goes_back_to_its_place(rng):
    image = rng.normal(size=SHAPE)
    seen = observed(image)
    assert len(seen) == MASK.sum()
    assert np.array_equal(seen.image(seen.data), np.where(MASK, image, 0.0))
    assert np.array_equal(
        np.concatenate([np.arange(len(seen))[t] for t in seen.tiles]), np.arange(len(seen))
    )
    x = (seen.columns - (SHAPE[1] - 1) / 2) * SCALE
    y = (seen.rows - (SHAPE[0] - 1) / 2) * SCALE
    np.testing.assert_allclose([seen.x, seen.y], [x, y], rtol=0, atol=1e-14)


def test_rays_fill_their_pixel_evenly(rng):
    seen = observed(rng.normal(size=SHAPE))
    x, y = (ray.reshape(len(seen), 9) for ray in seen.rays(3))
    np.testing.assert_allclose(
        [x.mean(axis=1), y.mean(axis=1)], [seen.x, seen.y], rtol=0, atol=1e-14
    )
    np.testing.assert_allclose(np.ptp(x, axis=1), SCALE * 2 / 3, rtol=1e-12, atol=0)
    assert np.abs(x[:, 1] - x[:, 0]).min() > 0, "x runs fastest"
    assert np.abs(y[:, 1] - y[:, 0]).max() == 0


def test_blurring_is_convolution_within_the_mask(rng):
    kernel = lopsided_psf()
    seen = observed(rng.normal(size=SHAPE), psf=3.0 * kernel)
    sharp = rng.normal(size=len(seen))
    image = ndimage.convolve(seen.image(sharp), kernel, mode="constant")
    # Rounding: 121 products of order one.
    np.testing.assert_allclose(
        seen.blur @ sharp, image[seen.rows, seen.columns], rtol=0, atol=1e-13
    )
    flipped = ndimage.convolve(seen.image(sharp), kernel[::-1], mode="constant")
    assert np.abs(seen.blur @ sharp - flipped[seen.rows, seen.columns]).max() > 1e-3


def test_no_psf_blurs_nothing(rng):
    seen = observed(rng.normal(size=SHAPE), psf=None)
    assert np.array_equal(seen.blur.toarray(), np.eye(len(seen)))


def broken(value, where=MASK):
    image = np.ones(SHAPE)
    image[tuple(np.argwhere(where)[0])] = value
    return image


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        (dict(mask=np.zeros(SHAPE, bool)), MaskError, "no pixel"),
        (dict(mask=np.ones((5, 5), bool)), MaskError, "shape of the image"),
        (dict(mask=np.ones(SHAPE)), MaskError, "boolean"),
        (dict(psf=np.ones((41, 3))), PsfError, "larger than the image.*Crop"),
        (dict(psf=np.ones((4, 3))), PsfError, "odd sides"),
        (dict(psf=np.ones(3)), PsfError, "odd sides"),
        (dict(psf=-np.ones((3, 3))), PsfError, "positive sum"),
        (dict(psf=np.full((3, 3), np.nan)), PsfError, "finite"),
        (dict(noise=broken(np.nan)), NoiseMapError, "1 of .* standard deviations"),
        (dict(noise=broken(-4.0)), NoiseMapError, "not variances"),
        (dict(noise=0.0), NoiseMapError, "zero"),
        (dict(noise=np.ones((3, 3))), NoiseMapError, "map of shape"),
        (dict(image=broken(np.nan)), NoiseMapError, "1 of .* NaN or infinite"),
        (dict(image=broken(np.inf)), NoiseMapError, "Take them out"),
        (dict(image=np.ones((3, *SHAPE))), ArgumentError, "one band"),
        (dict(pixel_scale=0.0), ArgumentError, "positive pixel scale"),
    ],
)
def test_what_cannot_be_fitted_is_refused(changes, error, words):
    arguments = dict(image=np.ones(SHAPE)) | changes
    with pytest.raises(error, match=words) as caught:
        observed(**arguments)
    assert error is ArgumentError or isinstance(caught.value, InversionError)


def test_bad_pixels_outside_the_mask_do_not_matter():
    outside = broken(np.nan, where=~MASK)
    assert len(observed(outside, np.abs(outside))) == MASK.sum()
