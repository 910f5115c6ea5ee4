"""A run around its batches: who follows it, where its table came from."""

import datetime
import os
import pkgutil
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from lensfinder.data import Cutout
from lensfinder.predict.images import are_paths
from lensfinder.predict.network import Answers, Network


@dataclass(frozen=True)
class Run:
    """What a listener may know before the first batch.

    Attributes
    ----------
    task : str
        ``"find"``, ``"model"`` or ``"clean"``.
    network : Network
        The network that answers first.
    modeller : Network or None
        The network that models candidates in a chained run.
    threshold : float or None
        From which p_lens on a row is a candidate.
    denoiser : Network or None
        The network that feeds a cleaner of noiseless images.
    """

    task: str
    network: Network
    modeller: Network | None = None
    threshold: float | None = None
    denoiser: Network | None = None


class Listener(Protocol):
    """Something that follows a run: a report, a progress bar."""

    def start(self, run: Run) -> None:
        """The run begins."""

    def batch(self, first_row: int, cutouts: list[Cutout], answers: Answers) -> None:
        """Some rows have been answered."""

    def finish(self, table) -> None:
        """The table is complete, and written if it was to be."""


PAGE = "lensfinder.report:Page"  # by name: imports go down, and the page lives a floor above
CLEAN_PAGE = "lensfinder.report:CleanPage"


def listeners(watch, page: Path | None, *, kind: str = PAGE) -> list[Listener]:
    """Who follows a run: those given, and the page if there is to be one.

    Parameters
    ----------
    watch : sequence of Listener
        Given by the caller.
    page : pathlib.Path or None
        Where the page goes.
    kind : str
        Which page.

    Returns
    -------
    list of Listener
        All of them, the page last.
    """
    return [*watch, *([] if page is None else [pkgutil.resolve_name(kind)(page)])]


def metadata(verb: str, network: Network, images, options: Mapping, columns: Mapping) -> dict:
    """Where a table came from.

    Parameters
    ----------
    verb : str
        ``"find"``, ``"model"`` or ``"clean"``.
    network : Network
        What answered.
    images : object
        What the user gave.
    options : mapping
        The options that shape the result, as the command line names them (without dashes).
    columns : mapping
        The columns, for their counts per status.

    Returns
    -------
    dict
        Plain values only. ``command`` is the command line that makes the same table.
    """
    import keras

    from lensfinder import __version__

    names, counts = np.unique(np.asarray(columns["status"], dtype="U"), return_counts=True)
    return {
        "verb": verb,
        **network.facts(),
        "version": __version__,
        "keras": f"{keras.__version__} on {keras.backend.backend()}, jit_compile=False",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command_line(verb, images, options),
        "counts": {str(name): int(count) for name, count in zip(names, counts, strict=True)},
    }


def command_line(verb: str, images, options: Mapping) -> str:
    """The command line that does what a call did.

    Parameters
    ----------
    verb : str
        Name of the verb.
    images : object
        What the user gave; arrays and cutouts are named in angle brackets.
    options : mapping of str to value
        Options; those that are None or False are left out, a list's are named one by one.

    Returns
    -------
    str
        The command, quoted for a shell.
    """
    if isinstance(images, (str, os.PathLike)):
        given = [str(images)]
    elif are_paths(images):
        given = [str(path) for path in images]
    else:
        given = [f"<{type(images).__name__}>"]
    if len(given) > 8:
        given = [*given[:3], f"<{len(given) - 3} more>"]
    words = ["lensfinder", verb, *given]
    for name, value in options.items():
        if value is None or value is False:
            continue
        flag = "-o" if name == "output" else f"--{name.replace('_', '-')}"
        for each in value if isinstance(value, list | tuple) else [value]:
            words += [flag] if each is True else [flag, str(getattr(each, "folder", each))]
    return shlex.join(words)


def page_path(report, output) -> Path | None:
    """Where the page of a run goes.

    Parameters
    ----------
    report : bool or path
        False for none, True for one beside the table, or its own place.
    output : path or None
        The table.

    Returns
    -------
    pathlib.Path or None
        ``<table>.report.html`` beside the table; None if there is to be no page.
    """
    if report is True:
        return None if output is None else Path(output).with_suffix(".report.html")
    return None if report is False or report is None else Path(report)
