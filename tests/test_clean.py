"""Cleaning: every row has its place, files hold what the network made, nothing is invented."""

import keras
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lensfinder import zoo
from lensfinder.clean import TABLE, clean
from lensfinder.data import Cutout, read_cutouts
from lensfinder.data.blobs import ZOOM, masked, zoom
from lensfinder.data.scatter import lower_scatter
from lensfinder.errors import MissingBandError, OutputExistsError, PresetError, UnknownNameError
from lensfinder.predict.cleaned_files import FileNames
from lensfinder.predict.cleaning import doubts
from lensfinder.tables import read_table
from lensfinder.zoo import presets
from tests import tiny


def save(folder, name, *, targets=("S2", "S3"), added=0.0):
    """A cleaner that hands on what it is given; the last module adds light everywhere."""
    keras.utils.set_random_seed(1)
    arguments = {"blocks": 1, "channels": 2}
    model = zoo.build("edsr", tiny.contract(), "cleaner", targets=targets, **arguments)
    for plane in targets:
        tail = model.get_layer(f"{plane.lower()}_tail_conv")
        tail.kernel.assign(0 * tail.kernel)
    tail.bias.assign(0 * tail.bias + added)
    facts = {"builder": "edsr", "arguments": arguments, "task": "cleaner", "targets": targets}
    place = folder / name
    zoo.save_preset(place, model, contract=tiny.contract(), metrics={}, card="For tests.", **facts)
    return str(place)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cleaners")


@pytest.fixture(scope="module")
def cleaner(folder):
    return save(folder, "both")


def test_files_and_numbers_are_those_of_the_network(cleaner, tmp_path):
    shown, ids = tiny.images(5), ["a", "b", "b", "é/2", ""]
    table = clean(shown, tmp_path / "out", preset=cleaner, ids=ids, batch_size=2, intermediate=True)
    assert list(table["id"]) == ids
    assert set(table["status"]) == {"ok"}
    assert len(set(table["file"])) == 5
    flux = shown["vis"].sum(axis=(1, 2, 3), dtype=float)
    for name in ("flux_in_VIS", "flux_denoised_VIS", "flux_out_VIS"):
        np.testing.assert_allclose(table[name], flux, rtol=1e-5)  # float32
    for row, name in enumerate(table["file"]):
        for place in (tmp_path / "out", tmp_path / "out" / "denoised"):
            with fits.open(place / name) as units:
                np.testing.assert_allclose(units["VIS"].data, shown["vis"][row, :, :, 0], atol=1e-5)
                assert units["VIS"].header["PIXSCALE"] == 0.1
    with fits.open(tmp_path / "out" / table["file"][0]) as units:
        assert units[0].header["PLANE"] == "S3"
    assert abs(table.meta["flux_conservation"]["flux_denoised_VIS"] - 1) < 1e-4
    assert list(read_table(tmp_path / "out" / TABLE)["file"]) == list(table["file"])


def test_cleaned_images_are_read_again(cleaner, tmp_path):
    table = clean(tiny.cutouts(3), tmp_path / "out", preset=cleaner)
    again = list(read_cutouts(tmp_path / "out" / "*.fits"))
    assert [cutout.id for cutout in again] == list(table["id"])
    fluxes = [cutout.bands["VIS"].sum(dtype=float) for cutout in again]
    np.testing.assert_allclose(fluxes, table["flux_out_VIS"], rtol=1e-5)
    assert {cutout.meta["plane"] for cutout in again} == {"S3"}


def test_cleaned_images_keep_their_place_on_the_sky(cleaner, tmp_path):
    cutouts = tiny.cutouts(3)
    middle = (tiny.STAMP + 1) / 2
    sky = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.1, "CRVAL2": 2.2}
    sky |= {"CRPIX1": middle, "CRPIX2": middle, "CDELT1": -0.1 / 3600, "CDELT2": 0.1 / 3600}
    for cutout in cutouts[:2]:
        cutout.wcs["VIS"] = sky
    cutouts[1].bands["VIS"] = np.pad(cutouts[1].bands["VIS"], 2)  # cut to size: other pixels
    names = clean(cutouts, tmp_path / "out", preset=cleaner, resample=True)["file"]
    found = []
    for name in names:
        with fits.open(tmp_path / "out" / name, checksum=True) as units:
            found.append(WCS(units["VIS"].header).wcs.crval.tolist())
    assert found == [[150.1, 2.2], [0, 0], [0, 0]]


