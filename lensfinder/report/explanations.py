"""The figure of an explanation: regions over what the network sees, their weights, how sure."""

import io
import math

import numpy as np

from lensfinder.report import stamps
from lensfinder.report.view import network_view

# Colours of Bom et al. 2022, figure 9
COLOURS = {"lens": "#2fd35a", "against": "#ffd21f"}
WORDS = {"lens": "for a lens", "against": "against"}
PANEL = 2.55  # inches
WIDTHS = (1.9, 0.9)  # points: outline of the most important region, and of the second
WEIGHTS_MAP = "PRGn"  # purple against, green for


def outline(mask, scale: float) -> np.ndarray:
    """Edges of the pixels where a region ends.

    Parameters
    ----------
    mask : array (side, side) of bool
        The region.
    scale : float
        Arcsec per pixel.

    Returns
    -------
    array (n, 2, 2)
        Line segments, (x, y) of both ends in arcsec from the centre of the stamp.
    """
    wide = np.pad(np.asarray(mask, bool), 1)
    half = mask.shape[0] / 2
    rows, columns = np.nonzero(wide[1:] != wide[:-1])  # below and above differ
    level = [((c - 1, r), (c, r)) for r, c in zip(rows, columns, strict=True)]
    rows, columns = np.nonzero(wide[:, 1:] != wide[:, :-1])
    upright = [((c, r - 1), (c, r)) for r, c in zip(rows, columns, strict=True)]
    return (np.array(level + upright, float).reshape(-1, 2, 2) - half) * scale


def explanation_png(explanation, images, *, network, contract, p_lens: float, title: str) -> bytes:
    """One explained object as a PNG.

    Parameters
    ----------
    explanation : Explanation
        Why the object got its score.
    images : dict of str to array (H, W, bands)
        The object, e-/s.
    network : keras.Model
        The finder; its own preprocessing is the stretch of the images.
    contract : InputContract
        What it is fed.
    p_lens : float
        The score.
    title : str
        Name of the object.

    Returns
    -------
    bytes
        Per group what the network sees, with the two most important regions for a lens in green and
        against one in yellow; then the weights of all regions on the sky; then in how many of the
        seeds each region is among the top ones.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(contract.groups) + 2
    figure = Figure(figsize=(PANEL * count, PANEL + 0.25), layout="constrained")
    FigureCanvasAgg(figure)  # a canvas of its own: no window, no global state
    axes = figure.subplots(1, count, squeeze=False)[0]
    view = network_view(network, {name: image[None] for name, image in images.items()})
    for axis, group in zip(axes, contract.groups, strict=False):
        seen = view.images[group.name]
        low, high = stamps.page_limits(seen)
        pixels, words = stamps.rgb(seen[0], group.bands, low=low, high=high)
        axis.imshow(pixels, origin="lower", extent=_extent(group.width))
        axis.set_title(f"{words}, as the network sees it", fontsize=8)
    sky = explanation.regions.sky
    painted = explanation.regions.paint(explanation.weights)
    top = max(float(np.abs(painted).max()), 1e-12)
    shown = axes[-2].imshow(
        painted,
        origin="lower",
        extent=_extent(sky.width),
        cmap=WEIGHTS_MAP,
        vmin=-top,
        vmax=top,
    )
    axes[-2].set_title("change of p by each region", fontsize=8)
    bar = figure.colorbar(shown, ax=axes[-2], fraction=0.046, pad=0.02)
    bar.ax.tick_params(labelsize=6)
    _draw_stability(axes[-1], explanation)
    for axis in axes:
        _draw_regions(axis, explanation)
        axis.set_xlim(-sky.width / 2, sky.width / 2)
        axis.set_ylim(-sky.width / 2, sky.width / 2)
        axis.tick_params(labelsize=6)
    axes[0].set_xlabel("x (arcsec)", fontsize=7)
    axes[0].set_ylabel("y (arcsec)", fontsize=7)
    figure.suptitle(f"{_short(title)}   p = {p_lens:.3f}   {_numbers(explanation)}", fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _extent(width):
    return (-width / 2, width / 2, -width / 2, width / 2)


def _draw_regions(axis, explanation):
    from matplotlib.collections import LineCollection

    labels, scale = explanation.regions.labels, explanation.regions.sky.scale
    for side, colour in reversed(COLOURS.items()):  # green on top: it is what is looked for
        for place, region in enumerate(explanation.top(side)):
            lines = outline(labels == region + 1, scale)
            width = WIDTHS[min(place, 1)]
            # a dark seam keeps yellow visible on white
            seam = LineCollection(lines, colors="black", linewidths=width + 1.1, zorder=3)
            axis.add_collection(seam)
            axis.add_collection(LineCollection(lines, colors=colour, linewidths=width, zorder=4))


def _draw_stability(axis, explanation):
    """Green and yellow: in which share of the seeds a region is among the top ones."""
    picture = np.ones((*explanation.regions.labels.shape, 3))
    for side, colour in COLOURS.items():
        share = explanation.regions.paint(explanation.top_share(side))[..., None]
        target = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        picture = picture * (1 - share) + target * share
    axis.imshow(picture, origin="lower", extent=_extent(explanation.regions.sky.width))
    seeds = len(explanation.per_seed)
    axis.set_title(f"top regions over {seeds} seeds", fontsize=8)


def _numbers(explanation) -> str:
    words = []
    if math.isfinite(explanation.fit_r2):
        words.append(f"R² of the fit {explanation.fit_r2:.2f}")
    for side, name in WORDS.items():
        value = explanation.stability(side)
        if math.isfinite(value):
            words.append(f"stability {name} {value:.2f}")
    return "   ".join(words)


def _short(title: str) -> str:
    text = "".join(c if c.isprintable() and c != "$" else "?" for c in str(title))
    return text if len(text) <= 48 else "…" + text[-47:]
