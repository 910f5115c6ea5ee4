"""Images with labels: what a network says beside what people, or a simulation, say of them."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
from astropy.table import Table

from lensfinder.errors import STATUS, ArgumentError, DataFormatError
from lensfinder.predict.fitting import Fitting
from lensfinder.predict.images import are_paths, batches, cutouts_of
from lensfinder.tables import COLUMNS, read_csv, read_table
from lensfinder.training.evaluation import Scored


def read_labels(path, *, required) -> Table:
    """A table of labels: one row per object, with the columns ``id`` and others of the registry.

    Parameters
    ----------
    path : str or path-like
        ``.csv`` with a header line, or ``.ecsv``, ``.fits``, ``.parquet``.
    required : sequence of str
        Of these at least one column must be there, such as ``label``.

    Returns
    -------
    astropy.table.Table
        ``id`` as text, and the known columns; others are left out.

    Raises
    ------
    DataFormatError
        If the file is missing or cannot be read, a column is missing, an id stands twice, or a
        label is neither 0 nor 1.
    """
    path = Path(path)
    if not path.is_file():
        raise DataFormatError(f"{path} is not a file. Give a table with the columns id and label.")
    if path.suffix.lower() == ".csv":
        table = read_csv(path)
    else:
        table = read_table(path)
    known = [name for name in required if name in table.colnames]
    if "id" not in table.colnames or not known:
        raise DataFormatError(
            f"{path.name} needs the column id and one of {', '.join(required)}. "
            f"Received: {', '.join(table.colnames)}."
        )
    table = table[[name for name in table.colnames if name in COLUMNS]]
    if table.has_masked_values:
        raise DataFormatError(f"{path.name} has empty cells. Fill them, or drop their rows.")
    table["id"] = np.asarray(table["id"]).astype(str)
    twice = [name for name, count in Counter(table["id"].tolist()).items() if count > 1]
    if twice:
        raise DataFormatError(f"{path.name} has the id {twice[0]!r} twice. Give each id one row.")
    if "label" in table.colnames and not np.isin(table["label"], (0, 1)).all():
        raise DataFormatError(f"{path.name}: labels must be 0 or 1. Drop rows without a label.")
    return table


def score_labelled(network, images, labels: Table, *, layout=None, resample=False, fitting=None):
    """Answers of a network about labelled images.

    Parameters
    ----------
    network : Network
        What answers.
    images : path, sequence of paths, iterable of Cutout, or dict of str to array (N, H, W, bands)
        As in `lensfinder.find`; arrays are named by their numbers.
    labels : astropy.table.Table
        From `read_labels`. An image without a row is not measured on.
    layout : str, path or None
        Layout of the files.
    resample : bool
        Whether images of another pixel scale are resampled.
    fitting : Fitting or None
        What else is done to make images fit.

    Returns
    -------
    Scored
        One row per labelled image, in the order of the images, with a column ``status``; answers
        are NaN where it is not ``ok``. Its data counts the images without a label, and the labels
        without an image.

    Raises
    ------
    ArgumentError
        If no image has a label.
    """
    fitting = fitting or Fitting()
    bands = fitting.bands_of(network.contract)
    source = cutouts_of(images, network.contract, layout=layout, bands=bands)
    row_of = {name: row for row, name in enumerate(labels["id"].tolist())}
    rows, outputs, status, unlabelled, example = [], [], [], 0, None
    for chunk in batches(source, network.batch_size):
        answers = network(chunk, resample=resample, fitting=fitting)
        for i, cutout in enumerate(chunk):
            row = row_of.get(cutout.id)
            if row is None:
                unlabelled, example = unlabelled + 1, cutout.id
                continue
            rows.append(row)
            outputs.append(answers.values[i])
            status.append(STATUS.decode(answers.status[i]))
    if not rows:
        raise ArgumentError(
            f"None of the {unlabelled} images has a row in the table of labels. An image's id is "
            f"{example!r} for instance, the table's first is {next(iter(row_of), None)!r}."
        )
    truth = labels[rows]
    truth["status"] = status
    data = {
        "images": _named(images),
        "n": int(sum(name == "ok" for name in status)),
        "status": dict(Counter(status)),
        "unlabelled_images": unlabelled,
        "labels_without_image": len(row_of) - len(set(rows)),
    }
    return Scored(truth, np.stack(outputs), data)


def _named(images) -> str:
    """What was given, without the folders of this machine."""
    if isinstance(images, (str, os.PathLike)):
        return Path(images).name
    if are_paths(images) and images:
        more = f" and {len(images) - 1} more" if len(images) > 1 else ""
        return Path(images[0]).name + more
    return type(images).__name__
