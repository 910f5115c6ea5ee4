"""What a fit needs of an image as it was read: brightness, noise, PSF, and which pixels are bad."""

from dataclasses import dataclass

import numpy as np

from lensfinder.errors import (
    ArgumentError,
    MissingBandError,
    NoiseMapError,
    PixelScaleError,
    PsfError,
)
from lensfinder.inversion.observation import trimmed_psf
from lensfinder.inversion.pixels import annulus, pixel_centres

BORDER = 0.1  # of the width: the outermost pixels, whose scatter stands in for a noise map
KEPT_PSF = 0.98  # of its light: wings beyond are cut, for each pixel of a PSF costs time
FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))
_MAD_TO_SIGMA = 1.4826  # of a Gaussian


@dataclass(frozen=True, eq=False)
class FitInput:
    """One band of one object, ready to be fitted.

    Attributes
    ----------
    image : array (H, W)
        Brightness; 0 where it is not known.
    noise : array (H, W)
        Standard deviation; 1 where it is not known.
    usable : bool array (H, W)
        Where both are known.
    psf : array (h, w)
        Point spread function, trimmed to 98 % of its light.
    pixel_scale : float
        Arcsec per pixel.
    noise_from : str
        ``file``, ``border`` or ``border+photons``.
    psf_from : str
        ``file`` or ``fwhm``.
    """

    image: np.ndarray
    noise: np.ndarray
    usable: np.ndarray
    psf: np.ndarray
    pixel_scale: float
    noise_from: str
    psf_from: str


def fit_input(cutout, *, band=None, psf_fwhm=None, exposure=None, pixel_scale=None) -> FitInput:
    """Take from a cutout what a fit needs; what the file does not say must be given.

    Parameters
    ----------
    cutout : Cutout
        As it was read.
    band : str, optional
        Which band; may be left out where there is one.
    psf_fwhm : float, optional
        Width of a Gaussian PSF [arcsec], for files without one.
    exposure : float, optional
        Exposure time [s] of an image in electrons/s, for files without a noise map: the photon
        noise of what is bright is then added to the scatter of the border.
    pixel_scale : float, optional
        Arcsec per pixel, for files that do not say.

    Returns
    -------
    FitInput
        The arrays.

    Raises
    ------
    MissingBandError
        If there is no such band, or several and none was chosen.
    PixelScaleError
        If nothing says how large a pixel is.
    PsfError
        If there is no PSF and no width of one.
    NoiseMapError
        If no pixel is usable, or the border has no scatter.
    """
    name = _band(cutout, band)
    image = np.asarray(cutout.bands[name], dtype=np.float64)
    scale = cutout.pixel_scales.get(name) or pixel_scale
    if not scale:
        raise PixelScaleError(
            "The file does not say how large a pixel is. Give it with --assume-pixel-scale."
        )
    noise, noise_from = _noise(cutout, name, image, exposure)
    usable = np.isfinite(image) & np.isfinite(noise) & (noise > 0)
    if not usable.any():
        raise NoiseMapError("No pixel has a finite value and positive noise. Check the file.")
    psf, psf_from = _psf(cutout, name, psf_fwhm, scale)
    return FitInput(
        image=np.where(usable, image, 0.0),
        noise=np.where(usable, noise, 1.0),
        usable=usable,
        psf=psf,
        pixel_scale=float(scale),
        noise_from=noise_from,
        psf_from=psf_from,
    )


def check_rings(rings) -> None:
    """Refuse radii between which nothing lies.

    Parameters
    ----------
    rings : (float, float) or None
        Inner and outer radius, arcsec.

    Raises
    ------
    ArgumentError
        If they are not 0 <= inner < outer.
    """
    if rings is not None and not 0 <= rings[0] < rings[1]:
        raise ArgumentError(f"`rings` must be 0 <= inner < outer. Received: {rings} arcsec.")


def ring_mask(seen: FitInput, rings) -> np.ndarray | None:
    """The pixels between two radii about the middle of an image, but for the bad ones.

    Parameters
    ----------
    seen : FitInput
        The image.
    rings : (float, float) or None
        Inner and outer radius, arcsec.

    Returns
    -------
    bool array (H, W) or None
        None where there are no radii: the mask is then found from the arcs.
    """
    if rings is None:
        return None
    inner, outer = rings
    inside = annulus(seen.image.shape, pixel_scale=seen.pixel_scale, inner=inner, outer=outer)
    return inside & seen.usable


def _band(cutout, band):
    known = tuple(cutout.bands)
    if band is None and len(known) == 1:
        return known[0]
    if band not in known:
        raise MissingBandError(
            f"One band is fitted. Received: {band}, of {', '.join(known)}. Choose with --band."
        )
    return band


def _noise(cutout, name, image, exposure):
    """Noise map and where it is from."""
    if name in cutout.rms:
        noise = np.asarray(cutout.rms[name], dtype=np.float64)
        if noise.shape != image.shape:
            raise NoiseMapError(
                f"The noise map {noise.shape} is not of the image's shape {image.shape}. "
                "Check the files."
            )
        return noise, "file"
    edge = max(2, round(BORDER * min(image.shape)))
    inside = np.zeros(image.shape, dtype=bool)
    inside[edge:-edge, edge:-edge] = True
    border = ~inside & np.isfinite(image)
    sky = float(np.median(image[border])) if border.any() else 0.0
    # Differences of opposite pixels: the light of the lens, which reaches the border, cancels.
    opposite = image[::-1, ::-1]
    pairs = (image - opposite)[border & np.isfinite(opposite)] / np.sqrt(2.0)
    sigma = _MAD_TO_SIGMA * float(np.median(np.abs(pairs))) if pairs.size else 0.0
    if not sigma > 0:
        raise NoiseMapError("The border of the image has no scatter. Give a file with a noise map.")
    if exposure is None:
        return np.full(image.shape, sigma), "border"
    photons = np.maximum(np.nan_to_num(image - sky), 0.0) / exposure
    return np.sqrt(sigma**2 + photons), "border+photons"


def _psf(cutout, name, fwhm, scale):
    """PSF and where it is from."""
    if name in cutout.psfs:
        return trimmed_psf(cutout.psfs[name], kept=KEPT_PSF), "file"
    if fwhm is None:
        raise PsfError("The file holds no PSF. Give the width of a Gaussian one with --psf-fwhm.")
    return gaussian_psf(fwhm, scale), "fwhm"


def gaussian_psf(fwhm, scale) -> np.ndarray:
    """A round Gaussian PSF, before it is seen by pixels: an inversion averages over those itself.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum without that of a pixel, arcsec.
    scale : float
        Arcsec per pixel.

    Returns
    -------
    array (h, h)
        Unit sum, h odd.

    Raises
    ------
    PsfError
        If the width is not positive.
    """
    if not (np.isfinite(fwhm) and fwhm > 0):
        raise PsfError(f"The width of a PSF must be positive. Received: {fwhm} arcsec.")
    side = 2 * int(np.ceil(1.5 * fwhm / scale)) + 1
    x, y = pixel_centres((side, side), scale)
    kernel = np.exp(-0.5 * (x**2 + y**2) * (FWHM / fwhm) ** 2)
    return kernel / kernel.sum()
