"""The manifest of a sharded data set: what is in it, and how to tell that it still is.

A TFRecord file that was cut between two records reads without an error. So the manifest keeps the
number of rows, the length and the SHA-256 of every shard, and it is written last: a folder without
one is not a data set.
"""

import hashlib
import json
from pathlib import Path
from typing import Literal

from astropy.table import Column, Table
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lensfinder.errors import DatasetSpecError, LensfinderError, ShardError

MANIFEST = "manifest.json"
TRUTH = "truth.parquet"
_MAX_BYTES = 1 << 26


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ShardEntry(_Frozen):
    """One shard: file name, rows, length in bytes, SHA-256."""

    name: str = Field(pattern=r"^shard-\d{5}\.tfrecord$")
    rows: int = Field(ge=1)
    bytes: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class GroupEntry(_Frozen):
    """One group of bands: shape of an image (H, W, B), band names, arcsec per pixel."""

    shape: tuple[int, int, int]
    bands: tuple[str, ...]
    pixel_scale: float


class ColumnEntry(_Frozen):
    """One truth column: unit (empty for none), kind of value, description."""

    unit: str
    dtype: str
    description: str = ""


class Manifest(_Frozen):
    """What a folder of shards holds.

    Attributes
    ----------
    format : str
        Version of this format.
    rows : int
        Number of objects.
    shards : tuple of ShardEntry
        In order of their rows.
    groups : dict of str to GroupEntry
        Images per object.
    planes : dict of str to tuple of str
        Further image planes (e.g. S2, S3), and the groups each has.
    dtype : {"float32", "float16"}
        How pixels are stored, little-endian, C order.
    unit : str
        Pixel unit.
    truth : dict of str to ColumnEntry
        Columns of ``truth.parquet``, which has one row per object, in the order of the shards.
    numbers : tuple of str
        The columns that each record holds too, in the order of its feature ``truth`` (float32).
    truth_sha256 : str
        Hash of ``truth.parquet``.
    survey, population : dict
        The resolved specifications the objects were made with.
    seed : int or None
        Seed of the simulation.
    drawn : dict
        What else decides the objects of a simulation: its options, the defaults left out, and the
        version of its random numbers. Empty for objects of elsewhere.
    versions : dict of str to str
        Packages the objects depend on.
    """

    format: Literal["lensfinder-shards/1"] = "lensfinder-shards/1"
    rows: int = Field(ge=1)
    shards: tuple[ShardEntry, ...] = Field(min_length=1)
    groups: dict[str, GroupEntry] = Field(min_length=1)
    planes: dict[str, tuple[str, ...]] = {}
    dtype: Literal["float32", "float16"] = "float32"
    unit: str
    truth: dict[str, ColumnEntry]
    numbers: tuple[str, ...]
    truth_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    survey: dict
    population: dict = {}
    seed: int | None = None
    drawn: dict = {}
    versions: dict[str, str] = {}

    @model_validator(mode="after")
    def _adds_up(self):
        total = sum(shard.rows for shard in self.shards)
        if total != self.rows:
            raise ValueError(f"the shards hold {total} rows, not {self.rows}.")
        return self

    def to_json(self) -> str:
        """The text of ``manifest.json``; the same manifest gives the same text."""
        return json.dumps(self.model_dump(mode="json"), indent=1) + "\n"


