"""The command that measures a preset again, on the very objects that its figures are of."""

import shlex

from lensfinder.training.recipe_lookup import is_file

# Between two machines sums run in another order: float32 answers differ in the last digits, and
# an object may pass a threshold here and not there. Figures of 10,000 mocks came back to 1e-6.
ROUNDING = 1e-3


def command(figures: dict) -> str | None:
    """What to type.

    Parameters
    ----------
    figures : dict
        As in ``metrics.json``.

    Returns
    -------
    str or None
        ``lensfinder evaluate ...``, one line; None if the objects cannot be made again, as images
        that a preset was adapted to, or the figures do not say of which preset they are.
    """
    data = figures.get("data", {})
    if "preset" not in figures:
        return None
    words = ["lensfinder", "evaluate", figures["preset"]]
    if "auditor" in figures and {"pairs", "n"} <= set(data):
        lenses = data.get("lenses", data["n"] // 3)  # three solutions each
        return shlex.join([*words, "-n", str(lenses), "--seed", str(data["pairs"]["seed"])])
    if not {"population", "survey", "seed", "n"} <= set(data):
        return None
    words += ["-n", str(data["n"]), "--seed", str(data["seed"])]
    if data.get("start"):
        words += ["--start", str(data["start"])]
    survey = figures.get("training", {}).get("recipe", {}).get("survey", data["survey"])
    if is_file(survey):  # the preset knows the survey by its name, which is no file's
        words += ["--survey", str(survey)]
    return shlex.join(words)


def words(figures: dict) -> list[str]:
    """The paragraph of a card about it.

    Parameters
    ----------
    figures : dict
        As in ``metrics.json``.

    Returns
    -------
    list of str
        Markdown; empty if nothing can be typed.
    """
    line = figures.get("reproduce") or command(figures)
    if line is None:
        return []
    return [
        f"`{line}` measures these weights on these objects again: the same figures, but for the "
        f"rounding of another machine (to {ROUNDING:g}). What is drawn at random, error bars and "
        "what chance alone would give, scatters from version to version. Another seed is a test on "
        "new objects."
    ]
