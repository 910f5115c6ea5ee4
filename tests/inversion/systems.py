"""Lenses to invert: a Sérsic source traced by `lensing`, blurred by the inversion's own kernel."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from lensfinder.inversion import MassModel, annulus
from lensfinder.inversion.pixels import pixel_centres
from lensfinder.lensing.einstein_radius import theta_E_to_pyautolens
from lensfinder.lensing.ellipticity import Ellipticity
from lensfinder.lensing.sersic import sersic_profile

SCALE = 0.1  # arcsec per pixel
FINE = 10  # rays along each side of a pixel: the truth is drawn much finer than it is inverted


def gaussian_psf(side=11, sigma=0.9):
    """A round kernel with unit sum; sigma in pixels."""
    i, j = np.mgrid[:side, :side] - side // 2
    kernel = np.exp(-0.5 * (i**2 + j**2) / sigma**2)
    return kernel / kernel.sum()


@dataclass(frozen=True, eq=False)
class Source:
    """A Sérsic source; `flux` in image units times arcsec^2."""

    flux: float = 3.0
    R_e: float = 0.25
    n: float = 1.0
    q: float = 0.7
    phi: float = 0.5
    x: float = 0.06
    y: float = -0.04

    def __call__(self, x, y):
        shape = dict(flux=self.flux, R_e=self.R_e, n=self.n, q=self.q, phi=self.phi)
        return sersic_profile(x, y, **shape, x0=self.x, y0=self.y)


def lensed(mass, source, *, side=60, psf=None, fine=FINE):
    """Noiseless image (side, side): brightness averaged over each pixel, then blurred."""
    psf = gaussian_psf() if psf is None else psf
    x, y = pixel_centres((side * fine, side * fine), SCALE / fine)
    sharp = source(*mass.trace(*np.broadcast_arrays(x, y)))
    sharp = sharp.reshape(side, fine, side, fine).mean(axis=(1, 3))
    return ndimage.convolve(sharp, psf, mode="constant")


MASS = MassModel(theta_E=1.2, q=0.75, phi=0.4, x=0.01, y=-0.02, gamma1=0.03, gamma2=-0.02)


@dataclass(frozen=True, eq=False)
class Lens:
    """A noisy image with everything an inversion needs."""

    image: np.ndarray
    clean: np.ndarray
    noise: float
    mask: np.ndarray
    psf: np.ndarray
    mass: MassModel
    source: Source

    @property
    def known(self):
        """Arguments of `Inverter` and `invert` after image and noise."""
        return dict(psf=self.psf, pixel_scale=SCALE, mask=self.mask)


def a_lens(*, seed=1, mass=MASS, source=None, side=60, snr=30.0, inner=0.5, outer=2.2):
    """A lens; `snr` is that of the brightest pixel."""
    source = source or Source()
    clean = lensed(mass, source, side=side)
    noise = float(clean.max()) / snr
    image = clean + np.random.default_rng(seed).normal(0, noise, clean.shape)
    mask = annulus(image.shape, pixel_scale=SCALE, inner=inner, outer=outer)
    return Lens(image, clean, noise, mask, gaussian_psf(), mass, source)


# --- the same problem in PyAutoLens' words --------------------------------------------------------
def lopsided_psf(side=11, sigma=0.9):
    """A kernel without any symmetry, so that a flipped or transposed one would be noticed."""
    ramp = np.linspace(-1.0, 1.0, side)
    kernel = gaussian_psf(side, sigma) * (1 + 0.5 * ramp[:, None] + 0.3 * ramp[None, :] ** 3)
    return kernel / kernel.sum()


def autolens_problem(lens, mass, *, shape, strength, regularisation="constant", solver="free"):
    """What benchmarks/inversion_autolens.py reads, as arrays."""
    e1, e2 = Ellipticity.from_axis_ratio(mass.q, mass.phi).to_lenstronomy()
    radius = theta_E_to_pyautolens(mass.theta_E, mass.q)
    return dict(
        image=lens.image,
        noise=np.broadcast_to(lens.noise, lens.image.shape),
        psf=lens.psf,
        mask=lens.mask,
        scale=SCALE,
        mass=np.array([radius, e2, e1, mass.y, mass.x, mass.gamma1, mass.gamma2], dtype=float),
        shape=np.array(shape),
        strength=strength,
        sub=4,
        regularisation=regularisation,
        solver=solver,
    )


def autolens_cases():
    """Name: (lens, mass, shape, strength, regularisation) of the lenses that both codes invert."""
    lens = replace(a_lens(), psf=lopsided_psf())
    wrong = MASS.model_copy(update={"theta_E": 1.1, "q": 0.9})
    return {
        "true mass": (lens, MASS, (18, 20), 0.2, "constant"),
        "wrong mass": (lens, wrong, (14, 14), 3.0, "constant"),
        "zeroth": (lens, MASS, (16, 12), 0.05, "zeroth"),
    }
