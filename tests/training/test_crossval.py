"""Cross-validation: folds, resuming after a kill, and the table."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_array_equal
from tiny_training import Objects, recipe

from lensfinder.data import write_shards
from lensfinder.data.splits import split_of
from lensfinder.errors import (
    CheckpointError,
    DatasetSpecError,
    OutputExistsError,
    RecipeError,
    UnknownNameError,
)
from lensfinder.specs import load_population, load_survey
from lensfinder.tables import read_table
from lensfinder.training.crossval import cross_validate, tabulate
from lensfinder.training.fold_plans import altered, assign, fold_recipe, shards_of
from lensfinder.training.listeners import Listener
from lensfinder.training.shard_source import shard_objects
from lensfinder.training.sources import make_source

HERE = Path(__file__).parent
FOLDS = 3
COUNT = 120


@dataclass
class FakeMocks:
    images: dict
    truth: Table
    planes: dict


def prepared(folder, seed=1):
    """A finder's recipe on shards of blobs, wide or narrow; the shards are written once."""
    given = recipe(
        folder,
        task="finder",
        data={"kind": "shards", "folder": str(folder / "set")},
        steps_per_epoch=2,
        epochs=2,
    )
    if not (folder / "set" / "manifest.json").exists():
        batch = Objects(seed=seed, label=True).batch(range(COUNT))
        truth = Table({"id": [f"m{i:03d}" for i in batch.ids], "label": batch.y[:, 0].astype(int)})
        mocks = FakeMocks(batch.images, truth, {"S1": batch.images})
        write_shards(folder / "set", [mocks], survey=load_survey(given.survey), rows_per_shard=50)
    return given


class Killer(Listener):
    """Ends the process after so many epochs of all folds together."""

    def __init__(self, epochs):
        self.left = epochs

    def epoch(self, history):
        self.left -= 1
        if self.left == 0:
            os._exit(9)


def in_a_process(folder, out, epochs):
    path = os.pathsep.join([str(HERE), *sys.path])
    return subprocess.run(
        [sys.executable, __file__, str(folder), str(out), str(epochs)],
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    ).returncode


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds")
    return folder, cross_validate(prepared(folder), folder / "whole", folds=FOLDS)


def assert_same_table(one, two):
    assert one.colnames == two.colnames
    for name in one.colnames:
        assert_array_equal(np.asarray(one[name]), np.asarray(two[name]))


def test_every_object_outside_the_test_sample_is_in_one_fold(whole):
    folder, _ = whole
    table = read_table(folder / "whole" / "folds.ecsv")
    assert len(table) == COUNT
    assert_array_equal(table["fold"] == -1, split_of(table["id"]) == "test")
    assert set(table["fold"]) == {-1, 0, 1, 2}


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """Shards of 120 objects on 12 galaxies, and a recipe for them."""
    folder = tmp_path_factory.mktemp("painted")
    given = prepared(folder)
    batch = Objects(seed=1, label=True).batch(range(COUNT))
    columns = {"id": [f"m{i:03d}" for i in batch.ids], "label": batch.y[:, 0].astype(int)}
    truth = Table(
        columns | {"lens_id": [f"galaxy-{i % 12}" for i in batch.ids], "snr": batch.y[:, 0]}
    )
    mocks = FakeMocks(batch.images, truth, {"S1": batch.images})
    write_shards(folder / "galaxies", [mocks], survey=load_survey(given.survey), rows_per_shard=50)
    return given, folder / "galaxies"


@pytest.mark.parametrize(("split_by", "together"), [("lens_id", True), (None, False)])
def test_objects_of_one_galaxy_stay_together_if_asked(painted, tmp_path, split_by, together):
    given, shards = painted
    plans = [
        fold_recipe(given, shards, fold=fold, folds=FOLDS, split_by=split_by)
        for fold in range(FOLDS)
    ]
    assign(plans, tmp_path)
    table = read_table(tmp_path / "folds.ecsv")
    galaxy = np.array([f"galaxy-{int(name[1:]) % 12}" for name in table["id"]])
    folds = [set(table["fold"][galaxy == name]) for name in np.unique(galaxy)]
    assert (max(map(len, folds)) == 1) == together  # by their own ids, galaxies come into several
    assert set(table["fold"]) == {-1, 0, 1, 2}
    for plan in plans:  # what is trained and validated on is what the table says
        fold = plan.data.fold
        held = shard_objects(plan, "validation").ids
        assert set(held) == set(table["id"][table["fold"] == fold])
        (group, *_) = make_source(plan).batches(0, 0, 1)
        assert set(group.ids) <= set(table["id"][(table["fold"] >= 0) & (table["fold"] != fold)])
    if together:
        assert list(table["lens_id"]) == list(galaxy)
        assert altered(given, data=plans[0].data.model_dump(mode="json")).data.split_by == "lens_id"


