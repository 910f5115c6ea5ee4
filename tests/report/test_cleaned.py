"""The page of cleaned images: what it shows and says, what it keeps, that nothing breaks it."""

import base64
import hashlib
import io
import re
import weakref

import keras
import numpy as np
import pytest
from matplotlib.image import imread

from lensfinder.clean import clean
from lensfinder.data import read_cutouts
from lensfinder.errors import STATUS, OutputExistsError
from lensfinder.predict import Cleaner, OwnNetwork, Run
from lensfinder.report import cleaned as pages
from lensfinder.report.cards import number
from lensfinder.report.cleaned import FAINTEST_WHITE, NOISE, CleanPage, panels
from lensfinder.report.page import REMEDIES, plain
from tests import tiny
from tests.report.test_page import HOSTILE, Reader
from tests.test_clean import BAD, save
from tests.test_clean_tiles import cutout, tile

FIVE = ["given", "taken off: noise", "denoised", "taken off: lens light", "source"]
SIX = ("CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "CDELT1", "CDELT2")


def dimmer(agreed=None, *, gains=(1.0, 0.5), targets=("S2", "S3")):
    """Takes a share off every pixel."""
    agreed = agreed or tiny.contract()
    (group,) = agreed.groups
    shape = (group.stamp, group.stamp, len(group.bands))
    image = keras.Input(shape, name=group.name)
    plane = keras.layers.Reshape((1, *shape))
    planes = [plane(keras.layers.Rescaling(gain)(image)) for gain in gains]
    made = keras.layers.Concatenate(axis=1)(planes) if len(planes) > 1 else planes[0]
    model = keras.Model({group.name: image}, made)
    return OwnNetwork(model, "cleaner", agreed, targets=targets, name="dimmer")


@pytest.fixture(scope="module")
def both():
    return dimmer()


def page(folder, preset, images, **options):
    """What is on the page, and the table."""
    table = clean(images, folder, preset=preset, **options)
    return Reader((folder / "cleaned.report.html").read_text("utf-8")), table


def captions(read):
    return [value for tag, name, value in read.attributes if (tag, name) == ("svg", "aria-label")]


def words(read):
    return " ".join(" ".join(read.words).split())  # cells stand apart


def pictures(text):
    found = re.findall(r'href="data:image/png;base64,([^"]*)"', text)
    return [imread(io.BytesIO(base64.b64decode(png)))[..., :3] for png in found]


# --- what it shows --------------------------------------------------------------------------------
def test_given_denoised_and_source_and_what_was_taken_off(both, tmp_path):
    read, table = page(tmp_path / "out", both, tiny.images(3), ids=["a", "b", "c"])
    assert captions(read) == 3 * FIVE
    said = words(read)
    assert "Cleaned images" in said
    assert "3 of 3 that were cleaned." in said
    assert "2″" not in said
    assert said.count("0.5″") == 15, "a scale bar on every picture of 1.6 arcsec"
    assert said.count("share kept 1.000 flux source") == 3
    assert said.count("share kept 0.500 Cleaned:") == 3
    for row in table:
        assert f"flux given {number(row['flux_in_VIS'])} flux denoised" in said
        assert f"flux source {number(row['flux_out_VIS'])} share" in said
    assert "VIS denoised 1.000 source 0.500 Sums over all rows" in said
    assert "makes denoised (S2), source (S3)" in said
    assert "Shown: VIS." in said
    assert table.meta["command"] in said
    assert f"Made by lensfinder {table.meta['version']} ({table.meta['keras']})" in said


def test_colours_follow_the_bands(tmp_path):
    agreed = tiny.contract(groups=("nisp",), survey="euclid-vis-nisp")
    read, _ = page(tmp_path / "out", dimmer(agreed), tiny.images(2, agreed))
    said = words(read)
    assert "Shown: H J Y as RGB." in said
    assert f"{'H J Y'} flux given" in said
    assert "denoised 1.000 1.000 1.000 source 0.500 0.500 0.500" in said
    shown = pictures((tmp_path / "out" / "cleaned.report.html").read_text("utf-8"))
    assert len(shown) == 10
    assert np.ptp(shown[0], axis=-1).max() > 0.05, "noise makes colours"


@pytest.mark.parametrize(
    ("targets", "wanted"),
    [
        (("S2",), ["given", "taken off: noise", "denoised"]),
        (("S3",), ["given", "taken off: noise and lens light", "source"]),
    ],
)
def test_a_network_of_one_plane(targets, wanted, tmp_path):
    read, _ = page(tmp_path / "out", dimmer(gains=(0.8,), targets=targets), tiny.images(2))
    assert captions(read) == 2 * wanted
    assert f"VIS {wanted[-1]} 0.800 Sums" in words(read)


def test_a_denoiser_and_the_deblender_it_feeds(tmp_path):
    first, second = dimmer(gains=(0.9,), targets=("S2",)), dimmer(gains=(0.5,), targets=("S3",))
    read, _ = page(tmp_path / "out", second, tiny.images(2), denoiser=first)
    assert captions(read) == 2 * FIVE
    assert "denoised 0.900 source 0.450" in words(read)
    assert "Denoiser preset" in words(read)
    assert "makes denoised (S2)" in words(read)


def test_one_stretch_for_the_light_and_another_for_the_source():
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 2.0, (40, 40, 1))
    y, x = np.mgrid[:40, :40] - 19.5
    lens = (100 * np.exp(-(x**2 + y**2) / 20))[..., None]
    arc = (30 * np.exp(-((np.hypot(x, y) - 9) ** 2)))[..., None]
    found = panels(lens + arc + noise, {"S2": lens + arc, "S3": arc})
    assert [panel.words for panel in found] == FIVE
    given, off, denoised, light, source = found
    for panel in (denoised, light):
        assert (panel.low, panel.high) == (given.low, given.high)
    alone = panels(0.1 * lens + noise, {"S2": lens + arc, "S3": arc})[0]
    assert not np.allclose(alone.high, given.high), "white follows the image given"
    # the same light in the same grey: without noise and without a source, it is the image itself
    same = panels(lens + arc + noise, {"S2": lens + arc + noise, "S3": 0 * arc})
    np.testing.assert_array_equal(same[2].pixels, same[0].pixels)
    np.testing.assert_array_equal(same[3].pixels, same[0].pixels)
    assert not same[1].pixels.any()
    assert (off.low, off.high) == (-NOISE, NOISE)
    assert 0.8 < off.pixels.std() < 1.2, "in sigma of the noise"
    assert abs(off.pixels.mean()) < 0.1
    assert source.pixels.max() == pytest.approx(source.high)
    assert np.unravel_index(source.pixels.argmax(), arc.shape) == np.unravel_index(
        arc.argmax(), arc.shape
    )


