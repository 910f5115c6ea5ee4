"""Write objects to sharded TFRecord files: same objects, same bytes.

Each record holds ``id``, ``image/<group>`` (raw little-endian pixels), ``plane/<name>/<group>`` and
``truth`` (the numeric truth columns as float32). Shards depend on their own rows only, so several
processes may write one each (`write_shard`) and one of them commit (`commit`).
"""

import importlib.metadata
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from astropy.table import Table, vstack

from lensfinder.data.manifest import (
    MANIFEST,
    TRUTH,
    ColumnEntry,
    GroupEntry,
    Manifest,
    ShardEntry,
    file_sha256,
)
from lensfinder.data.records import describe, encode, numeric_columns
from lensfinder.errors import DatasetSpecError, OutputExistsError, ShardError
from lensfinder.paths import quiet_tensorflow
from lensfinder.specs import load_survey
from lensfinder.tables import write_atomically, write_table

ROWS_PER_SHARD = 2048
_VERSIONED = ("lensfinder", "numpy", "keras", "tensorflow", "astropy")


@dataclass(frozen=True)
class ShardPart:
    """What `write_shard` reports about the shard it wrote, for `commit`."""

    number: int
    entry: ShardEntry
    truth: Table
    shapes: dict[str, tuple[int, ...]]
    planes: dict[str, tuple[str, ...]]


def write_shards(
    folder,
    batches: Iterable,
    *,
    survey,
    population=None,
    seed=None,
    rows_per_shard=ROWS_PER_SHARD,
    dtype="float32",
    overwrite=False,
) -> Manifest:
    """Write a stream of mocks as a data set; how they were batched makes no difference.

    Parameters
    ----------
    folder : path-like
        Where to write.
    batches : iterable of Mocks
        Each with ``images`` {group: (N, H, W, B)}, ``truth`` (astropy Table with a column ``id``)
        and, if any, ``planes`` {name: {group: (N, H, W, B)}}.
    survey : Survey or str
        The survey of the images.
    population : Population or dict, optional
        What they were drawn from, perhaps as another manifest holds it; kept in the manifest.
    seed : int, optional
        Seed of the simulation; kept in the manifest.
    rows_per_shard : int
        Objects per file.
    dtype : {"float32", "float16"}
        How pixels are stored. float16 has 3 digits and overflows at 65504.
    overwrite : bool
        Whether a data set in the folder may be replaced.

    Returns
    -------
    Manifest
        The manifest, which was written last.

    Raises
    ------
    OutputExistsError
        If the folder holds a data set already.
    DatasetSpecError
        If the batches do not fit the survey or each other.
    """
    with ShardWriter(
        folder,
        survey=survey,
        population=population,
        seed=seed,
        rows_per_shard=rows_per_shard,
        dtype=dtype,
        overwrite=overwrite,
    ) as writer:
        for batch in batches:
            writer.add(batch)
    return writer.manifest


class ShardWriter:
    """Writes mocks as they come; leaving the context without an error commits them.

    Parameters
    ----------
    folder, survey, population, seed, rows_per_shard, dtype, overwrite : object
        As in `write_shards`.
    drawn : dict or None
        As in `commit`.

    Attributes
    ----------
    manifest : Manifest or None
        Set once the data set is complete.
    """

    def __init__(
        self,
        folder,
        *,
        survey,
        population=None,
        seed=None,
        rows_per_shard=ROWS_PER_SHARD,
        dtype="float32",
        overwrite=False,
        drawn=None,
    ):
        if rows_per_shard < 1:
            raise DatasetSpecError(f"rows_per_shard must be positive. Received: {rows_per_shard}.")
        self._folder = prepare(folder, overwrite=overwrite)
        self._commit = {"survey": survey, "population": population, "seed": seed, "dtype": dtype}
        self._commit["drawn"] = drawn
        self._rows_per_shard, self._dtype = rows_per_shard, dtype
        self._waiting, self._count, self._parts = [], 0, []
        self.manifest = None

    def add(self, batch) -> None:
        """Take a batch of mocks; full shards are written at once.

        Parameters
        ----------
        batch : Mocks
            See `write_shards`.
        """
        describe(batch)  # slices would hide arrays that are longer than the table
        start, rows = 0, len(batch.truth)
        while start < rows:
            stop = min(rows, start + self._rows_per_shard - self._count)
            self._waiting.append((batch, start, stop))
            self._count += stop - start
            start = stop
            if self._count == self._rows_per_shard:
                self._flush()

    def close(self) -> Manifest:
        """Write what is left, the truth table, and last the manifest.

        Returns
        -------
        Manifest
            The manifest.
        """
        if self._waiting:
            self._flush()
        self.manifest = commit(self._folder, self._parts, **self._commit)
        return self.manifest

    def _flush(self):
        pieces = (_slice(*piece) for piece in self._waiting)
        self._parts.append(write_shard(self._folder, len(self._parts), pieces, dtype=self._dtype))
        self._waiting, self._count = [], 0

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.close()


@dataclass(frozen=True)
class _Piece:
    images: dict
    planes: dict
    truth: Table


def _slice(batch, start, stop) -> _Piece:
    planes = getattr(batch, "planes", None) or {}
    return _Piece(
        {name: array[start:stop] for name, array in batch.images.items()},
        {
            plane: {name: array[start:stop] for name, array in groups.items()}
            for plane, groups in planes.items()
        },
        batch.truth[start:stop],
    )


