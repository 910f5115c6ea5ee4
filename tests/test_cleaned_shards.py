"""Data sets of what a cleaner leaves, for the networks that come after it."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest
from astropy.table import Table
from typer.testing import CliRunner

from lensfinder import cli
from lensfinder.data import load_arrays, read_manifest, write_shards
from lensfinder.data.manifest import read_truth
from lensfinder.errors import DatasetSpecError, OutputExistsError, ShardError
from lensfinder.predict import OwnNetwork
from lensfinder.predict.cleaned_shards import clean_shards
from lensfinder.specs import InputContract, load_population, load_survey
from lensfinder.training.sources import make_source
from tests.training.tiny_training import Objects, recipe

COUNT, SATURATED = 21, 4


@dataclass
class FakeMocks:
    images: dict
    truth: Table
    planes: dict


@pytest.fixture(scope="module")
def mocks(tmp_path_factory):
    """A folder of shards, its survey, and its images."""
    folder = tmp_path_factory.mktemp("mocks")
    survey = load_survey(recipe(folder).survey)
    batch = Objects(seed=4, label=True).batch(range(COUNT))
    images = {"vis": batch.images["vis"].copy()}
    images["vis"][SATURATED, 6:10, 6:10] = 1e5  # a flat core
    truth = Table({"id": [f"m{i:02d}" for i in batch.ids], "label": batch.y[:, 0].astype(int)})
    given = [FakeMocks(images, truth, {"S1": images})]
    how = {"population": load_population("finder-train"), "seed": 7, "rows_per_shard": 8}
    write_shards(folder / "set", given, survey=survey, **how)
    return folder / "set", survey, images["vis"]


def dimmer(survey, gain=0.5):
    image = keras.Input((16, 16, 1), name="vis")
    source = keras.layers.Reshape((1, 16, 16, 1))(keras.layers.Rescaling(gain)(image))
    network = keras.Model({"vis": image}, source)
    contract = InputContract.from_survey(survey)
    return OwnNetwork(network, "cleaner", contract, targets=("S3",), name="dimmer")


def test_sources_keep_truth_and_ids_and_bad_rows_are_counted(mocks, tmp_path):
    folder, survey, images = mocks
    told = []
    how = {"preset": dimmer(survey), "batch_size": 5}
    counts = clean_shards(folder, tmp_path / "out", progress=told.append, **how)
    assert sum(counts.values()) == sum(told) == COUNT
    assert counts == {"ok": COUNT - 1, "saturated": 1}
    found, label, ids = load_arrays(tmp_path / "out", targets=("label",))
    kept = [i for i in range(COUNT) if i != SATURATED]
    np.testing.assert_allclose(found["vis"], 0.5 * images[kept], rtol=1e-6)
    truth = read_truth(folder, read_manifest(folder))
    assert ids == list(truth["id"][kept])
    np.testing.assert_array_equal(label[:, 0], truth["label"][kept])
    manifest = read_manifest(tmp_path / "out")
    assert manifest.population == read_manifest(folder).population != {}
    assert (manifest.seed, manifest.drawn["cleaner"]) == (7, "dimmer")
    with pytest.raises(OutputExistsError):
        clean_shards(folder, tmp_path / "out", **how)
    assert clean_shards(folder, tmp_path / "out", overwrite=True, **how) == counts


def test_what_does_not_fit_is_refused_and_nothing_is_written(mocks, tmp_path):
    folder, survey, _ = mocks
    network = dimmer(survey)
    with pytest.raises(DatasetSpecError, match="overwritten by itself"):
        clean_shards(folder, folder, preset=network)
    (group,) = network.contract.groups
    other = group.model_copy(update={"bands": ("r",)})
    far = group.model_copy(update={"pixel_scale": 0.2})
    for changed in (other, far):
        contract = network.contract.model_copy(update={"groups": (changed,)})
        wrong = OwnNetwork(network.keras_model, "cleaner", contract, targets=("S3",))
        with pytest.raises(DatasetSpecError, match="give another cleaner"):
            clean_shards(folder, tmp_path / "out", preset=wrong)
    assert not (tmp_path / "out").exists()
    with pytest.raises(DatasetSpecError, match="no image of any mock"):
        clean_shards(folder, tmp_path / "none", preset=dimmer(survey, gain=100.0))  # invents light
    with pytest.raises(ShardError):
        read_manifest(tmp_path / "none")


def test_a_network_is_measured_on_images_like_those_it_was_trained_on(mocks, tmp_path):
    folder, survey, _ = mocks
    clean_shards(folder, tmp_path / "out", preset=dimmer(survey))
    held = {"population": "finder-train", "seed": 3, "size": 8}
    shards = {"kind": "shards", "folder": str(tmp_path / "out")}
    given = recipe(tmp_path, task="finder", data=shards, steps_per_epoch=1)
    assert make_source(given).fingerprint()  # the control: validated on their own split
    with pytest.raises(DatasetSpecError, match="plane: S3"):
        make_source(recipe(tmp_path, task="finder", data=shards, test=held))
    fresh = {"kind": "simulator", "population": "finder-train", "seed": 4}
    parts = [
        {"objects": 4, "data": {**fresh, "plane": "S3"}},
        {"objects": 4, "data": shards},
    ]
    mixed = {"task": "finder", "validation": held, "test": {**held, "seed": 5}}
    found = recipe(tmp_path, data={"kind": "mixture", "parts": parts}, **mixed)
    assert found.plane == "S3"
    make_source(found)
    parts.append({"objects": 4, "data": {**fresh, "seed": 6}})
    with pytest.raises(ValueError, match="different planes"):
        recipe(tmp_path, data={"kind": "mixture", "parts": parts}, batch_size=12, **mixed)


def test_the_command_line_knows_a_data_set(mocks, tmp_path, monkeypatch):
    folder, survey, _ = mocks
    network = dimmer(survey)
    monkeypatch.setattr("lensfinder.predict.cleaner.default_cleaner", lambda: network)
    words = ["clean", str(folder), "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 0, done.output
    assert f"{COUNT} mocks: {COUNT - 1} ok, 1 saturated" in done.output
    assert read_manifest(tmp_path / "out").rows == COUNT - 1
    done = CliRunner().invoke(cli.app, [*words, "--pad"])
    assert done.exit_code != 0
    assert "as it is" in " ".join(done.output.split())