@pytest.mark.parametrize("peak", [0.3, 1.0, 5.0, 50.0])
def test_traces_of_noise_are_not_brought_to_white(peak):
    noise = np.random.default_rng(3).normal(0, 1, (40, 40, 1))
    trace = np.zeros((40, 40, 1))
    trace[20, 20] = peak
    shown = panels(noise, {"S2": 0 * noise, "S3": trace})[-1]
    brightness = (shown.pixels / shown.high).max()
    if peak >= 1.2 * FAINTEST_WHITE:
        assert brightness == pytest.approx(1.0)
    assert brightness < 1.001
    assert (brightness < 0.4) == (peak < 0.5)


def test_pixels_without_an_answer_are_black_and_move_no_level():
    rng = np.random.default_rng(4)
    given = rng.normal(10, 1, (40, 40, 1))
    whole = panels(given, {"S3": 0.5 * given})
    given[:, :8] = np.nan
    found = panels(given, {"S3": 0.5 * given})
    for panel, other in zip(found, whole, strict=True):
        assert np.isfinite(panel.pixels[:, 8:]).all()
        np.testing.assert_allclose(panel.high, other.high, rtol=0.3)
    assert panels(np.full((9, 9, 2), np.nan), {"S3": np.zeros((9, 9, 2))})[0].high.shape == (2,)


