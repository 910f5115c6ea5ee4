"""Grid search: combinations, their table, and resuming without running anything twice."""

import json

import numpy as np
import pytest
import test_crossval
from numpy.testing import assert_array_equal
from tiny_training import recipe

from lensfinder.errors import (
    ArgumentError,
    CheckpointError,
    RecipeError,
    SpecError,
    TrainingDivergedError,
    UnknownNameError,
)
from lensfinder.tables import read_table
from lensfinder.training import grid as room
from lensfinder.training.grid import grid_search
from lensfinder.training.grid_points import grid_points, load_grid, planned, run_name
from lensfinder.training.listeners import Listener
from lensfinder.training.recipe import load_recipe


# --- combinations ---------------------------------------------------------------------------------
def test_every_combination_once():
    points = grid_points({"seed": [1, 2, 3], "batch_size": [4, 8]})
    assert len(points) == 6
    assert {tuple(sorted(values.items())) for values in points.values()} == {
        (("batch_size", b), ("seed", s)) for b in (4, 8) for s in (1, 2, 3)
    }
    assert "batch_size=8,seed=2" in points


def test_the_name_of_a_run_does_not_depend_on_the_rest_of_the_grid():
    small = set(grid_points({"seed": [1, 2], "batch_size": [4]}))
    assert small < set(grid_points({"batch_size": [8, 4], "seed": [3, 2, 1]}))
    odd = [{"network.arguments.widths": [4, k]} for k in (4, 5)]
    names = [run_name(values) for values in odd]
    assert len(set(names)) == 2
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.,=+-") for name in names)
    assert len(run_name({"a" * 90: 1, "b" * 90: 2})) <= 120


@pytest.mark.parametrize(
    "wrong", [{}, {"seed": []}, {"seed": 3}, {"seed": [1, 1]}, {"seed": list(range(10_001))}]
)
def test_impossible_grids_are_refused(wrong):
    with pytest.raises(ArgumentError):
        grid_points(wrong)


def test_the_papers_grid_has_96_runs():
    points = grid_points(load_grid("schuldt2021"))
    assert len(points) == 96  # "96 different combinations", section 3
    given = load_recipe("shards/holismokes-hsc-griz")
    values = {"learning_rate": 0.1, "batch_size": 32, "seed": 3, "weight.theta_E": 1}
    found = planned(given, values)
    assert (found.schedule.learning_rate, found.batch_size, found.seed) == (0.1, 32, 3)
    assert [target.weight for target in found.targets] == [1, 1, 1, 1, 1]
    assert found.steps_per_epoch == 2 * given.steps_per_epoch  # as many objects as before
    with pytest.raises(UnknownNameError, match="schuldt2021"):
        load_grid("schuldt")


def test_axes_are_keys_of_the_recipe(tmp_path):
    given = recipe(tmp_path)
    assert planned(given, {"learning_rate": 0.5}).schedule.peak == 0.5
    assert planned(given, {"network.arguments.units": 3}).network.arguments["units"] == 3
    assert planned(given, {"optimizer.name": "sgd"}).optimizer.name == "sgd"
    for axis in ("learning_rte", "network.units", "weight.gamma", "data.kind.x"):
        with pytest.raises(UnknownNameError):
            planned(given, {axis: 1})
    for values in ({"batch_size": 0}, {"seed": -1}, {"learning_rate": "fast"}):
        with pytest.raises(SpecError):
            planned(given, values)


def test_a_schedule_keeps_its_place_in_the_epochs(tmp_path):
    given = recipe(
        tmp_path,
        batch_size=8,
        steps_per_epoch=40,
        epochs=4,
        schedule={"kind": "cosine", "peak": 0.1, "floor": 0.0, "warmup_steps": 20},
    )
    found = planned(given, {"batch_size": 16})
    assert (found.steps_per_epoch, found.schedule.warmup_steps) == (20, 10)  # half an epoch
    own = planned(given, {"schedule.warmup_steps": 3, "batch_size": 16})
    assert own.schedule.warmup_steps == 3
    steps = {"kind": "step", "peak": 0.1, "factor": 0.5, "boundaries": [40, 80]}
    for size, boundaries in ((4, (80, 160)), (8, (40, 80)), (32, (10, 20))):
        found = planned(recipe(tmp_path, **given_like(given), schedule=steps), {"batch_size": size})
        assert found.schedule.boundaries == boundaries  # after one epoch and after two


def given_like(given):
    """The lengths of a recipe."""
    return {name: getattr(given, name) for name in ("batch_size", "steps_per_epoch", "epochs")}


# --- runs -----------------------------------------------------------------------------------------
GRID = {"learning_rate": [0.01], "seed": [1, 2]}


