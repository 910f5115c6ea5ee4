"""Weights as data: safetensors shards, verified whole before one variable changes."""

import math
import re
from pathlib import Path

import keras
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as parse_safetensors
from safetensors.numpy import save as serialize_safetensors

from lensfinder.errors import ArchitectureError, PresetError, UntrustedArtefactError
from lensfinder.zoo import eight_bits
from lensfinder.zoo.artefacts import MAX_HEADER, Pin, check_header, read_pinned

SHARD_BYTES = 15_000_000  # a shard stays below, header included
MAX_WEIGHT = 1e30  # larger numbers overflow float32 in the next multiplication
SHARD_NAME = re.compile(r"weights-(\d{5})-of-(\d{5})\.safetensors")
DTYPES = ("float32", "float16", "int8")  # how kernels may lie on disk
_FLOATS = ("float16", "bfloat16", "float32")
_CODES = {"int32": "I32", "uint32": "U32", "int64": "I64"}


def weight_table(model) -> dict:
    """The variables of a model that make up its weights, by a name that every rebuild gives again.

    The states of random number generators are left out: they belong to a run, not to a preset.

    Parameters
    ----------
    model : keras.Model
        A built model whose layers were named.

    Returns
    -------
    dict of str to keras.Variable
        In the order of the layers, e.g. ``vis_stem_conv/kernel``.

    Raises
    ------
    ArchitectureError
        If two variables share a name.
    """
    table = {}
    for name, variable in _named(model, ""):
        if name in table:
            raise ArchitectureError(f"Two weights are called {name!r}. Give their layers names.")
        table[name] = variable
    return table


def _named(model, prefix):
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _named(layer, f"{prefix}{layer.name}/")
            continue
        for variable in layer.weights:
            inner = variable.path.split(f"{layer.name}/", 1)
            yield f"{prefix}{layer.name}/{inner[-1]}", variable


def array_of(variable) -> np.ndarray:
    """Values of a variable, on any backend.

    Parameters
    ----------
    variable : keras.Variable
        The variable.

    Returns
    -------
    array
        A copy of its values.
    """
    # by way of a tensor, because numpy 2.4 warns when it is handed a TensorFlow variable
    return keras.ops.convert_to_numpy(keras.ops.copy(variable))


def write_weights(folder: Path, model, *, dtype: str = "float32") -> list[str]:
    """Write a model's weights as shards below 15 MB.

    Parameters
    ----------
    folder : pathlib.Path
        An existing folder.
    model : keras.Model
        The model.
    dtype : {"float32", "float16", "int8"}
        How kernels lie on disk; small tensors (biases, batch statistics, bounds) stay float32,
        because half precision cannot hold their range. With "int8" large kernels are whole numbers
        of steps (`lensfinder.zoo.eight_bits`), and small ones float16.

    Returns
    -------
    list of str
        Names of the files.

    Raises
    ------
    PresetError
        If a weight is not finite, overflows float16, or does not fit into a shard.
    """
    if dtype not in DTYPES:
        raise PresetError(f"Weights are stored as {', '.join(DTYPES)}. Received: {dtype!r}.")
    shards, size = [{}], 0
    for name, array in _stored(model, dtype):
        if array.nbytes + 4096 > SHARD_BYTES:
            raise PresetError(
                f"{name} has {array.nbytes} bytes, more than a shard of {SHARD_BYTES} holds. "
                "Store it as float16 or int8, or build a smaller dense layer."
            )
        # 256 bytes is more than one entry of the header takes
        if shards[-1] and size + array.nbytes + 256 > SHARD_BYTES - 1024:
            shards.append({})
            size = 0
        shards[-1][name] = array
        size += array.nbytes + 256
    names = []
    for number, shard in enumerate(shards, start=1):
        names.append(f"weights-{number:05d}-of-{len(shards):05d}.safetensors")
        (folder / names[-1]).write_bytes(serialize_safetensors(shard))
    return names


def _stored(model, dtype):
    """Names and arrays of the tensors of a model's files."""
    for name, variable in weight_table(model).items():
        if name.endswith(eight_bits.SCALE):
            raise PresetError(f"{name} has the name of a kernel's steps. Rename its layer.")
        array = array_of(variable)
        if dtype == "int8" and array.dtype.kind == "f" and eight_bits.worth_it(array.shape):
            whole, scale = eight_bits.rounded(_encoded(name, array, "float32"))
            yield name, np.ascontiguousarray(whole)
            yield name + eight_bits.SCALE, scale
        else:
            yield name, _encoded(name, array, "float16" if dtype == "int8" else dtype)


