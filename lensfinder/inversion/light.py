"""The light of the lens: elliptical Gaussians of one shape, whose amplitudes enter linearly.

A multi-Gaussian expansion (Emsellem et al. 1994; Cappellari 2002) with fixed widths. Centre, axis
ratio and angle are found by fitting the image with the arcs clipped away; the amplitudes, and a
constant sky, are then subtracted, or solved for together with the source, which `light_basis`
prepares. There amplitudes may come out negative: their sum is what counts, and `LensLight.negative`
says where that is less than nothing.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage, optimize, signal

from lensfinder.errors import InversionError, MaskError
from lensfinder.inversion.observation import checked_psf
from lensfinder.inversion.pixels import pixel_centres

GAUSSIANS = 10
NARROWEST, WIDEST = 0.5, 0.5  # widths: of a pixel, and of the radius of the fitted disc
FINE, CORE = 5, 4  # rays along a side, and pixels from the centre within which they are needed
ROUNDS = 5  # of clipping arcs
CLIP, CLIP_ALONE = 3.0, 4.5  # scatter that the mean of nine pixels, or one, must exceed
GROWN, SPARED = 1, 2.0  # pixels by which arcs are grown, and from the centre that are kept
FIRST_STEPS, STEPS = 12, 5  # of the search for centre and shape, per round
LEAST_Q = 0.3
FARTHEST = 0.3  # arcsec, of the centre from the middle of the image


@dataclass(frozen=True, eq=False)
class LensLight:
    """Fitted light of a lens galaxy.

    Attributes
    ----------
    x, y : float
        Centre, arcsec from the middle of the image.
    q, phi : float
        Axis ratio, and angle of the major axis from +x, rad.
    sigmas : array (M,)
        Widths on the intermediate axis, arcsec.
    amplitudes : array (M + 1,)
        Of the components, the sky the last.
    components : array (M + 1, H, W)
        Blurred images of unit amplitude.
    negative : float
        Where the components add up to less than nothing: negative over positive light, without the
        sky.
    centred : bool
        Whether the centre was found; else the middle of the image is taken for it.
    """

    x: float
    y: float
    q: float
    phi: float
    sigmas: np.ndarray
    amplitudes: np.ndarray
    components: np.ndarray
    negative: float
    centred: bool = True

    @property
    def image(self) -> np.ndarray:
        """Blurred light and sky (H, W)."""
        return np.tensordot(self.amplitudes, self.components, axes=1)


def gaussian_components(shape, *, pixel_scale, psf, sigmas, x, y, q, phi):
    """Blurred images of elliptical Gaussians of one shape.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    pixel_scale : float
        Arcsec per pixel.
    psf : array (h, w) or None
        Point spread function on the pixels of the image.
    sigmas : array (M,)
        Widths on the intermediate axis, arcsec.
    x, y : float
        Centre, arcsec.
    q, phi : float
        Axis ratio, and angle of the major axis from +x, rad.

    Returns
    -------
    array (M, H, W)
        Each of unit flux where the image holds it all; averaged over pixels near the centre, where
        a narrow Gaussian changes within a pixel.
    """

    def gaussians(px, py):
        dx, dy = px - x, py - y
        along = dx * np.cos(phi) + dy * np.sin(phi)
        across = dy * np.cos(phi) - dx * np.sin(phi)
        r2 = q * along**2 + across**2 / q
        scales = np.asarray(sigmas)[:, None, None] ** 2
        return np.exp(-0.5 * r2 / scales) * pixel_scale**2 / (2.0 * np.pi * scales)

    px, py = pixel_centres(shape, pixel_scale)
    sharp = gaussians(px, py)
    rows, columns = (
        np.flatnonzero(np.abs(axis.ravel() - c) <= CORE * pixel_scale)
        for axis, c in ((py, y), (px, x))
    )
    if rows.size and columns.size:
        offsets = ((np.arange(FINE) + 0.5) / FINE - 0.5) * pixel_scale
        fx = (px[0, columns][:, None] + offsets).reshape(1, -1)
        fy = (py[rows, 0][:, None] + offsets).reshape(-1, 1)
        fine = gaussians(fx, fy).reshape(len(sharp), rows.size, FINE, columns.size, FINE)
        sharp[:, rows[:, None], columns] = fine.mean(axis=(2, 4))
    kernel = checked_psf(psf, shape)
    if kernel.size == 1:
        return sharp
    return signal.fftconvolve(sharp, kernel[None], mode="same", axes=(1, 2))


def fit_light(image, noise, *, psf, pixel_scale, mask) -> LensLight:
    """Fit the light of the lens galaxy, with the arcs clipped away.

    Parameters
    ----------
    image : array (H, W)
        Image, finite in the mask.
    noise : array (H, W) or float
        Standard deviation per pixel.
    psf : array (h, w) or None
        Point spread function.
    pixel_scale : float
        Arcsec per pixel.
    mask : bool array (H, W)
        Pixels to fit: a disc about the lens.

    Returns
    -------
    LensLight
        Centre, shape and amplitudes.

    Raises
    ------
    MaskError
        If the mask leaves fewer than 50 pixels.
    """
    image, mask = np.asarray(image, dtype=np.float64), np.array(mask, dtype=bool)
    sigma = np.broadcast_to(np.asarray(noise, dtype=np.float64), image.shape)
    if mask.sum() < 50:
        raise MaskError("The light of a lens needs at least 50 pixels. Enlarge the mask.")
    # Only the box that holds the mask: blurring costs by the pixel.
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    half = max(
        abs(2 * edge - side + 1)
        for line, side in ((rows, image.shape[0]), (columns, image.shape[1]))
        for edge in (line[0], line[-1])
    )
    box = tuple(_middle(side, half) for side in image.shape)
    seen, sigma_box, used = image[box], sigma[box], mask[box]
    px, py = pixel_centres(seen.shape, pixel_scale)
    radius = float(np.hypot(px, py)[used].max())
    widths = np.geomspace(NARROWEST * pixel_scale, WIDEST * radius, GAUSSIANS)
    small = _fitting_psf(psf, seen.shape)

    def components(at):
        x, y, a, b = at
        e = np.hypot(a, b)
        q = LEAST_Q + (1.0 - LEAST_Q) * np.exp(-e)
        known = dict(x=x, y=y, q=q, phi=0.5 * np.arctan2(b, a))
        found = gaussian_components(
            seen.shape, pixel_scale=pixel_scale, psf=small, sigmas=widths, **known
        )
        return np.concatenate([found, np.ones((1, *seen.shape))]), known

    # From the middle, and not far from it: the brightest pixel may be an image of the source.
    found = _clipped(components, seen, sigma_box, used, (px, py), pixel_scale, FARTHEST)
    centred = np.abs(found[0][:2]).max() < 0.98 * FARTHEST
    if not centred:
        found = _clipped(components, seen, sigma_box, used, (px, py), pixel_scale, 1e-6)
    at, amplitudes = found
    _, known = components(at)
    whole = gaussian_components(
        image.shape, pixel_scale=pixel_scale, psf=psf, sigmas=widths, **known
    )
    whole = np.concatenate([whole, np.ones((1, *image.shape))])
    return LensLight(
        sigmas=widths,
        amplitudes=amplitudes,
        components=whole,
        negative=_negative(amplitudes, whole),
        centred=bool(centred),
        **{name: float(value) for name, value in known.items()},
    )


def _clipped(components, seen, sigma_box, used, pixels, pixel_scale, farthest):
    """Centre and shape, and amplitudes, fitted in rounds between which the arcs are clipped."""
    (px, py), at, amplitudes = pixels, np.array([0.0, 0.0, 0.1, 0.0]), None
    edge = np.array([farthest, farthest, np.inf, np.inf])
    clear = used.copy()
    for turn in range(ROUNDS):

        def left(at, clear=clear):
            parts, _ = components(at)
            return _solved(parts, seen, sigma_box, clear)[1]

        steps = FIRST_STEPS if turn == 0 else STEPS
        scale = [min(0.1, farthest), min(0.1, farthest), 0.3, 0.3]
        at = optimize.least_squares(left, at, bounds=(-edge, edge), x_scale=scale, max_nfev=steps).x
        parts, _ = components(at)
        amplitudes = _solved(parts, seen, sigma_box, clear)[0]
        rest = (seen - np.tensordot(amplitudes, parts, axes=1)) / sigma_box
        # A real galaxy is no sum of Gaussians: the scatter may be more than the noise.
        rest /= max(1.0, float(np.median(np.abs(rest[clear]))) / 0.6745)
        bright = 3.0 * ndimage.uniform_filter(np.where(used, rest, 0.0), 3) > CLIP  # mean of nine
        bright |= rest > CLIP_ALONE
        bright &= np.hypot(px - at[0], py - at[1]) > SPARED * pixel_scale
        bright = ndimage.binary_dilation(bright, iterations=GROWN)
        now = used & ~bright
        if turn and np.array_equal(now, clear):
            break
        if now.sum() < 0.15 * used.sum():
            break  # what is called arcs is most of the image: no model of the light, so no clipping
        clear = now
    return at, amplitudes


def refitted(light: LensLight, image, observation) -> LensLight:
    """The same with the amplitudes that a joint fit with the source has found.

    Parameters
    ----------
    light : LensLight
        Before.
    image : array (N,)
        Lens light at the fitted pixels.
    observation : Observation
        Those pixels.

    Returns
    -------
    LensLight
        After.
    """
    columns = light.components[:, observation.rows, observation.columns].T
    weights = 1.0 / observation.noise
    size = np.linalg.norm(columns * weights[:, None], axis=0)
    size[size == 0] = 1.0
    found = np.linalg.lstsq(columns * (weights[:, None] / size), image * weights, rcond=1e-8)[0]
    amplitudes = found / size
    negative = _negative(amplitudes, light.components)
    return replace(light, amplitudes=amplitudes, negative=negative)


def _negative(amplitudes, components):
    """Negative over positive light, the sky left out."""
    light = np.tensordot(amplitudes[:-1], components[:-1], axes=1)
    good = float(light[light > 0].sum())
    return float(-light[light < 0].sum()) / good if good > 0 else float("inf")


def light_basis(light, observation):
    """Orthonormal basis of what components of the lens light can look like.

    Parameters
    ----------
    light : array (M, H, W)
        Blurred images, linearly independent or not.
    observation : Observation
        The fitted pixels.

    Returns
    -------
    array (N, K)
        In units of the noise, K <= M.

    Raises
    ------
    InversionError
        If the images are not finite, of another shape, or all zero.
    """
    light = np.asarray(light, dtype=np.float64)
    if light.ndim != 3 or light.shape[1:] != observation.shape or not np.isfinite(light).all():
        raise InversionError(
            f"Components of the lens light must be finite images (M, *{observation.shape}). "
            f"Received: {light.shape}. Render them on the pixels of the image."
        )
    columns = light[:, observation.rows, observation.columns].T / observation.noise[:, None]
    size = np.linalg.norm(columns, axis=0)
    columns = columns[:, size > 0] / size[size > 0]
    if not columns.size:
        raise InversionError("The lens light is zero in the mask. Move it, or leave it out.")
    basis, weights, _ = np.linalg.svd(columns, full_matrices=False)
    return np.ascontiguousarray(basis[:, weights > 1e-8 * weights[0]])


def _middle(side, half):
    """The middle of an axis, `half` half-pixels wide to either side."""
    cut = max(side - 1 - half, 0) // 2
    return slice(cut, side - cut)


def _fitting_psf(psf, shape):
    """The middle of a point spread function, where it is larger than the box."""
    if psf is None:
        return None
    psf = np.asarray(psf, dtype=np.float64)
    sides = zip(psf.shape, shape, strict=True)
    return psf[tuple(slice(cut := max(0, (k - s + 1) // 2), k - cut) for k, s in sides)]


def _solved(parts, image, sigma, clear):
    """Amplitudes that are not negative (the sky may be), and residuals in units of the noise."""
    columns = (parts[:, clear] / sigma[clear]).T
    wanted = image[clear] / sigma[clear]
    low = np.zeros(len(parts))
    low[-1] = -np.inf
    size = np.linalg.norm(columns, axis=0)
    size[size == 0] = 1.0
    found = optimize.lsq_linear(columns / size, wanted, bounds=(low, np.inf), method="bvls").x
    return found / size, wanted - columns @ (found / size)
