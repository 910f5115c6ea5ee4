"""Tables of lens parameters, ours or a user's, as checked arrays: what the equations take.

A table gives the shape as e1 and e2 or as q and phi, and may leave out the lens centre and the
shear, which are then zero; `Lenses.assumed` says so. Columns with a unit are converted, columns
without one are in the unit of the registry. A row that cannot be keeps its place and gets a status.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.table import Table

from lensfinder.errors import SYSTEM_STATUS, ArgumentError, DataFormatError, UnitError
from lensfinder.lensing.ellipticity import Ellipticity
from lensfinder.tables.columns import column_spec
from lensfinder.tables.files import read_csv, read_table
from lensfinder.tables.redshifts import one_for_all, redshifts_fit

CENTRE_AND_SHEAR = ("x_lens", "y_lens", "gamma1", "gamma2")
OPTIONAL = ("x_src", "y_src", "z_lens", "z_src", "slope")
MOST_OBSERVED = 6  # images of one source: x_obs, x_obs_2, ..., x_obs_6
_NONE = "nothing"  # unit of plain numbers, in messages


@dataclass(frozen=True)
class Lenses:
    """N lens systems, checked.

    Attributes
    ----------
    ids : numpy.ndarray of str, (N,)
        Their names.
    values : dict of str to numpy.ndarray (N,)
        ``theta_E, e1, e2, q, phi, x_lens, y_lens, gamma1, gamma2`` always; ``x_src, y_src``,
        ``z_lens, z_src`` and ``slope`` where they are given. Units of the registry.
    shape : tuple of str
        ``("e1", "e2")`` or ``("q", "phi")``: which of them the table gives.
    spread : dict of str to tuple of numpy.ndarray (N,)
        Per parameter with an uncertainty: its middle, and the widths of one sigma below and above.
    x_obs, y_obs : numpy.ndarray, (N, n)
        Observed images [arcsec]; NaN where there is none.
    date_obs : list of str
        When the first of them was seen; empty where the table does not say.
    bits : numpy.ndarray of int, (N,)
        What is wrong, bits of `lensfinder.errors.SYSTEM_STATUS`.
    assumed : tuple of str
        Parameters that the table lacks, taken as zero.
    fixed : tuple of str
        Redshifts that were given for all rows, without an error.
    named : bool
        Whether the table names its rows; if not, `ids` count them.
    """

    ids: np.ndarray
    values: dict
    shape: tuple
    spread: dict
    x_obs: np.ndarray
    y_obs: np.ndarray
    date_obs: list
    bits: np.ndarray
    assumed: tuple = field(default=())
    fixed: tuple = ()
    named: bool = True

    def __len__(self):
        return len(self.ids)

    def lens(self, rows=slice(None)) -> dict:
        """Arguments of the functions of `lensfinder.lensing`, for some rows.

        Parameters
        ----------
        rows : index
            Which rows.

        Returns
        -------
        dict of str to numpy.ndarray
            ``theta_E, q, phi, x0, y0, gamma1, gamma2``.
        """
        return lens_arguments({name: values[rows] for name, values in self.values.items()})


def lens_arguments(values) -> dict:
    """Columns of the registry as arguments of the functions of `lensfinder.lensing`.

    Parameters
    ----------
    values : mapping of str to array
        With ``x_lens, y_lens`` for the centre.

    Returns
    -------
    dict
        With ``x0, y0`` for the centre; nothing but the lens.
    """
    names = {"x0": "x_lens", "y0": "y_lens"}
    lens = ("theta_E", "q", "phi", "x0", "y0", "gamma1", "gamma2")
    return {name: values[names.get(name, name)] for name in lens}


def possible(values) -> dict[str, np.ndarray]:
    """Which lenses can be, per reason why one could not.

    Parameters
    ----------
    values : mapping of str to array
        ``theta_E, e1, e2, q, gamma1, gamma2``, and slopes and redshifts if there are any.

    Returns
    -------
    dict of str to array of bool
        By name of the flag of `SYSTEM_STATUS`; NaN counts as impossible.
    """
    with np.errstate(invalid="ignore"):
        checks = {
            "bad_theta_E": (values["theta_E"] > 0) & np.isfinite(values["theta_E"]),
            "bad_ellipticity": (values["q"] > 0)
            & (values["q"] <= 1)
            & (np.hypot(values["e1"], values["e2"]) < 1),
            "bad_shear": np.hypot(values["gamma1"], values["gamma2"]) < 1,
        }
        if "slope" in values:
            checks["bad_slope"] = (values["slope"] > 1) & (values["slope"] < 3)
        if "z_lens" in values and "z_src" in values:
            checks["bad_redshift"] = redshifts_fit(values["z_lens"], values["z_src"])
    return checks


def open_table(table) -> Table:
    """A table, from memory or from a file.

    Parameters
    ----------
    table : astropy.table.Table or path
        ECSV, FITS or Parquet as we write them; or CSV with a line of names, in our units.

    Returns
    -------
    astropy.table.Table
        The table.

    Raises
    ------
    DataFormatError
        If the file is absent or is not a table.
    """
    if isinstance(table, Table):
        return table
    path = Path(table)
    if not path.is_file():
        raise DataFormatError(f"There is no table {path}. Check the name of the file.")
    try:
        if path.suffix.lower() == ".csv":
            return read_csv(path)
        return read_table(path)
    except DataFormatError:
        raise
    except (ValueError, OSError, KeyError) as error:  # what astropy's readers raise on bad files
        raise DataFormatError(
            f"{path} cannot be read as a table: {error} Write it anew."
        ) from error


def read_lenses(table, *, z_lens=None, z_src=None, sigma=None, slopes=False) -> Lenses:
    """The lens systems of a table.

    Parameters
    ----------
    table : astropy.table.Table or path
        One row per system, as `lensfinder model` writes it, or a user's.
    z_lens, z_src : float or None
        Redshifts of every row, in place of the columns and of their errors.
    sigma : mapping of str to float, or None
        Standard deviation of parameters for which the table has no uncertainty.
    slopes : bool
        Whether lenses may have another slope than 2.

    Returns
    -------
    Lenses
        One per row, in their order.

    Raises
    ------
    ArgumentError
        If theta_E, or both pairs (e1, e2) and (q, phi), are missing; or `sigma` names what is no
        parameter, or is negative; or a lens is not isothermal where it must be; or a redshift for
        every row is not between 0 and 20, or the source is not behind the lens.
    DataFormatError
        If the file cannot be read, or a column holds no numbers.
    UnitError
        If a column has a unit of another kind.
    """
    table = open_table(table)
    count = len(table)
    shape = _shape_columns(table)
    values = {name: column_numbers(table, name) for name in ("theta_E", *shape)}
    assumed = tuple(name for name in CENTRE_AND_SHEAR if name not in table.colnames)
    for name in CENTRE_AND_SHEAR:
        values[name] = np.zeros(count) if name in assumed else column_numbers(table, name)
    for name in OPTIONAL:
        if name in table.colnames:
            values[name] = column_numbers(table, name)
    if not slopes:
        _check_isothermal(values.pop("slope", np.full(count, 2.0)))
    given = one_for_all(z_lens, z_src)
    values |= {name: np.full(count, redshift) for name, redshift in given.items()}
    spread = {
        name: found
        for name in values
        if name not in given and (found := _spread(table, name, values[name]))
    }
    for name, width in (sigma or {}).items():
        if name not in values or not 0.0 <= width < np.inf:
            raise ArgumentError(
                f"sigma takes positive numbers for {', '.join(values)}. Received: "
                f"{name}={width}. Correct its name or value."
            )
        spread.setdefault(name, (values[name], np.full(count, width), np.full(count, width)))

    bits = np.zeros(count, dtype=np.int64)
    needed = ("theta_E", *shape, *CENTRE_AND_SHEAR, *(("slope",) if "slope" in values else ()))
    missing = ~np.all([np.isfinite(values[name]) for name in needed], axis=0)
    bits[missing] |= SYSTEM_STATUS["missing_value"]
    complete_shape(values, shape)
    for name, good in possible(values).items():
        bad = ~good & ~missing if name != "bad_redshift" else ~good
        bits[bad] |= SYSTEM_STATUS[name]
    for column in ("status", "model_status"):
        if column in table.colnames:
            text = np.asarray(table[column].tolist(), dtype="U")
            bits[(text != "ok") & (text != "")] |= SYSTEM_STATUS["bad_input"]
    x_obs, y_obs = _observed(table)
    return Lenses(
        ids=_ids(table),
        values=values,
        shape=shape,
        spread=spread,
        x_obs=x_obs,
        y_obs=y_obs,
        date_obs=_text(table, "date_obs"),
        bits=bits,
        assumed=assumed,
        fixed=tuple(given),
        named="id" in table.colnames,
    )


def complete_shape(values, shape) -> None:
    """Add the other description of the shape to `values`, in place.

    Parameters
    ----------
    values : dict of str to array
        Holds the columns of `shape`.
    shape : tuple of str
        ``("e1", "e2")`` or ``("q", "phi")``.
    """
    if shape == ("q", "phi"):
        found = Ellipticity.from_axis_ratio(values["q"], values["phi"])
        values["e1"], values["e2"] = found.e1, found.e2
    else:
        found = Ellipticity(values["e1"], values["e2"])
        values["q"], values["phi"] = found.axis_ratio(), found.position_angle()


def _check_isothermal(slope):
    others = int((np.isfinite(slope) & (slope != 2.0)).sum())
    if others:
        raise ArgumentError(
            f"{others} of {len(slope)} lenses have another slope than 2. This needs isothermal "
            "lenses: fit them without --power-law."
        )


# --- columns --------------------------------------------------------------------------------------
def _shape_columns(table):
    missing = [] if "theta_E" in table.colnames else ["theta_E"]
    for pair in (("e1", "e2"), ("q", "phi")):
        if set(pair) <= set(table.colnames):
            break
    else:
        missing.append("e1 and e2 (or q and phi)")
    if missing:
        raise ArgumentError(
            f"A table of lenses needs {' and '.join(missing)}. Received the columns "
            f"{', '.join(table.colnames) or '(none)'}. Add or rename them."
        )
    return pair


def column_numbers(table, name) -> np.ndarray:
    """A column as numbers in the unit of the registry; NaN where the table has none.

    Parameters
    ----------
    table : astropy.table.Table
        The table.
    name : str
        A column of it.

    Returns
    -------
    array of float64 (N,)
        The numbers.

    Raises
    ------
    DataFormatError
        If the column holds no numbers.
    UnitError
        If it has a unit of another kind.
    """
    column = table[name]
    if column.dtype.kind not in "fiub":
        raise DataFormatError(
            f"Column {name!r} must hold numbers. Received {column.dtype}. Correct the table."
        )
    values = np.ma.filled(np.ma.asarray(column, dtype=np.float64), np.nan)
    base = name if name not in _OBSERVED else name[:5]
    wanted = column_spec(base).unit
    if column.unit is None or (str(column.unit) == "" and not wanted):
        return np.array(values, dtype=np.float64)
    try:
        return np.array(values * column.unit.to(wanted or ""), dtype=np.float64)
    except (ValueError, AttributeError, TypeError) as error:  # UnitConversionError, unknown units
        raise UnitError(
            f"Column {name!r} must be in {wanted or _NONE}. Received {column.unit}. Convert it."
        ) from error


def _spread(table, name, values):
    """Middle and one-sigma widths below and above, from percentiles or else from the std."""
    if {f"{name}_p16", f"{name}_p84"} <= set(table.colnames):
        low, high = column_numbers(table, f"{name}_p16"), column_numbers(table, f"{name}_p84")
        has_middle = f"{name}_p50" in table.colnames
        middle = column_numbers(table, f"{name}_p50") if has_middle else 0.5 * (low + high)
        return middle, np.maximum(middle - low, 0.0), np.maximum(high - middle, 0.0)
    if f"{name}_std" in table.colnames:
        std = np.abs(column_numbers(table, f"{name}_std"))
        return values, std, std
    return None


_OBSERVED = {
    f"{axis}_obs{ending}"
    for axis in "xy"
    for ending in ("", *(f"_{i}" for i in range(2, MOST_OBSERVED + 1)))
}


def _observed(table):
    endings = ["", *(f"_{i}" for i in range(2, MOST_OBSERVED + 1))]
    endings = [e for e in endings if {f"x_obs{e}", f"y_obs{e}"} <= set(table.colnames)]
    if not endings:
        return np.full((len(table), 1), np.nan), np.full((len(table), 1), np.nan)
    x = np.stack([column_numbers(table, f"x_obs{e}") for e in endings], axis=1)
    y = np.stack([column_numbers(table, f"y_obs{e}") for e in endings], axis=1)
    half = ~np.isfinite(x + y)
    x[half], y[half] = np.nan, np.nan
    return x, y


def _ids(table):
    if "id" not in table.colnames:
        return np.array([str(i + 1) for i in range(len(table))], dtype="U")
    return np.asarray([str(name) for name in table["id"]], dtype="U")


def _text(table, name):
    if name not in table.colnames:
        return [""] * len(table)
    return [
        "" if value is np.ma.masked or str(value) == "nan" else str(value) for value in table[name]
    ]
