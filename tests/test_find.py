"""Finding lenses: every row has its place, bad ones a reason, and nothing changes the others."""

import itertools

import keras
import numpy as np
import pytest

from lensfinder.data import Cutout
from lensfinder.errors import (
    ArgumentError,
    MissingBandError,
    OutputExistsError,
    PresetError,
    StampShapeError,
    UnknownNameError,
    UntrustedArtefactError,
)
from lensfinder.find import find, ranks
from lensfinder.predict import Fitting, command_line
from lensfinder.tables import read_table
from tests import tiny


@pytest.fixture(scope="module")
def finder(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("finder"), "finder")


@pytest.fixture(scope="module")
def modeller(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("modeller"), "modeller")


@pytest.fixture(scope="module")
def scores(finder):
    """Scores of `tiny.images(20)`."""
    return np.asarray(find(tiny.images(20), preset=finder)["p_lens"])


def test_scores_are_those_of_the_network(finder, scores):
    from lensfinder.zoo import load

    direct = keras.ops.convert_to_numpy(load(finder)(tiny.images(20)))[:, 0]
    # float32 sums in another order; measured 6e-8
    np.testing.assert_allclose(scores, direct, rtol=0, atol=1e-6)
    assert np.ptp(scores) > 1e-3, "the test could not see an exchange of rows"


def test_rows_keep_order_and_duplicates(finder, scores):
    ids = ["b", "a", "b", "", "é"] * 4
    table = find(tiny.images(20), preset=finder, ids=ids, batch_size=3)
    assert list(table["id"]) == ids
    assert table.colnames == ["id", "p_lens", "rank", "status", "message"]
    np.testing.assert_allclose(table["p_lens"], scores, rtol=0, atol=1e-6)
    assert sorted(table["rank"]) == list(range(1, 21))
    assert table["id"][np.argmax(scores)] == table["id"][list(table["rank"]).index(1)]


@pytest.mark.parametrize("batch_size", [1, 3, 20, 64])
def test_scores_do_not_depend_on_the_batch(finder, scores, batch_size):
    table = find(tiny.cutouts(20), preset=finder, batch_size=batch_size)
    # RELIABILITY C8: 1e-6 on a CPU
    np.testing.assert_allclose(table["p_lens"], scores, rtol=0, atol=1e-6)


def _set(value, where=(2, 3)):
    def change(cutout):
        cutout.bands["VIS"][where] = value

    return change


def _replace(make):
    def change(cutout):
        cutout.bands["VIS"] = make(cutout.bands["VIS"])

    return change


PATHOLOGIES = {
    "one NaN": (_set(np.nan), "nan_pixels"),
    "one infinity": (_set(np.inf), "nan_pixels"),
    "all NaN": (_set(np.nan, slice(None)), "nan_pixels"),
    "all zero": (_set(0.0, slice(None)), "constant_image"),
    "constant": (_set(7.5, slice(None)), "constant_image"),
    "1e30": (_set(1e30), "extreme_pixels"),
    "too small": (_replace(lambda x: x[:-1, :-1]), "wrong_shape"),
    "too large": (_replace(lambda x: np.pad(x, 2)), "wrong_shape"),
    "not square": (_replace(lambda x: x[:, 2:]), "wrong_shape"),
    "empty": (_replace(lambda x: x[:0, :0]), "wrong_shape"),
    "no band": (lambda cutout: cutout.bands.clear(), "missing_band"),
    "pixel scale": (lambda cutout: cutout.pixel_scales.update(VIS=0.2), "wrong_pixel_scale"),
    "no pixel scale": (lambda cutout: cutout.pixel_scales.update(VIS=None), "wrong_pixel_scale"),
    "unit": (lambda cutout: cutout.units.update(VIS="adu"), "wrong_unit"),
    "no unit": (lambda cutout: cutout.units.update(VIS=None), "wrong_unit"),
    "negative sky": (_replace(lambda x: x - 100), None),
    "saturated": (_set(1e5, (slice(4, 9), slice(4, 9))), None),
}


