"""The front end for real stamps: a circle around the source in the middle, and its centre enlarged.

Real stamps show neighbours that mocks have not got, and arcs smaller than those of mocks. Madireddy
et al., section 5.1, cut the stamp to a circle found by blob detection (Lowe 2004), and look at the
centre of the stamp a second time, enlarged.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from lensfinder.data.segments import segment
from lensfinder.errors import FRONT_STATUS, ArgumentError, StampShapeError

ZOOM = 50 / 111  # of a side: the centre that Madireddy et al., section 5.1.1, upscale
KNEE = 3.0  # sigma; above it the contrast is logarithmic, so that arcs count beside a bright lens
SMALLEST = 1.5  # sigma of the smallest blob, pixels: about the PSF of a sampled survey
CONTRAST = 0.15  # least difference of Gaussians, in units of the compressed contrast
MARGIN = 1.5  # radius of the mask over that of the blob
SADDLE = 0.3  # a source stands out if the saddle to a brighter one is 30 % deep
SMOOTHING = 1.5  # sigma, pixels, of the image that is cut into sources
SIGNIFICANT = 5.0  # sigma of the smoothed noise
FEWEST = 12  # pixels of a source that count
CUT = 0.1  # of the light of a source on either side of the circle: the halo of a galaxy is less


@dataclass(frozen=True)
class CircularMask:
    """A circle around the source in the middle of a stamp.

    Attributes
    ----------
    inside : array (H, W) of bool
        True within; everywhere, if there is no source.
    x, y : float
        Centre, pixels from the middle of the stamp along +x and +y.
    radius : float
        Pixels; NaN if there is no source.
    status : int
        Bits of `lensfinder.errors.FRONT_STATUS`.
    """

    inside: np.ndarray
    x: float
    y: float
    radius: float
    status: int


def blob_mask(image) -> CircularMask:
    """Find the source in the middle of a stamp, and a circle that holds it.

    Blobs are maxima of the difference of Gaussians over place and scale (Lowe 2004, section 3) of
    the contrast of all bands together. The largest of those that cover the middle of the stamp is
    the source. Its circle is widened by half, to the nearest edge at most, and holds the centre
    that `zoom` enlarges at least: arcs may lie far beyond a small galaxy.

    Parameters
    ----------
    image : array (H, W, bands)
        Bands of one pixel grid, finite.

    Returns
    -------
    CircularMask
        With ``no_blob`` if nothing covers the middle; ``arc_cut`` if a source goes on beyond the
        circle, as an arc which the circle misses; ``more_sources`` if there is more than one source
        within, which are arcs, or neighbours. These are the categories 1 and 2 of
        Madireddy et al., section 5.1.2, as far as they can be known without the truth.

    Raises
    ------
    StampShapeError
        If it is no image with bands.
    ArgumentError
        If a pixel is not finite.
    """
    from skimage.feature import blob_dog

    contrast = _contrast(image)
    height, width = contrast.shape
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    found = blob_dog(
        np.arcsinh(contrast / KNEE),
        min_sigma=SMALLEST,
        max_sigma=min(height, width) / 4,
        threshold=CONTRAST,
    )
    radii = np.sqrt(2.0) * found[:, 2]
    covers = np.hypot(*(found[:, :2] - middle).T) <= np.maximum(radii, 2.0)
    if not covers.any():
        everything = np.ones((height, width), bool)
        return CircularMask(everything, 0.0, 0.0, float("nan"), FRONT_STATUS["no_blob"])
    main = np.flatnonzero(covers)[np.argmax(radii[covers])]
    row, column = found[main, :2]
    room = min(row, height - 1 - row, column, width - 1 - column) + 0.5
    least = 0.5 * ZOOM * min(height, width)
    radius = float(min(max(MARGIN * radii[main], least), room))
    rows, columns = np.indices((height, width))
    inside = np.hypot(rows - row, columns - column) <= radius
    status = _doubts(contrast, inside, (round(row), round(column)))
    return CircularMask(inside, column - middle[1], row - middle[0], radius, status)


def masked(image, inside) -> np.ndarray:
    """A stamp with nothing but sky outside a mask.

    Parameters
    ----------
    image : array (H, W, bands)
        The stamp.
    inside : array (H, W) of bool
        Pixels that stay.

    Returns
    -------
    array (H, W, bands) float32
        The level of the sky, per band, where the mask is False.
    """
    image = np.asarray(image, np.float32)
    level = [_sky(image[..., band])[0] for band in range(image.shape[-1])]
    return np.where(inside[..., None], image, np.float32(level))


def zoom(images, fraction: float = ZOOM) -> np.ndarray:
    """The centre of stamps, enlarged to the size of the stamp.

    Brightness per pixel is kept, and with it the contrast that a network sees; flux is not. The
    pixels are those of ``cv2.resize`` (linear) of the central patch; half-pixels at its border come
    from the pixels beside it.

    Parameters
    ----------
    images : array (N, H, W, bands)
        Stamps.
    fraction : float
        Side of the centre over that of the stamp, above 0 and at most 1.

    Returns
    -------
    array (N, H, W, bands) float32
        The enlarged centres.

    Raises
    ------
    StampShapeError
        If these are no stamps.
    ArgumentError
        If the fraction is none.
    """
    images = np.asarray(images, np.float32)
    if images.ndim != 4:
        raise StampShapeError(
            f"Stamps have shape (N, H, W, bands). Received: {images.shape}. Add the missing axis."
        )
    if not 0 < fraction <= 1:
        raise ArgumentError(f"The centre is a part of the stamp, 0 to 1. Received: {fraction}.")
    rows, columns = (_zoom_matrix(side, float(fraction)) for side in images.shape[1:3])
    return np.einsum("ij,njkb,lk->nilb", rows, images, columns, optimize=True)


@lru_cache(maxsize=16)
def _zoom_matrix(side: int, fraction: float) -> np.ndarray:
    """Weights (side, side) of linear interpolation about the middle."""
    middle = (side - 1) / 2
    place = middle + (np.arange(side) - middle) * fraction
    distance = np.abs(place[:, None] - np.arange(side))
    return np.maximum(0.0, 1.0 - distance).astype(np.float32)


def _contrast(image) -> np.ndarray:
    """Sum over bands of what stands above the sky, in units of its noise."""
    image = np.asarray(image, np.float64)
    if image.ndim != 3 or min(image.shape[:2]) < 8 or not image.shape[-1]:
        raise StampShapeError(
            f"A stamp has shape (H, W, bands), at least 8 pixels wide. Received: {image.shape}."
        )
    if not np.isfinite(image).all():
        raise ArgumentError("A stamp must be finite everywhere. Fill bad pixels before.")
    total = np.zeros(image.shape[:2])
    for band in range(image.shape[-1]):
        level, noise = _sky(image[..., band])
        total += (image[..., band] - level) / max(noise, 1e-12 * np.ptp(image[..., band]), 1e-30)
    return total / np.sqrt(image.shape[-1])


def _sky(image) -> tuple[float, float]:
    """Level and noise from the darker part of a stamp, which sources do not reach."""
    low, middle = np.percentile(image, (10.0, 30.0))
    # of a Gaussian, the two lie 1.2816 and 0.5244 sigma below the mean
    noise = (middle - low) / (1.2816 - 0.5244)
    return float(middle + 0.5244 * noise), float(noise)


def _doubts(contrast, inside, centre) -> int:
    """Bits of what a circle does not hold as a whole, and of what it holds beside its source."""
    noise = 1.0 / (2.0 * np.sqrt(np.pi) * SMOOTHING)  # of the smoothed contrast
    smooth = ndimage.gaussian_filter(contrast, SMOOTHING, mode="nearest")
    sources = segment(smooth, smooth > SIGNIFICANT * noise, smooth, contrast=SADDLE)
    within, beyond = (_light(sources, smooth, part) for part in (inside, ~inside))
    cut = np.minimum(within, beyond)[1:] > CUT * (within + beyond)[1:]
    others = within > 0
    others[[0, sources[centre]]] = False
    status = FRONT_STATUS["arc_cut"] if cut.any() else 0
    return status | (FRONT_STATUS["more_sources"] if others.any() else 0)


def _light(sources, smooth, part) -> np.ndarray:
    """Light of each source in a part of the stamp; none where that is a few pixels only."""
    count = sources.max() + 1
    light = np.bincount(sources[part], weights=smooth[part], minlength=count)
    return light * (np.bincount(sources[part], minlength=count) >= FEWEST)
