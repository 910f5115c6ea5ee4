"""Draws of every lens' posterior, from `model` to `delays` and `export`."""

import json

import numpy as np
import pytest
from astropy.table import Table
from typer.testing import CliRunner

import lensfinder
from lensfinder import cli
from lensfinder.errors import ArgumentError, OutputExistsError, PresetError
from lensfinder.model import model
from lensfinder.tables import (
    Covariance,
    draw_lenses,
    exact_zero,
    in_order,
    read_lenses,
    read_posterior,
    read_table,
)
from tests import tiny

TARGETS = ("theta_E", "e1", "e2")


@pytest.fixture(scope="module")
def lenses(tmp_path_factory):
    """Six lenses modelled by the default preset: folder, table, and what was drawn."""
    folder = tmp_path_factory.mktemp("lenses")
    images = lensfinder.Simulator("euclid-vis", "pearson2019-test", seed=5).objects(range(6)).images
    images["vis"][2] = np.nan
    table = model(
        images, output=folder / "t.ecsv", posterior=folder / "t.npz", draws=4000, report=False,
        batch_size=4,
    )  # fmt: skip
    return folder, images, table


def test_draws_say_what_the_columns_say_and_more(lenses):
    folder, _, table = lenses
    with np.load(folder / "t.npz") as file:
        drawn = {name: file[name] for name in file.files}
    assert set(drawn) == {*TARGETS, "id"}
    assert drawn["id"].tolist() == table["id"].tolist()
    assert np.isnan(drawn["theta_E"][2]).all()
    for row in (0, 1, 3, 4, 5):
        for name in TARGETS:
            draws, std = drawn[name][row].astype(float), table[f"{name}_std"][row]
            assert draws.shape == (4000,)
            # five standard errors; of a quantile, where a mixture may be half as dense as a normal
            assert abs(draws.mean() - table[name][row]) < 5 * std / np.sqrt(4000)
            for q in (16, 50, 84):
                gap = np.percentile(draws, q) - table[f"{name}_p{q}"][row]
                assert abs(gap) < 5 * 2 * 1.6 * std / np.sqrt(4000)
    shape = [np.corrcoef(drawn["theta_E"][i], drawn["e1"][i])[0, 1] for i in (0, 1, 3, 4, 5)]
    assert np.max(np.abs(shape)) > 5 / np.sqrt(4000), "they hang together, as columns cannot say"


def test_a_row_draws_the_same_whatever_the_batch(lenses, tmp_path):
    _, images, _ = lenses
    model(images, posterior=tmp_path / "a.npz", draws=40, batch_size=6)
    model({"vis": images["vis"][:5]}, posterior=tmp_path / "b.npz", draws=40, batch_size=2)
    model(images, posterior=tmp_path / "c.npz", draws=40, seed=1)
    a, b, c = (np.load(tmp_path / f"{name}.npz")["theta_E"] for name in "abc")
    np.testing.assert_allclose(a[:5], b, rtol=0, atol=1e-5)
    assert np.nanmax(np.abs(a - c)) > 0.01


def test_delays_takes_the_rows_that_are_left_in_any_order(lenses):
    folder, _, table = lenses
    few = table[[5, 3]]
    few["x_obs"], few["y_obs"] = 1.2 * few["theta_E"], 0.3
    about = {"z_lens": 0.5, "z_src": 2.0}
    joint = lensfinder.delays(few, posterior=folder / "t.npz", **about)
    assert joint.meta["draws"] == 4000
    apart = lensfinder.delays(few, **about)
    assert joint["id"].tolist() == apart["id"].tolist()
    np.testing.assert_array_equal(joint["x_image"], apart["x_image"])
    assert np.nanmax(np.abs(joint["x_image_p16"] - apart["x_image_p16"])) > 0
    drawn = in_order(read_posterior(folder / "t.npz"), read_lenses(few))
    file = np.load(folder / "t.npz")
    np.testing.assert_array_equal(drawn["e1"], file["e1"][[5, 3]])
    # what is exactly zero is said, and no longer once it has an error
    assert joint.meta["exact_zero"] == ["x_lens", "y_lens", "gamma1", "gamma2"]
    known = read_lenses(few, sigma={"x_lens": 0.05, "y_lens": 0.05, "gamma1": 0.03})
    assert exact_zero(known, drawn) == ["gamma2"]
    assert exact_zero(known, {"gamma2": np.zeros((2, 9))}) == []
    # nothing is drawn, nothing is too sure
    assert lensfinder.delays(few, draws=0, **about).meta["exact_zero"] == []


def table_of(*ids):
    """A table of lenses of these ids."""
    count = len(ids)
    return read_lenses(
        Table(
            {
                "id": list(ids),
                "theta_E": np.ones(count),
                "e1": np.zeros(count),
                "e2": np.zeros(count),
            }
        )
    )


