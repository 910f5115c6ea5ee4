"""The posterior of a network whose decoder has a fixed width: a mixture over fixed draws.

A variational bottleneck leaves the code of an image open, a `DenseFlipout` layer its weights; what
either answers is the middle of a Gaussian whose width its loss assumed. The posterior is the mean
of these Gaussians over codes, or weights (Madireddy et al. 2022, section 3.3). The draws are the
same for every image and every call, so that answers repeat.
"""

import keras
import numpy as np
from keras import ops
from pydantic import BaseModel, ConfigDict, Field

from lensfinder.errors import PresetError
from lensfinder.zoo.layers.dense_flipout import flipout_layers, std_of
from lensfinder.zoo.layers.gaussian_latent import GaussianLatent, split_spread
from lensfinder.zoo.layers.posterior_head import outputs_of, pack

SEED = 20_220_300
DECODER = "decoder"  # name of what stands behind the draws


class Decoder(BaseModel):
    """The Gaussian decoder of a modeller, and how many draws its posterior is mixed of.

    Attributes
    ----------
    noise : tuple of float
        Standard deviation for each target, in its unit.
    draws : int
        Components of the mixture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    noise: tuple[float, ...] = Field(min_length=1, max_length=64)
    draws: int = Field(default=16, ge=2, le=256)


def with_draws(model, decoder: Decoder) -> keras.Model:
    """The same network, answering with its posterior.

    Parameters
    ----------
    model : keras.Model
        A ``vib`` or ``resnet101_flipout`` that models; it is not changed, its variables are shared.
    decoder : Decoder
        The width of its answers.

    Returns
    -------
    keras.Model
        With the same inputs; answers as of a `PosteriorHead`.

    Raises
    ------
    PresetError
        If the model has neither a bottleneck nor a layer with a distribution over its weights, or
        other targets than the decoder.
    """
    count, before = len(decoder.noise), model.outputs[0]
    if before.shape[-1] != count or min(decoder.noise) <= 0:
        raise PresetError(
            f"A decoder needs one positive width for each of {before.shape[-1]} answers. "
            f"Received: {decoder.noise}."
        )
    latent = next((layer for layer in model.layers if isinstance(layer, GaussianLatent)), None)
    stochastic = [layer for layer in flipout_layers(model) if layer in model.layers]
    if latent is not None:
        drawn = _CodeDraws(decoder.draws, name="codes")([latent.output, latent.input])
        layer = latent
    elif len(stochastic) == 1:
        (layer,) = stochastic
        drawn = WeightDraws(layer, decoder.draws, name="weights")(layer.input)
    else:
        raise PresetError(
            f"{model.name} has no bottleneck and no DenseFlipout layer to draw from. Build a "
            "vib or a resnet101_flipout, or one with a posterior head (components)."
        )
    answers = drawn
    if layer.output is not before:
        answers = keras.Model(layer.output, before, name=DECODER)(drawn)
    inputs = {tensor.name: tensor for tensor in model.inputs}
    packed = _Mixture(decoder.noise, decoder.draws, name="mixture")(answers)
    return keras.Model(inputs, packed, name=model.name)


class _CodeDraws(keras.layers.Layer):
    """Codes (N draws, dim) of the encoder's Gaussian, those of an image one after the other."""

    def __init__(self, draws: int, **options):
        super().__init__(**options, dtype="float32", trainable=False)
        self._draws = draws

    def call(self, inputs):
        mean, encoding = inputs
        _, log_std = split_spread(ops.cast(encoding, "float32"))
        noise = ops.convert_to_tensor(_normal(self._draws, (mean.shape[-1],)))
        codes = mean[:, None] + ops.exp(log_std)[:, None] * noise
        return ops.reshape(codes, (-1, mean.shape[-1]))

    def compute_output_shape(self, input_shape):
        return (None, input_shape[0][-1])


class WeightDraws(keras.layers.Layer):
    """Answers (N draws, units) of a `DenseFlipout` layer, those of an image one after the other.

    Parameters
    ----------
    layer : DenseFlipout
        The layer, built; its variables are shared.
    draws : int
        Draws of its weights, the same for every image.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(self, layer, draws: int, **options):
        super().__init__(**options)
        self.layer, self._draws = layer, draws

    def call(self, inputs):
        layer, dtype = self.layer, self.compute_dtype
        noise = ops.cast(_normal(self._draws, layer.kernel_mean.shape), dtype)
        kernels = layer.kernel_mean + noise * std_of(layer.kernel_spread)
        biases = ops.zeros((self._draws, 1, layer.units), dtype=dtype)
        if layer.bias_kind != "none":
            biases = biases + layer.bias_mean
        if layer.bias_kind == "posterior":
            noise = ops.cast(_normal(self._draws, (1, layer.units), seed=SEED + 1), dtype)
            biases = biases + noise * std_of(layer.bias_spread)
        answers = ops.transpose(layer.apply_draws(inputs, kernels, biases), (1, 0, 2))
        return ops.reshape(answers, (-1, layer.units))

    def compute_output_shape(self, input_shape):
        return (None, self.layer.units)


class _Mixture(keras.layers.Layer):
    """Answers for draws, as the numbers of a `PosteriorHead`."""

    def __init__(self, noise, draws: int, **options):
        super().__init__(**options, dtype="float32", trainable=False)
        self._factor, self._draws = np.diag(np.asarray(noise, np.float32)), draws

    def call(self, answers):
        count = len(self._factor)
        mean = ops.reshape(ops.cast(answers, "float32"), (-1, self._draws, count))
        weight = ops.ones_like(mean[..., 0]) / self._draws
        factor = ops.broadcast_to(
            ops.convert_to_tensor(self._factor), (*ops.shape(mean)[:2], count, count)
        )
        return pack(weight, mean, factor)

    def compute_output_shape(self, input_shape):
        return (None, outputs_of(len(self._factor), self._draws))


def _normal(draws: int, shape, seed: int = SEED) -> np.ndarray:
    """Standard normal numbers, (draws, *shape), whose mean over the draws is exactly zero."""
    noise = np.random.default_rng(seed).normal(size=(draws, *shape))
    # the mean of the mixture is then that of the mean code, to first order
    noise = (noise - noise.mean(axis=0)) * np.sqrt(draws / (draws - 1))
    return noise.astype(np.float32)
