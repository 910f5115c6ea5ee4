"""Files of other codes: conventions by their own packages, statistics, and what is refused."""

import json
import runpy
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose

from lensfinder.errors import ArgumentError, OutputExistsError, UnknownNameError
from lensfinder.export import TARGETS, export
from lensfinder.export.statistics import statistics
from lensfinder.lensing import (
    Ellipticity,
    power_law_deflection,
    shear_deflection,
    sie_deflection,
)
from lensfinder.tables.lenses import read_lenses
from tests.export import oracles

DATA = Path(__file__).parent / "data"
SYSTEMS, SLOPES = DATA / "systems.ecsv", DATA / "slopes.ecsv"
FILES = pytest.mark.parametrize("table", [SYSTEMS, SLOPES], ids=["isothermal", "power law"])
Z = dict(z_lens=0.5, z_src=1.5)


def our_deflection(lens, x, y):
    """Ellipsoid and shear of one row of a table."""
    sie = dict(theta_E=lens["theta_E"], q=lens["q"], phi=lens["phi"])
    sie |= dict(x0=lens["x_lens"], y0=lens["y_lens"])
    if "slope" in lens.colnames:
        one = power_law_deflection(x, y, **sie, slope=lens["slope"])
    else:
        one = sie_deflection(x, y, **sie)
    two = shear_deflection(x, y, gamma1=lens["gamma1"], gamma2=lens["gamma2"])
    return one[0] + two[0], one[1] + two[1]


def largest_difference(lens, alpha_x, alpha_y):
    x, y = oracles.positions()
    ours = our_deflection(lens, x, y)
    return max(np.abs(ours[0] - alpha_x).max(), np.abs(ours[1] - alpha_y).max())


# --- the packages themselves ----------------------------------------------------------------------
@FILES
@pytest.mark.parametrize("target", ["coolest", "pyautolens"])
def test_the_package_deflects_what_we_exported_as_we_do(target, table):
    name = target if table == SYSTEMS else f"{target}-slopes"
    stored = json.loads((DATA / f"{name}.json").read_text("utf-8"))
    systems = Table.read(table)
    assert set(stored["lenses"]) == set(systems["id"])
    for lens in systems:
        theirs = stored["lenses"][lens["id"]]
        assert largest_difference(lens, theirs["alpha_x"], theirs["alpha_y"]) < 1e-6
        # and our converter still writes what the package read then
        values = {
            name: values[lens.index]
            for name, values in read_lenses(systems, slopes=True).values.items()
        }
        made = TARGETS[target].convert(values)
        assert set(made) == set(theirs["parameters"])
        for name, value in made.items():
            assert_allclose(value, theirs["parameters"][name], rtol=1e-9, atol=1e-12, err_msg=name)
    turned = systems[0]
    turned["phi"] += 0.01  # negative control: the test can see 0.6 degrees
    first = stored["lenses"][systems["id"][0]]
    assert largest_difference(turned, first["alpha_x"], first["alpha_y"]) > 1e-6


@FILES
@pytest.mark.parametrize("target", ["coolest", "pyautolens"])
def test_the_package_itself_says_so(target, table, tmp_path):
    package = oracles.PACKAGES[target]
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed; its stored answers are compared instead")
    export(table, to=target, output=tmp_path, **Z)
    for lens in Table.read(table):
        x, y = oracles.positions()
        path = tmp_path / f"{lens['id']}.json"
        _, alpha_x, alpha_y = getattr(oracles, target)(path, x, y)
        assert largest_difference(lens, alpha_x, alpha_y) < 1e-6


@FILES
@pytest.mark.parametrize("suffix", [".json", ".py"])
def test_lenstronomy_deflects_what_we_exported_as_we_do(suffix, table, tmp_path):
    lens_model = pytest.importorskip("lenstronomy.LensModel.lens_model")
    path = tmp_path / f"lenses{suffix}"
    export(table, to="lenstronomy", output=path, **Z)
    if suffix == ".py":
        found = runpy.run_path(str(path))["systems"]
    else:
        found = json.loads(path.read_text("utf-8"))["systems"]
    x, y = oracles.positions()
    for lens, made in zip(Table.read(table), found, strict=True):
        assert made["id"] == lens["id"]
        assert (made["z_lens"], made["z_source"]) == (0.5, 1.5)
        model = lens_model.LensModel(made["lens_model_list"])
        assert largest_difference(lens, *model.alpha(x, y, made["kwargs_lens"])) < 1e-6