def _blank(cutout):
    cutout.bands["VIS"][:] = 0


def _saturated(cutout):
    image = cutout.bands["VIS"]
    cutout.bands["VIS"] = np.minimum(image + 100 * _star(), np.float32(60))


def _star():
    axis = np.arange(tiny.STAMP) - (tiny.STAMP - 1) / 2
    return np.exp(-0.5 * (axis[:, None] ** 2 + axis**2) / 1.5**2).astype(np.float32)


BAD = {
    "blank": (_blank, "constant_image"),
    "saturated core": (_saturated, "saturated"),
    "band missing": (lambda cutout: cutout.bands.clear(), "missing_band"),
    "pixel scale": (lambda cutout: cutout.pixel_scales.update(VIS=0.2), "wrong_pixel_scale"),
    "NaN": (lambda cutout: cutout.bands["VIS"].__setitem__((2, 3), np.nan), "nan_pixels"),
    "unit": (lambda cutout: cutout.units.update(VIS="adu"), "wrong_unit"),
    "size": (lambda cutout: cutout.bands.update(VIS=cutout.bands["VIS"][1:]), "wrong_shape"),
}


def test_bad_images_get_a_reason_and_no_file(cleaner, tmp_path):
    cutouts = tiny.cutouts(len(BAD) + 2)
    for cutout, (change, _) in zip(cutouts, BAD.values(), strict=False):
        change(cutout)
    star = cutouts[-1]
    star.bands["VIS"] = (star.bands["VIS"] + 100 * _star()).astype(np.float32)
    table = clean(cutouts, tmp_path / "out", preset=cleaner, batch_size=4)
    assert list(table["status"][: len(BAD)]) == [status for _, status in BAD.values()]
    assert set(table["status"][len(BAD) :]) == {"ok"}, "a star is not saturated by itself"
    bad = np.array([status != "ok" for status in table["status"]])
    assert set(table["file"][bad]) == {""}
    assert all(table["message"][bad])
    assert np.isnan(table["flux_out_VIS"][bad]).all()
    assert np.isfinite(table["flux_out_VIS"][~bad]).all()
    assert len(list((tmp_path / "out").glob("*.fits"))) == 2
    assert sum(table.meta["counts"].values()) == len(table)


def test_light_that_was_not_there_is_never_handed_on(folder, tmp_path):
    inventing = save(folder, "inventing", added=0.3)
    table = clean(tiny.images(3), tmp_path / "out", preset=inventing)
    assert set(table["status"]) == {"invented_light"}
    assert not list((tmp_path / "out").glob("*.fits"))


def test_an_arc_in_the_noise_is_seen_and_less_light_is_not():
    rng = np.random.default_rng(1)
    sky = rng.normal(0, 1, (40, 40, 1)).astype(np.float32)
    y, x = np.mgrid[:40, :40] - 19.5
    arc = np.exp(-0.5 * ((np.hypot(x, y) - 10) / 1.5) ** 2) * (y > 4)
    assert doubts(sky, 3 * arc[..., None])[0] == "invented_light"
    assert doubts(sky + 3 * arc[..., None], 3 * arc[..., None]) == ("", "")
    assert doubts(sky, np.zeros_like(sky)) == ("", "")
    lens = 500 * np.exp(-0.5 * (x**2 + y**2) / 9)[..., None]
    assert doubts(sky + lens, 1.05 * lens) == ("", ""), "within the noise of the light itself"
    assert doubts(sky + lens, 1.5 * lens)[0] == "invented_light"


