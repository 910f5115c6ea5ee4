"""Several images of one object as one tensor."""

from typing import final

import keras
from keras import ops


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class StackPlanes(keras.layers.Layer):
    """Stack images (N, H, W, bands) to (N, planes, H, W, bands).

    Parameters
    ----------
    **options : dict
        Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(self, **options):
        super().__init__(**options)

    def call(self, inputs):
        return ops.stack(list(inputs), axis=1)

    def compute_output_shape(self, input_shape):
        first = input_shape[0]
        return (first[0], len(input_shape), *first[1:])
