"""RELIABILITY B5: 25 things that can be wrong with a band, in each of three bands of a batch."""

import numpy as np
import pytest

from lensfinder.data import read_cutouts
from lensfinder.errors import STATUS
from lensfinder.predict import Fitting, Network
from tests import tiny

BANDS = ("VIS", "H", "J")
CENTRE = slice(6, 10)


def pixels(change):
    """A pathology that rewrites the image of a band."""

    def apply(cutout, band):
        cutout.bands[band] = change(cutout.bands[band].copy())

    return apply


def put(value, where):
    def change(image):
        image[where] = value
        return image

    return pixels(change)


def saturated(image):
    image[CENTRE, CENTRE] = np.minimum(image, 1e4).max() + 1e4
    image[:, 8] = 1e4
    return image


def masked(image):
    image[:8] = 0.0
    return image


# name -> (what happens to a band, flag; None where a score is due)
PATHOLOGIES = {
    "one NaN": (put(np.nan, (3, 4)), "nan_pixels"),
    "one infinity": (put(np.inf, (3, 4)), "nan_pixels"),
    "minus infinity": (put(-np.inf, (3, 4)), "nan_pixels"),
    "a row of NaN": (put(np.nan, 5), "nan_pixels"),
    "all NaN": (put(np.nan, slice(None)), "nan_pixels"),
    "all zero": (put(0.0, slice(None)), "constant_image"),
    "constant": (put(3.7, slice(None)), "constant_image"),
    "constant, negative": (put(-1e-3, slice(None)), "constant_image"),
    "1e30": (put(1e30, (8, 8)), "extreme_pixels"),
    "-1e30": (put(-1e30, (8, 8)), "extreme_pixels"),
    "largest float32": (put(np.finfo(np.float32).max, (8, 8)), "extreme_pixels"),
    "saturated": (pixels(saturated), None),
    "half masked": (pixels(masked), None),
    "cosmic ray": (put(5e4, (2, 13)), None),
    "negative sky": (pixels(lambda x: x - 50), None),
    "sky gradient": (pixels(lambda x: x + np.linspace(0, 30, 16, dtype=np.float32)), None),
    "tiny numbers": (pixels(lambda x: x * np.float32(1e-30)), None),
    "big-endian": (pixels(lambda x: x.astype(">f4")), None),
    "float64": (pixels(lambda x: x.astype(np.float64)), None),
    "int16": (pixels(lambda x: np.round(x * 100).astype(np.int16)), None),
    "too small": (pixels(lambda x: x[1:-1, 1:-1]), "wrong_shape"),
    "too large": (pixels(lambda x: np.pad(x, 1)), "wrong_shape"),
    "not square": (pixels(lambda x: x[:, :-3]), "wrong_shape"),
    "missing": (lambda cutout, band: cutout.bands.pop(band), "missing_band"),
    "other pixel scale": (
        lambda cutout, band: cutout.pixel_scales.update({band: 0.7}),
        "wrong_pixel_scale",
    ),
    "other unit": (lambda cutout, band: cutout.units.update({band: "adu"}), "wrong_unit"),
}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("preset")
    return Network(tiny.save(folder, groups=("vis", "nisp")), "finder", batch_size=8)


def cutouts():
    return tiny.cutouts(8, tiny.contract(groups=("vis", "nisp")))


@pytest.fixture(scope="module")
def clean(network):
    answers = network(cutouts())
    assert not answers.status.any()
    assert np.ptp(answers.values) > 1e-3, "the test could not see an exchange of rows"
    return answers.values[:, 0]


def test_there_are_25_pathologies():
    assert len(PATHOLOGIES) >= 25
    assert len(BANDS) == 3


@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("name", PATHOLOGIES)
def test_a_score_or_a_reason_and_the_neighbours_unchanged(network, clean, name, band):
    change, flag = PATHOLOGIES[name]
    batch = cutouts()
    change(batch[3], band)
    answers = network(batch)
    others = np.arange(8) != 3
    # RELIABILITY B5: 1e-6
    np.testing.assert_allclose(answers.values[others, 0], clean[others], rtol=0, atol=1e-6)
    assert not answers.status[others].any()
    score, names = answers.values[3, 0], STATUS.decode(answers.status[3]).split(",")
    if flag is None:
        assert names == ["ok"]
        assert 0 <= score <= 1
    else:
        assert flag in names
        assert np.isnan(score)
        assert band in answers.messages[3]


def test_a_mended_pixel_is_noted_and_scored(network, clean):
    batch = cutouts()
    batch[3].bands["H"][4, 4] = np.nan
    answers = network(batch, fitting=Fitting(max_bad_fraction=0.05))
    assert answers.status[3] == 0
    assert np.isfinite(answers.values[3, 0])
    assert "1 bad pixels of band H" in answers.messages[3]


def test_the_comparison_of_neighbours_can_fail(network, clean):
    """The control: a neighbour that did change would be seen."""
    batch = cutouts()
    batch[4].bands["VIS"] = batch[4].bands["VIS"] * 2
    assert np.abs(network(batch).values[:, 0] - clean).max() > 1e-4


@pytest.mark.parametrize(("bitpix", "bzero"), [(16, 32768), (-32, 0), (-64, 0), (32, 0)], ids=str)
def test_integers_with_a_zero_and_big_endian_files(network, tmp_path, bitpix, bzero):
    """int16 with BZERO and big-endian pixels, as FITS files have them."""
    from astropy.io import fits

    reference = cutouts()[0]
    units = [fits.PrimaryHDU()]
    kind = {16: np.uint16, 32: np.int32, -32: np.float32, -64: np.float64}[bitpix]
    for band, image in reference.bands.items():
        counts = np.round(image * 100 + 300) if bitpix > 0 else image
        unit = fits.ImageHDU(counts.astype(kind), name=band)
        unit.header["PIXSCALE"] = reference.pixel_scales[band]
        unit.header["BUNIT"] = "electron/s"
        units.append(unit)
    fits.HDUList(units).writeto(tmp_path / "one.fits")
    assert (units[1].header.get("BZERO", 0), units[1].header["BITPIX"]) == (bzero, bitpix)
    (cutout,) = read_cutouts(tmp_path / "one.fits")
    for band, image in reference.bands.items():
        expected = np.round(image * 100 + 300) if bitpix > 0 else image
        np.testing.assert_array_equal(cutout.bands[band], expected.astype(np.float32))
    answers = network([cutout])
    assert answers.status[0] == 0
    assert np.isfinite(answers.values[0, 0])
