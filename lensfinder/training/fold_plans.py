"""The trainings that make up a cross-validation: their data, and the recipe of each."""

from pathlib import Path

import numpy as np
from astropy.table import Table
from pydantic import TypeAdapter

from lensfinder.errors import CheckpointError, DatasetSpecError, RecipeError
from lensfinder.specs import load_population, load_survey, validate
from lensfinder.specs.population import DRAWN
from lensfinder.tables import write_table
from lensfinder.training.recipe import Recipe
from lensfinder.training.run_folder import differences


def shards_of(recipe, folder, *, objects=None, shards=None, workers=1) -> Path:
    """The folder of shards; mocks of a simulator are written first, unless they are there.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    folder : Path
        Of the cross-validation; mocks go below it.
    objects : int or None
        How many mocks; by default as many as an epoch shows.
    shards : path or None
        Shards to use instead of the recipe's.
    workers : int
        Processes that write mocks.

    Returns
    -------
    Path
        The folder of shards.

    Raises
    ------
    RecipeError
        If the recipe is one fold already, or its data cannot be shared among folds.
    CheckpointError
        If the folder holds other mocks.
    """
    if shards is not None:
        return Path(shards)
    if recipe.data.kind == "shards":
        if recipe.data.folds is not None:
            raise RecipeError("The recipe is one fold already. Leave fold and folds out of it.")
        return Path(recipe.data.folder)
    if recipe.data.kind != "simulator":
        raise RecipeError("Cross-validation needs shards or a simulator. Write shards first.")
    if recipe.plane != "S1" or recipe.data.start:
        raise RecipeError(
            "Folds are shared among mocks from number 0 on, as they are observed (plane S1). "
            "Leave plane and start out of the recipe."
        )
    from lensfinder.data.manifest import MANIFEST, read_manifest
    from lensfinder.simulate import simulate

    place = folder / "mocks"
    if (place / MANIFEST).exists():  # it is written last: without one, nothing is there yet
        _refuse_other_mocks(recipe, read_manifest(place), place, objects)
    else:
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


def _refuse_other_mocks(recipe, manifest, place, objects):
    """Refuse mocks that differ from the wanted ones in anything that decides what they are."""
    from lensfinder.simulate.simulator import DATA_VERSION

    usual = DRAWN | {"data_version": DATA_VERSION}  # what is not written is as usual
    held = {
        "survey": manifest.survey,
        "population": manifest.population,
        "seed": manifest.seed,
        **usual,
        **manifest.drawn,
    }
    survey = load_survey(recipe.survey).stacked(recipe.drawing.get("visits", 1))
    wanted = {
        "survey": _as_written(survey),
        "population": _as_written(load_population(recipe.data.population)),
        "seed": recipe.data.seed,
        **usual,
        **recipe.drawing,
    }
    if objects is not None:
        held["objects"], wanted["objects"] = manifest.rows, objects
    found = differences(held, wanted)
    if found:
        raise CheckpointError(
            f"{place} holds other mocks than the recipe wants: {'; '.join(found[:3])}. Give "
            "another folder, or remove this one."
        )


def _as_written(spec) -> dict:
    """A specification as a manifest holds it: what is infinite is left open there."""
    return TypeAdapter(dict).dump_python(spec.model_dump(mode="json"), mode="json")


def assign(plans, folder) -> tuple[int, int]:
    """Write ``folds.ecsv``: which object is in which fold, and by what name.

    Parameters
    ----------
    plans : list of Recipe
        One per fold.
    folder : Path
        Where to write.

    Returns
    -------
    steps : int
        Of an epoch on all folds but one; the same whichever is left out.
    all_steps : int
        Of an epoch on all folds.

    Raises
    ------
    DatasetSpecError
        If a fold does not fill one batch.
    UnknownNameError
        If the objects are to be split by a column that the truth has not got.
    """
    from lensfinder.data.manifest import read_truth
    from lensfinder.data.splits import fold_of, split_names, split_of

    data, batch_size = plans[0].data, plans[0].batch_size
    folds, truth = data.folds, read_truth(data.folder)
    ids, names = (split_names(truth, column) for column in ("id", data.split_by))
    fold = np.where(split_of(names) == "test", -1, fold_of(names, folds))
    counts = np.bincount(fold[fold >= 0], minlength=folds)
    steps = int(counts.sum() - counts.max()) // batch_size
    if steps < 1 or counts.min() < 1:
        raise DatasetSpecError(
            f"{len(ids)} objects in {folds} folds ({counts.tolist()}) do not fill a batch of "
            f"{batch_size}. Take more objects, fewer folds or a smaller batch."
        )
    columns = {"id": ids, data.split_by: names, "fold": fold}  # the first two may be one
    write_table(Table(columns), folder / "folds.ecsv", overwrite=True)
    return steps, int(counts.sum()) // batch_size


def fold_recipe(recipe, data, *, fold: int, folds: int, split_by: str | None = None) -> Recipe:
    """The training that leaves one fold out.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    data : Path
        Folder of shards.
    fold, folds : int
        Which fold, of how many.
    split_by : str or None
        Truth column whose values are shared among the folds; what the recipe says by default.

    Returns
    -------
    Recipe
        Its seed is that of the recipe plus `fold`.
    """
    stored = recipe.data.kind == "shards"
    part = {
        "kind": "shards",
        "folder": str(data),
        "shuffle_seed": recipe.data.shuffle_seed if stored else 1,
        "split_by": split_by or (recipe.data.split_by if stored else "id"),
        **recipe.drawing,
    }
    return altered(
        recipe,
        data={**part, "fold": fold, "folds": folds},
        validation=None,
        seed=(recipe.seed + fold) % 2**31,
    )


def final_recipe(recipe, plan, *, epoch: int, steps: int) -> Recipe:
    """The training on all folds, up to an epoch.

    Parameters
    ----------
    recipe : Recipe
        The recipe; its seed is used.
    plan : Recipe
        Of a fold.
    epoch : int
        The last epoch; the learning rate is scheduled as in the folds.
    steps : int
        Steps of an epoch.

    Returns
    -------
    Recipe
        Without validation objects.
    """
    data = {**plan.data.model_dump(mode="json"), "fold": "all"}
    return altered(plan, data=data, seed=recipe.seed, steps_per_epoch=steps, stop_after=epoch)


def altered(recipe, **changes) -> Recipe:
    """A recipe with other values, validated anew.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    **changes : dict
        Keys and their values, as plain data.

    Returns
    -------
    Recipe
        The new one.
    """
    plain = {**recipe.model_dump(mode="json"), **changes}
    return validate(Recipe, plain, f"the recipe of {recipe.preset}, changed")
