"""The six-layer network of Pearson et al. 2019 (section 2.2 and figure 5)."""

from dataclasses import dataclass
from typing import Literal

import keras
from pydantic import BaseModel, ConfigDict, Field

from lensfinder.errors import ArchitectureError
from lensfinder.zoo.inputs import head, join, make_inputs, to_branches
from lensfinder.zoo.layers import JointAugment
from lensfinder.zoo.scaling import scaled


@dataclass(frozen=True)
class ConvStage:
    """One convolution (stride 1, zero padding), batch norm, ReLU, and perhaps a 2x2 max-pool."""

    filters: int
    kernel: int
    pool: bool


# Filters and kernels: the only ones that give both parameter counts of the paper. Its text places
# the four max-pools among six convolutions only through the last shape, 3x3x128 from 57x57.
STAGES = (
    ConvStage(32, 7, pool=True),  # 57 -> 28
    ConvStage(64, 3, pool=True),  # 28 -> 14
    ConvStage(64, 5, pool=True),  # 14 -> 7
    ConvStage(128, 3, pool=False),
    ConvStage(128, 7, pool=False),
    ConvStage(128, 7, pool=True),  # 7 -> 3
)
DENSE_UNITS = 512
REDUCTION = 2 ** sum(stage.pool for stage in STAGES)
if REDUCTION != 16:
    raise ArchitectureError(
        f"The paper has four 2x2 max-pools. Received: a reduction of {REDUCTION}."
    )


class SixLayerArguments(BaseModel):
    """Arguments of `six_layer_cnn`.

    Attributes
    ----------
    scaling : {"image", "arcsinh", "none"}
        "image" is the paper's, each image to 0-1; "arcsinh" an `ArcsinhStretch`, to be adapted.
    augment : bool
        Whether a finder rotates, mirrors and zooms its training images (`JointAugment`).
    components : int
        Gaussians of the mixture that a modeller answers (`PosteriorHead`); 0 for values alone.
    ranges : dict of str to (low, high) or None
        Physical values at network outputs 0 and 10, where the defaults do not fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    scaling: Literal["image", "arcsinh", "none"] = "image"
    augment: bool = False
    components: int = Field(default=0, ge=0, le=16)
    ranges: dict[str, tuple[float, float]] | None = Field(default=None, max_length=64)


def six_layer_cnn(contract, task: str, *, targets, arguments: SixLayerArguments) -> keras.Model:
    """Build the six-layer network; one convolutional part per group, joined before the dense layer.

    For theta_E, e1, e2 at 57x57 pixels it has the 2,395,267 (one band) and 2,398,403 (three bands)
    trainable parameters of the paper.

    Parameters
    ----------
    contract : InputContract
        Groups of at least 16 pixels.
    task : {"finder", "modeller"}
        The kind of output.
    targets : tuple of str
        What a modeller predicts.
    arguments : SixLayerArguments
        Options.

    Returns
    -------
    keras.Model
        Takes {group: (N, H, W, bands)}, e-/s.

    Raises
    ------
    ArchitectureError
        If a stamp is smaller than 16 pixels, or a modeller is to be augmented.
    """
    inputs = make_inputs(contract, smallest=REDUCTION)
    images = scaled(to_branches(inputs, contract), arguments.scaling)
    if arguments.augment:
        if task == "modeller":
            raise ArchitectureError(
                "Augmentation would rotate the images but not e1 and e2. Use augment=False."
            )
        images = JointAugment(name="augment")(images)
    features = [_convolutions(x, name) for name, x in images.items()]
    x = join(features, "join")
    x = keras.layers.Dense(DENSE_UNITS, activation="relu", name="dense")(x)
    x = head(x, task, targets, arguments.ranges, arguments.components)
    return keras.Model(inputs, x, name="six_layer_cnn")


def _convolutions(x, group: str):
    for number, stage in enumerate(STAGES, start=1):
        prefix = f"{group}_{number}"
        x = keras.layers.Conv2D(stage.filters, stage.kernel, padding="same", name=f"{prefix}_conv")(
            x
        )
        x = keras.layers.BatchNormalization(name=f"{prefix}_norm")(x)
        x = keras.layers.ReLU(name=f"{prefix}_relu")(x)
        if stage.pool:
            x = keras.layers.MaxPooling2D(2, name=f"{prefix}_pool")(x)
    return keras.layers.Flatten(name=f"{group}_flat")(x)
