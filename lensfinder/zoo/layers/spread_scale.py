"""Recalibration of a posterior: its spread times a factor per target, about its mean."""

from typing import final

import keras
from keras import ops

from lensfinder.errors import ArchitectureError
from lensfinder.zoo.layers.posterior_head import pack, unpack


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class SpreadScale(keras.layers.Layer):
    """Make the posteriors of a `PosteriorHead` wider or narrower; their means stay.

    Fixed by its arguments; there is nothing to train, so a calibrated model has the weights of the
    plain one.

    Parameters
    ----------
    scales : sequence of float
        Factor of each target's spread.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ArchitectureError
        If a factor is not positive.
    """

    def __init__(self, scales, **options):
        super().__init__(**options)
        self.scales = tuple(map(float, scales))
        if not self.scales or not all(0 < scale < float("inf") for scale in self.scales):
            raise ArchitectureError(f"Factors of spreads are > 0. Received: {self.scales}.")

    def call(self, inputs):
        count = len(self.scales)
        scales = ops.convert_to_tensor(self.scales, inputs.dtype)
        weight, mean, factor = unpack(inputs, count)
        middle = inputs[:, None, :count]
        return pack(weight, middle + scales * (mean - middle), scales[:, None] * factor)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "scales": self.scales}
