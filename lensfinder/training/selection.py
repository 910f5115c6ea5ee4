"""Selection function: which lenses a finder finds, by Einstein radius, source magnitude and S/N.

Counts per cell of a grid, so that every projection is a sum of rows. Bins hold equal numbers of
lenses; a fraction always comes with its binomial (Clopper-Pearson) interval.
"""

from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.table import Table

from lensfinder.errors import MetricError
from lensfinder.tables import column_spec
from lensfinder.training.reliability import INTERVAL, binomial_interval

AXES = ("theta_E", "src_mag", "snr")
BINS = 6
LEAST = 5  # lenses per cell of the grid, on average; with fewer the grid is coarser


@dataclass(frozen=True)
class Selection:
    """Counts of lenses, and of those found, on a grid.

    Attributes
    ----------
    axes : tuple of str
        Columns of the truth.
    edges : dict of str to array (bins + 1,)
        Edges of each axis' bins.
    lenses, found : int array, one dimension per axis
        Lenses in a cell, and those with a score of at least the threshold.
    threshold : float
        The threshold.
    """

    axes: tuple[str, ...]
    edges: dict[str, np.ndarray]
    lenses: np.ndarray
    found: np.ndarray
    threshold: float

    def along(self, *axes: str) -> dict[str, np.ndarray]:
        """Completeness over one or more axes, summed over the others.

        Parameters
        ----------
        *axes : str
            Which, in the order wanted.

        Returns
        -------
        dict of str to array
            ``lenses``, ``found``, ``completeness`` (NaN in empty cells), ``low``, ``high``.

        Raises
        ------
        MetricError
            If the grid has no such axis.
        """
        unknown = sorted(set(axes) - set(self.axes))
        if unknown or len(set(axes)) != len(axes):
            raise MetricError(f"The grid has the axes {self.axes}. Received: {axes}.")
        rest = tuple(i for i, name in enumerate(self.axes) if name not in axes)
        left = [name for name in self.axes if name in axes]
        order = [left.index(name) for name in axes]
        lenses, found = (
            array.sum(axis=rest).transpose(order) for array in (self.lenses, self.found)
        )
        low, high = binomial_interval(found, lenses)
        with np.errstate(invalid="ignore"):
            share = found / np.where(lenses > 0, lenses, np.nan)
        return {"lenses": lenses, "found": found, "completeness": share, "low": low, "high": high}

    def table(self) -> Table:
        """One row per cell.

        Returns
        -------
        astropy.table.Table
            ``<axis>_low`` and ``<axis>_high`` with units, then ``lenses``, ``found``,
            ``completeness`` (NaN in empty cells) and its interval ``completeness_low``,
            ``completeness_high``; the threshold in the metadata.
        """
        meta = {"threshold": self.threshold, "interval": INTERVAL, "axes": list(self.axes)}
        table = Table(meta=meta)
        cells = np.indices(self.lenses.shape).reshape(len(self.axes), -1)
        for name, cell in zip(self.axes, cells, strict=True):
            spec = column_spec(name)
            for end, step in (("low", 0), ("high", 1)):
                column = f"{name}_{end}"
                table[column] = self.edges[name][cell + step]
                table[column].description = f"{end} edge of the bin: {spec.words}"
                if spec.unit:
                    table[column].unit = u.Unit(spec.unit)
        values = self.along(*self.axes)
        names = ("lenses", "found", "completeness", "low", "high")
        words = (
            "lenses in the cell",
            "lenses with a score of at least the threshold",
            "found / lenses",
            "lower end of the 68 % Clopper-Pearson interval",
            "upper end of the 68 % Clopper-Pearson interval",
        )
        for name, text in zip(names, words, strict=True):
            column = f"completeness_{name}" if name in ("low", "high") else name
            table[column] = values[name].ravel()
            table[column].description = text
        return table


def selection_function(truth, score, *, threshold: float, axes=AXES, edges=None) -> Selection:
    """Count the lenses that a finder finds, on a grid of their properties.

    Parameters
    ----------
    truth : mapping of str to array (N,)
        Properties of the lenses, and of lenses only.
    score : array (N,)
        Their scores.
    threshold : float
        From which score on a lens is found.
    axes : sequence of str
        Columns of `truth`.
    edges : mapping of str to sequence of float, or None
        Edges of the bins of some axes. By default six bins of equal numbers, fewer for few lenses
        (on average five per cell). Lenses outside the given edges are not counted.

    Returns
    -------
    Selection
        The counts.

    Raises
    ------
    MetricError
        If there is no lens, an axis is missing or not finite, or edges do not rise.
    """
    score = np.asarray(score, np.float64)
    columns = {}
    for name in axes:
        if name not in getattr(truth, "colnames", truth):
            raise MetricError(f"The truth has no column {name!r}. Choose other axes.")
        columns[name] = np.asarray(truth[name], np.float64)
        if columns[name].shape != score.shape or not np.isfinite(columns[name]).all():
            raise MetricError(f"{name} must be finite for each of the {score.size} lenses.")
    if not score.size or not columns or not np.isfinite(score).all():
        raise MetricError(
            "A selection function needs lenses with finite scores and at least one axis. "
            f"Received: {score.size} lenses, axes {tuple(axes)}."
        )
    bins = int(np.clip((score.size / LEAST) ** (1 / len(columns)), 1, BINS))
    given = {name: np.asarray(values, np.float64) for name, values in (edges or {}).items()}
    for name, values in given.items():
        if values.ndim != 1 or values.size < 2 or not (np.diff(values) > 0).all():
            raise MetricError(f"Edges of {name} must rise, two at least. Received: {values}.")
    ends = {name: given.get(name, _even(columns[name], bins)) for name in columns}
    points, grid = np.stack(list(columns.values()), axis=1), list(ends.values())
    found = score >= threshold
    lenses, hits = (
        np.histogramdd(points[rows], bins=grid)[0].astype(np.int64) for rows in (slice(None), found)
    )
    return Selection(tuple(columns), ends, lenses, hits, float(threshold))


def _even(values, bins: int) -> np.ndarray:
    """Edges with equal numbers between them; inner ones rounded for people."""
    ends = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)))
    if ends.size < 2:  # all equal
        return np.array([ends[0] - 0.5, ends[0] + 0.5])
    step = 10.0 ** np.floor(np.log10(np.diff(ends).min()) - 1)
    inner = np.round(ends[1:-1] / step) * step
    low, high = np.floor(ends[0] / step) * step, np.ceil(ends[-1] / step) * step
    return np.unique(np.round(np.concatenate([[low], inner, [high]]), 12))
