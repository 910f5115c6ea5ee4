"""The rows of a fit: what became of each image, and its columns in the table."""

from dataclasses import dataclass

import numpy as np

from lensfinder.inversion.lens_fit import LensFit
from lensfinder.inversion.mass import ISOTHERMAL
from lensfinder.inversion.priors import TABLE_NAMES

PARAMETERS = ("theta_E", "e1", "e2", "q", "phi", "x", "y", "gamma1", "gamma2")
SLOPE = "slope"  # has columns only where it is not 2 everywhere
ENDINGS = {"_std": "std", "_p16": "p16", "_p50": "p50", "_p84": "p84"}
NUMBERS = ("magnification", "log_evidence", "log_marginal", "reduced_chi2")


@dataclass(frozen=True, eq=False)
class Fitted:
    """One row of a running fit.

    Attributes
    ----------
    row : int
        Its number.
    id : str
        Its name.
    fit : LensFit or None
        None where there is none.
    status : str
        Names of the raised flags of `lensfinder.errors.FIT_STATUS`, or ``ok``.
    message : str
        What is wrong, in words.
    noise_from, psf_from : str
        Where noise and PSF came from; empty where the image could not be used.
    """

    row: int
    id: str
    fit: LensFit | None
    status: str
    message: str
    noise_from: str = ""
    psf_from: str = ""


def record(fitted: Fitted | None) -> dict:
    """The columns of one row.

    Parameters
    ----------
    fitted : Fitted or None
        What became of it; None for the names of the columns alone.

    Returns
    -------
    dict
        Values; NaN where there is no fit.
    """
    found = None if fitted is None else fitted.fit
    row = {"id": "" if fitted is None else fitted.id}
    nan = np.float64("nan")
    for name in (*PARAMETERS, SLOPE):
        column = TABLE_NAMES.get(name, name)
        row[column] = nan if found is None else found.best[name]
        for ending, field in ENDINGS.items():
            row[column + ending] = nan if found is None else getattr(found.parameters[name], field)
    row["magnification"] = nan if found is None else found.inversion.magnification
    for name in NUMBERS[1:]:
        row[name] = nan if found is None else getattr(found, name)
    row["n_pix"] = 0 if found is None else len(found.inversion.observation)
    row["evaluations"] = 0 if found is None else found.evaluations
    for name in ("noise_from", "psf_from", "status", "message"):
        row[name] = "" if fitted is None else getattr(fitted, name)
    return row


def without_slope(columns: dict) -> dict:
    """Columns of fits, without those of the slope if no row has another than 2, fitted or given.

    Parameters
    ----------
    columns : dict of str to sequence
        Among them ``slope`` and ``slope_std``.

    Returns
    -------
    dict
        The same columns, or all but the slope's.
    """
    slopes, errors = (np.asarray(columns[name], float) for name in (SLOPE, f"{SLOPE}_std"))
    fits = np.isfinite(slopes)
    if (slopes[fits] != ISOTHERMAL).any() or (errors[fits] > 0).any():
        return columns
    return {name: found for name, found in columns.items() if not name.startswith(SLOPE)}