def _encoded(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    if array.dtype.kind in "iu":
        return np.ascontiguousarray(array)
    array = np.asarray(array, np.float32)
    if dtype == "float16" and array.ndim >= 2:
        with np.errstate(over="ignore"):
            array = array.astype(np.float16)
    if not np.all(np.isfinite(array)) or np.any(np.abs(array.astype(np.float32)) > MAX_WEIGHT):
        raise PresetError(f"{name} holds values that are not finite as {array.dtype}. Train again.")
    return np.ascontiguousarray(array)


def load_weights(model, folder: Path, pins: dict[str, Pin]) -> None:
    """Load verified shards into a model: all of its weights, or none.

    Parameters
    ----------
    model : keras.Model
        A freshly built model; unchanged if anything is wrong.
    folder : pathlib.Path
        Where the shards lie.
    pins : dict of str to Pin
        Hash and size of every file; those named ``weights-*.safetensors`` are read.

    Raises
    ------
    UntrustedArtefactError
        If a file differs from its pin, does not hold exactly this model's tensors, or holds values
        that are not finite.
    """
    table = weight_table(model)
    expected = {name: (tuple(v.shape), _accepted(v)) for name, v in table.items()}
    steps = {
        name + eight_bits.SCALE: (eight_bits.scale_shape(shape), ("F32",))
        for name, (shape, codes) in expected.items()
        if "I8" in codes
    }
    shards = _shard_names(pins)
    # each shard may be as long as all weights at 8 bytes a number, never longer: nothing larger
    # than the model itself is read, whatever a manifest claims
    ceiling = 8 * sum(math.prod(shape) for shape, _ in expected.values()) + MAX_HEADER
    declared = sum(pins[name].size for name in shards)
    if declared > ceiling + MAX_HEADER * len(shards):
        raise UntrustedArtefactError(
            f"The shards claim {declared} bytes, the network has at most {ceiling}. "
            "Get the preset again."
        )
    staged: dict[str, np.ndarray] = {}
    allowed = {**expected, **steps}
    for shard in shards:
        content = read_pinned(folder / shard, pins[shard])
        check_header(content, shard, {k: v for k, v in allowed.items() if k not in staged})
        try:
            tensors = parse_safetensors(content)
        except SafetensorError as error:
            raise UntrustedArtefactError(f"{shard} is not safetensors ({error}).") from error
        for name, array in tensors.items():
            staged[name] = _decoded(name, array, shard)
    asked = {name for name in steps if _is_whole(staged.get(name.removesuffix(eight_bits.SCALE)))}
    unasked = sorted((set(staged) & set(steps)) - asked)
    if unasked:
        raise UntrustedArtefactError(
            f"Steps without whole numbers: {unasked[0]!r}. Get the preset again.", tensor=unasked[0]
        )
    missing = sorted((set(expected) | asked) - set(staged))
    if missing:
        raise UntrustedArtefactError(
            f"{len(missing)} tensors are missing, the first: {missing[0]!r}. Get the preset again."
        )
    for name in asked:
        whole = name.removesuffix(eight_bits.SCALE)
        array = eight_bits.restored(whole, staged[whole], staged[name])
        staged[whole] = _decoded(whole, array, "the shards")
    for name, variable in table.items():
        variable.assign(staged[name])


def _accepted(variable) -> tuple[str, ...]:
    kind = keras.backend.standardize_dtype(variable.dtype)
    if kind not in _FLOATS:
        return (_CODES[kind],)
    return ("F32", "F16", "I8") if eight_bits.worth_it(variable.shape) else ("F32", "F16")


def _is_whole(array) -> bool:
    return array is not None and array.dtype == np.int8


def _shard_names(pins) -> list[str]:
    found = sorted(name for name in pins if SHARD_NAME.fullmatch(name))
    total = len(found)
    if not found or found != [
        f"weights-{number:05d}-of-{total:05d}.safetensors" for number in range(1, total + 1)
    ]:
        raise UntrustedArtefactError(f"The shards are not numbered 1 to n. Received: {found}.")
    return found


def _decoded(name: str, array: np.ndarray, shard: str) -> np.ndarray:
    if array.dtype.kind in "iu":
        return array
    array = array.astype(np.float32)
    # NaN compares as False, so it is refused too
    if not np.all(np.abs(array) <= MAX_WEIGHT):
        raise UntrustedArtefactError(
            f"{shard}: {name} holds values that are not finite. Get the preset again.", tensor=name
        )
    return array
