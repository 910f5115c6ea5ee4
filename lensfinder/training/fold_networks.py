"""The networks of a cross-validation as presets: together they are an ensemble."""

import json
from pathlib import Path

from lensfinder.errors import CheckpointError
from lensfinder.training.fold_plans import altered
from lensfinder.training.loop import TrainingResult
from lensfinder.training.network import trained_network
from lensfinder.training.publish import publish
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
    begun = json.loads(config.read_text())
    folds = begun["folds"]
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
    name = begun["recipe"]["preset"].partition("/")[0]
    for place in [*places, *([final] if final.exists() else [])]:
        preset = folder / PRESETS / f"{name}-{place.name}"
        if not (preset / "config.json").exists():
            _write(place, preset, options)
        found.append(open_preset(preset))
        if note is not None:
            note(f"{found[-1].name:32} {preset}")
    return found


def _write(place: Path, preset: Path, options) -> None:
    recipe, model = trained_network(place)
    survey = recipe.preset.partition("/")[2]
    recipe = altered(recipe, preset=f"{preset.name}/{survey}")  # a name of its own
    history = json.loads((place / "history.json").read_text())
    best = json.loads((place / "figures.json").read_text()).get("best_epoch", len(history))
    result = TrainingResult(place, True, history, best, model)
    if recipe.validation is None and recipe.data.fold == "all":
        options = {"calibration": "none", **options}
    publish(recipe, result, place=preset, **options)
