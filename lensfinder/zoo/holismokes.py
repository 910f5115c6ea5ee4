"""The modelling network of Schuldt et al. 2021 (HOLISMOKES IV, section 3 and figure 5)."""

from typing import Annotated, Literal

import keras
from pydantic import BaseModel, ConfigDict, Field

from lensfinder.errors import ArchitectureError
from lensfinder.zoo.inputs import head, join, make_inputs, to_branches

# The paper's five outputs, in its order. Its e_x, e_y are our e1, e2 (equation 4). Its theta_E is
# Barkana's, ours is on the intermediate axis: `theta_E_from_barkana` turns labels of the paper into
# ours before training, `theta_E_to_barkana` turns answers into the paper's for a comparison.
PAPER_TARGETS = ("x_lens", "y_lens", "e1", "e2", "theta_E")
FILTERS = (6, 16)
KERNEL = 5
SMALLEST = 16  # 16 -> 12 -> 6 -> 2 -> 1
Divisor = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]


class HolismokesArguments(BaseModel):
    """Arguments of `holismokes`.

    Attributes
    ----------
    units : tuple of int
        Units of the dense layers before the last. The paper says that there are two and leaves out
        their sizes: 120 and 84 are those of LeNet-5 (LeCun et al. 1998), whose filters 6 and 16
        and kernels of 5 pixels the paper has, too.
    divisor : float or tuple of float
        Numbers that pixels are divided by, one for all or one per band. The paper's are fed as
        they are, but have the zero point 27 of the HSC stacks: for images in e-/s at a zero point
        zp that is a division by ``10^(0.4 (zp - 27))``.
    output : {"physical", "scaled"}
        Whether the last layer answers in physical units, as the paper's does, or on 0-10 of each
        target's range (`TargetScale`), as our other networks do.
    dropout : float
        Share of the features dropped in training before each dense layer; the paper found no use
        for it.
    components : int
        Gaussians of the mixture that it answers (`PosteriorHead`); 0, as in the paper, for none.
    ranges : dict of str to (low, high) or None
        Physical values at network outputs 0 and 10, of "scaled" outputs and of posteriors.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    units: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        default=(120, 84), min_length=1, max_length=8
    )
    divisor: Divisor | Annotated[tuple[Divisor, ...], Field(min_length=1, max_length=16)] = 1.0
    output: Literal["physical", "scaled"] = "physical"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    components: int = Field(default=0, ge=0, le=16)
    ranges: dict[str, tuple[float, float]] | None = Field(default=None, max_length=64)


def holismokes(contract, task: str, *, targets, arguments: HolismokesArguments) -> keras.Model:
    """Build the network: two convolutions, two max-pools and three dense layers.

    At 64x64 pixels and four bands the last max-pool gives 13x13x16, and the network has 338,211
    parameters for the paper's five targets (`PAPER_TARGETS`).

    Parameters
    ----------
    contract : InputContract
        Groups of at least 16 pixels.
    task : {"modeller"}
        The kind of output.
    targets : tuple of str
        What it predicts.
    arguments : HolismokesArguments
        Options.

    Returns
    -------
    keras.Model
        Takes {group: (N, H, W, bands)}, e-/s.

    Raises
    ------
    ArchitectureError
        If a stamp is smaller than 16 pixels, or there are not as many divisors as bands.
    """
    inputs = make_inputs(contract, smallest=SMALLEST)
    features = [
        _convolutions(_divided(x, name, arguments.divisor), name)
        for name, x in to_branches(inputs, contract).items()
    ]
    x = join(features, "join")
    for number, units in enumerate(arguments.units, start=1):
        if arguments.dropout:
            x = keras.layers.Dropout(arguments.dropout, name=f"dropout_{number}")(x)
        x = keras.layers.Dense(units, activation="relu", name=f"dense_{number}", **_start(x))(x)
    if arguments.output == "scaled" or arguments.components:
        x = head(x, task, targets, arguments.ranges, arguments.components)
    else:
        x = keras.layers.Dense(len(targets), dtype="float32", name="parameters", **_start(x))(x)
    return keras.Model(inputs, x, name="holismokes")


def _divided(x, group: str, divisor):
    bands = x.shape[-1]
    if isinstance(divisor, float):
        divisor = (divisor,) * bands
    if len(divisor) != bands:
        raise ArchitectureError(
            f"Group {group!r} has {bands} bands. Received: {len(divisor)} divisors. "
            "Give one number, or one per band."
        )
    if all(number == 1 for number in divisor):
        return x
    scale = [1.0 / number for number in divisor]
    return keras.layers.Rescaling(scale, name=f"{group}_divided")(x)


def _convolutions(x, group: str):
    for number, filters in enumerate(FILTERS, start=1):
        prefix = f"{group}_{number}"
        x = keras.layers.Conv2D(
            filters, KERNEL, activation="relu", name=f"{prefix}_conv", **_start(x, KERNEL**2)
        )(x)
        x = keras.layers.MaxPooling2D(2, name=f"{prefix}_pool")(x)
    return keras.layers.Flatten(name=f"{group}_flat")(x)


def _start(x, area: int = 1) -> dict:
    """Initialisers as in PyTorch, with which the paper was made: U(-1, 1) / sqrt(inputs)."""
    limit = (area * x.shape[-1]) ** -0.5
    return {
        f"{name}_initializer": keras.initializers.RandomUniform(-limit, limit)
        for name in ("kernel", "bias")
    }