@pytest.mark.parametrize("name", PATHOLOGIES)
def test_a_bad_row_has_a_reason_and_does_not_change_its_neighbours(finder, scores, name):
    change, status = PATHOLOGIES[name]
    cutouts = tiny.cutouts(20)
    change(cutouts[7])
    table = find(cutouts, preset=finder, batch_size=20)
    others = np.arange(20) != 7
    np.testing.assert_allclose(table["p_lens"][others], scores[others], rtol=0, atol=1e-6)
    row = table[7]
    if status is None:
        assert row["status"] == "ok"
        assert 0 <= row["p_lens"] <= 1
    else:
        assert status in row["status"].split(",")
        assert np.isnan(row["p_lens"])
        assert row["rank"] == 0
        assert row["message"]
    assert set(table["status"][others]) == {"ok"}
    assert sum(table.meta["counts"].values()) == 20


def test_broken_answers_become_rows_without_a_score(finder, monkeypatch):
    from lensfinder.predict import network

    def broken(model, **options):
        def answer(images):
            count = len(images["vis"])
            return np.where(np.arange(count) == 1, np.nan, 0.5)[:, None]

        return answer

    monkeypatch.setattr(network, "fixed_predict", broken)
    table = find(tiny.cutouts(3), preset=finder)
    assert list(table["status"]) == ["ok", "no_score", "ok"]
    assert "not finite" in table["message"][1]


def test_no_images_give_an_empty_table(finder, tmp_path):
    table = find(iter([]), preset=finder)
    assert len(table) == 0
    assert "p_lens" in table.colnames


def test_reading_is_lazy(finder):
    """At most one batch is held, whatever the number of objects."""
    alive, most = 0, 0

    def stream():
        nonlocal alive, most
        for cutout in itertools.islice(itertools.cycle(tiny.cutouts(4)), 40):
            alive += 1
            most = max(most, alive)
            yield cutout

    class Watch:
        def start(self, run):
            pass

        def batch(self, first_row, cutouts, answers):
            nonlocal alive
            alive -= len(cutouts)

        def finish(self, table):
            pass

    assert len(find(stream(), preset=finder, batch_size=8, watch=[Watch()])) == 40
    assert most == 8


# --- candidates are modelled ----------------------------------------------------------------------
def test_candidates_are_modelled_and_no_others(finder, modeller, scores):
    from lensfinder.model import model

    threshold = float(np.median(scores))
    cutouts = tiny.cutouts(20)
    cutouts[3].bands["VIS"][0, 0] = np.nan
    table = find(cutouts, preset=finder, model=modeller, threshold=threshold, batch_size=4)
    alone = model(tiny.cutouts(20), preset=modeller)
    hit = np.asarray(table["p_lens"]) >= threshold
    assert 0 < hit.sum() < 20
    np.testing.assert_allclose(table["theta_E"][hit], alone["theta_E"][hit], rtol=1e-6, atol=1e-6)
    assert np.isnan(table["theta_E"][~hit]).all()
    assert set(table["model_status"][hit]) == {"ok"}
    assert set(table["model_status"][~hit]) == {""}
    assert table.colnames[:4] == ["id", "p_lens", "rank", "model_status"]
    assert {"theta_E", "e1", "e2", "q", "phi"} <= set(table.colnames)
    assert table.meta["modeller"]["preset"]


def test_a_modeller_with_other_needs_says_so_in_its_own_column(finder, tmp_path):
    wider = tiny.save(tmp_path, "modeller", groups=("vis", "nisp"))
    table = find(tiny.cutouts(3), preset=finder, model=wider, threshold=0.0)
    assert set(table["status"]) == {"ok"}
    assert set(table["model_status"]) == {"missing_band"}
    assert np.isnan(table["theta_E"]).all()
    assert all(text.startswith("modelling: ") for text in table["message"])


