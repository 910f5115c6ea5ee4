"""Blurred images of what the light of a lens is made of: elliptical Gaussians, or a Sérsic."""

import numpy as np
from scipy import signal

from lensfinder.inversion.observation import checked_psf
from lensfinder.inversion.pixels import pixel_centres
from lensfinder.lensing.sersic import sersic_profile

FINE, CORE = 5, 4  # rays along a side, and pixels from the centre within which they are needed
FINE_CUSP = 11  # the same for a Sérsic profile, whose centre is sharp


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

    return _blurred(gaussians, shape, pixel_scale, psf, x, y, FINE)


def sersic_components(shape, *, pixel_scale, psf, R_e, n, x, y, q, phi):
    """Blurred image of one Sérsic profile.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    pixel_scale : float
        Arcsec per pixel.
    psf : array (h, w) or None
        Point spread function on the pixels of the image.
    R_e : float
        Half-light radius on the intermediate axis, arcsec.
    n : float
        Sérsic index.
    x, y : float
        Centre, arcsec.
    q, phi : float
        Axis ratio, and angle of the major axis from +x, rad.

    Returns
    -------
    array (1, H, W)
        Of unit flux to infinity; averaged over pixels near the centre.
    """
    known = dict(R_e=R_e, n=n, q=q, phi=phi, x0=x, y0=y)

    def profile(px, py):
        return sersic_profile(px, py, flux=pixel_scale**2, **known)[None]

    return _blurred(profile, shape, pixel_scale, psf, x, y, FINE_CUSP)


def _blurred(profile, shape, pixel_scale, psf, x, y, rays):
    """Images (M, H, W) of what a function of positions gives, finer near (x, y)."""
    px, py = pixel_centres(shape, pixel_scale)
    sharp = profile(px, py)
    i, j = (
        np.flatnonzero(np.abs(axis.ravel() - c) <= CORE * pixel_scale)
        for axis, c in ((py, y), (px, x))
    )
    if i.size and j.size:
        offsets = ((np.arange(rays) + 0.5) / rays - 0.5) * pixel_scale
        fx = (px[0, j][:, None] + offsets).reshape(1, -1)
        fy = (py[i, 0][:, None] + offsets).reshape(-1, 1)
        fine = profile(fx, fy).reshape(len(sharp), i.size, rays, j.size, rays)
        sharp[:, i[:, None], j] = fine.mean(axis=(2, 4))
    kernel = checked_psf(psf, shape)
    if kernel.size == 1:
        return sharp
    return signal.fftconvolve(sharp, kernel[None], mode="same", axes=(1, 2))
