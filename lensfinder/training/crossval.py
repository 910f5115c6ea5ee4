"""Cross-validation: a recipe trained once per fold, resumable within a fold and between folds.

Layout of the folder::

    config.json     recipe, number of folds, hash of the data: what must stay as it is
    folds.ecsv      which object is in which fold (-1: the test sample, which no fold trains on)
    mocks/          the objects, where the recipe names a simulator instead of shards
    fold-00/        a run folder of `train`, and figures.json once the fold is done
    table.ecsv      mean and standard deviation over the folds of every figure of merit

With ``procedure="mean-curve"``, that of Schuldt et al. 2021, also::

    curve.ecsv      validation loss of every fold and their mean, epoch by epoch
    final/          training on all folds to the epoch where the mean is lowest, and figures.json
"""

import functools
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table

from lensfinder.errors import (
    CheckpointError,
    DatasetSpecError,
    OutputExistsError,
    RecipeError,
    UnknownNameError,
)
from lensfinder.tables import write_table
from lensfinder.training.fold_plans import altered, assign, final_recipe, fold_recipe, shards_of
from lensfinder.training.listeners import default_listener
from lensfinder.training.loop import train
from lensfinder.training.mean_curve import best_epoch, mean_validation_curve
from lensfinder.training.recipe import load_recipe
from lensfinder.training.run_folder import RunFolder, Stopwatch, differences
from lensfinder.training.scores import finder_figures, modeller_figures
from lensfinder.training.shard_source import ShardSource, shard_objects
from lensfinder.zoo import fixed_predict

FOLDS = 10  # Bom et al. 2022, section 4.1
PROCEDURES = ("per-fold", "mean-curve")
SAMPLES = ("validation", "test")
# of a figure's dictionary: not one number per fold
_NOT_TABLED = ("std", "non_lenses", "objects", "lenses")


@dataclass(frozen=True)
class CrossValidation:
    """What a call of `cross_validate` achieved.

    Attributes
    ----------
    folder : Path
        Where it lies.
    finished : bool
        Whether all folds, and the final training if asked for, are done; else call
        `cross_validate` again to go on.
    folds : list of dict
        One entry per finished fold: ``fold``, ``best_epoch``, ``epochs``, ``val_loss``, and the
        figures on its ``validation`` and on the ``test`` sample, from the weights of the epoch of
        lowest validation loss.
    table : astropy.table.Table or None
        One row per figure: its mean and standard deviation (n - 1) over the folds, on either
        sample. None until all folds are done.
    curve : astropy.table.Table or None
        Of the mean-curve procedure, see `lensfinder.training.mean_curve`.
    final : dict or None
        Of the training on all folds, once it is done: ``epochs``, the ``mean_val_loss`` that chose
        them, and the figures on the ``test`` sample.
    """

    folder: Path
    finished: bool
    folds: list
    table: Table | None
    curve: Table | None = None
    final: dict | None = None


