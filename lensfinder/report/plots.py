"""What the plots of an evaluation share: canvas, colours, and how a number is written."""

from pathlib import Path

import numpy as np

LENS, OTHER, BAND, QUIET = "#b5341f", "#28518a", 0.22, "#7a7a7a"
# of further lines and of the kinds of non-lenses; distinct in grey and for the colour-blind
COLOURS = ("#28518a", "#d98a1f", "#3f8f6b", "#8d5a97", "#6b6b6b", "#b07a5a")
DPI = 130


def canvas(rows: int = 1, columns: int = 1, *, size=(4.6, 3.7), **options):
    """A figure of its own: no window, no global state.

    Parameters
    ----------
    rows, columns : int
        Panels.
    size : (float, float)
        Of one panel, inches.
    **options : dict
        Keyword arguments of `matplotlib.figure.Figure.subplots`.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure.
    axes : array (rows, columns) of matplotlib.axes.Axes
        Its panels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for axis in axes.flat:
        axis.grid(alpha=0.25, linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save(figure, path) -> Path:
    """Write a figure; the file is whole or absent, and the same for the same data.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    path : str or Path
        Image file, e.g. ``.png`` or ``.svg``.

    Returns
    -------
    Path
        The file.
    """
    from lensfinder.tables import write_atomically

    path = Path(path)
    # no Software tag: the same picture has the same bytes with any version of matplotlib
    facts = {"Software": None} if path.suffix == ".png" else None
    write_atomically(path, lambda place: figure.savefig(place, dpi=DPI, metadata=facts))
    return path


def axis_label(name: str) -> str:
    """Symbol and unit of a column, for an axis.

    Parameters
    ----------
    name : str
        Column of the registry, or "ellipticity" and "orientation" of the modeller's table.

    Returns
    -------
    str
        With mathematics as matplotlib reads it.
    """
    from lensfinder.tables import column_spec, name_known

    symbol = SYMBOLS.get(name, name.replace("_", " "))
    unit = {"orientation": "rad"}.get(name, column_spec(name).unit if name_known(name) else "")
    return symbol + (f" [{unit}]" if unit else "")


SYMBOLS: dict[str, str] = {
    "theta_E": r"Einstein radius $\theta_\mathrm{E}$",
    "src_mag": "source magnitude, unlensed",
    "snr": "S/N of the lensed source",
    "n_pix": r"$N_\mathrm{pix}$",
    "e1": "$e_1$",
    "e2": "$e_2$",
    "q": "axis ratio $q$",
    "phi": r"position angle $\phi$",
    "x_lens": r"$x_\mathrm{lens}$",
    "y_lens": r"$y_\mathrm{lens}$",
    "x_src": r"$x_\mathrm{src}$",
    "y_src": r"$y_\mathrm{src}$",
    "gamma1": r"$\gamma_1$",
    "gamma2": r"$\gamma_2$",
    "ellipticity": "ellipticity $1-q$",
    "orientation": "orientation",
}


def spread_out(axis, values) -> bool:
    """Make an x axis logarithmic if a linear one would crowd the lower values.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
        Whose x axis it is.
    values : array (N,)
        What lies along it.

    Returns
    -------
    bool
        Whether it is logarithmic now.
    """
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    low, middle, high = np.quantile(np.asarray(values, float), (0.0, 0.5, 1.0))
    crowded = middle - low < 0.3 * (high - low)
    if not (low > 0 and high / low > 8 and crowded):
        return False
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.xaxis.set_minor_formatter(NullFormatter())
    return True


def number(value, error=None) -> str:
    """A figure with its error for a legend, with two digits of the error.

    Parameters
    ----------
    value, error : float or None
        None for what could not be measured.

    Returns
    -------
    str
        Such as "0.9889 ± 0.0012".
    """
    from math import floor, isfinite, log10

    if value is None or not isfinite(value):
        return "not measurable"
    if not error or not isfinite(error):
        return f"{value:.3g}"
    digits = min(6, max(0, 1 - floor(log10(error))))
    return f"{value:.{digits}f} ± {error:.{digits}f}"
