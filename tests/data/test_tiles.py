"""Sources of a tile, and their stamps."""

import numpy as np
import pytest
from astropy.table import Table

from lensfinder.data import Cutout, assemble
from lensfinder.data.scatter import scatter_of
from lensfinder.data.segments import segment
from lensfinder.data.tiles import cut, detect, half_sample_mode
from lensfinder.errors import STATUS, DatasetSpecError, StampShapeError
from lensfinder.specs import load_survey
from lensfinder.specs.contract import InputContract

SIDE = 400
PSF = 1.3  # sigma, pixels
NOISE = 1.0


def blob(x, y, flux, sigma, q=1.0):
    """A Gaussian of this flux, wide along x."""
    rows, columns = np.indices((SIDE, SIDE))
    shape = np.exp(-0.5 * (((columns - x) / sigma) ** 2 + ((rows - y) / (q * sigma)) ** 2))
    return flux * shape / shape.sum()


@pytest.fixture(scope="module")
def field():
    """A noisy tile with a sloping sky, 30 stars on a grid and 6 galaxies between them."""
    rng = np.random.default_rng(5)
    rows, columns = np.indices((SIDE, SIDE))
    image = rng.normal(0, NOISE, (SIDE, SIDE)) + 0.01 * columns + 0.005 * rows + 100
    stars = [(40 + 60 * i, 40 + 70 * j) for i in range(6) for j in range(5)]
    for place in stars:
        image += blob(*place, 10 ** rng.uniform(3.4, 4.2), PSF)
    galaxies = [(70, 75), (190, 145), (310, 215), (130, 285), (250, 75), (370, 285)]
    for number, place in enumerate(galaxies):
        image += blob(*place, 30_000 - 3000 * number, 4.0, q=0.6)
    return image, stars, galaxies


@pytest.fixture(scope="module")
def found(field):
    return detect(field[0], pixel_scale=0.2, keep_stars=True, box=80)


def nearest(table, x, y):
    distance = np.hypot(table["x"] - x, table["y"] - y)
    return table[int(np.argmin(distance))], float(distance.min())


def test_everything_bright_is_found_where_it_is(field, found):
    _, stars, galaxies = field
    assert len(found) == len(stars) + len(galaxies)
    for places, is_star in ((stars, True), (galaxies, False)):
        for x, y in places:
            row, distance = nearest(found, x, y)
            # a peak of 50 sigma and more: centres to a few hundredths of a pixel; measured 0.1
            assert distance < 0.3
            assert row["star"] == is_star
    assert (np.diff(found["flux"]) <= 0).all()
    assert list(found["id"][:2]) == ["source-00001", "source-00002"]
    assert found.meta["stars"] == len(stars)
    # clipping at 3 sigma takes 1.5 % off the scatter of a Gaussian
    assert found.meta["noise"] == pytest.approx(NOISE, rel=0.05)
    # flux over peak of a Gaussian is 2 pi sigma^2, less what is below the threshold
    assert found.meta["star_area"] == pytest.approx(2 * np.pi * PSF**2, rel=0.15)


def test_sizes_and_fluxes(field, found):
    for number, place in enumerate(field[2]):
        row, _ = nearest(found, *place)
        # isophotal: the wings below 5 sigma are missing; measured 0.996 to 1.007
        assert 0.95 < row["flux"] / (30_000 - 3000 * number) < 1.02
        assert row["axis_ratio"] == pytest.approx(0.6, abs=0.07)
        # half of an elliptical Gaussian's light: between 1.177 times its two sigmas; arcsec
        assert 0.2 * 1.177 * 2.4 < row["half_light_radius"] < 0.2 * 1.177 * 4.0
    assert found["half_light_radius"].unit == "arcsec"
    assert detect(field[0], box=80)["half_light_radius"].unit == "pix"