def read_manifest(folder) -> Manifest:
    """Read the manifest of a folder of shards.

    Parameters
    ----------
    folder : path-like
        The folder.

    Returns
    -------
    Manifest
        The manifest.

    Raises
    ------
    ShardError
        If there is none (the writer did not finish), or it is not valid.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise ShardError(
            f"{folder} has no {MANIFEST}: it is no data set, or its writer did not finish. "
            "Write it again."
        )
    if path.stat().st_size > _MAX_BYTES:
        raise ShardError(f"{path} is longer than {_MAX_BYTES} bytes; it is no manifest.")
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ShardError(
            f"{path} is not a valid manifest: {error}. Write the set again."
        ) from error


def verify_shards(folder, *, hashes=True) -> Manifest:
    """Check every file of a data set against its manifest.

    Parameters
    ----------
    folder : path-like
        The folder.
    hashes : bool
        Also compare the SHA-256 of every file (reads all of it) and count its records; otherwise
        presence and length only, which finds any truncation but no flipped bit.

    Returns
    -------
    Manifest
        The manifest, if all is well.

    Raises
    ------
    ShardError
        Naming the first file that does not match, and how.
    """
    folder, manifest = Path(folder), read_manifest(folder)
    for shard in manifest.shards:
        path = folder / shard.name
        if not path.is_file():
            raise ShardError(f"{path} is missing. Write the set again.")
        size = path.stat().st_size
        if size != shard.bytes:
            raise ShardError(_describe_length(path, shard, size))
        if hashes:
            if file_sha256(path) != shard.sha256:
                raise ShardError(f"{path} is damaged: its SHA-256 is not that of the manifest.")
            rows = count_records(path)
            if rows != shard.rows:
                raise ShardError(f"{path} holds {rows} rows, the manifest says {shard.rows}.")
    _verify_truth(folder, manifest, hashes)
    return manifest


def _verify_truth(folder, manifest, hashes):
    path = folder / TRUTH
    if not path.is_file():
        raise ShardError(f"{path} is missing. Write the set again.")
    if hashes and file_sha256(path) != manifest.truth_sha256:
        raise ShardError(f"{path} is damaged: its SHA-256 is not that of the manifest.")


def read_truth(folder, manifest=None) -> Table:
    """Truth table of a data set, verified against its manifest.

    Parameters
    ----------
    folder : path-like
        The folder.
    manifest : Manifest, optional
        Its manifest, if it is at hand.

    Returns
    -------
    astropy.table.Table
        One row per object, with units.

    Raises
    ------
    ShardError
        If the file is missing, damaged, or has another number of rows.
    """
    import pyarrow
    from pyarrow import parquet

    folder = Path(folder)
    manifest = manifest or read_manifest(folder)
    _verify_truth(folder, manifest, hashes=True)
    try:
        arrow = parquet.read_table(folder / TRUTH, page_checksum_verification=True)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise ShardError(f"{TRUTH} cannot be read ({error}). Write the set again.") from error
    table = Table()
    for name, column in manifest.truth.items():
        if name not in arrow.column_names:
            raise ShardError(f"{TRUTH} has no column {name!r}. Write the set again.")
        values = arrow[name].to_pylist() if column.dtype in "US" else arrow[name].to_numpy()
        table[name] = Column(values, unit=column.unit or None, description=column.description)
    if len(table) != manifest.rows:
        raise ShardError(f"{TRUTH} has {len(table)} rows, the manifest says {manifest.rows}.")
    return table


def file_sha256(path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def count_records(path) -> int:
    """Number of records of a TFRecord file, from the lengths alone.

    A record is its length (8 bytes), a checksum of it (4), the content, and its checksum (4).

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    int
        The number.

    Raises
    ------
    ShardError
        If the file ends within a record.
    """
    size, position, count = Path(path).stat().st_size, 0, 0
    with open(path, "rb") as file:
        while position < size:
            file.seek(position)
            length = file.read(8)
            if len(length) == 8:
                position += 16 + int.from_bytes(length, "little")
            if len(length) < 8 or position > size:
                raise ShardError(f"{path} ends within record {count}. Write the set again.")
            count += 1
    return count


def _describe_length(path, shard, size) -> str:
    try:
        rows = f"{count_records(path)} whole records of {shard.rows}"
    except LensfinderError:
        rows = "a record that is cut"
    return (
        f"{path} has {size} bytes instead of {shard.bytes}, with {rows}. It was cut or replaced; "
        "write the set again."
    )


def check_planes(manifest: Manifest, planes, folder) -> None:
    """Refuse planes that a data set does not hold.

    Parameters
    ----------
    manifest : Manifest
        Of the data set.
    planes : sequence of str
        What is asked of it.
    folder : path-like
        Where it lies.

    Raises
    ------
    DatasetSpecError
        If it has several groups of bands, or lacks a plane.
    """
    if planes and len(manifest.groups) != 1:
        raise DatasetSpecError(
            f"Planes are read from data sets with one group. {folder}: {list(manifest.groups)}."
        )
    missing = [name for name in planes if name not in manifest.planes]
    if missing:
        stored = ", ".join(manifest.planes) or "none"
        raise DatasetSpecError(
            f"{folder} must hold the plane {missing[0]}. Stored: {stored}. Write the mocks with "
            f"`lensfinder simulate ... --planes {','.join(('S1', *planes))}`."
        )
