"""The three solutions of one simulated lens: under-magnified, correct and over-magnified.

The fast recipe of Maresca, Dye & Li (2021, section 3.2): centre, axis ratio and orientation stay at
the truth, the Einstein radius is scanned around the place where each solution is expected
(`lensfinder.inversion.relation`), and the inversion of highest evidence is the solution.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lensfinder.errors import ArgumentError, InversionError
from lensfinder.inversion.engine import Inverter
from lensfinder.inversion.frame import classifier_inputs
from lensfinder.inversion.grids import AdaptiveGrid
from lensfinder.inversion.mass import MassModel
from lensfinder.inversion.pixels import pixel_centres
from lensfinder.inversion.regularisation import Regularisation
from lensfinder.inversion.relation import SOLUTIONS, load_relation

SIGMA_PER_FWHM = 1.0 / (2.0 * np.sqrt(2.0 * np.log(2.0)))
KERNEL_REACH = 4.0  # sigma; a Gaussian has 1e-4 of its flux outside
FEWEST_PIXELS_PER_SOURCE_PIXEL = 2
# Section 3.2 of the paper bounds the Einstein radius of its full fits so, in units of the true one
HIGHEST_UNDER, LOWEST_OVER = 0.9, 1.1


class Scan(BaseModel):
    """How the three solutions of a lens are looked for.

    Attributes
    ----------
    relation : str
        Where they are expected, see `load_relation`. That of the paper by default, so that pairs
        stay what they are when ours is measured again.
    width : float
        Half-width of the scan about the under- and over-magnified places, as a fraction.
    correct_width : float
        The same about the true Einstein radius, where the evidence has a narrow peak.
    steps : int
        Einstein radii per solution, odd so that the expected one is among them.
    source_pixels, sub : int
        Source pixels (fewer where the mask is small), and rays along each side of a pixel.
    regularisation : str
        Kind, see `Regularisation`; its strength is found at the expected place.
    size : int
        Pixels along each side of what the classifier is shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    relation: str = "maresca2021"
    width: float = Field(default=0.2, gt=0, lt=0.5)
    correct_width: float = Field(default=0.02, gt=0, lt=0.1)
    steps: int = Field(default=5, ge=1, le=99)
    source_pixels: int = Field(default=250, ge=10, le=5000)
    sub: int = Field(default=2, ge=1, le=16)
    regularisation: Literal["zeroth", "constant", "gradient"] = "constant"
    size: int = Field(default=64, ge=4, le=512)


@dataclass(frozen=True)
class Solution:
    """One solution of one lens.

    Attributes
    ----------
    kind : str
        One of `SOLUTIONS`.
    theta_E : float
        Einstein radius that the evidence chose, arcsec.
    log_evidence : float
        Its logarithm, natural.
    reduced_chi2 : float
        chi^2 per fitted pixel.
    inputs : dict of str to array (size, size, 1)
        From `classifier_inputs`.
    """

    kind: str
    theta_E: float
    log_evidence: float
    reduced_chi2: float
    inputs: dict[str, np.ndarray]


def gaussian_kernel(fwhm, pixel_scale) -> np.ndarray:
    """A Gaussian point spread function on pixels.

    Sampled at pixel centres, not averaged over pixels: an inversion averages its rays over each
    pixel already.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum, arcsec.
    pixel_scale : float
        Arcsec per pixel.

    Returns
    -------
    array (h, h)
        Odd side, unit sum.
    """
    sigma = fwhm * SIGMA_PER_FWHM
    side = 2 * int(np.ceil(KERNEL_REACH * sigma / pixel_scale)) + 1
    x, y = pixel_centres((side, side), pixel_scale)
    kernel = np.exp(-0.5 * (x**2 + y**2) / sigma**2)
    return kernel / kernel.sum()


def noise_map(image, band) -> np.ndarray:
    """Standard deviation per pixel, as estimated from the image itself.

    Parameters
    ----------
    image : array
        Sky-subtracted image, electron/s.
    band : Band
        Sky, exposures and detector.

    Returns
    -------
    array
        electron/s.
    """
    return np.sqrt(band.background_sigma**2 + np.maximum(image, 0.0) / band.total_time)


def observed(clean, band, rng) -> np.ndarray:
    """A noisy image: Poisson noise of sky, dark current and light, and readouts.

    Parameters
    ----------
    clean : array (H, W)
        Noiseless image, electron/s.
    band : Band
        Sky, exposures and detector.
    rng : numpy.random.Generator
        For the noise.

    Returns
    -------
    array (H, W)
        Sky-subtracted, electron/s, float64.
    """
    background = (band.sky + band.dark_current) * band.total_time
    electrons = rng.poisson(np.maximum(clean, 0.0) * band.total_time + background)
    readout = rng.normal(size=clean.shape) * band.read_noise * np.sqrt(band.n_exposures)
    return (electrons + readout - background) / band.total_time