def test_stars_are_left_out_by_default(field):
    table = detect(field[0], box=80, prefix="g")
    assert len(table) == len(field[2])
    assert not table["star"].any()
    assert table["id"][0] == "g00001"
    # the control: a star area that no source reaches leaves the stars in
    assert len(detect(field[0], box=80, star_area=1e-6)) == len(field[1]) + len(field[2])


def test_few_sources_do_not_define_stars():
    image = np.random.default_rng(0).normal(0, 1, (SIDE, SIDE)) + blob(100, 90, 1e4, PSF)
    table = detect(image)
    assert len(table) == 1
    assert np.isnan(table.meta["star_area"])
    assert len(detect(image, star_area=2 * np.pi * PSF**2)) == 0


def test_saturated_stars_and_what_is_joined_to_them(field):
    image = field[0] + blob(220, 330, 2e6, 4.0) + blob(240, 330, 1e4, 3.0)
    cap = 5000.0
    image = np.minimum(image, cap)  # a flat top, and a companion on its wing
    with_it = detect(image, box=80)
    without = detect(image, box=80, saturation=cap)
    assert nearest(with_it, 220, 330)[1] < 2, "broad, so a galaxy as far as concentration goes"
    assert nearest(without, 220, 330)[1] > 50
    assert len(without) == len(field[2])


def test_noise_has_no_sources():
    assert len(detect(np.random.default_rng(3).normal(5, 2, (600, 500)))) == 0


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan, np.inf], ids=str)
def test_an_empty_tile(value):
    table = detect(np.full((90, 70), value))
    assert len(table) == 0
    assert {"id", "x", "y", "flux", "star"} <= set(table.colnames)


def test_missing_pixels_are_sky(field, found):
    image = field[0].copy()
    image[:, :20] = np.nan  # a chip's edge, and a hole of more than a mesh box elsewhere
    image[300:400, 310:400] = -np.inf
    table = detect(image, keep_stars=True, box=80)
    gone = [s for s in field[1] + field[2] if s[0] > 310 and s[1] > 300]
    assert len(gone) == 1
    assert len(table) == len(found) - len(gone)


def test_detection_does_not_change_its_input(field):
    before = field[0].copy()
    detect(field[0], box=80)
    np.testing.assert_array_equal(field[0], before)


def test_wrong_arguments(field):
    with pytest.raises(StampShapeError):
        detect(np.zeros((3, 4, 5)))
    for wrong in ({"threshold": 0}, {"min_area": -1}, {"box": 0}, {"threshold": np.nan}):
        with pytest.raises(DatasetSpecError):
            detect(field[0], **wrong)


def test_contrast_decides_what_is_one_source():
    light = blob(180, 200, 1e4, 4.0) + blob(191, 200, 9e3, 4.0)
    line = light[200]
    saddle = line[181:191].min() / line[191]
    assert 0.5 < saddle < 0.95
    counts = [
        segment(light, light > 0.01, light, contrast=contrast).max()
        for contrast in (0.0, 0.9 * (1 - saddle), 1.1 * (1 - saddle))
    ]
    assert counts == [2, 2, 1]


def test_statistics():
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.normal(3, 0.1, 300), rng.uniform(-20, 40, 200)])
    # the mode of 300 numbers of width 0.1 is good to about 0.1; the mean is 10 and the median 3.1
    assert half_sample_mode(values) == pytest.approx(3, abs=0.15)
    assert half_sample_mode([4.0]) == 4.0
    level, scatter = scatter_of(rng.normal(1, 2, 20_000))
    assert (level, scatter) == pytest.approx((1, 2), rel=0.05)


# --- cutting --------------------------------------------------------------------------------------
@pytest.fixture
def tile(field):
    image = field[0].astype(np.float32)
    wcs = {"CTYPE1": "RA---TAN", "CRPIX1": 200.0, "CRPIX2": 100.0}
    return Cutout(
        "tile",
        bands={"r": image, "i": 2 * image},
        pixel_scales={"r": 0.2, "i": 0.2},
        units={"r": "adu/s", "i": "adu/s"},
        zero_points={"r": 27.0, "i": None},
        psfs={"r": np.ones((5, 5))},
        rms={"r": np.full_like(image, 0.1)},
        wcs={"r": wcs},
        path="tile.fits",
        meta={"layout": "x"},
    )


