"""One object as a TFRecord: raw little-endian pixels per image, numbers of the truth as float32.

Features are ``id``, ``image/<group>``, ``plane/<name>/<group>`` and ``truth``.
"""

from collections.abc import Iterator

import numpy as np

from lensfinder.errors import DatasetSpecError
from lensfinder.paths import quiet_tensorflow


def numeric_columns(truth) -> tuple[str, ...]:
    """Names of the columns that records hold, in their order: all numbers and truth values.

    Parameters
    ----------
    truth : astropy.table.Table
        A truth table.

    Returns
    -------
    tuple of str
        Names.
    """
    return tuple(name for name in truth.colnames if truth[name].dtype.kind in "biuf")


def describe(batch):
    """Shapes per group and planes per group of a batch, after checking that it is consistent.

    Parameters
    ----------
    batch : Mocks
        See `lensfinder.data.shards.write_shards`.

    Returns
    -------
    shapes : dict of str to tuple of int
        Shape of one object's image per group.
    planes : dict of str to tuple of str
        Groups that each further plane has.

    Raises
    ------
    DatasetSpecError
        If images, planes and truth do not go together.
    """
    shapes = {name: tuple(np.shape(array)[1:]) for name, array in batch.images.items()}
    planes = getattr(batch, "planes", None) or {}
    for plane, groups in planes.items():
        for name, array in groups.items():
            if tuple(np.shape(array)[1:]) != shapes.get(name):
                raise DatasetSpecError(f"Plane {plane} of group {name!r} has another shape.")
    if "id" not in batch.truth.colnames:
        raise DatasetSpecError("The truth table needs a column `id`.")
    lengths = {len(batch.truth)} | {len(array) for array in batch.images.values()}
    if len(lengths) > 1:
        raise DatasetSpecError(f"Images and truth must have the same rows. Received: {lengths}.")
    wide = [name for name in batch.truth.colnames if batch.truth[name].ndim > 1]
    if wide:
        raise DatasetSpecError(f"Truth columns must be one value per row; these are not: {wide}.")
    return shapes, {plane: tuple(groups) for plane, groups in planes.items()}


def encode(batch, dtype) -> Iterator[bytes]:
    """Serialised records of a batch, one per object; the same object gives the same bytes.

    Parameters
    ----------
    batch : Mocks
        A batch that passed `describe`.
    dtype : {"float32", "float16"}
        How pixels are stored.

    Yields
    ------
    bytes
        A serialised ``tf.train.Example``.
    """
    quiet_tensorflow()
    import tensorflow as tf

    pixels = {f"image/{name}": array for name, array in batch.images.items()}
    for plane, groups in (getattr(batch, "planes", None) or {}).items():
        pixels.update({f"plane/{plane}/{name}": array for name, array in groups.items()})
    stored = np.dtype(dtype).newbyteorder("<")
    pixels = {name: np.ascontiguousarray(array, stored) for name, array in pixels.items()}
    names = numeric_columns(batch.truth)
    numbers = np.stack([np.asarray(batch.truth[name], np.float32) for name in names], axis=1)
    for row, identity in enumerate(batch.truth["id"]):
        feature = {
            name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[array[row].tobytes()]))
            for name, array in pixels.items()
        }
        encoded = str(identity).encode("utf-8")
        feature["id"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded]))
        feature["truth"] = tf.train.Feature(float_list=tf.train.FloatList(value=numbers[row]))
        example = tf.train.Example(features=tf.train.Features(feature=feature))
        yield example.SerializeToString(deterministic=True)  # features in the order of their names
