"""The verb `export`: a table of lenses in, files of another code out."""

import json
import pprint
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lensfinder.errors import SYSTEM_STATUS, ArgumentError, OutputExistsError, UnknownNameError
from lensfinder.export import coolest, lenstronomy, pyautolens
from lensfinder.export.statistics import statistics
from lensfinder.lensing.cosmology import distances
from lensfinder.tables import build_table, refuse_existing, write_atomically
from lensfinder.tables.draws import draw_lenses, exact_zero, in_order, read_posterior
from lensfinder.tables.lenses import open_table, read_lenses

DRAWS = 4000
_FEWEST = 20
_FATAL = ("bad_input", "missing_value", "bad_theta_E", "bad_ellipticity", "bad_shear", "bad_slope")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._+-]+")


@dataclass(frozen=True)
class Target:
    """Another code.

    Attributes
    ----------
    convert : callable
        Our columns to its parameters.
    document : callable
        One `Handed` lens to what is written.
    periods : dict of str to float
        Periods of its angles.
    suffixes : tuple of str
        Files it is written to; the first is used in folders.
    """

    convert: Callable
    document: Callable
    periods: dict
    suffixes: tuple = (".json",)


TARGETS = {
    "coolest": Target(coolest.convert, coolest.document, coolest.PERIODS),
    "lenstronomy": Target(
        lenstronomy.convert, lenstronomy.document, lenstronomy.PERIODS, (".json", ".py")
    ),
    "pyautolens": Target(pyautolens.convert, pyautolens.document, pyautolens.PERIODS),
}


@dataclass(frozen=True)
class Handed:
    """One lens on its way out.

    Attributes
    ----------
    id : str
        Its name.
    parameters : dict of str to Statistics
        In the conventions of the target.
    z_lens, z_src : float or None
        Redshifts; None where they are not known.
    facts : dict
        ``version``, ``pixel_scale`` (or None), ``H0``, ``Om0``.
    """

    id: str
    parameters: dict
    z_lens: float | None
    z_src: float | None
    facts: dict


def export(
    table,
    *,
    to,
    output,
    z_lens=None,
    z_src=None,
    cosmology="planck18",
    posterior=None,
    sigma=None,
    draws: int = DRAWS,
    seed: int = 0,
    overwrite: bool = False,
):
    """Write lens parameters in the conventions and files of another code.

    Parameters
    ----------
    table : astropy.table.Table or path
        One row per lens, as `lensfinder.model` writes it; see `lensfinder.delays`.
    to : {"coolest", "lenstronomy", "pyautolens"}
        The other code.
    output : path
        A ``.json`` file for one lens (lenstronomy: also ``.py``, and for any number of lenses), or
        a folder, which gets one file per lens, named by its id.
    z_lens, z_src : float or None
        Redshifts of all rows, in place of the columns. They may be unknown; a lens whose source is
        known not to be behind it is not written.
    cosmology : str, astropy.cosmology.FLRW or Distances
        What a COOLEST file names.
    posterior : None, path, mapping or Covariance
        As in `lensfinder.delays`.
    sigma : mapping of str to float, or None
        Standard deviation of parameters for which the table has none, e.g. ``{"x_lens": 0.05}``.
    draws : int
        Draws of the posterior, from which the statistics of the converted parameters come.
    seed : int
        Row i draws from (seed, i).
    overwrite : bool
        Whether existing files may be replaced.

    Returns
    -------
    astropy.table.Table
        ``id``, ``status`` and ``message`` (the file) per row. What is no lens is not written.

    Raises
    ------
    UnknownNameError
        If there is no such target.
    ArgumentError
        If the table lacks columns, nothing can be written, or the output does not fit.
    OutputExistsError
        If a file exists already; before anything is written.
    """
    if to not in TARGETS:
        raise UnknownNameError("target", to, TARGETS)
    target, output = TARGETS[to], Path(output)
    table = open_table(table)
    lenses = read_lenses(table, z_lens=z_lens, z_src=z_src, sigma=sigma, slopes=True)
    fatal = sum(SYSTEM_STATUS[name] for name in _FATAL)
    bits = lenses.bits & fatal
    bits |= np.where(_known_redshifts(lenses), lenses.bits & SYSTEM_STATUS["bad_redshift"], 0)
    rows = np.flatnonzero(bits == 0)
    if not len(rows):
        raise ArgumentError(
            f"None of {len(lenses)} rows is a lens that can be exported. Look at their status."
        )
    files = _files(to, target, output, lenses.ids, rows)
    for path in dict.fromkeys(files.values()):
        refuse_existing(path, overwrite)
    facts = _facts(table, distances(cosmology).cosmology)
    posterior = in_order(read_posterior(posterior), lenses)
    documents = {
        int(row): target.document(_handed(lenses, row, target, facts, posterior, draws, seed))
        for row in rows
    }
    for path in dict.fromkeys(files.values()):
        chosen = [documents[row] for row in documents if files[row] == path]
        many = to == "lenstronomy" and path == output
        _write(path, {"systems": chosen} if many else chosen[0])
    message = [
        str(files[i]) if i in files else SYSTEM_STATUS.explain(bits[i]) for i in range(len(lenses))
    ]
    columns = {
        "id": lenses.ids,
        "status": [SYSTEM_STATUS.decode(value) for value in bits],
        "message": message,
    }
    drawn = draws and (lenses.spread or posterior is not None)
    zero = exact_zero(lenses, posterior) if drawn else []
    meta = {"verb": "export", "to": to, "exact_zero": zero}
    return build_table(columns, meta)


