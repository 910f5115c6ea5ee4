"""The folder of a run: what was asked for, with which versions, what happened, what came out."""

import importlib.metadata
import json
import platform
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import yaml

import lensfinder
from lensfinder.tables import write_atomically

PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "safetensors", "pydantic")


class RunFolder:
    """Files of one training run.

    Parameters
    ----------
    path : str or Path
        The folder; made if missing.

    Attributes
    ----------
    path, checkpoints : Path
        The folder, and that of its checkpoints.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.checkpoints = self.path / "checkpoints"

    def log(self, text: str) -> None:
        """Add a line with the time to ``log.txt``.

        Parameters
        ----------
        text : str
            One line.
        """
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with open(self.path / "log.txt", "a", encoding="utf-8") as stream:
            stream.write(f"{now} {text}\n")

    def write_json(self, name: str, data) -> Path:
        """Write plain data so that the file is whole or absent.

        Parameters
        ----------
        name : str
            File name.
        data : object
            JSON-able; a number that is not finite is an error.

        Returns
        -------
        Path
            The file.
        """
        text = json.dumps(data, indent=1, allow_nan=False) + "\n"
        write_atomically(self.path / name, lambda temporary: Path(temporary).write_text(text))
        return self.path / name

    def write_config(self, resolved: dict, made_with: dict) -> None:
        """Write the resolved configuration as ``config.yaml`` and ``versions.json``.

        Parameters
        ----------
        resolved : dict
            Plain data.
        made_with : dict
            What the numbers depend on beside it, such as `versions`.
        """
        text = yaml.safe_dump(resolved, sort_keys=False)
        write_atomically(self.path / "config.yaml", lambda place: Path(place).write_text(text))
        self.write_json("versions.json", made_with)


def versions() -> dict[str, str]:
    """What the numbers of a run depend on beside its recipe.

    Returns
    -------
    dict of str to str
        Versions of this package (and its commit, in a checkout), Python and the libraries, and the
        Keras backend.
    """
    import keras

    found = {
        "lensfinder": lensfinder.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}",
        "backend": keras.backend.backend(),
    }
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    commit = source_commit()
    return {**found, "commit": commit} if commit else found


def source_commit() -> str:
    """Commit of the checkout that the package runs from.

    Returns
    -------
    str
        Its hash, with ``-dirty`` when files were changed since; empty outside a checkout.
    """
    root = Path(lensfinder.__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return ""

    def git(*arguments):
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    commit = git("rev-parse", "HEAD")
    if len(commit) != 40:
        return ""
    return f"{commit}-dirty" if git("status", "--porcelain", "lensfinder") else commit


# What a specification says about its numbers; better words do not make another training.
WORDS = ("source", "description", "paper")


def differences(old, new, path: str = "") -> list[str]:
    """Where two pieces of plain data differ, the words about sources apart.

    Parameters
    ----------
    old, new : object
        JSON-like data.
    path : str
        Where we are.

    Returns
    -------
    list of str
        One line per differing leaf: ``key: old -> new``.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for key in sorted(set(old) | set(new)):
            inner = f"{path}.{key}" if path else str(key)
            if key not in old:
                lines.append(f"{inner}: (absent) -> {new[key]!r}")
            elif key not in new:
                lines.append(f"{inner}: {old[key]!r} -> (absent)")
            elif not (key in WORDS and isinstance(old[key], str) and isinstance(new[key], str)):
                lines += differences(old[key], new[key], inner)
        return lines
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [line for i, (a, b) in pairs for line in differences(a, b, f"{path}[{i}]")]
    return [] if old == new else [f"{path}: {old!r} -> {new!r}"]


class Stopwatch:
    """Time used, and whether a budget in minutes is spent.

    Parameters
    ----------
    minutes : float or None
        The budget; None for no limit.
    """

    def __init__(self, minutes: float | None):
        self._begin = time.monotonic()
        self._limit = None if minutes is None else 60.0 * minutes

    @property
    def seconds(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self._begin

    @property
    def spent(self) -> bool:
        """Whether the budget is used up."""
        return self._limit is not None and self.seconds >= self._limit
