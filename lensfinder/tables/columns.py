"""The registry of columns: name, unit and meaning, in truth and prediction tables alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.table import Table

from lensfinder.errors import UnknownNameError

MESSAGE_LENGTH = 200  # characters; numpy strings are as wide as the widest, for every row


@dataclass(frozen=True)
class ColumnSpec:
    """What a column means, wherever it stands.

    Attributes
    ----------
    unit : str
        Unit as astropy writes it; empty for plain numbers and for text.
    words : str
        Description.
    form : str
        How the numbers are printed in text files; empty for full precision.
    """

    unit: str
    words: str
    form: str = ""


COLUMNS: dict[str, ColumnSpec] = {
    "id": ColumnSpec("", "name of the object, as given"),
    "status": ColumnSpec("", "ok, or the names of what is wrong with the images"),
    "message": ColumnSpec("", "what is wrong, in words"),
    "p_lens": ColumnSpec("", "probability that the object is a strong lens", ".9g"),
    "rank": ColumnSpec("", "1 for the highest p_lens; 0 for rows without a score"),
    "model_status": ColumnSpec("", "status of the modelling step; empty where it was not asked"),
    "theta_E": ColumnSpec("arcsec", "Einstein radius on the intermediate axis", ".9g"),
    "e1": ColumnSpec("", "ellipticity, (1-q^2)/(1+q^2) cos 2 phi", ".9g"),
    "e2": ColumnSpec("", "ellipticity, (1-q^2)/(1+q^2) sin 2 phi", ".9g"),
    "q": ColumnSpec("", "axis ratio of the mass, minor over major", ".9g"),
    "phi": ColumnSpec("rad", "position angle of the major axis, from +x towards +y", ".9g"),
    "x_lens": ColumnSpec("arcsec", "lens centre from the stamp centre, along +x", ".9g"),
    "y_lens": ColumnSpec("arcsec", "lens centre from the stamp centre, along +y", ".9g"),
    "gamma1": ColumnSpec("", "external shear, first component", ".9g"),
    "gamma2": ColumnSpec("", "external shear, second component", ".9g"),
    "x_src": ColumnSpec("arcsec", "source centre from the stamp centre, along +x", ".9g"),
    "y_src": ColumnSpec("arcsec", "source centre from the stamp centre, along +y", ".9g"),
    "magnification": ColumnSpec("", "total magnification of the source", ".9g"),
    "n_images": ColumnSpec("", "number of lensed images"),
    "snr": ColumnSpec("", "signal to noise of the lensed source", ".9g"),
    "n_pix": ColumnSpec("", "pixels of the lensed source above the noise"),
    "z_lens": ColumnSpec("", "redshift of the lens", ".9g"),
    "z_src": ColumnSpec("", "redshift of the source", ".9g"),
    "sigma_v": ColumnSpec("km / s", "velocity dispersion of the lens", ".9g"),
    "label": ColumnSpec("", "1 for a lens, 0 for a non-lens"),
}

UNCERTAINTIES: dict[str, str] = {
    "_std": "standard deviation of the prediction",
    "_p16": "16th percentile of the prediction",
    "_p50": "median of the prediction",
    "_p84": "84th percentile of the prediction",
}


def column_spec(name: str) -> ColumnSpec:
    """What a column means.

    Parameters
    ----------
    name : str
        A column of the registry, or one with an uncertainty's ending (``theta_E_std``).

    Returns
    -------
    ColumnSpec
        Unit, description and print format.

    Raises
    ------
    UnknownNameError
        If the registry has no such column.
    """
    if name in COLUMNS:
        return COLUMNS[name]
    for ending, words in UNCERTAINTIES.items():
        base = COLUMNS.get(name.removesuffix(ending))
        if name.endswith(ending) and base is not None:
            return ColumnSpec(base.unit, f"{words}: {base.words}", base.form)
    raise UnknownNameError("column", name, COLUMNS)


def build_table(columns: Mapping[str, Sequence], meta: Mapping | None = None) -> Table:
    """A table whose columns carry the units and descriptions of the registry.

    Parameters
    ----------
    columns : mapping of str to sequence of length N
        Values, in the order in which the columns shall stand.
    meta : mapping or None
        Metadata, of plain values only (numbers, text, lists, dictionaries).

    Returns
    -------
    astropy.table.Table
        The table.

    Raises
    ------
    UnknownNameError
        If a column is not in the registry.
    """
    table = Table(meta=dict(meta or {}))
    for name, values in columns.items():
        spec = column_spec(name)
        array = np.asarray(values)
        if array.size == 0 and name in ("id", "status", "message", "model_status"):
            array = array.astype("U1")  # an empty list has no type of its own
        table[name] = array
        table[name].description = spec.words
        if spec.unit:
            table[name].unit = u.Unit(spec.unit)
    return table


def clean_message(message: str) -> str:
    """One line of printable text, short enough for a table.

    Parameters
    ----------
    message : str
        Any text, for example of an exception.

    Returns
    -------
    str
        The text without line breaks and control characters, at most 200 characters.
    """
    text = " ".join("".join(c if c.isprintable() else " " for c in str(message)).split())
    return text if len(text) <= MESSAGE_LENGTH else text[: MESSAGE_LENGTH - 1] + "…"


def name_known(name: str) -> bool:
    """Whether the registry knows a column, with or without an uncertainty's ending.

    Parameters
    ----------
    name : str
        Name of a column.

    Returns
    -------
    bool
        True if `column_spec` would answer.
    """
    return name in COLUMNS or any(
        name.endswith(ending) and name.removesuffix(ending) in COLUMNS for ending in UNCERTAINTIES
    )
