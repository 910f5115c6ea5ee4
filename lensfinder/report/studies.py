"""Errors of several modellers over one quantity, as in Pearson et al. 2019, figures 8 to 14."""

import numpy as np

from lensfinder.report import plots

SHOWN = ("theta_E", "orientation", "ellipticity")
MARKERS = "osD^vP"


def study_plot(rows, *, parameters=SHOWN, title: str = ""):
    """RMS error of some parameters, a column each, over one quantity per row.

    Parameters
    ----------
    rows : sequence of dict
        Per row ``x_label`` and ``lines``: label to points. A point is a dict with ``x``, a number
        or a word, and ``parameters``: name to a dict of ``rms`` and ``rms_std``. ``y_labels`` names
        what is not the RMS error of a parameter in its own unit, ``bottom`` is where the ordinates
        begin if not at 0.
    parameters : sequence of str
        Which to show.
    title : str
        Above all.

    Returns
    -------
    matplotlib.figure.Figure
        The plot.
    """
    figure, panels = plots.canvas(len(rows), len(parameters), size=(3.7, 2.9))
    for row, (axes, content) in enumerate(zip(panels, rows, strict=True)):
        for axis, name in zip(axes, parameters, strict=True):
            _panel(axis, content["lines"], name, content.get("bottom", 0))
            axis.set_xlabel(content["x_label"], fontsize=8)
            usual = f"RMS of {plots.axis_label(name)}"
            axis.set_ylabel(content.get("y_labels", {}).get(name, usual), fontsize=8)
        words = len(rows) == 1 or content["lines"].keys() != rows[row - 1]["lines"].keys()
        if row == 0 or words:
            axes[-1].legend(fontsize=6.5, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def _panel(axis, lines, name, bottom):
    """One parameter's lines; words along x stand in the order in which they first come."""
    everywhere = [point["x"] for points in lines.values() for point in points]
    words = list(dict.fromkeys(everywhere)) if any(isinstance(x, str) for x in everywhere) else None
    for k, (label, points) in enumerate(lines.items()):
        x = [words.index(point["x"]) if words else point["x"] for point in points]
        values = [point["parameters"][name] for point in points]
        axis.errorbar(
            x, [value["rms"] for value in values],
            [np.nan_to_num(value["rms_std"]) for value in values],
            marker=MARKERS[k % len(MARKERS)], ms=3.5, lw=1.1,
            color=plots.COLOURS[k % len(plots.COLOURS)], label=label,
        )  # fmt: skip
    axis.set_ylim(bottom=bottom)
    if words:
        axis.set_xticks(range(len(words)), words, fontsize=7)
        axis.set_xlim(-0.4, len(words) - 0.6)
    elif everywhere:
        plots.spread_out(axis, everywhere)
