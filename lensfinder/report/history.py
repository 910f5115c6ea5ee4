"""The curves of a training: losses, figures on the validation sample, learning rate."""

import json
from pathlib import Path

from lensfinder.errors import DataFormatError
from lensfinder.tables import write_atomically

SIZE = (6.4, 2.4)  # inches per panel
_NOT_FIGURES = ("epoch", "step", "seconds", "objects_per_second")
_FIRST = (("loss", "val_loss"), ("learning_rate",))


def plot_history(history, path) -> Path:
    """Draw the history of a training into a file.

    Parameters
    ----------
    history : list of dict, str or Path
        One entry per epoch, or the ``history.json`` (or the folder) of a run.
    path : str or Path
        Image file, e.g. ending in ``.png`` or ``.svg``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataFormatError
        If there is no epoch in it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    history = _entries(history)
    others = [
        name
        for name in history[0]
        if name not in _NOT_FIGURES and not any(name in panel for panel in _FIRST)
    ]
    panels = [*_FIRST, *((name,) for name in others)]
    panels = [[n for n in names if n in history[0]] for names in panels]
    panels = [names for names in panels if names]
    figure = Figure(figsize=(SIZE[0], SIZE[1] * len(panels)), layout="constrained")
    FigureCanvasAgg(figure)  # a canvas of its own: no window, no global state
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    epochs = [entry["epoch"] for entry in history]
    for axis, names in zip(axes, panels, strict=True):
        for name in names:
            values = [entry.get(name) for entry in history]
            axis.plot(epochs, values, marker=".", label=name.replace("_", " "))
        if names[0] in ("loss", "learning_rate") and all(e[names[0]] > 0 for e in history):
            axis.set_yscale("log")
        axis.legend(loc="best", fontsize="small")
        axis.grid(alpha=0.3)
    best = _best(history)
    if best is not None:
        axes[0].axvline(best, color="0.6", linestyle=":", linewidth=1)
        axes[0].set_title(f"lowest validation loss in epoch {best}", fontsize="small")
    axes[-1].set_xlabel("epoch")
    path = Path(path)
    write_atomically(path, lambda place: figure.savefig(place, dpi=120))
    return path


def _best(history):
    scored = [(entry["val_loss"], entry["epoch"]) for entry in history if "val_loss" in entry]
    return min(scored)[1] if scored else None


def _entries(history) -> list[dict]:
    if isinstance(history, (str, Path)):
        path = Path(history)
        path = path / "history.json" if path.is_dir() else path
        try:
            history = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataFormatError(f"{path}: no history of a training ({error}).") from error
    usable = isinstance(history, list) and history and isinstance(history[0], dict)
    if not usable or "epoch" not in history[0]:
        raise DataFormatError("A history needs at least one epoch. Train one first.")
    return history
