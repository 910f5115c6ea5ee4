"""How near one image is to another: PSNR and SSIM, object by object, on any backend."""

import math

import keras
import numpy as np
from keras import ops

from lensfinder.errors import MetricError

WINDOW, SIGMA = 11, 1.5  # pixels; the Gaussian window of Wang et al. 2004, section III B
K1, K2 = 0.01, 0.03  # its constants against a division by zero


def data_range(truth):
    """Brightest minus faintest pixel of each object, over all its bands.

    Parameters
    ----------
    truth : array or tensor (N, H, W, bands)
        True images.

    Returns
    -------
    tensor (N,)
        In the unit of the images; 1 for a constant image.
    """
    truth = ops.convert_to_tensor(truth, "float32")
    span = ops.max(truth, axis=(1, 2, 3)) - ops.min(truth, axis=(1, 2, 3))
    return ops.where(span > 0, span, ops.ones_like(span))


def psnr(truth, image, span=None):
    """Peak signal-to-noise ratio, 10 log10(range^2 / mean squared error), per object.

    The range is that of the true image, so that a bright and a faint object count alike; Madireddy
    et al. do not say which they took.

    Parameters
    ----------
    truth, image : array or tensor (N, H, W, bands)
        True images, and those that should be like them.
    span : array (N,) or None
        The range; by default `data_range` of the truth.

    Returns
    -------
    tensor (N,)
        Decibels; 200 at most, for images that agree.
    """
    truth, image = (ops.convert_to_tensor(x, "float32") for x in (truth, image))
    span = data_range(truth) if span is None else ops.convert_to_tensor(span, "float32")
    error = ops.mean(ops.square(image - truth), axis=(1, 2, 3)) / ops.square(span)
    return -10.0 / math.log(10.0) * ops.log(ops.maximum(error, 1e-20))


def ssim(truth, image, span=None):
    """Structural similarity, mean over pixels and bands, per object.

    Wang et al. 2004 with a Gaussian window of 1.5 pixels, where it lies whole within the image: the
    value of `skimage.metrics.structural_similarity` with ``gaussian_weights=True`` and
    ``use_sample_covariance=False``.

    Parameters
    ----------
    truth, image : array or tensor (N, H, W, bands)
        True images, and those that should be like them; at least 11 pixels wide.
    span : array (N,) or None
        The range; by default `data_range` of the truth.

    Returns
    -------
    tensor (N,)
        1 for images that agree.

    Raises
    ------
    MetricError
        If the images are smaller than the window.
    """
    truth, image = (ops.convert_to_tensor(x, "float32") for x in (truth, image))
    if min(truth.shape[1:3]) < WINDOW:
        raise MetricError(
            f"SSIM needs images of at least {WINDOW} pixels. Received: {tuple(truth.shape)}. "
            "Take larger stamps."
        )
    span = data_range(truth) if span is None else ops.convert_to_tensor(span, "float32")
    # in units of the range and about its middle, so that float32 squares lose no digits
    span = ops.reshape(span, (-1, 1, 1, 1))
    middle = ops.mean(truth, axis=(1, 2), keepdims=True)
    x, y = (truth - middle) / span, (image - middle) / span
    mean_x, mean_y = _window(x), _window(y)
    var_x = _window(x * x) - ops.square(mean_x)
    var_y = _window(y * y) - ops.square(mean_y)
    shared = _window(x * y) - mean_x * mean_y
    # the means of the formula are those of the images themselves
    mean_x, mean_y = (mean + middle / span for mean in (mean_x, mean_y))
    light = (2 * mean_x * mean_y + K1**2) / (ops.square(mean_x) + ops.square(mean_y) + K1**2)
    structure = (2 * shared + K2**2) / (var_x + var_y + K2**2)
    return ops.mean(light * structure, axis=(1, 2, 3))


def _window(images):
    """Means under the window around every pixel that has room for it."""
    offset = np.arange(WINDOW) - WINDOW // 2
    weight = np.exp(-0.5 * (offset / SIGMA) ** 2)
    weight = (weight / weight.sum()).astype("float32")
    bands = images.shape[-1]
    for shape in ((WINDOW, 1, 1, 1), (1, WINDOW, 1, 1)):
        kernel = np.tile(weight.reshape(shape), (1, 1, bands, 1))
        images = ops.depthwise_conv(images, ops.convert_to_tensor(kernel), padding="valid")
    return images


def image_figures(truth, image, *, batch: int = 64) -> dict[str, np.ndarray]:
    """PSNR and SSIM of many objects, some at a time.

    Parameters
    ----------
    truth, image : array (N, H, W, bands)
        True images, and those that should be like them.
    batch : int
        Objects at a time.

    Returns
    -------
    dict of str to array (N,)
        ``psnr`` (decibels) and ``ssim``.

    Raises
    ------
    MetricError
        If shapes differ, or a pixel is not finite.
    """
    return _batched({"psnr": psnr, "ssim": ssim}, truth, image, batch)


def image_psnr(truth, image, *, batch: int = 64) -> np.ndarray:
    """PSNR of many objects, some at a time.

    Parameters
    ----------
    truth, image : array (N, H, W, bands)
        True images, and those that should be like them.
    batch : int
        Objects at a time.

    Returns
    -------
    array (N,)
        Decibels, as in `image_figures`.

    Raises
    ------
    MetricError
        If shapes differ, or a pixel is not finite.
    """
    return _batched({"psnr": psnr}, truth, image, batch)["psnr"]


def _batched(functions, truth, image, batch):
    truth, image = np.asarray(truth, np.float32), np.asarray(image, np.float32)
    if truth.shape != image.shape or truth.ndim != 4 or not len(truth):
        raise MetricError(
            f"Both must hold the same images. Received: {truth.shape} and {image.shape}."
        )
    if not (np.isfinite(truth).all() and np.isfinite(image).all()):
        raise MetricError("A pixel is not finite. Drop the flagged rows first.")
    found = {name: [] for name in functions}
    for start in range(0, len(truth), batch):
        rows = slice(start, start + batch)
        for name, function in functions.items():
            found[name].append(keras.ops.convert_to_numpy(function(truth[rows], image[rows])))
    return {name: np.concatenate(parts).astype(np.float64) for name, parts in found.items()}
