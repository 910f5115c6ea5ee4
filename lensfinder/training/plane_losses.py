"""Losses of cleaned images: the paper's, and one in units of the noise."""

from typing import final

import keras
import numpy as np
from keras import ops

from lensfinder.errors import RecipeError


@final
class PlaneL1(keras.losses.Loss):
    """Mean absolute error of cleaned images, planes weighed (Madireddy et al., section 3.1).

    In the unit of the images. Weights are normalised to add up to 1.

    Parameters
    ----------
    weights : sequence of float
        Of each plane, in order.
    name : str
        Name of the loss.

    Raises
    ------
    RecipeError
        If a weight is negative, or all are zero.
    """

    def __init__(self, weights, *, name="plane_l1"):
        super().__init__(name=name)
        self._weights = _shares(weights)

    def call(self, y_true, y_pred):
        error = ops.mean(ops.abs(ops.cast(y_true, y_pred.dtype) - y_pred), axis=(2, 3, 4))
        return ops.sum(error * ops.convert_to_tensor(self._weights, y_pred.dtype), axis=-1)


@final
class PlaneNoise(keras.losses.Loss):
    """Mean squared error of cleaned images in units of the noise, planes weighed.

    The noise of an empty pixel times `softening` is the unit. Noise that is left (plane S2) counts
    as it is. Light that is left, or lost (S3), counts by the difference of arcsinh: the error of a
    faint arc as it is, and that of a bright core by its logarithm, so that a thousandth of the core
    does not hide the arcs. Squares are least at the mean: where an arc is in doubt, its flux is
    shared out, while absolute errors (`PlaneL1`) are least without any.

    Parameters
    ----------
    weights : sequence of float
        Of each plane, in order.
    planes : sequence of str
        Their names.
    noise : array (bands,)
        Standard deviation of an empty pixel, in the unit of the images.
    softening : float
        Times the noise: from there on a difference counts by its logarithm.
    name : str
        Name of the loss.

    Raises
    ------
    RecipeError
        If weights are not as those of `PlaneL1`, or a noise or the softening is not positive.
    """

    def __init__(self, weights, planes, noise, *, softening=5.0, name="plane_noise"):
        super().__init__(name=name)
        unit = softening * np.asarray(noise, float)
        if not (unit > 0).all() or not np.isfinite(unit).all():
            raise RecipeError(
                "Noise and softening must be positive. "
                f"Received: noise {noise}, softening {softening}."
            )
        self._weights, self._unit = _shares(weights), unit.astype("float32")
        self._stretched = [plane != "S2" for plane in planes]

    def call(self, y_true, y_pred):
        unit = ops.convert_to_tensor(self._unit, y_pred.dtype)
        y_true, total = ops.cast(y_true, y_pred.dtype) / unit, 0.0
        for k, stretched in enumerate(self._stretched):
            pair = y_true[:, k], y_pred[:, k] / unit
            if stretched:
                pair = tuple(map(ops.arcsinh, pair))
            error = ops.mean(ops.square(pair[0] - pair[1]), axis=(1, 2, 3))
            total = total + error * float(self._weights[k])
        return total


def _shares(weights) -> np.ndarray:
    """Weights of planes that add up to 1."""
    weights = np.asarray(weights, float)
    if weights.ndim != 1 or not np.isfinite(weights).all() or (weights < 0).any():
        raise RecipeError(f"Weights of planes must not be negative. Received: {weights}.")
    if weights.sum() <= 0:
        raise RecipeError(f"A plane needs a weight above zero. Received: {weights}.")
    return (weights / weights.sum()).astype("float32")
