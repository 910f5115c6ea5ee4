"""Change the pixel scale of a stamp and keep its flux.

Every input pixel is taken as a square of uniform brightness, and its flux is shared among the
output pixels in proportion to the area they cover: drizzling with full-size drops (Fruchter & Hook
2002, section 2) on aligned grids, where areas are products of overlaps along x and y. Flux is
conserved exactly; the PSF is widened by about one output pixel, and going to smaller pixels adds
no detail. Noise of neighbouring output pixels becomes correlated.
"""

from functools import lru_cache

import numpy as np

from lensfinder.errors import StampShapeError


def resample(image, from_scale, to_scale, stamp=None) -> np.ndarray:
    """Resample about the centre of the image, conserving flux.

    Parameters
    ----------
    image : array (H, W)
        Flux per pixel. A NaN spoils the output pixels it overlaps with, and no others.
    from_scale, to_scale : float
        Arcsec per pixel of the input and of the output.
    stamp : int or None
        Side of the output in pixels; None takes as many as fit into the smaller side. Sky outside
        the image counts as zero: check `covers` first.

    Returns
    -------
    array (stamp, stamp) float32
        Flux per output pixel.

    Raises
    ------
    StampShapeError
        If `image` has not two axes, or not even one output pixel fits.
    """
    image = np.asarray(image, dtype=np.float64)
    if image.ndim != 2 or min(image.shape) < 1 or not (from_scale > 0 and to_scale > 0):
        raise StampShapeError(
            f"An image (H, W) and positive pixel scales are needed. Received: shape {image.shape}, "
            f"scales {from_scale} and {to_scale}."
        )
    if stamp is None:
        stamp = int(np.floor(min(image.shape) * from_scale / to_scale + 1e-9))
    if stamp < 1:
        raise StampShapeError(f"No pixel of {to_scale} arcsec fits into an image {image.shape}.")
    rows = overlap_matrix(image.shape[0], float(from_scale), stamp, float(to_scale))
    columns = overlap_matrix(image.shape[1], float(from_scale), stamp, float(to_scale))
    bad = ~np.isfinite(image)
    result = rows @ np.where(bad, 0.0, image) @ columns.T
    if bad.any():
        result[rows @ bad.astype(float) @ columns.T > 0] = np.nan
    return result.astype(np.float32)


def crop(image, stamp) -> np.ndarray:
    """The central pixels of an image, untouched.

    Where one side is even and the other odd, the centre moves by half a pixel towards the lower
    left; shifting it back would smooth the image.

    Parameters
    ----------
    image : array (H, W)
        The image.
    stamp : int
        Side of the result; at most the smaller side of the image.

    Returns
    -------
    array (stamp, stamp)
        A view.

    Raises
    ------
    StampShapeError
        If the image is smaller.
    """
    if min(image.shape) < stamp:
        raise StampShapeError(f"Cannot cut {stamp} pixels out of an image {image.shape}.")
    top, left = ((side - stamp) // 2 for side in image.shape)
    return image[top : top + stamp, left : left + stamp]


def covers(shape, from_scale, to_scale, stamp) -> bool:
    """Whether an image is at least as wide on the sky as a stamp.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the image.
    from_scale, to_scale : float
        Arcsec per pixel of the image and of the stamp.
    stamp : int
        Side of the stamp in pixels.

    Returns
    -------
    bool
        True if it is (to a thousandth of an output pixel).
    """
    return min(shape) * from_scale >= (stamp - 1e-3) * to_scale


@lru_cache(maxsize=64)
def overlap_matrix(n_in, from_scale, n_out, to_scale) -> np.ndarray:
    """Fraction of each input pixel that lies in each output pixel, along one axis.

    Parameters
    ----------
    n_in, n_out : int
        Number of pixels.
    from_scale, to_scale : float
        Their sizes; both grids have the same centre.

    Returns
    -------
    array (n_out, n_in) float64
        A column sums to 1 where the output covers the input pixel.
    """
    edges_in = (np.arange(n_in + 1) - n_in / 2) * from_scale
    edges_out = (np.arange(n_out + 1) - n_out / 2) * to_scale
    low = np.maximum(edges_out[:-1, None], edges_in[None, :-1])
    high = np.minimum(edges_out[1:, None], edges_in[None, 1:])
    overlap = np.maximum(high - low, 0.0) / from_scale
    overlap[overlap < 1e-12] = 0.0  # rounding of coinciding edges, which would spread a NaN
    return overlap
