"""The files of a preset: what they hold, and how they are read without trusting them."""

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lensfinder.errors import LensfinderError, PresetError, UntrustedArtefactError
from lensfinder.specs.contract import InputContract
from lensfinder.zoo import registry
from lensfinder.zoo.artefacts import FILE_NAME, Pin, parse_json, read_small
from lensfinder.zoo.calibration import Calibration
from lensfinder.zoo.doubt import SHAPE

TABLE, CONFIG, MANIFEST, METRICS, CARD = (
    "presets.json",
    "config.json",
    "weights.json",
    "metrics.json",
    "card.md",
)
NAME = r"^[a-z0-9][a-z0-9-]{0,60}/[a-z0-9][a-z0-9-]{0,60}$"


class PresetConfig(BaseModel):
    """Everything needed to build a preset's network again; content of ``config.json``.

    Attributes
    ----------
    format : int
        Version of this layout.
    name : str
        family/survey.
    builder : str
        A name of `lensfinder.zoo.names()`; nothing else is ever called.
    arguments : dict
        All its arguments.
    task : str
        "finder" or "modeller".
    targets : tuple of str
        What it predicts.
    contract : InputContract
        What it must be fed.
    parameters : int
        Number of stored values.
    versions : dict of str to str
        What it was made with.
    calibration : Temperature, Isotonic, Spread or None
        What turns a finder's scores into probabilities, or makes a modeller's spreads right.
    plane : {"S1", "S2", "S3"}
        What it was trained to be shown: images as they are, without noise, or the source alone, as
        `lensfinder clean` leaves it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: int = Field(default=1, ge=1, le=1)
    name: str = Field(pattern=NAME)
    builder: str = Field(max_length=60)
    arguments: dict
    task: str = Field(max_length=20)
    targets: tuple[str, ...] = Field(min_length=1, max_length=64)
    contract: InputContract
    parameters: int = Field(ge=1)
    versions: dict[str, str] = Field(max_length=20)
    calibration: Calibration | None = None
    plane: Literal["S1", "S2", "S3"] = "S1"

    def as_json(self) -> dict:
        """Plain data; without a word about what is as it always was."""
        usual = {"calibration"} if self.calibration is None else set()
        usual |= {"plane"} if self.plane == "S1" else set()
        return self.model_dump(mode="json", exclude=usual)


class Manifest(BaseModel):
    """Content of ``weights.json``: the other files of the folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: int = Field(default=1, ge=1, le=1)
    files: dict[str, Pin] = Field(max_length=1000)


class TableLine(Manifest):
    """One preset in ``presets.json``; mirrors are the folders that hold ``<name>/<file>``."""

    task: str
    survey: str
    headline: dict[str, float | int | str] = Field(default_factory=dict, max_length=20)
    mirrors: tuple[str, ...] = Field(default=(), max_length=20)


def read_config(content: bytes) -> PresetConfig:
    """A configuration, if our own builder takes all of it.

    Parameters
    ----------
    content : bytes
        JSON.

    Returns
    -------
    PresetConfig
        Checked; nothing has been built.

    Raises
    ------
    UntrustedArtefactError
        If anything in it is not as we write it.
    """
    data = parse_json(content, CONFIG)
    try:
        config = PresetConfig.model_validate(data)
        line = registry.entry(config.builder)
        starting = sorted(set(line.starting) & set(config.arguments))
        if starting:
            raise PresetError(f"a preset does not say {starting[0]}")
        registry.check_arguments(config.builder, config.arguments)
        if config.task not in line.tasks:
            raise PresetError(f"{config.builder} is not a {config.task}")
        registry.check_targets(config.task, config.targets)
        if config.calibration is not None and config.task != config.calibration.task:
            raise PresetError(f"a {config.task} has no calibration {config.calibration.kind}")
        scales = getattr(config.calibration, "scales", config.targets)
        if len(scales) != len(config.targets):
            raise PresetError(f"{len(config.targets)} targets have not {len(scales)} spreads")
        if getattr(config.calibration, "doubt", None) and not set(SHAPE) <= set(config.targets):
            raise PresetError(f"a doubt is told by {', '.join(SHAPE)}, which are no targets here")
        places = getattr(getattr(config.calibration, "slopes", None), "shape", None)
        if places is not None and tuple(config.targets[i] for i in places) != SHAPE:
            raise PresetError(f"slopes go with {', '.join(SHAPE)}, which are in other places here")
    except (ValidationError, LensfinderError, RecursionError) as error:
        raise UntrustedArtefactError(f"{CONFIG} is not a preset's: {error}") from error
    return config


def read_table(root: Path) -> dict[str, TableLine]:
    """The table of a models folder; empty if it has none.

    Parameters
    ----------
    root : pathlib.Path
        The folder.

    Returns
    -------
    dict of str to TableLine
        By name.

    Raises
    ------
    UntrustedArtefactError
        If the table is damaged.
    """
    path = root / TABLE
    if not path.exists():
        return {}
    data = parse_json(read_small(path), TABLE)
    try:
        if not isinstance(data, dict) or not all(re.fullmatch(NAME, name) for name in data):
            raise PresetError("it must map family/survey to files")
        return {name: check_files(TableLine.model_validate(line)) for name, line in data.items()}
    except (ValidationError, LensfinderError) as error:
        raise UntrustedArtefactError(f"{TABLE} is damaged: {error}") from error


def check_name(name: str) -> str:
    """The name of a preset, if it is one.

    Parameters
    ----------
    name : str
        family/survey.

    Returns
    -------
    str
        The same.

    Raises
    ------
    UntrustedArtefactError
        If it could lead out of the folder of presets.
    """
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        raise UntrustedArtefactError(f"A preset is named family/survey. Received: {name!r}.")
    return name


def check_files(manifest):
    """A manifest whose file names cannot lead out of their folder.

    Parameters
    ----------
    manifest : Manifest
        Names and pins.

    Returns
    -------
    Manifest
        The same.

    Raises
    ------
    UntrustedArtefactError
        If a name is not a plain file name.
    """
    for name in manifest.files:
        if not FILE_NAME.fullmatch(name):
            raise UntrustedArtefactError(
                f"{name!r} is not a plain file name. Save the preset again."
            )
    return manifest
