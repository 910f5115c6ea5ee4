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


def test_shards_that_are_too_few_for_an_epoch_say_so_before_it_begins(given, tmp_path):
    rows = sum(len(batch.ids) for batch in make_source(given).batches(0, 0, given.steps_per_epoch))
    longer = given.model_copy(update={"steps_per_epoch": 50})
    with pytest.raises(DatasetSpecError, match="steps_per_epoch=50. Lower it"):
        train(longer, tmp_path / "run")
    assert not (tmp_path / "run" / "config.yaml").exists()
    assert rows == given.steps_per_epoch * given.batch_size


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


# --- planes as truth ------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def cleaner(tmp_path_factory):
    """A cleaner's recipe on stored planes: the source is a tenth of the noiseless image."""
    place = tmp_path_factory.mktemp("planes")
    found = recipe(
        place,
        task="cleaner",
        data={"kind": "shards", "folder": str(place / "set")},
        cleaning={"planes": ["S2", "S3"]},
        epochs=1,
    )
    batch = Objects(seed=2).batch(range(90))
    whole = {"vis": batch.images["vis"] - 0.01}
    planes = {"S1": batch.images, "S2": whole, "S3": {"vis": 0.1 * whole["vis"]}}
    truth = Table({"id": [f"m{i:03d}" for i in batch.ids], "theta_E": batch.y[:, 0]})
    mocks = FakeMocks(batch.images, truth, planes)
    write_shards(place / "set", [mocks], survey=load_survey(found.survey), rows_per_shard=40)
    return found


def test_a_cleaner_reads_stored_planes_of_the_same_objects(cleaner):
    for batch in make_source(cleaner).batches(0, 0, 3):
        assert batch.y.shape == (8, 2, 16, 16, 1)
        np.testing.assert_allclose(batch.y[:, 0], batch.images["vis"] - 0.01, atol=1e-6)
        np.testing.assert_allclose(batch.y[:, 1], 0.1 * batch.y[:, 0], atol=1e-6)
    held = validation_objects(cleaner)
    assert held.y.shape == (len(held.ids), 2, 16, 16, 1)
    assert set(split_of(held.ids)) == {"validation"}
    np.testing.assert_allclose(held.y[:, 0], held.images["vis"] - 0.01, atol=1e-6)


def test_a_cleaner_is_trained_on_them_whole_or_in_pieces(cleaner, tmp_path):
    result = train(cleaner, tmp_path / "whole")
    assert result.finished
    assert np.isfinite(result.history[0]["val_loss"])
    pieces = cleaner.model_copy(
        update={"cleaning": cleaner.cleaning.model_copy(update={"patch": 16})}
    )
    (batch,) = make_source(pieces).batches(0, 1, 2)
    (whole,) = make_source(cleaner).batches(0, 1, 2)
    assert batch.ids == whole.ids
    np.testing.assert_array_equal(batch.y, whole.y)  # pieces as large as the stamps
    assert make_source(pieces).fingerprint() != make_source(cleaner).fingerprint()
    assert validation_objects(pieces).y.shape[1:] == (2, 16, 16, 1)


def test_planes_that_were_not_stored_are_asked_for(given, cleaner):
    from lensfinder.data import dataset

    without = given.data.folder
    with pytest.raises(DatasetSpecError, match=r"--planes S1,S2,S3"):
        dataset(without, targets=(), planes=("S2", "S3"), batch_size=8)
    images, y = next(
        iter(dataset(cleaner.data.folder, targets=(), planes=("S3",), batch_size=4, repeat=True))
    )
    assert tuple(y.shape) == (4, 1, 16, 16, 1)
    cached = dataset(
        cleaner.data.folder, targets=(), planes=("S3",), batch_size=4, cache_in_memory=True
    )
    np.testing.assert_array_equal(next(iter(cached))[1], y)
    assert tuple(images["vis"].shape) == (4, 16, 16, 1)
