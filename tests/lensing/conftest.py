"""What the tests of this room share: how to make float32 tensors, and lenses to try."""

import subprocess
import sys

import numpy as np
import pytest


def _as_tensor(value):
    import keras

    return keras.ops.convert_to_tensor(np.asarray(value, dtype=np.float32))


def _as_array(value):
    return np.asarray(value, dtype=np.float64)


@pytest.fixture(params=["float64", "float32"])
def precision(request):
    """``(make, rtol)``: NumPy float64 at 1e-5, backend tensors of float32 at 1e-3.

    The tolerances are those of RELIABILITY.md, E2. They bound finite differences, not the profiles:
    steps of 0.01 of the smallest scale leave 2e-5 of truncation, and 5e-5 of rounding in float32.
    """
    return (_as_array, 1e-5) if request.param == "float64" else (_as_tensor, 1e-3)


@pytest.fixture
def tensor():
    """Function that turns numbers into a float32 tensor of the Keras backend."""
    return _as_tensor


@pytest.fixture
def lenses(rng):
    """Function that draws N lenses with shear as keyword arguments, arrays of length N."""

    def draw(count, *, q_min=0.2, shear=0.1, offset=0.2):
        gamma, angle = rng.uniform(0, shear, count), rng.uniform(0, 2 * np.pi, count)
        return dict(
            theta_E=rng.uniform(0.3, 3.0, count),
            q=rng.uniform(q_min, 0.98, count),
            phi=rng.uniform(-np.pi, np.pi, count),
            x0=rng.normal(0, offset, count),
            y0=rng.normal(0, offset, count),
            gamma1=gamma * np.cos(angle),
            gamma2=gamma * np.sin(angle),
        )

    return draw


@pytest.fixture
def run_python():
    """Function that runs code in a fresh interpreter and fails with what it wrote."""

    def run(code):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    return run
