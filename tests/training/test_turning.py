"""Training objects in one of their eight views: pixels, truth that turns with them, and resume."""

import json

import numpy as np
import pytest
from tiny_training import Objects, recipe

from lensfinder.errors import CheckpointError, RecipeError
from lensfinder.tables import COLUMNS
from lensfinder.training.card import _training
from lensfinder.training.loop import train
from lensfinder.training.sources import Batch, SimulatorSource
from lensfinder.training.turning import TurnedMaker, turned, turning
from lensfinder.training.views import view_of
from lensfinder.zoo.layers.dihedral import VIEWS, turned_back, view

PARAMETERS = ("x_lens", "y_lens", "e1", "e2", "theta_E")


def lenses(names=PARAMETERS):
    return [{"name": n, "low": -9, "high": 9, "unit": COLUMNS[n].unit} for n in names]


def blob(x0, y0, e1, e2, width, size=41):
    """A Gaussian whose centre and second moments are the truth."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    cov = 0.5 * width**2 * np.array([[1 + e1, e2], [e2, 1 - e1]])
    inverse = np.linalg.inv(cov)
    dx, dy = x - x0, y - y0
    form = inverse[0, 0] * dx**2 + 2 * inverse[0, 1] * dx * dy + inverse[1, 1] * dy**2
    return np.exp(-0.5 * form)[..., None]


def measured(image):
    """Centre, ellipticity and width of light, by its moments."""
    light = image[..., 0] / image.sum()
    y, x = np.mgrid[: len(light), : len(light)] - (len(light) - 1) / 2
    x0, y0 = (light * x).sum(), (light * y).sum()
    xx, yy = (light * (x - x0) ** 2).sum(), (light * (y - y0) ** 2).sum()
    xy = (light * (x - x0) * (y - y0)).sum()
    return [x0, y0, (xx - yy) / (xx + yy), 2 * xy / (xx + yy), np.sqrt(xx + yy)]


class Blobs:
    """Objects whose truth can be read off their images."""

    def batches(self, epoch, first, last):
        for step in range(first, last):
            rng = np.random.default_rng((epoch, step))
            centres, shapes = rng.uniform(-2, 2, (32, 2)), rng.uniform(-0.4, 0.4, (32, 2))
            truth = np.hstack([centres, shapes, rng.uniform(3, 5, (32, 1))])
            images = np.stack([blob(*row) for row in truth]).astype(np.float32)
            yield Batch({"vis": images}, truth.astype(np.float32), tuple(range(32)))


@pytest.mark.parametrize("which", VIEWS)
def test_a_view_is_that_of_the_networks(which):
    images = np.random.default_rng(1).normal(size=(3, 6, 6, 2)).astype(np.float32)
    np.testing.assert_array_equal(view_of(images, *which), np.asarray(view(images, *which)))
    planes = np.stack([images, -images], axis=1)  # of a cleaner: one axis more
    np.testing.assert_array_equal(view_of(planes, *which)[:, 0], view_of(images, *which))


def test_truth_turns_as_the_light_does(tmp_path):
    given = recipe(tmp_path, turned=True, targets=lenses())
    source = turned(Blobs(), given)
    (batch,) = source.batches(0, 0, 1)
    (before,) = Blobs().batches(0, 0, 1)
    found = [measured(image) for image in batch.images["vis"]]
    np.testing.assert_allclose(batch.y, found, atol=0.02)
    assert np.mean(np.any(np.abs(batch.y - before.y) > 1e-3, axis=1)) > 0.6  # 7 of 8 views
    back = [turned_back(PARAMETERS, *which) for which in VIEWS]
    for row, original in zip(batch.y, before.y, strict=True):
        assert min(np.abs(m @ row - original).max() for m in back) < 1e-6


def test_every_view_is_as_frequent_and_another_one_in_the_next_epoch(tmp_path):
    given = recipe(tmp_path, turned=True, targets=lenses())
    source = turned(Blobs(), given)
    marked = np.zeros((4096, 4, 4, 1), np.float32)
    marked[:, 0, 1] = 1.0
    batch = Batch({"vis": marked}, np.zeros((4096, 5), np.float32), tuple(range(4096)))
    views, counts = np.unique(source.turn(batch, 0).images["vis"], axis=0, return_counts=True)
    assert len(views) == 8
    assert counts.min() > 4096 / 8 * 0.8
    first, other = (source.turn(batch, step).images["vis"] for step in (0, given.steps_per_epoch))
    assert 0.05 < np.mean(np.all(first == other, axis=(1, 2, 3))) < 0.2


def test_a_batch_is_the_same_from_any_beginning_and_any_process(tmp_path):
    given = recipe(tmp_path, turned=True)
    source = turned(Objects(), given)
    whole, rest = list(source.batches(1, 0, 4)), list(source.batches(1, 2, 4))
    for one, other in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(one.images["vis"], other.images["vis"])
        np.testing.assert_array_equal(one.y, other.y)
    mocks = SimulatorSource("s", "p", 1, ("theta_E", "e1", "e2"), 8, given.steps_per_epoch)
    maker = turned(mocks, given)
    assert isinstance(maker, TurnedMaker)
    assert maker.steps_per_task == mocks.steps_per_task
    made = dict(enumerate(Objects().batches(0, 0, 8)))

    class Made(SimulatorSource):
        def make(self, simulator, step):
            return made[step]

    maker = turned(Made("s", "p", 1, ("theta_E", "e1", "e2"), 8, given.steps_per_epoch), given)
    np.testing.assert_array_equal(maker.make(None, 6).images["vis"], whole[2].images["vis"])
    np.testing.assert_array_equal(maker.make(None, 6).y, whole[2].y)


def test_classes_stay_and_planes_turn_with_the_images(tmp_path):
    finder = recipe(tmp_path, task="finder", turned=True)
    (batch,) = turned(Objects(label=True), finder).batches(0, 0, 1)
    (before,) = Objects(label=True).batches(0, 0, 1)
    np.testing.assert_array_equal(batch.y, before.y)
    assert not np.array_equal(batch.images["vis"], before.images["vis"])
    cleaner = recipe(tmp_path, task="cleaner", turned=True)
    images = before.images["vis"]
    planes = np.stack([2 * images, 3 * images], axis=1)
    both = turned(Objects(), cleaner).turn(Batch({"vis": images}, planes, before.ids), 5)
    np.testing.assert_array_equal(both.y[:, 0], 2 * both.images["vis"])
    np.testing.assert_array_equal(both.y[:, 1], 3 * both.images["vis"])


def test_a_recipe_that_does_not_ask_is_shown_the_objects_as_they_are(tmp_path):
    source = Objects()
    assert turned(source, recipe(tmp_path)) is source
    assert "turned" not in recipe(tmp_path).resolved()["recipe"]  # begun before: goes on
    assert recipe(tmp_path, turned=True).resolved()["recipe"]["turned"] is True


def test_a_parameter_that_turns_nobody_knows_how_is_refused_before_training(tmp_path):
    given = recipe(tmp_path, turned=True, targets=lenses(("theta_E", "phi")))
    with pytest.raises(RecipeError, match="phi turns with an image is not known. Use turned: fal"):
        train(given, tmp_path / "run", source=Objects(), validation=Objects().batch(range(8)))
    assert not list((tmp_path / "run").glob("checkpoints/*"))
    half = recipe(tmp_path, turned=True, targets=lenses(("x_lens", "theta_E")))
    with pytest.raises(RecipeError, match="x_lens and y_lens turn together"):
        turning(half)


def test_a_training_resumes_with_the_views_it_would_have_seen(tmp_path):
    given = recipe(tmp_path, turned=True)
    held = Objects(seed=2).batch(range(16))
    whole = train(given, tmp_path / "one", source=Objects(), validation=held)
    with pytest.raises(CheckpointError):  # the views are part of what was begun
        train(recipe(tmp_path), tmp_path / "one", source=Objects(), validation=held)
    part = train(given, tmp_path / "two", source=Objects(), validation=held, minutes=1e-6)
    assert not part.finished
    rest = train(given, tmp_path / "two", source=Objects(), validation=held)
    for one, other in zip(whole.model.get_weights(), rest.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    record = json.loads((tmp_path / "two" / "history.json").read_text())
    assert len(record) >= given.epochs


def test_the_card_says_so(tmp_path):
    facts = {"recipe": {"data": {}}, "finished": True, "parameters": 1, "objects": 2, "steps": 3}
    facts |= {"best_epoch": 1, "epochs": 1, "stored_as": "float16"}
    (text,) = _training(recipe(tmp_path, turned=True), facts)
    assert "one of its eight views, drawn anew" in text
    (text,) = _training(recipe(tmp_path), facts)
    assert "views" not in text
