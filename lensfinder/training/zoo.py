"""Train a preset that comes with the package, measure it, and put it in place.

``python -m lensfinder.training.zoo NAME --minutes 30`` trains the recipe NAME, or goes on with it,
for so long. Once the training is complete, or with ``--evaluate`` before that, the weights of the
best epoch are measured on fresh mocks of the recipe's test sample and written as a preset.
``--calibrate`` fits the calibration of a preset that is there already.
"""

import argparse
import sys
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """The script's arguments.

    Returns
    -------
    argparse.ArgumentParser
        The parser.
    """
    found = argparse.ArgumentParser(prog="python -m lensfinder.training.zoo", description=__doc__)
    found.add_argument("name", help="a recipe of data_specs/recipes, or a YAML file")
    found.add_argument("--minutes", type=float, help="stop training after so long, resumable")
    found.add_argument("--out", type=Path, help="run folder (default: runs/NAME)")
    found.add_argument("--workers", type=int, default=1, help="0 none, 1 a thread, more: processes")
    found.add_argument(
        "--evaluate", action="store_true", help="write the preset even if unfinished"
    )
    found.add_argument("--size", type=int, help="test objects (default: as in the recipe)")
    found.add_argument("--dtype", default="float32", choices=("float32", "float16"))
    found.add_argument("--preset", type=Path, help="folder for the preset (default: models/)")
    found.add_argument(
        "--calibration",
        default="best",
        choices=("best", "temperature", "isotonic", "none"),
        help="how a finder's scores become probabilities, fitted on the validation sample; the "
        "spreads of a modeller's posteriors are fitted there unless this is none",
    )
    found.add_argument(
        "--symmetric",
        action="store_true",
        help="predict the mean over quarter turns and mirrors, whatever the recipe says",
    )
    found.add_argument("--name", dest="rename", help="publish under this name, not the recipe's")
    found.add_argument(
        "--calibrate", action="store_true", help="no training: calibrate the preset NAME anew"
    )
    found.add_argument("--calibration-size", type=int, help="validation mocks to calibrate on")
    found.add_argument("--adopt", type=Path, help="no training: pin a preset folder under its name")
    return found


def main(arguments=None) -> int:
    """Run the script.

    Parameters
    ----------
    arguments : list of str or None
        Command line; that of the process by default.

    Returns
    -------
    int
        0 if the training is complete, 3 if it is to be continued.
    """
    given = parser().parse_args(arguments)
    from lensfinder.paths import quiet_tensorflow

    quiet_tensorflow()
    if given.adopt is not None:
        print(adopt(given.adopt))
        return 0
    if given.calibrate:
        from lensfinder.training.calibrate import calibrate

        print(
            calibrate(
                given.name, given.preset, method=given.calibration, size=given.calibration_size
            )
        )
        return 0
    from lensfinder.training.listeners import PrintListener
    from lensfinder.training.loop import train
    from lensfinder.training.recipe import load_recipe

    recipe = load_recipe(given.name)
    out = given.out or Path("runs") / Path(given.name).stem
    result = train(
        recipe, out, minutes=given.minutes, workers=given.workers, listener=PrintListener()
    )
    if result.finished or given.evaluate:
        recipe = symmetric(recipe) if given.symmetric else recipe
        preset = publish(
            recipe.model_copy(update={"preset": given.rename}) if given.rename else recipe,
            result,
            size=given.size,
            dtype=given.dtype,
            place=given.preset,
            calibration=given.calibration,
            calibration_size=given.calibration_size,
        )
        print(f"{preset!r} in {preset.folder}")
    return 0 if result.finished else 3


def symmetric(recipe):
    """The recipe of the same training whose network predicts the mean over eight views.

    The weights are the same with and without it, and training is: only predictions differ
    (`lensfinder.zoo.layers.DihedralMean`).

    Parameters
    ----------
    recipe : Recipe
        Of a network with an argument `symmetric`.

    Returns
    -------
    Recipe
        With that argument set.
    """
    arguments = {**recipe.network.arguments, "symmetric": True}
    network = recipe.network.model_copy(update={"arguments": arguments})
    return recipe.model_copy(update={"network": network})


