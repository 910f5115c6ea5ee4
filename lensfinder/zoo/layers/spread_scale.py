"""Recalibration of a posterior: its spread times a factor per target, about its mean.

The factor is a constant, or log-linear in numbers of the answer itself: a network may be too sure
where it says that it is sure, and not where it says that it is not.
"""

from typing import final

import keras
import numpy as np
from keras import ops

from lensfinder.errors import ArchitectureError
from lensfinder.zoo.layers.posterior_head import pack, unpack

SMALLEST = 1e-6  # of a spread: below it its logarithm says nothing more


def answer_numbers(mean, std, shape=None, *, xp=ops):
    """What the factors on the spreads may go with.

    Parameters
    ----------
    mean, std : tensor (N, P)
        Of the posteriors, in the targets' units.
    shape : tuple of three int or None
        Places of theta_E, e1 and e2 among the targets, if they are to be told of.
    xp : module
        `keras.ops` or `numpy`: the layer and the fit have one formula.

    Returns
    -------
    tensor (N, P) or (N, P + 2)
        Logarithms of the spreads; then theta_E, and the size of the ellipticity.
    """
    numbers = xp.log(xp.maximum(std, SMALLEST))
    if shape is None:
        return numbers
    theta, e1, e2 = (mean[:, i : i + 1] for i in shape)
    return xp.concatenate([numbers, theta, xp.sqrt(e1**2 + e2**2)], axis=-1)


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class SpreadScale(keras.layers.Layer):
    """Make the posteriors of a `PosteriorHead` wider or narrower; their means stay.

    Fixed by its arguments; there is nothing to train, so a calibrated model has the weights of the
    plain one. The factor of target p is ``scales[p] * exp(sum_f slopes[p, f] * (x_f - pivots[f]))``
    with the numbers x of `answer_numbers`, each kept within its range.

    Parameters
    ----------
    scales : sequence of float
        Factor of each target's spread, at the pivots.
    slopes : sequence of sequences of float, or None
        For each target one number per x; None for factors that are constants.
    pivots : sequence of float or None
        Of each x.
    ranges : sequence of (float, float), or None
        Smallest and largest value of each x; beyond, the factor is that of the end.
    shape : sequence of three int, or None
        See `answer_numbers`.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ArchitectureError
        If a factor is not positive, or slopes, pivots and ranges do not pair up.
    """

    def __init__(self, scales, slopes=None, pivots=None, ranges=None, shape=None, **options):
        super().__init__(**options)
        self.scales = tuple(map(float, scales))
        if not self.scales or not all(0 < scale < float("inf") for scale in self.scales):
            raise ArchitectureError(f"Factors of spreads are > 0. Received: {self.scales}.")
        self.slopes = self.pivots = self.ranges = self.shape = None
        if slopes is None:
            return
        count = len(self.scales)
        numbers = count if shape is None else count + 2
        for name, given, size in (
            ("slopes", slopes, (count, numbers)),
            ("pivots", pivots, (numbers,)),
            ("ranges", ranges, (numbers, 2)),
        ):
            if np.shape(given) != size or not np.isfinite(given).all():
                raise ArchitectureError(
                    f"{name} of {count} targets are finite and of shape {size}. Received: {given}."
                )
        self.slopes = tuple(tuple(map(float, line)) for line in slopes)
        self.ranges = tuple(tuple(map(float, ends)) for ends in ranges)
        self.pivots = tuple(map(float, pivots))
        self.shape = None if shape is None else tuple(map(int, shape))

    def call(self, inputs):
        count = len(self.scales)
        weight, mean, factor = unpack(inputs, count)
        middle = inputs[:, None, :count]
        apart = mean - middle
        scales = ops.convert_to_tensor(self.scales, inputs.dtype)
        if self.slopes is not None:
            each = ops.sum(ops.square(factor), axis=-1) + ops.square(apart)
            std = ops.sqrt(ops.sum(weight[..., None] * each, axis=1))
            scales = scales * ops.exp(self._log_factors(inputs[:, :count], std))
            scales = scales[:, None, :]
        return pack(weight, middle + scales * apart, scales[..., None] * factor)

    def _log_factors(self, mean, std):
        low, high = np.transpose(self.ranges)
        slopes, pivots, low, high = (
            ops.convert_to_tensor(given, mean.dtype)
            for given in (np.transpose(self.slopes), self.pivots, low, high)
        )
        numbers = ops.clip(answer_numbers(mean, std, self.shape), low, high)
        return ops.matmul(numbers - pivots, slopes)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        own = {"scales": self.scales}
        if self.slopes is not None:
            own |= {name: getattr(self, name) for name in ("slopes", "pivots", "ranges", "shape")}
        return {**super().get_config(), **own}