# --- every row has its place ----------------------------------------------------------------------
def test_bad_rows_are_listed_with_a_remedy(both, tmp_path):
    cutouts = tiny.cutouts(len(BAD) + 2)
    for one, (change, _) in zip(cutouts, BAD.values(), strict=False):
        change(one)
    read, table = page(tmp_path / "out", both, cutouts)
    said = words(read)
    assert captions(read) == 2 * FIVE
    for row in table[: len(BAD)]:
        assert f"{row['id']} {row['status']} {row['message']} {REMEDIES[row['status']]}" in said
        assert f"1 {row['status']}" in said, "counted on top"
    assert f"{len(BAD) + 2} images 2 cleaned" in said
    assert f"object-{len(BAD)} given" not in said
    assert "The first" not in said.split("Images that were not cleaned")[1]


def test_a_long_list_of_problems_is_cut_and_says_so(both, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "PROBLEMS", 3)
    read, _ = page(tmp_path / "out", both, tiny.cutouts(7, status=STATUS["unreadable"]))
    said = words(read)
    assert "The first 3 of 7 are listed." in said
    assert said.count(REMEDIES["unreadable"]) == 3
    assert "No image could be cleaned; the table below says why." in said
    assert "VIS denoised – source – Sums" in said
    assert not captions(read)


def test_an_empty_run_says_so(both, tmp_path):
    read, table = page(tmp_path / "out", both, iter(()))
    assert len(table) == 0
    assert "No images were given: there is nothing to show." in words(read)
    assert "0 images 0 cleaned" in words(read)


def test_numbers_and_headers_without_sense_break_nothing(tmp_path):
    cutouts = tiny.cutouts(3)
    cutouts[0].wcs["VIS"] = dict(zip(SIX, ("RA---ZZZ", "DEC--ZZZ", 1.0, 2.0, 0.0, 0.0)))
    cutouts[1].bands["VIS"] -= 3.0  # less than no light: there is no share of it
    sky = dict(zip(SIX, ("RA---TAN", "DEC--TAN", 1.0, 2.0, -0.1 / 3600, 0.1 / 3600)))
    cutouts[2].wcs["VIS"] = sky
    read, table = page(tmp_path / "out", dimmer(gains=(1.0, 1.0)), cutouts)
    assert set(table["status"]) == {"ok"}
    assert captions(read) == 3 * FIVE
    assert words(read).count("share kept –") == 2
    assert read.text.count("N\n") == 5, "arrows for the one that has a sky"


def test_mocks_are_marked(both, tmp_path):
    cutouts = tiny.cutouts(3)
    cutouts[0].meta = {"kind": "mock-lens"}
    said = words(page(tmp_path / "out", both, cutouts)[0])
    assert "This set holds 1 mock images" in said
    assert "Not mocks: 2." in said
    assert "object-0 mock lens" in said
    assert "mock image" not in words(page(tmp_path / "real", both, tiny.cutouts(2))[0])


# --- what it may not do ---------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore:Card is too long")  # of FITS headers; the page has no limit
def test_hostile_names_stay_text(both, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "SHOWN", 30)
    cutouts, sane = tiny.cutouts(60), tiny.cutouts(60)
    for one, name in zip(cutouts, 2 * HOSTILE, strict=True):
        one.id = name
    for group in (cutouts, sane):
        for one in group[30:]:
            one.status, one.message = STATUS["unreadable"], f"cannot read {one.id}"
    reads = []
    for name, group in (("sane", sane), ("hostile", cutouts)):
        place = tmp_path / f"{name}.html"
        clean(group, tmp_path / name, preset=both, report=False, watch=[CleanPage(place, shown=30)])
        reads.append(Reader(place.read_text("utf-8")))
    assert reads[0].tags == reads[1].tags, "no name may add or remove an element"
    assert [item[:2] for item in reads[0].attributes] == [item[:2] for item in reads[1].attributes]
    for name in HOSTILE:
        assert reads[1].text.count(plain(name)) >= 2
    assert "\u202e" not in reads[1].text


def test_it_is_one_file_that_no_browser_runs(both, tmp_path):
    read, _ = page(tmp_path / "out", both, tiny.images(2))
    text = (tmp_path / "out" / "cleaned.report.html").read_text("utf-8")
    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & set(read.tags)
    for tag, name, value in read.attributes:
        assert not name.startswith("on")
        assert name != "style"
        if name in ("src", "href"):
            assert value.startswith("data:image/png;base64,"), (tag, value[:60])
    css = text.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'" in text
    assert "http" not in text.replace("http-equiv", "")


