"""What a network costs: parameters and arithmetic per object."""

import math

import keras

from lensfinder.zoo.layers.dense_flipout import DenseFlipout
from lensfinder.zoo.layers.dihedral import VIEWS, DihedralViews


def trainable_parameters(model) -> int:
    """Number of trainable parameters.

    Parameters
    ----------
    model : keras.Model
        A built model.

    Returns
    -------
    int
        Their number.
    """
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def multiply_adds(model) -> int:
    """Multiply-adds of all convolutions and dense layers for one object (2 FLOP each).

    Parameters
    ----------
    model : keras.Model
        A functional model with known image sizes.

    Returns
    -------
    int
        Multiply-adds per object.
    """
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += multiply_adds(layer)
        elif isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            # every output pixel applies the whole kernel; a depthwise one uses each weight once too
            total += math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3])
        elif isinstance(layer, keras.layers.Dense):
            total += math.prod(layer.kernel.shape)
        elif isinstance(layer, DenseFlipout):  # of an answer, with the mean weights
            total += math.prod(layer.kernel_mean.shape)
    # every view of an image goes through the whole network
    several = any(isinstance(layer, DihedralViews) for layer in model.layers)
    return total * (len(VIEWS) if several else 1)