@pytest.mark.parametrize(("table", "free"), [(SYSTEMS, 7), (SLOPES, 8)])
def test_lenstronomy_reads_the_start_of_a_fit(table, free, tmp_path):
    lens_param = pytest.importorskip("lenstronomy.LensModel.lens_param")
    path = tmp_path / "one.json"
    export(Table.read(table)[:1], to="lenstronomy", output=path, draws=100)
    (made,) = json.loads(path.read_text("utf-8"))["systems"]
    start, sigma, fixed, lower, upper = made["lens_params"]
    reader = lens_param.LensParam(
        made["lens_model_list"], fixed, kwargs_lower=lower, kwargs_upper=upper
    )
    numbers = reader.set_params(start)
    assert len(numbers) == free
    whole, _ = reader.get_params(numbers, 0)
    for ours, theirs in zip(made["kwargs_lens"], whole, strict=True):
        for name, value in ours.items():
            assert theirs[name] == pytest.approx(value)
    assert set(sigma[0]) == set(start[0])


# --- statistics -----------------------------------------------------------------------------------
def test_statistics_of_the_posterior_are_those_of_the_draws():
    rng = np.random.default_rng(0)
    draws = rng.normal(1.0, 0.1, 4000)
    found = statistics(1.02, draws)
    assert (found.value, found.free) == (1.02, True)
    assert_allclose([found.p16, found.p50, found.p84], np.percentile(draws, (16, 50, 84)))
    assert_allclose([found.mean, found.std], [draws.mean(), draws.std()])
    for none in (statistics(1.0), statistics(1.0, np.ones(9))):
        assert not none.free
        assert none.p50 is None


def test_angles_at_the_seam_are_neighbours():
    draws = np.array([88.0, 89.0, -89.0, -88.0])  # about 90 degrees
    found = statistics(89.5, draws, period=180.0)
    assert found.mean == pytest.approx(90.0)
    assert found.std == pytest.approx(np.std([88, 89, 91, 92]))
    assert statistics(89.5, draws).std > 80  # negative control


def test_a_coolest_file_holds_the_posterior(tmp_path):
    table = Table({"theta_E": [1.2], "theta_E_std": [0.05], "q": [0.7], "phi": [0.4]})
    export(table, to="coolest", output=tmp_path / "a.json", cosmology="schuldt2021")
    made = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert (made["standard"], made["mode"], made["cosmology"]["H0"]) == ("COOLEST", "MAP", 72.0)
    lens, field, source = made["lensing_entities"]
    assert (lens["type"], field["type"], source["mass_model"]) == ("Galaxy", "MassField", [])
    assert lens["redshift"] is None
    parameters = lens["mass_model"][0]["parameters"]
    theta = parameters["theta_E"]
    assert theta["point_estimate"]["value"] == 1.2
    assert theta["posterior_stats"]["median"] == pytest.approx(1.2, abs=0.005)
    width = theta["posterior_stats"]["percentile_84th"] - theta["posterior_stats"]["median"]
    assert width == pytest.approx(0.05, rel=0.1)
    assert theta["fixed"] is False
    assert parameters["q"]["fixed"] is True
    assert parameters["q"]["posterior_stats"]["mean"] is None
    assert parameters["phi"]["point_estimate"]["value"] == pytest.approx(np.degrees(0.4) - 90)
    assert "placeholder" in made["meta"]["lensfinder.pixel_size"]


def test_the_pixel_scale_of_the_images_goes_along(tmp_path):
    table = Table({"theta_E": [1.2], "q": [0.7], "phi": [0.4]})
    table.meta["contract"] = {"groups": [{"name": "vis", "pixel_scale": 0.1}]}
    export(table, to="coolest", output=tmp_path / "a.json")
    made = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert made["instrument"]["pixel_size"] == 0.1
    assert "lensfinder.pixel_size" not in made["meta"]


