"""The annulus found from the image."""

import numpy as np
import pytest
from systems import SCALE, Source, a_lens

from lensfinder.errors import MaskError, NoiseMapError
from lensfinder.inversion import MassModel, annular_mask, annulus


def test_a_ring_gets_ninety_and_a_hundred_and_ten_percent_of_its_radii():
    shape, centre = (80, 90), dict(x=0.35, y=-0.25)
    ring = annulus(shape, pixel_scale=SCALE, inner=1.5, outer=2.5, **centre)
    found = annular_mask(ring * 5.0, 1.0, pixel_scale=SCALE)
    # The outermost centres of a filled ring lie within a pixel of its edges.
    assert found.inner == pytest.approx(0.9 * 1.5, abs=0.9 * SCALE)
    assert found.outer == pytest.approx(1.1 * 2.5, abs=1.1 * SCALE)
    assert (found.x, found.y) == pytest.approx((0.35, -0.25), abs=0.1 * SCALE)
    assert np.array_equal(found.arc, ring)
    again = annulus(
        shape, pixel_scale=SCALE, inner=found.inner, outer=found.outer, x=found.x, y=found.y
    )
    assert np.array_equal(np.asarray(found), again)


def test_the_arcs_of_a_lens_are_inside_with_noise_as_without():
    lens = a_lens(
        mass=MassModel(theta_E=1.2, q=0.8, phi=0.4), source=Source(R_e=0.15, x=0.1, y=0.05)
    )
    noisy = annular_mask(lens.image, lens.noise, pixel_scale=SCALE)
    clean = annular_mask(lens.clean, pixel_scale=SCALE)
    bright = lens.clean > 0.2 * lens.clean.max()
    for found in (noisy, clean):
        assert found.pixels[bright].all()
        assert 0 < found.inner < 1.2 < found.outer
    # One peak of 50 sigma in a corner is no arc; without its neighbours it changes nothing.
    spiked = lens.image.copy()
    spiked[2, 2] = 50 * lens.noise
    found = annular_mask(spiked, lens.noise, pixel_scale=SCALE)
    assert not found.arc[2, 2]
    assert found.outer == pytest.approx(noisy.outer, abs=2 * SCALE)  # it moves Li's threshold a bit
    spiked[2:4, 2:4] = 50 * lens.noise
    found = annular_mask(spiked, lens.noise, pixel_scale=SCALE)
    assert found.arc[2, 2]
    assert found.outer > noisy.outer + 1.0


def test_what_does_not_surround_the_lens_gets_a_disc_about_it():
    spot = annulus((80, 80), pixel_scale=SCALE, inner=0.0, outer=0.3, x=1.5, y=0.4)
    found = annular_mask(spot * 5.0, 1.0, pixel_scale=SCALE)
    assert (found.x, found.y, found.inner) == (0.0, 0.0, 0.0)
    assert found.outer == pytest.approx(1.1 * (np.hypot(1.5, 0.4) + 0.3), abs=1.1 * SCALE)
    assert found.pixels[40, 40], "where the counter-image would be"
    assert np.array_equal(found.arc, spot)
    paper = annular_mask(spot * 5.0, 1.0, pixel_scale=SCALE, disc=False)
    assert paper.x == pytest.approx(1.5, abs=SCALE)
    assert not paper.pixels[40, 40]
    ring = annulus((80, 80), pixel_scale=SCALE, inner=1.0, outer=1.5, x=0.6, y=0.0)
    assert annular_mask(ring * 5.0, 1.0, pixel_scale=SCALE).inner > 0, "this one surrounds it"


def test_noise_alone_is_no_arc(rng):
    with pytest.raises(MaskError, match="touching pixels.*annulus"):
        annular_mask(rng.normal(size=(60, 60)), 1.0, pixel_scale=SCALE)


@pytest.mark.parametrize(
    ("image", "noise", "error", "words"),
    [
        (np.zeros((20, 20)), 1.0, MaskError, "constant"),
        (np.zeros((20, 20, 1)), 1.0, MaskError, "2 axes"),
        (np.full((20, 20), np.nan), 1.0, NoiseMapError, "finite"),
        (np.eye(20), -1.0, NoiseMapError, "positive"),
        (np.eye(20), np.full((20, 20), np.nan), NoiseMapError, "positive"),
    ],
    ids=["constant", "cube", "nan", "negative noise", "nan noise"],
)
def test_what_has_no_mask_says_so(image, noise, error, words):
    with pytest.raises(error, match=words):
        annular_mask(image, noise, pixel_scale=SCALE)
