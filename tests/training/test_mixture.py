"""Training on several sources at once: order, shares, resume, and what must agree."""

import numpy as np
import pytest
from test_shard_source import ids, write
from tiny_training import recipe

from lensfinder.errors import CheckpointError, DatasetSpecError
from lensfinder.training.loop import train
from lensfinder.training.mixture import MixtureSource
from lensfinder.training.publish import _portable
from lensfinder.training.sources import ArraySource, make_source

HELD = {"population": "pearson2019-test", "seed": 9, "size": 8}


def of(place, objects=(5, 3), **changes):
    parts = [
        {"objects": objects[0], "data": {"kind": "shards", "folder": str(place / "one")}},
        {"objects": objects[1], "data": {"kind": "shards", "folder": str(place / "two")}},
    ]
    return recipe(
        place, **{"data": {"kind": "mixture", "parts": parts}, "validation": HELD, **changes}
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixture")
    survey = recipe(folder).survey
    write(folder / "one", survey, seed=1)
    write(folder / "two", survey, seed=2)
    return folder


def test_each_batch_holds_so_many_objects_of_each_part(place):
    source = make_source(of(place))
    batches = list(source.batches(0, 0, 4))
    for batch in batches:
        assert batch.images["vis"].shape == (8, 16, 16, 1)
        assert [name.split(":")[0] for name in batch.ids] == ["part 0"] * 5 + ["part 1"] * 3
    assert ids(source.batches(0, 2, 4)) == ids(batches[2:])
    assert ids(source.batches(1, 0, 4)) != ids(batches)


def test_a_batch_holds_the_images_and_truth_of_its_parts(place):
    mixed = make_source(of(place))
    found = next(mixed.batches(0, 0, 1))
    alone = [next(part.batches(0, 0, 1)) for part in mixed.parts]
    images = np.concatenate([batch.images["vis"] for batch in alone])
    np.testing.assert_array_equal(found.images["vis"], images)
    np.testing.assert_array_equal(found.y, np.concatenate([batch.y for batch in alone]))


def test_a_training_on_a_mixture_knows_its_mixture(place, tmp_path):
    given = of(place, epochs=1)
    held = next(make_source(given).batches(0, 0, 1))
    # two workers: shards are read by one thread all the same
    train(given, tmp_path / "run", validation=held, workers=2)
    other = tmp_path / "other"
    other.mkdir()
    survey = recipe(place).survey
    write(other / "one", survey, seed=1)
    write(other / "two", survey, seed=3)
    with pytest.raises(CheckpointError, match="manifest_sha256"):
        train(of(place, epochs=1), tmp_path / "run", source=make_source(of(other)))


def test_what_is_recorded_names_no_folder(place):
    recorded = _portable(of(place))["data"]
    assert [part["data"]["rows"] for part in recorded["parts"]] == [90, 90]
    assert str(place) not in str(recorded)


def test_parts_that_do_not_fit_together(place):
    with pytest.raises(ValueError, match="batch_size is 8"):
        of(place, objects=(4, 3))
    with pytest.raises(ValueError, match="validation is missing"):
        of(place, validation=None)
    shared = {"kind": "simulator", "population": "pearson2019-test", "seed": 9}
    parts = [{"objects": 4, "data": shared}, {"objects": 4, "data": {**shared, "seed": 10}}]
    with pytest.raises(ValueError, match="share objects"):  # with the validation mocks
        of(place, data={"kind": "mixture", "parts": parts})
    images = [np.zeros((4, size, size, 1), np.float32) for size in (16, 8)]
    sources = [ArraySource({"vis": each}, np.zeros((4, 1)), batch_size=2) for each in images]
    with pytest.raises(DatasetSpecError, match="same groups"):
        next(MixtureSource(tuple(sources)).batches(0, 0, 1))
