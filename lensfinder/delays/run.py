"""The verb `delays`: a table of lenses in, one row per lensed image out."""

import datetime
import math

import numpy as np

from lensfinder.delays.solve import FEWEST, has_source, solve_systems, spread_systems
from lensfinder.errors import SYSTEM_STATUS, ArgumentError
from lensfinder.lensing.cosmology import distances
from lensfinder.lensing.delays import image_kinds
from lensfinder.lensing.sky import Orientation
from lensfinder.tables import build_table, check_output, write_table
from lensfinder.tables.draws import exact_zero, in_order, read_posterior
from lensfinder.tables.lenses import Lenses, read_lenses

DRAWS = 1000
LETTERS = "ABCDEFGH"
_FATAL = ("bad_input", "missing_value", "bad_theta_E", "bad_ellipticity", "bad_shear", "no_source")
_UNSURE = ("x_image", "y_image", "mu", "delay")
_FAR = 1e6  # days: beyond it a date means nothing


def delays(
    table,
    *,
    output=None,
    z_lens=None,
    z_src=None,
    cosmology="planck18",
    posterior=None,
    sigma=None,
    draws: int = DRAWS,
    seed: int = 0,
    position_error: float = 0.0,
    date=None,
    orientation: Orientation | None = None,
    overwrite: bool = False,
):
    """Find every image of the source behind each lens, and when it appears.

    Parameters
    ----------
    table : astropy.table.Table or path
        One row per lens: ``theta_E`` and ``e1, e2`` or ``q, phi``, as `lensfinder.model` writes
        them; ``x_lens, y_lens, gamma1, gamma2``, else zero; and the source, either ``x_src,
        y_src`` or an observed image ``x_obs, y_obs`` (more of them: ``x_obs_2, ...``), from which
        it is traced back. ``z_lens, z_src`` and ``date_obs``, if not given below. A CSV file is
        taken to be in the units of the registry.
    output : path or None
        Where to write the table: ``.ecsv``, ``.fits``, ``.parquet`` or ``.csv``.
    z_lens, z_src : float or None
        Redshifts of all rows, in place of the columns.
    cosmology : str, astropy.cosmology.FLRW or Distances
        A name that `lensfinder.lensing.named_cosmology` knows, or a flat cosmology.
    posterior : None, path, mapping of str to array (N, draws), or Covariance
        Draws of the parameters, or their covariances (`lensfinder.tables.Covariance`); an ``.npz``
        file of either, such as `lensfinder.model` writes; its ids say which row is whose. By
        default the ``_p16 _p50 _p84`` or ``_std`` columns, taken as independent.
    sigma : mapping of str to float, or None
        Standard deviation of parameters for which the table has none, e.g. ``{"x_lens": 0.05}``.
    draws : int
        Draws of the posterior per lens; 0 for the table's parameters alone.
    seed : int
        Row i draws from (seed, i).
    position_error : float
        Standard deviation of observed image positions, per axis [arcsec].
    date : str or None
        When the observed image was seen (ISO, UTC if it names a time zone); with it the others
        get a date. The column ``date_obs`` goes before it.
    orientation : lensfinder.lensing.Orientation or None
        How the images lie on the sky. Without it there is no east and north.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    astropy.table.Table
        One row per image, in order of arrival; one row of NaN for a lens that has none, with its
        ``status``. ``delay`` counts from the observed image, else from the first. ``_p16 _p50
        _p84`` are of the draws with as many images; ``p_1 ... p_4`` say how many draws have how
        many.

    Raises
    ------
    ArgumentError
        If columns or redshifts are missing, or the posterior does not fit the table.
    OutputExistsError
        If the output exists already; before anything is computed.
    """
    output = None if output is None else check_output(output, overwrite=overwrite)
    if draws < 0 or not 0.0 <= position_error < math.inf:
        raise ArgumentError(
            "draws and position_error cannot be negative. "
            f"Received: {draws} and {position_error}. Give 0 for none."
        )
    measure = distances(cosmology)
    lenses = read_lenses(table, z_lens=z_lens, z_src=z_src, sigma=sigma)
    if not {"z_lens", "z_src"} <= set(lenses.values):
        raise ArgumentError(
            "Delays need both redshifts. Add the columns z_lens and z_src, or give them for all "
            "rows (--z-lens, --z-src)."
        )
    known = has_source(lenses)
    if len(lenses) and not known.any():
        raise ArgumentError(
            "No row has a source. Add the columns x_obs and y_obs with the position of an observed "
            "image, or x_src and y_src with that of the source."
        )
    bits = lenses.bits | np.where(known, 0, SYSTEM_STATUS["no_source"])
    fatal = sum(SYSTEM_STATUS[name] for name in _FATAL)
    rows = np.flatnonzero((bits & fatal) == 0)
    solution = solve_systems(lenses, rows, measure)
    bits[rows[solution.images.count < 2]] |= SYSTEM_STATUS["single_image"]
    bits[rows[solution.elsewhere]] |= SYSTEM_STATUS["not_an_image"]
    posterior = in_order(read_posterior(posterior), lenses)
    spread = None
    uncertain = bool(lenses.spread) or posterior is not None or position_error > 0.0
    if draws and uncertain:
        spread = spread_systems(
            lenses,
            rows,
            solution,
            cosmology=measure,
            draws=draws,
            seed=seed,
            posterior=posterior,
            position_error=position_error,
        )
        bits[rows[spread.used < FEWEST]] |= SYSTEM_STATUS["no_posterior"]
    dates = [_date(text or date) for text in lenses.date_obs]
    result = _table(lenses, rows, bits, solution, spread, dates, orientation)
    result.meta = _metadata(lenses, measure, spread, orientation, bits, seed, position_error)
    result.meta["exact_zero"] = exact_zero(lenses, posterior) if draws and uncertain else []
    if output is not None:
        write_table(result, output, overwrite=overwrite)
    return result


