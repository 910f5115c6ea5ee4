"""Whole tiles through a cleaner: piece by piece, without seams."""

import itertools
from dataclasses import dataclass

import numpy as np

from lensfinder.errors import ArgumentError, StampShapeError
from lensfinder.zoo.edsr import receptive_radius, resized

PIECE = 256  # pixels


def clean_tile(model, image, *, piece: int = PIECE, batch_size: int = 4) -> np.ndarray:
    """Answers of a cleaner on an image of any size, as if it had been shown it whole.

    The image is cut into overlapping pieces. Of each the middle is kept: what lies farther from an
    inner edge than the network looks (`receptive_radius`). A border of the image itself is also one
    of its piece, so it is seen as in the whole image. The answer is that of the whole image, up to
    the last digits of float32.

    Parameters
    ----------
    model : keras.Model
        A cleaner of one group, for stamps of any size.
    image : array (H, W, bands)
        The tile; in e-/s, finite.
    piece : int
        Side of the pieces, in pixels; memory goes with its square, and the overlap costs less the
        larger it is.
    batch_size : int
        Pieces per step.

    Returns
    -------
    array (planes, H, W, bands)
        float32.

    Raises
    ------
    ArgumentError
        If a piece would be all overlap, or a pixel is not finite.
    StampShapeError
        If the image has other bands than the network.
    ArchitectureError
        If the network is no cleaner.
    """
    image = np.asarray(image, np.float32)
    bands = model.inputs[0].shape[-1]
    if image.ndim != 3 or image.shape[-1] != bands or not image.size:
        raise StampShapeError(
            f"A tile must have shape (H, W, {bands}). Received: {image.shape}. Give all bands of "
            "the network, in its order.",
            expected=("H", "W", bands),
            received=image.shape,
        )
    if not np.isfinite(image).all():
        raise ArgumentError("A tile must be finite everywhere. Fill bad pixels before.")
    result = np.empty((model.output_shape[1], *image.shape), np.float32)
    read = lambda rows, columns: image[rows, columns]  # noqa: E731
    for part in tile_pieces([model], image.shape[:2], read, piece=piece, batch_size=batch_size):
        result[:, *part.kept] = part.answer[:, *part.inner]
    return result


@dataclass(frozen=True)
class Piece:
    """A piece of a tile, as the network saw it.

    Attributes
    ----------
    kept : tuple of slice
        Rows and columns of the tile that it answers for.
    inner : tuple of slice
        The same within the piece.
    given : array (h, w, bands)
        What the network was shown.
    answer : array (planes, h, w, bands)
        What it made of it.
    """

    kept: tuple[slice, slice]
    inner: tuple[slice, slice]
    given: np.ndarray
    answer: np.ndarray


def tile_pieces(models, shape, read, *, piece: int = PIECE, batch_size: int = 4, margin: int = 0):
    """Clean a tile of which never more than some pieces are in memory.

    Parameters
    ----------
    models : sequence of keras.Model
        A cleaner; or a denoiser and the deblender it feeds. Their planes come one after the other.
    shape : tuple of int
        Height and width of the tile, pixels.
    read : callable
        ``(rows, columns) -> array (h, w, bands)``, finite; takes slices.
    piece : int
        Side of the pieces, in pixels.
    batch_size : int
        Pieces per step.
    margin : int
        Pixels that pieces overlap beyond their kept part, at least; the networks' own radius if
        that is larger.

    Yields
    ------
    Piece
        From bottom to top, and in each row from left to right. Every pixel is kept once.

    Raises
    ------
    ArgumentError
        If a piece would be all overlap.
    ArchitectureError
        If a network is no cleaner.
    """
    margin = max(margin, sum(receptive_radius(model) for model in models))
    if piece <= 2 * margin:
        raise ArgumentError(
            f"Pieces must be larger than twice the {margin} pixels that the network looks around "
            f"itself. Received: {piece}."
        )
    whole = [resized(model) for model in models]
    cuts = [_cuts(length, piece, margin) for length in shape]
    places = list(itertools.product(*cuts))
    for start in range(0, len(places), batch_size):
        chosen = places[start : start + batch_size]
        given = shown = np.stack([read(rows.seen, columns.seen) for rows, columns in chosen])
        planes = []
        for model in whole:
            planes.append(np.asarray(model.predict_on_batch({model.inputs[0].name: shown})))
            shown = planes[-1][:, -1]
        for (rows, columns), seen, answer in zip(
            chosen, given, np.concatenate(planes, axis=1), strict=True
        ):
            yield Piece((rows.kept, columns.kept), (rows.inner, columns.inner), seen, answer)


class _Cut:
    """One piece along one axis: pixels seen, pixels kept, and the kept ones within the piece."""

    def __init__(self, start, size, first, last):
        self.seen = slice(start, start + size)
        self.kept = slice(first, last)
        self.inner = slice(first - start, last - start)


def _cuts(length: int, piece: int, margin: int) -> list[_Cut]:
    """Pieces of one size that keep every pixel once."""
    if length <= piece:
        return [_Cut(0, length, 0, length)]
    cuts, first = [], 0
    while first < length:
        start = min(max(0, first - margin), length - piece)
        end = start + piece
        last = length if end == length else end - margin
        cuts.append(_Cut(start, piece, first, last))
        first = last
    return cuts