def _known_redshifts(lenses):
    """Whether both redshifts of a row are known; what is not, or written as 0 or less, may stay."""
    unknown = np.full(len(lenses), np.nan)
    near, far = (lenses.values.get(name, unknown) for name in ("z_lens", "z_src"))
    return (near > 0) & (far > 0)


def _files(to, target, output, ids, rows):
    """File of each row."""
    if output.suffix.lower() in target.suffixes and not output.is_dir():
        if len(rows) > 1 and to != "lenstronomy":
            raise ArgumentError(
                f"{to} has one file per lens, and the table has {len(rows)}. Give a folder."
            )
        return {int(row): output for row in rows}
    if output.suffix or output.is_file():
        raise ArgumentError(
            f"{to} is written to {' or '.join(target.suffixes)}, or to a folder. "
            f"Received: {output.name!r}."
        )
    names = {int(row): _NOT_IN_A_NAME.sub("_", ids[row]).strip("._") or "lens" for row in rows}
    if len({name.lower() for name in names.values()}) < len(names):
        names = {row: f"{name}-{row + 1}" for row, name in names.items()}
    return {row: output / f"{name}{target.suffixes[0]}" for row, name in names.items()}


def _handed(lenses, row, target, facts, posterior, draws, seed):
    point = target.convert({name: values[row] for name, values in lenses.values.items()})
    converted = {}
    if draws and (lenses.spread or posterior is not None):
        values, good = draw_lenses(lenses, [row], n=draws, seed=seed, posterior=posterior)
        if good.sum() >= _FEWEST:
            converted = target.convert({name: v[0][good[0]] for name, v in values.items()})
    parameters = {
        name: statistics(value, converted.get(name), period=target.periods.get(name))
        for name, value in point.items()
    }
    redshifts = {}
    for name in ("z_lens", "z_src"):
        value = lenses.values.get(name, np.full(len(lenses), np.nan))[row]
        redshifts[name] = float(value) if np.isfinite(value) and value > 0 else None
    return Handed(str(lenses.ids[row]), parameters, **redshifts, facts=facts)


def _facts(table, cosmology):
    from lensfinder import __version__

    contract = table.meta.get("contract")
    groups = contract.get("groups", []) if isinstance(contract, dict) else []
    scale = groups[0].get("pixel_scale") if groups else None
    return {
        "version": __version__,
        "pixel_scale": scale,
        "H0": float(cosmology.H0.value),
        "Om0": float(cosmology.Om0),
    }


def _write(path, content):
    if path.suffix.lower() == ".py":
        text = '"""Lens models for lenstronomy, written by lensfinder."""\n\n'
        lines = [f"{name} = {pprint.pformat(v, sort_dicts=False)}\n" for name, v in content.items()]
        text += "\n".join(lines)
    else:
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    try:
        write_atomically(path, lambda place: Path(place).write_text(text, encoding="utf-8"))
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputExistsError(
            f"{path.parent} is a file. Give the name of a folder.", path=str(path.parent)
        ) from error
