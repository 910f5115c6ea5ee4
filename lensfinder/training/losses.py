"""Losses, and the registry from which a recipe chooses one."""

from typing import final

import keras
import numpy as np
from keras import ops

from lensfinder.errors import RecipeError, UnknownNameError

SPAN = 10.0  # targets are "rescaled to lie ... between zero and ten" (Pearson 2019, section 2.2)


@final
class ScaledMeanSquaredError(keras.losses.Loss):
    """Mean squared error of physical targets, compared on one 0-10 scale.

    A model predicts physical values; a squared error in arcsec and one in ellipticity are not
    comparable, so each difference is divided by its target's range and multiplied by 10
    (Pearson et al. 2019, section 2.2 and equation 2). Weights are normalised to add up to the
    number of targets (Schuldt et al. 2021, equation 9), so the loss keeps its size.

    Parameters
    ----------
    low, high : sequence of float
        Range of each target, in its own unit.
    weights : sequence of float or None
        Relative weight of each target; all equal by default.
    name : str
        Name of the loss.

    Raises
    ------
    RecipeError
        If ranges are empty, lengths differ or weights are negative.
    """

    def __init__(self, low, high, *, weights=None, name="scaled_mean_squared_error"):
        super().__init__(name=name)
        low, high = np.asarray(low, float), np.asarray(high, float)
        weights = np.ones_like(low) if weights is None else np.asarray(weights, float)
        if not low.shape == high.shape == weights.shape or not (high > low).all():
            raise RecipeError(
                "Each target needs low < high and a weight. "
                f"Received: low={low}, high={high}, weights={weights}."
            )
        if not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
            raise RecipeError(f"Weights of targets must be positive. Received: {weights}.")
        factors = np.sqrt(weights / weights.sum() * weights.size) * SPAN / (high - low)
        self._factors = factors.astype("float32")

    def call(self, y_true, y_pred):
        scaled = (ops.cast(y_true, y_pred.dtype) - y_pred) * ops.convert_to_tensor(
            self._factors, y_pred.dtype
        )
        return ops.mean(ops.square(scaled), axis=-1)


def _scaled_mse(recipe, arguments):
    targets = recipe.targets
    if not targets:
        raise RecipeError("scaled_mse needs targets with their ranges.")
    return ScaledMeanSquaredError(
        [target.low for target in targets],
        [target.high for target in targets],
        weights=[target.weight for target in targets],
        **arguments,
    )


def _binary_crossentropy(recipe, arguments):
    return keras.losses.BinaryCrossentropy(**arguments)


# name -> (maker of the loss, tasks it fits, arguments a recipe may give)
LOSSES = {
    "scaled_mse": (_scaled_mse, ("modeller",), ()),
    "binary_crossentropy": (_binary_crossentropy, ("finder",), ("label_smoothing",)),
}


def make_loss(recipe):
    """The loss a recipe names.

    Parameters
    ----------
    recipe : Recipe
        The recipe.

    Returns
    -------
    keras.losses.Loss
        Compares ``y_true`` and ``y_pred`` of shape (batch, outputs).

    Raises
    ------
    UnknownNameError
        If there is no such loss.
    RecipeError
        If it does not fit the task, or an argument is unknown.
    """
    name, arguments = recipe.loss.name, dict(recipe.loss.arguments)
    if name not in LOSSES:
        raise UnknownNameError("loss", name, LOSSES)
    make, tasks, known = LOSSES[name]
    if recipe.task not in tasks:
        raise RecipeError(f"The loss {name} is for {' or '.join(tasks)}, not for {recipe.task}.")
    if set(arguments) - set(known):
        raise RecipeError(
            f"The loss {name} has the arguments {list(known)}. Received: {sorted(arguments)}."
        )
    return make(recipe, arguments)
