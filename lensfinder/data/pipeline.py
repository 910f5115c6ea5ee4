"""tf.data pipelines: shards or arrays, in a reproducible order, as ``({group: images}, y)``.

Order is a pure function of ``(shuffle_seed, epoch)``: shards are permuted, a few read at a time,
and records permuted again within windows, always with stateless random numbers (`Dataset.shuffle`
would also depend on TensorFlow's global seed). There is no `py_function`, no cache on disk and no
skipping of records that cannot be read: the first two break restarting, the last silently drops the
rest of a shard.
"""

from pathlib import Path

import numpy as np

from lensfinder.data.manifest import Manifest, check_planes, read_truth, verify_shards
from lensfinder.data.splits import select, split_names
from lensfinder.errors import DatasetSpecError, UnknownNameError
from lensfinder.paths import quiet_tensorflow

quiet_tensorflow()

import tensorflow as tf  # noqa: E402  (the level of its messages is read at import)

SHUFFLE_BYTES = 1 << 26
"""Size of the window within which records are permuted; memory is a few times this."""
_OPEN_SHARDS = 8


def dataset(
    folder,
    *,
    targets,
    batch_size,
    split=None,
    fold=None,
    folds=None,
    split_by="id",
    shuffle_seed=None,
    epoch=0,
    repeat=False,
    cache_in_memory=False,
    drop_remainder=False,
    with_ids=False,
    planes=(),
) -> tf.data.Dataset:
    """Batches of a sharded data set.

    Parameters
    ----------
    folder : path-like
        What `write_shards` wrote.
    targets : sequence of str
        Numeric truth columns, in the order of the columns of y.
    batch_size : int
        Objects per batch.
    split : {None, "train", "validation", "test"}
        Part of the data set, by a hash of the id (`lensfinder.data.splits`).
    fold, folds : int, "all" or None
        Cross-validation within what is not test (`lensfinder.data.splits.select`).
    split_by : str
        Truth column whose values are split, such as the ``lens_id`` of painted mocks: objects of
        one value are in the same split and the same fold.
    shuffle_seed : int or None
        None keeps the order of the shards.
    epoch : int
        Which order of this seed; pass the number of epochs already done to resume.
    repeat : bool
        Endless: epoch after epoch, each in its own order.
    cache_in_memory : bool
        Read all of it now, and shuffle perfectly from then on.
    drop_remainder : bool
        Leave out a last batch that is not full.
    with_ids : bool
        Yield ``(images, y, ids)`` instead.
    planes : sequence of str
        Stored planes that are y in the place of `targets`, float32 (B, planes, H, W, C), such as
        the noiseless image and the source alone; of data sets with one group.

    Returns
    -------
    tf.data.Dataset
        Of ``({group: float32 (B, H, W, C)}, float32 (B, len(targets)))``.

    Raises
    ------
    ShardError
        If the files are not those of the manifest. A flipped bit is found by the checksum of its
        record while reading (`tf.errors.DataLossError`), or beforehand by `verify_shards`.
    UnknownNameError
        If there is no such target, split or truth column.
    DatasetSpecError
        If nothing is selected, a plane was not stored, or the pipeline does not yield what it
        should.
    """
    folder, manifest, targets = Path(folder), verify_shards(folder, hashes=False), tuple(targets)
    check_planes(manifest, planes, folder)
    if cache_in_memory:
        part = {"split": split, "fold": fold, "folds": folds, "split_by": split_by}
        images, values, ids = load_arrays(folder, targets=targets, planes=planes, **part)
        return from_arrays(
            images,
            values,
            batch_size=batch_size,
            shuffle_seed=shuffle_seed,
            epoch=epoch,
            repeat=repeat,
            drop_remainder=drop_remainder,
            ids=ids if with_ids else None,
        )
    mask = _selection(folder, manifest, split, fold, folds, split_by)
    records = _records(folder, manifest, mask, shuffle_seed)
    parse = _parser(manifest, targets, with_ids, tuple(planes))
    count = int(mask.sum())

    def one_epoch(number):
        batches = records(number).batch(batch_size, drop_remainder=drop_remainder)
        return batches.map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    shapes = {name: group.shape for name, group in manifest.groups.items()}
    truth = (len(planes), *next(iter(shapes.values()))) if planes else (len(targets),)
    return _finish(
        one_epoch,
        epoch,
        repeat,
        _batches(count, batch_size, drop_remainder),
        _spec(shapes, truth, with_ids),
    )


