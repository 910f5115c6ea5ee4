"""Draws of a network's outputs from the posterior of its weights."""

import keras
import numpy as np

from lensfinder.errors import ArchitectureError, ArgumentError
from lensfinder.zoo.decoder import WeightDraws
from lensfinder.zoo.layers.dense_flipout import flipout_layers
from lensfinder.zoo.predict import BATCH_SIZE, fixed_predict


def posterior_samples(
    model, images: dict, *, draws: int, seed: int, batch_size: int = BATCH_SIZE
) -> np.ndarray:
    """Outputs of a network under draws of the weights of its `DenseFlipout` layer.

    Everything before that layer is computed once; all draws then go through the rest in one
    batched call. Draw s is one network: all objects, of this call and of any other with the same
    seed, see the same weights in it.

    Parameters
    ----------
    model : keras.Model
        A model of the zoo with one `DenseFlipout` layer, as ``resnet101_flipout``; not changed.
    images : dict of str to array (N, H, W, bands)
        One array per group.
    draws : int
        Number of draws S.
    seed : int
        Seed of the draws.
    batch_size : int
        Objects per step.

    Returns
    -------
    array (S, N, outputs), float32
        Probabilities, or parameters in their units. The scatter over S is that of the weights
        alone: noise that the network cannot know of is not in it.

    Raises
    ------
    ArchitectureError
        If the model has no such layer, several, or one that its output does not pass through.
    ArgumentError
        If `draws` is not a whole number > 0.
    MissingBandError, StampShapeError
        If the images do not fit the model.
    """
    if int(draws) != draws or draws < 1:
        raise ArgumentError(f"The number of draws must be a whole number > 0. Received: {draws}.")
    layer, before, after = _parts(model)
    features = fixed_predict(before, batch_size=batch_size)(images)
    weights = layer.draw(int(draws), seed=seed)
    outputs = int(model.outputs[0].shape[-1])
    result = np.empty((int(draws), len(features), outputs), np.float32)
    for start in range(0, len(features), batch_size):
        part = layer.apply_draws(features[start : start + batch_size], *weights)
        flat = keras.ops.reshape(part, (-1, part.shape[-1]))
        if after is not None:
            flat = after(flat, training=False)
        answers = keras.ops.convert_to_numpy(flat)
        result[:, start : start + batch_size] = answers.reshape(int(draws), -1, outputs)
    return result


def _parts(model):
    """The layer with the distribution, the model before it, and the one after it (or None)."""
    if any(isinstance(layer, WeightDraws) for layer in model.layers):
        raise ArchitectureError(
            f"{model.name!r} answers with its posterior already. Read that "
            "(`lensfinder.predict.posterior_of`), or load the preset with calibrated=False."
        )
    layers = [layer for layer in flipout_layers(model) if layer in model.layers]
    if len(layers) != 1:
        raise ArchitectureError(
            f"Draws need a model with one DenseFlipout layer. Received: {model.name!r} with "
            f"{len(layers)}. Build it with resnet101_flipout.",
            layers=len(layers),
        )
    layer, last = layers[0], model.outputs[0]
    before = keras.Model({tensor.name: tensor for tensor in model.inputs}, layer.input)
    if layer.output is last:
        return layer, before, None
    try:
        return layer, before, keras.Model(layer.output, last)
    except ValueError as error:
        raise ArchitectureError(
            f"The output of {model.name!r} does not depend on its DenseFlipout layer alone "
            f"({error}). Build it with resnet101_flipout."
        ) from error
