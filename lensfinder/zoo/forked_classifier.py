"""The forked classifier of source reconstructions (Maresca, Dye & Li 2021, section 3.4, figure 10).

The layers are those of the text: two paths of three 3x3 convolutions with 2x2 max-pools, joined to
(13, 13, 256) from frames of 104 pixels, flattened to 43,264, a dense layer of 512 and one of 3. The
paper's total of 5,820,323 parameters contradicts them: its first dense layer alone has
43,264 x 512 + 512 = 22,151,680. With the default filters there are 22,338,563.
"""

from typing import Annotated, Literal

import keras
import numpy as np
from keras import ops
from pydantic import BaseModel, ConfigDict, Field

from lensfinder.inversion.relation import SOLUTIONS
from lensfinder.zoo.inputs import make_inputs, to_branches
from lensfinder.zoo.layers import JointAugment

POOLS = 3
REDUCTION = 2**POOLS
SMALLEST = 2 * REDUCTION  # pixels, so that the joined maps are more than a point
# arcsinh(x / softening). The source is at most 1 and its faint counter-images tell most; a residual
# is in units of the noise, and any other image is treated like one.
SOFTENING = {"source": 0.02}
Filters = Annotated[int, Field(ge=1, le=1024)]


class ForkedArguments(BaseModel):
    """Arguments of `forked_classifier`.

    Attributes
    ----------
    filters : (int, int, int)
        Of the convolutions of each path. The paper gives the last, 128.
    dense_units : int
        Of the dense layer.
    dropout : float
        Rate between the layers; the paper does not give it.
    slope : float
        Of the LeakyReLU below zero; the paper does not give it.
    stretch : bool
        Whether an image passes an arcsinh first, so that faint counter-images are not lost beside
        bright pixels; not in the paper.
    output : {"sigmoid", "softmax"}
        "sigmoid" is the paper's: three numbers that need not add up to 1; the categorical
        cross-entropy divides them by their sum, and so does `solution_probabilities`. "softmax"
        answers probabilities.
    augment : bool
        Random quarter turns and mirrors in training, the same for both images of a pair.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    filters: tuple[Filters, Filters, Filters] = (32, 64, 128)
    dense_units: int = Field(default=512, ge=1, le=8192)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    slope: float = Field(default=0.3, ge=0, lt=1)
    stretch: bool = True
    output: Literal["sigmoid", "softmax"] = "sigmoid"
    augment: bool = True


def forked_classifier(contract, task: str, *, targets, arguments: ForkedArguments) -> keras.Model:
    """Build the forked classifier: one path per group, joined as maps.

    =====================================  ==========  ================
    frames and arguments                   parameters  M multiply-adds
    =====================================  ==========  ================
    2 of 104x104, the paper's              22,338,563  228.9
    2 of 64x64, filters 16, 32, 64 and     1,095,683   21.1
    ``dense_units=128``, for two cores
    =====================================  ==========  ================

    Parameters
    ----------
    contract : InputContract
        Groups of one size and at least 16 pixels: ``source`` and ``residual``, see
        `lensfinder.inversion.frame.reconstruction_contract`.
    task : {"auditor"}
        The kind of output.
    targets : tuple of str
        The solutions, in the order of the output.
    arguments : ForkedArguments
        Options.

    Returns
    -------
    keras.Model
        Takes {group: (N, H, W, bands)}, answers (N, 3).

    Raises
    ------
    ArchitectureError
        If a frame is smaller than 16 pixels.
    """
    inputs = make_inputs(contract, smallest=SMALLEST)
    images = to_branches(inputs, contract)
    if arguments.augment:
        # quarter turns move no pixel between two others, so that the noise stays what it is
        augment = JointAugment("quarter", zoom=(1.0, 1.0), fill="edge", name="augment")
        images = augment(images)
    maps = [_path(x, name, arguments) for name, x in images.items()]
    x = _joined(maps)
    x = keras.layers.Dense(arguments.dense_units, name="dense")(x)
    x = keras.layers.LeakyReLU(arguments.slope, name="dense_relu")(x)
    x = keras.layers.Dropout(arguments.dropout, name="dense_dropout")(x)
    answer = keras.layers.Dense(
        len(targets), activation=arguments.output, dtype="float32", name="solution"
    )(x)
    return keras.Model(inputs, answer, name="forked_classifier")


def solution_probabilities(outputs) -> np.ndarray:
    """Probabilities of the solutions, from what the classifier answers.

    Parameters
    ----------
    outputs : array (N, 3)
        Sigmoids or probabilities.

    Returns
    -------
    array (N, 3), float64
        In the order of `SOLUTIONS`, each row adding up to 1; thirds where all outputs are zero.
    """
    outputs = np.asarray(outputs, np.float64)
    total = outputs.sum(axis=-1, keepdims=True)
    even = np.full_like(outputs, 1.0 / len(SOLUTIONS))
    return np.divide(outputs, total, out=even, where=total > 0)


def _path(x, group, arguments):
    """Three convolutions, each with LeakyReLU, max-pool and dropout."""
    if arguments.stretch:
        x = ops.arcsinh(x / SOFTENING.get(group, 1.0))
    for number, filters in enumerate(arguments.filters, start=1):
        prefix = f"{group}_{number}"
        x = keras.layers.Conv2D(filters, 3, padding="same", name=f"{prefix}_conv")(x)
        x = keras.layers.LeakyReLU(arguments.slope, name=f"{prefix}_relu")(x)
        x = keras.layers.MaxPooling2D(2, name=f"{prefix}_pool")(x)
        x = keras.layers.Dropout(arguments.dropout, name=f"{prefix}_dropout")(x)
    return x


def _joined(maps):
    """All features of all paths, flat; as maps first where they have one size, as in figure 10."""
    if len({x.shape[1:3] for x in maps}) > 1:
        maps = [keras.layers.Flatten(name=f"flat_{k}")(x) for k, x in enumerate(maps)]
        return keras.layers.Concatenate(name="join")(maps)
    x = maps[0] if len(maps) == 1 else keras.layers.Concatenate(name="join")(maps)
    return keras.layers.Flatten(name="flat")(x)