def publish(
    recipe,
    result,
    *,
    size=None,
    dtype="float32",
    place=None,
    calibration="best",
    calibration_size=None,
):
    """Measure a trained network and write it as a preset.

    What is measured is the network as read back from the files, so a rounding to float16 is in the
    figures. A finder is calibrated on its validation sample first; its figures are those of the
    calibrated probabilities, with the calibration error before and after.

    Parameters
    ----------
    recipe : Recipe
        How it was trained.
    result : TrainingResult
        The training.
    size : int or None
        Number of test objects; the recipe's by default.
    dtype : {"float32", "float16"}
        How weights are stored.
    place : Path or None
        Folder of the preset; by default its name's place among the package's presets.
    calibration : {"best", "temperature", "isotonic", "none"}
        How a finder is calibrated, see `lensfinder.training.calibration.fit`. The posteriors of a
        modeller are, unless this is "none" (`lensfinder.training.spread_calibration`).
    calibration_size : int or None
        Validation mocks to calibrate on; as many as the recipe validates on by default.

    Returns
    -------
    Preset
        The preset.

    Raises
    ------
    RecipeError
        If the recipe has no test sample.
    UnknownNameError
        If there is no such calibration.
    MetricError
        If the scores cannot be calibrated, as those of a network that has learned nothing.
    PresetError
        If no epoch is complete, or the weights cannot be stored.
    """
    from lensfinder.errors import PresetError, RecipeError
    from lensfinder.training.calibrate import fit_on_validation, measure_calibrated
    from lensfinder.training.card import model_card
    from lensfinder.training.evaluation import MockSample, headline, measure
    from lensfinder.training.network import network_arguments
    from lensfinder.training.run_folder import RunFolder
    from lensfinder.training.spread_calibration import measure_spread, spread_on_validation
    from lensfinder.zoo import fixed_predict, save_preset

    if recipe.test is None:
        raise RecipeError(f"The recipe of {recipe.preset} has no test sample. Add `test:` to it.")
    if not result.best_epoch:
        raise PresetError("No epoch is complete yet, so there is nothing to publish. Train longer.")
    facts = {
        "builder": recipe.network.name,
        "arguments": network_arguments(recipe),
        "task": recipe.task,
        "targets": recipe.truth_columns,
        "contract": recipe.contract(),
        "dtype": dtype,
        "overwrite": True,
    }
    draft = save_preset(
        Path(result.folder) / "draft", result.model, metrics={}, card="draft", **facts
    )
    model = draft.load()
    sample = MockSample(
        survey=recipe.survey,
        population=recipe.test.population,
        size=size or recipe.test.size,
        seed=recipe.test.seed,
        start=recipe.test.start,
        plane=recipe.plane,
        **recipe.drawing,
    )
    fitted = None
    if recipe.task == "finder":
        fitted = fit_on_validation(
            recipe, fixed_predict(model), method=calibration, size=calibration_size
        )
        measured = measure_calibrated(model, fitted, sample, contract=draft.contract)
    elif recipe.task == "modeller":
        about = {"targets": draft.targets}
        if calibration != "none":
            fitted = spread_on_validation(recipe, model, size=calibration_size, **about)
        measured = measure_spread(model, fitted, sample, contract=draft.contract, **about)
    else:
        measured = measure(
            fixed_predict(model),
            sample,
            contract=draft.contract,
            task=recipe.task,
            targets=draft.targets,
        )
    training = training_facts(recipe, result, dtype)
    figures = {"preset": recipe.preset, **measured, "training": training}
    RunFolder(result.folder).write_json("test.json", figures)
    return save_preset(
        recipe.preset if place is None else Path(place),
        model,
        metrics=figures,
        card=model_card(recipe, figures),
        headline=headline(figures),
        calibration=fitted,
        **facts,
    )


def training_facts(recipe, result, dtype: str) -> dict:
    """What a preset's ``metrics.json`` says about its training.

    Parameters
    ----------
    recipe : Recipe
        How it was trained.
    result : TrainingResult
        The training.
    dtype : str
        How weights are stored.

    Returns
    -------
    dict
        Plain data.
    """
    from lensfinder.zoo.cost import trainable_parameters

    steps = result.history[-1]["step"]
    return {
        "recipe": _portable(recipe),
        "finished": result.finished,
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "steps": steps,
        "objects": steps * recipe.batch_size,
        "seconds": round(sum(entry["seconds"] for entry in result.history), 1),
        "parameters": trainable_parameters(result.model),
        "stored_as": dtype,
        "validation": result.history[result.best_epoch - 1],
    }


def _portable(recipe) -> dict:
    """The recipe as data, with what a folder of shards holds instead of where it lay."""
    plain = recipe.model_dump(mode="json")
    plain["data"] = _held(plain["data"])
    return plain


def _held(data) -> dict:
    """What is trained on, without folders."""
    if data["kind"] == "mixture":
        return {**data, "parts": [{**part, "data": _held(part["data"])} for part in data["parts"]]}
    if data["kind"] != "shards":
        return data
    from lensfinder.data import read_manifest
    from lensfinder.training.recipe_data import DRAWN

    manifest = read_manifest(data["folder"])
    asked = {name: data[name] for name in DRAWN if name in data}
    return {
        **{"kind": "shards", "population": manifest.population.get("name")},
        **{"survey": manifest.survey["name"], "seed": manifest.seed, "rows": manifest.rows},
        **{"truth_sha256": manifest.truth_sha256, **asked},
    }


def adopt(folder):
    """Put a preset from a folder, such as one trained on another machine, under its own name.

    Parameters
    ----------
    folder : Path
        Folder of the preset.

    Returns
    -------
    Preset
        The preset in its place, its hashes pinned.
    """
    from lensfinder.training.evaluation import headline
    from lensfinder.zoo import open_preset, save_preset

    given = open_preset(Path(folder))
    name = given.metrics.get("preset", given.name)
    return save_preset(
        name,
        given.load(calibrated=False),
        builder=given.config.builder,
        arguments=given.config.arguments,
        task=given.task,
        targets=given.targets,
        contract=given.contract,
        metrics=given.metrics,
        card=given.card,
        dtype=given.metrics["training"]["stored_as"],
        headline=headline(given.metrics),
        calibration=given.config.calibration,
        overwrite=True,
    )


if __name__ == "__main__":
    sys.exit(main())