def from_arrays(
    images,
    values,
    *,
    batch_size,
    shuffle_seed=None,
    epoch=0,
    repeat=False,
    drop_remainder=False,
    ids=None,
) -> tf.data.Dataset:
    """Batches of arrays in memory, in the same form as `dataset`.

    Parameters
    ----------
    images : dict of str to array (N, H, W, C) float32
        One per group.
    values : array (N, P) or (N, planes, H, W, C) float32
        Targets, or images.
    batch_size : int
        Objects per batch.
    shuffle_seed : int or None
        None keeps the order.
    epoch : int
        Which order of this seed.
    repeat : bool
        Endless: epoch after epoch, each in its own order.
    drop_remainder : bool
        Leave out a last batch that is not full.
    ids : sequence of str or None
        Yield them too.

    Returns
    -------
    tf.data.Dataset
        As from `dataset`.

    Raises
    ------
    DatasetSpecError
        If the arrays differ in length or have the wrong number of axes.
    """
    images = {name: np.asarray(array, np.float32) for name, array in images.items()}
    values = np.asarray(values, np.float32)
    lengths = {len(array) for array in images.values()} | {len(values)}
    lengths |= set() if ids is None else {len(ids)}
    if len(lengths) != 1 or values.ndim not in (2, 5) or any(a.ndim != 4 for a in images.values()):
        shapes = {name: array.shape for name, array in images.items()}
        raise DatasetSpecError(
            f"Images must be (N, H, W, C) and targets (N, P), or planes (N, planes, H, W, C), all "
            f"with the same N. Received: "
            f"{shapes}, {values.shape}" + ("." if ids is None else f", {len(ids)} ids.")
        )
    count = lengths.pop()
    if count == 0:
        raise DatasetSpecError("There is no object to make batches of.")
    with tf.device("cpu"):  # a whole data set rarely fits on an accelerator
        stored = {name: tf.constant(array) for name, array in images.items()}
        tensors = (stored, tf.constant(values))
        tensors += () if ids is None else (tf.constant([str(name) for name in ids]),)

    def one_epoch(number):
        order = tf.range(count)
        if shuffle_seed is not None:
            order = _permute(order, shuffle_seed, number)
        rows = tf.data.Dataset.from_tensor_slices(order)
        rows = rows.batch(batch_size, drop_remainder=drop_remainder)
        return rows.map(lambda row: tf.nest.map_structure(lambda t: tf.gather(t, row), tensors))

    shapes = {name: array.shape[1:] for name, array in images.items()}
    return _finish(
        one_epoch,
        epoch,
        repeat,
        _batches(count, batch_size, drop_remainder),
        _spec(shapes, values.shape[1:], ids is not None),
    )


def load_arrays(folder, *, targets, split=None, fold=None, folds=None, split_by="id", planes=()):
    """A data set, or a part of it, as arrays in memory.

    Parameters
    ----------
    folder : path-like
        What `write_shards` wrote.
    targets : sequence of str
        Numeric truth columns.
    split : {None, "train", "validation", "test"}
        Part of the data set.
    fold, folds : int, "all" or None
        Cross-validation within what is not test (`lensfinder.data.splits.select`).
    split_by : str
        Truth column whose values are split.
    planes : sequence of str
        Stored planes instead of targets.

    Returns
    -------
    images : dict of str to array (N, H, W, C) float32
        One per group, in the order of the shards.
    values : array (N, P) or (N, planes, H, W, C) float32
        Targets, or planes.
    ids : list of str
        Names of the objects.

    Raises
    ------
    ShardError, UnknownNameError, DatasetSpecError
        As in `dataset`.
    """
    part = {"split": split, "fold": fold, "folds": folds, "split_by": split_by}
    how = {"batch_size": 256, "with_ids": True, "planes": planes}
    batches = dataset(folder, targets=targets, **how, **part)
    pieces = list(batches.as_numpy_iterator())
    images = {name: np.concatenate([piece[0][name] for piece in pieces]) for name in pieces[0][0]}
    values = np.concatenate([piece[1] for piece in pieces])
    return images, values, [name.decode("utf-8") for piece in pieces for name in piece[2]]


def expect(data: tf.data.Dataset, spec) -> tf.data.Dataset:
    """The same data set, if it yields what its consumer needs.

    Parameters
    ----------
    data : tf.data.Dataset
        Any pipeline.
    spec : nested structure of tf.TensorSpec
        What its elements must be.

    Returns
    -------
    tf.data.Dataset
        `data`.

    Raises
    ------
    DatasetSpecError
        If they are not.
    """
    try:
        tf.nest.assert_same_structure(spec, data.element_spec)
    except (ValueError, TypeError) as error:
        raise DatasetSpecError(
            f"The pipeline must yield {spec}. Received: {data.element_spec}."
        ) from error
    for want, got in zip(tf.nest.flatten(spec), tf.nest.flatten(data.element_spec)):
        if not want.is_compatible_with(got):
            raise DatasetSpecError(f"The pipeline must yield {want}. Received: {got}.")
    return data


