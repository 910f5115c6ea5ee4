"""Whether a modeller's posteriors mean what they say, in pictures."""

import numpy as np

from lensfinder.report import plots


def coverage_plot(figures):
    """Share of truths within the intervals: by level, jointly, and over S/N.

    Parameters
    ----------
    figures : dict
        From `lensfinder.training.coverage.posterior_figures`.

    Returns
    -------
    matplotlib.figure.Figure
        The plot: coverage against the level of the intervals with the curve of TARP, and where
        there are bins the 68 % coverage in each.
    """
    bins = figures.get("bins", ())
    figure, panels = plots.canvas(1, 2 if bins else 1, size=(4.4, 3.7))
    axis = panels[0, 0]
    axis.plot([0, 1], [0, 1], color="black", lw=0.8, ls=":")
    curve = figures["tarp"]
    axis.plot(
        curve["alpha"], curve["coverage"], color=plots.LENS, lw=1.2,
        label=f"all together (TARP), p = {curve['p']:.2g}",
    )  # fmt: skip
    for k, (name, values) in enumerate(figures["parameters"].items()):
        level = np.array([float(text) for text in values["coverage"]])
        held, std = (np.array(list(values[key].values())) for key in ("coverage", "coverage_std"))
        axis.errorbar(
            level + 0.012 * (k - 1), held, std, fmt="o", ms=4, lw=1.1,
            color=plots.COLOURS[k % len(plots.COLOURS)], label=plots.axis_label(name),
        )  # fmt: skip
    axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability of the interval")
    axis.set_ylabel("truths within")
    axis.legend(fontsize=8, frameon=False, loc="upper left")
    if bins:
        _over_bins(panels[0, 1], bins)
    return figure


def _over_bins(axis, bins):
    axis.axhspan(0.6, 0.76, color=plots.QUIET, alpha=plots.BAND, lw=0)
    axis.axhline(0.68, color="black", lw=0.8, ls=":")
    at = np.array([line["median"] for line in bins])
    ends = np.array([(line["low"], line["high"]) for line in bins])
    for k, name in enumerate(bins[0]["parameters"]):
        held, std = (
            np.array([line["parameters"][name][key] for line in bins])
            for key in ("coverage", "coverage_std")
        )
        axis.errorbar(
            at * (1 + 0.03 * (k - 1)), held, std, fmt="o-", ms=4, lw=1.1,
            color=plots.COLOURS[k % len(plots.COLOURS)],
        )  # fmt: skip
    plots.spread_out(axis, ends.ravel())
    axis.set(ylim=(0.4, 1.0), xlabel=plots.axis_label("snr"))
    axis.set_ylabel("truths within the 68 % interval")
