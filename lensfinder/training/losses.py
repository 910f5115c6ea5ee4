"""Losses, and the registry from which a recipe chooses one."""

from typing import final

import keras
import numpy as np
from keras import ops

from lensfinder.errors import RecipeError, UnknownNameError
from lensfinder.specs import load_survey
from lensfinder.training.plane_losses import PlaneL1, PlaneNoise
from lensfinder.zoo.layers.posterior_head import unpack
from lensfinder.zoo.layers.target_scale import SPAN

NOISE = 0.05  # of a Gaussian decoder, as a share of each target's range


@final
class ScaledMeanSquaredError(keras.losses.Loss):
    """Mean squared error of physical targets, compared on one 0-10 scale.

    A model predicts physical values; a squared error in arcsec and one in ellipticity are not
    comparable, so each difference is divided by its target's range and multiplied by 10
    (Pearson et al. 2019, section 2.2 and equation 2). Weights are normalised to add up to the
    number of targets (Schuldt et al. 2021, equation 6), so the loss keeps its size.

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


@final
class PosteriorLikelihood(keras.losses.Loss):
    """Negative log likelihood of physical targets under a network's posterior, per target.

    Targets are compared on one 0-10 scale, as by `ScaledMeanSquaredError`; the constant
    ``log(2 pi) / 2`` is left out. A network trained by the likelihood alone learns to be unsure of
    difficult objects before it learns to answer them, because their errors then count less
    (Seitzer et al. 2022, "On the pitfalls of heteroscedastic uncertainty estimation", section 3).
    The squared error of the mean, which is added, keeps them in sight. Both are least at the true
    posterior, so the sum is, too.

    Parameters
    ----------
    low, high : sequence of float
        Range of each target, in its own unit.
    squared_error : float
        Weight of the mean squared error; 0 for the likelihood alone.
    name : str
        Name of the loss.

    Raises
    ------
    RecipeError
        If ranges are empty, or the weight is negative; when called, if the network answers values
        alone.
    """

    def __init__(self, low, high, *, squared_error=1.0, name="posterior_likelihood"):
        super().__init__(name=name)
        if not 0 <= squared_error < np.inf:
            raise RecipeError(f"squared_error is a weight >= 0. Received: {squared_error}.")
        self._error = ScaledMeanSquaredError(low, high)
        self._unit = ((np.asarray(high, float) - np.asarray(low, float)) / SPAN).astype("float32")
        self._weight = float(squared_error)

    def call(self, y_true, y_pred):
        count = len(self._unit)
        if y_pred.shape[-1] == count:
            raise RecipeError(
                f"posterior_nll needs a posterior. Received: {count} values per object. Give the "
                "network the argument components: 1, or more."
            )
        weight, mean, factor = unpack(y_pred, count)
        unit = ops.convert_to_tensor(self._unit, y_pred.dtype)
        y_true = ops.cast(y_true, y_pred.dtype)
        factor, apart = factor / unit[:, None], (y_true[:, None] - mean) / unit
        white = []  # factor^-1 apart, by forward substitution: exact, and quick for a few targets
        for row in range(count):
            known = sum(factor[:, :, row, column] * white[column] for column in range(row))
            white.append((apart[:, :, row] - known) / factor[:, :, row, row])
        size = sum(ops.log(factor[:, :, row, row]) for row in range(count))
        log_density = -0.5 * sum(ops.square(z) for z in white) - size
        # a weight of exactly 0 has no logarithm
        log_weight = ops.log(ops.maximum(weight, keras.config.epsilon()))
        nll = -ops.logsumexp(log_weight + log_density, axis=-1)
        return nll / count + self._weight * self._error.call(y_true, y_pred[:, :count])


@final
class GaussianDecoder(keras.losses.Loss):
    """Negative log likelihood of physical targets under a Gaussian of fixed width about the answer.

    The Gaussian decoder of a variational information bottleneck (Madireddy et al., section 3.3.1),
    summed over targets, so that it weighs against the bottleneck's divergence in nats. The paper
    does not state the width.

    Parameters
    ----------
    low, high : sequence of float
        Range of each target, in its own unit.
    noise : float
        Standard deviation, as a fraction of the range.
    name : str
        Name of the loss.

    Raises
    ------
    RecipeError
        If ranges are empty, or there is no width.
    """

    def __init__(self, low, high, *, noise=NOISE, name="gaussian_decoder"):
        super().__init__(name=name)
        if not 0 < noise < np.inf:
            raise RecipeError(f"noise is a fraction of a range, > 0. Received: {noise}.")
        self._error = ScaledMeanSquaredError(low, high)
        self._count, self._noise = len(np.asarray(low)), float(noise)

    def call(self, y_true, y_pred):
        white = self._error.call(y_true, y_pred) / (SPAN * self._noise) ** 2
        return self._count * (0.5 * white + np.log(self._noise) + 0.5 * np.log(2 * np.pi))


def _ranges(recipe):
    if not recipe.targets:
        raise RecipeError(f"{recipe.loss.name} needs targets with their ranges.")
    low, high = zip(*((target.low, target.high) for target in recipe.targets), strict=True)
    return low, high


def _scaled_mse(recipe, arguments):
    weights = [target.weight for target in recipe.targets]
    return ScaledMeanSquaredError(*_ranges(recipe), weights=weights, **arguments)


def _posterior_nll(recipe, arguments):
    if any(target.weight != 1 for target in recipe.targets):
        raise RecipeError("posterior_nll weighs targets by their spread. Leave out their weights.")
    return PosteriorLikelihood(*_ranges(recipe), **arguments)


def _weighted_mse(recipe, arguments):
    """Schuldt et al. 2021, equation 6: errors in physical units, arcsec beside numbers."""
    weights = [target.weight for target in recipe.targets]
    low, _ = _ranges(recipe)
    # on a range as long as the 0-10 scale, a difference stays what it is
    ones = np.zeros(len(low)), np.full(len(low), SPAN)
    name = "weighted_mean_squared_error"
    return ScaledMeanSquaredError(*ones, weights=weights, name=name, **arguments)


def _gaussian_decoder(recipe, arguments):
    return GaussianDecoder(*_ranges(recipe), **arguments)


def _plane_weights(recipe, arguments):
    planes = recipe.truth_columns
    weights = arguments.pop("weights", [1.0] * len(planes))
    if len(weights) != len(planes):
        raise RecipeError(
            f"{recipe.loss.name} needs a weight for each of {planes}. Received: {weights}."
        )
    return weights


def _plane_l1(recipe, arguments):
    return PlaneL1(_plane_weights(recipe, arguments))


def _plane_noise(recipe, arguments):
    weights, survey = _plane_weights(recipe, arguments), load_survey(recipe.survey)
    noise = [survey.band(name).background_sigma for name in recipe.contract().bands]
    return PlaneNoise(weights, recipe.truth_columns, noise, **arguments)


def _binary_crossentropy(recipe, arguments):
    return keras.losses.BinaryCrossentropy(**arguments)


@final
class SolutionCrossentropy(keras.losses.Loss):
    """Categorical cross-entropy of outputs divided by their sum.

    Maresca et al. 2021, equation 1, whose network ends in sigmoids: without the division the loss
    would be least where all three are 1. Keras' own loss divides as well, but with TensorFlow it
    takes the values before a sigmoid in training and those after it in validation.

    Parameters
    ----------
    name : str
        Name of the loss.
    """

    def __init__(self, name="solution_crossentropy"):
        super().__init__(name=name)

    def call(self, y_true, y_pred):
        tiny = keras.config.epsilon()
        probability = y_pred / ops.maximum(ops.sum(y_pred, axis=-1, keepdims=True), tiny)
        y_true = ops.cast(y_true, y_pred.dtype)
        return -ops.sum(y_true * ops.log(ops.maximum(probability, tiny)), axis=-1)


def _categorical_crossentropy(recipe, arguments):
    return SolutionCrossentropy(**arguments)


# name -> (maker of the loss, tasks it fits, arguments a recipe may give)
LOSSES = {
    "scaled_mse": (_scaled_mse, ("modeller",), ()),
    "weighted_mse": (_weighted_mse, ("modeller",), ()),
    "posterior_nll": (_posterior_nll, ("modeller",), ("squared_error",)),
    "gaussian_decoder": (_gaussian_decoder, ("modeller",), ("noise",)),
    "plane_l1": (_plane_l1, ("cleaner",), ("weights",)),
    "plane_noise": (_plane_noise, ("cleaner",), ("weights", "softening")),
    "binary_crossentropy": (_binary_crossentropy, ("finder",), ("label_smoothing",)),
    "categorical_crossentropy": (_categorical_crossentropy, ("auditor",), ()),
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