def cross_validate(
    recipe,
    out,
    *,
    folds: int = FOLDS,
    procedure: str = "per-fold",
    objects: int | None = None,
    shards=None,
    split_by: str | None = None,
    resume: bool = True,
    minutes: float | None = None,
    workers: int = 1,
    listener=None,
) -> CrossValidation:
    """Train a recipe once per fold, or go on with it, and tabulate what came out.

    Objects go to folds, and to the test sample that no fold sees, by the hash of their ids
    (`lensfinder.data.splits`), or of a name that several objects share. Fold k starts from the
    recipe's seed + k, so that the scatter over folds is also that of the initial weights.

    Parameters
    ----------
    recipe : str, Path or Recipe
        Name of a recipe, a YAML file, or a recipe. Its data are shards, or a simulator.
    out : str or Path
        Folder of the cross-validation.
    folds : int
        Number of folds.
    procedure : {"per-fold", "mean-curve"}
        "per-fold" ends with the folds, each at its own best epoch. "mean-curve" is the procedure of
        Schuldt et al. 2021: the epoch of the lowest mean of the folds' validation curves is found,
        and a network is trained on all folds up to it. It may be asked for when the folds are done
        already.
    objects : int or None
        For a simulator: how many mocks are written, once, and shared among the folds. By default
        as many as an epoch of the recipe shows.
    shards : path or None
        A folder of shards to use instead of what the recipe names.
    split_by : str or None
        Truth column whose values are shared among folds and test sample, such as the ``lens_id``
        of painted mocks: no galaxy is then in two of them. By default what the recipe says, and
        that is the objects' ``id`` unless it says otherwise.
    resume : bool
        Whether a cross-validation found in `out` may be continued.
    minutes : float or None
        Stop so many minutes after the call; the next call goes on from there.
    workers : int
        As in `train`, and processes that write the mocks.
    listener : Listener or None
        Is told about the progress; bars in a terminal by default.

    Returns
    -------
    CrossValidation
        Finished folds, and the table once all are.

    Raises
    ------
    RecipeError, UnknownNameError
        If the recipe cannot be run, the procedure is unknown or does not fit it, or the truth has
        no column to split by.
    DatasetSpecError
        If a fold does not fill one batch.
    OutputExistsError
        If `out` holds a cross-validation and `resume` is off.
    CheckpointError
        If the one in `out` is of another recipe, other data or another number of folds.
    """
    watch, recipe, run = Stopwatch(minutes), load_recipe(recipe), RunFolder(out)
    listener = listener or default_listener()
    check_procedure(procedure, recipe)
    if recipe.task not in ("finder", "modeller"):
        raise RecipeError(
            f"Folds are measured for finders and modellers. Received: a {recipe.task}. Train it "
            "without folds."
        )
    config = run.path / "config.json"
    if config.exists() and not resume:
        raise OutputExistsError(
            f"{run.path} holds a cross-validation. Give another folder, or resume it.",
            path=str(run.path),
        )
    data = shards_of(recipe, run.path, objects=objects, shards=shards, workers=workers)
    how = {"folds": folds, "split_by": split_by}
    plans = [fold_recipe(recipe, data, fold=fold, **how) for fold in range(folds)]
    steps, all_steps = assign(plans, run.path)
    plans = [altered(plan, steps_per_epoch=steps) for plan in plans]
    _same_as_before(config, run, plans[0], folds)
    done, worked = [], False

    def figures_of(plan, place, name, close):
        """Figures of the training in `place`, which goes on first; None if the time ran out."""
        nonlocal worked
        if not (place / "figures.json").exists():
            if worked and watch.spent:  # another training would make a step at least
                return None
            worked = True
            left = None if minutes is None else max(0.0, minutes - watch.seconds / 60)
            result = train(plan, place, minutes=left, workers=workers, listener=listener)
            if not result.finished:
                return None
            close(plan, place, result)
            run.log(f"{name} is done")
        return json.loads((place / "figures.json").read_text())

    for fold, plan in enumerate(plans):
        place = run.path / f"fold-{fold:02d}"
        figures = figures_of(plan, place, f"fold {fold} of {folds}", _close_fold)
        if figures is None:
            return CrossValidation(run.path, False, done, None)
        done.append(figures)
    table = tabulate(done)
    write_table(table, run.path / "table.ecsv", overwrite=True)
    if procedure == "per-fold":
        return CrossValidation(run.path, True, done, table)
    curve = _curve(run.path, folds)
    write_table(curve, run.path / "curve.ecsv", overwrite=True)
    plan = final_recipe(recipe, plans[0], epoch=best_epoch(curve), steps=all_steps)
    close = functools.partial(_close_final, mean_val_loss=float(curve["mean"].min()))
    final = figures_of(plan, run.path / "final", "the training on all folds", close)
    return CrossValidation(run.path, final is not None, done, table, curve, final)


def check_procedure(procedure: str, recipe) -> None:
    """Refuse a procedure that a recipe does not allow.

    Parameters
    ----------
    procedure : str
        One of "per-fold" and "mean-curve".
    recipe : Recipe
        The recipe.

    Raises
    ------
    UnknownNameError
        If there is no such procedure.
    RecipeError
        If folds may stop early, although their mean curve is asked for.
    """
    if procedure not in PROCEDURES:
        raise UnknownNameError("procedure", procedure, PROCEDURES)
    if procedure == "mean-curve" and recipe.patience is not None:
        raise RecipeError(
            "With patience the validation curves of the folds differ in length and have no mean. "
            "Take patience out of the recipe, or use the procedure per-fold."
        )


