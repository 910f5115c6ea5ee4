"""PSF images of single objects, made ready for `simulate.psf.SeparablePsf`."""

import numpy as np

from lensfinder.errors import SpecError
from lensfinder.simulate.psf import SeparablePsf

LARGEST_ARCSEC = 4.0  # from the middle of a PSF image; what lies beyond is cut


def object_psf(image, scale: float, quarters: int = 0) -> SeparablePsf:
    """The PSF of one object from its image.

    Pixels are taken as integrals over their area, and a spline through their running sum as the
    PSF between them: so the PSF may be given at the pixel scale of the images or at any finer one.

    Parameters
    ----------
    image : array (H, W)
        The PSF, at the middle of its image or, where a side is even, beside it.
    scale : float
        Arcsec per pixel of `image`.
    quarters : int
        Quarters of a turn, counter-clockwise, that the object was turned by.

    Returns
    -------
    SeparablePsf
        The PSF, of unit flux.

    Raises
    ------
    SpecError
        If the image is no PSF.
    """
    image = np.asarray(image, np.float64)
    if image.ndim != 2 or min(image.shape) < 3 or not np.isfinite(image).all():
        raise SpecError("A PSF must be a finite image of 3 x 3 pixels or more. Mend the file.")
    if not image.sum() > 0:
        raise SpecError("A PSF image must have a positive sum. Mend the file.")
    for axis in (0, 1):
        image = _odd(image, axis)
    half = [min(side // 2, int(LARGEST_ARCSEC / scale)) for side in image.shape]
    row, column = (side // 2 for side in image.shape)
    cut = image[row - half[0] : row + half[0] + 1, column - half[1] : column + half[1] + 1]
    return SeparablePsf.from_image(turned(cut, quarters), scale)


def turned(image, quarters: int) -> np.ndarray:
    """An image turned by quarters of a turn, counter-clockwise on the sky.

    Parameters
    ----------
    image : array (H, W, ...)
        Row 0 at the bottom.
    quarters : int
        How many.

    Returns
    -------
    array
        A view.
    """
    return np.rot90(image, -int(quarters))  # numpy means rows that count downwards


def _odd(image, axis):
    """An image with an odd number of pixels along an axis, its PSF on the central one.

    An even side has no central pixel: the PSF stands on one of the two beside the middle, or
    between them. In the latter case each pixel is shared with its neighbour, half and half.
    """
    if image.shape[axis] % 2:
        return image
    profile = image.sum(axis=1 - axis)
    offset = (profile * np.arange(profile.size)).sum() / profile.sum() - (profile.size - 1) / 2
    empty = np.zeros_like(np.take(image, [0], axis=axis))
    before = np.concatenate([empty, image], axis=axis)  # moved up by half a pixel
    after = np.concatenate([image, empty], axis=axis)  # moved down
    if abs(offset) < 0.25:
        return 0.5 * (before + after)
    return after if offset > 0 else before


def pixel_response(psf: SeparablePsf, scale: float, subpixels: int) -> np.ndarray:
    """What a point inside a pixel adds to this pixel and to its neighbours.

    Parameters
    ----------
    psf : SeparablePsf
        The PSF.
    scale : float
        Arcsec per pixel.
    subpixels : int
        Points per pixel and axis, on a regular grid.

    Returns
    -------
    array (k, k, 2 r + 1, 2 r + 1) float32
        For each point (row, column) within a pixel: the shares of its flux by offset of the pixel,
        from -r to r. They add up to 1, less what the PSF scatters beyond r.
    """
    reach = int(np.ceil(psf.radius / scale + 0.5))
    inside = ((np.arange(subpixels) + 0.5) / subpixels - 0.5) * scale
    edges = (np.arange(-reach, reach + 2) - 0.5) * scale
    offsets = edges[None, :] - inside[:, None]
    response = 0.0
    for row, column in psf.kernels:
        response = response + np.einsum(
            "ad,be->abde", np.diff(row(offsets), axis=1), np.diff(column(offsets), axis=1)
        )
    return response.astype(np.float32)
