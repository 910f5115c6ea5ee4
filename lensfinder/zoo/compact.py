"""Compact residual networks: small enough to see a million fresh mocks in an hour on two cores."""

import math
from typing import Annotated, Literal

import keras
from pydantic import BaseModel, ConfigDict, Field

from lensfinder.errors import ArchitectureError
from lensfinder.zoo.inputs import head, join, make_inputs, to_branches
from lensfinder.zoo.layers import (
    ArcsinhStretch,
    ContrastClip,
    DihedralMean,
    DihedralViews,
    FineStructure,
    ImageScale,
    JointAugment,
    ObservingAugment,
)

Width = Annotated[int, Field(ge=1, le=256)]
GRID = 4  # side of the feature map that a modeller's dense layer sees
STEM_SIDE = 50  # the stem brings a stamp down to at most this many pixels


class CompactArguments(BaseModel):
    """Arguments of `compact_finder` and `compact_modeller`.

    Attributes
    ----------
    widths : tuple of int
        Filters of the residual blocks; each block after the first halves the image.
    units : int
        Units of the dense layer before the head.
    stretch : {"arcsinh", "clip", "image", "none"}
        Preprocessing inside the model: `ArcsinhStretch` and `ContrastClip` are to be adapted,
        `ImageScale` is not.
    softening : float
        Of the `ArcsinhStretch`, in sigma.
    fine_structure : bool
        Whether the network also sees what stands out of the smooth light (`FineStructure`), as
        further bands.
    dropout : float
        Share of the features dropped in training before the head.
    augment : {"any", "quarter", "none"}
        Rotations of a finder's training images, with mirrors, and with zooms for "any"
        (`JointAugment`).
    observing : bool
        Whether training images are given other seeing, noise, sky and brightness
        (`ObservingAugment`).
    symmetric : bool
        Whether a prediction is the mean over quarter turns and mirrors of the image, turned back
        (`DihedralMean`): eight times the cost of a prediction, none in training.
    components : int
        Gaussians of the mixture that a modeller answers (`PosteriorHead`); 0 for values alone.
    ranges : dict of str to (low, high) or None
        Physical values at network outputs 0 and 10, where the defaults do not fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    widths: tuple[Width, ...] = Field(default=(24, 32, 64), min_length=1, max_length=8)
    units: int = Field(default=32, ge=1, le=4096)
    stretch: Literal["arcsinh", "clip", "image", "none"] = "arcsinh"
    softening: float = Field(default=1.0, gt=0, lt=1e6)
    fine_structure: bool = False
    dropout: float = Field(default=0.0, ge=0, lt=1)
    augment: Literal["any", "quarter", "none"] = "none"
    observing: bool = False
    symmetric: bool = False
    components: int = Field(default=0, ge=0, le=16)
    ranges: dict[str, tuple[float, float]] | None = Field(default=None, max_length=64)


def compact_finder(contract, task: str, *, targets, arguments: CompactArguments) -> keras.Model:
    """Build the compact finder: stem and residual blocks per group, then pooled features.

    ============================  ==========  ================
    inputs                        parameters  M multiply-adds
    ============================  ==========  ================
    57x57x1                       90,089      16.7
    57x57x3                       91,289      17.7
    200x200x1 + 66x66x3           182,657     73.8
    ============================  ==========  ================

    Parameters
    ----------
    contract : InputContract
        Groups of at least 16 pixels.
    task : {"finder"}
        The kind of output.
    targets : tuple of str
        Unused; a finder predicts ``p_lens``.
    arguments : CompactArguments
        Options.

    Returns
    -------
    keras.Model
        Takes {group: (N, H, W, bands)}, e-/s; adapt it (`lensfinder.zoo.adapt`) before training.

    Raises
    ------
    ArchitectureError
        If a stamp is smaller than 16 pixels.
    """
    inputs = make_inputs(contract, smallest=16)
    images = _prepared(to_branches(inputs, contract), arguments)
    if arguments.augment != "none":
        zoom = (0.8, 1.2) if arguments.augment == "any" else (1.0, 1.0)
        images = JointAugment(arguments.augment, zoom=zoom, name="augment")(images)
    features = []
    for group, x in images.items():
        x = _residual_part(x, group, arguments.widths)
        # the mean says how much of a feature there is, the maximum whether it is anywhere: an arc
        # covers a few of the last pixels only
        mean = keras.layers.GlobalAveragePooling2D(name=f"{group}_mean")(x)
        peak = keras.layers.GlobalMaxPooling2D(name=f"{group}_peak")(x)
        features.append(keras.layers.Concatenate(name=f"{group}_pooled")([mean, peak]))
    return _finish(inputs, features, task, targets, arguments, "compact_finder")


def compact_modeller(contract, task: str, *, targets, arguments: CompactArguments) -> keras.Model:
    """Build the compact modeller: as the finder, but its dense layer sees *where* the features are.

    ============================  ==========  ================
    inputs                        parameters  M multiply-adds
    ============================  ==========  ================
    57x57x1                       118,827     16.7
    57x57x3                       120,027     17.7
    200x200x1 + 66x66x3           225,731     73.9
    ============================  ==========  ================

    Parameters
    ----------
    contract : InputContract
        Groups of at least 16 pixels.
    task : {"modeller"}
        The kind of output.
    targets : tuple of str
        What it predicts.
    arguments : CompactArguments
        Options.

    Returns
    -------
    keras.Model
        Takes {group: (N, H, W, bands)}, e-/s; adapt it (`lensfinder.zoo.adapt`) before training.

    Raises
    ------
    ArchitectureError
        If a stamp is smaller than 16 pixels, or the images are to be augmented.
    """
    if arguments.augment != "none":
        raise ArchitectureError(
            "Augmentation would rotate the images but not e1 and e2. Use augment='none'."
        )
    inputs = make_inputs(contract, smallest=16)
    features = []
    for group, x in _prepared(to_branches(inputs, contract), arguments).items():
        x = _residual_part(x, group, arguments.widths)
        window = math.ceil(x.shape[1] / GRID)
        if window > 1:
            x = keras.layers.AveragePooling2D(window, padding="same", name=f"{group}_grid")(x)
        features.append(keras.layers.Flatten(name=f"{group}_flat")(x))
    return _finish(inputs, features, task, targets, arguments, "compact_modeller")


def _prepared(images: dict, arguments: CompactArguments) -> dict:
    makers = {
        "arcsinh": lambda g: ArcsinhStretch(arguments.softening, group=g, name=f"{g}_stretch"),
        "clip": lambda g: ContrastClip("alternative", group=g, name=f"{g}_clip"),
        "image": lambda g: ImageScale(name=f"{g}_scale"),
    }
    if arguments.observing:
        images = {g: ObservingAugment(group=g, name=f"{g}_observing")(x) for g, x in images.items()}
    shown = images
    if arguments.stretch != "none":
        shown = {group: makers[arguments.stretch](group)(x) for group, x in images.items()}
    if arguments.fine_structure:
        shown = {g: _with_fine_structure(x, images[g], g) for g, x in shown.items()}
    if arguments.symmetric:
        shown = {g: DihedralViews(name=f"{g}_views")(x) for g, x in shown.items()}
    return dict(shown)


def _with_fine_structure(shown, images, group):
    fine = FineStructure(group=group, name=f"{group}_fine")(images)
    return keras.layers.Concatenate(name=f"{group}_shown")([shown, fine])


def _finish(inputs, features, task, targets, arguments, name):
    x = join(features, "join")
    if arguments.dropout:
        x = keras.layers.Dropout(arguments.dropout, name="dropout")(x)
    x = keras.layers.Dense(arguments.units, activation="relu", name="dense")(x)
    x = head(x, task, targets, arguments.ranges, arguments.components)
    if arguments.symmetric:
        targets = ("p_lens",) if task == "finder" else targets
        x = DihedralMean(targets, dtype="float32", name="mean_of_views")(x)
    return keras.Model(inputs, x, name=name)


def _residual_part(x, group: str, widths: tuple[int, ...]):
    """Stem and residual blocks of one group."""
    # arithmetic goes with the area of the first feature map, so larger stamps get a longer stride
    stride = max(2, math.ceil(x.shape[1] / STEM_SIDE))
    kernel = 2 * stride + 1
    x = _conv(x, f"{group}_stem", widths[0], kernel, stride)
    x = keras.layers.ReLU(name=f"{group}_stem_relu")(x)
    for number, filters in enumerate(widths, start=1):
        x = _block(x, f"{group}_block{number}", filters, stride=1 if number == 1 else 2)
    return x


def _block(x, name: str, filters: int, stride: int):
    """Two 3x3 convolutions beside a shortcut (He et al. 2015, figure 2)."""
    shortcut = x
    if stride != 1 or x.shape[-1] != filters:
        shortcut = _conv(x, f"{name}_shortcut", filters, 1, stride)
    x = _conv(x, f"{name}_a", filters, 3, stride)
    x = keras.layers.ReLU(name=f"{name}_a_relu")(x)
    x = _conv(x, f"{name}_b", filters, 3, 1)
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _conv(x, name: str, filters: int, kernel: int, stride: int):
    """A convolution without bias (the batch norm has one) and its batch norm."""
    x = keras.layers.Conv2D(
        filters, kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_conv"
    )(x)
    # Keras' momentum of 0.99 lags hundreds of steps behind, which spoils short fine-tuning runs
    return keras.layers.BatchNormalization(momentum=0.95, name=f"{name}_norm")(x)
