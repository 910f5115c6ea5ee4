"""Writing presets: staged, read back, and only then put in place."""

import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import keras

import lensfinder
from lensfinder.errors import OutputExistsError, PresetError
from lensfinder.paths import models_dir
from lensfinder.specs.contract import InputContract
from lensfinder.zoo import registry, weights
from lensfinder.zoo.artefacts import pin_of, read_pinned
from lensfinder.zoo.preset_files import (
    CARD,
    CONFIG,
    MANIFEST,
    METRICS,
    NAME,
    TABLE,
    Manifest,
    PresetConfig,
    TableLine,
    read_table,
)
from lensfinder.zoo.presets import Preset


def save_preset(
    folder_or_name,
    model,
    *,
    builder: str,
    arguments: dict,
    task: str,
    targets,
    contract: InputContract,
    metrics: dict,
    card: str,
    dtype: str = "float32",
    headline: dict | None = None,
    calibration=None,
    plane: str | None = None,
    overwrite: bool = False,
    root: Path | None = None,
) -> Preset:
    """Write a preset, read it back, and only then put it in place.

    Parameters
    ----------
    folder_or_name : Path or str
        A ``family/survey`` name as str goes into the models folder and its table; anything else is
        a folder.
    model : keras.Model
        The trained model.
    builder : str
        Architecture, as `lensfinder.zoo.build` was given it.
    arguments : dict
        Its arguments, likewise; those that only say where training started are left out.
    task : {"finder", "modeller"}
        What it was built for.
    targets : sequence of str or None
        What a modeller predicts.
    contract : InputContract
        What it is fed.
    metrics : dict
        Plain numbers and text.
    card : str
        Model card, Markdown.
    dtype : {"float32", "float16", "int8"}
        How kernels lie on disk.
    headline : dict or None
        A few figures for the table.
    calibration : Temperature, Isotonic, Spread or None
        What `Preset.load` puts behind the head (`lensfinder.training.calibrate` fits it). It takes
        the place of one that the model may have.
    plane : {"S1", "S2", "S3"} or None
        What it is to be shown; None for what `metrics` say that it was trained on.
    overwrite : bool
        Whether an existing preset may be replaced.
    root : pathlib.Path or None
        Models folder; the package's by default.

    Returns
    -------
    Preset
        What was written.

    Raises
    ------
    PresetError
        If the model is not what builder and arguments make, or its weights cannot be stored.
    OutputExistsError
        If the place is taken and `overwrite` is False.
    """
    named = isinstance(folder_or_name, str) and re.fullmatch(NAME, folder_or_name) is not None
    root = (models_dir() if root is None else Path(root)) if named else None
    place = root / folder_or_name if named else Path(folder_or_name)
    if place.exists() and not overwrite:
        raise OutputExistsError(f"{place} exists. Use overwrite=True to replace it.")
    config, rebuilt = _new_config(
        folder_or_name if named else _name_for(place, contract),
        model,
        builder=builder,
        arguments=arguments,
        task=task,
        targets=targets,
        contract=contract,
        calibration=calibration,
        plane=plane or trained_plane(metrics),
    )
    place.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        files = weights.write_weights(staging, model, dtype=dtype)
        _write_json(staging / CONFIG, config.as_json())
        _write_json(staging / METRICS, metrics)
        (staging / CARD).write_text(card, encoding="utf-8")
        pins = {name: pin_of(staging / name) for name in [CONFIG, METRICS, CARD, *files]}
        _write_json(staging / MANIFEST, Manifest(files=pins).model_dump(mode="json"))
        # reads back everything, so that a preset which cannot be loaded is never put in place
        Preset(staging, pins, pinned=True)
        weights.load_weights(rebuilt, staging, pins)
        staging.chmod(0o755)
        _replace(staging, place)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    if named:
        table = {key: line.model_dump(mode="json") for key, line in read_table(root).items()}
        line = TableLine(files=pins, task=task, survey=contract.survey, headline=headline or {})
        table[folder_or_name] = line.model_dump(mode="json")
        _write_json(root / TABLE, dict(sorted(table.items())))
    return Preset(place, pins, pinned=named)


