"""Optimisers and learning-rate schedules, as a recipe declares them."""

import inspect
import math
from typing import final

import keras
from keras import ops

from lensfinder.errors import RecipeError, UnknownNameError
from lensfinder.training.averaging import keep_average
from lensfinder.training.radam import RAdam

# arguments that a recipe decides elsewhere, or that belong to Keras' bookkeeping
_AVERAGES = {"use_ema", "ema_momentum", "ema_overwrite_frequency"}  # `ema:` of the recipe
_RESERVED = {"self", "learning_rate", "name", "kwargs", *_AVERAGES}


@final
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Linear rise to `peak`, then half a cosine down to `floor`; a pure function of the step.

    Having no state, it resumes exactly from the optimiser's iteration count alone.

    Parameters
    ----------
    peak, floor : float
        Learning rate after the warm-up and at the end.
    warmup_steps, total_steps : int
        Length of the rise, and of everything.
    """

    def __init__(self, peak, floor, *, warmup_steps, total_steps):
        super().__init__()
        self.peak, self.floor = float(peak), float(floor)
        self.warmup_steps, self.total_steps = int(warmup_steps), int(total_steps)

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rise = (step + 1.0) / max(1.0, float(self.warmup_steps))
        length = max(1.0, float(self.total_steps - self.warmup_steps))
        progress = ops.clip((step - self.warmup_steps) / length, 0.0, 1.0)
        fall = self.floor + (self.peak - self.floor) * 0.5 * (1.0 + ops.cos(math.pi * progress))
        return ops.where(step < self.warmup_steps, self.peak * rise, fall)

    def get_config(self):
        names = ("peak", "floor", "warmup_steps", "total_steps")
        return {name: getattr(self, name) for name in names}


@final
class Steps(keras.optimizers.schedules.LearningRateSchedule):
    """`peak` multiplied by `factor` at each of the given steps.

    Parameters
    ----------
    peak : float
        Learning rate at the start.
    factor : float
        Applied once at every boundary.
    boundaries : sequence of int
        Steps, ascending.
    """

    def __init__(self, peak, *, factor, boundaries):
        super().__init__()
        self.peak, self.factor = float(peak), float(factor)
        self.boundaries = tuple(map(int, boundaries))

    def __call__(self, step):
        step = ops.cast(step, "float32")
        passed = sum(ops.cast(step >= float(edge), "float32") for edge in self.boundaries)
        return self.peak * ops.power(ops.convert_to_tensor(self.factor, "float32"), passed)

    def get_config(self):
        return {name: getattr(self, name) for name in ("peak", "factor", "boundaries")}


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class MomentumSGD(keras.optimizers.SGD):
    """Gradient descent with momentum and a decay that is part of the gradient.

    ``v = momentum v - rate (gradient + decay w)``, then ``w = w + v``: the weight decay of PyTorch,
    with which Schuldt et al. 2021 trained (section 3: momentum 0.9, decay 5e-4). The `weight_decay`
    of Keras' optimisers is decoupled from the momentum, and with momentum 0.9 ten times weaker in
    the long run.

    Parameters
    ----------
    learning_rate : float or keras.optimizers.schedules.LearningRateSchedule
        Rate.
    momentum : float
        Share of the last step that is made again.
    decay : float
        Of every weight, biases too.
    name : str
        Name of the optimiser.

    Raises
    ------
    ValueError
        If the momentum is not in [0, 1], or the decay is negative.
    """

    def __init__(self, learning_rate=0.01, momentum=0.9, decay=5e-4, name="momentum_sgd"):
        super().__init__(learning_rate=learning_rate, momentum=float(momentum), name=name)
        if not 0 <= decay < math.inf:
            raise ValueError(f"The decay must be a number >= 0. Received: {decay}.")
        self.decay = float(decay)

    def update_step(self, gradient, variable, learning_rate):
        """One step for one variable.

        Parameters
        ----------
        gradient : tensor
            Of the loss.
        variable : keras.Variable
            What is changed.
        learning_rate : tensor
            Of this step.
        """
        gradient = ops.cast(gradient, variable.dtype) + self.decay * variable
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        names = ("name", "momentum", "decay")
        rate = super().get_config()["learning_rate"]
        return {"learning_rate": rate, **{name: getattr(self, name) for name in names}}


def make_schedule(recipe):
    """Learning rate of a recipe.

    Parameters
    ----------
    recipe : Recipe
        The recipe.

    Returns
    -------
    float or keras.optimizers.schedules.LearningRateSchedule
        A number if it is constant.
    """
    schedule = recipe.schedule
    if schedule.kind == "constant":
        return schedule.learning_rate
    if schedule.kind == "cosine":
        return WarmupCosine(
            schedule.peak,
            schedule.floor,
            warmup_steps=schedule.warmup_steps,
            total_steps=recipe.epochs * recipe.steps_per_epoch,
        )
    return Steps(schedule.peak, factor=schedule.factor, boundaries=schedule.boundaries)


def optimizer_names() -> dict[str, type]:
    """Keras' optimisers by lower-case name, and ours.

    Returns
    -------
    dict of str to type
        Every public optimiser that can train a network by itself, `RAdam` and `MomentumSGD`
        (momentum_sgd).
    """
    members = inspect.getmembers(keras.optimizers, inspect.isclass)
    wrappers = ("Optimizer", "LossScaleOptimizer")
    found = {
        name.lower(): kind
        for name, kind in members
        if issubclass(kind, keras.optimizers.Optimizer) and name not in wrappers
    }
    return {**found, "radam": RAdam, "momentum_sgd": MomentumSGD}


def make_optimizer(recipe):
    """The optimiser a recipe names, with its learning-rate schedule.

    Parameters
    ----------
    recipe : Recipe
        The recipe.

    Returns
    -------
    keras.optimizers.Optimizer
        Not built yet.

    Raises
    ------
    UnknownNameError
        If there is no such optimiser.
    RecipeError
        If it does not take one of the arguments, or refuses a value.
    """
    known = optimizer_names()
    name, arguments = recipe.optimizer.name.lower(), dict(recipe.optimizer.arguments)
    if name not in known:
        raise UnknownNameError("optimiser", name, known)
    allowed = sorted(set(inspect.signature(known[name].__init__).parameters) - _RESERVED)
    unknown = sorted(set(arguments) - set(allowed))
    if unknown:
        raise RecipeError(
            f"The optimiser {name} does not take {', '.join(unknown)}. Known: {', '.join(allowed)}."
        )
    try:
        optimizer = known[name](learning_rate=make_schedule(recipe), **arguments)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"The optimiser {name} refuses {arguments}: {error}") from error
    if recipe.ema is not None:
        keep_average(optimizer, recipe.ema)
    return optimizer
