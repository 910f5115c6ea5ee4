"""Cross-validation: a recipe trained once per fold, resumable within a fold and between folds.

Layout of the folder::

    config.json     recipe, number of folds, hash of the data: what must stay as it is
    folds.ecsv      which object is in which fold (-1: the test sample, which no fold trains on)
    mocks/          the objects, where the recipe names a simulator instead of shards
    fold-00/        a run folder of `train`, and figures.json once the fold is done
    table.ecsv      mean and standard deviation over the folds of every figure of merit
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table

from lensfinder.errors import CheckpointError, DatasetSpecError, OutputExistsError, RecipeError
from lensfinder.specs import validate
from lensfinder.tables import write_table
from lensfinder.training.listeners import default_listener
from lensfinder.training.loop import train
from lensfinder.training.recipe import Recipe, load_recipe
from lensfinder.training.run_folder import RunFolder, Stopwatch, differences
from lensfinder.training.scores import finder_figures, modeller_figures
from lensfinder.training.shard_source import ShardSource, shard_objects
from lensfinder.zoo import fixed_predict

FOLDS = 10  # Bom et al. 2022, section 4.1
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
        Whether all folds are done; else call `cross_validate` again to go on.
    folds : list of dict
        One entry per finished fold: ``fold``, ``best_epoch``, ``epochs``, ``val_loss``, and the
        figures on its ``validation`` and on the ``test`` sample, from the weights of the epoch of
        lowest validation loss.
    table : astropy.table.Table or None
        One row per figure: its mean and standard deviation (n - 1) over the folds, on either
        sample. None until all folds are done.
    """

    folder: Path
    finished: bool
    folds: list
    table: Table | None


def cross_validate(
    recipe,
    out,
    *,
    folds: int = FOLDS,
    objects: int | None = None,
    shards=None,
    resume: bool = True,
    minutes: float | None = None,
    workers: int = 1,
    listener=None,
) -> CrossValidation:
    """Train a recipe once per fold, or go on with it, and tabulate what came out.

    Objects go to folds, and to the test sample that no fold sees, by the hash of their ids
    (`lensfinder.data.splits`). Fold k starts from the recipe's seed + k, so that the scatter over
    folds is also that of the initial weights.

    Parameters
    ----------
    recipe : str, Path or Recipe
        Name of a recipe, a YAML file, or a recipe. Its data are shards, or a simulator.
    out : str or Path
        Folder of the cross-validation.
    folds : int
        Number of folds.
    objects : int or None
        For a simulator: how many mocks are written, once, and shared among the folds. By default
        as many as an epoch of the recipe shows.
    shards : path or None
        A folder of shards to use instead of what the recipe names.
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
        If the recipe cannot be run.
    DatasetSpecError
        If a fold does not fill one batch.
    OutputExistsError
        If `out` holds a cross-validation and `resume` is off.
    CheckpointError
        If the one in `out` is of another recipe, other data or another number of folds.
    """
    watch, recipe, run = Stopwatch(minutes), load_recipe(recipe), RunFolder(out)
    listener = listener or default_listener()
    config = run.path / "config.json"
    if config.exists() and not resume:
        raise OutputExistsError(
            f"{run.path} holds a cross-validation. Give another folder, or resume it.",
            path=str(run.path),
        )
    data = _shards(recipe, run.path, objects, shards, workers)
    plans = [_fold_recipe(recipe, data, fold, folds) for fold in range(folds)]
    steps = _assign(plans, run.path)
    plans = [_with(plan, steps_per_epoch=steps) for plan in plans]
    _same_as_before(config, run, plans[0], folds)
    done, worked = [], False
    for fold, plan in enumerate(plans):
        place = run.path / f"fold-{fold:02d}"
        if not (place / "figures.json").exists():
            if worked and watch.spent:  # the next fold would make a step at least
                return CrossValidation(run.path, False, done, None)
            worked = True
            left = None if minutes is None else max(0.0, minutes - watch.seconds / 60)
            result = train(plan, place, minutes=left, workers=workers, listener=listener)
            if not result.finished:
                return CrossValidation(run.path, False, done, None)
            _close_fold(plan, place, result)
            run.log(f"fold {fold} of {folds} is done")
        done.append(json.loads((place / "figures.json").read_text()))
    table = tabulate(done)
    write_table(table, run.path / "table.ecsv", overwrite=True)
    return CrossValidation(run.path, True, done, table)


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


# --- the data -------------------------------------------------------------------------------------
def _shards(recipe, folder, objects, shards, workers) -> Path:
    """The folder of shards; mocks of a simulator are written first, unless they are there."""
    if shards is not None:
        return Path(shards)
    if recipe.data.kind == "shards":
        if recipe.data.folds is not None:
            raise RecipeError("The recipe is one fold already. Leave fold and folds out of it.")
        return Path(recipe.data.folder)
    if recipe.data.kind != "simulator":
        raise RecipeError("Cross-validation needs shards or a simulator. Write shards first.")
    from lensfinder.data.manifest import MANIFEST
    from lensfinder.simulate import simulate

    place = folder / "mocks"
    if not (place / MANIFEST).exists():  # it is written last: without one, nothing is there yet
        simulate(
            recipe.survey,
            recipe.data.population,
            n=objects or recipe.steps_per_epoch * recipe.batch_size,
            output=place,
            seed=recipe.data.seed,
            workers=max(1, workers),
            overwrite=True,
            **recipe.drawing,
        )
    return place


def _assign(plans, folder) -> int:
    """Write ``folds.ecsv``; steps of an epoch, the same in every fold."""
    from lensfinder.data.manifest import read_truth
    from lensfinder.data.splits import fold_of, split_of

    folds, batch_size = plans[0].data.folds, plans[0].batch_size
    ids = [str(name) for name in read_truth(plans[0].data.folder)["id"]]
    fold = np.where(split_of(ids) == "test", -1, fold_of(ids, folds))
    counts = np.bincount(fold[fold >= 0], minlength=folds)
    steps = int(counts.sum() - counts.max()) // batch_size
    if steps < 1 or counts.min() < 1:
        raise DatasetSpecError(
            f"{len(ids)} objects in {folds} folds ({counts.tolist()}) do not fill a batch of "
            f"{batch_size}. Take more objects, fewer folds or a smaller batch."
        )
    write_table(Table({"id": ids, "fold": fold}), folder / "folds.ecsv", overwrite=True)
    return steps


def _fold_recipe(recipe, data, fold: int, folds: int) -> Recipe:
    seed = recipe.data.shuffle_seed if recipe.data.kind == "shards" else 1
    part = {"kind": "shards", "folder": str(data), "shuffle_seed": seed, **recipe.drawing}
    return _with(
        recipe,
        data={**part, "fold": fold, "folds": folds},
        validation=None,
        seed=(recipe.seed + fold) % 2**31,
    )


def _with(recipe, **changes) -> Recipe:
    plain = {**recipe.model_dump(mode="json"), **changes}
    return validate(Recipe, plain, f"the recipe of {recipe.preset} for one fold")


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
    predict = fixed_predict(result.model, batch_size=plan.batch_size, jit_compile=plan.jit_compile)
    best = result.history[result.best_epoch - 1]
    figures = {
        "fold": plan.data.fold,
        "best_epoch": result.best_epoch,
        "epochs": len(result.history),
        "val_loss": best["val_loss"],
    }
    for sample in SAMPLES:
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
