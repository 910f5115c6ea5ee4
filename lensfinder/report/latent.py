"""The codes of a bottleneck on a plane: figures 4 to 6 of Madireddy et al."""

from pathlib import Path

import numpy as np

from lensfinder.errors import ArgumentError
from lensfinder.report.plots import axis_label, canvas, save

PERPLEXITY = 30.0  # scikit-learn's default; fewer objects take less
FEWEST = 8  # objects that a map can show
_SIZE = 0.045  # side of an image, as a share of the map


def latent_map(codes, *, seed: int = 1) -> np.ndarray:
    """Places of codes on a plane, where neighbours stay neighbours (t-SNE).

    Distances between clusters, and their sizes, mean nothing.

    Parameters
    ----------
    codes : array (N, latent)
        From `lensfinder.zoo.vib.latent_codes`.
    seed : int
        Of the embedding.

    Returns
    -------
    array (N, 2)
        Places, 0 to 1 along each axis.

    Raises
    ------
    ArgumentError
        If there are too few codes, or one is not finite.
    """
    from sklearn.manifold import TSNE

    codes = np.asarray(codes, np.float64)
    if codes.ndim != 2 or len(codes) < FEWEST or not np.isfinite(codes).all():
        raise ArgumentError(
            f"A map needs {FEWEST} or more finite codes (N, latent). Received: {codes.shape}."
        )
    embedding = TSNE(
        perplexity=min(PERPLEXITY, (len(codes) - 1) / 3), init="pca", random_state=seed
    )
    places = embedding.fit_transform(codes)
    low, high = places.min(axis=0), places.max(axis=0)
    return (places - low) / np.where(high > low, high - low, 1.0)


def plot_latent(places, columns, path) -> Path:
    """Draw the map once for each column, coloured by it (figures 4 and 5).

    Parameters
    ----------
    places : array (N, 2)
        From `latent_map`.
    columns : dict of str to array (N,)
        Numbers; or text, for classes.
    path : str or Path
        Image file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ArgumentError
        If there is no column, or one has another length.
    """
    places = _checked(places)
    wrong = [name for name, values in columns.items() if len(values) != len(places)]
    if not columns or wrong:
        raise ArgumentError(
            f"Each column needs a value per place ({len(places)}). Received: {wrong or 'none'}."
        )
    across = min(3, len(columns))
    down = -(-len(columns) // across)
    figure, axes = canvas(down, across)
    for axis, (name, values) in zip(axes.flat, columns.items(), strict=False):
        values = np.asarray(values)
        if values.dtype.kind in "fiu":
            drawn = axis.scatter(*places.T, c=values, s=8, cmap="viridis", linewidths=0)
            figure.colorbar(drawn, ax=axis, label=axis_label(name))
        else:
            for kind in np.unique(values):
                axis.scatter(*places[values == kind].T, s=8, linewidths=0, label=str(kind))
            axis.legend(fontsize="small", frameon=False)
            axis.set_title(name, fontsize="medium")
        _bare(axis)
    for axis in axes.flat[len(columns) :]:
        axis.set_visible(False)
    return save(figure, path)


def plot_latent_images(places, images, path) -> Path:
    """Draw the images themselves at their places on the map (figure 6).

    Of images that would cover each other, the first is drawn.

    Parameters
    ----------
    places : array (N, 2)
        From `latent_map`.
    images : array (N, H, W, bands)
        Of three bands or more, the last three are drawn in colour, the reddest as red; else the
        first band.
    path : str or Path
        Image file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ArgumentError
        If there is not one image per place.
    """
    places, images = _checked(places), np.asarray(images, np.float32)
    if images.ndim != 4 or len(images) != len(places):
        raise ArgumentError(
            f"There must be one image (H, W, bands) per place ({len(places)}). "
            f"Received: {images.shape}."
        )
    figure, axes = canvas(size=(9, 9))
    axis, drawn = axes[0, 0], []
    for place, image in zip(places, images, strict=True):
        if all(np.abs(place - other).max() > _SIZE for other in drawn):
            drawn.append(place)
            x, y = place
            half = _SIZE / 2
            extent = (x - half, x + half, y - half, y + half)
            axis.imshow(
                _colours(image), extent=extent, origin="lower", cmap="magma", vmin=0, vmax=1
            )
    axis.set_xlim(-_SIZE, 1 + _SIZE)
    axis.set_ylim(-_SIZE, 1 + _SIZE)
    axis.set_aspect("equal")
    _bare(axis)
    return save(figure, path)


def _checked(places):
    places = np.asarray(places, np.float64)
    if places.ndim != 2 or places.shape[1] != 2 or not np.isfinite(places).all():
        raise ArgumentError(f"Places are pairs of numbers. Received: {places.shape}.")
    return places


def _colours(image):
    """0-1, stretched so that faint arcs show; (H, W) or (H, W, 3)."""
    image = image[..., -3:][..., ::-1] if image.shape[-1] >= 3 else image[..., 0]
    top = max(float(np.percentile(image, 99.5)), float(np.finfo(np.float32).tiny))
    return np.clip(np.arcsinh(10 * np.maximum(image, 0) / top) / np.arcsinh(10), 0, 1)


def _bare(axis):
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(visible=False)
