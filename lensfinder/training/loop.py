"""Training a recipe: steps, validation, checkpoints, best epoch; to be interrupted at any time.

The loop calls Keras' own ``train_on_batch``. What follows is exact: weights, optimiser, random
state, sums of the running epoch and position in the data are all in the checkpoint, and batches
are pure functions of that position, so a resumed training ends in the same weights, bit for bit
(on a CPU with the same versions).
"""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import save as save_tensors

from lensfinder.errors import CheckpointError, OutputExistsError, TrainingDivergedError
from lensfinder.tables import write_atomically
from lensfinder.training.averaging import averaged
from lensfinder.training.checkpoint import (
    contiguous,
    model_arrays,
    newest_checkpoint,
    restore,
    training_arrays,
    write_checkpoint,
)
from lensfinder.training.cleaned import check_stages
from lensfinder.training.feed import WorkerPool, feed
from lensfinder.training.listeners import default_listener
from lensfinder.training.network import adapt_network, build_network, compile_network
from lensfinder.training.precision import FLOAT32, device_words, resolved_precision
from lensfinder.training.recipe import load_recipe
from lensfinder.training.run_folder import RunFolder, Stopwatch, differences, versions
from lensfinder.training.scores import validation_figures
from lensfinder.training.sources import make_source, validation_objects
from lensfinder.training.starting import begin_from
from lensfinder.training.turning import turned
from lensfinder.zoo import fixed_predict, open_preset


@dataclass(frozen=True)
class TrainingResult:
    """What a call of `train` achieved.

    Attributes
    ----------
    folder : Path
        The run's folder.
    finished : bool
        Whether the recipe was trained to its end; else call `train` again to go on.
    history : list of dict
        One entry per epoch: losses, validation figures, learning rate, seconds.
    best_epoch : int
        The epoch of the lowest validation loss, counted from 1 (0: none is complete yet); with
        `stop_after`, the last.
    model : keras.Model
        With the weights of the best epoch so far (their average, if the recipe keeps one); before
        the first is complete, the latest. Its arithmetic is float32, whatever it was trained in.
    """

    folder: Path
    finished: bool
    history: list
    best_epoch: int
    model: object


@dataclass
class _State:
    """Where a training is; all of it is saved with the weights."""

    epoch: int = 0  # complete epochs
    step: int = 0  # complete steps of the running epoch
    loss_sum: float = 0.0  # over those steps
    seconds: float = 0.0  # spent on the running epoch
    best_epoch: int = 0
    best_loss: float | None = None
    finished: bool = False
    history: list = field(default_factory=list)


def train(
    recipe,
    out,
    *,
    resume: bool = True,
    minutes: float | None = None,
    workers: int = 1,
    source=None,
    validation=None,
    listener=None,
) -> TrainingResult:
    """Train a recipe, or go on with an interrupted training.

    Parameters
    ----------
    recipe : str, Path or Recipe
        Name of a recipe, a YAML file, or a recipe.
    out : str or Path
        Folder of the run. Holds afterwards ``config.yaml``, ``versions.json``, ``log.txt``,
        ``history.json``, ``checkpoints/``, and at the end ``metrics.json`` and
        ``best.safetensors``.
    resume : bool
        Whether a training found in `out` may be continued.
    minutes : float or None
        Stop so many minutes after the call with a checkpoint; the next call goes on from there.
        At least one step is made.
    workers : int
        0: batches are made between the steps; 1: by a thread, during them; more: by processes,
        where a simulator makes them.
    source : Source or None
        Training data, where the recipe leaves it to the caller (`data: {kind: arrays}`).
    validation : Batch or None
        Objects to validate on instead of the recipe's.
    listener : Listener or None
        Is told about the progress; bars in a terminal by default.

    Returns
    -------
    TrainingResult
        History, best epoch and the model.

    Raises
    ------
    RecipeError, UnknownNameError
        If the recipe cannot be run.
    OutputExistsError
        If `out` holds a training and `resume` is off.
    CheckpointError
        If the training in `out` has another recipe, or all its checkpoints are damaged.
    TrainingDivergedError
        If data, loss or weights are no longer finite; the last good checkpoint stays.
    """
    watch = Stopwatch(minutes)
    recipe = load_recipe(recipe)
    listener = listener or default_listener()
    run = RunFolder(out)
    if not resume and any(run.checkpoints.glob("step-*")):
        raise OutputExistsError(
            f"{run.path} holds a training. Give another folder, or resume it (resume=True).",
            path=str(run.path),
        )
    source = turned(make_source(recipe) if source is None else source, recipe)
    work = _Training(recipe, run, source, listener, _resolved(recipe, source, validation))
    listener.begin(recipe.epochs, recipe.steps_per_epoch)
    try:
        work.open()
        if not work.state.finished:
            if validation is None:
                validation = validation_objects(recipe)
            work.run_to_end(watch, workers, validation)
        work.finish()
    finally:
        listener.end()
    state = work.state
    return TrainingResult(run.path, state.finished, state.history, state.best_epoch, work.model)


