"""What is fitted, reduced to the pixels of the mask: data, noise, rays, and the blurring between.

Nothing here depends on the mass of the lens, so it is made once and used for every mass model.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse

from lensfinder.errors import ArgumentError, MaskError, NoiseMapError, PsfError
from lensfinder.inversion.pixels import pixel_centres


@dataclass(frozen=True, eq=False)
class Observation:
    """The pixels of a mask, in the order of `tiles`.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns of the image.
    pixel_scale : float
        Arcsec per pixel.
    rows, columns : int array (N,)
        Where each fitted pixel lies in the image.
    data, noise : array (N,)
        Brightness and its standard deviation.
    x, y : array (N,)
        Pixel centres, arcsec.
    blur : sparse array (N, N)
        Point spread function within the mask: ``blur @ sharp`` is what is seen. Light is neither
        scattered in from outside the mask nor kept when it is scattered out.
    tiles : tuple of slice
        Pixels that lie together: squares of the image, in order.
    """

    shape: tuple[int, int]
    pixel_scale: float
    rows: np.ndarray
    columns: np.ndarray
    data: np.ndarray
    noise: np.ndarray
    x: np.ndarray
    y: np.ndarray
    blur: sparse.csr_array
    tiles: tuple[slice, ...]

    def __len__(self):
        return len(self.data)

    def rays(self, sub):
        """Positions of sub x sub rays per pixel, those of a pixel together.

        Parameters
        ----------
        sub : int
            Rays along each side of a pixel.

        Returns
        -------
        x, y : array (N * sub^2,)
            Image-plane positions, arcsec.
        """
        offsets = ((np.arange(sub) + 0.5) / sub - 0.5) * self.pixel_scale
        x = self.x[:, None, None] + offsets[None, None, :]
        y = self.y[:, None, None] + offsets[None, :, None]
        x, y = np.broadcast_arrays(x, y)
        return x.ravel(), y.ravel()

    def image(self, values, *, outside=0.0):
        """Put a value per fitted pixel back into an image.

        Parameters
        ----------
        values : array (N,)
            One value per fitted pixel.
        outside : float
            Value of the pixels that are not fitted.

        Returns
        -------
        array (H, W)
            The image.
        """
        image = np.full(self.shape, outside, dtype=np.float64)
        image[self.rows, self.columns] = values
        return image


def observe(image, noise, *, psf, pixel_scale, mask, tile=10):
    """Reduce an image to what an inversion fits.

    Parameters
    ----------
    image : array (H, W)
        Image without the light of the lens.
    noise : array (H, W) or float
        Standard deviation per pixel, in the unit of the image.
    psf : array (h, w) or None
        Point spread function on the pixels of the image, sides odd; divided by its sum. None for
        no blurring.
    pixel_scale : float
        Arcsec per pixel.
    mask : bool array (H, W)
        True where a pixel is to be fitted.
    tile : int
        Side of the squares that pixels are grouped in; it changes the speed, not the result.

    Returns
    -------
    Observation
        In float64.

    Raises
    ------
    ArgumentError
        If the image has not two axes, or the pixel scale is not positive.
    MaskError
        If the mask has another shape than the image, or leaves no pixel.
    NoiseMapError
        If a pixel in the mask is not finite, or its noise not finite and positive.
    PsfError
        If the point spread function is larger than the image, even, or cannot be normalised.
    """
    image = np.asarray(image, dtype=np.float64)
    if image.ndim != 2 or not (np.isfinite(pixel_scale) and pixel_scale > 0):
        raise ArgumentError(
            "An inversion needs an image (H, W) and a positive pixel scale. "
            f"Received: shape {image.shape}, {pixel_scale} arcsec. Choose one band."
        )
    rows, columns = _fitted(mask, image.shape, tile)
    data, sigma = image[rows, columns], _noise_of(noise, image.shape)[rows, columns]
    _check_pixels(data, sigma)
    px, py = pixel_centres(image.shape, pixel_scale)
    kernel = checked_psf(psf, image.shape)
    tile_number = (rows // tile) * (image.shape[1] // tile + 1) + columns // tile
    cuts = np.flatnonzero(np.diff(tile_number)) + 1
    edges = [0, *cuts.tolist(), len(rows)]
    return Observation(
        shape=image.shape,
        pixel_scale=float(pixel_scale),
        rows=rows,
        columns=columns,
        data=data,
        noise=sigma,
        x=px[0, columns],
        y=py[rows, 0],
        blur=blur_operator(kernel, image.shape, rows, columns),
        tiles=tuple(slice(a, b) for a, b in pairwise(edges)),
    )


def _fitted(mask, shape, tile):
    """Rows and columns of the pixels of a mask, tile by tile."""
    mask = np.asarray(mask)
    if mask.shape != shape or mask.dtype != bool:
        raise MaskError(
            f"A mask must be boolean, of the shape of the image {shape}. Received: {mask.dtype} "
            f"{mask.shape}. True marks the pixels to fit."
        )
    rows, columns = np.nonzero(mask)
    if not rows.size:
        raise MaskError("The mask leaves no pixel to fit. True marks the pixels to fit.")
    order = np.lexsort((columns, rows, columns // tile, rows // tile))
    return rows[order], columns[order]


def _noise_of(noise, shape):
    noise = np.asarray(noise, dtype=np.float64)
    if noise.shape not in ((), shape):
        raise NoiseMapError(
            f"The noise must be one number or a map of shape {shape}. Received: {noise.shape}. "
            "Give a standard deviation per pixel."
        )
    return np.broadcast_to(noise, shape)


def _check_pixels(data, noise):
    bad_data = int(np.count_nonzero(~np.isfinite(data)))
    if bad_data:
        raise NoiseMapError(
            f"{bad_data} of {data.size} pixels in the mask are NaN or infinite. "
            "Take them out of the mask.",
            count=bad_data,
        )
    bad_noise = int(np.count_nonzero(~(np.isfinite(noise) & (noise > 0))))
    if bad_noise:
        raise NoiseMapError(
            f"The noise of {bad_noise} of {data.size} pixels in the mask is NaN, zero or negative. "
            "Give standard deviations, not variances, and take bad pixels out of the mask.",
            count=bad_noise,
        )


def checked_psf(psf, shape):
    """A point spread function in float64 with unit sum, or why it cannot be used.

    Parameters
    ----------
    psf : array (h, w) or None
        Any positive sum; None for no blurring.
    shape : (int, int)
        Shape of the image that it will blur.

    Returns
    -------
    array (h, w)
        The kernel.

    Raises
    ------
    PsfError
        If it is larger than the image, even, not finite, or its sum is not positive.
    """
    if psf is None:
        return np.ones((1, 1))
    kernel = np.asarray(psf, dtype=np.float64)
    if kernel.ndim != 2 or not all(side % 2 for side in kernel.shape):
        raise PsfError(
            f"A point spread function must have two odd sides. Received: {kernel.shape}. "
            "Pad it with zeros so that its peak is in the middle pixel."
        )
    if kernel.shape[0] > shape[0] or kernel.shape[1] > shape[1]:
        raise PsfError(
            f"The point spread function {kernel.shape} is larger than the image {shape}. "
            "Crop it about its peak."
        )
    if not np.isfinite(kernel).all() or kernel.sum() <= 0:
        raise PsfError(
            "A point spread function must be finite with a positive sum. "
            "Check the file that it was read from."
        )
    return kernel / kernel.sum()


def trimmed_psf(psf, *, kept) -> np.ndarray:
    """The smallest middle part of a PSF that holds most of its light.

    Parameters
    ----------
    psf : array (h, w)
        Sides odd, or the PSF is given back as it is.
    kept : float
        Fraction of the light.

    Returns
    -------
    array (k, k)
        The middle, of unit sum.
    """
    psf = np.asarray(psf, dtype=np.float64)
    total = psf.sum()
    if psf.ndim != 2 or not all(side % 2 for side in psf.shape) or not total > 0:
        return psf  # what is wrong with it, the inversion says
    middle = [side // 2 for side in psf.shape]
    for half in range(1, min(middle) + 1):
        part = psf[middle[0] - half : middle[0] + half + 1, middle[1] - half : middle[1] + half + 1]
        if part.sum() >= kept * total:
            return part / part.sum()
    return psf / total


def blur_operator(kernel, shape, rows, columns):
    """Convolution with a kernel, restricted to some pixels of an image.

    Parameters
    ----------
    kernel : array (h, w)
        Point spread function, sides odd.
    shape : (int, int)
        Shape of the image.
    rows, columns : int array (N,)
        The pixels.

    Returns
    -------
    sparse array (N, N)
        ``blurred[k] = sum_m kernel[pixel k - pixel m + middle] sharp[m]``.
    """
    half_y, half_x = kernel.shape[0] // 2, kernel.shape[1] // 2
    number = np.full((shape[0] + 2 * half_y, shape[1] + 2 * half_x), -1)
    number[rows + half_y, columns + half_x] = np.arange(rows.size)
    # Light that lands on pixel k with kernel element (i, j) left pixel k - (i, j) + middle.
    i, j = np.nonzero(kernel)
    from_row = rows[:, None] + (2 * half_y - i)[None, :]
    from_column = columns[:, None] + (2 * half_x - j)[None, :]
    sender = number[from_row, from_column]
    inside = sender >= 0
    weights = np.broadcast_to(kernel[i, j], sender.shape)[inside]
    indptr = np.concatenate([[0], np.cumsum(inside.sum(axis=1))])
    operator = sparse.csr_array(
        (weights, sender[inside].astype(np.int32), indptr.astype(np.int32)),
        shape=(rows.size, rows.size),
    )
    operator.sort_indices()
    return operator
