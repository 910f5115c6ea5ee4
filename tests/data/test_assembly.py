"""Cutouts to arrays: calibration, grids, every status, and neighbours that do not notice."""

import numpy as np
import pytest

from lensfinder.data import Assume, Cutout, assemble
from lensfinder.errors import STATUS, UnknownNameError


def cutout(
    identity="a", *, size=16, scale=0.1, unit="electron/s", zero_point=25.0, band="V", rng=0
):
    image = np.random.default_rng(rng).normal(size=(size, size)).astype(np.float32)
    return Cutout(
        identity,
        bands={band: image},
        pixel_scales={band: scale},
        units={band: unit},
        zero_points={band: zero_point},
    )


def spoil(change):
    spoiled = cutout("bad", rng=7)
    spoiled.bands["V"] = change(spoiled.bands["V"].copy())
    return spoiled


def put_value(value):
    def change(image):
        image[3, 3] = value
        return image

    return change


PATHOLOGIES = {
    "a NaN": (spoil(put_value(np.nan)), "nan_pixels"),
    "an infinity": (spoil(put_value(np.inf)), "nan_pixels"),
    "all NaN": (spoil(lambda image: image * np.nan), "nan_pixels"),
    "all zero": (spoil(lambda image: image * 0), "constant_image"),
    "constant": (spoil(lambda image: image * 0 + 5), "constant_image"),
    "1e30": (spoil(put_value(1e30)), "extreme_pixels"),
    "-2e9": (spoil(put_value(-2e9)), "extreme_pixels"),
    "too small": (spoil(lambda image: image[:8, :8]), "wrong_shape"),
    "not square": (spoil(lambda image: image[:8]), "wrong_shape"),
    "too large": (spoil(lambda image: np.tile(image, (2, 2))), "wrong_shape"),
    "one axis": (spoil(lambda image: image[0]), "wrong_shape"),
    "another scale": (cutout("bad", scale=0.2), "wrong_pixel_scale"),
    "no scale": (cutout("bad", scale=None), "wrong_pixel_scale"),
    "negative scale": (cutout("bad", scale=-0.1), "wrong_pixel_scale"),
    "another unit": (cutout("bad", unit="nanomaggy"), "wrong_unit"),
    "no unit": (cutout("bad", unit=None), "wrong_unit"),
    "another band": (cutout("bad", band="R"), "missing_band"),
    "no band": (Cutout("bad"), "missing_band"),
    "unreadable": (Cutout.failed("bad", "x.fits", "unreadable", "no FITS file"), "unreadable"),
    "truncated": (Cutout.failed("bad", "x.fits", "truncated", "cut"), "truncated"),
}


@pytest.mark.parametrize("name", sorted(PATHOLOGIES))
def test_a_bad_row_has_a_status_and_its_neighbours_do_not_notice(vis, name):
    bad, flag = PATHOLOGIES[name]
    good = [cutout("a", rng=1), cutout("b", rng=2)]
    alone = assemble(good, vis)
    batch = assemble([good[0], bad, good[1]], vis)
    assert batch.ids == ["a", "bad", "b"]
    assert batch.status.tolist() == [0, STATUS[flag], 0]
    assert batch.ok.tolist() == [True, False, True]
    assert batch.messages[1]
    assert batch.messages[0] == batch.messages[2] == ""
    assert not batch.images["vis"][1].any()
    np.testing.assert_array_equal(batch.images["vis"][[0, 2]], alone.images["vis"])
    np.testing.assert_array_equal(batch.images["vis"][2, :, :, 0], good[1].bands["V"])


def test_several_problems_are_all_named(contract):
    first = cutout(scale=0.2, unit="maggy")
    status = assemble([first], contract).status[0]
    expected = STATUS["missing_band"] | STATUS["wrong_pixel_scale"] | STATUS["wrong_unit"]
    assert status == expected  # J and H are missing, too


def test_nothing_in_nothing_out(contract):
    batch = assemble([], contract)
    assert len(batch) == 0
    assert {name: array.shape for name, array in batch.images.items()} == {
        "vis": (0, 16, 16, 1),
        "nir": (0, 8, 8, 2),
    }


def test_bands_go_to_their_group_and_channel(contract, survey, rng):
    whole = cutout("a")
    for band in ("H", "J"):  # the other way round than in the contract
        whole.bands[band] = rng.normal(size=(8, 8)).astype(np.float32)
        whole.pixel_scales[band], whole.units[band] = 0.3, "electron/s"
    batch = assemble([whole], contract)
    assert batch.status.tolist() == [0]
    np.testing.assert_array_equal(batch.images["nir"][0, :, :, 0], whole.bands["J"])
    np.testing.assert_array_equal(batch.images["nir"][0, :, :, 1], whole.bands["H"])


