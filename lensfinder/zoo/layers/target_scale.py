"""Between a network's 0-10 and physical values (Pearson et al. 2019, section 2.2)."""

from typing import final

import keras
from keras import ops

from lensfinder.errors import ArchitectureError

SPAN = 10.0  # "rescaled to lie in the same ranges as each other, between zero and ten"


def checked_ranges(low, high) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Ranges of targets, if they are some.

    Parameters
    ----------
    low, high : sequence of float
        Physical value of each target at 0 and at 10.

    Returns
    -------
    low, high : tuple of float
        The same.

    Raises
    ------
    ArchitectureError
        If the two do not pair up, or a range is empty.
    """
    low, high = tuple(map(float, low)), tuple(map(float, high))
    if len(low) != len(high) or any(not a < b for a, b in zip(low, high, strict=False)):
        raise ArchitectureError(
            "Each target needs low < high, as many of one as of the other. "
            f"Received: low={low}, high={high}."
        )
    return low, high


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class TargetScale(keras.layers.Layer):
    """Turn network outputs on 0-10 into physical values: low + (high - low) x / 10.

    Fixed by its arguments; there is nothing to train. Values outside 0-10 are not cut. A loss that
    treats all targets alike compares `to_network` of both truth and prediction.

    Parameters
    ----------
    low, high : sequence of float
        Physical value of each target at 0 and at 10.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ArchitectureError
        If the two do not pair up, or a range is empty.
    """

    def __init__(self, low, high, **options):
        super().__init__(**options)
        self.low, self.high = checked_ranges(low, high)

    def to_physical(self, scaled):
        """Physical values of network values.

        Parameters
        ----------
        scaled : tensor (..., targets)
            Values on 0-10.

        Returns
        -------
        tensor (..., targets)
            Values in each target's own unit.
        """
        low, high = self._bounds()
        return low + (high - low) * (scaled / SPAN)

    def to_network(self, physical):
        """Network values of physical values; the inverse of `to_physical`.

        Parameters
        ----------
        physical : tensor (..., targets)
            Values in each target's own unit.

        Returns
        -------
        tensor (..., targets)
            Values on 0-10.
        """
        low, high = self._bounds()
        return (physical - low) * SPAN / (high - low)

    def _bounds(self):
        return ops.convert_to_tensor(self.low, "float32"), ops.convert_to_tensor(
            self.high, "float32"
        )

    def call(self, inputs):
        return self.to_physical(inputs)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "low": self.low, "high": self.high}
