"""The annulus in which an inversion fits an image, found from the image itself.

Maresca, Dye & Li (2021), section 3.1: threshold at the minimum cross-entropy (Li & Lee 1993),
centroid of what is left by its moments, and an annulus about it from 90 % of the radius of the
largest circle without a bright pixel to 110 % of the smallest that holds them all. Here a bright
pixel must besides stand out from the noise and have bright neighbours, so that noise peaks far from
the arcs do not widen the annulus. Where what stands out does not surround the lens, such as one
image of a faint source, an annulus about it would leave out where the other images are or are not:
there a disc about the lens takes its place.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_li

from lensfinder.errors import MaskError, NoiseMapError
from lensfinder.inversion.pixels import annulus, pixel_centres

INNER, OUTER = 0.9, 1.1  # of the largest empty and the smallest enclosing circle
_MAD_TO_SIGMA = 1.4826  # of a Gaussian


@dataclass(frozen=True, eq=False)
class AnnularMask:
    """An annulus, and the pixels whose centres lie in it.

    Attributes
    ----------
    pixels : bool array (H, W)
        True where a pixel is to be fitted.
    x, y : float
        Centre of the annulus, arcsec.
    inner, outer : float
        Radii, arcsec.
    threshold : float
        Brightness above which a pixel counted as part of an arc, in the unit of the image.
    arc : bool array (H, W)
        Those pixels.
    """

    pixels: np.ndarray
    x: float
    y: float
    inner: float
    outer: float
    threshold: float
    arc: np.ndarray

    def __array__(self, dtype=None, copy=None):
        return np.array(self.pixels, dtype=dtype)


def annular_mask(image, noise=None, *, pixel_scale, snr=3.0, min_pixels=4, disc=True):
    """Find the arcs of a lens and draw an annulus round them.

    Parameters
    ----------
    image : array (H, W)
        Image with the light of the lens absent or subtracted.
    noise : array (H, W) or float, optional
        Standard deviation per pixel; from the scatter of the image itself when absent.
    pixel_scale : float
        Arcsec per pixel.
    snr : float
        Signal to noise that a pixel of an arc must have.
    min_pixels : int
        Smallest group of touching pixels (sides or corners) that counts.
    disc : bool
        Whether arcs that do not surround the middle of the image get a disc about it; if not, they
        get an annulus as well (Maresca et al.).

    Returns
    -------
    AnnularMask
        The annulus, or a disc about the middle of the image if the middle is not within the inner
        circle; its array value is True where a pixel is to be fitted.

    Raises
    ------
    MaskError
        If no group of pixels stands out.
    NoiseMapError
        If the image holds NaN or infinite values, or the noise any that is not positive.
    """
    image = np.asarray(image, dtype=np.float64)
    if image.ndim != 2:
        raise MaskError(f"An image must have 2 axes. Received: {image.shape}. Choose one band.")
    if not np.isfinite(image).all():
        raise NoiseMapError(
            "An image must be finite everywhere to find its arcs. "
            "Replace bad pixels, or draw the mask with `annulus`."
        )
    sigma = _sigma(image, noise)
    if image.min() == image.max():
        raise MaskError("The image is constant: there is no arc. Draw the mask with `annulus`.")
    threshold = float(threshold_li(image))
    arc = _groups((image > threshold) & (image > snr * sigma), min_pixels)
    if not arc.any():
        raise MaskError(
            f"No {min_pixels} touching pixels exceed {threshold:.4g} and {snr:g} times the noise. "
            "Lower `snr`, or draw the mask with `annulus`.",
            threshold=threshold,
        )
    px, py = (
        np.broadcast_to(axis, image.shape) for axis in pixel_centres(image.shape, pixel_scale)
    )
    x, y = float(px[arc].mean()), float(py[arc].mean())
    r = np.hypot(px[arc] - x, py[arc] - y)
    inner, outer = INNER * float(r.min()), OUTER * float(r.max())
    if disc and np.hypot(x, y) > inner:
        x = y = inner = 0.0
        outer = OUTER * float(np.hypot(px[arc], py[arc]).max())
    inside = annulus(image.shape, pixel_scale=pixel_scale, inner=inner, outer=outer, x=x, y=y)
    return AnnularMask(inside, x, y, inner, outer, threshold, arc)


def _sigma(image, noise):
    """Standard deviation per pixel; that of the sky from the median absolute deviation."""
    if noise is None:
        return _MAD_TO_SIGMA * float(np.median(np.abs(image - np.median(image))))
    sigma = np.broadcast_to(np.asarray(noise, dtype=np.float64), image.shape)
    if not (np.isfinite(sigma) & (sigma > 0)).all():
        raise NoiseMapError(
            "The noise must be finite and positive. Give bad pixels a large standard deviation."
        )
    return sigma


def _groups(bright, min_pixels):
    """Bright pixels in groups of at least `min_pixels`."""
    labels, _ = ndimage.label(bright, structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return sizes[labels] >= min_pixels
