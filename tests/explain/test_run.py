"""The verb: one row per image, files that are whole, bad images that keep their rows."""

import numpy as np
import pytest
from astropy.io import fits

import lensfinder
from lensfinder.errors import (
    ArgumentError,
    OutputExistsError,
    PresetError,
    StampShapeError,
    UnknownNameError,
)
from lensfinder.explain import METHODS, explain
from lensfinder.explain.run import MAPS, PAGE, TABLE
from lensfinder.tables import read_table
from tests import tiny
from tests.explain import planted

OF = planted.contract(two=True)
QUICK = {"samples": 80, "regions": 30, "seeds": 2}


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A finder of two groups, random weights."""
    return planted.preset(tmp_path_factory.mktemp("preset"), OF)


def objects():
    """Three cutouts, the second of which has a NaN."""
    found = [planted.cutout(OF, f"object-{i}", seed=i) for i in range(3)]
    found[1].bands["H"][2, 3] = np.nan
    return found


@pytest.fixture(scope="module")
def done(preset, tmp_path_factory):
    """A run with its table and its folder."""
    folder = tmp_path_factory.mktemp("run") / "out"
    return explain(objects(), preset=preset, output=folder, **QUICK), folder


def test_one_row_per_image_and_bad_ones_keep_theirs(done):
    table, _ = done
    assert list(table["id"]) == ["object-0", "object-1", "object-2"]
    assert list(table["status"]) == ["ok", "nan_pixels", "ok"]
    bad = table[1]
    assert bad["n_regions"] == bad["lens1"] == bad["against2"] == 0
    for name in ("p_lens", "lens1_weight", "stability_lens", "rank_occlusion", "fit_r2"):
        assert np.isnan(bad[name])
        assert table[name].dtype == np.float32
    good = table[0]
    assert 20 <= good["n_regions"] <= 45
    assert 0 < good["p_lens"] < 1
    assert np.isfinite(good["fit_r2"])
    assert table["lens1_area"].unit == "arcsec2"
    assert table.meta["command"].startswith("lensfinder explain '<list>' --method lime")


def test_the_files_hold_what_the_table_says(done):
    table, folder = done
    again = read_table(folder / TABLE)
    assert again.colnames == table.colnames
    np.testing.assert_array_equal(again["lens1"], table["lens1"])
    assert sorted(p.name for p in (folder / MAPS).iterdir()) == ["00000.fits", "00002.fits"]
    with fits.open(folder / MAPS / "00000.fits") as maps:
        assert maps[0].header["OBJECT"] == "object-0"
        assert maps["vis"].shape == (48, 48)
        assert maps["nisp"].shape == (16, 16)
        assert maps["nisp"].header["PIXSCALE"] == 0.3
        regions, weights = maps["REGIONS"].data, maps["WEIGHTS"].data
        assert regions.max() == table["n_regions"][0]
        for name in ("lens1", "against1"):
            region = table[name][0]
            if region:
                assert np.unique(weights[regions == region]) == pytest.approx(
                    table[f"{name}_weight"][0]
                )
                area = (regions == region).sum() * 0.1**2
                assert area == pytest.approx(table[f"{name}_area"][0], rel=1e-5)
        # a density: its integral over the sky is the sum of the weights, up to float32
        total = maps["SKY"].data.sum() * 0.1**2
        assert total == pytest.approx(maps["nisp"].data.sum() * 0.3**2, abs=1e-5)
    page = (folder / PAGE).read_text()
    assert "object-2" in page
    assert "nan_pixels" in page
    assert "<script" not in page
    assert page.count("data:image/png") == 2


def test_the_same_call_gives_the_same_rows_and_maps(done, preset, tmp_path):
    table, folder = done
    again = explain(objects(), preset=preset, output=tmp_path / "b", report=False, **QUICK)
    for name in table.colnames:
        np.testing.assert_array_equal(table[name], again[name])
    for file in (folder / MAPS).iterdir():
        assert file.read_bytes() == (tmp_path / "b" / MAPS / file.name).read_bytes()
    other = explain(objects(), preset=preset, seed=50, check=False, **QUICK)
    assert not np.array_equal(other["fit_r2"], table["fit_r2"], equal_nan=True)


@pytest.mark.parametrize("method", ["occlusion", "gradients"])
def test_other_methods_fill_their_own_columns(method, preset):
    arrays = {name: stack[None] for name, stack in planted.images(OF).items()}
    table = lensfinder.explain(arrays, method=method, preset=preset, ids=["a"], **QUICK)
    assert list(table["id"]) == ["a"]
    assert np.isfinite(table["completeness"][0]) == (method == "gradients")
    assert np.isnan(table["fit_r2"][0])
    checked = {name.removeprefix("rank_") for name in table.colnames if name.startswith("rank_")}
    assert checked == set(METHODS) - {method}


def test_without_images_there_is_an_empty_table(preset):
    arrays = {name: np.zeros((0, *shape), np.float32) for name, shape in OF.shapes.items()}
    table = explain(arrays, preset=preset, **QUICK)
    assert len(table) == 0
    assert "lens1_weight" in table.colnames


def test_what_is_in_the_way_is_not_replaced(done, preset):
    _, folder = done
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
    with pytest.raises(OutputExistsError, match="--overwrite"):
        explain(objects(), preset=preset, output=folder, **QUICK)
    assert before == {file: file.stat().st_mtime_ns for file in before}
    explain(objects()[:1], preset=preset, output=folder, overwrite=True, check=False, **QUICK)
    assert [file.name for file in (folder / MAPS).iterdir()] == ["00000.fits"]


@pytest.mark.parametrize(
    ("terms", "error", "match"),
    [
        ({"method": "shap"}, UnknownNameError, "lime"),
        ({"seeds": 0}, ArgumentError, "at least one seed"),
        ({"seed": -1}, ArgumentError, "from 0"),
        ({"samples": 10}, ArgumentError, "samples"),
        ({"regions": 1}, ArgumentError, "regions"),
        ({"batch_size": 0}, ArgumentError, "batch size"),
    ],
)
def test_arguments_that_cannot_be_are_refused(terms, error, match, preset):
    with pytest.raises(error, match=match):
        explain(objects(), preset=preset, **{**QUICK, **terms})


def test_arrays_of_another_shape_and_modellers_are_refused(preset, tmp_path):
    arrays = {name: np.zeros((1, 20, 20, 1), np.float32) for name in OF.shapes}
    with pytest.raises(StampShapeError):
        explain(arrays, preset=preset, **QUICK)
    modeller = tiny.save(tmp_path, "modeller")
    with pytest.raises(PresetError, match="modeller"):
        explain(objects(), preset=modeller, **QUICK)
