"""The circle around the source in the middle, and the centre of a stamp enlarged."""

import cv2
import numpy as np
import pytest

from lensfinder.data.blobs import ZOOM, blob_mask, masked, zoom
from lensfinder.errors import FRONT_STATUS, ArgumentError, StampShapeError

SIDE = 111


def scene(rng, *, galaxy=True, ring=0.0, neighbour=None, bands=3):
    """A galaxy, an arc about it (radius in pixels), a neighbour (x, y); noise of sigma 1."""
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    image = np.zeros((SIDE, SIDE))
    if galaxy:
        image += 200.0 * np.exp(-(np.hypot(x, 1.3 * y) / 2.0))
    if ring:
        image += 12.0 * np.exp(-0.5 * ((np.hypot(x, y) - ring) / 1.5) ** 2) * (y > 0.2 * np.abs(x))
    if neighbour is not None:
        image += 60.0 * np.exp(-0.5 * ((x - neighbour[0]) ** 2 + (y - neighbour[1]) ** 2) / 3**2)
    sky = np.arange(1, bands + 1)  # the level of each band; it must not matter
    return (image[..., None] + rng.normal(0, 1, (SIDE, SIDE, bands)) + sky).astype(np.float32)


def raised(found, name):
    return bool(found.status & FRONT_STATUS[name])


def test_the_circle_holds_the_source_and_not_its_neighbours(rng):
    for place in ((38, 30), (-45, 0), (0, 44)):
        stamp = scene(rng, neighbour=place)
        found = blob_mask(stamp)
        assert not raised(found, "no_blob")
        assert np.hypot(found.x, found.y) < 1.5  # a pixel and a half of detection
        assert found.inside[SIDE // 2, SIDE // 2]
        row, column = place[1] + SIDE // 2, place[0] + SIDE // 2
        assert not found.inside[row, column]
        kept = masked(stamp, found.inside)
        assert stamp[row, column, 0] > 50  # the neighbour was there
        np.testing.assert_allclose(kept[row, column], [1, 2, 3], atol=0.3)  # the sky of each band
        assert np.array_equal(kept[found.inside], stamp[found.inside])


def test_an_arc_is_kept_or_the_circle_says_that_it_cuts_it(rng):
    for ring in (8, 12, 16, 20):
        found = blob_mask(scene(rng, ring=ring))
        assert found.inside[SIDE // 2 + ring, SIDE // 2], ring
        assert not raised(found, "arc_cut")
    wide = blob_mask(scene(rng, neighbour=(24, 0)))
    assert raised(wide, "arc_cut"), "the circle goes through it"
    assert not raised(blob_mask(scene(rng)), "arc_cut")


def test_more_sources_in_the_circle_are_told(rng):
    assert raised(blob_mask(scene(rng, neighbour=(9, 6))), "more_sources")
    assert raised(blob_mask(scene(rng, ring=14)), "more_sources"), "an arc is a source, too"
    alone = blob_mask(scene(rng))
    assert alone.status == 0
    assert alone.radius < 0.3 * SIDE


@pytest.mark.parametrize("neighbour", [None, (40, 40)], ids=["noise", "only a neighbour"])
def test_without_a_source_nothing_is_masked(neighbour, rng):
    found = blob_mask(scene(rng, galaxy=False, neighbour=neighbour))
    assert found.status == FRONT_STATUS["no_blob"]
    assert found.inside.all()
    assert np.isnan(found.radius)


def test_a_blank_stamp_has_no_source():
    assert blob_mask(np.zeros((64, 64, 1))).status == FRONT_STATUS["no_blob"]


@pytest.mark.parametrize("side", [51, 52, 111])
def test_zooming_is_resizing_the_centre_with_opencv(side, rng):
    stamp = rng.normal(0, 1, (side, side)).astype(np.float32)
    patch = side - 2 * (side // 4)  # of the same parity: cut without a shift of half a pixel
    edge = side // 4
    wanted = cv2.resize(stamp[edge:-edge, edge:-edge], (side, side), interpolation=cv2.INTER_LINEAR)
    found = zoom(stamp[None, ..., None], patch / side)[0, ..., 0]
    # at its border OpenCV repeats the patch's last pixel, where the stamp has more
    inner = slice(2, -2)
    np.testing.assert_allclose(found[inner, inner], wanted[inner, inner], atol=1e-4)
    assert np.abs(zoom(stamp[None, ..., None], 0.9)[0, ..., 0] - wanted)[inner, inner].max() > 0.1


def test_zooming_doubles_an_arc_about_the_middle_and_keeps_its_brightness():
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    ring = np.exp(-0.5 * ((np.hypot(x, y) - 10) / 3) ** 2)[None, ..., None].repeat(2, axis=3)
    row = zoom(ring)[0, SIDE // 2, :, 1]
    right = np.argmax(row[SIDE // 2 :])
    assert abs(right - 10 / ZOOM) <= 1  # whole pixels
    assert abs(row.max() - 1) < 0.02  # linear interpolation between pixels of a ring of sigma 3
    np.testing.assert_allclose(row, row[::-1], atol=1e-5)


def test_what_is_no_stamp_is_a_typed_error():
    with pytest.raises(StampShapeError, match="at least 8 pixels"):
        blob_mask(np.zeros((5, 5, 1)))
    with pytest.raises(ArgumentError, match="finite"):
        blob_mask(np.full((32, 32, 1), np.nan))
    with pytest.raises(StampShapeError, match="missing axis"):
        zoom(np.zeros((32, 32, 1)))
    with pytest.raises(ArgumentError, match="0 to 1"):
        zoom(np.zeros((1, 32, 32, 1)), 1.5)