def test_priors_are_as_wide_as_the_posterior(tmp_path):
    table = Table({"theta_E": [1.2], "theta_E_std": [0.05], "q": [0.7], "phi": [0.4]})
    export(table, to="pyautolens", output=tmp_path / "a.json", sigma={"x_lens": 0.1})
    model = json.loads((tmp_path / "a.json").read_text("utf-8"))
    lens = model["arguments"]["galaxies"]["arguments"]["lens"]["arguments"]
    mass = lens["mass"]["arguments"]
    radius, centre = mass["einstein_radius"], mass["centre"]["arguments"]
    factor = 1.7 / (2 * np.sqrt(0.7))
    assert radius["type"] == "TruncatedGaussian"
    assert radius["mean"] == pytest.approx(1.2 * factor)
    assert radius["sigma"] == pytest.approx(0.05 * factor, rel=0.05)
    # (y, x): the x of the lens is centre_1
    assert centre["centre_0"] == {"type": "Constant", "value": 0.0}
    assert (centre["centre_1"]["type"], centre["centre_1"]["mean"]) == ("Gaussian", 0.0)
    assert centre["centre_1"]["sigma"] == pytest.approx(0.1, rel=0.05)
    sine, cosine = (mass["ell_comps"]["arguments"][f"ell_comps_{i}"]["value"] for i in (0, 1))
    assert_allclose([cosine, sine], Ellipticity.from_axis_ratio(0.7, 0.4).to_lenstronomy())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (0.5, 1.0)),
        ({"z_lens": 1.2}, (1.2, 2.4)),
        ({"z_lens": 0.3}, (0.3, 1.0)),
        ({"z_src": 0.4}, (0.2, 0.4)),
        (Z, (0.5, 1.5)),
    ],
)
def test_pyautolens_is_told_of_a_source_behind_the_lens(given, expected, tmp_path):
    table = Table({"theta_E": [1.2], "q": [0.7], "phi": [0.4]})
    export(table, to="pyautolens", output=tmp_path / "a.json", **given)
    model = json.loads((tmp_path / "a.json").read_text("utf-8"))
    galaxies = model["arguments"]["galaxies"]["arguments"]
    found = [galaxies[name]["arguments"]["redshift"]["value"] for name in ("lens", "source")]
    assert found == pytest.approx(expected)


# --- files ----------------------------------------------------------------------------------------
def test_a_folder_has_a_file_per_lens(tmp_path):
    table = Table({"id": ["a/b", "a b", "ok"], "theta_E": [1.0, 1.1, -1.0]})
    table["q"], table["phi"] = 0.8, 0.1
    done = export(table, to="coolest", output=tmp_path / "out")
    assert done["status"].tolist() == ["ok", "ok", "bad_theta_E"]
    # both ids become a_b, so rows are numbered
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a_b-1.json", "a_b-2.json"]
    assert done["message"][0] == str(tmp_path / "out" / "a_b-1.json")
    assert done["message"][2] == "the Einstein radius is not positive"
    with pytest.raises(OutputExistsError, match="a_b-1.json exists"):
        export(table, to="coolest", output=tmp_path / "out")
    export(table, to="coolest", output=tmp_path / "out", overwrite=True)


def test_ids_cannot_leave_the_folder(tmp_path):
    table = Table({"id": ["../../etc/x"], "theta_E": [1.0], "q": [0.8], "phi": [0.1]})
    export(table, to="pyautolens", output=tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["etc_x.json"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("target", TARGETS)
def test_no_lens_is_written_that_cannot_be(target, tmp_path):
    table = Table({"id": ["ok", "steep", "flat", "front"], "theta_E": [1.0] * 4})
    table["q"], table["phi"], table["slope"] = 0.8, 0.1, [2.1, 3.5, 0.5, 2.0]
    table["z_lens"], table["z_src"] = [-99.0, 0.5, 0.5, 2.0], 1.5  # -99: not known
    done = export(table, to=target, output=tmp_path)
    assert done["status"].tolist() == ["ok", "bad_slope", "bad_slope", "bad_redshift"]
    assert [path.name for path in tmp_path.iterdir()] == ["ok.json"]


def test_what_cannot_be_exported_is_refused(tmp_path):
    table = Table({"theta_E": [1.0, 1.1], "q": [0.8, 0.8], "phi": [0.1, 0.1]})
    with pytest.raises(UnknownNameError, match="no target named 'glee'"):
        export(table, to="glee", output=tmp_path / "a.json")
    with pytest.raises(ArgumentError, match="one file per lens"):
        export(table, to="coolest", output=tmp_path / "a.json")
    with pytest.raises(ArgumentError, match="is written to .json"):
        export(table, to="coolest", output=tmp_path / "a.txt")
    with pytest.raises(ArgumentError, match="cannot be negative. Received: -4 and 0"):
        export(table, to="coolest", output=tmp_path / "a", sigma={"theta_E": 0.1}, draws=-4)
    table["theta_E"] = -1.0
    with pytest.raises(ArgumentError, match="None of 2 rows"):
        export(table, to="coolest", output=tmp_path)
    (tmp_path / "file").write_text("x")
    table["theta_E"] = 1.0
    with pytest.raises((ArgumentError, OutputExistsError)):
        export(table, to="coolest", output=tmp_path / "file")
    with pytest.raises(OutputExistsError, match="is a file"):
        export(table, to="coolest", output=tmp_path / "file" / "below")
