from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose
from systems import MASS, SCALE, Source, a_lens

from lensfinder.errors import ArgumentError, NoiseMapError
from lensfinder.inversion import (
    AdaptiveGrid,
    Inverter,
    MassModel,
    RectangularGrid,
    annulus,
    classifier_inputs,
    classifier_inputs_from_arrays,
    reconstruction_contract,
)
from lensfinder.inversion.frame import ROOM, Frame

SIZE = 32
AWAY = Source(x=0.35, y=-0.2)  # far enough from the lens to see where it lands


ADAPTIVE = AdaptiveGrid(pixels=200, sub=2)


@cache
def reconstruction(grid=ADAPTIVE):
    lens = a_lens(source=AWAY, snr=100.0)
    inverter = Inverter(lens.image, lens.noise, **lens.known, source=grid)
    return inverter.invert(MASS)


def centroid(image, frame):
    x, y = frame.points()
    x, y = frame.average(x), frame.average(y)
    bright = np.where(image > 0.3, image, 0.0)
    return [float((bright * axis).sum() / bright.sum()) for axis in (x, y)]


def frame_of(found, size=SIZE):
    seen, centre = found.observation, (found.mass.x, found.mass.y)
    return Frame.around(seen.x, seen.y, centre=centre, pixel_scale=SCALE, size=size)


@pytest.mark.parametrize("grid", [ADAPTIVE, RectangularGrid(sub=2)])
def test_a_known_source_lands_where_it_is(grid):
    found = reconstruction(grid)
    inputs = classifier_inputs(found, size=SIZE)
    frame = frame_of(found)
    assert inputs["source"].shape == inputs["residual"].shape == (SIZE, SIZE, 1)
    assert inputs["source"].dtype == inputs["residual"].dtype == np.float32
    # half of a pixel of the frame, 0.18 arcsec; the source's offset is 0.4
    assert_allclose(
        centroid(inputs["source"][..., 0], frame), (AWAY.x, AWAY.y), atol=0.5 * frame.pixel_scale
    )


def test_brightness_is_divided_by_its_peak_and_no_more():
    found = reconstruction()
    frame = frame_of(found)
    source = classifier_inputs(found, size=SIZE)["source"][..., 0]
    assert np.abs(source).max() == 1.0
    x, y = frame.points()
    averaged = frame.average(found.source_at(x, y))
    bright = source > 0.2
    assert bright.sum() > 5
    # one factor for all pixels, float32: surface brightness is kept, not flux per pixel
    assert_allclose(averaged[bright] / source[bright], averaged.max(), rtol=1e-5)


def test_the_residual_keeps_its_scale_and_is_zero_outside_the_mask():
    found = reconstruction()
    residual = classifier_inputs(found, size=120)["residual"][..., 0]
    frame = frame_of(found, 120)
    x, y = (frame.average(axis) for axis in frame.points())
    r = np.hypot(x - MASS.x, y - MASS.y)
    assert not residual[(r < 0.3) | (r > 2.4)].any()
    inside = (r > 0.7) & (r < 2.0)
    # bilinear between pixels makes noise of unit variance smaller, to 2/3 of its rms on average
    assert 0.5 < residual[inside].std() < 0.9
    assert_allclose(frame.half, ROOM * 2.2, atol=ROOM * 1.5 * SCALE)  # the mask's outer radius


