"""A lens and its twin: the same galaxy with the arcs removed.

What a finder says about a real lens is one number; whether it says so because of the arcs is
another. The twin answers it: the light of the lens galaxy alone, as a model that is the same all
around each ellipse, and noise. The model takes a low percentile of every elliptical annulus, which
arcs and companions do not reach as long as they cover less than half of it, and then bridges
whatever bump a complete ring leaves in the profile.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from lensfinder.data.scatter import neighbour_scatter
from lensfinder.errors import StampShapeError

PERCENTILE = 25.0  # of an annulus, in per cent; brought to the middle by the scatter of its noise
STEP, GROWTH = 1.0, 0.15  # width of an annulus: pixels, or a share of its radius if that is more
CORE = 2.0, 4.0  # pixels: inside the first the image itself is taken, outside the second the model
REACH = 3.0  # sigma of the weight with which the centre is looked for near the middle, pixels
LEAST = 24  # sides of images, pixels


@dataclass(frozen=True)
class LensLight:
    """The light of a lens galaxy without what is not the same all around.

    Attributes
    ----------
    image : array (H, W)
        The model, in the unit of the image, its sky included.
    noise : float
        Noise of the image's sky per pixel.
    x, y : float
        Centre, pixels from the centre of the lower left one.
    q, phi : float
        Axis ratio, and position angle from +x, radians.
    """

    image: np.ndarray
    noise: float
    x: float
    y: float
    q: float
    phi: float


def lens_light(image) -> LensLight:
    """Model the light of the galaxy in the middle of an image, and nothing else.

    Centre: the brightest spot near the middle. Shape: the one ellipse for which the lower halves of
    all annuli scatter least. Profile: the 25th percentile of each annulus, raised by what noise
    takes off it (its sigma is measured below the median, where no arc is), then made monotonic and
    convex from 2 pixels on, in arcsinh of the noise: profiles of galaxies are, and the
    bump of a complete ring is bridged. The core, 2 to 4 pixels, stays as it is. A galaxy much
    fainter than its arcs is not found.

    Parameters
    ----------
    image : array (H, W)
        One band, at least 24 pixels wide, the galaxy near the middle; any linear unit.

    Returns
    -------
    LensLight
        The model.

    Raises
    ------
    StampShapeError
        If the image is too small or not finite.
    """
    image = np.asarray(image, dtype=np.float64)
    if image.ndim != 2 or min(image.shape) < LEAST or not np.isfinite(image).all():
        raise StampShapeError(
            f"A finite image of at least {LEAST} x {LEAST} pixels is needed. Received: shape "
            f"{image.shape}, {int(np.sum(~np.isfinite(image)))} pixels not finite. Mend it first."
        )
    noise = neighbour_scatter(image)
    x, y = _centre(image)
    q, phi = _shape(image, x, y)
    radius = _elliptical_radius(image.shape, x, y, q, phi)
    places, values = _profile(image, radius)
    model = np.interp(radius, places, _bridged(places, values, noise))
    # the core is steeper than annuli can follow, smeared by the PSF, and inside the arcs
    inside = np.clip((CORE[1] - radius) / (CORE[1] - CORE[0]), 0.0, 1.0)
    model = inside * image + (1.0 - inside) * model
    return LensLight(model, noise, x, y, q, phi)


def without_arcs(image, rng, *, noise=None, total_time=None) -> np.ndarray:
    """The twin of a lens: its `lens_light`, and noise.

    Parameters
    ----------
    image : array (H, W)
        The lens.
    rng : numpy.random.Generator
        Draws the noise.
    noise : float or None
        Sigma per pixel of sky and detector; None takes that of the image.
    total_time : float or None
        Exposure in s, for the noise of the photons where the image is in electron/s; None adds
        none.

    Returns
    -------
    array (H, W) float32
        The galaxy without arcs.

    Raises
    ------
    StampShapeError
        If the image is too small or not finite.
    """
    light = lens_light(image)
    noise = light.noise if noise is None else noise
    return observed(light.image, rng, noise=noise, total_time=total_time)


def observed(image, rng, *, noise: float, total_time=None) -> np.ndarray:
    """An image with more noise: of a survey's sky and detector, and of photons.

    Parameters
    ----------
    image : array (H, W)
        Electron/s, if photons count.
    rng : numpy.random.Generator
        Draws the noise.
    noise : float
        Sigma per pixel to add.
    total_time : float or None
        Exposure, s; None adds no photon noise.

    Returns
    -------
    array (H, W) float32
        Noisy image.
    """
    variance = np.full(np.shape(image), float(noise) ** 2)
    if total_time is not None:
        variance += np.maximum(image, 0.0) / total_time
    return (image + np.sqrt(variance) * rng.standard_normal(variance.shape)).astype(np.float32)


def apodising_window(side: int, *, inner: float = 0.85) -> np.ndarray:
    """A round window that takes a stamp to zero before its edge.

    A sharp edge looks like an arc to a network, so both of a pair are multiplied by it.

    Parameters
    ----------
    side : int
        Side of the stamp, pixels.
    inner : float
        Where the window begins to fall, as a fraction of half the side.

    Returns
    -------
    array (side, side)
        1 inside, half a cosine (Hann) to 0 at half the side.
    """
    axis = (np.arange(side) - (side - 1) / 2) / (side / 2)
    radius = np.hypot(axis[:, None], axis[None, :])
    fall = np.clip((radius - inner) / (1.0 - inner), 0.0, 1.0)
    return 0.5 * (1.0 + np.cos(np.pi * fall))


# --- the steps ------------------------------------------------------------------------------------
def _centre(image):
    """Centroid of the 5 x 5 pixels around the brightest smoothed pixel, the middle preferred."""
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(image, 1.0)
    rows, columns = (np.arange(side) - (side - 1) / 2 for side in image.shape)
    near = np.exp(-0.5 * (rows[:, None] ** 2 + columns[None, :] ** 2) / REACH**2)
    smooth = smooth - np.median(smooth)
    row, column = np.unravel_index(np.argmax(smooth * near), image.shape)
    window = smooth[row - 2 : row + 3, column - 2 : column + 3]
    weights = window - window.min()
    if not weights.sum() > 0:
        return float(column), float(row)
    steps = np.arange(-2, 3)
    x = column + (weights.sum(0) * steps).sum() / weights.sum()
    y = row + (weights.sum(1) * steps).sum() / weights.sum()
    return float(x), float(y)


def _elliptical_radius(shape, x, y, q, phi):
    """Radius on the intermediate axis, pixels."""
    dy, dx = np.arange(shape[0])[:, None] - y, np.arange(shape[1])[None, :] - x
    along = np.cos(phi) * dx + np.sin(phi) * dy
    across = np.cos(phi) * dy - np.sin(phi) * dx
    return np.sqrt(q * along**2 + across**2 / q)


def _annuli(image, radius):
    """Pixels of each annulus, from inside to outside; the corners of the image are one annulus."""
    edges = [0.0]
    while edges[-1] < min(image.shape) / 2:
        edges.append(edges[-1] + max(STEP, GROWTH * edges[-1]))
    number = np.searchsorted(edges, radius.ravel(), side="right")
    order = np.argsort(number, kind="stable")
    bounds = np.searchsorted(number[order], np.arange(1, len(edges) + 2))
    values, radii = image.ravel()[order], radius.ravel()[order]
    for low, high in itertools.pairwise(bounds):
        if high > low:
            yield radii[low:high], values[low:high]


def _profile(image, radius):
    """Mean radius of each annulus, and its level without arcs."""
    below = -float(ndtri(PERCENTILE / 100.0))  # in sigma of a Gaussian
    places, levels = [], []
    for radii, values in _annuli(image, radius):
        low, quarter, middle = np.percentile(values, [16.0, PERCENTILE, 50.0])
        # the slope of the profile within an annulus widens it like noise, and is as symmetric
        levels.append(min(quarter + below * (middle - low), middle))
        places.append(radii.mean())
    return np.array(places), np.array(levels)


def _shape(image, x, y):
    """The ellipse on which the lower halves of all annuli scatter least: coarse, then finer."""
    best = (np.inf, 1.0, 0.0)
    coarse = [(q, phi) for q in (0.45, 0.7) for phi in np.arange(8) * np.pi / 8]
    for q, phi in [(1.0, 0.0), *coarse]:
        best = min(best, (_unevenness(image, x, y, q, phi), q, phi))
    for dq, dphi in ((0.12, np.pi / 16), (0.06, np.pi / 32)):
        _, q0, phi0 = best
        for q in (q0 - dq, q0, q0 + dq):
            for phi in (phi0 - dphi, phi0, phi0 + dphi):
                if 0.25 <= q <= 1.0 and (q, phi) != (q0, phi0):
                    best = min(best, (_unevenness(image, x, y, q, phi), q, phi))
    return best[1], float(best[2] % np.pi)


def _unevenness(image, x, y, q, phi):
    radius = _elliptical_radius(image.shape, x, y, q, phi)
    total = 0.0
    for _, values in _annuli(image, radius):
        if len(values) >= 4:
            low, middle = np.percentile(values, [16.0, 50.0])
            total += len(values) * (middle - low)
    return total


def _bridged(places, values, noise):
    """A profile that never rises, and is convex outside the core, in arcsinh(I / noise)."""
    scaled = np.arcsinh(values / max(noise, 1e-30))
    scaled = np.minimum.accumulate(scaled)
    first = int(np.searchsorted(places, CORE[0]))
    hull = []  # lower convex hull (Andrew 1979), from left to right
    for k in range(first, len(places)):
        while len(hull) >= 2 and _turns_down(places, scaled, hull[-2], hull[-1], k):
            hull.pop()
        hull.append(k)
    if hull:
        scaled[first:] = np.interp(places[first:], places[hull], scaled[hull])
    return np.sinh(scaled) * max(noise, 1e-30)


def _turns_down(x, y, a, b, c):
    """Whether point b lies on or above the line from a to c."""
    return (y[b] - y[a]) * (x[c] - x[a]) >= (y[c] - y[a]) * (x[b] - x[a])
