"""Residual networks of 50 and 101 layers (He et al. 2015), and one with a DenseFlipout head.

The networks of Madireddy et al. (sections 3.2 and 3.3): ResNet-50 finds lenses, ResNet-101 models
them, and "R101+DF" is the latter with "a stochastic denseFlipout layer" last.
"""

import functools
from typing import Annotated, Literal

import keras
from pydantic import BaseModel, ConfigDict, Field

from lensfinder.zoo.inputs import head, join, make_inputs, to_branches
from lensfinder.zoo.layers import DenseFlipout
from lensfinder.zoo.scaling import scaled

# layers -> residual blocks of each stage (He et al. 2015, table 1). Every block has three
# convolutions; the stem and the last dense layer are the other two. 8 and 26 are for tests and
# small machines.
BLOCKS = {
    8: (1, 1),
    26: (2, 2, 2, 2),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
SMALLEST = 32  # what the strides of stem and stages bring down to one pixel
EPSILON = 1.001e-5  # of the batch norms, as in keras.applications
Depth = Literal[8, 26, 50, 101, 152]


class ResNetArguments(BaseModel):
    """Arguments of `resnet`.

    Attributes
    ----------
    depth : {8, 26, 50, 101, 152}
        Layers with weights.
    width : int
        Filters of the stem; 64 in the paper, fewer for a smaller network.
    scaling : {"arcsinh", "image", "none"}
        Preprocessing inside the model: `ArcsinhStretch` is to be adapted, `ImageScale` is not.
    positive : bool
        Whether negative pixels count as dark, for images that a cleaner made.
    ranges : dict of str to (low, high) or None
        Physical values at network outputs 0 and 10, where the defaults do not fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    depth: Depth = 50
    width: int = Field(default=64, ge=1, le=256)
    scaling: Literal["arcsinh", "image", "none"] = "arcsinh"
    positive: bool = False
    ranges: dict[str, tuple[float, float]] | None = Field(default=None, max_length=64)


class FlipoutArguments(BaseModel):
    """Arguments of `resnet101_flipout`.

    Attributes
    ----------
    depth : {8, 26, 50, 101, 152}
        Layers with weights.
    width : int
        Filters of the stem.
    scaling : {"arcsinh", "image", "none"}
        Preprocessing inside the model, as in `ResNetArguments`.
    positive : bool
        Whether negative pixels count as dark, for images that a cleaner made.
    prior_std : float
        Standard deviation of the prior of the last layer's weights.
    initial_std : float
        Standard deviation of their posterior at the start of a training.
    temperature : float
        Factor on the divergence: 1 for a loss that is a likelihood in nats, such as a recipe's
        ``gaussian_decoder``; see `DenseFlipout`.
    ranges : dict of str to (low, high) or None
        Physical values at network outputs 0 and 10, where the defaults do not fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    depth: Depth = 101
    width: int = Field(default=64, ge=1, le=256)
    scaling: Literal["arcsinh", "image", "none"] = "arcsinh"
    positive: bool = False
    prior_std: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    initial_std: Annotated[float, Field(gt=0, le=1e3)] = 0.05
    temperature: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    ranges: dict[str, tuple[float, float]] | None = Field(default=None, max_length=64)


def resnet(contract, task: str, *, targets, arguments: ResNetArguments) -> keras.Model:
    """Build a residual network, 50 layers deep by default; one per group, joined before the head.

    Layer by layer the network of keras.applications without its top, for any number of bands:
    23,587,712 (50) or 42,658,176 (101) parameters for three of them, head apart.

    Parameters
    ----------
    contract : InputContract
        Groups of at least 32 pixels.
    task : {"finder", "modeller"}
        The kind of output.
    targets : tuple of str
        What a modeller predicts.
    arguments : ResNetArguments
        Options.

    Returns
    -------
    keras.Model
        Takes {group: (N, H, W, bands)}, e-/s; adapt it (`lensfinder.zoo.adapt`) before training.

    Raises
    ------
    ArchitectureError
        If a stamp is smaller than 32 pixels.
    """
    inputs, x = _features(contract, arguments)
    return keras.Model(inputs, head(x, task, targets, arguments.ranges), name="resnet")


def resnet101_flipout(contract, task: str, *, targets, arguments: FlipoutArguments) -> keras.Model:
    """Build a residual network, 101 layers deep by default, whose last layer is `DenseFlipout`.

    It answers with the mean weights; `lensfinder.zoo.posterior_samples` draws from their
    posterior. It has to be told the number of training objects before it can be trained
    (`lensfinder.zoo.set_training_objects`; the training of a recipe does).

    Parameters
    ----------
    contract : InputContract
        Groups of at least 32 pixels.
    task : {"finder", "modeller"}
        The kind of output.
    targets : tuple of str
        What a modeller predicts.
    arguments : FlipoutArguments
        Options.

    Returns
    -------
    keras.Model
        Takes {group: (N, H, W, bands)}, e-/s; adapt it (`lensfinder.zoo.adapt`) before training.

    Raises
    ------
    ArchitectureError
        If a stamp is smaller than 32 pixels.
    """
    inputs, x = _features(contract, arguments)
    dense = functools.partial(
        DenseFlipout,
        prior_std=arguments.prior_std,
        initial_std=arguments.initial_std,
        temperature=arguments.temperature,
    )
    x = head(x, task, targets, arguments.ranges, dense=dense)
    return keras.Model(inputs, x, name="resnet101_flipout")


def _features(contract, arguments):
    """Inputs, and the pooled features of all groups."""
    inputs = make_inputs(contract, smallest=SMALLEST)
    given = to_branches(inputs, contract)
    images = scaled(given, arguments.scaling, positive=arguments.positive)
    features = [
        residual_part(x, f"{group}_", BLOCKS[arguments.depth], arguments.width)
        for group, x in images.items()
    ]
    return inputs, join(features, "join")


def residual_part(x, prefix: str, blocks: tuple[int, ...], width: int = 64):
    """Stem, stages of residual blocks, and the mean of each of the last feature maps.

    Parameters
    ----------
    x : tensor (N, H, W, bands)
        Images.
    prefix : str
        Of the layers' names, which are those of keras.applications otherwise.
    blocks : tuple of int
        Blocks of each stage; see `BLOCKS`.
    width : int
        Filters of the stem and of the first stage; each later stage has twice as many.

    Returns
    -------
    tensor (N, 4 filters of the last stage)
        Features.
    """
    x = keras.layers.ZeroPadding2D(3, name=f"{prefix}conv1_pad")(x)
    x = _conv(x, f"{prefix}conv1", "_", width, 7, stride=2)
    x = keras.layers.ReLU(name=f"{prefix}conv1_relu")(x)
    x = keras.layers.ZeroPadding2D(1, name=f"{prefix}pool1_pad")(x)
    x = keras.layers.MaxPooling2D(3, strides=2, name=f"{prefix}pool1_pool")(x)
    for stage, count in enumerate(blocks, start=2):
        for number in range(1, count + 1):
            # the pool of the stem has halved the first stage's images already
            stride = 2 if number == 1 and stage > 2 else 1
            name = f"{prefix}conv{stage}_block{number}"
            x = _block(x, name, width * 2 ** (stage - 2), stride, shortcut=number == 1)
    return keras.layers.GlobalAveragePooling2D(name=f"{prefix}avg_pool")(x)


def _block(x, name: str, filters: int, stride: int, *, shortcut: bool):
    """A bottleneck (He et al. 2015, figure 5): 1x1, 3x3 and 1x1 beside a shortcut."""
    aside = _conv(x, name, "_0_", 4 * filters, 1, stride=stride) if shortcut else x
    x = _conv(x, name, "_1_", filters, 1, stride=stride)
    x = keras.layers.ReLU(name=f"{name}_1_relu")(x)
    x = _conv(x, name, "_2_", filters, 3, padding="same")
    x = keras.layers.ReLU(name=f"{name}_2_relu")(x)
    x = _conv(x, name, "_3_", 4 * filters, 1)
    x = keras.layers.Add(name=f"{name}_add")([aside, x])
    return keras.layers.ReLU(name=f"{name}_out")(x)


def _conv(x, name: str, number: str, filters: int, kernel: int, *, stride=1, padding="valid"):
    x = keras.layers.Conv2D(
        filters, kernel, strides=stride, padding=padding, name=f"{name}{number}conv"
    )(x)
    return keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{name}{number}bn")(x)
