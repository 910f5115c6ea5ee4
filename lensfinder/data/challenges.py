"""The public lens-finding challenges as data sets: images, catalogues and what counts as a lens.

What stands in a document: bands and sizes of all three; that the ground-based images of the first
have masked regions, and that its entries are scores from 0 to 1 (Metcalf et al. 2019, sections 2
and 3); bands, sizes, scales and the three criteria of the second (Bom et al. 2022, section 2);
lines of cutout number and score, comma-separated (the page of the first two). What readers and
entries that participants published agree on: pixel scales of the first, that masked pixels hold
100, folders, file names and column names, and all of the LSST challenge. What is assumed is said
in the layouts (``data_specs/layouts/lens-challenge-*.yaml``): above all, nobody states the unit of
the pixels.
"""

import csv
import io
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table

from lensfinder.data.cutout import Cutout
from lensfinder.data.guard import DEFAULT_LIMITS, ReadLimits, read_bytes
from lensfinder.data.readers import read_cutouts
from lensfinder.errors import DataFormatError, UnknownNameError


@dataclass(frozen=True)
class Challenge:
    """One challenge.

    Attributes
    ----------
    name : str
        What it is called here; also the name of its layout.
    survey : str
        The survey of ours with the same bands; its stamps may be smaller (then resample).
    label : callable or None
        Labels from the columns of its catalogue; None where names say what an object is.
    columns : tuple of str
        Columns that the catalogue must have.
    binary : bool
        Whether a submission holds decisions (0 or 1) rather than scores.
    """

    name: str
    survey: str
    label: Callable | None
    columns: tuple[str, ...] = ()
    binary: bool = False


def _as_given(columns):
    return np.asarray(columns["is_lens"]) > 0


def _three_criteria(columns):
    """Bom et al. 2022, section 2.2; a blank is not a lens, because NaN is larger than nothing."""
    groups, magnification = np.asarray(columns["n_source_im"]), np.asarray(columns["mag_eff"])
    return (groups > 0) & (magnification > 1.6) & (np.asarray(columns["n_pix_source"]) > 20)


CHALLENGES = {
    challenge.name: challenge
    for challenge in (
        Challenge("lens-challenge-1-space", "euclid-vis", _as_given, ("is_lens",)),
        Challenge("lens-challenge-1-ground", "kids-ugri", _as_given, ("is_lens",)),
        Challenge(
            "lens-challenge-2",
            "euclid-vis-nisp",
            _three_criteria,
            ("n_source_im", "mag_eff", "n_pix_source"),
        ),
        Challenge("lens-challenge-lsst", "lsst-grizy", None, binary=True),
    )
}
_LSST_ID = re.compile(r"D\d_(?P<kind>[LN])_?\d+")
# searched, so the leftmost match wins: "non_lenses" is one word and never "lenses" behind "non_"
_LSST_FOLDER = re.compile(r"(?:^|[-_ ])(?P<non>non[-_ ]*)?lenses$", re.IGNORECASE)


def challenge_names() -> tuple[str, ...]:
    """Names of the challenges.

    Returns
    -------
    tuple of str
        Names that `load_challenge` takes.
    """
    return tuple(CHALLENGES)


def load_challenge(name) -> Challenge:
    """A challenge by its name.

    Parameters
    ----------
    name : str or Challenge
        One of `challenge_names`.

    Returns
    -------
    Challenge
        The challenge.

    Raises
    ------
    UnknownNameError
        If there is none of this name.
    """
    if isinstance(name, Challenge):
        return name
    if name not in CHALLENGES:
        raise UnknownNameError("challenge", str(name), CHALLENGES)
    return CHALLENGES[name]