def test_ids_say_whose_draws_they_are(tmp_path):
    ids, first = np.array(["a", "b", "c"]), np.array([[1.0], [2.0], [3.0]])
    found = in_order({"id": ids, "theta_E": first}, table_of("c", "a"))
    assert found["theta_E"].ravel().tolist() == [3.0, 1.0]
    # so do those of covariances, also from a file
    np.savez(tmp_path / "c.npz", id=ids, names=["theta_E"], covariance=first[..., None])
    found = in_order(read_posterior(tmp_path / "c.npz"), table_of("c", "a"))
    assert isinstance(found, Covariance)
    assert found.matrices.ravel().tolist() == [3.0, 1.0]
    # a table without names is taken row by row, whatever its rows are called
    plain = read_lenses(Table({"theta_E": [1.0] * 3, "e1": [0.0] * 3, "e2": [0.0] * 3}))
    found = in_order({"id": np.array([1, 2, 3]) - 1, "theta_E": first}, plain)
    assert found["theta_E"].ravel().tolist() == [1.0, 2.0, 3.0]
    # names that repeat are those of the same rows, if all are there
    found = in_order({"id": ["a", "a"], "theta_E": first[:2]}, table_of("a", "a"))
    assert found["theta_E"].ravel().tolist() == [1.0, 2.0]


def test_draws_of_other_lenses_are_refused():
    ids, first = np.array(["a", "b", "c"]), np.array([[1.0], [2.0], [3.0]])
    for given, ours, words in (
        ({"id": ids, "theta_E": first}, ("a", "d"), "none of 'd'"),
        ({"id": ["a", "a", "b"], "theta_E": first}, ("b", "a"), "an id twice"),
        ({"id": ids, "theta_E": first[:2]}, ("a", "b"), "an array of another length"),
        ({"id": ids, "theta_E": 1.0}, ("a", "b"), "an array of another length"),
        (Covariance(("theta_E",), first[:, None], ["a", "b"]), ("a",), "another length"),
    ):
        with pytest.raises(ArgumentError, match=words):
            in_order(given, table_of(*ours))
    lenses = read_lenses(
        Table({"theta_E": [1.0], "e1": [0.0], "e2": [0.0], "x_src": [0.1], "y_src": [0.0]}),
        z_lens=0.3, z_src=2.0,
    )  # fmt: skip
    with pytest.raises(ArgumentError, match="z_lens is given for all rows, and the posterior"):
        draw_lenses(lenses, [0], posterior={"z_lens": np.full((1, 9), 0.5)})


def test_what_cannot_be_drawn_is_refused_before_anything_is_written(lenses, tmp_path):
    folder, images, _ = lenses
    values = tiny.save(tmp_path, "modeller", targets=TARGETS)
    for error, words, options in (
        (PresetError, "answers without a posterior", {"preset": values, "posterior": "d.npz"}),
        (ArgumentError, "written as .npz", {"posterior": "d.fits"}),
        (ArgumentError, "written as .npz", {"posterior": "d.NPZ"}),
        (ArgumentError, "one or more", {"posterior": "d.npz", "draws": 0}),
        (OutputExistsError, "exists", {"posterior": folder / "t.npz"}),
    ):
        given = {**options, "posterior": tmp_path / options["posterior"]}
        with pytest.raises(error, match=words):
            model(images, output=tmp_path / "t.ecsv", **given)
        assert not (tmp_path / "t.ecsv").exists()
        assert not list(tmp_path.glob("d.*"))
    with pytest.raises(ArgumentError, match="Say where to keep it"):
        model(images, output=tmp_path / "t.ecsv", draws=50)


def test_the_command_line_does_the_same(tmp_path):
    run = lambda *words: CliRunner().invoke(cli.app, [str(word) for word in words])  # noqa: E731
    mocks = tmp_path / "mocks"
    made = run(
        "simulate", "euclid-vis", "pearson2019-test", "-n", 3, "-o", mocks, "--format", "fits"
    )
    assert made.exit_code == 0, made.stderr
    table, draws = tmp_path / "p.ecsv", tmp_path / "p.npz"
    words = ("model", mocks / "S1", "-o", table, "--posterior", draws, "--draws", 60, "--seed", 4)
    done = run(*words, "--no-report")
    assert done.exit_code == 0, done.stderr
    assert f"draws  {draws}" in done.stdout
    assert "--draws 60 --seed 4" in read_table(table).meta["command"]
    assert np.load(draws)["theta_E"].shape == (3, 60)
    given = ("export", table, "--to", "lenstronomy", "--posterior", draws)
    handed = run(*given, "-o", tmp_path / "l.json")
    assert handed.exit_code == 0, handed.stderr
    assert "zero without an error: x_lens, y_lens, gamma1, gamma2 (errors" in handed.stdout
    assert len(json.loads((tmp_path / "l.json").read_text())["systems"]) == 3
    known = run(*given, "-o", tmp_path / "m.json", "--sigma", "x_lens=0.05,y_lens=0.05")
    assert "zero without an error: gamma1, gamma2" in known.stdout
