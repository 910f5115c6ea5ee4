"""How well an auditor tells solutions apart, in pictures: confusion and calibration."""

import numpy as np

from lensfinder.report import plots


def confusion_plot(figures):
    """How often each solution was taken for each, with recall and precision beside it.

    Parameters
    ----------
    figures : dict
        From `lensfinder.training.solution_scores.solution_figures`.

    Returns
    -------
    matplotlib.figure.Figure
        The plot: a row per true solution, coloured by its share.
    """
    names, table = figures["labels"], np.asarray(figures["confusion"])
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    figure, ((axis,),) = plots.canvas(size=(4.9, 4.1))
    axis.grid(False)
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(table.shape):
        dark = share[row, column] > 0.5
        axis.text(
            column, row, f"{table[row, column]:,}\n{share[row, column]:.3f}",
            ha="center", va="center", fontsize=8, color="white" if dark else "black",
        )  # fmt: skip
    places = range(len(names))
    axis.set_xticks(places, [_with(figures, name, "precision") for name in names], fontsize=8)
    axis.set_yticks(places, [_with(figures, name, "recall") for name in names], fontsize=8)
    axis.set(xlabel="answer", ylabel="truth")
    accuracy = plots.number(figures["accuracy"], figures["accuracy_std"])
    axis.set_title(f"{figures['objects']:,} reconstructions, accuracy {accuracy}", fontsize=8)
    return figure


def _with(figures, name, key):
    value = figures[name][key]
    return name if value is None else f"{name}\n{key} {value:.3f}"


def solution_reliability_plot(figures):
    """Share of each solution over the probability that it was given.

    Parameters
    ----------
    figures : dict
        From `lensfinder.training.solution_scores.solution_figures`.

    Returns
    -------
    matplotlib.figure.Figure
        The plot, a line per solution.
    """
    figure, ((axis,),) = plots.canvas()
    axis.plot((0, 1), (0, 1), color=plots.QUIET, ls=":", lw=1, label="calibrated")
    for name, colour in zip(figures["labels"], plots.COLOURS, strict=False):
        found = figures["calibration"][name]
        if found is None:
            continue
        p, fraction, low, high = (
            np.array([line[key] for line in found["reliability"]])
            for key in ("probability", "fraction", "low", "high")
        )
        axis.errorbar(
            p, fraction, (fraction - low, high - fraction), fmt="o-", ms=3.5, lw=1, color=colour,
            label=f"{name}: error {found['error']:.4f}, by chance below "
            f"{found['error_null_99']:.4f}",
        )  # fmt: skip
    axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="predicted probability", ylabel="share that is so")
    axis.legend(loc="upper left", fontsize=8, frameon=False)
    return figure
