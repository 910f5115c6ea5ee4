"""Calibration of a probability: a rising, piecewise linear function of its logit."""

from typing import final

import keras
import numpy as np
from keras import ops

from lensfinder.errors import ArchitectureError

LOWEST = 1e-30  # of a probability, so that its logit is finite
NEAREST = 2.0**-25  # how far from 1 a score of exactly 1 counts; the next float32 is twice as far


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class LogitMap(keras.layers.Layer):
    """Turn probabilities into probabilities through a rising line of straight pieces in the logit.

    Fixed by its arguments; there is nothing to train, so a calibrated model has the weights of the
    plain one. One knot and a slope is temperature scaling, several are isotonic regression.

    Parameters
    ----------
    at, to : sequence of float
        Knots: logits that come in, rising, and the logits they become, rising.
    slopes : (float, float)
        Slope below the first and above the last knot; positive.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ArchitectureError
        If the knots do not pair up or do not rise, or a slope is not positive.
    """

    def __init__(self, at, to, *, slopes=(1.0, 1.0), **options):
        super().__init__(**options)
        self.at, self.to = tuple(map(float, at)), tuple(map(float, to))
        self.slopes = tuple(map(float, slopes))
        rising = all((np.diff(line) > 0).all() for line in (self.at, self.to))
        finite = np.isfinite([*self.at, *self.to, *self.slopes]).all()
        if not self.at or len(self.at) != len(self.to) or not rising or not finite:
            raise ArchitectureError(
                "Knots must be finite, rise, and be as many as their values. "
                f"Received: at={self.at}, to={self.to}."
            )
        if len(self.slopes) != 2 or min(self.slopes) <= 0:
            raise ArchitectureError(f"Slopes must be two numbers > 0. Received: {self.slopes}.")

    def call(self, inputs):
        p = ops.cast(inputs, "float32")
        # 1 - p is exact for p near 1, so nothing is lost by taking the logit of a sigmoid again
        x = ops.log(ops.maximum(p, LOWEST)) - ops.log(ops.maximum(1.0 - p, NEAREST))
        y = self.to[0] + self.slopes[0] * ops.minimum(x - self.at[0], 0.0)
        y = y + self.slopes[1] * ops.maximum(x - self.at[-1], 0.0)
        if len(self.at) > 1:
            # how far each piece has been walked, 0 to 1: a sum of rises, so rounding keeps order
            low, width, rise = (
                np.asarray(part, "float32")
                for part in (self.at[:-1], np.diff(self.at), np.diff(self.to))
            )
            walked = ops.clip((ops.expand_dims(x, -1) - low) / width, 0.0, 1.0)
            y = y + ops.sum(walked * rise, axis=-1)
        return ops.cast(ops.sigmoid(y), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "at": self.at, "to": self.to, "slopes": self.slopes}
