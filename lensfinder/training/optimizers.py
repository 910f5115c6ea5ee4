"""Optimisers and learning-rate schedules, as a recipe declares them."""

import inspect
import math
from typing import final

import keras
from keras import ops

from lensfinder.errors import RecipeError, UnknownNameError
from lensfinder.training.radam import RAdam

# arguments that a recipe decides elsewhere, or that belong to Keras' bookkeeping
_RESERVED = {"self", "learning_rate", "name", "kwargs"}


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
        Every public optimiser that can train a network by itself, and `RAdam`.
    """
    members = inspect.getmembers(keras.optimizers, inspect.isclass)
    wrappers = ("Optimizer", "LossScaleOptimizer")
    found = {
        name.lower(): kind
        for name, kind in members
        if issubclass(kind, keras.optimizers.Optimizer) and name not in wrappers
    }
    return {**found, "radam": RAdam}


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
        return known[name](learning_rate=make_schedule(recipe), **arguments)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"The optimiser {name} refuses {arguments}: {error}") from error
