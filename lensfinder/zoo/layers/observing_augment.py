"""Other seeing, noise, sky and brightness for each training image than the simulator gave it."""

import math
from typing import final

import keras
import numpy as np
from keras import ops

from lensfinder.errors import ArchitectureError
from lensfinder.zoo.layers.adapted import AdaptedLayer

_KERNEL = 7  # pixels: reaches 3 pixels, two sigma of the widest blur below
_BLURS = (0.7, 1.4)  # pixels, sigma of the two Gaussians that images are mixed from


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class ObservingAugment(AdaptedLayer):
    """Show every training image as another night, telescope or reduction would have.

    Mocks of one survey all have one PSF, one level of white noise and a perfect sky. A network
    trained on them alone may lean on any of it, and real images keep none of it. This layer draws
    per object, in training only and in this order:

    * brightness: times ``10^U(-flux_dex, flux_dex)``;
    * seeing: for half of the objects, a mixture of the image with itself smoothed by 0.7 and by 1.4
      pixels (a core with wings, as real PSFs have);
    * noise: for three of four objects, of sigma ``sigma0 10^U(noise_dex)``, from white to
      correlated over neighbouring pixels, as drizzled images have it;
    * sky: a constant and a slope, each N(0, sky) in units of sigma0;
    * a round window that takes the (square) stamp to zero at its edge, for a share `window` of the
      objects.

    One draw holds for all bands of an object, but for the pixels of the noise. `adapt` sets
    ``sigma0`` per band, the noise of the images. It goes before the stretch, on images in e-/s.

    Parameters
    ----------
    flux_dex : float
        Half range of the brightness, in dex.
    blur : float
        Largest share of the smoothed images in the mixture, 0 to 1.
    noise_dex : tuple of float
        Least and largest log10 of the added noise in units of sigma0.
    sky : float
        Sigma of the sky's error, in units of sigma0.
    window : float
        Share of windowed objects.
    group : str or None
        Group whose images pass through, for `lensfinder.zoo.adapt`.
    seed : int or None
        Seed of the layer's own random numbers.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ArchitectureError
        If an argument is out of its range.
    """

    def __init__(
        self,
        *,
        flux_dex: float = 0.3,
        blur: float = 0.9,
        noise_dex: tuple[float, float] = (-0.9, 0.4),
        sky: float = 0.5,
        window: float = 0.25,
        group: str | None = None,
        seed: int | None = None,
        **options,
    ):
        super().__init__(**options)
        for name, value in (("blur", blur), ("window", window)):
            if not 0 <= value <= 1:
                raise ArchitectureError(f"{name} must be 0 to 1. Received: {value}.")
        if not (0 <= flux_dex <= 3 and 0 <= sky <= 100):
            raise ArchitectureError(
                f"flux_dex must be 0 to 3 and sky 0 to 100. Received: {flux_dex}, {sky}."
            )
        if len(noise_dex) != 2 or not -9 <= noise_dex[0] <= noise_dex[1] <= 9:
            raise ArchitectureError(
                f"noise_dex must be (low, high) within -9 to 9. Received: {noise_dex}."
            )
        self.flux_dex, self.blur, self.sky = float(flux_dex), float(blur), float(sky)
        self.noise_dex, self.window = tuple(map(float, noise_dex)), float(window)
        self.group, self.seed = group, seed
        self.generator = keras.random.SeedGenerator(seed, name="observing_seed")

    def build(self, input_shape):
        self.sigma0 = self.add_weight(
            name="sigma0", shape=(input_shape[-1],), initializer="ones", trainable=False
        )
        self.built = True

    def update_adapt(self, images) -> None:
        """Count a batch after what light leaves hardly anything of, and noise all of it.

        Second differences in both directions (Immerkaer 1996) of unit gain for white noise:
        quantiles of the pixels themselves would take the light of galaxies for noise.
        """
        x = np.asarray(keras.ops.convert_to_numpy(images), np.float32)
        for axis in (1, 2):
            x = np.diff(x, n=2, axis=axis) / math.sqrt(6.0)
        super().update_adapt(x)

    def finish_adapt(self) -> None:
        self.sigma0.assign(self.sky_and_sigma()[1])

    def call(self, inputs, training=False):
        if not training:
            return inputs
        from lensfinder.data.twins import apodising_window

        count, height, width, _ = ops.shape(inputs)
        draws = ops.reshape(
            keras.random.uniform((9, count), seed=self.generator), (9, count, 1, 1, 1)
        )
        images = inputs * 10.0 ** (self.flux_dex * (2.0 * draws[0] - 1.0))
        share = ops.where(draws[1] < 0.5, self.blur * draws[2], 0.0)
        smooth = draws[3] * _smoothed(images, _BLURS[0]) + (1.0 - draws[3]) * _smoothed(
            images, _BLURS[1]
        )
        images = (1.0 - share) * images + share * smooth
        images = images + self.sigma0 * self._noise(ops.shape(inputs), draws[4:7])
        images = images + self.sigma0 * self._sky(count, height, width)
        edge = apodising_window(height).astype(np.float32)[None, :, :, None]
        inside = ops.where(draws[7] < self.window, edge, 1.0)
        return images * inside

    def _noise(self, shape, draws):
        """Unit noise from white to correlated, times each object's level."""
        white = keras.random.normal(shape, seed=self.generator)
        # smoothing takes sigma down to the root of the sum of the squared weights
        kept = float(np.sum(_line(_BLURS[0]) ** 2))  # in each of two directions the root of it
        correlated = _smoothed(white, _BLURS[0]) / kept
        low, high = self.noise_dex
        level = ops.where(draws[0] < 0.75, 10.0 ** (low + (high - low) * draws[1]), 0.0)
        # the two are correlated themselves: brought back to unit variance
        share, cross = draws[2] ** 2, float(_line(_BLURS[0]).max() ** 2) / kept
        total = ops.sqrt(share**2 + (1 - share) ** 2 + 2 * share * (1 - share) * cross)
        return level * ((1 - share) * white + share * correlated) / total

    def _sky(self, count, height, width):
        """A constant and a slope per object, in units of sigma0."""
        coefficients = self.sky * keras.random.normal((3, count, 1, 1, 1), seed=self.generator)
        x = ops.reshape(ops.linspace(-1.0, 1.0, width), (1, 1, width, 1))
        y = ops.reshape(ops.linspace(-1.0, 1.0, height), (1, height, 1, 1))
        return coefficients[0] + coefficients[1] * x + coefficients[2] * y

    def get_config(self):
        names = ("flux_dex", "blur", "noise_dex", "sky", "window", "group", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _line(sigma: float):
    """Gaussian weights of unit sum, (7,)."""
    x = np.arange(_KERNEL) - _KERNEL // 2
    line = np.exp(-0.5 * (x / sigma) ** 2)
    return line / line.sum()


def _smoothed(images, sigma: float):
    """Images convolved with a Gaussian; outside the stamp is its mirror image.

    As sums of shifted images: the depthwise convolution of TensorFlow takes five times as long on a
    CPU.
    """
    for axis in (1, 2):
        size, reach = images.shape[axis], _KERNEL // 2
        widths = [(0, 0)] * 4
        widths[axis] = (reach, reach)
        padded = ops.pad(images, widths, mode="reflect")
        cut = [slice(None)] * 4
        images = 0.0
        for shift, weight in enumerate(_line(sigma).tolist()):
            cut[axis] = slice(shift, shift + size)
            images = images + weight * padded[tuple(cut)]
    return images
