"""The page of columns and statuses, ``docs/columns.md``, from the registries behind all tables.

``python -m lensfinder.report.columns_page FILE`` writes it.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from lensfinder.errors import FIT_STATUS, FRONT_STATUS, STATUS, SYSTEM_STATUS, ArgumentError
from lensfinder.paint.truth import PAINTED
from lensfinder.report.page import REMEDIES
from lensfinder.tables import write_atomically
from lensfinder.tables.columns import COLUMNS, PER_BAND, UNCERTAINTIES

INTRODUCTION = """# Columns and statuses

The tables of `find`, `model`, `clean`, `explain`, `fit`, `audit`, `delays` and `export`, and the
truth of mocks, take their columns from one registry: a name has one meaning and one unit in all.
Units and descriptions are also in the tables themselves (ECSV and FITS). Painted mocks have some
columns more. Angles and ellipticities are explained among the
[conventions](../README.md#conventions). This page is made from the registry."""

STATUSES = {
    "Status of an image": (STATUS, "`status` of `find`, `model`, `clean`, `explain`"),
    "front_status": (
        FRONT_STATUS,
        "with `--mask-blobs`, `--multi-scale`, and of finders with a bottleneck",
    ),
    "Status of a fit": (FIT_STATUS, "`status` of `fit` and `audit`"),
    "Status of a system": (SYSTEM_STATUS, "`status` of `delays`, `compare-delays` and `export`"),
}


def columns_page() -> str:
    """All columns with unit and meaning, and all statuses with what to do.

    Returns
    -------
    str
        Markdown.
    """
    parts = [INTRODUCTION, "", "## Columns", ""]
    rows = [(f"`{name}`", spec.unit, spec.words) for name, spec in COLUMNS.items()]
    rows += [(f"`{name}_BAND`", spec.unit, spec.words) for name, spec in PER_BAND.items()]
    parts += [*_table(("column", "unit", "meaning"), rows), ""]
    parts += ["A modeller with a posterior adds to each of its parameters:", ""]
    rows = [(f"`{ending}`", words) for ending, words in UNCERTAINTIES.items()]
    parts += [*_table(("ending", "meaning"), rows), ""]
    parts += ["The truth of painted mocks has besides:", ""]
    rows = [
        (f"`{name.replace('{band}', 'BAND')}`", spec.unit, spec.words)
        for name, spec in PAINTED.items()
    ]
    parts += [*_table(("column", "unit", "meaning"), rows), ""]
    for name, (flags, words) in STATUSES.items():
        parts += [f"## {name}", "", f"In {words}: `ok`, or some of these, by commas.", ""]
        known = flags is STATUS
        rows = [
            (f"`{flag.name}`", flag.words, *([REMEDIES[flag.name]] if known else []))
            for flag in flags.flags
        ]
        head = ("name", "meaning", "what to do") if known else ("name", "meaning")
        parts += [*_table(head, rows), ""]
    return "\n".join(parts).rstrip() + "\n"


def _table(head, rows: Iterable) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    return lines


def main(arguments=None) -> int:
    """Write the page to the file that is named.

    Parameters
    ----------
    arguments : list of str or None
        One path; those of the command line by default.

    Returns
    -------
    int
        0.

    Raises
    ------
    ArgumentError
        If there is not one path.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    if len(given) != 1:
        raise ArgumentError(f"Name the file to write. Received: {given}.")
    page = columns_page()
    write_atomically(Path(given[0]), lambda temporary: Path(temporary).write_text(page, "utf-8"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
