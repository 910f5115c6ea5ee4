"""The one home of the choice between NumPy and `keras.ops`.

Every function of this room runs on whatever it is given. Plain numbers, lists and NumPy arrays are
computed in NumPy at float64; as soon as one argument is a backend tensor (TensorFlow, JAX or
PyTorch), everything is computed with `keras.ops` in the dtype of the tensors. `keras.ops` alone
would not do: it casts NumPy float64 input to float32. In a functional model, call these functions
inside a layer: a symbolic `KerasTensor` is not a tensor yet.
"""

import numpy as np

_PLAIN = (np.ndarray, np.generic, int, float, list, tuple)


def to_arrays(*values):
    """Choose the array module for `values` and convert them to it.

    Parameters
    ----------
    *values : array_like or backend tensor
        Any shapes; they are not broadcast.

    Returns
    -------
    xp : module
        `numpy`, or `keras.ops` if at least one value is a backend tensor.
    arrays : tuple
        `values`, all float64 NumPy arrays, or all tensors of one floating dtype: that of the
        floating tensors among them (NumPy values and integers follow, they never promote).
    """
    if all(isinstance(value, _PLAIN) for value in values):
        return np, tuple(np.asarray(value, dtype=np.float64) for value in values)
    import keras  # kept out of the NumPy path: importing it takes seconds

    dtype = _floating_dtype(keras, values)
    return keras.ops, tuple(keras.ops.convert_to_tensor(value, dtype=dtype) for value in values)


def is_double(xp, value) -> bool:
    """True when `value`, made by `to_arrays`, carries float64."""
    if xp is np:
        return True
    import keras

    return keras.backend.standardize_dtype(value.dtype) == "float64"


def _floating_dtype(keras, values) -> str:
    dtypes = {
        keras.backend.standardize_dtype(value.dtype)
        for value in values
        if not isinstance(value, _PLAIN)
    }
    dtypes = sorted(name for name in dtypes if "float" in name)
    return keras.backend.result_type(*dtypes) if dtypes else keras.config.floatx()
