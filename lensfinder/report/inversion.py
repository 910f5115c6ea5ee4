"""A picture of an inversion: image, model, residual, and the source with its caustic."""

from pathlib import Path

import numpy as np

from lensfinder.inversion.mass import MassModel
from lensfinder.inversion.pixels import pixel_centres
from lensfinder.tables import write_atomically

PANEL = 3.3  # inches
RESIDUAL_RANGE = 4.0  # standard deviations
SOURCE_SIDE = 240  # pixels of the drawn source
BRIGHT, MARGIN = 3.0, 0.25  # source pixels that must be in the picture, and the space around them


def draw_inversion(result, path) -> Path:
    """Draw a reconstruction into a file.

    Parameters
    ----------
    result : Inversion
        What `lensfinder.inversion.invert` gives.
    path : str or Path
        Image file, e.g. ending in ``.png`` or ``.svg``.

    Returns
    -------
    Path
        The file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * PANEL, 2 * PANEL + 0.5), layout="constrained")
    FigureCanvasAgg(figure)  # a canvas of its own: no window, no global state
    axes = figure.subplots(2, 3)
    seen = result.observation
    (height, width), scale = seen.shape, seen.pixel_scale
    edges = [s * n * scale / 2 for n in (width, height) for s in (-1, 1)]
    fitted = result.fitted
    arcs, words = seen.data, "image"
    if result.light is not None:
        arcs, words = seen.data - result.light, "image without the fitted lens light"
    # A pixel without a usable value has a huge noise: it must not set the scale.
    peak = float(np.max(arcs[seen.noise <= 100.0 * np.median(seen.noise)]))
    brightness = dict(extent=edges, vmin=0.0, vmax=peak, cmap="magma")
    _panel(figure, axes[0, 0], seen.image(arcs), fitted, words, **brightness)
    _panel(figure, axes[0, 1], result.model_image, fitted, "model", **brightness)
    limits = dict(extent=edges, vmin=-RESIDUAL_RANGE, vmax=RESIDUAL_RANGE, cmap="RdBu_r")
    title = f"residual / noise, χ² = {result.chi2:,.0f} of {len(seen):,} pixels"
    _panel(figure, axes[0, 2], result.normalised_residual, fitted, title, **limits)
    sharp = dict(extent=edges, vmin=0.0, cmap="magma")
    _panel(figure, axes[1, 2], result.sharp_image, fitted, "model before blurring", **sharp)
    _source_panels(figure, axes[1, :2], result)
    _curves(axes, result.mass)
    _zoom(axes[[0, 0, 0, 1], [0, 1, 2, 2]], seen)
    strength = f"λ = {result.evidence.strength:.3g}"
    used = f"{result.degrees_of_freedom:.0f} of {len(result.source)} source parameters used"
    magnified = f"magnification {result.magnification:.1f}"
    evidence = f"log evidence {result.log_evidence:,.1f}".replace("-", "−")
    figure.suptitle(", ".join([evidence, strength, used, magnified]), fontsize="medium")
    figure.supxlabel("arcsec", fontsize="small")
    path = Path(path)
    write_atomically(path, lambda place: figure.savefig(place, dpi=120))
    return path


def _panel(figure, axis, image, shown, title, **style):
    drawn = axis.imshow(np.where(shown, image, np.nan), origin="lower", **style)
    axis.set_facecolor("0.85")  # outside the mask, or of the source grid
    axis.set_title(title, fontsize="small")
    axis.tick_params(labelsize="x-small")
    figure.colorbar(drawn, ax=axis, shrink=0.8).ax.tick_params(labelsize="x-small")


def _source_panels(figure, axes, result):
    """The source and its significance, on a square that holds all that is bright."""
    nodes, bright = result.mesh.nodes, result.significance > BRIGHT
    nodes = nodes[bright] if bright.any() else nodes
    curve = _caustic(result.mass)
    if curve is not None:
        nodes = np.concatenate([nodes, curve])
    low, high = nodes.min(axis=0), nodes.max(axis=0)
    middle, half = (low + high) / 2, (0.5 + MARGIN) * float((high - low).max())
    x, y = pixel_centres((SOURCE_SIDE, SOURCE_SIDE), 2 * half / SOURCE_SIDE)
    x, y = np.broadcast_arrays(x + middle[0], y + middle[1])
    edges = [m + s * half for m in middle for s in (-1, 1)]
    numbers, weights = result.mesh.mapping(x.ravel(), y.ravel())

    def interpolated(values):
        return (values[numbers] * weights).sum(axis=1).reshape(x.shape)

    shown = result.mesh.inside(x, y)
    style = dict(extent=edges, vmin=0.0, cmap="magma")
    _panel(figure, axes[0], interpolated(result.source), shown, "source", **style)
    title = "source / its standard deviation"
    _panel(figure, axes[1], interpolated(result.significance), shown, title, **style)


def _caustic(mass):
    return mass.caustic() if isinstance(mass, MassModel) else None


def _curves(axes, mass):
    """Caustic and cut over the source, the critical curve over the images."""
    if not isinstance(mass, MassModel):
        return
    curves = [(mass.caustic(), "-"), (mass.cut(), ":")]
    drawn = [(axis, *curve) for axis in axes[1, :2] for curve in curves if curve[0] is not None]
    drawn += [(axis, mass.critical_curve(), "-") for axis in (axes[0, 0], axes[1, 2])]
    for axis, points, style in drawn:
        points = np.concatenate([points, points[:1]])
        limits = axis.axis()
        axis.plot(*points.T, color="tab:cyan", linewidth=0.9, linestyle=style)
        axis.axis(limits)


def _zoom(axes, seen):
    """Show the mask, not the empty image around it."""
    margin = 2 * seen.pixel_scale
    for axis in axes:
        axis.set_xlim(seen.x.min() - margin, seen.x.max() + margin)
        axis.set_ylim(seen.y.min() - margin, seen.y.max() + margin)
