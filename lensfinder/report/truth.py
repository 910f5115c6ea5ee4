"""What is known about a mock: its label and parameters, as its cutout carries them."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from lensfinder.data.fits_file import FitsFile
from lensfinder.tables import COLUMNS

LABELS = {"lens": 1, "nonlens": 0, "non-lens": 0}
_KIND = re.compile(r"mock\b[-_ ]?(lens|non-?lens)?\b")
PREFIX = "TRUE_"  # of keywords in the primary header: TRUE_ and the column's name in capitals


@dataclass(frozen=True)
class Truth:
    """Label and parameters of a mock.

    Attributes
    ----------
    label : int or None
        1 for a lens, 0 for a non-lens, None where the cutout does not say.
    parameters : dict of str to float
        Columns of the registry (theta_E, q, phi, ...), in their units.
    """

    label: int | None
    parameters: dict[str, float] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """What a tag says."""
        return {1: "mock lens", 0: "mock non-lens", None: "mock"}[self.label]


def truth_of(cutout) -> Truth | None:
    """The label that comes with a cutout; its parameters are read by `with_parameters`.

    Parameters
    ----------
    cutout : Cutout
        Its ``meta`` may hold ``kind``: the keyword KIND of its file, a text that begins with
        "mock", then "lens" or "nonlens".

    Returns
    -------
    Truth or None
        None for anything that is not marked as a mock.
    """
    found = _KIND.match(str(cutout.meta.get("kind", "")).strip().lower())
    return None if found is None else Truth(LABELS.get(found.group(1)))


def with_parameters(truth: Truth, cutout) -> Truth:
    """A mock's truth with the parameters from ``meta["truth"]`` or from its FITS file.

    Parameters
    ----------
    truth : Truth
        Its label.
    cutout : Cutout
        The mock.

    Returns
    -------
    Truth
        With a parameter for every column of the registry that is given, e.g. theta_E from the
        keyword TRUE_THETA_E.

    Raises
    ------
    DataFormatError
        If the file cannot be read any more.
    """
    given = cutout.meta.get("truth")
    if given is None and Path(cutout.path).suffix == ".fits" and Path(cutout.path).is_file():
        file = FitsFile(Path(cutout.path))
        header = file.header(file.units[0])
        given = {
            name: header[PREFIX + name.upper()]
            for name in COLUMNS
            if PREFIX + name.upper() in header
        }
    numbers = {k: v for k, v in (given or {}).items() if isinstance(v, int | float)}
    return Truth(truth.label, {str(name): float(value) for name, value in numbers.items()})


def truth_cards(row, names) -> dict:
    """Header keywords that `with_parameters` reads.

    Parameters
    ----------
    row : mapping of str to number
        A row of a truth table.
    names : sequence of str
        Columns to write; numbers that are not finite are left out.

    Returns
    -------
    dict
        Keyword to value.
    """
    values = {name: float(row[name]) for name in names}
    return {
        f"HIERARCH {PREFIX}{name.upper()}": value
        for name, value in values.items()
        if value - value == 0  # neither NaN nor infinite: FITS has no such numbers
    }


@dataclass
class Tally:
    """How mocks and other images fared against the threshold, counted as they stream by."""

    threshold: float | None
    counts: Counter = field(default_factory=Counter)

    def add(self, truth: Truth | None, score: float | None) -> None:
        """Count one image.

        Parameters
        ----------
        truth : Truth or None
            Its truth, None for what is not a mock.
        score : float or None
            Its p_lens, NaN if it has none; None in a run without scores.
        """
        kind = "real" if truth is None else {1: "lens", 0: "nonlens", None: "mock"}[truth.label]
        self.counts[kind] += 1
        if self.threshold is not None and score is not None and score >= self.threshold:
            self.counts[kind + "_found"] += 1

    def summary(self) -> dict | None:
        """Counts for the page, or None if there was no mock."""
        c = self.counts
        mocks = c["lens"] + c["nonlens"] + c["mock"]
        if not mocks:
            return None
        scored = self.threshold is not None
        labelled = scored and (c["lens"] or c["nonlens"])
        return {
            "mocks": mocks,
            "lenses": c["lens"] if labelled else None,
            "lenses_found": c["lens_found"],
            "nonlenses": c["nonlens"],
            "nonlenses_found": c["nonlens_found"],
            "real": c["real"],
            "real_found": c["real_found"] if scored else None,
        }