def make_inverter(image, *, band, pixel_scale, scan) -> Inverter:
    """An image of a lens, masked and ready to be inverted.

    Parameters
    ----------
    image : array (H, W)
        Image without lens light, electron/s.
    band : Band
        Its noise and point spread function (`psf_fwhm`).
    pixel_scale : float
        Arcsec per pixel.
    scan : Scan
        Source pixels and regularisation.

    Returns
    -------
    Inverter
        With the annular mask of the image.

    Raises
    ------
    ArgumentError
        If the point spread function of the band is not a Gaussian.
    InversionError
        If there are no arcs, or they do not surround the lens in the middle of the image: then the
        counter-image is lost in the noise, and there is nothing to tell the solutions apart.
    """
    # scikit-image takes a while to import, and who has a mask does not need it
    from lensfinder.inversion.mask import annular_mask

    if band.psf_fwhm is None:
        raise ArgumentError(f"The band {band.name} must have a Gaussian PSF. Give it psf_fwhm.")
    noise = noise_map(image, band)
    mask = annular_mask(image, noise, pixel_scale=pixel_scale, disc=False)
    if np.hypot(mask.x, mask.y) > mask.outer:
        raise InversionError(
            "The arcs lie on one side of the lens: no counter-image stands out of the noise. "
            "Leave this lens out."
        )
    pixels = int(np.count_nonzero(mask.pixels))
    count = min(scan.source_pixels, pixels // FEWEST_PIXELS_PER_SOURCE_PIXEL)
    if count < 10:
        raise InversionError(f"Only {pixels} pixels are to be fitted. Leave this lens out.")
    return Inverter(
        image,
        noise,
        psf=gaussian_kernel(band.psf_fwhm, pixel_scale),
        pixel_scale=pixel_scale,
        mask=mask,
        source=AdaptiveGrid(pixels=count, sub=scan.sub),
        regularisation=Regularisation(kind=scan.regularisation),
    )


def three_solutions(inverter, mass: MassModel, *, scan: Scan) -> list[Solution]:
    """The solutions of one lens, in the order of `SOLUTIONS`.

    Parameters
    ----------
    inverter : Inverter
        From `make_inverter`.
    mass : MassModel
        The true mass.
    scan : Scan
        Where to look.

    Returns
    -------
    list of Solution
        Three.

    Raises
    ------
    InversionError
        If one of the masses cannot be inverted.
    """
    found = []
    for kind, radii in places(mass.theta_E, scan).items():
        masses = [mass.model_copy(update={"theta_E": float(radius)}) for radius in radii]
        expected = masses.pop(len(masses) // 2)
        # one strength for the scan: searching anew at each radius costs several times as much, and
        # the evidence moves by far less than between two radii
        there = inverter.evaluate(expected)
        others = inverter.evaluate_many(masses, strength=there.strength).log_evidence
        evidence = np.nan_to_num([there.log_evidence, *others], nan=-np.inf)
        chosen = [expected, *masses][int(np.argmax(evidence))]
        best = inverter.invert(chosen, strength=there.strength)
        found.append(
            Solution(
                kind=kind,
                theta_E=best.mass.theta_E,
                log_evidence=best.log_evidence,
                reduced_chi2=best.chi2 / len(best.observation),
                inputs=classifier_inputs(best, size=scan.size),
            )
        )
    return found


def places(theta_E, scan: Scan) -> dict[str, np.ndarray]:
    """Einstein radii at which each solution is looked for.

    Parameters
    ----------
    theta_E : float
        The true one, arcsec.
    scan : Scan
        Widths and steps.

    Returns
    -------
    dict of str to array (steps,)
        Per solution, ascending, arcsec. Those of the unphysical ones keep the distance from the
        true radius that the paper's full fits kept.
    """
    relation = load_relation(scan.relation)
    lowest, tiny = LOWEST_OVER * theta_E, 0.02 * theta_E
    around = {
        "under": np.clip(relation.under(theta_E), 0.1 * theta_E, HIGHEST_UNDER * theta_E),
        "correct": theta_E,
        "over": max(relation.over(theta_E), lowest),
    }
    limits = {
        "under": (tiny, HIGHEST_UNDER * theta_E),
        "correct": (tiny, np.inf),
        "over": (lowest, np.inf),
    }
    found = {}
    for kind in SOLUTIONS:
        width = scan.correct_width if kind == "correct" else scan.width
        offsets = np.linspace(-width, width, scan.steps) if scan.steps > 1 else np.zeros(1)
        found[kind] = np.clip(around[kind] * (1.0 + offsets), *limits[kind])
    return found
