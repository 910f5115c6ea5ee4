"""Optimisers by name, and learning-rate schedules."""

import keras
import numpy as np
import pytest
from tiny_training import recipe

from lensfinder.errors import RecipeError, UnknownNameError
from lensfinder.training.optimizers import (
    MomentumSGD,
    Steps,
    WarmupCosine,
    make_optimizer,
    make_schedule,
    optimizer_names,
)


def test_cosine_rises_falls_and_ends_at_the_floor():
    schedule = WarmupCosine(1e-2, 1e-4, warmup_steps=10, total_steps=110)
    rates = np.array([float(schedule(step)) for step in range(120)])
    np.testing.assert_allclose(rates[:10], 1e-2 * np.arange(1, 11) / 10, rtol=1e-6, atol=0)
    np.testing.assert_allclose(rates[60], 0.5 * (1e-2 + 1e-4), rtol=1e-5, atol=0)
    assert (np.diff(rates[10:110]) < 0).all()
    np.testing.assert_allclose(rates[110:], 1e-4, rtol=1e-5, atol=0)


def test_steps_multiply_at_each_boundary():
    schedule = Steps(1.0, factor=0.1, boundaries=[3, 5])
    rates = [float(schedule(step)) for step in range(7)]
    np.testing.assert_allclose(rates, [1, 1, 1, 0.1, 0.1, 0.01, 0.01], rtol=1e-6, atol=0)


@pytest.mark.parametrize("schedule", [WarmupCosine(1, 0, warmup_steps=2, total_steps=9)])
def test_schedules_survive_their_config(schedule):
    twin = type(schedule).from_config(schedule.get_config())
    assert [float(schedule(i)) for i in range(9)] == [float(twin(i)) for i in range(9)]


def test_constant_is_a_number(tmp_path):
    given = recipe(tmp_path, schedule={"kind": "constant", "learning_rate": 0.5})
    assert make_schedule(given) == 0.5


@pytest.mark.parametrize("name", ["nadam", "Adam", "SGD", "adamw", "RAdam"])
def test_any_keras_optimiser_by_name(name, tmp_path):
    made = make_optimizer(recipe(tmp_path, optimizer={"name": name}))
    assert type(made).__name__.lower() == name.lower()


def test_the_list_holds_no_wrappers():
    known = optimizer_names()
    assert {"nadam", "adam", "sgd", "rmsprop", "lion"} <= set(known)
    assert not {"optimizer", "lossscaleoptimizer"} & set(known)
    assert all(issubclass(kind, keras.optimizers.Optimizer) for kind in known.values())


def test_arguments_arrive(tmp_path):
    given = {"name": "sgd", "arguments": {"momentum": 0.9, "nesterov": True}}
    made = make_optimizer(recipe(tmp_path, optimizer=given))
    assert (made.momentum, made.nesterov) == (0.9, True)


def steps_of(optimizer, gradients):
    """A weight that starts at 2, after each gradient."""
    weight = keras.Variable(np.array([2.0], "f4"))
    optimizer.build([weight])
    found = []
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(np.array([gradient], "f4"))])
        found.append(float(keras.ops.convert_to_numpy(keras.ops.copy(weight))[0]))
    return found


def test_momentum_sgd_is_that_of_pytorch(rng):
    gradients, weight, velocity, want = rng.normal(size=40), 2.0, 0.0, []
    for gradient in gradients:  # the documented rule of torch.optim.SGD
        velocity = 0.9 * velocity + gradient + 0.05 * weight
        weight -= 0.01 * velocity
        want.append(weight)
    found = steps_of(MomentumSGD(0.01, momentum=0.9, decay=0.05), gradients)
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=0)  # 40 steps in float32
    # the control: Keras' own decay is another one
    keras_own = steps_of(keras.optimizers.SGD(0.01, momentum=0.9, weight_decay=0.05), gradients)
    assert abs(keras_own[-1] - want[-1]) > 0.05


def test_momentum_sgd_is_made_from_a_recipe_and_its_config(tmp_path):
    given = {"name": "momentum_sgd", "arguments": {"momentum": 0.8, "decay": 1e-3}}
    constant = {"kind": "constant", "learning_rate": 0.02}
    made = make_optimizer(recipe(tmp_path, optimizer=given, schedule=constant))
    twin = MomentumSGD.from_config(made.get_config())
    for one in (made, twin):
        assert (one.momentum, one.decay) == (0.8, 1e-3)
        assert abs(float(one.learning_rate) - 0.02) < 1e-8
    assert (MomentumSGD().momentum, MomentumSGD().decay) == (0.9, 5e-4)  # Schuldt 2021, section 3
    with pytest.raises(ValueError, match="decay"):
        MomentumSGD(decay=-1.0)


def test_wrong_optimisers_are_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="nadam"):
        make_optimizer(recipe(tmp_path, optimizer={"name": "radamm"}))
    for arguments, words in (({"momentun": 0.9}, "momentum"), ({"learning_rate": 1.0}, "take")):
        with pytest.raises(RecipeError, match=words):
            make_optimizer(recipe(tmp_path, optimizer={"name": "sgd", "arguments": arguments}))
    given = {"name": "sgd", "arguments": {"momentum": 7.0}}
    with pytest.raises(RecipeError, match="refuses"):
        make_optimizer(recipe(tmp_path, optimizer=given))
