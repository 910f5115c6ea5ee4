"""Where the pixels of an image lie, in the convention of the package: row 0 at the bottom."""

import numpy as np


def pixel_centres(shape, scale):
    """x (1, W) and y (H, 1) of pixel centres, arcsec from the middle of the image."""
    (height, width) = shape
    x = (np.arange(width) - (width - 1) / 2.0) * scale
    y = (np.arange(height) - (height - 1) / 2.0) * scale
    return x[None, :], y[:, None]


def annulus(shape, *, pixel_scale, inner, outer, x=0.0, y=0.0):
    """Pixels whose centres lie in an annulus.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    pixel_scale : float
        Arcsec per pixel.
    inner, outer : float
        Radii, arcsec; both ends belong to the annulus.
    x, y : float
        Centre, arcsec from the middle of the image.

    Returns
    -------
    bool array (H, W)
        True inside.
    """
    px, py = pixel_centres(shape, pixel_scale)
    r = np.hypot(px - x, py - y)
    return (r >= inner) & (r <= outer)
