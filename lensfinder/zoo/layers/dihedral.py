"""Predictions that turn with the image: the mean over quarter turns and mirrors.

A square image has eight views: four quarter turns, each as it is and mirrored. `DihedralViews`
makes them, a network answers all, and `DihedralMean` turns the answers back and averages them. The
result is equivariant by construction: turning the image by 90 degrees turns e1, e2 and leaves
theta_E.
"""

import keras
import numpy as np
from keras import ops

from lensfinder.errors import ArchitectureError
from lensfinder.zoo.layers.posterior_head import pack, unpack

VIEWS = tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4))
# How the targets answer a rotation: not at all, as a vector, or twice as fast.
INVARIANT = ("theta_E", "q", "magnification", "z_lens", "z_src", "sigma_v", "p_lens")
VECTORS = (("x_lens", "y_lens"), ("x_src", "y_src"))
SPIN_TWO = (("e1", "e2"), ("gamma1", "gamma2"))
_TINY = 1e-7  # probabilities nearer to 0 or 1 count as this near


def view(images, turns: int, mirrored: bool):
    """One of the eight views: mirrored first (x to -x), then turned counter-clockwise.

    Parameters
    ----------
    images : tensor (N, H, H, bands)
        Row 0 at the bottom, +x right.
    turns : int
        Quarter turns, 0 to 3.
    mirrored : bool
        Whether x changes sign first.

    Returns
    -------
    tensor (N, H, H, bands)
        The view.
    """
    if mirrored:
        images = ops.flip(images, axis=2)
    for _ in range(turns):
        images = ops.flip(ops.swapaxes(images, 1, 2), axis=2)
    return images


def turned_back(targets, turns: int, mirrored: bool) -> np.ndarray:
    """The matrix that takes parameters of a view back to those of the image.

    Parameters
    ----------
    targets : sequence of str
        Names of the parameters.
    turns : int
        Quarter turns of the view.
    mirrored : bool
        Whether it is mirrored.

    Returns
    -------
    array (P, P)
        ``parameters = M @ parameters_of_view``.

    Raises
    ------
    ArchitectureError
        If it is not known how a target turns, or half of a vector is missing.
    """
    matrix = np.zeros((len(targets), len(targets)), np.float32)
    place = {name: index for index, name in enumerate(targets)}
    flip = -1.0 if mirrored else 1.0
    half = (-1.0) ** turns
    signs = dict.fromkeys(INVARIANT, 1.0)
    signs |= {first: half for first, _ in SPIN_TWO}
    signs |= {second: half * flip for _, second in SPIN_TWO}
    for name, index in place.items():
        if name in signs:
            matrix[index, index] = signs[name]
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[turns]
    for x, y in VECTORS:
        if (x in place) != (y in place):
            raise ArchitectureError(f"{x} and {y} turn together. Predict both, or neither.")
        if x in place:
            rows = np.ix_((place[x], place[y]), (place[x], place[y]))
            matrix[rows] = np.diag((flip, 1.0)) @ np.array([[cos, sin], [-sin, cos]])
    missing = [name for name, index in place.items() if not matrix[index].any()]
    if missing:
        raise ArchitectureError(
            f"How {', '.join(missing)} turns with an image is not known. Use symmetric=False."
        )
    return matrix


@keras.saving.register_keras_serializable(package="lensfinder")
class DihedralViews(keras.layers.Layer):
    """All eight views of every image, one after the other along the first axis; idle in training.

    Parameters
    ----------
    **options : dict
        Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(self, **options):
        super().__init__(**options)

    def call(self, images, training=False):
        if training:
            return images
        return ops.concatenate([view(images, *which) for which in VIEWS], axis=0)

    def compute_output_shape(self, input_shape):
        return (None, *input_shape[1:])


@keras.saving.register_keras_serializable(package="lensfinder")
class DihedralMean(keras.layers.Layer):
    """Mean of the answers to the eight views, each turned back; idle in training.

    Probabilities are averaged as logits, values as they are. Posteriors (`PosteriorHead`) of K
    Gaussians become the mixture of all 8 K, so the mean is the mean of the views, and the
    covariance is the mean of theirs plus the scatter of their means. The views show the same
    photons: they are no eight measurements whose precisions would add. And where they disagree, the
    network does not know, as the scatter says.

    Parameters
    ----------
    targets : sequence of str
        What the answers (8 N, P), or the first P of (8 N, outputs), are, in order.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ArchitectureError
        If it is not known how a target turns.
    """

    def __init__(self, targets, **options):
        super().__init__(**options)
        self.targets = tuple(targets)
        self._back = np.stack([turned_back(self.targets, *which) for which in VIEWS])
        self._logits = self.targets == ("p_lens",)
        # signs alone turn the targets back, as for ellipticities: no target becomes another
        self._signs = bool(np.all(np.abs(self._back) == np.eye(len(self.targets))))

    def call(self, answers, training=False):
        if training:
            return answers
        if self._logits:
            answers = ops.clip(answers, _TINY, 1.0 - _TINY)
            answers = ops.log(answers) - ops.log1p(-answers)
        views = ops.reshape(answers, (len(VIEWS), -1, answers.shape[-1]))
        back = ops.convert_to_tensor(self._back, dtype=views.dtype)
        if answers.shape[-1] > len(self.targets):
            return self._mixture(back, *unpack(views, len(self.targets)))
        mean = ops.mean(ops.einsum("gpk,gnk->gnp", back, views), axis=0)
        return ops.sigmoid(mean) if self._logits else mean

    def _mixture(self, back, weight, mean, factor):
        mean = ops.einsum("gpq,gnkq->ngkp", back, mean)
        if self._signs:  # S L S is the triangle of S L L^T S, with the same diagonal: exact
            factor = ops.einsum("gpq,gnkqr,grs->ngkps", back, factor, back)
        else:
            factor = _triangle(ops.einsum("gpq,gnkqr->ngkpr", back, factor))
        count, parts = int(mean.shape[-1]), len(VIEWS) * int(mean.shape[-2])
        weight = ops.reshape(ops.swapaxes(weight, 0, 1), (-1, parts)) / len(VIEWS)
        factor = ops.reshape(factor, (-1, parts, count, count))
        return pack(weight, ops.reshape(mean, (-1, parts, count)), factor)

    def compute_output_shape(self, input_shape):
        count, each = len(self.targets), input_shape[-1] - len(self.targets)
        return (None, *input_shape[1:-1], count + each * (len(VIEWS) if each else 1))

    def get_config(self):
        return {**super().get_config(), "targets": list(self.targets)}


def _triangle(factor):
    """Lower triangles of the same covariances, by Gram and Schmidt over the rows.

    A library's Cholesky factorisation may refuse a whole batch for one object that is nearly
    singular, or no number.
    """
    rows, lines = int(factor.shape[-2]), []
    basis = []
    for i in range(rows):
        left, line = factor[..., i, :], []
        for direction in basis:
            along = ops.sum(left * direction, axis=-1, keepdims=True)
            line.append(along)
            left = left - along * direction
        size = ops.sqrt(ops.sum(ops.square(left), axis=-1, keepdims=True))
        basis.append(left / ops.maximum(size, _TINY * _TINY))
        line += [size, *[ops.zeros_like(size)] * (rows - i - 1)]
        lines.append(ops.concatenate(line, axis=-1))
    return ops.stack(lines, axis=-2)
