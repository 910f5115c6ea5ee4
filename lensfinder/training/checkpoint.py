"""Checkpoints that are whole or ignored: a folder each, hashes last, moved in place at once.

Layout of a run's ``checkpoints/``::

    step-000001500/
        weights.safetensors     every variable of the model (seed generators too) and optimiser
        best.safetensors        the model's variables at the best epoch so far
        state.json              position in the data, history, best epoch, recipe, versions
        manifest.json           size and SHA-256 of the other files; written last

A killed process leaves at most a folder whose name begins with a dot, which the next run sweeps
away. A torn or altered checkpoint does not match its manifest, and the one before it is used.
"""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from lensfinder.errors import CheckpointError

KEEP = 3
_MANIFEST = "manifest.json"
_MAX_JSON = 256 * 2**20  # a history of a million epochs; beyond that the file is not ours


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files were all found whole.

    Attributes
    ----------
    folder : Path
        Where it lies.
    arrays, best : dict of str to array
        Variables of model and optimiser; variables of the model at the best epoch (or empty).
    state : dict
        What `write_checkpoint` was given.
    """

    folder: Path
    arrays: dict[str, np.ndarray]
    best: dict[str, np.ndarray]
    state: dict


def write_checkpoint(root, step: int, arrays, *, best, state, keep: int = KEEP) -> Path:
    """Write one checkpoint so that it is there as a whole or not at all, and drop old ones.

    Parameters
    ----------
    root : Path
        The run's ``checkpoints/`` folder; made if missing.
    step : int
        Number of training steps done; names the folder.
    arrays, best : dict of str to array
        Variables of model and optimiser; those of the model at the best epoch.
    state : dict
        Plain JSON data.
    keep : int
        How many of the newest to keep.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OSError
        If the disk refuses; older checkpoints are then untouched.
    """
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    final = root / f"step-{step:09d}"
    temporary = root / f".{final.name}.{os.getpid()}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        files = {
            "weights.safetensors": save_tensors(contiguous(arrays)),
            "best.safetensors": save_tensors(contiguous(best)),
            "state.json": json.dumps(state, indent=1, allow_nan=False).encode(),
        }
        manifest = {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in files.items()
        }
        for name, data in files.items():
            _write(temporary / name, data)
        _write(temporary / _MANIFEST, json.dumps(manifest, indent=1).encode())
        _sync_folder(temporary)
        if final.exists():  # damaged, or of the same step before a resume; gone in one step too
            os.replace(final, root / f".{final.name}.{os.getpid()}.old.tmp")
        os.replace(temporary, final)
        _sync_folder(root)
    finally:
        _sweep(root)
    for old in _folders(root)[keep:]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def newest_checkpoint(root, *, note=lambda text: None) -> Checkpoint | None:
    """The newest checkpoint that is whole.

    Parameters
    ----------
    root : Path
        The run's ``checkpoints/`` folder.
    note : callable
        Told, in words, about each checkpoint that had to be passed over.

    Returns
    -------
    Checkpoint or None
        None if there is no checkpoint at all.

    Raises
    ------
    CheckpointError
        If there are checkpoints, and every one of them is damaged.
    """
    root = Path(root)
    _sweep(root)
    folders = _folders(root)
    reasons = []
    for folder in folders:
        try:
            return read_checkpoint(folder)
        except CheckpointError as error:
            reasons.append(str(error))
            note(f"passed over a damaged checkpoint: {error}")
    if folders:
        raise CheckpointError(
            f"None of the {len(folders)} checkpoints in {root} is whole: {'; '.join(reasons)} "
            "Start again in another folder.",
            folder=str(root),
        )
    return None


def read_checkpoint(folder) -> Checkpoint:
    """Read a checkpoint after comparing every file with the manifest.

    Parameters
    ----------
    folder : Path
        Folder of one checkpoint.

    Returns
    -------
    Checkpoint
        Its content.

    Raises
    ------
    CheckpointError
        If a file is missing, cut or altered.
    """
    folder = Path(folder)
    try:
        manifest = json.loads(_read(folder / _MANIFEST, _MAX_JSON))
        expected = {"weights.safetensors", "best.safetensors", "state.json"}
        if set(manifest) != expected:
            raise CheckpointError(f"{folder.name}: the manifest lists {sorted(manifest)}.")
        files = {}
        for name in expected:
            data = _read(folder / name, int(manifest[name]["bytes"]))
            if hashlib.sha256(data).hexdigest() != manifest[name]["sha256"]:
                raise CheckpointError(f"{folder.name}: {name} does not match its SHA-256.")
            files[name] = data
        return Checkpoint(
            folder=folder,
            arrays=load_tensors(files["weights.safetensors"]),
            best=load_tensors(files["best.safetensors"]),
            state=json.loads(files["state.json"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{folder.name}: cannot be read ({error}).") from error


# --- variables ------------------------------------------------------------------------------------
def model_arrays(model) -> dict[str, np.ndarray]:
    """Every variable of a model, random-number state included, metrics excluded.

    Parameters
    ----------
    model : keras.Model
        A built model.

    Returns
    -------
    dict of str to array
        Keyed by position: Keras' own names count upwards within a process.
    """
    return {f"model/{i:05d}": value_of(v) for i, v in enumerate(_model_variables(model))}


def training_arrays(model) -> dict[str, np.ndarray]:
    """Every variable of a compiled model and of its optimiser.

    Parameters
    ----------
    model : keras.Model
        A compiled model whose optimiser is built.

    Returns
    -------
    dict of str to array
        Keyed by position.
    """
    optimizer = {f"optimizer/{i:05d}": value_of(v) for i, v in enumerate(model.optimizer.variables)}
    return {**model_arrays(model), **optimizer}


def restore(model, arrays) -> None:
    """Assign variables, all of them or none.

    Parameters
    ----------
    model : keras.Model
        The model, compiled with a built optimiser if `arrays` holds optimiser variables.
    arrays : dict of str to array
        From `model_arrays` or `training_arrays`.

    Raises
    ------
    CheckpointError
        If names, shapes or dtypes differ; the model is then unchanged.
    """
    variables = {f"model/{i:05d}": v for i, v in enumerate(_model_variables(model))}
    if any(name.startswith("optimizer/") for name in arrays):
        variables |= {f"optimizer/{i:05d}": v for i, v in enumerate(model.optimizer.variables)}
    if set(variables) != set(arrays):
        raise CheckpointError(
            f"The network has {len(variables)} variables, the checkpoint {len(arrays)}. "
            "It belongs to another network."
        )
    for name, variable in variables.items():
        array = arrays[name]
        if tuple(variable.shape) != array.shape or str(variable.dtype) != str(array.dtype):
            raise CheckpointError(
                f"{variable.path} is {variable.dtype}{tuple(variable.shape)}; the checkpoint has "
                f"{array.dtype}{array.shape}. It belongs to another network."
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _model_variables(model):
    metrics = {id(variable) for variable in model.metrics_variables}
    return [variable for variable in model.variables if id(variable) not in metrics]


def value_of(variable) -> np.ndarray:
    """The value of a variable, as a copy that later steps do not change.

    Parameters
    ----------
    variable : keras.Variable
        Of a model or an optimiser.

    Returns
    -------
    array
        Its value.
    """
    import keras

    # by way of a copy, a tensor: numpy 2 warns about the variables of TensorFlow themselves
    return np.array(keras.ops.convert_to_numpy(keras.ops.copy(variable.value)))


# --- files ----------------------------------------------------------------------------------------
def _sweep(root: Path) -> None:
    """Remove what a process left that was killed while writing."""
    for leftover in root.glob(".step-*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)


def _folders(root: Path) -> list[Path]:
    return sorted((path for path in root.glob("step-*") if path.is_dir()), reverse=True)


def contiguous(arrays) -> dict[str, np.ndarray]:
    """Arrays as safetensors needs them; it would otherwise write the bytes of a view's base.

    Parameters
    ----------
    arrays : dict of str to array
        Any arrays.

    Returns
    -------
    dict of str to array
        Contiguous ones, zero-dimensional ones kept so.
    """
    return {
        name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()
    }


def _write(path: Path, data: bytes) -> None:
    with open(path, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _read(path: Path, limit: int) -> bytes:
    """The whole file, unless it is longer than `limit`."""
    with open(path, "rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise CheckpointError(f"{path.parent.name}: {path.name} is longer than it should be.")
    return data


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
