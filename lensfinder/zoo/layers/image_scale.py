"""Per-image scaling to 0-1 (Pearson et al. 2019, section 2.2)."""

from typing import final

import keras
from keras import ops


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class ImageScale(keras.layers.Layer):
    """Scale every image so that its faintest pixel is 0 and its brightest 1.

    All bands of an image share one scale, so that colours survive; ``per_band=True`` gives each
    band its own. An image of one constant value becomes all zeros.

    Parameters
    ----------
    per_band : bool
        Whether each band is scaled on its own.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(self, per_band: bool = False, **options):
        super().__init__(**options)
        self.per_band = bool(per_band)

    def call(self, inputs):
        axes = (1, 2) if self.per_band else (1, 2, 3)
        low = ops.min(inputs, axis=axes, keepdims=True)
        span = ops.max(inputs, axis=axes, keepdims=True) - low
        return (inputs - low) / ops.where(span > 0, span, ops.ones_like(span))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "per_band": self.per_band}
