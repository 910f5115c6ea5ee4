"""What benchmarks that train for long have in common: options, and an end that may come later."""

import argparse
import os
from pathlib import Path

from _result import write_result

from lensfinder.errors import LensfinderError
from lensfinder.tables import write_atomically


def parser(text, scales, *, work) -> argparse.ArgumentParser:
    """A parser of what all of them take.

    Parameters
    ----------
    text : str
        The script's docstring.
    scales : iterable of str
        Names of its scales.
    work : str
        Default of ``--work``.

    Returns
    -------
    argparse.ArgumentParser
        More may be added.
    """
    found = argparse.ArgumentParser(description=text.splitlines()[0])
    found.add_argument("--scale", choices=scales, default="ci")
    found.add_argument("--work", default=work, help="mocks and trainings; resumed")
    found.add_argument("--minutes", type=float, default=None, help="stop then; call again")
    found.add_argument("--folder", default=None, help="where the result goes")
    return found


def measure(name, options, run, markdown, *, seed) -> None:
    """Go on until all is trained; then say what was found, and write it.

    Parameters
    ----------
    name : str
        Of the result; at the scale ``ci``, whose numbers mean nothing, with ``-ci`` behind it.
    options : argparse.Namespace
        From `parser`.
    run : callable
        From the folder of work and the options to figures; None if the time was up before.
    markdown : callable
        From figures to a table.
    seed : int
        That the figures depend on.

    Raises
    ------
    SystemExit
        With the words of a typed error.
    """
    try:
        figures = run(Path(options.work) / options.scale, options)
    except LensfinderError as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error
    if figures is None:
        print("\nOut of time. Call again to go on.")
        return
    figures["scale"] = options.scale
    print(f"\n{markdown(figures)}\n")
    name = name if options.scale != "ci" else f"{name}-ci"
    write_result(name, figures, seed=seed, folder=options.folder)


def write_text(path, text) -> None:
    """Write a whole file, or none.

    Parameters
    ----------
    path : Path
        Place.
    text : str
        What it shall hold.
    """
    write_atomically(path, lambda temporary: Path(temporary).write_text(text))


def write_once(path, text) -> None:
    """Write a whole file where there is none: of several processes the first one's stays.

    Parameters
    ----------
    path : Path
        Place.
    text : str
        What it shall hold.

    Raises
    ------
    FileExistsError
        If another was first.
    """
    ours = path.with_name(f".{path.name}.{os.getpid()}")
    ours.write_text(text)
    try:
        os.link(ours, path)
    finally:
        ours.unlink()
