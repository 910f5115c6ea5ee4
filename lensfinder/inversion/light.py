"""The light of the lens, whose amplitudes enter linearly: Gaussians of one shape, or one Sérsic.

``mge`` is a multi-Gaussian expansion (Emsellem et al. 1994; Cappellari 2002) with fixed widths,
``sersic`` one Sérsic profile. Centre, axis ratio and angle, and the radius and index of a Sérsic
profile, are found by fitting the image with the arcs clipped away; the amplitudes, and a constant
sky, are then subtracted, or solved for together with the source, which `light_basis` prepares.
There amplitudes may come out negative: their sum is what counts, and `LensLight.negative` says
where that is less than nothing. How the light would change with its centre and shape is among the
components, with an amplitude of zero, so that a joint fit can correct what arcs have spoilt.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage, optimize

from lensfinder.errors import InversionError, MaskError, UnknownNameError
from lensfinder.inversion.light_profiles import gaussian_components, sersic_components
from lensfinder.inversion.pixels import pixel_centres

PROFILES = ("mge", "sersic")
GAUSSIANS = 10
NARROWEST, WIDEST = 0.5, 0.5  # widths: of a pixel, and of the radius of the fitted disc
INDICES = (0.5, 8.0)  # of Sérsic profiles
ROUNDS = 5  # of clipping arcs
CLIP, CLIP_ALONE = 3.0, 4.5  # scatter that the mean of nine pixels, or one, must exceed
GROWN, SPARED = 1, 2.0  # pixels by which arcs are grown, and from the centre that are kept
FIRST_STEPS, STEPS = 12, 5  # of the search for centre and shape, per round
LEAST_Q = 0.3
NUDGE = 0.05  # of the scales of centre and shape, for the derivatives
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
        Widths on the intermediate axis, arcsec; of a Sérsic profile its half-light radius.
    amplitudes : array (M + K + 1,)
        Of the components, the sky the last.
    components : array (M + K + 1, H, W)
        Blurred images of unit amplitude; the K before the last are the derivatives of the light by
        its centre and shape.
    negative : float
        Where the components add up to less than nothing: negative over positive light, without the
        sky.
    centred : bool
        Whether the centre was found; else the middle of the image is taken for it.
    n : float
        Sérsic index; NaN for Gaussians.
    derivatives : int
        K.
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
    n: float = float("nan")
    derivatives: int = 0

    @property
    def rigid(self) -> np.ndarray:
        """Components (M + 1, H, W) without the derivatives: centre and shape as they are."""
        end = len(self.components) - 1
        return np.delete(self.components, np.s_[end - self.derivatives : end], axis=0)

    @property
    def image(self) -> np.ndarray:
        """Blurred light and sky (H, W)."""
        return np.tensordot(self.amplitudes, self.components, axes=1)


def fit_light(image, noise, *, psf, pixel_scale, mask, profile: str = "mge") -> LensLight:
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
    profile : str
        ``mge`` or ``sersic``.

    Returns
    -------
    LensLight
        Centre, shape and amplitudes.

    Raises
    ------
    MaskError
        If the mask leaves fewer than 50 pixels.
    UnknownNameError
        If there is no such profile.
    """
    if profile not in PROFILES:
        raise UnknownNameError("profile of the lens light", profile, PROFILES)
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

    def rendered(at, shape, psf):
        x, y, a, b, *more = at
        e = np.hypot(a, b)
        q = LEAST_Q + (1.0 - LEAST_Q) * np.exp(-e)
        known = dict(x=x, y=y, q=q, phi=0.5 * np.arctan2(b, a))
        words = dict(pixel_scale=pixel_scale, psf=psf, **known)
        if profile == "mge":
            found = gaussian_components(shape, sigmas=widths, **words)
        else:
            R_e, known["n"] = np.exp(more)
            known["sigmas"] = np.array([R_e])
            found = sersic_components(shape, R_e=R_e, n=known["n"], **words)
        return np.concatenate([found, np.ones((1, *shape))]), known

    def components(at):
        return rendered(at, seen.shape, small)

    space = _Space.of(profile, pixel_scale, radius)

    # From the middle, and not far from it: the brightest pixel may be an image of the source.
    found = _clipped(components, seen, sigma_box, used, (px, py), pixel_scale, space)
    centred = np.abs(found[0][:2]).max() < 0.98 * FARTHEST
    if not centred:
        found = _clipped(components, seen, sigma_box, used, (px, py), pixel_scale, space.in_middle)
    at, amplitudes = found
    whole, known = rendered(at, image.shape, psf)
    known = {"sigmas": widths} | known
    turned = [
        np.tensordot(amplitudes, ends[0] - ends[1], axes=1)
        for step in np.diag(NUDGE * space.scale)
        if (ends := [rendered(at + sign * step, image.shape, psf)[0] for sign in (1, -1)])
    ]
    whole = np.concatenate([whole[:-1], turned, whole[-1:]])
    amplitudes = np.concatenate([amplitudes[:-1], np.zeros(len(turned)), amplitudes[-1:]])
    return LensLight(
        amplitudes=amplitudes,
        components=whole,
        negative=_negative(amplitudes, whole),
        centred=bool(centred),
        derivatives=len(turned),
        **{name: value if np.ndim(value) else float(value) for name, value in known.items()},
    )


@dataclass(frozen=True, eq=False)
class _Space:
    """Where the shape of a profile is looked for: centre, ellipticity, and ln R_e, ln n."""

    start: np.ndarray
    low: np.ndarray
    high: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, profile, pixel_scale, radius):
        start, high = [0.0, 0.0, 0.1, 0.0], [FARTHEST, FARTHEST, np.inf, np.inf]
        low, scale = [-v for v in high], [0.1, 0.1, 0.3, 0.3]
        if profile == "sersic":
            start += [np.log(max(0.3 * radius, pixel_scale)), np.log(3.0)]
            low += [np.log(0.3 * pixel_scale), np.log(INDICES[0])]
            high += [np.log(4.0 * radius), np.log(INDICES[1])]
            scale += [0.5, 0.5]
        return cls(*map(np.array, (start, low, high, scale)))

    @property
    def in_middle(self):
        """The same with the centre held."""
        tiny = np.where(np.arange(len(self.start)) < 2, 1e-6, np.inf)
        held = (np.maximum(self.low, -tiny), np.minimum(self.high, tiny))
        return replace(self, low=held[0], high=held[1], scale=np.minimum(self.scale, tiny))


def _clipped(components, seen, sigma_box, used, pixels, pixel_scale, space):
    """Centre and shape, and amplitudes, fitted in rounds between which the arcs are clipped."""
    (px, py), at, amplitudes = pixels, space.start, None
    clear = used.copy()
    for turn in range(ROUNDS):

        def left(at, clear=clear):
            parts, _ = components(at)
            return _solved(parts, seen, sigma_box, clear)[1]

        steps = FIRST_STEPS if turn == 0 else STEPS
        bounds = (space.low, space.high)
        at = optimize.least_squares(left, at, bounds=bounds, x_scale=space.scale, max_nfev=steps).x
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