def trained_plane(metrics: dict) -> str:
    """What a network was trained to be shown, as far as its figures say.

    Parameters
    ----------
    metrics : dict
        Of a preset.

    Returns
    -------
    str
        ``S3`` for what a cleaner leaves and for true sources; ``S2`` without noise; else ``S1``.
    """
    data = metrics.get("training", {}).get("recipe", {}).get("data", {})
    parts = [part["data"] for part in data.get("parts", ())] or [data]
    planes = {"S3" if part.get("cleaner") else part.get("plane", "S1") for part in parts}
    measured = metrics.get("data", {}).get("plane")
    return measured or (planes.pop() if len(planes) == 1 else "S1")


def replace_words(preset: Preset, *, metrics: dict, card: str) -> Preset:
    """Write another card and other figures into a preset; configuration and weights stay.

    Parameters
    ----------
    preset : Preset
        Open; of the package's table or in a folder.
    metrics : dict
        Plain numbers and text.
    card : str
        Model card, Markdown.

    Returns
    -------
    Preset
        As it is now; pinned anew, if it was pinned.

    Raises
    ------
    PresetError
        If a figure is no finite number, or the preset lies in the cache, where it is what others
        pinned.
    UntrustedArtefactError
        If a file is not what its pin says.
    """
    root = models_dir() if preset.pinned else None
    if preset.pinned and preset.folder.resolve() != (root / preset.name).resolve():
        raise PresetError(
            f"{preset.name} lies in {preset.folder}, as it was fetched. Change it where it was "
            "published."
        )
    staging = Path(tempfile.mkdtemp(prefix=f".{preset.folder.name}-", dir=preset.folder.parent))
    try:
        for name, pin in preset.pins.items():
            if name not in (METRICS, CARD):
                (staging / name).write_bytes(read_pinned(preset.folder / name, pin))
        _write_json(staging / METRICS, metrics)
        (staging / CARD).write_text(card, encoding="utf-8")
        pins = {name: pin_of(staging / name) for name in preset.pins}
        _write_json(staging / MANIFEST, Manifest(files=pins).model_dump(mode="json"))
        Preset(staging, pins, pinned=True)
        staging.chmod(0o755)
        _replace(staging, preset.folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    if root is not None:
        table = {key: line.model_dump(mode="json") for key, line in read_table(root).items()}
        table[preset.name]["files"] = Manifest(files=pins).model_dump(mode="json")["files"]
        _write_json(root / TABLE, dict(sorted(table.items())))
    return Preset(preset.folder, pins, pinned=preset.pinned)


def _new_config(name, model, *, builder, arguments, task, targets, contract, calibration, plane):
    """The configuration of a model, and the same network built from it."""
    line = registry.entry(builder)
    kept = {key: value for key, value in arguments.items() if key not in line.starting}
    # every argument is written down, so that a default that changes later changes no preset
    full = registry.check_arguments(builder, kept).model_dump(
        mode="json", exclude=set(line.starting)
    )
    config = PresetConfig(
        name=name,
        builder=builder,
        arguments=full,
        task=task,
        targets=registry.check_targets(task, targets),
        contract=contract,
        parameters=model.count_params(),
        versions={
            "lensfinder": lensfinder.__version__,
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
        },
        calibration=calibration,
        plane=plane,
    )
    if calibration is not None and task != calibration.task:
        raise PresetError(
            f"The calibration {calibration.kind} is of a {calibration.task}. Received: a {task}."
        )
    rebuilt = registry.build(
        builder, contract, task, targets=None if task == "finder" else targets, **full
    )
    want, have = (
        {key: tuple(v.shape) for key, v in weights.weight_table(m).items()}
        for m in (rebuilt, model)
    )
    if want != have:
        odd = sorted(set(want.items()) ^ set(have.items()))[:3]
        raise PresetError(
            f"The model is not what {builder} makes of these arguments; first differences: {odd}. "
            "Give the arguments that it was built with."
        )
    return config, rebuilt


def _name_for(place: Path, contract) -> str:
    def clean(text):
        return re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")[:60] or "unnamed"

    return f"{clean(place.resolve().name)}/{clean(contract.survey)}"


def _write_json(path: Path, data) -> None:
    try:
        text = json.dumps(data, indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise PresetError(f"{path.name} takes finite numbers and text only ({error}).") from error
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def _replace(staging: Path, place: Path) -> None:
    if not place.exists():
        os.replace(staging, place)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{place.name}-old-", dir=place.parent))
    os.replace(place, old / place.name)
    os.replace(staging, place)
    shutil.rmtree(old)
