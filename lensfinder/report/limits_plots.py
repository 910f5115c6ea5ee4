"""Which lenses a finder finds, in pictures: selection function and detection limit."""

import numpy as np

from lensfinder.report import plots

_NAMES = {"roc_auc": "ROC AUC", "precision_recall_auc": "precision-recall AUC"}
_NAMES["f_beta"] = r"best $F_\beta$ ($\beta^2=0.001$)"


def selection_plot(selection):
    """Completeness along each axis, and over each pair of axes.

    Parameters
    ----------
    selection : Selection
        From `lensfinder.training.selection.selection_function`.

    Returns
    -------
    matplotlib.figure.Figure
        The plot.
    """
    axes = selection.axes
    pairs = [(a, b) for i, a in enumerate(axes) for b in axes[i + 1 :]]
    figure, panels = plots.canvas(2 if pairs else 1, len(axes), size=(3.9, 3.3))
    for axis, name in zip(panels[0], axes, strict=True):
        _along(axis, selection, name)
    image = None
    for axis in panels[1:].flat:
        if not pairs:
            axis.set_visible(False)
            continue
        image = _over(axis, selection, *pairs.pop(0))
    if image is not None:
        figure.colorbar(image, ax=panels[1:], label="completeness", fraction=0.03, pad=0.01)
    total, found = int(selection.lenses.sum()), int(selection.found.sum())
    figure.suptitle(
        f"{found:,} of {total:,} lenses found at p ≥ {selection.threshold:.3g}; "
        "bars: 68 % binomial; numbers: lenses in the cell",
        fontsize=9,
    )
    return figure


def _along(axis, selection, name):
    values, edges = selection.along(name), selection.edges[name]
    centre = 0.5 * (edges[1:] + edges[:-1])
    if plots.spread_out(axis, edges):
        centre = np.sqrt(edges[1:] * edges[:-1])
    some = values["lenses"] > 0
    share = values["completeness"][some]
    axis.errorbar(
        centre[some], share, (share - values["low"][some], values["high"][some] - share),
        xerr=(centre[some] - edges[:-1][some], edges[1:][some] - centre[some]),
        fmt="o", ms=3.5, lw=1.1, color=plots.LENS,
    )  # fmt: skip
    axis.set(ylim=(0, 1.03), xlabel=plots.axis_label(name), ylabel="completeness")


def _over(axis, selection, first, second):
    from matplotlib.patheffects import withStroke

    values = selection.along(second, first)  # rows are y
    x, y = selection.edges[first], selection.edges[second]
    # every cell drawn as large as the others, for bins of equal numbers differ widely in width
    image = axis.pcolormesh(
        np.arange(x.size), np.arange(y.size), np.ma.masked_invalid(values["completeness"]),
        vmin=0, vmax=1, cmap="viridis",
    )  # fmt: skip
    for (row, column), count in np.ndenumerate(values["lenses"]):
        axis.text(
            column + 0.5, row + 0.5, f"{count}", ha="center", va="center", fontsize=6.5,
            color="white", path_effects=[withStroke(linewidth=1.4, foreground="#00000088")],
        )  # fmt: skip
    axis.set_xticks(np.arange(x.size), [_short(value) for value in x], rotation=45, fontsize=7)
    axis.set_yticks(np.arange(y.size), [_short(value) for value in y], fontsize=7)
    axis.grid(visible=False)
    axis.set(xlabel=plots.axis_label(first), ylabel=plots.axis_label(second))
    return image


def _short(value) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def detection_plot(detection, figures):
    """Ranking figures over the number of visible source pixels (Bom et al. 2022, figure 11).

    Parameters
    ----------
    detection : dict of str to list of dict
        From `lensfinder.training.detection.detection_limit`.
    figures : dict
        From `lensfinder.training.scores.finder_figures`: the full sample, drawn as a line.

    Returns
    -------
    matplotlib.figure.Figure
        The plot.
    """
    words = {"below": "all objects of fewer pixels", "non_lenses": "non-lenses"}
    figure, panels = plots.canvas(1, len(_NAMES), size=(3.9, 3.4))
    for axis, (name, title) in zip(panels.flat, _NAMES.items(), strict=True):
        for (against, lines), colour in zip(
            detection.items(), (plots.LENS, plots.OTHER), strict=True
        ):
            rows = [line for line in lines if np.isfinite(line[name])]
            at = [0.5 * (line["low"] + line["high"]) for line in rows]
            shift = 0.0 if against == "below" else 1.2  # or the two error bars hide each other
            axis.errorbar(
                np.add(at, shift), [line[name] for line in rows],
                [line[f"{name}_std"] for line in rows],
                fmt="o-", ms=3.5, lw=1, color=colour, label=f"against {words[against]}",
            )  # fmt: skip
        if name != "f_beta":
            axis.axhline(0.5, color=plots.QUIET, ls=":", lw=1, label="by chance")
        if name == "roc_auc":
            axis.axhline(figures[name], color=plots.QUIET, lw=1, label="full sample")
        ends = [
            line[end] for lines in detection.values() for line in lines for end in ("low", "high")
        ]
        axis.set(xlim=(0, max(ends) + 5), xlabel=plots.axis_label("n_pix"), ylabel=title)
        axis.set_ylim(0.4, 1.02)
    lines, words = panels[0, 0].get_legend_handles_labels()
    figure.legend(lines, words, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure
