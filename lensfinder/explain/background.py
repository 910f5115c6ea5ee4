"""What an object looks like where a region of it is switched off: the galaxy without its arcs.

The choice decides what an explanation means. Zeros, or the mean of the region, leave holes and hard
edges in a galaxy, and a finder may take the edge for an arc. Here a region is filled with the light
that a smooth galaxy has at that place: the median along each ellipse about the centre (an arc
covers the lesser part of its ellipse), never rising outwards (a ring covers the larger part, and
would stay), never below the sky, with the noise of the sky on top. So what is asked is: does it
matter to the network that *something other than a smooth galaxy* is here? The price: smooth light
itself gets no weight. `Fill("sky")` asks about that, too: it puts bare sky there.
"""

from enum import StrEnum

import numpy as np

from lensfinder.data.scatter import border_scatter

WINDOW = 0.6  # arcsec: sigma of the Gaussian within which the shape of the galaxy is measured
ROUNDEST, FLATTEST = 1.0, 0.3  # axis ratios of the ellipses; a bright arc must not flatten them


class Fill(StrEnum):
    """What is put where a region is switched off."""

    GALAXY = "galaxy"
    SKY = "sky"


def pixel_axes(side: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of the pixels of a square stamp.

    Parameters
    ----------
    side : int
        Pixels along a side.
    scale : float
        Arcsec per pixel.

    Returns
    -------
    x, y : arrays (1, side) and (side, 1)
        Arcsec from the centre.
    """
    axis = (np.arange(side) - (side - 1) / 2) * scale
    return axis[None, :], axis[:, None]


def central_shape(image, scale: float) -> tuple[float, float, float, float]:
    """Centre and shape of the galaxy in the middle of a stamp.

    Moments of the light above the sky in a round Gaussian window about the centre, which is small
    enough to leave most arcs out; the window makes shapes rounder, which is corrected for.

    Parameters
    ----------
    image : array (H, W)
        One band, or several in one.
    scale : float
        Arcsec per pixel.

    Returns
    -------
    x, y : float
        Centre, arcsec; the stamp's own where the middle holds no light.
    q, phi : float
        Axis ratio, and position angle from +x towards +y.
    """
    level, sigma = border_scatter(image[..., None])
    light = np.where(image - level > sigma, image - level, 0.0)
    x, y = pixel_axes(len(image), scale)
    x0 = y0 = 0.0
    for _ in range(4):  # converges to a hundredth of a pixel in three steps
        weight = light * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * WINDOW**2))
        total = weight.sum()
        if total <= 0:
            return 0.0, 0.0, 1.0, 0.0
        x0, y0 = float((weight * x).sum() / total), float((weight * y).sum() / total)
    if np.hypot(x0, y0) > WINDOW:  # not the object that the stamp is cut about
        return 0.0, 0.0, 1.0, 0.0
    dx, dy = x - x0, y - y0
    xx, yy, xy = (float((weight * v).sum() / total) for v in (dx * dx, dy * dy, dx * dy))
    # for Gaussian light C = (C_light^-1 + 1/WINDOW^2)^-1: undo the window on the eigenvalues
    half, apart = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    ratio = np.clip((half - apart) / (half + apart), 0.0, 1.0)
    major = half + apart
    freed = 1.0 / max(1.0 / major - 1.0 / WINDOW**2, 1e-3 / major)
    minor = 1.0 / max(1.0 / (ratio * major) - 1.0 / WINDOW**2, 1e-3 / major)
    q = float(np.clip(np.sqrt(minor / freed), FLATTEST, ROUNDEST))
    return x0, y0, q, 0.5 * float(np.arctan2(2 * xy, xx - yy))


def smooth_galaxy(image, scale: float, *, shape) -> np.ndarray:
    """The smooth galaxy in a stamp: medians along ellipses, falling outwards to the sky.

    Parameters
    ----------
    image : array (H, W, bands)
        Calibrated pixels.
    scale : float
        Arcsec per pixel.
    shape : tuple of float
        Centre, axis ratio and angle, see `central_shape`.

    Returns
    -------
    array (H, W, bands) of float32
        The model.
    """
    x0, y0, q, phi = shape
    x, y = pixel_axes(len(image), scale)
    along = (x - x0) * np.cos(phi) + (y - y0) * np.sin(phi)
    across = (y - y0) * np.cos(phi) - (x - x0) * np.sin(phi)
    radius = np.hypot(np.sqrt(q) * along, across / np.sqrt(q))
    ring = np.minimum((radius / scale).astype(int), len(image) // 2)  # corners join the last one
    level, _ = border_scatter(image)
    rings = [np.flatnonzero(ring.ravel() == i) for i in range(ring.max() + 1)]
    rings = [members for members in rings if members.size]
    flat = image.reshape(-1, image.shape[-1])
    middle = np.array([radius.ravel()[members].mean() for members in rings])
    profile = np.array([np.median(flat[members], axis=0) for members in rings])
    profile = np.maximum(np.minimum.accumulate(profile, axis=0), level)
    bands = [np.interp(radius, middle, profile[:, i]) for i in range(image.shape[-1])]
    return np.stack(bands, axis=-1).astype(np.float32)


def fill_images(images, contract, *, fill=Fill.GALAXY, rng) -> dict[str, np.ndarray]:
    """What every pixel of an object becomes when its region is switched off.

    Parameters
    ----------
    images : dict of str to array (H, W, bands)
        One object, e-/s.
    contract : InputContract
        Its pixel scales.
    fill : Fill
        A smooth galaxy, or bare sky.
    rng : numpy.random.Generator
        For the noise of the sky, which is white.

    Returns
    -------
    dict of str to array (H, W, bands) of float32
        One array per group.
    """
    finest = min(contract.groups, key=lambda group: group.pixel_scale)
    shape = central_shape(np.asarray(images[finest.name]).mean(axis=-1), finest.pixel_scale)
    filled = {}
    for group in contract.groups:
        image = np.asarray(images[group.name], np.float32)
        level, sigma = border_scatter(image)
        if Fill(fill) is Fill.GALAXY:
            smooth = smooth_galaxy(image, group.pixel_scale, shape=shape)
        else:
            smooth = np.broadcast_to(level, image.shape)
        noise = rng.standard_normal(image.shape, dtype=np.float32) * sigma
        filled[group.name] = (smooth + noise).astype(np.float32)
    return filled
