"""What stands out of the smooth light about it: arcs in the halo of a bright galaxy."""

import math
from typing import final

import keras
import numpy as np
from keras import ops

from lensfinder.errors import ArchitectureError
from lensfinder.zoo.layers.adapted import AdaptedLayer

_SCALE = 3.0  # of the output: arcsinh of ten sigma


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class FineStructure(AdaptedLayer):
    """Per band, the local contrast of an image in units of what noise and smooth light allow.

    An arc on a halo a hundred times brighter than the sky changes a stretched image by a few
    hundredths, one in the dark by as much as the core of a galaxy. Here both come out alike. With
    ``u = arcsinh((image - sky) / sigma)``, which is the logarithm of bright light, the map is

    ``arcsinh((G_narrow - G_wide) u / sqrt(cosh(G_wide u)^-2 + floor^2)) / 3``,

    where G smooths by Gaussians of two widths. The logarithm of a power of the radius is harmonic:
    the halo of a round galaxy leaves nothing but at its core. The root is the noise of u, 1 in the
    dark and `floor` in the light, below which galaxies have structure of their own. `adapt` sets
    ``sky`` and ``sigma`` as `ArcsinhStretch` does.

    Parameters
    ----------
    narrow, wide : float
        Widths of the Gaussians (sigma), pixels.
    floor : float
        Contrast that counts as one sigma where the light is bright.
    group : str or None
        Group whose images pass through, for `lensfinder.zoo.adapt`.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ArchitectureError
        If the widths do not grow, or the floor is not positive.
    """

    def __init__(
        self,
        narrow: float = 0.7,
        wide: float = 2.5,
        *,
        floor: float = 0.02,
        group: str | None = None,
        **options,
    ):
        super().__init__(**options)
        if not (0 < narrow < wide <= 10 and floor > 0):
            raise ArchitectureError(
                "The widths must be 0 < narrow < wide <= 10 pixels, the floor positive. "
                f"Received: {narrow}, {wide}, {floor}."
            )
        self.narrow, self.wide, self.floor = float(narrow), float(wide), float(floor)
        self.group = group

    def build(self, input_shape):
        shape = (input_shape[-1],)
        for name, start in (("sky", "zeros"), ("sigma", "ones")):
            weight = self.add_weight(name=name, shape=shape, initializer=start, trainable=False)
            setattr(self, name, weight)
        self.built = True

    def finish_adapt(self) -> None:
        sky, sigma = self.sky_and_sigma()
        self.sky.assign(sky)
        self.sigma.assign(sigma)

    def call(self, inputs):
        u = ops.arcsinh((inputs - self.sky) / self.sigma)
        smooth = _smoothed(u, self.wide)
        noise = ops.sqrt(ops.cosh(smooth) ** -2.0 + self.floor**2)
        return ops.arcsinh((_smoothed(u, self.narrow) - smooth) / noise) / _SCALE

    def get_config(self):
        names = ("narrow", "wide", "floor", "group")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _smoothed(images, sigma: float):
    """Images convolved with a Gaussian, as products with a banded matrix along each axis.

    Near an edge the weights that remain are brought back to unit sum, so that a constant stays one.
    """
    along_y, along_x = (
        ops.convert_to_tensor(_gaussian(images.shape[axis], sigma), dtype=images.dtype)
        for axis in (1, 2)
    )
    return ops.einsum("hi,nijc,wj->nhwc", along_y, images, along_x)


def _gaussian(size: int, sigma: float):
    """Matrix (size, size) whose rows are Gaussian weights of unit sum."""
    x = np.arange(size)
    weights = np.exp(-0.5 * ((x[:, None] - x) / sigma) ** 2)
    weights[np.abs(x[:, None] - x) > math.ceil(4 * sigma)] = 0.0
    return weights / weights.sum(axis=1, keepdims=True)
