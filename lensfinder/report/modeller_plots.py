"""How good a modeller is, in pictures: predicted against true, and errors over the kind of lens."""

import numpy as np

from lensfinder.report import plots
from lensfinder.training.parameter_bins import running_quantiles

MARKS = 4000  # points drawn at most; the quantiles are of all
COLUMNS = 3


def parameter_plot(truth, predicted, figures):
    """Predicted against true values of every parameter, with running median and 16-84 %.

    Parameters
    ----------
    truth, predicted : dict of str to array (N,)
        The same columns in both.
    figures : dict
        From `lensfinder.training.scores.modeller_figures`.

    Returns
    -------
    matplotlib.figure.Figure
        The plot.
    """
    names = list(truth)
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure, panels = plots.canvas(rows, columns, size=(3.6, 3.6))
    for axis, name in zip(panels.flat, names, strict=False):
        true, found = truth[name], predicted[name]
        step = max(1, true.size // MARKS)
        axis.plot(true[::step], found[::step], ".", ms=1.6, alpha=0.35, color=plots.QUIET)
        ends = np.quantile(np.concatenate([true, found]), (0.001, 0.999))
        axis.plot(ends, ends, color="black", lw=0.8, ls=":")
        if true.size > 1:
            centre, (low, middle, high) = running_quantiles(true, found)
            axis.fill_between(centre, low, high, color=plots.LENS, alpha=plots.BAND, lw=0)
            axis.plot(centre, middle, color=plots.LENS, label="median and 16–84 %")
        values = figures["parameters"][name]
        rms = plots.number(values["rms"], values["rms_std"])
        axis.set_title(f"RMS {rms}; constant answer {values['rms_constant']:.3f}", fontsize=8)
        label = plots.axis_label(name)
        axis.set(xlim=ends, ylim=ends, xlabel=f"true {label}", ylabel="predicted")
    for axis in panels.flat[len(names) :]:
        axis.set_visible(False)
    panels[0, 0].legend(loc="upper left", fontsize=8, frameon=False)
    return figure


def error_plot(bins, figures):
    """RMS of every parameter in bins of Einstein radius and S/N.

    Parameters
    ----------
    bins : dict of str to list of dict
        From `lensfinder.training.parameter_bins.errors_in_bins`, by the column binned by.
    figures : dict
        From `lensfinder.training.scores.modeller_figures`: the RMS of all, drawn as a line.

    Returns
    -------
    matplotlib.figure.Figure
        The plot: one row per parameter, one column per quantity binned by.
    """
    names = list(figures["parameters"])
    figure, panels = plots.canvas(
        len(names), len(bins), size=(4.2, 2.1), sharex="col", sharey="row"
    )
    for column, (by, lines) in enumerate(bins.items()):
        at = np.array([line["median"] for line in lines])
        ends = np.array([(line["low"], line["high"]) for line in lines])
        for axis, name in zip(panels[:, column], names, strict=True):
            rms, std = (
                np.array([line["parameters"][name][key] for line in lines], float)
                for key in ("rms", "rms_std")
            )
            axis.errorbar(
                at, rms, std, xerr=(at - ends[:, 0], ends[:, 1] - at),
                fmt="o", ms=3.5, lw=1.1, color=plots.LENS, label="RMS",
            )  # fmt: skip
            middle = np.array([line["parameters"][name]["median"] for line in lines])
            axis.plot(at, middle, "s--", ms=2.5, lw=0.8, color=plots.OTHER, label="median error")
            axis.axhline(0, color="black", lw=0.6)
            values = figures["parameters"][name]
            axis.axhline(values["rms"], color=plots.QUIET, lw=1, ls=":", label="RMS of all")
            if column == 0:
                axis.set_ylabel(plots.axis_label(name), fontsize=8)
        plots.spread_out(panels[-1, column], ends.ravel())
        panels[-1, column].set_xlabel(plots.axis_label(by))
    lines, words = panels[0, 0].get_legend_handles_labels()
    figure.legend(lines, words, loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return figure
