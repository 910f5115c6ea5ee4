"""Which painted candidates become objects; every refused one is counted by its reason."""

from collections import Counter

import numpy as np
from astropy.table import Table

from lensfinder.errors import SimulationError
from lensfinder.paint.candidates import KEPT, REASONS

PATIENCE = 20_000  # candidates in a row without one object, after which a run gives up
FAINT_PATIENCE = 1_000  # of them painted and too faint: these cost a hundred times as much
_BEFORE_THE_BIN = ("source_in_front", "theta_E_small", "theta_E_large")  # known without its bin


class Selection:
    """Takes candidates in the order of their numbers, until there are as many objects as wanted.

    Parameters
    ----------
    settings : Settings
        With the distribution of Einstein radii.
    n : int
        Objects wanted.
    galaxies : int
        Number of galaxies, for the count of what became of each.

    Attributes
    ----------
    kept : int
        Objects so far.
    seen : int
        Candidates so far.
    """

    def __init__(self, settings, n: int, galaxies: int):
        self.settings, self.n = settings, n
        self.largest = settings.largest_bin(n)
        self.kept = self.seen = 0
        self._bins, self._reasons = Counter(), Counter()
        names = (KEPT, *REASONS)
        self._code = {name: k for k, name in enumerate(names)}
        self._per_galaxy = np.zeros((galaxies, len(names)), np.int64)
        self._last = self._faint = 0

    @property
    def done(self) -> bool:
        """Whether there are enough objects."""
        return self.kept >= self.n

    @property
    def full(self) -> frozenset:
        """Bins that take no more."""
        if self.largest is None:
            return frozenset()
        return frozenset(b for b, count in self._bins.items() if count >= self.largest)

    def take(self, outcome):
        """The objects among some candidates.

        Which candidates are kept does not depend on how they came: a bin may have been full for
        longer than the painter knew.

        Parameters
        ----------
        outcome : Outcome
            The candidates that follow those taken before.

        Returns
        -------
        Mocks or None
            The objects; None if there are none.

        Raises
        ------
        SimulationError
            If so many candidates were refused in a row that the run would not end.
        """
        bins = self.settings.bin_of(outcome.theta_E)
        rows, painted = [], -1
        for k, reason in enumerate(outcome.reason):
            painted += reason == KEPT
            if self.done:
                break
            self.seen += 1
            known_first = str(reason) in _BEFORE_THE_BIN
            if not known_first and self.largest and self._bins[bins[k]] >= self.largest:
                reason = "bin_full"
            self._per_galaxy[outcome.galaxy[k], self._code[str(reason)]] += 1
            if reason != KEPT:
                self._reasons[str(reason)] += 1
                self._faint += reason == "faint"
                continue
            self._bins[bins[k]] += 1
            self.kept += 1
            self._last, self._faint = self.seen, 0
            rows.append(painted)
        if self.seen - self._last > PATIENCE or self._faint > FAINT_PATIENCE:
            raise SimulationError(
                f"{self.seen - self._last:,} candidates in a row gave no object, after "
                f"{self.kept:,} of {self.n:,}. Refused so far: {self.words()}. Widen the limits, "
                "raise --per-bin, check the sources' zero points, or ask for fewer objects."
            )
        if not rows:
            return None
        if len(rows) == len(outcome.mocks):
            return outcome.mocks
        return outcome.mocks.take(np.array(rows))

    def words(self) -> str:
        """What became of the candidates, in one line."""
        return ", ".join(f"{count:,} {name}" for name, count in self._reasons.most_common()) or "0"

    def counts(self) -> dict[str, int]:
        """Refused candidates by reason, all reasons."""
        return {name: self._reasons[name] for name in REASONS}

    def table(self, galaxies) -> Table:
        """One row per galaxy that was given: taken or not, and what became of its candidates.

        Parameters
        ----------
        galaxies : Galaxies
            The galaxies.

        Returns
        -------
        astropy.table.Table
            ``id``, ``status``, ``message``, shape and noise, ``painted``, and a column per reason.
        """
        refused = galaxies.refused
        nothing = [np.nan] * len(refused)
        table = Table(
            {
                "id": np.array([*galaxies.ids, *(row[0] for row in refused)], dtype="U"),
                "status": np.array(["ok"] * len(galaxies) + [row[1] for row in refused], dtype="U"),
                "message": np.array([""] * len(galaxies) + [row[2] for row in refused], dtype="U"),
            }
        )
        for name in ("z_lens", "sigma_v", "magnitude"):
            table[name] = np.array([*getattr(galaxies, name), *nothing])
        for name in ("q", "phi", "x", "y"):
            values = [getattr(moments, name) for moments in galaxies.moments]
            table[f"{name}_light"] = np.array(values + nothing)
        more = np.zeros((len(refused), self._per_galaxy.shape[1]), np.int64)
        for k, column in enumerate(np.concatenate([self._per_galaxy, more]).T):
            table["painted" if k == 0 else list(REASONS)[k - 1]] = column
        for name, unit in (("sigma_v", "km / s"), ("magnitude", "mag"), ("phi_light", "rad")):
            table[name].unit = unit
        table["x_light"].unit = table["y_light"].unit = "arcsec"
        table.meta["candidates"] = self.seen
        table.meta["reasons"] = dict(REASONS)
        return table


def statistics(truth) -> dict[str, dict[str, float]]:
    """Median and 16-84 % of what a painted sample is judged by.

    Parameters
    ----------
    truth : astropy.table.Table
        Its truth table.

    Returns
    -------
    dict of str to dict
        ``p16``, ``median``, ``p84`` of Einstein radius, redshifts, dispersion, axis ratio,
        brightness ratio and magnification of the lenses.
    """
    lenses = truth[np.asarray(truth["label"]) == 1]
    names = ("theta_E", "z_lens", "z_src", "sigma_v", "q", "log_brightness", "magnification")
    found = {}
    for name in names:
        values = np.asarray(lenses[name], float)
        values = values[np.isfinite(values)]
        if values.size:
            low, middle, high = np.percentile(values, (16, 50, 84))
            found[name] = {"p16": float(low), "median": float(middle), "p84": float(high)}
    return found
