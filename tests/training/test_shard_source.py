"""Training on shards: positions, validation split, exact resume."""

from dataclasses import dataclass

import numpy as np
import pytest
from astropy.table import Table
from tiny_training import Objects, recipe

from lensfinder.data import write_shards
from lensfinder.data.splits import split_of
from lensfinder.errors import CheckpointError, DatasetSpecError
from lensfinder.specs import load_survey
from lensfinder.training.checkpoint import newest_checkpoint
from lensfinder.training.loop import train
from lensfinder.training.sources import make_source, validation_objects


@dataclass
class FakeMocks:
    images: dict
    truth: Table
    planes: dict


def write(folder, survey, seed=1):
    batch = Objects(seed=seed).batch(range(90))
    truth = Table({"id": [f"m{i:03d}" for i in batch.ids]})
    for column, name in enumerate(("theta_E", "e1", "e2")):
        truth[name] = batch.y[:, column]
    mocks = FakeMocks(batch.images, truth, {"S1": batch.images})
    write_shards(folder, [mocks], survey=load_survey(survey), rows_per_shard=40, overwrite=True)


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    place = tmp_path_factory.mktemp("shards")
    found = recipe(place, data={"kind": "shards", "folder": str(place / "set")}, epochs=2)
    write(place / "set", found.survey)
    return found


def ids(batches):
    return [name for batch in batches for name in batch.ids]


def test_batches_are_a_function_of_position(given):
    source = make_source(given)
    whole = ids(source.batches(1, 0, 4))
    assert ids(source.batches(1, 2, 4)) == whole[16:]
    assert ids(source.batches(0, 0, 4)) != whole
    assert set(split_of(whole)) == {"train"}
    with pytest.raises(DatasetSpecError, match="steps_per_epoch"):
        list(source.batches(0, 0, 50))


def test_validation_is_the_other_split(given):
    held = validation_objects(given)
    assert set(split_of(held.ids)) == {"validation"}
    assert held.images["vis"].shape == (len(held.ids), 16, 16, 1)
    assert np.isfinite(held.y).all()


def test_resume_is_exact_and_refuses_other_shards(given, tmp_path):
    train(given, tmp_path / "whole")
    assert not train(given, tmp_path / "parts", minutes=0).finished
    train(given, tmp_path / "parts")
    one, two = (newest_checkpoint(tmp_path / run / "checkpoints") for run in ("whole", "parts"))
    for name in one.arrays:
        np.testing.assert_array_equal(one.arrays[name], two.arrays[name])
    write(given.data.folder, given.survey, seed=2)
    with pytest.raises(CheckpointError, match="manifest_sha256"):
        train(given, tmp_path / "parts")