def prepare(folder, *, overwrite=False) -> Path:
    """Make the folder ready for shards: without a manifest until `commit` writes one.

    Parameters
    ----------
    folder : path-like
        The folder.
    overwrite : bool
        Whether a data set in it may be replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputExistsError
        If it holds a data set.
    """
    folder = Path(folder)
    manifest = folder / MANIFEST
    if manifest.exists() and not overwrite:
        raise OutputExistsError(f"{folder} holds a data set. Choose another folder, or overwrite.")
    folder.mkdir(parents=True, exist_ok=True)
    manifest.unlink(missing_ok=True)  # from here on the folder is no data set, whatever happens
    return folder


def write_shard(folder, number, batches, *, dtype="float32") -> ShardPart:
    """Write one shard, whole or not at all; processes may write different shards of one folder.

    Parameters
    ----------
    folder : path-like
        A folder that `prepare` made ready.
    number : int
        Position of the shard in the data set.
    batches : iterable of Mocks
        Its objects.
    dtype : {"float32", "float16"}
        How pixels are stored.

    Returns
    -------
    ShardPart
        For `commit`; it can be pickled.

    Raises
    ------
    DatasetSpecError
        If there is no object, or the batches do not fit each other.
    """
    quiet_tensorflow()
    import tensorflow as tf

    folder, name = Path(folder), f"shard-{number:05d}.tfrecord"
    tables, shapes, planes, rows = [], None, None, 0

    def fill(temporary):
        nonlocal shapes, planes, rows
        with tf.io.TFRecordWriter(temporary) as writer:
            for batch in batches:
                shape, plane = describe(batch)
                if shapes is not None and (shape, plane) != (shapes, planes):
                    raise DatasetSpecError(
                        f"All batches must have the same groups and shapes. Received: {shape} "
                        f"after {shapes}."
                    )
                shapes, planes = shape, plane
                tables.append(batch.truth)
                for record in encode(batch, dtype):
                    writer.write(record)
                    rows += 1
        if not rows:
            raise DatasetSpecError("A shard needs at least one object.")

    write_atomically(folder / name, fill)
    path = folder / name
    entry = ShardEntry(name=name, rows=rows, bytes=path.stat().st_size, sha256=file_sha256(path))
    truth = tables[0] if len(tables) == 1 else vstack(tables, metadata_conflicts="silent")
    return ShardPart(number, entry, truth, shapes, planes)


def commit(
    folder, parts, *, survey, population=None, seed=None, drawn=None, dtype="float32"
) -> Manifest:
    """Write the truth table and then the manifest, which makes the shards a data set.

    Parameters
    ----------
    folder : path-like
        The folder of the shards.
    parts : iterable of ShardPart
        What `write_shard` returned, in any order; numbers 0 to n - 1.
    survey, population, seed : object
        As in `write_shards`.
    drawn : dict or None
        What else decides the objects; kept in the manifest.
    dtype : {"float32", "float16"}
        How pixels are stored.

    Returns
    -------
    Manifest
        The manifest.

    Raises
    ------
    ShardError
        If a shard is missing or counted twice.
    DatasetSpecError
        If the shards do not fit the survey or each other.
    """
    folder, survey = Path(folder), load_survey(survey)
    parts = sorted(parts, key=lambda part: part.number)
    if not parts or [part.number for part in parts] != list(range(len(parts))):
        raise ShardError(
            f"Shards must be numbered 0 to n - 1. Received: {[part.number for part in parts]}."
        )
    shapes, planes = parts[0].shapes, parts[0].planes
    expected = {group.name: group.shape for group in survey.groups}
    if shapes != expected or any((p.shapes, p.planes) != (shapes, planes) for p in parts):
        raise DatasetSpecError(
            f"The images of {survey.name} have shapes {expected}. Received: {shapes}."
        )
    truth = vstack([part.truth for part in parts], metadata_conflicts="silent")
    truth.meta = {}  # the resolved specifications stand in the manifest
    write_table(truth, folder / TRUTH, overwrite=True)
    manifest = Manifest(
        rows=len(truth),
        shards=tuple(part.entry for part in parts),
        groups={
            group.name: GroupEntry(
                shape=group.shape, bands=group.band_names, pixel_scale=group.pixel_scale
            )
            for group in survey.groups
        },
        planes=planes,
        dtype=dtype,
        unit=survey.unit,
        truth={name: _column(truth[name]) for name in truth.colnames},
        numbers=numeric_columns(truth),
        truth_sha256=file_sha256(folder / TRUTH),
        survey=survey.model_dump(mode="json"),
        population=_plain(population),
        seed=seed,
        drawn=drawn or {},
        versions=dict(_versions()),
    )
    write_atomically(folder / MANIFEST, lambda temporary: _write_text(temporary, manifest))
    names = {part.entry.name for part in parts}
    for path in folder.glob("shard-*.tfrecord"):
        if path.name not in names:
            os.unlink(path)  # left over from a larger data set that was overwritten
    return manifest


def _plain(population) -> dict:
    if isinstance(population, dict):
        return population
    return {} if population is None else population.model_dump(mode="json")


def _column(column) -> ColumnEntry:
    unit = "" if column.unit is None else str(column.unit)
    return ColumnEntry(unit=unit, dtype=column.dtype.kind, description=column.description or "")


def _versions():
    for package in _VERSIONED:
        try:
            yield package, importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue


def _write_text(temporary, manifest):
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(manifest.to_json())
