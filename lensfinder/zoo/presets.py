"""Pretrained models: a folder each, pinned in one table, checked before they are used."""

import hashlib
import logging
import re
from pathlib import Path

from pydantic import ValidationError

from lensfinder.errors import UnknownNameError, UntrustedArtefactError
from lensfinder.paths import models_dir
from lensfinder.zoo import registry, weights
from lensfinder.zoo.artefacts import Pin, parse_json, read_pinned, read_small
from lensfinder.zoo.calibration import with_calibration
from lensfinder.zoo.preset_cache import fetch_files, state_of, write_mirror
from lensfinder.zoo.preset_files import (
    CARD,
    CONFIG,
    MANIFEST,
    METRICS,
    NAME,
    Manifest,
    check_files,
    read_config,
    read_table,
)

_log = logging.getLogger(__name__)


class Preset:
    """A verified description of a pretrained model; nothing is built before `build` or `load`.

    Attributes
    ----------
    name, task : str
        Its name, and "finder" or "modeller".
    targets : tuple of str
        What it predicts.
    contract : InputContract
        What it must be fed.
    config : PresetConfig
        How it is built.
    metrics : dict
        What was measured on it.
    card : str
        Its model card, Markdown.
    folder : pathlib.Path
        Where it lies.
    pinned : bool
        Whether its hashes stand in the table that comes with lensfinder. False for a folder given
        by its path: its files then agree with each other, and no more is known.
    """

    def __init__(self, folder: Path, pins: dict[str, Pin], *, pinned: bool):
        self.folder, self.pinned = Path(folder), pinned
        self._pins = pins
        missing = [name for name in (CONFIG, METRICS, CARD) if name not in pins]
        if missing:
            raise UntrustedArtefactError(f"{folder} has no hash for {missing[0]}. Save it again.")
        self.config = read_config(read_pinned(self.folder / CONFIG, pins[CONFIG]))
        self.metrics = parse_json(read_pinned(self.folder / METRICS, pins[METRICS]), METRICS)
        self.card = read_pinned(self.folder / CARD, pins[CARD]).decode("utf-8", "replace")
        self.name, self.task = self.config.name, self.config.task
        self.targets, self.contract = self.config.targets, self.config.contract

    def __repr__(self):
        how = "pinned" if self.pinned else f"not pinned, from {self.folder}"
        return f"Preset({self.name!r}, {self.task}, {self.contract.survey}, {how})"

    @property
    def pins(self) -> dict[str, Pin]:
        """Size and SHA-256 of each of its files."""
        return dict(self._pins)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the hashes of what decides its answers: its configuration and weights."""
        deciding = sorted(set(self._pins) - {METRICS, CARD})
        named = "\n".join(f"{name} {self._pins[name].sha256}" for name in deciding)
        return hashlib.sha256(named.encode()).hexdigest()

    def build(self):
        """The network with fresh weights.

        Returns
        -------
        keras.Model
            As `lensfinder.zoo.build` makes it.
        """
        c = self.config
        targets = None if c.task == "finder" else c.targets
        return registry.build(c.builder, c.contract, c.task, targets=targets, **c.arguments)

    def load(self, *, calibrated: bool = True):
        """The network with its weights, each verified before one is assigned.

        Parameters
        ----------
        calibrated : bool
            Whether the preset's calibration, if it has one, is part of the model. Train on without
            it, and fit it anew.

        Returns
        -------
        keras.Model
            A plain Keras model, not compiled.

        Raises
        ------
        UntrustedArtefactError
            If a file is not what its pin says, or does not fit the network.
        """
        if not self.pinned:
            _log.warning(
                "%s: no pinned hash; checked against the manifest in its own folder only.",
                self.folder,
            )
        model = self.build()
        weights.load_weights(model, self.folder, self._pins)
        calibration = self.config.calibration if calibrated else None
        return model if calibration is None else with_calibration(model, calibration)


def preset_names(root: Path | None = None) -> tuple[str, ...]:
    """Names of the presets that come with lensfinder.

    Parameters
    ----------
    root : pathlib.Path or None
        Another folder of presets with its table.

    Returns
    -------
    tuple of str
        Names, sorted.
    """
    return tuple(sorted(_table(root)[1]))


def _table(root):
    home = models_dir() if root is None else Path(root)
    return home, read_table(home)


def preset_table(root: Path | None = None) -> dict[str, dict]:
    """The table of presets: task, survey, size and headline figures, without opening one.

    Parameters
    ----------
    root : pathlib.Path or None
        Another folder of presets with its table.

    Returns
    -------
    dict of str to dict
        By name, with keys "task", "survey", "size" (bytes), "headline" and "state": "package",
        "cache" or "to fetch".
    """
    home, lines = _table(root)
    return {
        name: {
            "task": line.task,
            "survey": line.survey,
            "size": sum(pin.size for pin in line.files.values()),
            "headline": dict(line.headline),
            "state": state_of(name, line, home),
        }
        for name, line in sorted(lines.items())
    }


def open_preset(name_or_path, *, root: Path | None = None) -> Preset:
    """Open a preset by its name in the table, or a folder by its path.

    A preset of the table that is neither in the package nor in the cache is fetched first.

    Parameters
    ----------
    name_or_path : str or Path
        ``"compact-finder/euclid-vis"``, or a folder that `save_preset` wrote.
    root : pathlib.Path or None
        Another folder of presets with its table.

    Returns
    -------
    Preset
        Its description; weights are read by `Preset.load`.

    Raises
    ------
    UnknownNameError
        If it is neither.
    DownloadError
        If it has to be fetched, and no mirror has it.
    UntrustedArtefactError
        If a file is not what it should be.
    """
    if isinstance(name_or_path, str) and re.fullmatch(NAME, name_or_path):
        home, lines = _table(root)
        line = lines.get(name_or_path)
        if line is not None:
            folder = fetch_files(name_or_path, line, home)
            return Preset(folder, line.files, pinned=True)
    folder = Path(name_or_path)
    if not (folder / CONFIG).is_file():
        known = preset_names(root)
        raise UnknownNameError("preset (or folder with a config.json)", str(name_or_path), known)
    data = parse_json(read_small(folder / MANIFEST), MANIFEST)
    try:
        manifest = Manifest.model_validate(data)
    except ValidationError as error:
        raise UntrustedArtefactError(f"{MANIFEST} is damaged: {error}") from error
    return Preset(folder, check_files(manifest).files, pinned=False)


def fetch_preset(name: str, *, root: Path | None = None, progress=None) -> Path:
    """Make sure that a preset is on this machine, so that it can be used offline.

    Parameters
    ----------
    name : str
        Its name in the table.
    root : pathlib.Path or None
        Another folder of presets with its table.
    progress : callable or None
        Told the number of bytes that came in since it was last called.

    Returns
    -------
    pathlib.Path
        Its folder, in the package or in the cache; every fetched file is as pinned.

    Raises
    ------
    UnknownNameError
        If there is none of this name.
    DownloadError
        If no mirror has it; says what was tried, and how to put it there by hand.
    """
    home, lines = _table(root)
    if name not in lines:
        raise UnknownNameError("preset", name, lines)
    return fetch_files(name, lines[name], home, progress=progress)


def mirror_presets(folder, names=None, *, root: Path | None = None) -> list[Path]:
    """Copy presets into a folder that any web server can offer as ``LENSFINDER_MODELS_URL``.

    Parameters
    ----------
    folder : path-like
        Where to write.
    names : sequence of str or None
        All of the table by default; those that are not here are fetched.
    root : pathlib.Path or None
        Another folder of presets with its table.

    Returns
    -------
    list of pathlib.Path
        The files.

    Raises
    ------
    UnknownNameError
        If there is none of a name.
    DownloadError
        If one cannot be fetched.
    UntrustedArtefactError
        If a file is not what it should be.
    """
    home, lines = _table(root)
    for name in names or ():
        if name not in lines:
            raise UnknownNameError("preset", name, lines)
    return write_mirror(folder, {name: lines[name] for name in names or sorted(lines)}, home)


def load(name_or_path):
    """A pretrained model.

    Parameters
    ----------
    name_or_path : str or Path
        Name of a preset, or folder of one.

    Returns
    -------
    keras.Model
        Takes {group: images (N, H, W, bands)}; ready for `compile` and `fit`.

    Raises
    ------
    UnknownNameError
        If there is none of this name.
    DownloadError
        If it has to be fetched, and no mirror has it.
    UntrustedArtefactError
        If a file is not what it should be.
    """
    return open_preset(name_or_path).load()