def test_objects_are_split_by_names_that_are_there(painted, tmp_path):
    given, shards = painted
    with pytest.raises(UnknownNameError, match="truth column named 'galaxy'"):
        cross_validate(given, tmp_path, folds=FOLDS, shards=shards, split_by="galaxy")
    with pytest.raises(DatasetSpecError, match="names or integers"):
        cross_validate(given, tmp_path, folds=FOLDS, shards=shards, split_by="snr")
    assert not (tmp_path / "config.json").exists()


def test_each_fold_is_measured_at_its_epoch_of_lowest_validation_loss(whole):
    import json

    folder, found = whole
    for fold in found.folds:
        place = folder / "whole" / f"fold-{fold['fold']:02d}"
        history = json.loads((place / "history.json").read_text())
        losses = [entry["val_loss"] for entry in history]
        assert fold["best_epoch"] == 1 + int(np.argmin(losses))
        assert fold["val_loss"] == min(losses)
        assert not (place / "checkpoints").exists()  # ten folds of them would fill a disk
        assert (place / "best.safetensors").exists()


def test_the_table_is_mean_and_deviation_over_folds(whole):
    _, found = whole
    table = found.table
    row = table[table["figure"] == "roc_auc"][0]
    values = [fold["validation"]["roc_auc"] for fold in found.folds]
    assert row["validation_folds"] == FOLDS
    np.testing.assert_allclose(row["validation_mean"], np.mean(values), rtol=1e-12)
    np.testing.assert_allclose(row["validation_std"], np.std(values, ddof=1), rtol=1e-12)
    assert row["validation_std"] > 0  # folds differ
    assert {"roc_auc", "precision_recall_auc", "f_beta", "tpr0", "loss"} <= set(table["figure"])
    assert "objects" not in table["figure"]
    test = [fold["test"]["roc_auc"] for fold in found.folds]
    np.testing.assert_allclose(row["test_mean"], np.mean(test), rtol=1e-12)
    assert_same_table(table, read_table(found.folder / "table.ecsv"))


def test_killed_in_a_fold_and_between_folds_the_table_is_the_same(whole):
    folder, found = whole
    assert in_a_process(folder, folder / "killed", 3) == 9  # in fold 1, after its first epoch
    assert (folder / "killed" / "fold-00" / "figures.json").exists()
    assert not (folder / "killed" / "fold-01" / "figures.json").exists()
    given = prepared(folder)
    assert not cross_validate(given, folder / "killed", folds=FOLDS, minutes=0).finished  # one step
    again = cross_validate(given, folder / "killed", folds=FOLDS)
    log = (folder / "killed" / "fold-01" / "log.txt").read_text()
    assert log.count("resume:") == 2
    assert_same_table(again.table, found.table)


def test_the_comparison_can_see_a_fold_less(whole):
    _, found = whole
    with pytest.raises(AssertionError):
        assert_same_table(tabulate(found.folds[:2]), found.table)


def test_other_recipes_data_and_folds_are_refused(whole):
    folder, _ = whole
    given = prepared(folder)
    with pytest.raises(CheckpointError, match="folds: 3 -> 4"):
        cross_validate(given, folder / "whole", folds=4)
    with pytest.raises(CheckpointError, match="epochs"):
        cross_validate(given.model_copy(update={"epochs": 5}), folder / "whole", folds=FOLDS)
    with pytest.raises(OutputExistsError, match="resume"):
        cross_validate(given, folder / "whole", folds=FOLDS, resume=False)


