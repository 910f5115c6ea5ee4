"""Stamps as pictures: pixels to PNG, contours and marks to SVG shapes laid over them."""

import base64
import io
import math
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.image import imsave

from lensfinder.data.scatter import border_scatter, scatter_of

# From short to long wavelength; colour pictures show long as red. Other names keep their order.
WAVELENGTH_ORDER = ("u", "g", "r", "VIS", "i", "z", "Y", "y", "J", "H", "Ks", "K")
SCALE_BARS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)  # arcsec


@dataclass(frozen=True)
class Picture:
    """One stamp, ready for a page.

    Attributes
    ----------
    png : str
        Data URI of a PNG with one pixel per image pixel, row 0 at the bottom.
    width : float
        Side of the stamp on the sky, arcsec.
    words : str
        What is shown.
    """

    png: str
    width: float
    words: str


def picture(image, bands, width: float, *, low, high, cmap: str = "gray") -> Picture:
    """One group of one object as a picture.

    Parameters
    ----------
    image : array (H, W, bands)
        Row 0 at the bottom.
    bands : sequence of str
        Names of the bands. Three or more make a colour picture, one or two show the first.
    width : float
        Side on the sky, arcsec.
    low, high : float or array (bands,)
        Values shown black and white.
    cmap : str
        Colour map of matplotlib, for pictures of a single band.

    Returns
    -------
    Picture
        The picture.
    """
    pixels, words = rgb(image, bands, low=low, high=high, cmap=cmap)
    buffer = io.BytesIO()
    # no Software tag: the same picture has the same bytes with any version of matplotlib
    imsave(buffer, pixels, origin="lower", format="png", metadata={"Software": None})
    uri = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(uri, float(width), words)


def rgb(image, bands, *, low, high, cmap: str = "gray") -> tuple[np.ndarray, str]:
    """The colours of a picture, and what is shown.

    Parameters
    ----------
    image : array (H, W, bands)
        Row 0 at the bottom.
    bands : sequence of str
        Names of the bands. Three or more make a colour picture, one or two show the first.
    low, high : float or array (bands,)
        Values shown black and white.
    cmap : str
        Colour map of matplotlib, for pictures of a single band.

    Returns
    -------
    pixels : array (H, W, 3)
        Red, green and blue from 0 to 1.
    words : str
        What is shown.
    """
    scaled = np.clip((image - low) / np.maximum(np.subtract(high, low), 1e-30), 0.0, 1.0)
    order = sorted(range(len(bands)), key=lambda i: _wavelength(bands[i], i))
    if len(bands) >= 3:
        chosen = [order[-1], order[len(order) // 2], order[0]]
        return scaled[..., chosen], "".join(f"{bands[i]} " for i in chosen) + "as RGB"
    return matplotlib.colormaps[cmap](scaled[..., 0])[..., :3], bands[0]


def _wavelength(band, position):
    return (WAVELENGTH_ORDER.index(band) if band in WAVELENGTH_ORDER else math.inf, position)


def page_limits(images) -> tuple[np.ndarray, np.ndarray]:
    """Black and white levels that all stamps of a page share.

    Parameters
    ----------
    images : array (N, H, W, bands)
        What the network sees.

    Returns
    -------
    low, high : arrays (bands,)
        Per band. Black is the lower quartile of all pixels, so that noise stays dark. White is the
        upper quartile, over the stamps, of each stamp's 99.5th percentile: cores of the brightest
        galaxies saturate, and the arcs of all others are not squeezed into grey.
    """
    low = np.percentile(images, 25.0, axis=(0, 1, 2))
    high = np.percentile(np.percentile(images, 99.5, axis=(1, 2)), 75.0, axis=0)
    return low, np.where(high > low, high, low + 1.0)


def faint_light(image) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A stretch of one stamp that brings out faint arcs, and its black and white levels.

    arcsinh of the image over 3 sigma of its own noise, black at the level of the sky. The network
    does not see this picture; people do.

    Parameters
    ----------
    image : array (H, W, bands)
        Calibrated pixels.

    Returns
    -------
    stretched : array (H, W, bands)
        The stretched image.
    low, high : arrays (bands,)
        Levels for `picture`.
    """
    stretch = FaintStretch.of(image)
    return stretch(image), np.zeros_like(stretch.high), stretch.high


@dataclass(frozen=True)
class FaintStretch:
    """The stretch of `faint_light`, to be applied to several images alike.

    Attributes
    ----------
    sky, sigma : array (bands,)
        Level and scatter of the image it was made for.
    high : array (bands,)
        Shown white; black is 0, the level of the sky.
    """

    sky: np.ndarray
    sigma: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, image) -> "FaintStretch":
        """The stretch that brings out the faint light of an image.

        Parameters
        ----------
        image : array (H, W, bands)
            Calibrated pixels. Those without a value in every band do not count.

        Returns
        -------
        FaintStretch
            With its own noise and its own 99.5th percentile.
        """
        good = np.isfinite(image).all(axis=-1)
        pixels = image[good] if good.any() else np.zeros((1, image.shape[-1]))
        # a border may lack all its pixels, so the level of an image with gaps is that of the rest
        sky, sigma = border_scatter(image) if good.all() else scatter_of(pixels, axis=0)
        spread = pixels.std(axis=0)
        sigma = np.where(sigma > 0, sigma, np.where(spread > 0, spread, 1.0))
        high = np.percentile(np.arcsinh((pixels - sky) / (3.0 * sigma)), 99.5, axis=0)
        return cls(sky, sigma, np.maximum(high, 1.0))

    def __call__(self, image) -> np.ndarray:
        """The stretched image."""
        return np.arcsinh((image - self.sky) / (3.0 * self.sigma))


# --- shapes over a stamp --------------------------------------------------------------------------
def path_data(points, width: float) -> str:
    """Closed SVG path through points on the sky, in a view box of 0..100 with y downwards.

    Parameters
    ----------
    points : array (n, 2)
        x, y in arcsec from the stamp centre, +y up.
    width : float
        Side of the stamp, arcsec.

    Returns
    -------
    str
        The ``d`` attribute; empty if a point is not finite.
    """
    points = np.asarray(points, float)
    if points.size == 0 or not np.isfinite(points).all():
        return ""
    x, y = 50 + points[:, 0] * 100 / width, 50 - points[:, 1] * 100 / width
    return "M" + "L".join(f"{a:.2f},{b:.2f}" for a, b in zip(x, y, strict=True)) + "Z"


def scale_bar(width: float) -> float:
    """Length of a scale bar that fits a stamp: about a quarter of its side.

    Parameters
    ----------
    width : float
        Side of the stamp, arcsec.

    Returns
    -------
    float
        Length, arcsec.
    """
    return min(SCALE_BARS, key=lambda length: abs(math.log(length / (width / 4))))
