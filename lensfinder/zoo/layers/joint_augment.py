"""Random rotation, mirrors and zoom, the same for all images of one object."""

import math
from typing import final

import keras
from keras import ops

from lensfinder.errors import ArchitectureError

_ROTATIONS = ("any", "quarter", "none")
_FILLS = ("reflect", "edge", "zero")


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class JointAugment(keras.layers.Layer):
    """Rotate, mirror and zoom each object about its stamp's centre; one transform for all its
    groups.

    Bom et al. 2022, section 4.1: "random rotations, mirroring in both axes, and zooming in or out
    between 0.8 and 1.2 times". Groups on different pixel grids that cover the same sky stay
    aligned, because the transform is about the common centre. Active in training only. Bilinear.

    **For finders.** A rotation changes the true e1, e2, shear and source position of an object, so
    a modelling network must not be trained with it.

    Parameters
    ----------
    rotation : {"any", "quarter", "none"}
        Any angle; multiples of 90 degrees (exact, so that the noise is not smoothed); or none.
    mirror : bool
        Whether each axis is mirrored with probability 1/2.
    zoom : tuple of float
        Smallest and largest magnification, drawn uniformly; (1, 1) for none.
    fill : {"reflect", "edge", "zero"}
        What lies outside the stamp: its mirror image (no sharp edge, which a finder may take for an
        arc), its edge pixel, or zero.
    seed : int or None
        Seed of the layer's own random numbers.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ArchitectureError
        If an argument is not among those above.
    """

    def __init__(
        self,
        rotation: str = "any",
        *,
        mirror: bool = True,
        zoom: tuple[float, float] = (0.8, 1.2),
        fill: str = "reflect",
        seed: int | None = None,
        **options,
    ):
        super().__init__(**options)
        for what, value, known in (("rotation", rotation, _ROTATIONS), ("fill", fill, _FILLS)):
            if value not in known:
                raise ArchitectureError(
                    f"Expected a {what} among {', '.join(known)}. Received: {value!r}."
                )
        if len(zoom) != 2 or not 0 < zoom[0] <= zoom[1]:
            raise ArchitectureError(
                f"Expected zoom=(low, high), 0 < low <= high. Received: {zoom}."
            )
        self.rotation, self.mirror, self.fill = rotation, bool(mirror), fill
        self.zoom, self.seed = tuple(map(float, zoom)), seed
        self.generator = keras.random.SeedGenerator(seed, name="augment_seed")

    def call(self, inputs, training=False):
        if not training:
            return inputs
        groups = inputs if isinstance(inputs, dict) else {"": inputs}
        count = ops.shape(next(iter(groups.values())))[0]
        matrix = self._draw(count)
        moved = {name: warp(images, matrix, self.fill) for name, images in groups.items()}
        return moved if isinstance(inputs, dict) else moved[""]

    def _draw(self, count):
        """Matrices (N, 2, 2) from output to input offsets (x, y) from the centre."""
        draw = keras.random.uniform((4, count), seed=self.generator)
        turn = draw[0] * 4.0
        if self.rotation == "quarter":
            turn = ops.floor(turn)
        angle = turn * (math.pi / 2)
        c, s = ops.cos(angle), ops.sin(angle)
        if self.rotation == "none":
            c, s = ops.ones_like(c), ops.zeros_like(s)
        signs = ops.where(draw[1:3] < 0.5, -1.0, 1.0) if self.mirror else ops.ones_like(draw[1:3])
        low, high = self.zoom
        scale = 1.0 / (low + (high - low) * draw[3])
        rows = [
            ops.stack([c * signs[0] * scale, -s * signs[1] * scale], axis=-1),
            ops.stack([s * signs[0] * scale, c * signs[1] * scale], axis=-1),
        ]
        return ops.stack(rows, axis=1)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        names = ("rotation", "mirror", "zoom", "fill", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def warp(images, matrix, fill: str = "reflect"):
    """Resample images under linear maps about their centres, bilinearly.

    Written as gathers, because the image transforms of TensorFlow cannot be compiled by XLA.

    Parameters
    ----------
    images : tensor (N, H, W, C)
        Images.
    matrix : tensor (N, 2, 2)
        Takes an output pixel's offset (x, y) from the centre to the input offset it is read from.
    fill : {"reflect", "edge", "zero"}
        What lies outside; see `JointAugment`.

    Returns
    -------
    tensor (N, H, W, C)
        The transformed images.
    """
    count, height, width, channels = ops.shape(images)
    x = ops.arange(width, dtype="float32") - (width - 1) / 2
    y = ops.arange(height, dtype="float32") - (height - 1) / 2
    part = matrix[:, :, :, None, None]  # (N, 2, 2, 1, 1)
    column = part[:, 0, 0] * x[None, :] + part[:, 0, 1] * y[:, None] + (width - 1) / 2
    row = part[:, 1, 0] * x[None, :] + part[:, 1, 1] * y[:, None] + (height - 1) / 2
    flat = ops.reshape(images, (-1, channels))
    start = ops.reshape(ops.arange(count, dtype="int32") * (height * width), (-1, 1, 1))
    inside = None
    if fill == "zero":
        inside = (column >= 0) & (column <= width - 1) & (row >= 0) & (row <= height - 1)
    column, row = (_fold(c, n, fill) for c, n in ((column, width), (row, height)))
    # keep the upper neighbour inside the stamp: at the far edge its weight is then 1
    left = ops.clip(ops.floor(column), 0, max(width - 2, 0))
    below = ops.clip(ops.floor(row), 0, max(height - 2, 0))
    fx, fy = (column - left)[..., None], (row - below)[..., None]
    corner = start + ops.cast(below, "int32") * width + ops.cast(left, "int32")
    right, up = min(1, width - 1), width * min(1, height - 1)
    low = ops.take(flat, corner, axis=0) * (1 - fx) + ops.take(flat, corner + right, axis=0) * fx
    high = (
        ops.take(flat, corner + up, axis=0) * (1 - fx)
        + ops.take(flat, corner + up + right, axis=0) * fx
    )
    result = low * (1 - fy) + high * fy
    return result if inside is None else ops.where(inside[..., None], result, 0.0)


def _fold(coordinate, size: int, fill: str):
    """Bring pixel coordinates into [0, size - 1]."""
    last = float(size - 1)
    if fill == "reflect" and last > 0:
        coordinate = last - ops.abs(ops.mod(coordinate, 2 * last) - last)
    return ops.clip(coordinate, 0.0, last)
