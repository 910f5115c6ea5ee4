"""The average of the weights: what it is, when it is used, and that a kill does not change it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_training import Objects, recipe

from lensfinder.errors import CheckpointError, RecipeError
from lensfinder.training.averaging import averaged
from lensfinder.training.checkpoint import model_arrays, newest_checkpoint, value_of
from lensfinder.training.loop import train
from lensfinder.training.network import adapt_network, build_network, compile_network
from lensfinder.training.optimizers import make_optimizer

HERE = Path(__file__).parent
EMA = {"ema": 0.5}


def run(folder, out="run", **changes):
    return train(
        recipe(folder, **changes),
        folder / out,
        source=Objects(),
        validation=Objects(seed=2).batch(range(32)),
    )


def final(out):
    return newest_checkpoint(out / "checkpoints")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ema")
    assert run(folder, **EMA).finished
    return folder


@pytest.fixture(scope="module")
def by_hand(whole):
    """Weights after each of the twelve steps of the same training, and the network they are of."""
    given = recipe(whole)
    source = Objects()
    model = compile_network(build_network(given), given)
    adapt_network(model, given, source)
    steps = []
    for epoch in range(given.epochs):
        for batch in source.batches(epoch, 0, given.steps_per_epoch):
            model.train_on_batch(batch.images, batch.y)
            steps.append([value_of(v).astype(np.float64) for v in model.trainable_variables])
    return model, steps


def average(steps, share):
    means = steps[0]
    for weights in steps[1:]:
        means = [share * mean + (1 - share) * w for mean, w in zip(means, weights, strict=True)]
    return means


def trainable(model):
    return [value_of(variable) for variable in model.trainable_variables]


@pytest.fixture(scope="module")
def last_epoch(whole):
    """The same training, whose last epoch is kept whatever its validation loss."""
    return run(whole, "last", stop_after=3, **EMA)


def test_what_is_kept_is_the_average_over_the_steps(last_epoch, by_hand):
    mean, last = average(by_hand[1], 0.5), by_hand[1][-1]
    got = trainable(last_epoch.model)
    for one, wanted in zip(got, mean, strict=True):
        np.testing.assert_allclose(one, wanted, rtol=0, atol=1e-6)  # float32 against float64
    # the control: the weights of the last step are something else
    assert max(np.abs(one - w).max() for one, w in zip(got, last, strict=True)) > 1e-4


def test_training_goes_on_from_the_weights_themselves(whole, by_hand):
    model, _ = by_hand
    kept = final(whole / "run").arrays
    for name, array in model_arrays(model).items():
        np.testing.assert_array_equal(array, kept[name])


def test_validation_sees_the_average(whole):
    plain = run(whole, "plain")
    one, other = (
        [entry["val_loss"] for entry in json.loads((folder / "history.json").read_text())]
        for folder in (whole / "run", plain.folder)
    )
    assert all(abs(a / b - 1) > 1e-4 for a, b in zip(one, other, strict=True))


def test_killed_and_resumed_is_bit_exact(whole):
    path = os.pathsep.join([str(HERE), *sys.path])
    command = [sys.executable, str(HERE / "tiny_training.py"), str(whole), str(whole / "killed")]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([*command, "1", json.dumps(EMA)], env=environment, check=False)
    assert done.returncode == 9
    run(whole, "killed", **EMA)
    one, two = final(whole / "run"), final(whole / "killed")
    assert one.arrays.keys() == two.arrays.keys()
    for name in one.arrays:
        np.testing.assert_array_equal(one.arrays[name], two.arrays[name])
    assert one.best.keys() == two.best.keys()
    for name in one.best:
        np.testing.assert_array_equal(one.best[name], two.best[name])


def test_the_weights_come_back_even_after_an_error(last_epoch, by_hand):
    model = last_epoch.model
    average = trainable(model)
    for variable in model.trainable_variables:
        variable.assign(variable + 1.0)
    before = trainable(model)

    def look():
        with averaged(model):
            for one, other in zip(trainable(model), average, strict=True):
                np.testing.assert_array_equal(one, other)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        look()
    for one, other in zip(trainable(model), before, strict=True):
        np.testing.assert_array_equal(one, other)
    with averaged(by_hand[0]) as same:  # no average, nothing to put in their place
        assert same is by_hand[0]


def test_a_training_from_before_there_were_averages_goes_on(whole):
    assert {"ema", "precision"}.isdisjoint(recipe(whole).resolved()["recipe"])
    assert recipe(whole, **EMA).resolved()["recipe"]["ema"] == 0.5
    run(whole, "plain")
    with pytest.raises(CheckpointError, match=r"recipe.ema: \(absent\) -> 0.5"):
        run(whole, "plain", **EMA)


@pytest.mark.parametrize("name", ["nadam", "radam", "momentum_sgd"])
def test_every_optimiser_can_keep_one(name, tmp_path):
    optimizer = make_optimizer(recipe(tmp_path, optimizer={"name": name}, **EMA))
    assert optimizer.use_ema
    assert optimizer.ema_momentum == 0.5
    assert optimizer.ema_overwrite_frequency is None
    assert not make_optimizer(recipe(tmp_path, optimizer={"name": name})).use_ema


def test_an_average_longer_than_the_training_is_refused(tmp_path):
    with pytest.raises(ValueError, match="the first weights would still be in it"):
        recipe(tmp_path, ema=0.999)
    recipe(tmp_path, ema=0.999, epochs=1250)


def test_there_is_one_way_to_ask_for_it(tmp_path):
    wrong = {"name": "nadam", "arguments": {"use_ema": True}}
    with pytest.raises(RecipeError, match="use_ema"):
        make_optimizer(recipe(tmp_path, optimizer=wrong))
