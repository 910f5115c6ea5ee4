"""The network of a recipe: a distribution over weights is told the size of an epoch."""

import numpy as np
import pytest
from tiny_training import Objects, recipe

from lensfinder import zoo
from lensfinder.errors import UnscaledDivergenceError
from lensfinder.training.finetuning import FineTuner, Tuning
from lensfinder.training.loop import train
from lensfinder.training.network import build_network, compile_network

SURVEY_OF_32 = {"name": "resnet101_flipout", "arguments": {"depth": 8, "width": 2}}


@pytest.fixture
def given(tmp_path):
    """A recipe for 32-pixel stamps."""
    made = recipe(tmp_path, network=SURVEY_OF_32)
    survey = tmp_path / "tiny.yaml"
    survey.write_text(survey.read_text().replace("stamp: 16", "stamp: 32"))
    return made


class Larger(Objects):
    """Objects whose stamps are 32 pixels wide."""

    def one(self, i):
        image, truth = super().one(i)
        return np.pad(image, 8), truth


def test_a_recipe_spreads_the_divergence_over_an_epoch(given):
    model = build_network(given)
    layer = model.get_layer("parameters")
    assert layer.training_objects is None
    compile_network(model, given)
    assert layer.training_objects == given.steps_per_epoch * given.batch_size == 32


def test_a_network_with_a_flipout_head_is_trained_like_any_other(given, tmp_path):
    found = train(given, tmp_path / "run", source=Larger(), validation=Larger(2).batch(range(8)))
    assert found.finished
    images = Larger(3).batch(range(4)).images
    drawn = zoo.posterior_samples(found.model, images, draws=20, seed=1)
    assert drawn.shape == (20, 4, 3)
    assert np.isfinite(drawn).all()
    assert drawn.std(axis=0).min() > 0


def test_fine_tuning_counts_its_own_objects(given):
    model, data = build_network(given), Larger().batch(range(12))
    model.compile("sgd", loss="mse")
    with pytest.raises(UnscaledDivergenceError):
        model.train_on_batch(data.images, data.y)
    tuner = FineTuner(model, "modeller", Tuning())
    tuner.fit(data.images, data.y, epochs=1)
    assert model.get_layer("parameters").training_objects == 12
    tuner.fit({"vis": data.images["vis"][:8]}, data.y[:8], epochs=1)
    assert model.get_layer("parameters").training_objects == 8
