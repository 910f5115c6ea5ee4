"""Images in any form a user has, as a stream of cutouts."""

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from lensfinder.data import Cutout, read_cutouts
from lensfinder.errors import ArgumentError


def cutouts_of(images, contract, *, ids=None, layout=None, bands=None) -> Iterator[Cutout]:
    """Cutouts from whatever a user has.

    Parameters
    ----------
    images : path, sequence of paths, iterable of Cutout, or dict of str to array (N, H, W, bands)
        Files, folders and globs are read with `lensfinder.data.read_cutouts`. Arrays are taken to
        be what the contract asks for: same bands, pixel scale and unit.
    contract : InputContract
        What the network needs.
    ids : sequence of str or None
        Names for arrays; their numbers by default.
    layout : str, path or None
        Layout of the files, see `lensfinder.data.load_layout`.
    bands : sequence of str or None
        Names for bands of files that do not name them, in axis order.

    Returns
    -------
    iterator of Cutout
        One per object, in order.

    Raises
    ------
    ArgumentError
        If the images are of another kind, or ids do not go with them.
    InputContractError
        If arrays do not fit the contract.
    """
    if isinstance(images, Mapping):
        return _from_arrays(images, contract, ids)
    if ids is not None:
        raise ArgumentError("`ids` names the rows of arrays; files and cutouts have names already.")
    if isinstance(images, (str, os.PathLike)) or are_paths(images):
        return read_cutouts(images, layout=layout, bands=bands)
    if isinstance(images, Iterable) and not isinstance(images, np.ndarray):
        return _checked(images)
    raise ArgumentError(
        "Images must be paths, cutouts, or a dictionary {group: array}. "
        f"Received: {type(images).__name__}."
    )


def are_paths(images) -> bool:
    """Whether images were given as a list of paths.

    Parameters
    ----------
    images : object
        What the user gave.

    Returns
    -------
    bool
        True for a list or tuple of paths only.
    """
    return isinstance(images, (list, tuple)) and all(
        isinstance(item, (str, os.PathLike)) for item in images
    )


def _checked(cutouts):
    for cutout in cutouts:
        if not isinstance(cutout, Cutout):
            raise ArgumentError(
                f"An iterable of images must hold Cutouts. Received: {type(cutout).__name__}."
            )
        yield cutout


def _from_arrays(images, contract, ids):
    contract.check(images)
    count = len(next(iter(images.values())))
    ids = [str(i) for i in range(count)] if ids is None else [str(name) for name in ids]
    if len(ids) != count:
        raise ArgumentError(f"There are {count} images and {len(ids)} ids. Give one id per image.")
    where = [(band, group, i) for group in contract.groups for i, band in enumerate(group.bands)]
    scales = {band: group.pixel_scale for band, group, _ in where}
    units = {band: contract.unit for band, _, _ in where}

    def generate():
        for row, name in enumerate(ids):
            bands = {
                band: np.asarray(images[group.name][row, :, :, i], np.float32)
                for band, group, i in where
            }
            yield Cutout(id=name, bands=bands, pixel_scales=dict(scales), units=dict(units))

    return generate()


def batches(cutouts: Iterable[Cutout], size: int) -> Iterator[list[Cutout]]:
    """Lists of at most `size` cutouts.

    Parameters
    ----------
    cutouts : iterable of Cutout
        The objects.
    size : int
        Largest length of a list.

    Yields
    ------
    list of Cutout
        The next ones; never an empty list.
    """
    iterator = iter(cutouts)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk
