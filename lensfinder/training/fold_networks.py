"""The networks of a cross-validation as presets: together they are an ensemble."""

import json
from pathlib import Path

import yaml
from safetensors.numpy import load_file

from lensfinder.errors import CheckpointError
from lensfinder.training.checkpoint import restore
from lensfinder.training.fold_plans import altered
from lensfinder.training.loop import TrainingResult
from lensfinder.training.network import build_network
from lensfinder.training.publish import publish
from lensfinder.training.recipe import Recipe
from lensfinder.zoo import Preset, open_preset

PRESETS = "presets"  # folder beside those of the folds


def fold_presets(folder, *, note=None, **options) -> list[Preset]:
    """Measure, calibrate and write the network of every fold; go on where it was.

    Each is calibrated on the objects that its fold validates on, and measured on the recipe's test
    mocks. `lensfinder.model(images, preset=[...])` mixes their posteriors.

    Parameters
    ----------
    folder : str or Path
        Of a finished `cross_validate`.
    note : callable or None
        Told of every preset, in words.
    **options
        Of `lensfinder.training.publish`, such as ``size`` or ``dtype``.

    Returns
    -------
    list of Preset
        In ``presets/NAME-fold-00`` and so on; of the mean-curve procedure also
        ``presets/NAME-final``, which is not calibrated: it was trained on all objects that it could
        be calibrated on.

    Raises
    ------
    CheckpointError
        If a fold, or the training on all of them, is not done.
    RecipeError
        If the recipe has no test sample.
    MetricError
        If a network has learned too little to be calibrated.
    """
    folder, found = Path(folder), []
    config = folder / "config.json"
    if not config.exists():
        raise CheckpointError(f"{folder} holds no cross-validation. Train with --folds first.")
    folds = json.loads(config.read_text())["folds"]
    places = [folder / f"fold-{fold:02d}" for fold in range(folds)]
    unfinished = [place.name for place in places if not (place / "figures.json").exists()]
    if unfinished:
        raise CheckpointError(
            f"{', '.join(unfinished)} of {folder} are not done. Go on with the training first."
        )
    final = folder / "final"
    if final.exists() and not (final / "figures.json").exists():
        raise CheckpointError(
            f"The training on all folds in {final} is not done. Go on with it first."
        )
    for place in [*places, *([final] if final.exists() else [])]:
        recipe = _recipe(place)
        preset = folder / PRESETS / recipe.preset.partition("/")[0]
        if not (preset / "config.json").exists():
            _write(place, preset, recipe, options)
        found.append(open_preset(preset))
        if note is not None:
            note(f"{found[-1].name:32} {preset}")
    return found


def _recipe(place: Path) -> Recipe:
    """That of a fold, with a name of its own for its preset."""
    recipe = Recipe.model_validate(yaml.safe_load((place / "config.yaml").read_text())["recipe"])
    name, _, survey = recipe.preset.rpartition("/")
    return altered(recipe, preset=f"{name}-{place.name}/{survey}")


def _write(place: Path, preset: Path, recipe: Recipe, options) -> None:
    model = build_network(recipe)
    restore(model, load_file(place / "best.safetensors"))
    history = json.loads((place / "history.json").read_text())
    best = json.loads((place / "figures.json").read_text()).get("best_epoch", len(history))
    result = TrainingResult(place, True, history, best, model)
    if recipe.validation is None and recipe.data.fold == "all":
        options = {"calibration": "none", **options}
    publish(recipe, result, place=preset, **options)
