"""Files that may come from elsewhere: read only what matches its pinned hash and size."""

import hashlib
import json
import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from lensfinder.errors import UntrustedArtefactError

MAX_JSON = 1_000_000  # bytes; our largest configuration has 2 kB
MAX_HEADER = 1_000_000  # bytes of a safetensors header; EfficientNet-B7 twice needs 150 kB
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_WIDTHS = {"I8": 1, "F16": 2, "F32": 4, "I32": 4, "U32": 4, "I64": 8}


class Pin(BaseModel):
    """What a file must be.

    Attributes
    ----------
    sha256 : str
        Its hash.
    size : int
        Its bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)


def pin_of(path: Path) -> Pin:
    """The pin of a file as it is.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    Pin
        Its hash and size.
    """
    content = Path(path).read_bytes()
    return Pin(sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def read_pinned(path: Path, pin: Pin) -> bytes:
    """Content of a file, if it is what its pin says; the size is checked before reading.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    pin : Pin
        What it must be.

    Returns
    -------
    bytes
        Its content.

    Raises
    ------
    UntrustedArtefactError
        If it is missing, or another size or hash.
    """
    size = _size(path)
    if size != pin.size:
        raise UntrustedArtefactError(
            f"{path.name} must have {pin.size} bytes. Received: {size}. Get the preset again.",
            file=path.name,
        )
    with path.open("rb") as file:
        content = file.read(pin.size + 1)
    received = hashlib.sha256(content).hexdigest()
    if received != pin.sha256:
        raise UntrustedArtefactError(
            f"{path.name} must have the SHA-256 {pin.sha256}. Received: {received}. "
            "Get the preset again.",
            file=path.name,
            expected=pin.sha256,
            received=received,
        )
    return content


def read_small(path: Path) -> bytes:
    """Content of a small file for which no pin is known.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    bytes
        Its content.

    Raises
    ------
    UntrustedArtefactError
        If it is missing or longer than any of ours.
    """
    if _size(path) > MAX_JSON:
        raise UntrustedArtefactError(f"{path.name} is longer than {MAX_JSON} bytes. Mend the file.")
    with path.open("rb") as file:
        return file.read(MAX_JSON)


def _size(path: Path) -> int:
    try:
        if not path.is_file():
            raise UntrustedArtefactError(f"There is no file {path}.", file=path.name)
        return path.stat().st_size
    except (OSError, ValueError) as error:
        raise UntrustedArtefactError(f"{path} cannot be looked at ({error}).") from error


def parse_json(content: bytes, name: str):
    """Plain data from JSON; repeated keys, NaN and deep nesting are refused.

    Parameters
    ----------
    content : bytes
        UTF-8 text.
    name : str
        What messages call it.

    Returns
    -------
    object
        The data.

    Raises
    ------
    UntrustedArtefactError
        If it is not such JSON.
    """
    try:
        return json.loads(content.decode(), object_pairs_hook=_distinct, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise UntrustedArtefactError(
            f"{name} is not plain JSON ({error}). Mend the file."
        ) from error


def _distinct(pairs):
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key stands twice")
    return data


def _refuse(text):
    raise ValueError(f"{text} is not a number of JSON")


def check_header(content: bytes, name: str, expected: dict) -> None:
    """Check everything a safetensors file declares, before one of its numbers is used.

    Parameters
    ----------
    content : bytes
        The whole file.
    name : str
        What messages call it.
    expected : dict of str to (shape, dtypes)
        Tensors that it may hold: shape, and the dtype codes accepted.

    Raises
    ------
    UntrustedArtefactError
        If names, shapes, dtypes or offsets are not as expected, or bytes are left over.
    """

    def refuse(why):
        raise UntrustedArtefactError(f"{name}: {why}. Get the preset again.", file=name)

    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(MAX_HEADER, len(content) - 8):
        refuse(f"its header claims {length} bytes")
    header = parse_json(content[8 : 8 + length], name)
    if not isinstance(header, dict):
        refuse("its header is not a mapping")
    header.pop("__metadata__", None)
    spans = []
    for key, entry in header.items():
        if key not in expected:
            refuse(f"unknown tensor {key!r}")
        shape, dtypes = expected[key]
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            refuse(f"the entry of {key!r} is malformed")
        if entry["dtype"] not in dtypes:
            refuse(f"{key!r} must be {' or '.join(dtypes)}. Received: {entry['dtype']!r}")
        if entry["shape"] != list(shape):
            refuse(f"{key!r} must have shape {list(shape)}. Received: {entry['shape']!r}")
        offsets = entry["data_offsets"]
        if not (isinstance(offsets, list) and [type(o) for o in offsets] == [int, int]):
            refuse(f"the offsets of {key!r} are malformed")
        count = 1
        for side in shape:
            count *= side
        if offsets[1] - offsets[0] != count * _WIDTHS[entry["dtype"]]:
            refuse(f"the offsets of {key!r} do not fit its shape")
        spans.append(tuple(offsets))
    position = 0
    for start, stop in sorted(spans):
        if start != position:
            refuse("its tensors overlap or leave gaps")
        position = stop
    if position != len(content) - 8 - length:
        refuse("bytes are missing or left over")