class Counter(Listener):
    """Counts epochs; may break off like a killed process."""

    def __init__(self, limit=None):
        self.epochs, self.limit = 0, limit

    def epoch(self, history):
        self.epochs += 1
        if self.epochs == self.limit:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """A search of two runs of two epochs, broken off in the second run, and finished then."""
    folder = tmp_path_factory.mktemp("grid")
    given, counter = test_crossval.prepared(folder), Counter(limit=3)
    with pytest.raises(KeyboardInterrupt):
        grid_search(given, GRID, folder / "run", listener=counter)
    broken = read_table(folder / "run" / "grid.ecsv")
    rest = Counter()
    return folder, given, broken, rest, grid_search(given, GRID, folder / "run", listener=rest)


def test_a_broken_search_goes_on_where_it_was(search):
    _, _, broken, rest, found = search
    assert found.finished
    assert broken["status"].tolist() == ["done", "waiting"]
    # of two runs of two epochs, the third epoch was being closed when it broke off
    assert rest.epochs == 1
    assert found.table["status"].tolist() == ["done"] * 2


def test_the_table_holds_every_runs_loss(search):
    folder, _, _, _, found = search
    table = read_table(folder / "run" / "grid.ecsv")
    assert table.colnames == [
        *("run", "learning_rate", "seed"),
        *("status", "best_epoch", "val_loss"),
    ]
    for row in table:
        place = folder / "run" / "runs" / row["run"]
        metrics = json.loads((place / "metrics.json").read_text())
        assert (row["best_epoch"], row["val_loss"]) == (metrics["best_epoch"], metrics["val_loss"])
    (best,) = found.best
    assert best["val_loss"] == table["val_loss"].min()
    assert len(set(table["val_loss"])) == 2  # runs differ


def test_nothing_is_run_twice_and_a_grid_may_grow(search):
    folder, given, _, _, found = search
    again = Counter()
    repeated = grid_search(given, GRID, folder / "run", listener=again)
    assert again.epochs == 0
    assert_array_equal(repeated.table["val_loss"], found.table["val_loss"])
    larger = grid_search(given, {**GRID, "seed": [2, 1, 3]}, folder / "run", listener=again)
    assert again.epochs == 2
    assert len(larger.table) == 3
    with pytest.raises(CheckpointError, match="epochs"):
        grid_search(given.model_copy(update={"epochs": 5}), GRID, folder / "run")


def test_a_run_that_diverges_is_a_row(tmp_path, monkeypatch):
    given, calls = recipe(tmp_path), []

    def train(plan, out, **options):
        calls.append(plan.seed)
        raise TrainingDivergedError("In epoch 2.", epoch=2, step=3, ids=())

    monkeypatch.setattr(room, "train", train)
    for _ in range(2):
        found = grid_search(given, {"seed": [1, 2]}, tmp_path / "run")
        assert found.finished
        assert found.table["status"].tolist() == ["diverged", "diverged"]
        assert np.isnan(found.table["val_loss"]).all()
        assert found.best == []
    assert calls == [1, 2]


def test_losses_of_different_weights_are_not_compared(tmp_path, monkeypatch):
    def train(plan, out, **options):
        out.mkdir(parents=True)
        loss = plan.targets[0].weight + plan.seed
        facts = {"best_epoch": 1, "loss": 0.0, "val_loss": loss}
        (out / "metrics.json").write_text(json.dumps(facts))
        return type("Result", (), {"finished": True})

    monkeypatch.setattr(room, "train", train)
    grid = {"weight.theta_E": [1, 5], "seed": [2, 1]}
    found = grid_search(recipe(tmp_path), grid, tmp_path / "run")
    assert [(row["weight.theta_E"], row["seed"]) for row in found.best] == [(1, 1), (5, 1)]


@pytest.mark.slow
def test_with_folds_the_best_run_is_trained_on_all_of_them(tmp_path):
    given = test_crossval.prepared(tmp_path)
    options = {"folds": 2, "procedure": "mean-curve"}
    part = grid_search(given, {"seed": [1, 2]}, tmp_path / "run", **options, minutes=0)
    assert not part.finished
    found = grid_search(given, {"seed": [1, 2]}, tmp_path / "run", **options)
    assert found.finished
    (best,) = found.best
    finals = sorted(path.parent.name for path in (tmp_path / "run" / "runs").glob("*/final"))
    assert finals == [best["run"]]
    curve = read_table(tmp_path / "run" / "runs" / best["run"] / "curve.ecsv")
    assert best["val_loss"] == curve["mean"].min()


def test_options_that_do_not_fit_are_refused(tmp_path):
    given = recipe(tmp_path, task="finder")
    with pytest.raises(ArgumentError, match="folds"):
        grid_search(given, {"seed": [1]}, tmp_path / "a", procedure="mean-curve")
    with pytest.raises(RecipeError, match="patience"):
        grid_search(given.model_copy(update={"patience": 2}), {"seed": [1]}, tmp_path, folds=2)


def test_folds_and_a_grid_over_data_do_not_go_together(tmp_path):
    grid = {"data.population": ["pearson2019-train", "varied-lenses"]}
    with pytest.raises(ArgumentError, match="share their objects"):
        grid_search("compact-modeller-euclid-vis", grid, tmp_path / "grid", folds=2)
    assert not list((tmp_path / "grid").iterdir())
