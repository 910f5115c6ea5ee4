"""From nodes on the sky to survey pixels: point spread function and pixel in one linear step.

The brightness of the sky is known at product nodes (x_k, y_l) with quadrature weights. A survey
pixel (i, j) records the integral of brightness x PSF over its area. For a separable PSF that is

    image = R . (weights x brightness) . C^T,     R_ik = integral over row i of the PSF about y_k,

and any image PSF is a short sum of separable ones (its singular value decomposition). The nodes may
lie anywhere, so pixels of any size, and several pixel scales for one object, come from one set of
nodes, and the convolution is that of the continuous brightness: no pixel is convolved twice.
"""

from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import ndtr

from lensfinder.errors import SpecError

GAUSSIAN_SIGMA = 1.0 / (2.0 * np.sqrt(2.0 * np.log(2.0)))  # sigma of a Gaussian of FWHM 1
_RANK_TOLERANCE = 1e-5  # of the flux, what the cut of the singular values may leave out


def gauss_nodes(n_pixels: int, scale: float, order: int):
    """Gauss-Legendre nodes inside each pixel of a row centred on zero.

    Parameters
    ----------
    n_pixels : int
        Number of pixels.
    scale : float
        Arcsec per pixel.
    order : int
        Nodes per pixel.

    Returns
    -------
    positions : array (n_pixels * order,)
        Node positions, arcsec.
    weights : array (order,)
        Length that each node of a pixel stands for, arcsec; they add up to `scale`.
    """
    nodes, weights = np.polynomial.legendre.leggauss(order)
    centres = np.arange(n_pixels) - (n_pixels - 1) / 2.0
    positions = (centres[:, None] + nodes[None, :] / 2.0) * scale
    return positions.ravel(), weights / 2.0 * scale


class SeparablePsf:
    """A PSF as a sum of products of one-dimensional kernels.

    Parameters
    ----------
    kernels : sequence of (row, column)
        Each a function from edge positions (arcsec, relative to the node) to the integral of the
        kernel from minus infinity to there.
    radius : float
        Distance beyond which the PSF is negligible, arcsec.
    fwhm : float
        Full width at half maximum, arcsec.
    """

    def __init__(self, kernels, radius: float, fwhm: float):
        self.kernels, self.radius, self.fwhm = tuple(kernels), radius, fwhm

    @classmethod
    def gaussian(cls, fwhm: float) -> "SeparablePsf":
        """A circular Gaussian.

        Parameters
        ----------
        fwhm : float
            Full width at half maximum, arcsec.

        Returns
        -------
        SeparablePsf
            Of rank one.
        """
        sigma = fwhm * GAUSSIAN_SIGMA

        def cumulative(edges):
            return ndtr(edges / sigma)

        return cls([(cumulative, cumulative)], radius=4.0 * sigma, fwhm=fwhm)

    @classmethod
    def from_image(cls, image, scale: float) -> "SeparablePsf":
        """A PSF given as an image, normalised to unit sum.

        Parameters
        ----------
        image : array (H, W)
            The PSF, centred on the image's centre; H and W odd.
        scale : float
            Arcsec per pixel of `image`; should sample the PSF well (FWHM of two pixels or more).

        Returns
        -------
        SeparablePsf
            Of the lowest rank that leaves out less than 1e-5 of the flux.

        Raises
        ------
        SpecError
            If the image is not a PSF.
        """
        image = np.asarray(image, dtype=np.float64)
        if image.ndim != 2 or any(side % 2 == 0 or side < 3 for side in image.shape):
            raise SpecError(
                f"A PSF image must have two odd sides of 3 or more. Received: {image.shape}. "
                "Cut or pad it so that the peak is the central pixel."
            )
        if not np.isfinite(image).all() or image.sum() <= 0:
            raise SpecError("A PSF image must be finite with a positive sum. Mend the file.")
        image = image / image.sum()
        left, values, right = np.linalg.svd(image)
        # largest possible flux of what is left out: sum of s |u|_1 |v|_1
        weight = values * np.abs(left).sum(0)[: values.size] * np.abs(right).sum(1)[: values.size]
        tails = np.cumsum(weight[::-1])[::-1]
        rank = max(1, int(np.sum(tails > _RANK_TOLERANCE)))
        kernels = []
        for k in range(rank):
            root = np.sqrt(values[k])
            row, column = left[:, k] * root, right[k] * root
            kernels.append((_cumulative(row, scale), _cumulative(column, scale)))
        # the area above half of the peak, as a circle
        width = 2.0 * scale * np.sqrt(np.count_nonzero(image > image.max() / 2) / np.pi)
        return cls(kernels, radius=max(image.shape) / 2.0 * scale, fwhm=width)

    @classmethod
    def of_band(cls, band) -> "SeparablePsf":
        """The PSF of a survey's band.

        Parameters
        ----------
        band : Band
            With `psf_fwhm`, or `psf_file` and `psf_scale`.

        Returns
        -------
        SeparablePsf
            The PSF.

        Raises
        ------
        SpecError
            If the file is missing or not a PSF.
        """
        if band.psf_fwhm is not None:
            return cls.gaussian(band.psf_fwhm)
        path = Path(band.psf_file)
        try:
            if path.suffix == ".npy":
                image = np.load(path, allow_pickle=False)
            else:
                from astropy.io import fits

                image = fits.getdata(path)
        except (OSError, ValueError, TypeError) as error:
            raise SpecError(f"{path}: cannot be read as a PSF image ({error}).") from error
        return cls.from_image(image, band.psf_scale)

    def operators(self, nodes, n_pixels: int, scale: float):
        """Matrices from nodes to survey pixels, row and column, one pair per term.

        Parameters
        ----------
        nodes : array (K,)
            Node positions along one axis, arcsec.
        n_pixels : int
            Survey pixels along the axis, centred on zero.
        scale : float
            Arcsec per survey pixel.

        Returns
        -------
        list of (array (n_pixels, K), array (n_pixels, K))
            Row and column matrices.
        """
        edges = (np.arange(n_pixels + 1) - n_pixels / 2.0) * scale
        offsets = edges[:, None] - np.asarray(nodes)[None, :]
        return [tuple(np.diff(part(offsets), axis=0) for part in pair) for pair in self.kernels]


def _cumulative(samples, scale):
    """Integral of the cubic spline through pixel values, 0 beyond the image.

    The samples are pixel integrals; the spline goes through their running sum at the pixel edges,
    so each pixel keeps exactly its flux.
    """
    half = samples.size / 2.0 * scale
    edges = np.linspace(-half, half, samples.size + 1)
    spline = CubicSpline(edges, np.concatenate([[0.0], np.cumsum(samples)]), bc_type="clamped")

    def cumulative(positions):
        return spline(np.clip(positions, -half, half))

    return cumulative