def test_the_first_are_shown_and_no_more_is_kept(both, tmp_path):
    follower, steps, alive = CleanPage(tmp_path / "x.html", shown=3), Cleaner(both), []
    follower.start(Run("clean", steps.network))
    for first in range(0, 40, 4):
        chunk = tiny.cutouts(4, seed=first)
        chunk[1].bands.clear()
        answers = steps(chunk)
        follower.batch(first, chunk, answers)
        alive.append(weakref.ref(answers.values))
        alive.append(weakref.ref(answers.images["vis"]))
    del answers
    assert [item.row for item in follower._kept] == [0, 2, 3]
    assert not any(ref() is not None for ref in alive), "no batch is held by the page"
    assert sum(item.given.nbytes + item.made.nbytes for item in follower._kept) == (
        3 * 3 * 4 * tiny.STAMP**2
    )


def test_the_others_are_counted(both, tmp_path):
    place = tmp_path / "x.html"
    watch = [CleanPage(place, shown=2)]
    clean(tiny.images(7), tmp_path / "out", preset=both, report=False, batch_size=3, watch=watch)
    read = Reader(place.read_text("utf-8"))
    assert captions(read) == 2 * FIVE
    assert "2 of 7 that were cleaned; the others are in the folder and in the table." in words(read)


def test_no_page_where_none_is_wanted_and_none_is_replaced(both, tmp_path):
    shown = tiny.images(2)
    clean(shown, tmp_path / "out", preset=both, report=False)
    assert not list((tmp_path / "out").rglob("*.html"))
    own = tmp_path / "own.html"
    own.write_text("mine")
    with pytest.raises(OutputExistsError, match=r"own\.html"):
        clean(shown, tmp_path / "other", preset=both, report=own)
    assert own.read_text() == "mine"
    assert not (tmp_path / "other").exists(), "nothing was computed"
    clean(shown, tmp_path / "other", preset=both, report=own, overwrite=True)
    assert "Cleaned images" in own.read_text("utf-8")
    assert not list((tmp_path / "other").glob("*.html"))


def test_a_page_beside_the_images_is_no_image(both, tmp_path):
    _, table = page(tmp_path / "out", both, tiny.cutouts(3))
    again = list(read_cutouts(tmp_path / "out"))
    assert [one.id for one in again] == list(table["id"])
    assert not any(one.status for one in again)


# --- tiles ----------------------------------------------------------------------------------------
def test_tiles_have_a_smaller_view(tmp_path):
    both = save(tmp_path, "convolutions")
    image = tile(900, 300)
    image[:90, :60] = np.nan
    given = [cutout(image), cutout(image, units="adu"), cutout(image[:100])]
    read, table = page(tmp_path / "out", both, given, tiles=True)
    assert list(table["status"]) == ["ok", "wrong_unit", "ok"]
    said = words(read)
    assert captions(read) == 2 * ["given", "taken off: noise and lens light", "source"]
    assert "The first tiles" in said
    assert f"{100 * table['masked'][0]:.3f} % of its pixels have no answer" in said
    assert "10″" in said, "a quarter of 30 arcsec"
    assert REMEDIES["wrong_unit"] in said
    shown = pictures((tmp_path / "out" / "cleaned.report.html").read_text("utf-8"))
    assert [picture.shape for picture in shown] == 3 * [(300, 100, 3)] + 3 * [(100, 300, 3)]
    boxes = [value for _, name, value in read.attributes if name == "viewbox"]
    assert boxes == 3 * ["0 0 100 300.0"] + 3 * ["0 0 100 33.33"]
    # the brightest square of the tile is where the picture is brightest
    means = np.nanmean(image[90:].reshape(270, 3, 100, 3), axis=(1, 3))
    row, column = np.unravel_index(np.nanargmax(means), means.shape)
    assert shown[0][299 - 30 - row, column].min() == 1.0  # PNG rows run downwards
    assert not shown[0][270:, :20].any(), "no pixels, no light"