def test_band_map_and_assumptions(vis):
    hst = cutout(band="F814W", scale=None, unit=None, zero_point=None)
    assert assemble([hst], vis).status[0] == STATUS["missing_band"]
    batch = assemble(
        [hst], vis, band_map={"V": "F814W"}, assume=Assume(pixel_scale=0.1, unit="e-/s")
    )
    assert batch.status[0] == 0
    # what a file says is never overruled
    said = assemble([cutout(scale=0.2)], vis, assume=Assume(pixel_scale=0.1))
    assert said.status[0] == STATUS["wrong_pixel_scale"]


def test_calibration_between_zero_points(vis, survey):
    given = cutout(unit="nanomaggy", zero_point=None)
    batch = assemble([given], vis, calibrate=True, survey=survey)
    # 22.5 to 25.0: 10^(0.4 2.5) = 10
    np.testing.assert_allclose(batch.images["vis"][0, :, :, 0], 10 * given.bands["V"], rtol=1e-6)
    counts = cutout(unit="adu/s", zero_point=27.0)
    batch = assemble([counts], vis, calibrate=True, survey=survey)
    factor = 10 ** (0.4 * (25.0 - 27.0))
    np.testing.assert_allclose(
        batch.images["vis"][0, :, :, 0], factor * counts.bands["V"], rtol=1e-6
    )
    plain = cutout(zero_point=None)
    batch = assemble([plain], vis, calibrate=True, survey=survey)
    np.testing.assert_array_equal(batch.images["vis"][0, :, :, 0], plain.bands["V"])


def test_calibration_without_a_zero_point(vis, survey):
    for unit in ("adu/s", "furlong", None):
        unknown = cutout(unit=unit, zero_point=None)
        batch = assemble([unknown], vis, calibrate=True, survey=survey)
        assert batch.status[0] == STATUS["wrong_unit"]
    with pytest.raises(UnknownNameError):  # the contract's survey is not one of ours
        assemble([cutout()], vis, calibrate=True)


def test_resampling_brings_stamps_to_the_grid(vis, survey):
    fine = cutout(size=40, scale=0.05)
    batch = assemble([fine, cutout(size=21)], vis, resample=True)
    assert batch.status.tolist() == [0, 0]
    middle = fine.bands["V"][4:-4, 4:-4].reshape(16, 2, 16, 2).sum((1, 3))
    np.testing.assert_allclose(batch.images["vis"][0, :, :, 0], middle, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(
        batch.images["vis"][1, :, :, 0], cutout(size=21).bands["V"][2:18, 2:18]
    )


def test_an_image_that_is_too_small_is_not_padded_silently(vis):
    small = cutout(size=12)
    small.bands["V"] += 3.0
    batch = assemble([small], vis, resample=True)
    assert batch.status[0] == STATUS["edge"]
    padded = assemble([small], vis, resample=True, pad=True)
    assert padded.status[0] == 0
    assert "padded" in padded.messages[0]
    stamp = padded.images["vis"][0, :, :, 0]
    np.testing.assert_array_equal(stamp[2:14, 2:14], small.bands["V"])
    frame = np.concatenate(
        [small.bands["V"][[0, -1]].ravel(), small.bands["V"][1:-1, [0, -1]].ravel()]
    )
    assert stamp[0, 0] == pytest.approx(np.median(frame), rel=1e-6)


def test_an_absurd_pixel_scale_cannot_ask_for_a_gigantic_border(vis):
    batch = assemble([cutout(scale=1e-9)], vis, resample=True, pad=True)
    assert batch.status[0] == STATUS["wrong_pixel_scale"]


def test_bad_pixels_are_mended_only_when_asked(vis):
    bad = cutout()
    bad.bands["V"][5:7, 5] = np.nan
    assert assemble([bad], vis).status[0] == STATUS["nan_pixels"]
    batch = assemble([bad], vis, max_bad_fraction=0.01)
    assert batch.status[0] == 0
    assert "2 bad pixels" in batch.messages[0]
    block = bad.bands["V"][4:7, 4:7]
    assert batch.images["vis"][0, 5, 5, 0] == pytest.approx(np.nanmean(block), rel=1e-6)
    assert np.isfinite(batch.images["vis"]).all()
    assert assemble([bad], vis, max_bad_fraction=0.007).status[0] == STATUS["nan_pixels"]


def test_a_bad_pixel_outside_the_stamp_does_not_matter(vis):
    wide = cutout(size=30)
    wide.bands["V"][0, 0] = np.nan
    assert assemble([wide], vis, resample=True).status[0] == 0
