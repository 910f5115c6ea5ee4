"""The epoch at which the mean validation curve of several folds is lowest (Schuldt et al. 2021).

Section 3 there: "the epoch with the minimum average validation loss across the multiple runs". The
network to publish is then trained on all folds up to that epoch, so every object is used, and no
single split decides when to stop.
"""

import numpy as np
from astropy.table import Table

from lensfinder.errors import MetricError


def mean_validation_curve(histories) -> Table:
    """Validation loss of every fold and their mean, epoch by epoch.

    Parameters
    ----------
    histories : list of list of dict
        One history of `train` per fold, each entry with its ``val_loss``; equally long.

    Returns
    -------
    astropy.table.Table
        Columns ``epoch`` (from 1), ``fold_00``, ``fold_01``, ... and ``mean``.

    Raises
    ------
    MetricError
        If there is no epoch, or the folds have different numbers of them.
    """
    lengths = [len(history) for history in histories]
    if not lengths or len(set(lengths)) > 1 or not lengths[0]:
        raise MetricError(
            f"The mean curve needs folds of the same number of epochs. Received: {lengths} epochs. "
            "Train all of them to the end, without patience."
        )
    losses = np.array([[entry["val_loss"] for entry in history] for history in histories])
    table = Table({"epoch": np.arange(1, lengths[0] + 1)})
    for fold, curve in enumerate(losses):
        table[f"fold_{fold:02d}"] = curve
    table["mean"] = losses.mean(axis=0)
    return table


def best_epoch(curve: Table) -> int:
    """The epoch of the lowest mean validation loss.

    Parameters
    ----------
    curve : astropy.table.Table
        From `mean_validation_curve`.

    Returns
    -------
    int
        Counted from 1; the first of equals.
    """
    return int(curve["epoch"][int(np.argmin(curve["mean"]))])