def test_a_mirrored_lens_gives_mirrored_frames():
    lens = a_lens(source=AWAY)
    mass = MassModel(theta_E=1.2, q=0.75, phi=0.4)
    mirrored = mass.model_copy(update={"phi": np.pi - mass.phi})
    # a rectangular mesh over a mirrored mask is the mirrored mesh; a clustered one is only similar
    grid = RectangularGrid(shape=(20, 20), sub=2)
    found = []
    for image, mask, model in (
        (lens.image, lens.mask, mass),
        (lens.image[:, ::-1], lens.mask[:, ::-1], mirrored),
    ):
        inverter = Inverter(
            image, lens.noise, psf=lens.psf, pixel_scale=SCALE, mask=mask, source=grid
        )
        found.append(classifier_inputs(inverter.invert(model, strength=1.0), size=SIZE))
    for name in ("source", "residual"):
        one, other = found[0][name], found[1][name][:, ::-1]
        # rays are traced in other order: rounding, through a matrix of condition 1e6
        assert_allclose(other, one, atol=1e-4 * np.abs(one).max())
        assert np.abs(found[1][name] - one).max() > 0.1 * np.abs(one).max()  # a frame has parity


def test_arrays_from_elsewhere_give_the_same():
    found = reconstruction()
    side, scale = 240, 0.02  # a picture of the source, much finer than the frame
    axis = (np.arange(side) - (side - 1) / 2) * scale
    picture = found.source_at(axis[None, :] + 0.1, axis[:, None] - 0.05)
    known = dict(
        noise=a_lens(source=AWAY, snr=100.0).noise,
        source_scale=scale,
        pixel_scale=SCALE,
        size=SIZE,
        source_centre=(0.1, -0.05),
        centre=(MASS.x, MASS.y),
        mask=found.fitted,
    )
    inputs = classifier_inputs_from_arrays(picture, found.residual, **known)
    expected = classifier_inputs(found, size=SIZE)
    assert_allclose(inputs["residual"], expected["residual"], atol=1e-5)  # float32
    near = np.abs(expected["source"]) > 0.2

    def apart(some):
        return np.abs(some["source"] - expected["source"])[near].max()

    assert apart(inputs) < 0.03  # the picture is bilinear in between
    moved = classifier_inputs_from_arrays(np.roll(picture, 9, axis=1), found.residual, **known)
    assert apart(moved) > 0.1  # the test sees a picture that is a pixel off


def test_bad_arguments_say_what_to_do():
    source, residual = np.ones((8, 8)), np.ones((8, 8))
    known = dict(noise=1.0, source_scale=0.05, pixel_scale=0.1)
    with pytest.raises(ArgumentError, match="2 axes"):
        classifier_inputs_from_arrays(source[None], residual, **known)
    with pytest.raises(ArgumentError, match="must be positive"):
        classifier_inputs_from_arrays(source, residual, **known | {"pixel_scale": 0.0})
    with pytest.raises(ArgumentError, match="4 or more pixels"):
        classifier_inputs_from_arrays(source, residual, **known, size=3)
    with pytest.raises(ArgumentError, match="No pixel was fitted"):
        classifier_inputs_from_arrays(source, 0 * residual, **known)
    with pytest.raises(ArgumentError, match="one number or a map"):
        classifier_inputs_from_arrays(source, residual, **known | {"noise": np.ones(3)})
    with pytest.raises(NoiseMapError, match="standard deviations"):
        classifier_inputs_from_arrays(source, residual, **known | {"noise": 0.0})


def test_the_frame_does_not_depend_on_the_einstein_radius():
    # the same lens, twice as large on the sky, fills the same part of its frame
    halves = []
    for factor in (1, 2):
        mask = annulus((60, 60), pixel_scale=0.1 * factor, inner=0.5 * factor, outer=2.0 * factor)
        j = np.argwhere(mask)[:, 1]
        i = np.argwhere(mask)[:, 0]
        x, y = (j - 29.5) * 0.1 * factor, (i - 29.5) * 0.1 * factor
        frame = Frame.around(x, y, centre=(0, 0), pixel_scale=0.1 * factor, size=64)
        halves.append(frame.half)
    assert_allclose(halves[1], 2 * halves[0], rtol=1e-12)


def test_contract_of_a_classifier():
    contract = reconstruction_contract("euclid-vis", 64)
    assert contract.shapes == {"source": (64, 64, 1), "residual": (64, 64, 1)}
    assert contract.unit == "1"
