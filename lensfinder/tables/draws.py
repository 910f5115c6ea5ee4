"""Draws from what is known of a lens: a Monte Carlo over a table's uncertainties.

Without anything better the parameters are independent, each normal with the widths of its columns,
different below and above the middle where percentiles say so. A covariance or the draws themselves
may be given instead. Draws that no lens can have (theta_E <= 0, an ellipticity beyond 1, a source
in front of the lens) are marked: the posterior is cut where physics ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lensfinder.errors import ArgumentError
from lensfinder.tables.lenses import Lenses, complete_shape, possible

ID = "id"  # of a posterior's arrays, the one that is no parameter


@dataclass(frozen=True)
class Covariance:
    """Covariances between the parameters of N lenses.

    Attributes
    ----------
    names : tuple of str
        P parameters, columns of the registry.
    matrices : numpy.ndarray, (N, P, P)
        Covariances, in the squares and products of the registry's units.
    ids : numpy.ndarray of str, (N,), or None
        Whose they are; without, entry i belongs to row i of a table.
    """

    names: tuple
    matrices: np.ndarray
    ids: np.ndarray | None = None


def read_posterior(posterior):
    """A posterior, from memory or from a file.

    Parameters
    ----------
    posterior : None, path, mapping or Covariance
        An ``.npz`` holds either one array (N, draws) per parameter, or ``names`` and
        ``covariance`` (N, P, P); and ``id`` (N,), if it says whose they are.

    Returns
    -------
    None, dict or Covariance
        What `draw_lenses` takes.

    Raises
    ------
    ArgumentError
        If the file is not one.
    """
    if posterior is None or isinstance(posterior, (Covariance, Mapping)):
        return posterior
    path = Path(posterior)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, AttributeError) as error:  # np.load of something else
        raise ArgumentError(
            f"{path} is no .npz file of posterior draws ({error}). Save one array (lenses, draws) "
            "per parameter with numpy.savez."
        ) from error
    if {"names", "covariance"} <= set(found):
        names = tuple(str(name) for name in found["names"])
        return Covariance(names, found["covariance"], found.get(ID))
    return found


def in_order(posterior, lenses: Lenses):
    """A posterior by the rows of a table.

    Parameters
    ----------
    posterior : None, mapping or Covariance
        As `read_posterior` gives it. If it has ids and the table has, they say which entry is
        whose, and the table may lack rows; else entry i belongs to row i.
    lenses : Lenses
        The table.

    Returns
    -------
    None, dict or Covariance
        Without ids, in the order of the table.

    Raises
    ------
    ArgumentError
        If a lens is not among the ids, or they do not tell lenses apart, or do not fit its arrays.
    """
    mapping = isinstance(posterior, Mapping)
    ids = posterior.get(ID) if mapping else getattr(posterior, "ids", None)
    if ids is None:
        return posterior
    given = posterior if mapping else {"covariance": posterior.matrices}
    arrays = {name: np.asarray(array) for name, array in given.items() if name != ID}
    theirs, ours = np.atleast_1d(np.asarray(ids, dtype="U")).tolist(), lenses.ids.tolist()
    if any(array.shape[:1] != (len(theirs),) for array in arrays.values()):
        raise ArgumentError(
            f"The posterior has {len(theirs)} ids, and an array of another length. Write it anew."
        )
    rows = slice(None)
    if lenses.named and theirs != ours:
        place = {name: row for row, name in enumerate(theirs)}
        missing = [name for name in ours if name not in place]
        if missing or len(place) < len(theirs):
            why = (
                f"none of {missing[0]!r}" if missing else "an id twice, so rows are not told apart"
            )
            raise ArgumentError(
                f"The posterior has draws of {len(theirs)} lenses, and {why}. Give the file that "
                "was written with this table, and all rows of it if their ids repeat."
            )
        rows = np.array([place[name] for name in ours], dtype=np.int64)
    arrays = {name: array[rows] for name, array in arrays.items()}
    return arrays if mapping else Covariance(posterior.names, arrays["covariance"])


def draw_lenses(lenses: Lenses, rows, *, n: int = 1000, seed: int = 0, posterior=None):
    """Draws of the parameters of some lenses.

    Parameters
    ----------
    lenses : Lenses
        The systems.
    rows : numpy.ndarray of int, (R,)
        Which of them.
    n : int
        Draws per system; as many as there are where the draws themselves are given.
    seed : int
        Row i draws from (seed, i), whatever the other rows are.
    posterior : None, mapping of str to array (N, draws), or Covariance
        Draws per parameter; or covariances; or None for the uncertainties of the table. What it
        does not name keeps its uncertainty of the table.

    Returns
    -------
    values : dict of str to numpy.ndarray (R, n)
        The parameters of `Lenses.values`.
    good : numpy.ndarray of bool, (R, n)
        Whether a lens can have them. Where not, `values` are those of the table.

    Raises
    ------
    ArgumentError
        If the posterior does not fit the table, or draws or seed are negative.
    """
    if n < 0 or seed < 0:
        raise ArgumentError(
            f"Draws and their seed cannot be negative. Received: {n} and {seed}. Give 0 or more."
        )
    posterior = _checked(posterior, lenses)
    given = posterior if isinstance(posterior, Mapping) else {}
    if given:
        n = next(iter(given.values())).shape[1]
    rows = np.asarray(rows, dtype=np.int64)
    shape = _shape(lenses, posterior)
    free = [name for name in lenses.values if name not in {"q", "phi", "e1", "e2"} - set(shape)]
    normal = np.stack(
        [np.random.default_rng([seed, int(i)]).standard_normal((len(free), n)) for i in rows]
    ) if len(rows) else np.zeros((0, len(free), n))  # fmt: skip
    values = {}
    for k, name in enumerate(free):
        z = normal[:, k]
        if name in given:
            values[name] = np.asarray(given[name])[rows].astype(np.float64)
        elif name in lenses.spread:
            middle, below, above = (part[rows, None] for part in lenses.spread[name])
            values[name] = middle + z * np.where(z < 0, below, above)
        else:
            values[name] = np.repeat(lenses.values[name][rows, None], n, axis=1)
    if isinstance(posterior, Covariance):
        chosen = [free.index(name) for name in posterior.names]
        root = _square_roots(np.asarray(posterior.matrices)[rows].astype(np.float64))
        moved = root @ normal[:, chosen]
        for k, name in enumerate(posterior.names):
            values[name] = lenses.values[name][rows, None] + moved[:, k]
    with np.errstate(invalid="ignore"):
        complete_shape(values, shape)
    checks = possible(values)
    # A redshift that was wrong to begin with leaves the positions as they are.
    if "bad_redshift" in checks:
        checks["bad_redshift"] |= ~possible(lenses.values)["bad_redshift"][rows, None]
    good = np.all(list(checks.values()), axis=0)
    good &= np.isfinite(values["x_lens"] + values["y_lens"])
    table = {name: lenses.values[name][rows, None] for name in values}
    return {name: np.where(good, v, table[name]) for name, v in values.items()}, good


def exact_zero(lenses: Lenses, posterior=None) -> list[str]:
    """Parameters that neither table nor posterior names: every draw has them at exactly 0.

    Parameters
    ----------
    lenses : Lenses
        The systems.
    posterior : None, mapping or Covariance
        As `in_order` gives it.

    Returns
    -------
    list of str
        Of the centre and the shear. An error for them (``sigma``) makes what follows honest.
    """
    named = posterior.names if isinstance(posterior, Covariance) else (posterior or ())
    return [name for name in lenses.assumed if name not in lenses.spread and name not in named]


def _shape(lenses, posterior):
    """Which description of the shape is drawn."""
    named = posterior.names if isinstance(posterior, Covariance) else (posterior or ())
    for pair in (("e1", "e2"), ("q", "phi")):
        if set(pair) & set(named):
            return pair
    return lenses.shape


def _checked(posterior, lenses):
    posterior = in_order(read_posterior(posterior), lenses)
    if posterior is None:
        return None
    names = posterior.names if isinstance(posterior, Covariance) else tuple(posterior)
    both = [name for name in names if name in lenses.fixed]
    if both:
        raise ArgumentError(
            f"{both[0]} is given for all rows, and the posterior has draws of it. Leave one away."
        )
    unknown = [name for name in names if name not in lenses.values]
    pairs = [{"e1", "e2"} & set(names), {"q", "phi"} & set(names)]
    if unknown or not names or all(pairs) or any(len(pair) == 1 for pair in pairs):
        raise ArgumentError(
            "A posterior is given for parameters of the table, with e1 and e2 or q and phi "
            f"together. Received: {', '.join(names) or '(none)'}; known: "
            f"{', '.join(lenses.values)}. Rename its arrays."
        )
    count = len(lenses)
    if isinstance(posterior, Covariance):
        matrices = np.asarray(posterior.matrices)
        good = matrices.shape == (count, len(names), len(names))
        expected, received = f"({count}, {len(names)}, {len(names)})", str(matrices.shape)
        good = good and np.allclose(matrices, np.swapaxes(matrices, 1, 2), equal_nan=True)
    else:
        shapes = {np.shape(array) for array in posterior.values()}
        good = len(shapes) == 1 and len(next(iter(shapes))) == 2 and next(iter(shapes))[0] == count
        expected, received = f"({count}, draws)", str(sorted(shapes))
    if not good:
        raise ArgumentError(
            f"Posterior arrays must have shape {expected} (and covariances be symmetric). "
            f"Received: {received}. Keep one entry per row of the table, in its order."
        )
    return posterior


def _square_roots(matrices):
    """Symmetric roots of covariance matrices; rounding may have made eigenvalues negative."""
    safe = np.where(np.isfinite(matrices), matrices, 0.0)
    size, axes = np.linalg.eigh(safe)
    return (axes * np.sqrt(np.maximum(size, 0.0))[:, None, :]) @ np.swapaxes(axes, 1, 2)
