"""Kernels as whole numbers of eight bits: half the bytes of float16, for networks of millions.

Each output channel of a kernel has a step of its own; a weight is a whole number of steps, from
-127 to 127. Steps have so few digits that storing what was read gives the same bytes again.
"""

import math

import numpy as np

from lensfinder.errors import UntrustedArtefactError

LARGEST = 127  # steps on either side of zero
SMALLEST_KERNEL = 4096  # numbers: below it, nothing worth having is saved
DIGITS = 11  # bits of a step, so that 127 steps are exact in float32
TINY = 1e-30  # weights that count as 0; float32 could not hold a step of much less
SCALE = ":scale"  # after the name of a kernel


def worth_it(shape) -> bool:
    """Whether a tensor is stored so: a kernel of some size.

    Parameters
    ----------
    shape : sequence of int
        Its shape.

    Returns
    -------
    bool
        False for biases, bounds, batch statistics and small kernels, which stay as they are.
    """
    return len(shape) >= 2 and math.prod(shape) >= SMALLEST_KERNEL


def scale_shape(shape) -> tuple[int, ...]:
    """Shape of a kernel's steps: one for each output channel.

    Parameters
    ----------
    shape : sequence of int
        Of the kernel, (..., in, out); that of a depthwise convolution is (..., channels, 1).

    Returns
    -------
    tuple of int
        (out,), or (channels, 1).
    """
    depthwise = len(shape) > 2 and shape[-1] == 1
    return tuple(shape[-2:]) if depthwise else tuple(shape[-1:])


def rounded(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A kernel as whole numbers and their steps.

    Parameters
    ----------
    array : array (..., out)
        Finite weights.

    Returns
    -------
    whole : array (..., out) of int8
        From -127 to 127.
    steps : array, see `scale_shape`
        float32, above 0; the largest weight of a channel is 127 of them.
    """
    array = np.asarray(array, np.float64)
    steps = scale_shape(array.shape)
    largest = np.abs(array).max(tuple(range(array.ndim - len(steps))))
    # a channel of nothing: any step will do
    fraction, exponent = np.frexp(np.where(largest > TINY, largest, LARGEST) / LARGEST)
    fraction = np.ceil(fraction * 2**DIGITS) / 2**DIGITS
    scale = np.ldexp(fraction, exponent).astype(np.float32)
    whole = np.round(array / scale.astype(np.float64))
    return whole.astype(np.int8), scale


def restored(name: str, whole: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The weights that whole numbers and their steps stand for.

    Parameters
    ----------
    name : str
        What messages call the tensor.
    whole : array (..., out) of int8
        Numbers of steps.
    scale : array, see `scale_shape`
        float32.

    Returns
    -------
    array (..., out)
        float32.

    Raises
    ------
    UntrustedArtefactError
        If a step is not above 0, or a number is -128.
    """
    if not np.all(scale > 0) or np.any(whole < -LARGEST):
        raise UntrustedArtefactError(
            f"{name} holds steps or whole numbers that no preset is written with. "
            "Get the preset again.",
            tensor=name,
        )
    return whole.astype(np.float32) * scale