def test_what_cannot_be_shared_among_folds_is_refused(whole, tmp_path):
    folder, _ = whole
    with pytest.raises(RecipeError, match="Write shards"):
        cross_validate(recipe(tmp_path, task="finder"), tmp_path / "a")
    given = prepared(folder).model_copy(update={"batch_size": 80})
    with pytest.raises(DatasetSpecError, match="batch of 80"):
        cross_validate(given, tmp_path / "b", folds=FOLDS)
    data = {"kind": "shards", "folder": "x", "fold": 0, "folds": 3}
    with pytest.raises(RecipeError, match="one fold already"):
        cross_validate(recipe(tmp_path, task="finder", data=data), tmp_path / "c")


def test_stored_mocks_must_be_what_the_recipe_asks_for(tmp_path):
    """Whatever decides them: a folder of mocks is not taken for another's."""
    batch = Objects(seed=1, label=True).batch(range(10))
    truth = Table({"id": [f"m{i}" for i in batch.ids], "label": batch.y[:, 0].astype(int)})
    mocks = FakeMocks(batch.images, truth, {"S1": batch.images})
    place = tmp_path / "mocks"
    survey = load_survey(recipe(tmp_path, task="finder").survey)
    population = load_population("finder-test")
    write_shards(place, [mocks], survey=survey, population=population, seed=5)
    held = json.loads((place / "manifest.json").read_text())

    def ask(objects=None, population="finder-test", **data):
        data = {"kind": "simulator", "population": population, "seed": 5} | data
        held_out = {"population": "finder-test", "seed": 99, "size": 8}
        given = recipe(tmp_path, task="finder", data=data, validation=held_out)
        return shards_of(given, tmp_path, objects=objects)

    assert ask() == ask(objects=10) == place
    for asked, word in (
        ({"population": "finder-train"}, "population"),
        ({"seed": 6}, "seed: 5 -> 6"),
        ({"visits": 2}, "visits"),
        ({"sources": "hubble"}, "sources"),
        ({"subtract_lens_light": True}, "subtract_lens_light"),
        ({"objects": 11}, "objects: 10 -> 11"),
    ):
        with pytest.raises(CheckpointError, match=f"other mocks.*{word}.*another folder"):
            ask(**asked)
    for change, word in (
        ({"drawn": {"data_version": 0}}, "data_version"),
        ({"drawn": {"sources": "hubble"}}, "sources"),
        ({"survey": held["survey"] | {"name": "another"}}, "survey.name"),
    ):
        (place / "manifest.json").write_text(json.dumps(held | change))
        with pytest.raises(CheckpointError, match=word):
            ask()


@pytest.mark.slow
def test_mocks_of_a_simulator_are_stored_once(tmp_path):
    given = recipe(
        tmp_path,
        task="finder",
        survey="euclid-vis",
        data={"kind": "simulator", "population": "finder-test", "seed": 5},
        validation={"population": "finder-test", "seed": 6, "size": 8},
        schedule={"kind": "constant", "learning_rate": 1e-3},
        epochs=1,
    )
    found = cross_validate(given, tmp_path / "run", folds=2, objects=40, minutes=0)
    assert (found.finished, len(found.folds)) == (False, 1)  # a step is all that a fold takes here
    manifest = tmp_path / "run" / "mocks" / "manifest.json"
    written = manifest.stat().st_mtime_ns
    assert cross_validate(given, tmp_path / "run", folds=2, objects=40, minutes=0).finished
    assert manifest.stat().st_mtime_ns == written
    assert len(read_table(tmp_path / "run" / "folds.ecsv")) == 40


def test_a_figure_that_some_folds_cannot_measure_is_averaged_over_the_others():
    def fold(value):
        return {"val_loss": 0.5, "validation": {"a": {"b": value}, "std": {"b": 1}}, "test": None}

    table = tabulate([fold(1.0), fold(None), fold(3.0)])
    row = table[table["figure"] == "a.b"][0]
    assert (row["validation_mean"], row["validation_folds"]) == (2.0, 2)
    assert np.isnan(row["test_mean"])
    assert set(table["figure"]) == {"a.b", "loss"}


if __name__ == "__main__":
    _folder, _out, _epochs = sys.argv[1:]
    cross_validate(prepared(Path(_folder)), _out, folds=FOLDS, listener=Killer(int(_epochs)))
