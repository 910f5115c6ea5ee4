"""The choice between NumPy and keras.ops."""

import keras
import numpy as np

from lensfinder.lensing._array import is_double, to_arrays
from lensfinder.lensing.sie import sie_deflection


def test_plain_values_stay_numpy_and_double():
    xp, (a, b, c) = to_arrays(np.float32([1, 2]), 3, [4.0])
    assert xp is np
    assert {a.dtype, b.dtype, c.dtype} == {np.dtype(np.float64)}
    assert is_double(xp, a)


def test_one_tensor_makes_all_tensors_of_its_dtype(tensor):
    xp, arrays = to_arrays(tensor([1.0]), np.float64([2.0]), 3, keras.ops.convert_to_tensor([1]))
    assert xp is keras.ops
    assert {keras.backend.standardize_dtype(a.dtype) for a in arrays} == {"float32"}
    assert not is_double(xp, arrays[0])


def test_integer_tensors_become_floating():
    _, (a,) = to_arrays(keras.ops.convert_to_tensor([1, 2]))
    assert keras.backend.standardize_dtype(a.dtype) == keras.config.floatx()


class Deflect(keras.layers.Layer):
    def call(self, x, q):
        return sie_deflection(x, 0.5 * x, theta_E=1.2, q=q, phi=0.3)[0]


def test_a_layer_of_a_functional_model_can_call_it():
    x, q = keras.Input((4,), name="x"), keras.Input((1,), name="q")
    model = keras.Model([x, q], Deflect()(x, q))
    position, ratio = np.full((2, 4), 0.7, np.float32), np.full((2, 1), 0.6, np.float32)
    expected, _ = sie_deflection(position, 0.5 * position, theta_E=1.2, q=ratio, phi=0.3)
    np.testing.assert_allclose(model([position, ratio]), expected, rtol=1e-6)


def test_numpy_path_does_not_import_keras(run_python):
    run_python(
        "import sys; from lensfinder.lensing import sie_deflection, image_positions;"
        "sie_deflection(1.0, 2.0, theta_E=1, q=0.5, phi=0);"
        "image_positions(0.1, 0.0, theta_E=1, q=0.5, phi=0);"
        "assert 'keras' not in sys.modules and 'astropy' not in sys.modules"
    )
