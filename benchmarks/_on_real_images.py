"""What every benchmark on real images does about its measurement: options, skipping, the result."""

import argparse
import time

from _result import write_result

from lensfinder.errors import LensfinderError
from lensfinder.paths import real_images_dir


def parser(text) -> argparse.ArgumentParser:
    """A parser that knows where the result goes; `text` is the script's docstring."""
    found = argparse.ArgumentParser(description=text.splitlines()[0])
    found.add_argument("--folder", default=None, help="where the result goes")
    return found


def measure(name, options, run, markdown, *, seed=None) -> dict | None:
    """Measure on the real images if they are here, say what was found, and write it.

    Parameters
    ----------
    name : str
        Of the result.
    options : argparse.Namespace
        From `parser`.
    run : callable
        From the folder of real images and the options to figures; None if there are none.
    markdown : callable
        From figures to a table.
    seed : int or None
        That the figures depend on.

    Returns
    -------
    dict or None
        The figures, with ``wall_s``; None where nothing was measured.

    Raises
    ------
    SystemExit
        With the words of a typed error: a preset that is not there, a damaged file.
    """
    folder = real_images_dir()
    if folder is None:
        print("Skipped: no real images. Set LENSFINDER_DATA, or put them in ../shared/data.")
        return None
    started = time.perf_counter()
    try:
        figures = run(folder, options)
    except LensfinderError as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error
    if figures is None:
        print("Nothing was measured.")
        return None
    figures["wall_s"] = round(time.perf_counter() - started, 1)
    print(f"\n{markdown(figures)}\n")
    write_result(name, figures, seed=seed, folder=options.folder)
    return figures
