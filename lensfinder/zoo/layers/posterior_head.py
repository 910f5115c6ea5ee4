"""The head of a modeller that says how sure it is: a mixture of K Gaussians over P targets.

Its answer is one row per image. First come the P means of the mixture, which is all that a modeller
without this head answers. Then, for each Gaussian, its weight, its P means, and the lower triangle
of the Cholesky factor of its covariance, row by row (L11, L21, L22, L31, ...); everything is in the
targets' units. The standard deviation of target i in one Gaussian is the length of row i.
"""

from typing import final

import keras
import numpy as np
from keras import ops

from lensfinder.errors import ArchitectureError
from lensfinder.zoo.layers.target_scale import SPAN, checked_ranges

SMALLEST = 5e-3  # of a standard deviation on the 0-10 scale: 0.0015 arcsec of a range of 3 arcsec
SPREAD = 3.0  # the first standard deviations of the Gaussians of a mixture, from 1 / 3 to 3


def triangle_size(count: int) -> int:
    """Entries of the lower triangle of a matrix.

    Parameters
    ----------
    count : int
        Rows of the matrix.

    Returns
    -------
    int
        ``count (count + 1) / 2``.
    """
    return count * (count + 1) // 2


def outputs_of(count: int, components: int) -> int:
    """Numbers per image that a modeller answers.

    Parameters
    ----------
    count : int
        Targets.
    components : int
        Gaussians of the mixture; 0 for values alone.

    Returns
    -------
    int
        Width of its answers.
    """
    return count + components * (1 + count + triangle_size(count))


def unpack(answers, count: int):
    """Weights, means and Cholesky factors of a posterior head's answers.

    Parameters
    ----------
    answers : tensor (..., outputs)
        Of a network with this head.
    count : int
        P, the number of targets.

    Returns
    -------
    weight : tensor (..., K)
        Weights, which add up to 1.
    mean : tensor (..., K, P)
        Means.
    factor : tensor (..., K, P, P)
        Lower triangular, with a positive diagonal: covariance = factor @ factor^T.
    """
    before = ops.shape(answers)[:-1]
    each = 1 + count + triangle_size(count)
    components = (answers.shape[-1] - count) // each  # -1 would leave it open where the batch is
    parts = ops.reshape(answers[..., count:], (*before, components, each))
    # a constant matrix puts every entry in its place: no scatter, the same on all backends
    rows, columns = np.tril_indices(count)
    places = np.zeros((len(rows), count * count), np.float32)
    places[np.arange(len(rows)), rows * count + columns] = 1.0
    flat = ops.matmul(parts[..., 1 + count :], ops.convert_to_tensor(places, answers.dtype))
    factor = ops.reshape(flat, (*ops.shape(flat)[:-1], count, count))
    return parts[..., 0], parts[..., 1 : 1 + count], factor


def pack(weight, mean, factor):
    """Answers of weights, means and Cholesky factors; the inverse of `unpack`.

    Parameters
    ----------
    weight : tensor (N, K)
        Weights, which add up to 1.
    mean : tensor (N, K, P)
        Means.
    factor : tensor (N, K, P, P)
        Lower triangular.

    Returns
    -------
    tensor (N, outputs)
        Answers.
    """
    components, count = int(mean.shape[-2]), int(mean.shape[-1])
    rows, columns = np.tril_indices(count)
    flat = ops.reshape(factor, (-1, components, count * count))
    triangle = ops.take(flat, ops.convert_to_tensor(rows * count + columns, "int32"), axis=-1)
    parts = ops.concatenate([weight[..., None], mean, triangle], axis=-1)
    middle = ops.sum(weight[..., None] * mean, axis=-2)
    each = 1 + count + triangle_size(count)
    return ops.concatenate([middle, ops.reshape(parts, (-1, components * each))], axis=-1)


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class PosteriorHead(keras.layers.Layer):
    """Turn raw numbers into a mixture of Gaussians over the targets; nothing to train.

    Weights are a softmax, means lie on the 0-10 scale of `TargetScale` (raw 0 is its middle), and
    standard deviations are a softplus. The other raw numbers set the directions of the rows of the
    Cholesky factors: row i is (a_1, ..., a_(i-1), 1), brought to the length of standard deviation
    i. So any raw numbers make a mixture, no correlation reaches 1, and raw zeros are Gaussians of
    independent targets, one narrower than the next.

    Parameters
    ----------
    low, high : sequence of float
        Physical value of each target at 0 and at 10.
    components : int
        Number of Gaussians.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ArchitectureError
        If ranges do not pair up or are empty, or there is no Gaussian.
    """

    def __init__(self, low, high, components=1, **options):
        super().__init__(**options)
        self.low, self.high = checked_ranges(low, high)
        self.components = int(components)
        if self.components < 1:
            raise ArchitectureError(f"A mixture has 1 Gaussian at least. Received: {components}.")
        self._unit = ((np.array(self.high) - self.low) / SPAN).astype(np.float32)

    @property
    def raw_size(self) -> int:
        """Numbers per image that come in."""
        return outputs_of(len(self.low), self.components) - len(self.low)

    def call(self, raw):
        count = len(self.low)
        raw = ops.reshape(raw, (-1, self.components, self.raw_size // self.components))
        unit = ops.convert_to_tensor(self._unit, raw.dtype)
        share = raw[:, :, 0]  # a softmax, written so that one Gaussian may be all
        weight = ops.exp(share - ops.logsumexp(share, axis=-1, keepdims=True))
        low = ops.convert_to_tensor(self.low, raw.dtype)
        mean = low + unit * (SPAN / 2 + raw[:, :, 1 : 1 + count])
        return pack(weight, mean, self._factor(raw[:, :, 1 + count :], unit))

    def _factor(self, raw, unit):
        count = len(self.low)
        ends = np.log(SPREAD) if self.components > 1 else 0.0
        first = np.log(np.expm1(np.exp(np.linspace(-ends, ends, self.components))))
        first = ops.convert_to_tensor(first[:, None], raw.dtype)
        size = (ops.softplus(raw[:, :, :count] + first) + SMALLEST) * unit
        rows, columns = np.tril_indices(count)
        below = np.flatnonzero(rows > columns)
        places = np.zeros((len(below), count * count), np.float32)
        places[np.arange(len(below)), (rows * count + columns)[below]] = 1.0
        flat = ops.matmul(raw[:, :, count:], ops.convert_to_tensor(places, raw.dtype))
        lines = ops.reshape(flat, (-1, self.components, count, count))
        lines = lines + ops.eye(count, dtype=raw.dtype)
        length = ops.sqrt(ops.sum(ops.square(lines), axis=-1))
        return lines * (size / length)[..., None]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], outputs_of(len(self.low), self.components))

    def get_config(self):
        own = {"low": self.low, "high": self.high, "components": self.components}
        return {**super().get_config(), **own}
