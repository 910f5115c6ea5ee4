"""Moments of a galaxy: an ellipse known in advance, GalSim, neighbours and noise."""

import numpy as np
import pytest
import skies

from lensfinder.errors import SimulationError
from lensfinder.paint import Moments, adaptive_moments
from lensfinder.paint.moments import corner_noise


def gaussian(side=65, scale=0.168, *, sigma=0.8, q=0.7, phi=0.6, x=0.1, y=-0.2):
    axis = (np.arange(side) - (side - 1) / 2) * scale
    dx, dy = axis[None, :] - x, axis[:, None] - y
    u, v = np.cos(phi) * dx + np.sin(phi) * dy, np.cos(phi) * dy - np.sin(phi) * dx
    return np.exp(-0.5 * (q * u**2 + v**2 / q) / sigma**2)


@pytest.mark.parametrize("phi", [0.0, 0.6, 2.5])
def test_an_elliptical_gaussian_is_found_exactly(phi):
    found = adaptive_moments(gaussian(phi=phi), 0.168)
    got = (found.x, found.y, found.q, found.sigma)
    # sampled at points, so nothing is lost but at the edge of the weight, 5 sigma
    np.testing.assert_allclose(got, (0.1, -0.2, 0.7, 0.8), rtol=0, atol=2e-4)
    assert np.cos(2 * (found.phi - phi)) > 1 - 1e-6
    wrong = adaptive_moments(gaussian(phi=phi, q=0.71), 0.168)
    assert abs(wrong.q - 0.7) > 5e-3  # the test can see 1 %


def test_galsim_finds_the_same():
    galsim = pytest.importorskip("galsim")
    for k in range(4):
        image = skies.galaxy(k).bands["i"].astype(np.float64)
        ours = adaptive_moments(image, 0.168)
        theirs = galsim.hsm.FindAdaptiveMom(galsim.Image(image, scale=1.0))
        centre = (np.array([theirs.moments_centroid.x, theirs.moments_centroid.y]) - 1) * 0.168
        centre -= 0.168 * (np.array(image.shape[::-1]) - 1) / 2
        # galsim stops when a step changes the moments by less than 1e-6 of its own units; both
        # cut the weight at 5 sigma. Measured: 2e-4 arcsec, 4e-4 in q, 1e-3 rad
        np.testing.assert_allclose((ours.x, ours.y), centre, rtol=0, atol=2e-3)
        assert ours.sigma == pytest.approx(theirs.moments_sigma * 0.168, rel=3e-3)
        q = (1 - theirs.observed_shape.g) / (1 + theirs.observed_shape.g)
        assert ours.q == pytest.approx(q, abs=3e-3)
        angle = ours.phi - theirs.observed_shape.beta.rad
        assert abs((angle + np.pi / 2) % np.pi - np.pi / 2) < 0.01


def test_a_neighbour_moves_plain_moments_but_not_these():
    alone = adaptive_moments(gaussian(), 0.168)
    both = gaussian() + 0.5 * gaussian(x=4.0, y=3.5, sigma=0.4)
    found = adaptive_moments(both, 0.168)
    assert abs(found.q - alone.q) < 0.01
    axis = np.arange(65) - 32.0
    plain = (both * axis).sum() / both.sum() * 0.168
    assert abs(plain - 0.1) > 0.2
    assert abs(found.x - 0.1) < 0.01


def test_turning_the_image_turns_the_moments():
    image = gaussian(side=64)
    found = adaptive_moments(image, 0.168)
    for quarters in range(5):
        turned = adaptive_moments(np.rot90(image, -quarters), 0.168)
        # rows count upwards here, so a turn of the sky counter-clockwise is one of rot90 backwards
        expected = found.turned(quarters)
        for name in ("x", "y", "q", "sigma"):
            assert getattr(turned, name) == pytest.approx(getattr(expected, name), abs=1e-6)
        assert np.cos(2 * (turned.phi - expected.phi)) > 1 - 1e-9
    assert isinstance(found.turned(1), Moments)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((40, 40)), "no light"),
        (-gaussian(40), "no light"),
        (gaussian(x=2.0, y=2.0), "from the middle"),
        (np.ones((40, 40)), "do not settle"),
    ],
    ids=["dark", "negative", "beside", "flat"],
)
def test_what_is_no_galaxy_is_refused(image, words):
    with pytest.raises(SimulationError, match=words):
        adaptive_moments(image, 0.168)


def test_the_noise_is_that_of_the_quietest_corner(rng):
    image = rng.normal(0, 0.5, (200, 200))
    image[:20, :20] += 30  # a star in one corner, and a bright one in the middle
    image[90:110, 90:110] += 1000
    # 400 pixels: 3.5 % of scatter
    assert corner_noise(image) == pytest.approx(0.5, rel=0.12)