def read_catalogue(challenge, path, *, limits: ReadLimits = DEFAULT_LIMITS) -> Table:
    """Read the catalogue of a challenge: comma-separated, with a header and ``#`` comments.

    Parameters
    ----------
    challenge : str or Challenge
        Which one.
    path : path-like
        The file, e.g. ``image_catalog2.0train.csv``; gzip is seen through.
    limits : ReadLimits
        Caps on what is read.

    Returns
    -------
    astropy.table.Table
        ``id`` (text), ``label`` (0 or 1), and every other column as float64, blanks NaN.

    Raises
    ------
    UnknownNameError
        If there is no such challenge.
    DataFormatError
        If the file is not such a catalogue, lacks a column, or has an id twice.
    """
    challenge, path = load_challenge(challenge), Path(path)
    if challenge.label is None:
        raise DataFormatError(
            f"{challenge.name} has no catalogue: the names of its files say what they are. "
            "Leave it out."
        )
    try:
        text = read_bytes(path, limits).decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text)) if row and not _is_comment(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataFormatError(f"{path.name} is not comma-separated text ({error}).") from error
    if not rows:
        raise DataFormatError(f"{path.name} holds no line. Check the path.")
    names, cells = [name.strip() for name in rows[0]], rows[1:]
    _check_columns(names, challenge, path)
    numbers = _numbers(cells, len(names), path)
    ids = _ids(numbers[:, names.index("ID")], path)
    table = Table({"id": ids})
    columns = {n: numbers[:, i] for i, n in enumerate(names) if n and n != "ID"}
    table["label"] = np.asarray(challenge.label(columns), np.int64)
    for name, values in columns.items():
        table[name] = values
    return table


def _is_comment(row):
    return row[0].lstrip().startswith("#") or not any(cell.strip() for cell in row)


def _check_columns(names, challenge, path):
    missing = [name for name in ("ID", *challenge.columns) if name not in names]
    if missing:
        raise DataFormatError(
            f"{path.name} has no column {', '.join(missing)}, which {challenge.name} needs. "
            f"Received: {', '.join(names)[:300]}.",
            missing=missing,
        )
    known = [name for name in names if name]
    clash = {name for name in known if known.count(name) > 1} | ({"id", "label"} & set(known))
    if clash:
        raise DataFormatError(f"{path.name} must name each column once. Received: {clash}.")


def _numbers(cells, width, path):
    numbers = np.full((len(cells), width), math.nan)
    for row, line in enumerate(cells):
        if len(line) != width:
            raise DataFormatError(
                f"Row {row + 1} of {path.name} has {len(line)} columns instead of {width}."
            )
        try:
            numbers[row] = [float(cell) if cell.strip() else math.nan for cell in line]
        except ValueError as error:
            raise DataFormatError(f"Row {row + 1} of {path.name}: {error}.") from None
    return numbers


def _ids(numbers, path):
    whole = np.isfinite(numbers) & (numbers == np.floor(numbers)) & (numbers >= 0)
    if not whole.all():
        raise DataFormatError(f"Column ID of {path.name} must hold whole numbers.")
    ids = [str(int(number)) for number in numbers]
    if len(set(ids)) < len(ids):
        raise DataFormatError(f"Column ID of {path.name} holds a number twice.")
    return ids


def read_challenge(
    challenge, paths, *, catalogue=None, limits: ReadLimits = DEFAULT_LIMITS
) -> Iterator[Cutout]:
    """Read the objects of a challenge, with what is known about them.

    Parameters
    ----------
    challenge : str or Challenge
        Which one.
    paths : path-like or sequence of path-like
        Its folders or files, as they come out of the archive.
    catalogue : path-like, Table or None
        Its catalogue; None for a test set.
    limits : ReadLimits
        Caps on what is read.

    Returns
    -------
    iterator of Cutout
        One per object; ``meta["truth"]`` is a dictionary with ``label`` and the numbers of the
        catalogue, or None where nothing is known. A file that cannot be read gives a status.

    Raises
    ------
    UnknownNameError
        At once, if there is no such challenge.
    DataFormatError
        At once, if the catalogue is not one, or no file of the challenge is there.
    """
    challenge = load_challenge(challenge)
    known = {}
    if catalogue is not None:
        if not isinstance(catalogue, Table):
            catalogue = read_catalogue(challenge, catalogue, limits=limits)
        names = [name for name in catalogue.colnames if name != "id"]
        known = {row["id"]: {name: row[name].item() for name in names} for row in catalogue}
    cutouts = read_cutouts(paths, layout=challenge.name, limits=limits)
    return _with_truth(cutouts, challenge, known)


def _with_truth(cutouts, challenge, known):
    for cutout in cutouts:
        truth = known.get(cutout.id)
        if challenge.label is None:
            label = label_of_name(cutout.id, cutout.path)
            truth = None if label is None else {"label": label}
        cutout.meta["truth"] = truth
        yield cutout


def label_of_name(name: str, path=None) -> int | None:
    """What an object of the LSST challenge is, by its name, or else by its folder.

    Folders say it whose names end in ``lenses`` or ``nonlenses`` (also ``non-lenses``), as a word
    of its own: ``slsim_lenses``, ``hsc_nonlenses``. Any other folder says nothing, whatever it has
    of a lens in its name: a guess would be a wrong label to train on.

    Parameters
    ----------
    name : str
        E.g. ``"D1_L_00012345"`` (lens) or ``"D2_N_00000001"`` (none).
    path : path-like or None
        File that it was read from; None leaves the folder aside.

    Returns
    -------
    int or None
        1, 0, or None where neither says.
    """
    found = _LSST_ID.fullmatch(name)
    if found is not None:
        return int(found["kind"] == "L")
    folder = None if path is None else _LSST_FOLDER.search(Path(path).absolute().parent.name)
    return None if folder is None else int(folder["non"] is None)
