"""A trained network becomes a preset: measured on its test mocks, written with its card."""

import json
from pathlib import Path

from lensfinder.errors import LensfinderError, PresetError, RecipeError
from lensfinder.training.better import against
from lensfinder.training.calibrate import fit_on_validation, measure_calibrated
from lensfinder.training.card import model_card
from lensfinder.training.evaluation import MockSample, headline, measure
from lensfinder.training.network import network_arguments
from lensfinder.training.pacing import kept_schedule
from lensfinder.training.recipe_data import DRAWN
from lensfinder.training.reproduce import command
from lensfinder.training.run_folder import RunFolder
from lensfinder.training.spread_calibration import measure_spread, spread_on_validation
from lensfinder.training.spread_populations import populations_of, samples_of
from lensfinder.zoo import fixed_predict, open_preset, preset_names, save_preset
from lensfinder.zoo.cost import trainable_parameters

CANDIDATE = "candidate"  # folder of a run that holds what came out of it


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

    What is measured is the network as read back from the files, so its rounding is in the figures.
    A finder is calibrated on its validation sample first; its figures are those of the calibrated
    probabilities, with the calibration error before and after. A modeller's posteriors are, on the
    populations that it was trained for (`lensfinder.training.spread_populations`).

    Parameters
    ----------
    recipe : Recipe
        How it was trained.
    result : TrainingResult
        The training.
    size : int or None
        Number of test objects; the recipe's by default.
    dtype : {"float32", "float16", "int8"}
        How weights are stored.
    place : Path or None
        Folder of the preset; ``candidate`` in the run's folder by default. `adopt` puts it among
        the package's presets.
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
    sample = held_sample(recipe, size)
    fitted = None
    if recipe.task == "finder":
        fitted = fit_on_validation(
            recipe, fixed_predict(model), method=calibration, size=calibration_size
        )
        measured = measure_calibrated(model, fitted, sample, contract=draft.contract)
    elif recipe.task == "modeller":
        about = {"targets": draft.targets}
        data, held = _held(recipe.data.model_dump(mode="json")), recipe.validation
        names = () if held is None else populations_of(data, held, sample)
        if calibration != "none":
            fitted = spread_on_validation(
                recipe, model, size=calibration_size, populations=names, data=data, **about
            )
        others = [name for name in names if name != sample.population]
        elsewhere = samples_of(sample, others, data)
        measured = measure_spread(
            model, fitted, sample, contract=draft.contract, elsewhere=elsewhere, **about
        )
    else:
        measured = measure(
            fixed_predict(model),
            sample,
            contract=draft.contract,
            task=recipe.task,
            targets=draft.targets,
        )
    figures = {
        "preset": recipe.preset,
        **measured,
        "sample_sha256": sample.digest(),
        "training": training_facts(recipe, result, dtype),
    }
    figures["reproduce"] = command(figures)
    RunFolder(result.folder).write_json("test.json", figures)
    return save_preset(
        Path(result.folder) / CANDIDATE if place is None else Path(place),
        model,
        metrics=figures,
        card=model_card(recipe, figures),
        headline=headline(figures),
        calibration=fitted,
        **facts,
    )


def held_sample(recipe, size: int | None = None) -> MockSample:
    """The mocks that a recipe's network is measured on.

    Parameters
    ----------
    recipe : Recipe
        With a test sample.
    size : int or None
        Number of objects; the recipe's by default.

    Returns
    -------
    MockSample
        Drawn as the recipe's other mocks are.
    """
    return MockSample(
        survey=recipe.survey,
        population=recipe.test.population,
        size=size or recipe.test.size,
        seed=recipe.test.seed,
        start=recipe.test.start,
        plane=recipe.plane,
        cleaner=recipe.test.cleaner,
        **recipe.drawing,
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
    steps = result.history[-1]["step"]
    folder = Path(result.folder)
    made_with = json.loads((folder / "versions.json").read_text("utf-8"))
    schedule = kept_schedule(folder)
    there = {key: made_with[key] for key in ("device", "precision") if key in made_with}
    fitted = {} if schedule is None else {"schedule": schedule.model_dump(mode="json")}
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
        **there,
        **fitted,
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
    from lensfinder.training.shard_source import training_rows

    manifest = read_manifest(data["folder"])
    asked = {name: data[name] for name in DRAWN if name in data}
    return {
        **{"kind": "shards", "population": manifest.population.get("name")},
        **{"survey": manifest.survey["name"], "seed": manifest.seed, "rows": manifest.rows},
        **{"training_rows": training_rows(data)},
        **{"truth_sha256": manifest.truth_sha256, **asked},
        **{name: manifest.drawn[name] for name in ("cleaner",) if name in manifest.drawn},
    }


def adopt(folder, place=None, *, metrics: dict | None = None):
    """Put a preset from a folder, such as one trained on another machine, under its own name.

    Parameters
    ----------
    folder : Path
        Folder of the preset.
    place : Path or None
        Folder to put it into instead.
    metrics : dict or None
        More to say in its ``metrics.json``.

    Returns
    -------
    Preset
        The preset in its place; its hashes pinned, if that is among the package's presets.
    """
    given = open_preset(Path(folder))
    metrics = {**given.metrics, **(metrics or {})}
    return save_preset(
        metrics.get("preset", given.name) if place is None else Path(place),
        given.load(calibrated=False),
        builder=given.config.builder,
        arguments=given.config.arguments,
        task=given.task,
        targets=given.targets,
        contract=given.contract,
        metrics=metrics,
        card=given.card,
        dtype=metrics["training"]["stored_as"],
        headline=headline(metrics),
        calibration=given.config.calibration,
        plane=given.config.plane,
        overwrite=True,
    )


def put_in_place(
    candidate, place=None, *, answers=None, replace: bool = False, record: bool = True
) -> bool:
    """Adopt a candidate if nothing is in its place, or if it is better than what is; say so.

    Parameters
    ----------
    candidate : Preset
        In the folder of its run; it stays there too.
    place : Path or None
        Folder to put it into; by default its name's place among the package's presets.
    answers : callable or None
        See `lensfinder.training.better.against`.
    replace : bool
        Whether to adopt it even if it is not better.
    record : bool
        Whether the comparison is written beside the candidate, as ``comparison.json``.

    Returns
    -------
    bool
        Whether it was adopted.

    Raises
    ------
    PresetError
        If the two cannot be compared, as with other inputs, and `replace` is off.
    """
    name = candidate.metrics.get("preset", candidate.name)
    there = name in preset_names() if place is None else (Path(place) / "config.json").exists()
    more = {}
    if there:
        old = open_preset(name if place is None else Path(place))
        try:
            verdict = against(candidate, old, answers=answers)
        except LensfinderError as error:
            words = f"{name} cannot be compared with what is there: {error}"
            if not replace:
                raise PresetError(f"{words} Use --replace, or another name.") from error
            print(words)
        else:
            if record:
                RunFolder(candidate.folder.parent).write_json("comparison.json", verdict.facts())
            print(f"{name} is {verdict.words()}")
            if not verdict.better and not replace:
                print(f"{name} stays as it is; the new one is {candidate.folder} (--replace)")
                return False
            more = {"before": verdict.facts()}
    preset = adopt(candidate.folder, place, metrics=more)
    print(f"{preset!r} in {preset.folder}")
    return True
