"""Noise of an image that nobody stated: three estimates, and which light each of them withstands.

`scatter_of` takes any numbers, a few of which may be bright: a tile, or the border of a stamp
(`border_scatter`). `lower_scatter` takes a stamp of which up to half is light: light only adds, so
it looks below the median, and leaves padding out. `neighbour_scatter` takes a stamp that is full of
smooth light, such as a galaxy that reaches its borders: it looks at differences of neighbours.
"""

import numpy as np

MAD_TO_SIGMA = 1.4826  # of a Gaussian
SIGMA_BELOW = 15.87  # per cent of a Gaussian that lie below its mean less one sigma
PADDING = 0.1  # of the pixels: as many do not share one value by chance
BORDER = 10  # one part in so many of the width: the outermost pixels


def scatter_of(values, axis=None):
    """Level and scatter that a few bright sources do not move.

    Parameters
    ----------
    values : array
        Finite numbers.
    axis : int or None
        Along which; over all numbers by default.

    Returns
    -------
    level, scatter : float or array
        Median, and the median absolute deviation times 1.4826 (the sigma of a Gaussian).
    """
    level = np.median(values, axis=axis)
    apart = np.abs(values - (level if axis is None else np.expand_dims(level, axis)))
    return level, MAD_TO_SIGMA * np.median(apart, axis=axis)


def border_scatter(image):
    """Level and scatter of the outermost tenth of a stamp, where its object is faintest.

    Parameters
    ----------
    image : array (H, W, bands)
        The stamp.

    Returns
    -------
    level, scatter : array (bands,)
        In the unit of the image.
    """
    edge = max(2, min(image.shape[:2]) // BORDER)
    frame = np.ones(image.shape[:2], bool)
    frame[edge:-edge, edge:-edge] = False
    return scatter_of(image[frame], axis=0)


def lower_scatter(image) -> float:
    """Scatter of the sky, from the side that light does not reach.

    Parameters
    ----------
    image : array
        Finite pixels of one band. A value that a tenth of them share is left out: padding.

    Returns
    -------
    float
        Above zero.
    """
    values, counts = np.unique(image, return_counts=True)
    if len(values) > 1 and counts.max() > PADDING * np.size(image):
        image = np.asarray(image)[image != values[counts.argmax()]]
    middle, low = np.percentile(image, (50.0, SIGMA_BELOW))
    return float(max(middle - low, np.finfo(np.float32).tiny))


def neighbour_scatter(image) -> float:
    """Scatter of the sky, from differences of neighbours in the fainter half of an image.

    Parameters
    ----------
    image : array (H, W)
        Finite pixels of one band.

    Returns
    -------
    float
        Sigma per pixel; smooth light does not count.
    """
    image = np.asarray(image, dtype=np.float64)
    # two pixels apart: resampled neighbours share noise
    rough = image[:, 2:] - image[:, :-2]
    level = image[:, 1:-1]
    faint = level <= np.median(level)
    return float(scatter_of(rough[faint])[1] / np.sqrt(2.0))