# --- what is refused, and when --------------------------------------------------------------------
MISTAKES = {
    "no such preset": ({"preset": "no-such/preset"}, UnknownNameError),
    "threshold beyond 1": ({"threshold": 1.5}, ArgumentError),
    "threshold NaN": ({"threshold": float("nan")}, ArgumentError),
    "no batch": ({"batch_size": 0}, ArgumentError),
    "one id for four": ({"ids": ["only one"]}, ArgumentError),
    "a number": ({"images": 3}, ArgumentError),
    "an array without group": ({"images": np.zeros((2, 16, 16, 1))}, ArgumentError),
    "no cutouts": ({"images": [object()]}, ArgumentError),
    "stamp size": ({"images": {"vis": np.zeros((2, 15, 15, 1))}}, StampShapeError),
    "another group": ({"images": {"nisp": np.zeros((2, 16, 16, 1))}}, MissingBandError),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_typed_errors_before_any_file(finder, tmp_path, name):
    change, error = MISTAKES[name]
    arguments = {"images": tiny.images(4), "preset": finder, "output": tmp_path / "t.ecsv"}
    arguments |= change
    with pytest.raises(error):
        find(arguments.pop("images"), **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_preset_for_another_task_is_refused(finder, modeller, tmp_path):
    with pytest.raises(PresetError, match="Expected a finder"):
        find(tiny.images(2), preset=modeller, output=tmp_path / "t.ecsv")
    with pytest.raises(PresetError, match="Expected a modeller"):
        find(tiny.images(2), preset=finder, model=finder, output=tmp_path / "t.ecsv")
    assert list(tmp_path.iterdir()) == []


def test_damaged_weights_are_refused_before_any_file(tmp_path):
    place = tiny.save(tmp_path, "finder")
    (weights,) = (tmp_path / "finder-1").glob("*.safetensors")
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    with pytest.raises(UntrustedArtefactError):
        find(tiny.images(2), preset=place, output=tmp_path / "t.ecsv")
    assert not list(tmp_path.glob("t*"))


@pytest.mark.parametrize("taken", ["t.ecsv", "t.report.html"])
def test_existing_outputs_are_refused_before_computing(finder, tmp_path, taken):
    (tmp_path / taken).write_text("mine")
    with pytest.raises(OutputExistsError, match=taken):
        find(iter(()), preset="not even looked at", output=tmp_path / "t.ecsv")
    assert (tmp_path / taken).read_text() == "mine"
    find(tiny.images(2), preset=finder, output=tmp_path / "t.ecsv", overwrite=True)
    assert len(read_table(tmp_path / "t.ecsv")) == 2
    assert "<!DOCTYPE html>" in (tmp_path / "t.report.html").read_text("utf-8")


def test_no_page_without_a_table_or_on_request(finder, tmp_path):
    find(tiny.images(2), preset=finder)
    find(tiny.images(2), preset=finder, output=tmp_path / "t.fits", report=False)
    find(tiny.images(2), preset=finder, report=tmp_path / "alone.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone.html", "t.fits"]


# --- provenance -----------------------------------------------------------------------------------
def test_metadata_says_where_a_table_came_from(finder, tmp_path):
    path = tmp_path / "t.ecsv"
    find(tiny.images(3), preset=finder, threshold=0.25, output=path, report=False)
    meta = read_table(path).meta
    assert meta["preset"] == "finder-1/euclid-vis"
    assert meta["threshold"] == 0.25
    assert meta["contract"]["groups"][0]["bands"] == ["VIS"]
    assert meta["counts"] == {"ok": 3}
    assert meta["date"].endswith("+00:00")
    assert "jit_compile=False" in meta["keras"]
    assert meta["command"].startswith("lensfinder find ")


def test_the_command_line_is_quoted_and_bounded():
    fitting = Fitting(calibrate=True, band_map={"VIS": "F814W"})
    options = {"preset": "a b", "resample": True, "layout": None, **fitting.options()}
    line = command_line("find", [f"{i} .fits" for i in range(20)], {**options, "output": "o.ecsv"})
    assert line.startswith("lensfinder find '0 .fits' '1 .fits' '2 .fits' '<17 more>' ")
    assert line.endswith("--preset 'a b' --resample --calibrate --band-map VIS=F814W -o o.ecsv")


def test_other_peoples_bands_and_scales_can_be_made_to_fit(finder):
    cutouts = []
    for cutout in tiny.cutouts(3):
        image = np.kron(cutout.bands["VIS"], np.ones((2, 2), np.float32)) / 4
        cutouts.append(
            Cutout(
                id=cutout.id,
                bands={"F814W": image},
                pixel_scales={"F814W": 0.05},
                units={"F814W": "electron/s"},
            )
        )
    fitting = Fitting(band_map={"VIS": "F814W"})
    table = find(cutouts, preset=finder, resample=True, fitting=fitting)
    assert set(table["status"]) == {"ok"}
    direct = find(tiny.images(3), preset=finder)["p_lens"]
    # pixels were quartered and are summed again: the same image up to rounding
    np.testing.assert_allclose(table["p_lens"], direct, rtol=0, atol=1e-5)


def test_ranks():
    assert list(ranks([0.2, np.nan, 0.9, 0.2])) == [2, 0, 1, 3]
    assert list(ranks([])) == []
