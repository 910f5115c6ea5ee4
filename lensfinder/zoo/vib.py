"""Variational information bottleneck: a network whose ten numbers in the middle can be read."""

import math
from typing import Literal

import keras
import numpy as np
from keras import ops
from pydantic import BaseModel, ConfigDict, Field

from lensfinder.errors import ArchitectureError
from lensfinder.zoo.decoder import DECODER
from lensfinder.zoo.inputs import head, join, make_inputs, to_branches
from lensfinder.zoo.layers import GaussianLatent
from lensfinder.zoo.predict import BATCH_SIZE
from lensfinder.zoo.scaling import scaled

STRIDED = 4  # convolutions that halve the image
SMALLEST = 2**STRIDED
GRID = 50.0  # codes lie within; the unit is about one standard deviation of the prior


class VibArguments(BaseModel):
    """Arguments of `vib`.

    Attributes
    ----------
    filters : tuple of int
        Of the five convolutions before the one that gives the code; 32, 32, 64, 64 and 512 in the
        implementation that Madireddy et al. adapted (Chen et al. 2018).
    latent : int
        Numbers of the code; 10 in the paper.
    units : int
        Of the decoder's dense layers; 1,200 there.
    beta : float
        Weight of the Kullback-Leibler term: 0.5 to detect, 3 to model in the paper.
    flow_steps : int
        Maps per dimension of the prior; 32 in the paper, 0 for a standard normal.
    dataset_size : int or None
        Objects trained on: minibatch-weighted sampling (`GaussianLatent`). None for the plain term.
    scaling : {"arcsinh", "image", "none"}
        Preprocessing inside the model: `ArcsinhStretch` is to be adapted, `ImageScale` is not.
    positive : bool
        Whether negative pixels count as dark. For images of light alone, which have none in
        training; those of a cleaner do, and `ImageScale` would take the deepest for the sky.
    ranges : dict of str to (low, high) or None
        Physical values at network outputs 0 and 10, where the defaults do not fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    filters: tuple[int, int, int, int, int] = (16, 16, 32, 32, 128)
    latent: int = Field(default=10, ge=1, le=256)
    units: int = Field(default=128, ge=1, le=4096)
    beta: float = Field(default=0.5, ge=0, le=1000)
    flow_steps: int = Field(default=32, ge=0, le=256)
    dataset_size: int | None = Field(default=None, ge=1)
    scaling: Literal["arcsinh", "image", "none"] = "arcsinh"
    positive: bool = False
    ranges: dict[str, tuple[float, float]] | None = Field(default=None, max_length=64)


def vib(contract, task: str, *, targets, arguments: VibArguments) -> keras.Model:
    """Build a variational information bottleneck: encoder, code with its prior, decoder.

    Six convolutions with batch norm between them end in twice the latent numbers; four dense layers
    make the probability of a lens, or parameters, of a code drawn from them (Madireddy et al.,
    section 4.2). Outside training the code is the encoder's mean, so answers repeat; draw codes
    with `predict_draws` for what the bottleneck does not know. Trained by `fit` with the likelihood
    as loss (`binary_crossentropy`, or `gaussian_decoder` with its fixed width): the bottleneck adds
    its own term.

    =====================================  ==========  ================
    inputs 111x111x3                       parameters  M multiply-adds
    =====================================  ==========  ================
    finder, default                        269,150     8.3
    modeller, 32-32-64-64-512, units 1200  4,635,104   31.8
    =====================================  ==========  ================

    Parameters
    ----------
    contract : InputContract
        Groups of at least 16 pixels.
    task : {"finder", "modeller"}
        Bernoulli or Gaussian decoder.
    targets : tuple of str
        What a modeller predicts.
    arguments : VibArguments
        Options.

    Returns
    -------
    keras.Model
        Takes {group: (N, H, W, bands)}, e-/s; adapt it (`lensfinder.zoo.adapt`) before training.

    Raises
    ------
    ArchitectureError
        If a stamp is smaller than 16 pixels, or there is no filter.
    """
    if min(arguments.filters) < 1 or max(arguments.filters) > 4096:
        raise ArchitectureError(f"filters must be 1 to 4096. Received: {arguments.filters}.")
    inputs = make_inputs(contract, smallest=SMALLEST)
    given, features = to_branches(inputs, contract), []
    for group, x in scaled(given, arguments.scaling, positive=arguments.positive).items():
        features.append(_features(x, group, arguments.filters))
    x = join(features, "join")
    x = keras.layers.Conv2D(2 * arguments.latent, 1, name="code_conv")(x)
    x = keras.layers.Flatten(dtype="float32", name="encoding")(x)
    x = GaussianLatent(
        arguments.beta,
        steps=arguments.flow_steps,
        dataset_size=arguments.dataset_size,
        dtype="float32",
        name="latent",
    )(x)
    for number in range(1, 4):  # the fourth dense layer is the head's
        x = keras.layers.Dense(arguments.units, activation="tanh", name=f"dense{number}")(x)
    return keras.Model(inputs, head(x, task, targets, arguments.ranges), name="vib")


def _features(x, group: str, filters):
    """Four convolutions of stride 2 and one over what is left: one pixel of features."""
    for number, count in enumerate(filters, start=1):
        name = f"{group}_{number}"
        last = number == len(filters)
        options = {"padding": "valid"} if last else {"strides": 2, "padding": "same"}
        kernel = x.shape[1] if last else 4
        x = keras.layers.Conv2D(count, kernel, use_bias=False, name=f"{name}_conv", **options)(x)
        x = keras.layers.BatchNormalization(momentum=0.95, name=f"{name}_norm")(x)
        x = keras.layers.ReLU(name=f"{name}_relu")(x)
    return x


def latent_codes(model, images, *, batch_size: int = BATCH_SIZE):
    """Codes of images: what the encoder says of each.

    Parameters
    ----------
    model : keras.Model
        A `vib`.
    images : dict of str to array (N, H, W, bands)
        One array per group.
    batch_size : int
        Objects per step.

    Returns
    -------
    mean, std : array (N, latent)
        Of the diagonal Gaussian p(z|x).

    Raises
    ------
    ArchitectureError
        If the network has no bottleneck.
    """
    encoding = _encode(model, images, batch_size)
    latent = encoding.shape[-1] // 2
    return encoding[:, :latent], np.exp(np.clip(encoding[:, latent:], -8, 4))


def predict_draws(model, images, *, draws: int = 100, seed: int = 1, batch_size: int = BATCH_SIZE):
    """Answers for codes drawn from p(z|x): how far the bottleneck leaves an object open.

    Parameters
    ----------
    model : keras.Model
        A `vib`.
    images : dict of str to array (N, H, W, bands)
        One array per group.
    draws : int
        Codes per object.
    seed : int
        Of the draws.
    batch_size : int
        Objects per step.

    Returns
    -------
    array (draws, N, outputs)
        Answers of the decoder.

    Raises
    ------
    ArchitectureError
        If the network has no bottleneck.
    """
    encoding = _encode(model, images, batch_size)
    latent, decode = _latent_of(model), _decoder(model)
    generator = keras.random.SeedGenerator(seed)
    found = [decode.predict_on_batch(latent.draw(encoding, seed=generator)) for _ in range(draws)]
    return np.stack(found) if found else np.empty((0, len(encoding), *model.output_shape[1:]))


def entropy(p_lens):
    """Entropy of a Bernoulli distribution: how undecided a finder is.

    Parameters
    ----------
    p_lens : array
        Probabilities.

    Returns
    -------
    array
        Nats, 0 to log 2.
    """
    p = np.clip(np.asarray(p_lens, np.float64), 0.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(q > 0, q * np.log(q), 0.0) for q in (p, 1.0 - p)]
    return -(parts[0] + parts[1])


def joint_likelihood(model, images, y=None, *, noise=None, batch_size: int = BATCH_SIZE):
    """Log of the conditional joint likelihood, r(z) q(y|z), at the code z of each image.

    Low where the code lies apart from what the prior has learned of the training data, or where the
    decoder is undecided (Madireddy et al., section 3.3.1; Alemi et al. 2018).

    Parameters
    ----------
    model : keras.Model
        A `vib`.
    images : dict of str to array (N, H, W, bands)
        One array per group.
    y : array (N, outputs) or None
        Of what the likelihood is asked; by default of what the network answers: the likelier class,
        or the parameters themselves.
    noise : array (outputs,) or None
        Standard deviation of a modeller's Gaussian decoder, in each target's unit; a finder has
        none.
    batch_size : int
        Objects per step.

    Returns
    -------
    array (N,)
        log r(z) + log q(y|z).

    Raises
    ------
    ArchitectureError
        If the network has no bottleneck, or a modeller's noise is missing.
    """
    mean, _ = latent_codes(model, images, batch_size=batch_size)
    prior = ops.convert_to_numpy(_latent_of(model).log_prior(ops.convert_to_tensor(mean)))
    answer = np.asarray(_decoder(model).predict(mean, batch_size=batch_size, verbose=0), np.float64)
    if any(layer.name == "p_lens" for layer in model.layers):
        given = answer > 0.5 if y is None else np.asarray(y) > 0.5
        q = np.where(given, answer, 1.0 - answer)
        return prior + np.log(np.maximum(q, 1e-30)).sum(axis=-1)
    if noise is None:
        raise ArchitectureError(
            "The Gaussian decoder of a modeller has the width that its loss assumed. Give `noise`."
        )
    noise = np.asarray(noise, np.float64)
    white = 0.0 if y is None else (np.asarray(y, np.float64) - answer) / noise
    each = -0.5 * np.square(white) - np.log(noise) - 0.5 * math.log(2 * math.pi)
    return prior + np.broadcast_to(each, answer.shape).sum(axis=-1)


def prior_log_density(model, codes) -> np.ndarray:
    """Log density of the prior that a bottleneck has learned.

    Parameters
    ----------
    model : keras.Model
        A `vib`.
    codes : array (N, latent)
        Codes.

    Returns
    -------
    array (N,)
        log r(z).

    Raises
    ------
    ArchitectureError
        If the network has no bottleneck.
    """
    points = ops.convert_to_tensor(np.asarray(codes, np.float32))
    return ops.convert_to_numpy(_latent_of(model).log_prior(points))


def rarest_codes(model, quantile: float, *, draws: int = 2000, seed: int = 1) -> float:
    """Log density of the prior that so many of its own codes lie below.

    Dimensions are independent, so draws of each, shuffled, make further draws of all.

    Parameters
    ----------
    model : keras.Model
        A `vib`.
    quantile : float
        Fraction of codes, 0 to 1.
    draws : int
        Of each dimension; a hundred times as many codes are made of them.
    seed : int
        Of the draws.

    Returns
    -------
    float
        The limit of log r(z).

    Raises
    ------
    ArchitectureError
        If the network has no bottleneck.
    """
    prior = _latent_of(model).prior
    rng = np.random.default_rng(seed)
    dimensions = model.get_layer("encoding").output.shape[-1] // 2
    x = rng.normal(size=(draws, dimensions))
    each = -0.5 * np.square(x) - 0.5 * math.log(2 * math.pi)
    if prior is not None:
        # the maps rise, so a grid of codes says where each draw comes from: many times as fast as
        # to invert them one by one
        codes = np.linspace(-GRID, GRID, 20_001, dtype=np.float32)
        there, log_slope = prior.forward(ops.tile(codes[:, None], (1, dimensions)))
        there, log_slope = ops.convert_to_numpy(there), ops.convert_to_numpy(log_slope)
        for k in range(dimensions):
            each[:, k] += np.interp(x[:, k], there[:, k], log_slope[:, k])
    sums = [rng.permuted(each, axis=0).sum(axis=1) for _ in range(100)]
    return float(np.quantile(sums, quantile))


def _latent_of(model) -> GaussianLatent:
    for layer in model.layers:
        if isinstance(layer, GaussianLatent):
            return layer
    raise ArchitectureError(f"{model.name} has no bottleneck. Give a network built by 'vib'.")


def _encode(model, images, batch_size):
    _latent_of(model)
    encoder = keras.Model(model.inputs, model.get_layer("encoding").output)
    names = [tensor.name for tensor in model.inputs]
    arrays = [np.asarray(images[name], np.float32) for name in names]
    return encoder.predict(arrays, batch_size=batch_size, verbose=0)


def _decoder(model):
    for layer in model.layers:  # of a network that answers with its posterior
        if layer.name == DECODER:
            return layer
    return keras.Model(_latent_of(model).output, model.outputs[0])
