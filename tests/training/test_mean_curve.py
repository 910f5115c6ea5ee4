"""The procedure of Schuldt et al. 2021: the epoch of the lowest mean curve, then all folds."""

import json

import numpy as np
import pytest
import test_crossval
from numpy.testing import assert_allclose, assert_array_equal
from tiny_training import Objects
from tiny_training import recipe as tiny

from lensfinder.data.splits import split_of
from lensfinder.errors import MetricError, RecipeError, UnknownNameError
from lensfinder.tables import read_table
from lensfinder.training.checkpoint import newest_checkpoint
from lensfinder.training.crossval import cross_validate
from lensfinder.training.fold_plans import altered
from lensfinder.training.listeners import Listener
from lensfinder.training.loop import train
from lensfinder.training.mean_curve import best_epoch, mean_validation_curve
from lensfinder.training.recipe import Recipe
from lensfinder.training.sources import make_source, validation_objects

# Three folds whose own best epochs are 2, 2 and 4; their mean is lowest at 3.
CURVES = np.array([[9, 1, 2, 8, 9], [9, 1, 2, 8, 9], [9, 9, 3, 2, 9]], float)


def histories(curves):
    return [[{"epoch": k + 1, "val_loss": v} for k, v in enumerate(curve)] for curve in curves]


def test_the_epoch_is_that_of_the_lowest_mean_not_the_mean_or_mode_of_the_lowest():
    curve = mean_validation_curve(histories(CURVES))
    assert best_epoch(curve) == 3
    own = 1 + CURVES.argmin(axis=1)
    assert round(own.mean()) == 3  # here the mean of the minima would agree ...
    assert np.bincount(own).argmax() == 2
    assert_allclose(curve["mean"], CURVES.mean(axis=0))
    assert curve.colnames == ["epoch", "fold_00", "fold_01", "fold_02", "mean"]
    skewed = np.vstack([CURVES[:2], [[1, 0.5, 30, 30, 0.4]]])
    assert best_epoch(mean_validation_curve(histories(skewed))) == 2
    assert round((1 + skewed.argmin(axis=1)).mean()) == 3  # ... here it does not


def test_of_equal_epochs_the_first_is_taken():
    assert best_epoch(mean_validation_curve(histories([[3, 1, 1], [3, 1, 1]]))) == 2


def test_curves_of_different_lengths_have_no_mean():
    with pytest.raises(MetricError, match="same number of epochs"):
        mean_validation_curve([*histories(CURVES), histories([[1, 2]])[0]])
    with pytest.raises(MetricError):
        mean_validation_curve([])


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Two folds and the training on both; the folds' histories are then made to say epoch 2."""
    folder = tmp_path_factory.mktemp("curve")
    given = altered(test_crossval.prepared(folder), epochs=3)
    first = cross_validate(given, folder / "run", folds=2)
    assert first.finished
    assert first.final is None
    for fold, losses in enumerate(([5.0, 3.0, 2.9], [5.0, 3.0, 4.0])):
        path = folder / "run" / f"fold-{fold:02d}" / "history.json"
        history = json.loads(path.read_text())
        for entry, loss in zip(history, losses, strict=True):
            entry["val_loss"] = loss
        path.write_text(json.dumps(history))
    options = {"folds": 2, "procedure": "mean-curve"}
    part = cross_validate(
        given, folder / "run", **options, minutes=0
    )  # one step, then the time is up
    assert not part.finished
    return given, cross_validate(given, folder / "run", **options)


def final_recipe(found) -> Recipe:
    import yaml

    text = (found.folder / "final" / "config.yaml").read_text()
    return Recipe.model_validate(yaml.safe_load(text)["recipe"])


def test_the_final_network_is_trained_to_the_chosen_epoch(done):
    given, found = done
    assert found.finished
    assert best_epoch(found.curve) == 2
    assert found.final["epochs"] == 2
    assert_allclose(found.final["mean_val_loss"], 3.0)
    history = json.loads((found.folder / "final" / "history.json").read_text())
    assert len(history) == 2
    assert not any("val_loss" in entry for entry in history)
    metrics = json.loads((found.folder / "final" / "metrics.json").read_text())
    assert metrics["best_epoch"] == 2  # the last, although nothing says that it is best
    plan = final_recipe(found)
    # the learning rate falls as it did in the folds, not faster because there are fewer epochs
    assert (plan.epochs, plan.stop_after, plan.seed) == (3, 2, given.seed)
    assert_array_equal(read_table(found.folder / "curve.ecsv")["mean"], found.curve["mean"])


def test_its_log_says_that_it_was_resumed(done):
    _, found = done
    log = (found.folder / "final" / "log.txt").read_text()
    assert log.count("begin:") == 1
    assert log.count("resume:") == 1


def test_the_final_training_sees_every_object_but_the_test_sample(done):
    _, found = done
    plan = final_recipe(found)
    source, names = make_source(plan), read_table(found.folder / "folds.ecsv")["id"]
    seen = set()
    for epoch in range(8):  # a last batch that is not full is left out, another in each epoch
        for batch in source.batches(epoch, 0, plan.steps_per_epoch):
            seen |= set(batch.ids)
    assert seen == set(names[split_of(names) != "test"])
    folds = [json.loads((found.folder / "config.json").read_text())["recipe"]["steps_per_epoch"]]
    assert plan.steps_per_epoch > max(folds)
    assert validation_objects(plan) is None


def test_a_training_that_stops_after_an_epoch_keeps_its_weights(tmp_path):
    validation = Objects(seed=2).batch(range(16))
    validation.y[:] = -50  # every step away from zero makes it worse
    given = tiny(tmp_path, epochs=3, stop_after=2)
    found = train(given, tmp_path / "run", source=Objects(), validation=validation)
    assert found.finished
    assert (len(found.history), found.best_epoch) == (2, 2)
    last = newest_checkpoint(tmp_path / "run" / "checkpoints")
    assert last.best
    for name, array in last.best.items():
        assert_array_equal(array, last.arrays[name])
    for wrong in ({"stop_after": 4}, {"stop_after": 1, "patience": 1}):
        with pytest.raises(ValueError, match="stop_after"):
            tiny(tmp_path, epochs=3, **wrong)


def test_asked_for_again_nothing_is_trained(done):
    class Never(Listener):
        def step(self, epoch, step, loss):
            raise AssertionError("a step was made")

    given, found = done
    options = {"folds": 2, "procedure": "mean-curve", "listener": Never()}
    assert cross_validate(given, found.folder, **options).final == found.final


def test_procedures_that_do_not_fit_are_refused(done, tmp_path):
    given, _ = done
    with pytest.raises(UnknownNameError, match="mean-curve"):
        cross_validate(given, tmp_path / "a", folds=2, procedure="schuldt")
    tired = altered(given, patience=1)
    with pytest.raises(RecipeError, match="patience"):
        cross_validate(tired, tmp_path / "a", folds=2, procedure="mean-curve")
    assert not (tmp_path / "a" / "fold-00").exists()
