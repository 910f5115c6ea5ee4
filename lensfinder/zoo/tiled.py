"""Whole tiles through a cleaner: piece by piece, without seams."""

import itertools

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
    margin, bands = receptive_radius(model), model.inputs[0].shape[-1]
    if image.ndim != 3 or image.shape[-1] != bands or not image.size:
        raise StampShapeError(
            f"A tile must have shape (H, W, {bands}). Received: {image.shape}. Give all bands of "
            "the network, in its order.",
            expected=("H", "W", bands),
            received=image.shape,
        )
    if not np.isfinite(image).all():
        raise ArgumentError("A tile must be finite everywhere. Fill bad pixels before.")
    if piece <= 2 * margin:
        raise ArgumentError(
            f"Pieces must be larger than twice the {margin} pixels that the network looks around "
            f"itself. Received: {piece}."
        )
    whole = resized(model)
    height, width = image.shape[:2]
    places = list(itertools.product(_cuts(height, piece, margin), _cuts(width, piece, margin)))
    result = np.empty((model.output_shape[1], *image.shape), np.float32)
    for start in range(0, len(places), batch_size):
        chosen = places[start : start + batch_size]
        pieces = np.stack([image[rows.seen, columns.seen] for rows, columns in chosen])
        answers = np.asarray(whole.predict_on_batch({model.inputs[0].name: pieces}))
        for (rows, columns), answer in zip(chosen, answers, strict=True):
            result[:, rows.kept, columns.kept] = answer[:, rows.inner, columns.inner]
    return result


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