@pytest.mark.parametrize("seed", range(5))
def test_masks_padding_and_enlarged_noise_are_no_invented_light(seed):
    """A perfect cleaner is believed, and an arc that was not there is not."""
    noise = np.random.default_rng(seed).normal(0, 1, (60, 60, 1))
    y, x = np.mgrid[:60, :60] - 29.5
    lens = (100 * np.exp(-0.5 * (x**2 + y**2) / 9))[..., None]
    arc = (6 * np.exp(-0.5 * ((np.hypot(x, y) - 8) / 1.5) ** 2) * (y > 4))[..., None]
    given, own = lens + noise, np.array([lower_scatter(noise)])
    inside = np.hypot(x, y) < 14
    cut = masked(given, inside)
    assert doubts(cut, lens, noise=own) == ("", "")
    assert doubts(cut, lens + arc, noise=own)[0] == "invented_light"
    wide, truth, more = (zoom(image[None])[0] for image in (given, lens, lens + arc))
    assert doubts(wide, truth, noise=own, zoomed=1 / ZOOM) == ("", "")
    assert doubts(wide, more, noise=own, zoomed=1 / ZOOM)[0] == "invented_light"
    assert doubts(zoom(noise[None])[0], 0 * wide, noise=own, zoomed=1 / ZOOM) == ("", "")
    padded = np.full((90, 90, 1), np.median(given))
    padded[15:75, 15:75] = given
    padded_truth = np.pad(lens, ((15, 15), (15, 15), (0, 0)))
    assert doubts(padded, padded_truth) == ("", "")


def test_a_denoiser_can_feed_a_deblender(folder, cleaner, tmp_path):
    first = save(folder, "first", targets=("S2",))
    second = save(folder, "second", targets=("S3",))
    shown = tiny.images(3)
    table = clean(shown, tmp_path / "out", preset=second, denoiser=first, intermediate=True)
    assert "flux_denoised_VIS" in table.colnames
    np.testing.assert_allclose(table["flux_out_VIS"], table["flux_in_VIS"], rtol=1e-5)
    assert len(list((tmp_path / "out" / "denoised").glob("*.fits"))) == 3
    alone = clean(shown, tmp_path / "alone", preset=second)
    assert "flux_denoised_VIS" not in alone.colnames
    with pytest.raises(PresetError, match="feeds a deblender"):
        clean(shown, tmp_path / "no", preset=cleaner, denoiser=first)


def test_mistakes_are_typed_errors(folder, cleaner, tmp_path, monkeypatch):
    shown = tiny.images(2)
    finder = tiny.save(folder, "finder")
    with pytest.raises(PresetError, match="Expected a cleaner"):
        clean(shown, tmp_path / "out", preset=finder)
    with pytest.raises(UnknownNameError, match="preset"):
        clean(shown, tmp_path / "out", preset="no-such/cleaner")
    with pytest.raises(MissingBandError):
        clean({"nisp": shown["vis"]}, tmp_path / "out", preset=cleaner)
    monkeypatch.setattr(
        "lensfinder.predict.cleaner.preset_table", lambda: {"a/b": {"task": "finder"}}
    )
    with pytest.raises(PresetError, match="does not come with this installation"):
        clean(shown, tmp_path / "out")
    clean(shown, tmp_path / "out", preset=cleaner)
    with pytest.raises(OutputExistsError, match="holds files already"):
        clean(shown, tmp_path / "out", preset=cleaner)
    assert len(clean(shown, tmp_path / "out", preset=cleaner, overwrite=True)) == 2
    assert presets.preset_table  # the table itself is untouched


def test_one_batch_is_held_whatever_the_number_of_images(cleaner, tmp_path):
    alive, most = set(), 0

    def stream():
        nonlocal most
        for row in range(12):
            cutout = tiny.cutouts(1)[0]
            cutout.id = f"object-{row}"
            alive.add(row)
            most = max(most, len(alive))
            yield cutout

    class Watch:
        def start(self, run):
            assert run.task == "clean"

        def batch(self, first_row, cutouts, answers):
            assert isinstance(cutouts[0], Cutout)
            alive.clear()

        def finish(self, table):
            assert len(table) == 12

    clean(stream(), tmp_path / "out", preset=cleaner, batch_size=3, watch=[Watch()])
    assert most <= 4


def test_no_two_objects_share_a_file():
    names = FileNames()
    taken = [names.take(name) for name in ("a", "A", "a", "", "", "x" * 300, "x" * 300, " a/b ")]
    assert len({name.lower() for name in taken}) == len(taken)
    assert all(len(FileNames.file(name)) < 255 for name in taken)
    assert FileNames.file(None) == ""