def tabulate(folds) -> Table:
    """Mean and standard deviation over folds of every figure of merit.

    Parameters
    ----------
    folds : list of dict
        As in `CrossValidation`.

    Returns
    -------
    astropy.table.Table
        Columns ``figure``; ``test_mean``, ``test_std``, ``test_folds`` (how many folds could
        measure it) and the same for ``validation``. Nested figures have dots in their names. A
        standard deviation of one fold is NaN.
    """
    flat = {
        sample: [dict(_leaves(fold[sample])) for fold in folds if fold[sample] is not None]
        for sample in SAMPLES
    }
    for values, fold in zip(flat["validation"], folds, strict=True):
        values["loss"] = fold["val_loss"]
    names = dict.fromkeys(name for rows in flat.values() for row in rows for name in row)
    table = Table({"figure": list(names)})
    for sample in reversed(SAMPLES):
        columns = [
            np.array([row[name] for row in flat[sample] if row.get(name) is not None])
            for name in names
        ]
        table[f"{sample}_mean"] = [c.mean() if len(c) else np.nan for c in columns]
        table[f"{sample}_std"] = [c.std(ddof=1) if len(c) > 1 else np.nan for c in columns]
        table[f"{sample}_folds"] = [len(c) for c in columns]
    return table


def _leaves(figures, prefix=""):
    """(dotted name, number) of everything in a dictionary of figures that is one number or None."""
    for name, value in figures.items():
        if name in _NOT_TABLED:
            continue
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        elif value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            yield f"{prefix}{name}", value


# --- the folder -----------------------------------------------------------------------------------
def _curve(folder: Path, folds: int) -> Table:
    places = [folder / f"fold-{fold:02d}" for fold in range(folds)]
    return mean_validation_curve(
        [json.loads((place / "history.json").read_text()) for place in places]
    )


def _same_as_before(config: Path, run: RunFolder, plan, folds: int) -> None:
    source = ShardSource(
        plan.data.folder, plan.truth_columns, plan.batch_size, plan.data.shuffle_seed
    )
    wanted = {"folds": folds, **plan.resolved(), "data": source.fingerprint()}
    wanted = json.loads(json.dumps(wanted))
    if not config.exists():
        run.write_json(config.name, wanted)
        return
    changed = differences(json.loads(config.read_text()), wanted)
    if changed:
        raise CheckpointError(
            f"{run.path} holds another cross-validation:\n  " + "\n  ".join(changed) + "\n"
            "Give another folder, or what it was begun with (its config.json).",
            changed=changed,
        )


# --- the figures ----------------------------------------------------------------------------------
def _close_fold(plan, place: Path, result) -> None:
    """Measure the best epoch, write the figures, and drop the checkpoints they make needless."""
    best = result.history[result.best_epoch - 1]
    facts = {
        "fold": plan.data.fold,
        "best_epoch": result.best_epoch,
        "epochs": len(result.history),
        "val_loss": best["val_loss"],
    }
    _close(plan, place, result, facts, SAMPLES)


def _close_final(plan, place: Path, result, *, mean_val_loss: float) -> None:
    facts = {"epochs": len(result.history), "mean_val_loss": mean_val_loss}
    _close(plan, place, result, facts, SAMPLES[1:])


def _close(plan, place: Path, result, facts: dict, samples) -> None:
    predict = fixed_predict(result.model, batch_size=plan.batch_size, jit_compile=plan.jit_compile)
    figures = dict(facts)
    for sample in samples:
        try:
            held = shard_objects(plan, sample)
        except DatasetSpecError:  # so few objects that none is a test object
            figures[sample] = None
            continue
        rng = np.random.default_rng((plan.seed, SAMPLES.index(sample)))
        figures[sample] = _figures(plan, held.y, predict(held.images), rng)
    RunFolder(place).write_json("figures.json", figures)
    shutil.rmtree(place / "checkpoints", ignore_errors=True)


def _figures(plan, truth, output, rng) -> dict:
    if plan.task == "finder":
        return finder_figures(truth[:, 0], output[:, 0], rng=rng)
    return modeller_figures(plan.truth_columns, truth, output, rng=rng)