def _table(lenses: Lenses, rows, bits, solution, spread, dates, orientation):
    """Long format: the images of row after row."""
    place = np.full(len(lenses), -1)
    place[rows] = np.arange(len(rows))
    count = np.zeros(len(lenses), dtype=np.int64)
    count[rows] = solution.images.count
    system = np.repeat(np.arange(len(lenses)), np.maximum(count, 1))
    start = np.cumsum(np.maximum(count, 1)) - np.maximum(count, 1)
    image = np.arange(system.size) - start[system]
    solved = (place[system] >= 0) & (count[system] > 0)
    at = place[system][solved], image[solved]

    def spread_out(values, fill=np.nan):
        column = np.full(system.size, fill, dtype=values.dtype)
        column[solved] = values[at]
        return column

    def per_system(values):
        column = np.full(len(lenses), np.nan)
        column[rows] = values
        return column[system]

    images, width = solution.images, solution.images.x.shape[1]
    here = np.arange(width) == solution.seen[:, None]
    columns = {
        "id": lenses.ids[system],
        "image": np.where(solved, np.array(list(LETTERS))[np.minimum(image, 7)], ""),
        "kind": spread_out(image_kinds(images.magnification), ""),
        "seen": spread_out(here, False),
    }
    numbers = {
        "x_image": images.x,
        "y_image": images.y,
        "mu": images.magnification,
        "delay": solution.delay,
    }
    draws = {}
    if spread is not None:
        draws = dict(zip(_UNSURE, (spread.x, spread.y, spread.mu, spread.delay), strict=True))
    for name, values in numbers.items():
        columns[name] = spread_out(values)
        for k, ending in enumerate(("_p16", "_p50", "_p84") if name in draws else ()):
            columns[name + ending] = spread_out(draws[name][k])
    if any(dates):
        for ending in ("", *(("_p16", "_p84") if draws else ())):
            columns["date" + ending] = [
                _later(dates[i], days)
                for i, days in zip(system, columns["delay" + ending], strict=True)
            ]
    if orientation is not None:
        x = columns["x_image"] - lenses.values["x_lens"][system]
        y = columns["y_image"] - lenses.values["y_lens"][system]
        columns["east"], columns["north"] = orientation.east_north(x, y)
    columns["n_images"] = count[system]
    if spread is not None:
        for k, name in enumerate(("p_1", "p_2", "p_3", "p_4")):
            columns[name] = per_system(np.where(spread.used > 0, spread.counts[:, k], np.nan))
    for name, values, middle in (
        ("x_src", solution.x_src, getattr(spread, "x_src", None)),
        ("y_src", solution.y_src, getattr(spread, "y_src", None)),
    ):
        columns[name] = per_system(values)
        for k, ending in enumerate(("_p16", "_p50", "_p84") if middle is not None else ()):
            columns[name + ending] = per_system(middle[k])
    columns["x_lens"] = lenses.values["x_lens"][system]
    columns["y_lens"] = lenses.values["y_lens"][system]
    status = [SYSTEM_STATUS.decode(value) for value in bits]
    words = ["" if value == 0 else SYSTEM_STATUS.explain(value) for value in bits]
    columns["status"] = np.array(status, dtype="U")[system] if status else []
    columns["message"] = np.array(words, dtype="U")[system] if words else []
    return build_table(columns)


def _metadata(lenses, measure, spread, orientation, bits, seed, position_error):
    from lensfinder import __version__

    status, counts = np.unique([SYSTEM_STATUS.decode(value) for value in bits], return_counts=True)
    cosmology = measure.cosmology
    return {
        "verb": "delays",
        "version": __version__,
        "systems": len(lenses),
        "cosmology": {
            "name": str(cosmology.name),
            "H0": float(cosmology.H0.value),
            "Om0": float(cosmology.Om0),
        },
        "assumed_zero": list(lenses.assumed),
        "draws": 0 if spread is None else int(spread.draws),
        "seed": int(seed),
        "position_error": float(position_error),
        "sky": None
        if orientation is None
        else {"north_rad_from_x": orientation.north, "east_left": orientation.east_left},
        "counts": {str(name): int(count) for name, count in zip(status, counts, strict=True)},
    }


def _date(text):
    if not text:
        return None
    try:
        found = datetime.datetime.fromisoformat(str(text))
    except ValueError as error:
        raise ArgumentError(
            f"A date is written as 2026-03-01 or 2026-03-01T05:30. Received: {text!r}. Correct it."
        ) from error
    # dates are written without a zone: one that was given is brought to UTC
    return found.astimezone(datetime.UTC).replace(tzinfo=None) if found.tzinfo else found


def _later(date, days):
    if date is None or not abs(days) < _FAR:  # NaN too
        return ""
    return (date + datetime.timedelta(days=float(days))).isoformat(timespec="minutes")
