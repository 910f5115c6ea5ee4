"""Integrated gradients on JAX, in a process of its own and without TensorFlow."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lensfinder.explain.gradients import InputGradient, attributions
from tests.explain import planted

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
sys.modules["tensorflow"] = None  # as on a machine without it: importing it raises
import keras
import numpy as np
from lensfinder.explain.gradients import InputGradient, attributions
from tests.explain import planted
assert keras.backend.backend() == "jax"
of = planted.contract(two=True)
images = planted.images(of)
baseline = {name: np.zeros_like(stack) for name, stack in images.items()}
found = attributions(InputGradient(planted.network(of)), images, baseline=baseline, steps=16)
np.savez(sys.argv[1], **found)
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_jax_gives_the_same_attributions(tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = str(ROOT)
    file = tmp_path / "found.npz"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(file)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    of = planted.contract(two=True)
    images = planted.images(of)
    baseline = {name: np.zeros_like(stack) for name, stack in images.items()}
    here = attributions(InputGradient(planted.network(of)), images, baseline=baseline, steps=16)
    with np.load(file) as there:
        for name, values in here.items():
            assert np.abs(values).max() > 1e-3
            # two implementations of a sigmoid in float32
            np.testing.assert_allclose(there[name], values, rtol=1e-4, atol=1e-8)
