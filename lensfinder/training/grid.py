"""Grid search: every combination of some values is a run; the table of runs can be resumed.

Layout of the folder::

    config.json     the recipe, and how each run is made: what must stay as it is
    mocks/          the objects that all runs share, where folds are asked for without shards
    runs/NAME/      a run folder of `train` or `cross_validate`, named after its values
    grid.ecsv       one row per run: its values, status, best epoch and validation loss

More values may be added to a grid later: runs that are done stay done.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table

from lensfinder.errors import ArgumentError, CheckpointError, TrainingDivergedError
from lensfinder.tables import write_table
from lensfinder.training.crossval import check_procedure, cross_validate
from lensfinder.training.fold_plans import shards_of
from lensfinder.training.grid_points import changes_loss, grid_points, load_grid, planned
from lensfinder.training.listeners import default_listener
from lensfinder.training.loop import train
from lensfinder.training.mean_curve import best_epoch, mean_validation_curve
from lensfinder.training.recipe import load_recipe
from lensfinder.training.run_folder import RunFolder, Stopwatch, differences

TABLE = "grid.ecsv"
WAITING, BEGUN, DONE, DIVERGED = "waiting", "begun", "done", "diverged"
_DIVERGED_FILE = "diverged.json"


@dataclass(frozen=True)
class GridSearch:
    """What a call of `grid_search` achieved.

    Attributes
    ----------
    folder : Path
        Where it lies.
    finished : bool
        Whether every run is done or has diverged, and the best were trained on all folds if that
        was asked for.
    table : astropy.table.Table
        One row per run: ``run`` (name of its folder), a column per axis, ``status`` ("waiting",
        "begun", "done", "diverged"), ``best_epoch`` (0 where there is none) and ``val_loss``, the
        lowest validation loss, or the lowest mean of the folds' (NaN where there is none).
    best : list of dict
        The rows of the lowest loss: one, or one per loss where the grid changes the loss itself
        (``weight.TARGET``), because two losses cannot be compared.
    """

    folder: Path
    finished: bool
    table: Table
    best: list


def grid_search(
    recipe,
    grid,
    out,
    *,
    folds: int | None = None,
    procedure: str = "per-fold",
    objects: int | None = None,
    shards=None,
    minutes: float | None = None,
    workers: int = 1,
    listener=None,
) -> GridSearch:
    """Train a recipe with every combination of some of its values, or go on with it.

    Nothing is run twice: finished and diverged runs are read from their folders, the one that was
    interrupted goes on from its checkpoint.

    Parameters
    ----------
    recipe : str, Path or Recipe
        What all runs have in common.
    grid : dict, str or Path
        Values per axis, the name of a grid such as ``schuldt2021``, or a YAML file. An axis is
        ``learning_rate`` (its peak, if it is scheduled), ``batch_size`` (an epoch keeps its number
        of objects, and a schedule its place in the epochs), ``seed``, ``weight.TARGET``, or a
        dotted key of the recipe such as ``network.arguments.dropout``.
    out : str or Path
        Folder of the search.
    folds : int or None
        Cross-validate every run with so many folds, as Schuldt et al. 2021 do with five.
    procedure : {"per-fold", "mean-curve"}
        With "mean-curve", the best runs are at last trained on all folds (`cross_validate`).
    objects : int or None
        With folds, for a simulator: how many mocks are stored.
    shards : path or None
        With folds: shards to use instead of what the recipe names.
    minutes : float or None
        Stop so many minutes after the call; the next call goes on from there.
    workers : int
        As in `train`.
    listener : Listener or None
        Is told about the progress; bars in a terminal by default.

    Returns
    -------
    GridSearch
        The table, also in ``grid.ecsv``.

    Raises
    ------
    ArgumentError
        If the grid is empty or too large, or folds are missing where they are needed.
    RecipeError
        If folds are to be compared although the recipe has patience.
    UnknownNameError, SpecError
        If an axis is not of the recipe, or a value cannot be.
    CheckpointError
        If the folder holds a search of another recipe.
    """
    watch, recipe, run = Stopwatch(minutes), load_recipe(recipe), RunFolder(out)
    if folds is None and (procedure != "per-fold" or objects is not None or shards is not None):
        raise ArgumentError("procedure, objects and shards go with folds. Give a number of folds.")
    if folds is not None:
        check_procedure("mean-curve", recipe)  # runs are compared by the mean of their folds
        check_procedure(procedure, recipe)
    points = grid_points(load_grid(grid))
    varied = {name.split(".")[0] for values in points.values() for name in values}
    if folds is not None and varied & {"data", "validation"}:
        raise ArgumentError(
            "Runs with folds share their objects, so a grid cannot vary data or validation. Leave "
            "these out of it, or leave out the folds."
        )
    plans = {name: planned(recipe, values) for name, values in points.items()}
    _same_as_before(run, recipe, folds)
    listener = listener or default_listener()
    search = _Search(run, points, folds)
    if folds is not None:
        given = {"objects": objects, "shards": shards, "workers": workers}
        shared = shards_of(recipe, run.path, **given)
    worked = False

    def go_on(name, procedure):
        left = None if minutes is None else max(0.0, minutes - watch.seconds / 60)
        rest = {"minutes": left, "workers": workers, "listener": listener}
        if folds is None:
            return train(plans[name], search.place(name), **rest).finished
        rest |= {"folds": folds, "shards": shared, "procedure": procedure}
        return cross_validate(plans[name], search.place(name), **rest).finished

    for name in points:
        if search.status(name) in (DONE, DIVERGED):
            continue
        if worked and watch.spent:  # another run would make a step at least
            break
        worked = True
        run.log(f"{name}: begins or goes on")
        search.write()
        try:
            finished = go_on(name, "per-fold")
        except TrainingDivergedError as error:
            search.note_diverged(name, error)
            finished = True
        run.log(f"{name}: {search.status(name)}")
        if not finished:
            break
    table, best = search.write(), search.best()
    finished = all(status in (DONE, DIVERGED) for status in table["status"])
    for row in best if finished and procedure != "per-fold" else ():
        finished = not (worked and watch.spent) and go_on(row["run"], procedure)
        worked = True
        if not finished:
            break
    return GridSearch(run.path, finished, table, best)


class _Search:
    """The runs of a grid, as they lie in their folders."""

    def __init__(self, run, points, folds):
        self.run, self.points, self.folds = run, points, folds

    def place(self, name) -> Path:
        return self.run.path / "runs" / name

    def status(self, name) -> str:
        place = self.place(name)
        if (place / _DIVERGED_FILE).exists():
            return DIVERGED
        if (place / ("metrics.json" if self.folds is None else "table.ecsv")).exists():
            return DONE
        return BEGUN if place.exists() else WAITING

    def note_diverged(self, name, error) -> None:
        facts = {"epoch": error.epoch, "step": error.step, "words": str(error)}
        RunFolder(self.place(name)).write_json(_DIVERGED_FILE, facts)

    def loss(self, name) -> tuple[int, float]:
        """Best epoch and lowest validation loss of a run that is done."""
        place = self.place(name)
        if self.status(name) != DONE:
            return 0, np.nan
        if self.folds is None:
            metrics = json.loads((place / "metrics.json").read_text())
            return metrics["best_epoch"], metrics.get("val_loss", metrics["loss"])
        curve = self.curve(place)
        return best_epoch(curve), float(np.min(curve["mean"]))

    def curve(self, place) -> Table:
        files = [place / f"fold-{fold:02d}" / "history.json" for fold in range(self.folds)]
        return mean_validation_curve([json.loads(file.read_text()) for file in files])

    def write(self) -> Table:
        table = Table({"run": list(self.points)})
        for axis in next(iter(self.points.values())):
            column = [values[axis] for values in self.points.values()]
            plain = all(isinstance(value, bool | int | float | str) for value in column)
            table[axis] = column if plain else [json.dumps(value) for value in column]
        table["status"] = [self.status(name) for name in self.points]
        losses = [self.loss(name) for name in self.points]
        table["best_epoch"] = [epoch for epoch, _ in losses]
        table["val_loss"] = [loss for _, loss in losses]
        write_table(table, self.run.path / TABLE, overwrite=True)
        return table

    def best(self) -> list[dict]:
        best = {}
        for name, values in self.points.items():
            if self.status(name) != DONE:
                continue
            epoch, loss = self.loss(name)
            kind = json.dumps({axis: v for axis, v in values.items() if changes_loss(axis)})
            if kind not in best or loss < best[kind]["val_loss"]:
                best[kind] = {"run": name, **values, "best_epoch": epoch, "val_loss": loss}
        return list(best.values())


def _same_as_before(run, recipe, folds) -> None:
    wanted = json.loads(json.dumps({"folds": folds, **recipe.resolved()}))
    config = run.path / "config.json"
    if not config.exists():
        run.write_json(config.name, wanted)
        return
    changes = differences(json.loads(config.read_text()), wanted)
    if changes:
        raise CheckpointError(
            f"{run.path} holds a grid search of another recipe:\n  " + "\n  ".join(changes) + "\n"
            "Give another folder, or what it was begun with (its config.json).",
            changed=changes,
        )
