"""A schedule that ends when the time does: how fast this machine trains, and what follows of it.

The rate is measured in the first steps of the network that is to be trained, on its own data. From
it follows how many epochs fit in the time, and so where warm-up and cosine end. That number is
written into the run's folder before the training begins, and every later call keeps it: another
machine, or another number of minutes, changes nothing in a training that has begun.
"""

import hashlib
import json
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from lensfinder.errors import CheckpointError, RecipeError, SpecError
from lensfinder.specs import validate
from lensfinder.training.feed import AHEAD, WorkerPool, feed
from lensfinder.training.network import adapt_network, build_network, compile_network
from lensfinder.training.recipe import Recipe
from lensfinder.training.run_folder import RunFolder
from lensfinder.training.sources import make_source, validation_objects
from lensfinder.training.turning import turned

FILE = "schedule.json"
KEY = "recipe_sha256"
SHARE = 0.95  # of the time is planned with: rates vary, and checkpoints are written too
WARMUP = 0.1  # of the steps at most
SKIPPED = AHEAD + 2  # steps that compile, and use up what was made ahead meanwhile
TIMED_STEPS, TIMED_SECONDS = 20, 10.0  # the rate is taken over so many steps and so long


class Pace(BaseModel):
    """How fast a recipe is trained on a machine.

    Attributes
    ----------
    seconds_per_step : float
        Of training, the making of batches included.
    seconds_per_epoch : float
        Of what comes between two epochs: validation.
    seconds_before : float
        Before the first step: building, compiling, adapting, making the validation sample.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    seconds_per_step: float = Field(gt=0, allow_inf_nan=False)
    seconds_per_epoch: float = Field(ge=0, allow_inf_nan=False)
    seconds_before: float = Field(ge=0, allow_inf_nan=False)


class Schedule(BaseModel):
    """What a run's ``schedule.json`` holds.

    Attributes
    ----------
    minutes : float
        What was asked for.
    pace : Pace
        What was measured.
    epochs, steps : int
        How many fit.
    warmup_steps : int or None
        Steps of the warm-up, of a cosine.
    recipe_sha256 : str
        Digest of the recipe that it was fitted to (`digest_of`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    minutes: float = Field(gt=0, allow_inf_nan=False)
    pace: Pace
    epochs: int = Field(ge=1)
    steps: int = Field(ge=1)
    warmup_steps: int | None = None
    recipe_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def digest_of(recipe) -> str:
    """A recipe in one number, with the survey and populations that it names written out.

    Parameters
    ----------
    recipe : Recipe
        As it was loaded, of the length that its file says.

    Returns
    -------
    str
        SHA-256; another one is another recipe.
    """
    text = json.dumps(recipe.resolved(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def fit_schedule(
    recipe, out, *, minutes: float, workers: int = 1, source=None, validation=None, clock=None
) -> Recipe:
    """The recipe with as many epochs as fit in some minutes; frozen in the run's folder.

    Parameters
    ----------
    recipe : Recipe
        What is to be trained.
    out : str or Path
        Folder of the run. If it holds a schedule, that one is kept, whatever `minutes` says.
    minutes : float
        For everything from this call to the end of the training.
    workers : int
        As `train` will be given it.
    source, validation
        As `train` will be given them.
    clock : callable or None
        Seconds, for measuring; `time.monotonic` by default.

    Returns
    -------
    Recipe
        To be given to `train`.

    Raises
    ------
    RecipeError
        If less than an epoch fits, or the recipe's end is decided otherwise (`stop_after`).
    CheckpointError
        If the folder holds a training that was begun without a fitted schedule, or a schedule that
        is not this recipe's.
    """
    run = RunFolder(out)
    known = kept_schedule(run.path, recipe)
    if known is not None:
        return fitted(recipe, known)
    if any(run.checkpoints.glob("step-*")):
        raise CheckpointError(
            f"{run.path} holds a training whose schedule is that of its recipe. Go on without "
            "fitting the schedule, or give another folder."
        )
    if recipe.stop_after is not None:
        raise RecipeError(
            f"{recipe.preset} stops after epoch {recipe.stop_after}, so there is nothing to fit. "
            "Take stop_after out of the recipe, or train it as it is."
        )
    clock = clock or time.monotonic
    begin = clock()
    pace = measure_pace(recipe, workers=workers, source=source, validation=validation, clock=clock)
    found = schedule_for(recipe, pace, minutes=minutes, spent=clock() - begin)
    changed = fitted(recipe, found)
    run.write_json(FILE, found.model_dump(mode="json"))
    run.log(
        f"schedule: {found.epochs} epochs of {recipe.steps_per_epoch} steps in {minutes:g} minutes"
        f" (the recipe says {recipe.epochs}), {pace.seconds_per_step:.4g} s per step"
    )
    return changed


def kept_schedule(out, recipe=None) -> Schedule | None:
    """The schedule that was fitted for a run.

    Parameters
    ----------
    out : str or Path
        Folder of the run.
    recipe : Recipe or None
        What is to be trained there; the schedule must be its own.

    Returns
    -------
    Schedule or None
        None if it is trained as its recipe says.

    Raises
    ------
    CheckpointError
        If the file is damaged, or was fitted to another recipe, or does not say to which.
    """
    path = Path(out) / FILE
    if not path.exists():
        return None
    try:
        plain = json.loads(path.read_text("utf-8"))
        if isinstance(plain, dict) and KEY not in plain:  # from before it was written down
            raise CheckpointError(_unsigned(path, recipe))
        found = validate(Schedule, plain, str(path))
    except (SpecError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged ({error}). Start again elsewhere.") from error
    if recipe is not None and found.recipe_sha256 != digest_of(recipe):
        raise CheckpointError(
            f"{path} was fitted to another recipe than this one of {recipe.preset}, or to this one "
            "before it was edited. Give another folder (--out), or the recipe it was fitted to."
        )
    return found


def _unsigned(path, recipe) -> str:
    """What to do about a schedule of which nobody can tell whether it is the recipe's."""
    words = f"{path} does not say which recipe it was fitted to. Give another folder (--out)"
    if recipe is None:
        return f"{words}."
    line = f'"{KEY}": "{digest_of(recipe)}"'
    return f"{words}; or, if you know that it was this one of {recipe.preset}, add to it {line}."


def measure_pace(recipe, *, workers: int = 1, source=None, validation=None, clock=None) -> Pace:
    """Train some steps of a recipe, and throw them away.

    Parameters
    ----------
    recipe : Recipe
        What is to be trained.
    workers : int
        As `train` will be given it.
    source, validation
        As `train` will be given them.
    clock : callable or None
        Seconds; `time.monotonic` by default.

    Returns
    -------
    Pace
        What was measured.
    """
    from lensfinder.zoo import fixed_predict

    clock = clock or time.monotonic
    begin = clock()
    source = turned(make_source(recipe) if source is None else source, recipe)
    model = compile_network(build_network(recipe, precision=recipe.precision), recipe)
    adapt_network(model, recipe, source)
    validation = validation_objects(recipe) if validation is None else validation
    step, first = _seconds_per_step(model, recipe, source, workers, clock)
    ready = clock()
    predict = fixed_predict(model, recipe.batch_size, jit_compile=recipe.jit_compile)
    epoch = 0.0
    if validation is not None:
        predict({name: x[:1] for name, x in validation.images.items()})  # compiles
        ready = clock()
        predict(validation.images)
        epoch = clock() - ready
    return Pace(seconds_per_step=step, seconds_per_epoch=epoch, seconds_before=first - begin)


def _seconds_per_step(model, recipe, source, workers, clock):
    """Mean over the steps after the first few, and when those were done."""
    pool = WorkerPool(workers) if workers > 1 and hasattr(source, "make") else None
    skipped = min(SKIPPED, recipe.total_steps - 1)
    done, begun, first = 0, 0, clock()
    try:
        for epoch in range(recipe.epochs):
            with feed(
                source, epoch, 0, recipe.steps_per_epoch, workers=workers, pool=pool
            ) as batches:
                for batch in batches:
                    model.train_on_batch(batch.images, batch.y)
                    done, now = done + 1, clock()
                    if done == skipped:
                        begun, first = done, now
                    elif done - begun >= TIMED_STEPS and now - first >= TIMED_SECONDS:
                        return (now - first) / (done - begun), first
    finally:
        if pool is not None:
            pool.close()
    return (now - first) / (done - begun), first


def schedule_for(recipe, pace: Pace, *, minutes: float, spent: float = 0.0) -> Schedule:
    """How many epochs fit.

    Parameters
    ----------
    recipe : Recipe
        What is to be trained.
    pace : Pace
        How fast that is.
    minutes : float
        For everything.
    spent : float
        Seconds of them that are gone.

    Returns
    -------
    Schedule
        Of whole epochs; the warm-up is the recipe's, but no more than a tenth of the steps.

    Raises
    ------
    RecipeError
        If not even one epoch fits.
    """
    left = SHARE * 60.0 * minutes - spent - pace.seconds_before
    per_epoch = recipe.steps_per_epoch * pace.seconds_per_step + pace.seconds_per_epoch
    epochs = int(left // per_epoch)
    if epochs < 1:
        needed = (per_epoch + spent + pace.seconds_before) / SHARE / 60.0
        raise RecipeError(
            f"One epoch of {recipe.preset} ({recipe.steps_per_epoch} steps) needs {needed:.2g} "
            f"minutes here. Received: {minutes:g}. Give more minutes, or lower steps_per_epoch."
        )
    steps = epochs * recipe.steps_per_epoch
    return Schedule(
        minutes=minutes,
        pace=pace,
        epochs=epochs,
        steps=steps,
        warmup_steps=warmup_of(recipe, steps),
        recipe_sha256=digest_of(recipe),
    )


def warmup_of(recipe, steps: int) -> int | None:
    """Warm-up of a recipe that is trained for another number of steps.

    Parameters
    ----------
    recipe : Recipe
        Any.
    steps : int
        In all.

    Returns
    -------
    int or None
        The recipe's, but no more than a tenth of the steps; None if its schedule has none.
    """
    warmup = getattr(recipe.schedule, "warmup_steps", None)
    return None if warmup is None else min(warmup, int(WARMUP * steps))


def fitted(recipe, schedule: Schedule) -> Recipe:
    """A recipe with the length of a schedule.

    Parameters
    ----------
    recipe : Recipe
        Any.
    schedule : Schedule
        Its epochs; boundaries of a stepped learning rate move in proportion.

    Returns
    -------
    Recipe
        Checked anew, as a longer training may run into objects that are kept apart.

    Raises
    ------
    RecipeError
        If the recipe cannot be of that length.
    """
    plain = recipe.model_dump()
    if recipe.schedule.kind == "cosine":
        plain["schedule"]["warmup_steps"] = schedule.warmup_steps
    if recipe.schedule.kind == "step":
        ratio = schedule.epochs / recipe.epochs
        plain["schedule"]["boundaries"] = [
            round(ratio * edge) for edge in recipe.schedule.boundaries
        ]
    plain["epochs"] = schedule.epochs
    name = f"{recipe.preset} in {schedule.epochs} epochs"
    try:
        return validate(Recipe, plain, name)
    except SpecError as error:
        raise RecipeError(f"{error} Give other minutes.") from error