def _resolved(recipe, source, validation) -> dict:
    """Everything that must stay as it is for a training to be continued."""
    import keras

    resolved = {**recipe.resolved(), "backend": keras.backend.backend()}
    if recipe.start is not None:
        resolved["start"] = open_preset(recipe.start).fingerprint
    if cleaner := check_stages(recipe):  # its weights choose the best epoch
        resolved["cleaner"] = cleaner
    for name, given in (("source", source), ("validation", validation)):
        fingerprint = getattr(given, "fingerprint", None)
        if fingerprint is not None:
            resolved[name] = fingerprint()
    return resolved


class _Training:
    def __init__(self, recipe, run, source, listener, resolved):
        self.recipe, self.run, self.source = recipe, run, source
        self.listener, self.resolved = listener, resolved
        self.state, self.best = _State(), {}
        self.precision = resolved_precision(recipe.precision)
        self.model = self.predict = None

    def say(self, text):
        self.run.log(text)
        self.listener.say(text)

    # --- beginning --------------------------------------------------------------------------------
    def open(self):
        """Build the network, and put it where the newest whole checkpoint left it."""
        checkpoint = newest_checkpoint(self.run.checkpoints, note=self.say)
        if checkpoint is not None:
            self._refuse_another(checkpoint)
        self.model = self._built(self.precision)
        self.predict = fixed_predict(
            self.model, batch_size=self.recipe.batch_size, jit_compile=self.recipe.jit_compile
        )
        if checkpoint is None:
            self.run.write_config(self.resolved, {**self._versions(), "device": device_words()})
            begun = begin_from(self.model, self.recipe)
            seen = adapt_network(self.model, self.recipe, self.source)
            words = f"; {begun}" if begun else ""
            self.say(f"begin: {self.recipe.preset}{words}; preprocessing adapted to {seen} objects")
            return
        restore(self.model, checkpoint.arrays)
        self.best = checkpoint.best
        self.state = _State(**checkpoint.state["training"])
        here = self._versions()
        changed = differences(checkpoint.state["versions"], here)
        if changed:
            self.say(f"versions changed, bits may differ: {'; '.join(changed)}")
        self.say(f"resume: epoch {self.state.epoch}, step {self.state.step}")

    def _built(self, precision):
        return compile_network(build_network(self.recipe, precision=precision), self.recipe)

    def _versions(self):
        """What bits depend on; the precision, where it is not the usual one."""
        mixed = {} if self.precision == FLOAT32 else {"precision": self.precision}
        return {**versions(), **mixed}

    def _refuse_another(self, checkpoint):
        changed = differences(checkpoint.state["resolved"], self.resolved)
        if changed:
            raise CheckpointError(
                f"{self.run.path} holds a training of another recipe:\n  "
                + "\n  ".join(changed)
                + "\n"
                "Give another folder, or the recipe it was begun with (its config.yaml).",
                changed=changed,
            )

    # --- middle -----------------------------------------------------------------------------------
    def run_to_end(self, watch, workers, validation):
        # shards are read by one thread; only what can make any batch is shared among processes
        pool = WorkerPool(workers) if workers > 1 and hasattr(self.source, "make") else None
        try:
            while not self.state.finished:
                if self._epoch(watch, workers, pool):
                    self._close_epoch(validation)
                else:
                    self._save()
                if watch.spent and not self.state.finished:
                    self.say(
                        f"time is up: stopped in epoch {self.state.epoch + 1} after step "
                        f"{self.state.step}; run again to go on"
                    )
                    return
        finally:
            if pool is not None:
                pool.close()

    def _epoch(self, watch, workers, pool) -> bool:
        """The rest of the running epoch; False if the time ran out before its end."""
        state, steps = self.state, self.recipe.steps_per_epoch
        earlier, begin = state.seconds, watch.seconds
        with feed(
            self.source, state.epoch, state.step, steps, workers=workers, pool=pool
        ) as batches:
            while state.step < steps:
                self._step(next(batches))
                state.seconds = earlier + watch.seconds - begin
                self.listener.step(state.epoch, state.step, state.loss_sum / state.step)
                if watch.spent and state.step < steps:
                    return False
        return True

    def _step(self, batch):
        state = self.state
        bad = batch.bad_ids()
        if bad:
            raise self._diverged("pixels or truth values are not finite", bad)
        logs = self.model.train_on_batch(batch.images, batch.y, return_dict=True)
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise self._diverged(f"the loss is {loss}", list(batch.ids))
        state.step += 1
        state.loss_sum += loss

    def _diverged(self, what, ids):
        place = f"epoch {self.state.epoch + 1}, step {self.state.step + 1}"
        shown = ", ".join(map(str, ids[:20])) + (", ..." if len(ids) > 20 else "")
        self.run.log(f"diverged in {place}: {what}; objects {shown}")
        return TrainingDivergedError(
            f"In {place} {what}. Objects of the batch: {shown}. The last good checkpoint is in "
            f"{self.run.checkpoints}. Drop these objects, or lower the learning rate.",
            ids=tuple(ids),
            epoch=self.state.epoch + 1,
            step=self.state.step + 1,
        )

    def _close_epoch(self, validation):
        state, recipe = self.state, self.recipe
        entry = {
            "epoch": state.epoch + 1,
            "step": _number(self.model.optimizer.iterations, int),
            "loss": state.loss_sum / state.step,
            "learning_rate": _number(self.model.optimizer.learning_rate, float),
            "seconds": round(state.seconds, 3),
            "objects_per_second": round(
                state.step * recipe.batch_size / max(state.seconds, 1e-6), 1
            ),
        }
        with averaged(self.model):
            if validation is not None:
                entry |= self._validated(validation)
            self._count(entry)
        patience = recipe.patience
        tired = patience is not None and state.epoch - state.best_epoch >= patience
        state.finished = tired or state.epoch >= (recipe.stop_after or recipe.epochs)
        self._save()
        self.run.write_json("history.json", state.history)
        self.say(", ".join(f"{key} {_short(value)}" for key, value in entry.items()))
        self.listener.epoch(state.history)

    def _validated(self, validation) -> dict:
        output = self.predict(validation.images)
        if not np.isfinite(output).all():
            raise self._diverged("validation predictions are not finite", ["(validation)"])
        loss = self._loss(validation.y, output)
        if not math.isfinite(loss):
            raise self._diverged("the validation loss is not finite", ["(validation)"])
        return {"val_loss": loss, **validation_figures(self.recipe, validation.y, output)}

    def _count(self, entry):
        """One epoch more; its weights are kept if they are the best."""
        state = self.state
        state.epoch += 1
        state.step, state.loss_sum, state.seconds = 0, 0.0, 0.0
        state.history.append(entry)
        judged = entry.get("val_loss", entry["loss"])
        kept = self.recipe.stop_after is not None or state.best_loss is None
        if kept or judged < state.best_loss:
            state.best_loss, state.best_epoch = judged, state.epoch
            self.best = model_arrays(self.model)

    def _loss(self, y, output) -> float:
        # in float64 sums of batches: one mean over 10,000 float32 values would lose digits
        parts = np.array_split(np.arange(len(y)), max(1, len(y) // 1024))
        sums = [float(self.model.loss(y[part], output[part])) * len(part) for part in parts]
        return math.fsum(sums) / len(y)

    def _save(self):
        arrays = training_arrays(self.model)
        wrong = [name for name, array in arrays.items() if not np.isfinite(_floats(array)).all()]
        if wrong:  # an infinite gradient shows in the weights one step before it shows in the loss
            raise self._diverged(f"{len(wrong)} weights are not finite", ["(last batch)"])
        done = self.state.epoch * self.recipe.steps_per_epoch + self.state.step
        write_checkpoint(
            self.run.checkpoints,
            done,
            arrays,
            best=self.best,
            state={
                "training": asdict(self.state),
                "resolved": self.resolved,
                "versions": self._versions(),
            },
        )

    # --- end --------------------------------------------------------------------------------------
    def finish(self):
        """Put the best weights into the model, and write them down if this was the end."""
        if self.precision != FLOAT32:
            arrays, self.model = training_arrays(self.model), self._built(FLOAT32)
            restore(self.model, arrays)
        if self.best:
            restore(self.model, {**training_arrays(self.model), **self.best})
        if self.state.history:  # a kill between checkpoint and history would leave it short
            self.run.write_json("history.json", self.state.history)
        if not self.state.finished or (self.run.path / "metrics.json").exists():
            return
        data = save_tensors(contiguous(self.best))
        write_atomically(
            self.run.path / "best.safetensors", lambda place: Path(place).write_bytes(data)
        )
        best = self.state.history[self.state.best_epoch - 1]
        self.say(f"finished: best epoch {self.state.best_epoch} of {self.state.epoch}")
        self.run.write_json("metrics.json", {"best_epoch": self.state.best_epoch, **best})


def _floats(array):
    return array if array.dtype.kind == "f" else np.zeros(1)


def _number(tensor, kind):
    import keras

    return kind(keras.ops.convert_to_numpy(keras.ops.copy(tensor)))


def _short(value):
    return f"{value:.5g}" if isinstance(value, float) else value