# --- the steps ------------------------------------------------------------------------------------
def _selection(folder, manifest, split, fold, folds, split_by) -> np.ndarray:
    if split is None and fold is None and folds is None:
        return np.ones(manifest.rows, bool)
    names = split_names(read_truth(folder, manifest), split_by)
    mask = select(names, split=split, fold=fold, folds=folds)
    if not mask.any():
        raise DatasetSpecError(
            f"None of the {manifest.rows} objects is in split={split!r}, fold={fold}."
        )
    return mask


def _records(folder, manifest: Manifest, mask, shuffle_seed):
    """A function from the epoch to a data set of serialised records."""
    names = tf.constant([str(folder / shard.name) for shard in manifest.shards])
    starts = np.concatenate([[0], np.cumsum([shard.rows for shard in manifest.shards])])
    starts, keep, everything = tf.constant(starts), tf.constant(mask), bool(mask.all())

    def shard(number):
        records = tf.data.TFRecordDataset(names[number], buffer_size=1 << 22)
        if everything:
            return records
        kept = tf.data.Dataset.from_tensor_slices(keep[starts[number] : starts[number + 1]])
        chosen = tf.data.Dataset.zip((records, kept)).filter(lambda _, kept: kept)
        return chosen.map(lambda record, _: record)

    size = max(shard.bytes / shard.rows for shard in manifest.shards)
    window = int(np.clip(SHUFFLE_BYTES / size, 64, 8192))

    def epoch(number):
        order = tf.range(len(manifest.shards))
        if shuffle_seed is None:
            return tf.data.Dataset.from_tensor_slices(order).flat_map(shard)
        order = tf.data.Dataset.from_tensor_slices(_permute(order, shuffle_seed, number))
        records = order.interleave(
            shard,
            cycle_length=min(_OPEN_SHARDS, len(manifest.shards)),
            block_length=8,
        )
        windows = records.batch(window).enumerate(start=1)
        windows = windows.map(lambda k, rows: _permute(rows, shuffle_seed, number, k))
        return windows.unbatch()

    return epoch


def _permute(values, seed, epoch, block=0):
    """Permute the first axis; a pure function of the three numbers, on any device."""
    state = tf.random.fold_in([seed, 0], epoch, alg="philox")
    state = tf.random.fold_in(state, block, alg="philox")
    rows = tf.random.experimental.stateless_shuffle(
        tf.range(tf.shape(values)[0]), seed=state, alg="philox"
    )
    return tf.gather(values, rows)


def _parser(manifest: Manifest, targets, with_ids, planes=()):
    for name in targets:
        if name not in manifest.numbers:
            raise UnknownNameError("numeric truth column", name, manifest.numbers)
    columns = np.array([manifest.numbers.index(name) for name in targets], np.int32)
    features = {
        "truth": tf.io.FixedLenFeature([len(manifest.numbers)], tf.float32),
        **{f"image/{name}": tf.io.FixedLenFeature([], tf.string) for name in manifest.groups},
    }
    names = [f"plane/{plane}/{name}" for plane in planes for name in manifest.groups]
    features |= {name: tf.io.FixedLenFeature([], tf.string) for name in names}
    if with_ids:
        features["id"] = tf.io.FixedLenFeature([], tf.string)
    stored = tf.dtypes.as_dtype(manifest.dtype)

    def parse(records):
        read = tf.io.parse_example(records, features)

        def pixels(feature, shape):
            numbers = tf.io.decode_raw(read[feature], stored, little_endian=True)
            return tf.cast(tf.reshape(numbers, (-1, *shape)), tf.float32)

        images = {
            name: pixels(f"image/{name}", group.shape) for name, group in manifest.groups.items()
        }
        if planes:
            (shape,) = (group.shape for group in manifest.groups.values())
            values = tf.stack([pixels(name, shape) for name in names], axis=1)
        else:
            values = tf.gather(read["truth"], columns, axis=1)
        return (images, values, read["id"]) if with_ids else (images, values)

    return parse


def _batches(count, batch_size, drop_remainder) -> int:
    if batch_size < 1:
        raise DatasetSpecError(f"batch_size must be positive. Received: {batch_size}.")
    return count // batch_size if drop_remainder else -(-count // batch_size)


def _spec(shapes, truth, with_ids):
    spec = (
        {name: tf.TensorSpec((None, *shape), tf.float32) for name, shape in shapes.items()},
        tf.TensorSpec((None, *truth), tf.float32),
    )
    return (*spec, tf.TensorSpec((None,), tf.string)) if with_ids else spec


def _finish(one_epoch, epoch, repeat, batches, spec) -> tf.data.Dataset:
    if repeat:
        epochs = tf.data.Dataset.counter(start=epoch)
        data = epochs.flat_map(one_epoch)
        length = tf.data.INFINITE_CARDINALITY
    else:
        data, length = one_epoch(tf.constant(epoch, tf.int64)), batches
    data = data.apply(tf.data.experimental.assert_cardinality(length))
    options = tf.data.Options()
    options.deterministic = True
    return expect(data.prefetch(2).with_options(options), spec)
