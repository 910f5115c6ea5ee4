"""Rectified Adam against the equations of its paper, written out here."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from tiny_training import Objects, recipe

from lensfinder.training.checkpoint import newest_checkpoint
from lensfinder.training.loop import train
from lensfinder.training.radam import RAdam

STEPS = 40
SHAPE = (3, 4)


def gradients(steps=STEPS):
    rng = np.random.default_rng(3)
    return rng.normal(0.1, 1, (steps, *SHAPE)).astype(np.float32)


def liu_2020(start, grads, alpha=0.01, beta1=0.9, beta2=0.999, eps=1e-8, rectify=True, limit=4):
    """Algorithm 2 of Liu et al. 2020, line by line, in float64."""
    theta, m, v = start.astype(float), 0.0, 0.0
    rho_inf = 2 / (1 - beta2) - 1
    path = []
    for t, g in enumerate(grads.astype(float), start=1):
        v = beta2 * v + (1 - beta2) * g**2
        m = beta1 * m + (1 - beta1) * g
        m_hat = m / (1 - beta1**t)
        rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
        if rho > limit:
            adapted = 1 / (np.sqrt(v / (1 - beta2**t)) + eps)
            r = np.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
            theta = theta - alpha * (r if rectify else 1) * m_hat * adapted
        else:
            theta = theta - alpha * m_hat
        path.append(theta)
    return np.array(path)


def ours(start, grads, optimizer):
    variable = keras.Variable(start)
    optimizer.build([variable])
    path = []
    for gradient in grads:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)])
        path.append(keras.ops.convert_to_numpy(keras.ops.copy(variable.value)))
    return np.array(path)


@pytest.mark.parametrize("beta2", [0.999, 0.99, 0.9, 0.5])
def test_every_step_is_the_papers(beta2):
    start = np.ones(SHAPE, np.float32)
    found = ours(start, gradients(), RAdam(0.01, beta_2=beta2))
    want = liu_2020(start, gradients(), beta2=beta2)
    # float32: a weight near 1 is rounded by 6e-8 at each of the 40 steps; measured 6e-7
    np.testing.assert_allclose(found, want, rtol=0, atol=3e-6)


def test_the_comparison_can_see_adam_and_another_threshold():
    start = np.ones(SHAPE, np.float32)
    found = ours(start, gradients(), RAdam(0.01))
    unrectified = liu_2020(start, gradients(), rectify=False)
    assert np.abs(found - unrectified).max() > 1e-3
    later = liu_2020(start, gradients(), limit=5)
    assert np.abs(found - later).max() > 1e-3  # step 5 is one of momentum there
    again = ours(start, gradients(), RAdam(0.01, threshold=5.0))
    np.testing.assert_allclose(again, later, rtol=0, atol=3e-6)  # as above


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_as_torch_does():
    import torch

    start = np.ones(SHAPE, np.float32)
    theirs = torch.tensor(start, requires_grad=True)
    optimizer = torch.optim.RAdam([theirs], lr=0.01, eps=1e-8)
    for gradient in gradients():
        theirs.grad = torch.tensor(gradient)
        optimizer.step()
    found = ours(start, gradients(), RAdam(0.01, threshold=5.0))[-1]
    # torch adds epsilon before the bias correction; beside that, float32
    np.testing.assert_allclose(found, theirs.detach().numpy(), rtol=0, atol=1e-5)


def test_weight_decay_and_clipping_are_those_of_keras():
    start = np.full(SHAPE, 2.0, np.float32)
    nothing = np.zeros((3, *SHAPE), np.float32)
    decayed = ours(start, nothing, RAdam(0.1, weight_decay=0.5))[-1]
    np.testing.assert_allclose(decayed, 2.0 * (1 - 0.1 * 0.5) ** 3, rtol=1e-6)  # float32
    clipped = ours(start, 100 * gradients(4), RAdam(0.1, clipvalue=0.5))
    want = liu_2020(start, np.clip(100 * gradients(4), -0.5, 0.5), alpha=0.1)
    np.testing.assert_allclose(clipped, want, rtol=0, atol=1e-6)  # float32
    norm = ours(start, 100 * gradients(4), RAdam(0.1, global_clipnorm=1.0))
    assert np.abs(norm - clipped).max() > 1e-3


def test_a_zero_gradient_moves_nothing():
    start = np.ones(SHAPE, np.float32)
    found = ours(start, np.zeros((10, *SHAPE), np.float32), RAdam(0.1, epsilon=1e-8))
    np.testing.assert_array_equal(found[-1], start)


def test_the_config_survives_a_round_trip():
    made = RAdam(0.02, beta_1=0.8, beta_2=0.95, epsilon=1e-6, threshold=5.0, weight_decay=0.1)
    twin = keras.optimizers.deserialize(keras.optimizers.serialize(made))
    assert type(twin) is RAdam
    start = np.ones(SHAPE, np.float32)
    one, two = (ours(start, gradients(9), o) for o in (made, twin))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("wrong", [{"beta_2": 1.0}, {"beta_1": -0.1}, {"threshold": 3.0}])
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="RAdam needs"):
        RAdam(0.1, **wrong)


def test_a_run_with_it_resumes_exactly(tmp_path):
    given = recipe(tmp_path, optimizer={"name": "radam", "arguments": {"weight_decay": 1e-4}})
    held = Objects(seed=2).batch(range(16))
    for out, minutes in (("whole", [None]), ("cut", [0.0, 0.0, None])):
        for limit in minutes:  # no time at all: one step each, then a checkpoint
            train(given, tmp_path / out, source=Objects(), validation=held, minutes=limit)
    one, two = (newest_checkpoint(tmp_path / out / "checkpoints") for out in ("whole", "cut"))
    assert any(name.startswith("optimizer/") for name in one.arrays)
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, two.arrays[name])


ON_JAX = """
import numpy as np
from test_radam import RAdam, SHAPE, gradients, liu_2020, ours
import keras
assert keras.backend.backend() == "jax"
start = np.ones(SHAPE, np.float32)
assert np.abs(ours(start, gradients(), RAdam(0.01)) - liu_2020(start, gradients())).max() < 3e-6
print("same")
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_the_same_on_jax():
    here = Path(__file__).parent
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = os.pathsep.join([str(here.parents[1]), str(here)])
    done = subprocess.run(
        [sys.executable, "-c", ON_JAX], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.strip() == "same", done.stderr[-2000:]
