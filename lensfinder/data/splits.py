"""Which part of a data set an object belongs to: a function of its id, and of nothing else.

Adding objects, or reading them in another order, never moves one from training to test. Objects
that share what a network could recognise, such as the galaxy they are painted on, are split by the
name of what they share instead (`split_names`).
"""

import hashlib

import numpy as np

from lensfinder.errors import DatasetSpecError, UnknownNameError

SPLITS = ("train", "validation", "test")
ALL = "all"  # instead of a fold: train on all of them
FRACTIONS = (0.8, 0.1, 0.1)


def split_of(ids, fractions=FRACTIONS) -> np.ndarray:
    """Split of each object.

    Parameters
    ----------
    ids : sequence of str
        Names of the objects.
    fractions : tuple of three floats
        Shares of training, validation and test; they sum to 1. Test is cut from the top of the hash
        range, so changing the validation share leaves the test set as it is.

    Returns
    -------
    array of str
        ``"train"``, ``"validation"`` or ``"test"`` per object.

    Raises
    ------
    DatasetSpecError
        If the fractions are negative or do not sum to 1.
    """
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-9:
        raise DatasetSpecError(
            f"Three fractions (train, validation, test) must sum to 1. Received: {fractions}."
        )
    place = _uniform(ids, b"split")
    train, _, test = fractions
    names = np.full(len(place), "validation", dtype="U10")
    names[place < train] = "train"
    names[place >= 1.0 - test] = "test"
    return names


def fold_of(ids, folds) -> np.ndarray:
    """Fold of each object, independent of its split.

    Parameters
    ----------
    ids : sequence of str
        Names of the objects.
    folds : int
        Number of folds, at least 2.

    Returns
    -------
    array of int
        0 to folds - 1 per object.

    Raises
    ------
    DatasetSpecError
        If there are fewer than 2 folds.
    """
    if folds < 2:
        raise DatasetSpecError(f"Cross-validation needs at least 2 folds. Received: {folds}.")
    return np.minimum((_uniform(ids, b"fold") * folds).astype(int), folds - 1)


def split_names(truth, column: str = "id") -> np.ndarray:
    """The names that decide which part of a data set each object belongs to.

    Parameters
    ----------
    truth : astropy.table.Table
        One row per object.
    column : str
        ``id``, or a column of names or integers whose objects stay together, such as the
        ``lens_id`` of painted mocks.

    Returns
    -------
    array of str (N,)
        For `split_of`, `fold_of` and `select`.

    Raises
    ------
    UnknownNameError
        If the truth has no such column.
    DatasetSpecError
        If it holds numbers that are measured rather than names.
    """
    if column not in truth.colnames:
        raise UnknownNameError("truth column", column, truth.colnames)
    values = np.asarray(truth[column])
    if values.dtype.kind not in "USOiu":
        raise DatasetSpecError(
            f"Objects are split by names or integers. Received: the column {column} of "
            f"{values.dtype}. Take id, or a name that objects share."
        )
    return values.astype("U")


def select(ids, *, split=None, fold=None, folds=None) -> np.ndarray:
    """Which objects take part.

    Parameters
    ----------
    ids : sequence of str
        Names of the objects.
    split : {None, "train", "validation", "test"}
        The part; None takes everything.
    fold : int, "all" or None
        With k folds, everything outside the test set is shared among them: validation is fold
        `fold`, training the rest. With "all" they are training and nothing is validation. Test
        does not change.
    folds : int or None
        The number of folds.

    Returns
    -------
    array of bool
        One per object.

    Raises
    ------
    UnknownNameError
        If the split has another name.
    DatasetSpecError
        If `fold` and `folds` do not fit each other, or are given without a split.
    """
    if split is not None and split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    if (fold is None) != (folds is None) or (folds is not None and split is None):
        raise DatasetSpecError("Give fold, folds and split together, or neither fold nor folds.")
    if split is None:
        return np.ones(len(ids), bool)
    part = split_of(ids)
    if folds is None or split == "test":
        return part == split
    if fold == ALL:
        return (part != "test") & (split == "train")
    if not 0 <= fold < folds:
        raise DatasetSpecError(f"With {folds} folds, fold is 0 to {folds - 1}. Received: {fold}.")
    held_out = fold_of(ids, folds) == fold
    return (part != "test") & (held_out if split == "validation" else ~held_out)


def _uniform(ids, salt) -> np.ndarray:
    """A number in [0, 1) per id, from the first 52 bits of its keyed BLAKE2 hash."""
    return np.array(
        [(int.from_bytes(_hash(str(name), salt), "big") >> 12) / float(1 << 52) for name in ids]
    )


def _hash(name, salt) -> bytes:
    return hashlib.blake2b(name.encode("utf-8"), digest_size=8, key=salt).digest()
