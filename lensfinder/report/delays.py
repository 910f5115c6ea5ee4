"""Errors of image positions and delays, drawn as in figures 13 and 14 of Schuldt et al. (2021)."""

import itertools
from pathlib import Path

import numpy as np

from lensfinder.delays import summarise
from lensfinder.errors import ArgumentError
from lensfinder.tables import write_atomically

BINS = 8
_FEWEST = 10  # images in a bin with error bars
_NUMBERS = (("all", "all", "0.25"), ("doubles", 2, "C0"), ("quads", 4, "C1"))


def plot_delay_errors(table, path, *, theta_E_min: float = 0.0) -> Path:
    """Draw the errors of a comparison into a file.

    Parameters
    ----------
    table : astropy.table.Table
        What `lensfinder.compare_delays` returned.
    path : str or Path
        Image file, e.g. ending in ``.png`` or ``.svg``.
    theta_E_min : float
        Systems with a smaller true Einstein radius [arcsec] are left out.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ArgumentError
        If no system can be compared.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    status = np.asarray(table["status"], dtype="U")
    chosen = (status == "ok") & (np.asarray(table["theta_E_true"]) >= theta_E_min)
    rows = table[chosen]
    if not len(rows):
        raise ArgumentError(
            "No system has as many predicted as true images, so there is nothing to draw. "
            "Look at the table's status column."
        )
    figures = summarise(table, theta_E_min=theta_E_min)
    across, label = _across(rows)
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    FigureCanvasAgg(figure)  # a canvas of its own: no window, no global state
    axes = figure.subplots(2, 3)
    _binned(axes[0, 0], rows, across, "dx", label, "Δx of further images (arcsec)")
    _binned(axes[0, 1], rows, across, "dy", label, "Δy of further images (arcsec)")
    _histogram(axes[0, 2], rows)
    _binned(axes[1, 0], rows, across, "f_delay", label, "(Δt − Δt true) / |Δt true|")
    _binned(axes[1, 1], rows, across, "d_delay", label, "Δt − Δt true (days)")
    error = np.asarray(rows["d_theta_E"], dtype=float)
    _binned(axes[1, 2], rows, error, "f_delay", "θE − θE true (arcsec)", "fractional delay error")
    axes[0, 0].legend(loc="best", fontsize="small", frameon=False)
    figure.suptitle(_title(figures, theta_E_min), fontsize="medium")
    path = Path(path)
    write_atomically(path, lambda place: figure.savefig(place, dpi=120))
    return path


def _across(rows):
    """What the errors are drawn against: the paper's brightness ratio, or the Einstein radius."""
    if "log_brightness" in rows.colnames:
        values = np.asarray(rows["log_brightness"], dtype=float)
        if np.isfinite(values).any():
            return values, "log10(arc / lens brightness)"
    return np.asarray(rows["theta_E_true"], dtype=float), "true Einstein radius (arcsec)"


def _binned(axis, rows, across, name, label, words):
    """Median and 16-84 % in bins of equal numbers, for all, doubles and quads."""
    values, number = np.asarray(rows[name], dtype=float), np.asarray(rows["n_images_true"])
    usable = np.isfinite(values) & np.isfinite(across)
    low, high = np.percentile(across[usable], (1, 99)) if usable.any() else (0.0, 1.0)
    edges = np.linspace(low, high, BINS + 1)
    width = (high - low) / BINS
    for k, (group, count, colour) in enumerate(_NUMBERS):
        some = usable if count == "all" else usable & (number == count)
        points = []
        for left, right in itertools.pairwise(edges):
            inside = values[some & (across >= left) & (across < right)]
            if inside.size >= _FEWEST:
                points.append((0.5 * (left + right), *np.percentile(inside, (16, 50, 84))))
        if points:
            x, p16, p50, p84 = np.array(points).T
            bars = np.stack([p50 - p16, p84 - p50])
            axis.errorbar(
                x + 0.12 * (k - 1) * width, p50, bars, color=colour, marker="o", ms=3, lw=1,
                capsize=2, label=group,
            )  # fmt: skip
    axis.axhline(0.0, color="0.6", lw=0.8)
    axis.set_xlabel(label, fontsize="small")
    axis.set_ylabel(words, fontsize="small")
    axis.tick_params(labelsize="small")


def _histogram(axis, rows):
    values, number = np.asarray(rows["d_delay"], dtype=float), np.asarray(rows["n_images_true"])
    finite = np.isfinite(values)
    reach = np.percentile(np.abs(values[finite]), 95) if finite.any() else 1.0
    edges = np.linspace(-reach, reach, 41) if reach > 0 else np.linspace(-1, 1, 41)
    for _, count, colour in _NUMBERS:
        some = finite if count == "all" else finite & (number == count)
        axis.hist(values[some], edges, histtype="step", color=colour)
    axis.set_xlabel("Δt − Δt true (days)", fontsize="small")
    axis.set_ylabel("further images", fontsize="small")
    axis.tick_params(labelsize="small")


def _title(figures, theta_E_min):
    share = 100 * figures["count_differs"]
    text = f"{figures['systems']:,} systems"
    if theta_E_min:
        text += f" with θE ≥ {theta_E_min:g}″"
    text += f"; number of images differs in {share:.1f} %"
    if "f_delay" in figures["all"]:
        f = figures["all"]["f_delay"]
        text += f"; fractional delay error {f['median']:.2f} +{f['plus']:.2f} −{f['minus']:.2f}"
    return text.replace("-", "−")
