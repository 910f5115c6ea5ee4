"""What a region that is off looks like."""

import numpy as np
import pytest

from lensfinder.data.scatter import border_scatter
from lensfinder.explain.background import central_shape, fill_images, smooth_galaxy
from tests.explain import planted

SCALE = 0.1


def galaxy(q=0.6, phi=0.5, side=61, size=0.5):
    """An elliptical Gaussian on a sky of 0.3."""
    axis = (np.arange(side) - (side - 1) / 2) * SCALE
    x, y = axis[None], axis[:, None]
    along, across = x * np.cos(phi) + y * np.sin(phi), y * np.cos(phi) - x * np.sin(phi)
    return 0.3 + np.exp(-(q * along**2 + across**2 / q) / (2 * size**2))


def ring(side=61, radius=1.4):
    """A complete Einstein ring."""
    axis = (np.arange(side) - (side - 1) / 2) * SCALE
    return 0.5 * np.exp(-((np.hypot(axis[None], axis[:, None]) - radius) ** 2) / (2 * 0.12**2))


@pytest.mark.parametrize(("q", "phi"), [(0.6, 0.5), (0.8, -1.2), (1.0, 0.0)])
def test_the_shape_of_a_galaxy_is_measured(q, phi):
    x, y, found, angle = central_shape(galaxy(q, phi), SCALE)
    assert max(abs(x), abs(y)) < 1e-6
    assert found == pytest.approx(q, abs=0.02)  # the sky that is cut off at one sigma
    if q < 1:
        assert np.cos(2 * (angle - phi)) > 0.999


def test_a_smooth_galaxy_is_its_own_model():
    image = galaxy()[..., None]
    model = smooth_galaxy(image, SCALE, shape=central_shape(image[..., 0], SCALE))
    assert np.abs(model - image).max() < 0.05  # of a peak of 1: rings are one pixel wide
    circles = smooth_galaxy(image, SCALE, shape=(0.0, 0.0, 1.0, 0.0))
    assert np.abs(circles - image).max() > 0.1  # the test can see a wrong shape


def test_arcs_and_even_rings_are_taken_off():
    lens = galaxy(q=0.9)
    for light in (planted.blob(planted.contract(stamp=61).groups[0]), ring()):
        image = (lens + light)[..., None]
        model = smooth_galaxy(image, SCALE, shape=central_shape(image[..., 0], SCALE))[..., 0]
        bright = light > 0.5 * light.max()
        left = np.abs(model - lens)[bright].mean() / light[bright].mean()
        assert left < 0.25  # measured 0.18: the ring leaves the level of the gap inside it
        median_only = np.median(image[bright]) - np.median(lens[bright])
        assert median_only > 0.3 * light.max()  # what a median along the ring would leave of it


def test_the_fill_has_the_noise_of_the_sky(rng):
    of = planted.contract(two=True, stamp=96)
    images = planted.images(of, noise=0.05)
    for fill in ("galaxy", "sky"):
        filled = fill_images(images, of, fill=fill, rng=rng)
        assert {name: image.shape for name, image in filled.items()} == of.shapes
        for image in filled.values():
            _, sigma = border_scatter(image)
            # 350 pixels give the noise to 6 % by their median absolute deviation, twice in a row
            assert sigma == pytest.approx(0.05, rel=0.35)
    bare = fill_images(images, of, fill="sky", rng=rng)["vis"]
    whole = fill_images(images, of, fill="galaxy", rng=rng)["vis"]
    middle = (slice(46, 50), slice(46, 50), 0)
    assert abs(bare[middle].mean()) < 0.1
    assert whole[middle].mean() == pytest.approx(2.0, abs=0.2)  # the galaxy's peak


def test_a_stamp_without_light_is_filled_with_sky(rng):
    of = planted.contract()
    filled = fill_images({"vis": np.full((48, 48, 1), 0.2, np.float32)}, of, rng=rng)
    np.testing.assert_allclose(filled["vis"], 0.2, rtol=1e-6)