def test_stamps_have_their_source_in_the_middle(tile, found):
    inside = found[[np.hypot(r["x"] - 190, r["y"] - 145) < 1 for r in found]]
    (stamp,) = cut(tile, inside, stamp=21)
    x, y = round(inside["x"][0]), round(inside["y"][0])
    np.testing.assert_array_equal(
        stamp.bands["r"], tile.bands["r"][y - 10 : y + 11, x - 10 : x + 11]
    )
    np.testing.assert_array_equal(stamp.bands["i"], 2 * stamp.bands["r"])
    assert stamp.status == 0
    assert stamp.id == inside["id"][0]
    assert stamp.meta["tile"] == "tile"
    assert stamp.rms["r"].shape == (21, 21)
    assert stamp.psfs["r"].shape == (5, 5)
    assert (stamp.units, stamp.zero_points) == (tile.units, tile.zero_points)
    # the same sky position: keywords count pixels from 1, the shift does not care
    assert stamp.wcs["r"] == {"CTYPE1": "RA---TAN", "CRPIX1": 210.0 - x, "CRPIX2": 110.0 - y}
    assert tile.wcs["r"]["CRPIX1"] == 200.0
    stamp.bands["r"][:] = 0  # a copy
    assert tile.bands["r"][y, x] != 0


def test_the_border_is_flagged(tile):
    places = {"id": [], "x": [], "y": []}
    for x, y in ((5.0, 200.0), (200.0, 395.4), (10.0, 10.0), (9.4, 10.0), (-40.0, 50.0)):
        places["id"].append(f"at {x}")
        places["x"].append(x)
        places["y"].append(y)
    stamps = cut(tile, Table(places), stamp=21, bands=["r"])
    edge = [stamp.status == STATUS["edge"] for stamp in stamps]
    assert edge == [True, True, False, True, True]
    assert [int(np.isnan(s.bands["r"]).sum()) for s in stamps] == [105, 126, 0, 21, 441]
    np.testing.assert_array_equal(stamps[0].bands["r"][:, 5:], tile.bands["r"][190:211, :16])
    contract = InputContract.from_survey(load_survey("euclid-vis"))
    batch = assemble(
        stamps, contract, resample=True, calibrate=True, band_map={"VIS": "r"}, pad=True
    )
    assert [STATUS.decode(bits) for bits in batch.status] == ["edge", "edge", "ok", "edge", "edge"]


def test_size_on_the_sky(tile, found):
    (stamp, *_) = cut(tile, found, size_arcsec=5.7)
    assert stamp.shapes == {"r": (29, 29), "i": (29, 29)}  # 28.5 pixels
    (stamp, *_) = cut(tile, found, size_arcsec=5.0)
    assert stamp.shapes == {"r": (25, 25), "i": (25, 25)}
    (stamp, *_) = cut(tile, found, stamp=20)
    assert stamp.shapes["r"] == (21, 21)
    assert cut(tile, found[:0], stamp=20) == []


def test_what_cannot_be_cut(tile, found):
    for wrong in ({}, {"stamp": 5, "size_arcsec": 1.0}, {"stamp": 0}, {"stamp": 5, "bands": ["z"]}):
        with pytest.raises(DatasetSpecError):
            cut(tile, found, **wrong)
    tile.pixel_scales["i"] = None
    with pytest.raises(DatasetSpecError, match="pixel scale"):
        cut(tile, found, size_arcsec=5.0)
    tile.bands["i"] = tile.bands["i"][:-1]
    with pytest.raises(DatasetSpecError, match="shape"):
        cut(tile, found, stamp=5)
