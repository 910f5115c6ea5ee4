"""Real lenses and galaxies, as a finder of one band is shown them.

Two ways. ``as they are``: brought to the network's pixels (flux is conserved) and zero point, not
to its wavelength, PSF or noise. ``as the survey``: also smoothed to the survey's PSF by a Gaussian
where the image is sharper, and given the noise of sky, detector and photons where it has less.

The sets, and what is left out and why, are those of `_real_sets`. The galaxies of the Hubble Deep
Field picture are stretched for display: shown apart, in no rate.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _real_sets import SETS
from scipy import ndimage

from lensfinder.data import assemble, hubble_galaxies
from lensfinder.data.scatter import neighbour_scatter
from lensfinder.data.twins import observed
from lensfinder.errors import DatasetSpecError

MAX_BAD = 0.05  # mended fraction of a stamp
FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))
HDF = "HDF picture"


@dataclass(frozen=True)
class RealObject:
    """One object as the network sees it: stamp (H, W) in the network's unit."""

    set: str
    id: str
    kind: str
    stamp: np.ndarray
    message: str
    space: bool = True  # whether a telescope in space took its image

    @property
    def lens(self) -> bool:
        """Whether it is a lens."""
        return self.kind == "lens"


# --- as the network sees them ---------------------------------------------------------------------
def read_objects(folder, contract, survey, *, as_survey, seed, noise=True, sets=SETS):
    """All objects that a network of one band can take.

    Parameters
    ----------
    folder : pathlib.Path
        The real images.
    contract : InputContract
        One group, one band.
    survey : Survey
        Its survey.
    as_survey : bool
        Whether PSF and noise are brought to the survey's.
    seed : int
        Of the added noise; the k-th object of a set draws from (seed, k).
    noise : bool
        Whether the survey's noise is added here (False: the caller does).
    sets : sequence of RealSet
        Which.

    Returns
    -------
    objects : list of RealObject
        Those that could be used.
    left_out : dict of str to str
        Sets and objects that could not, and why.
    """
    (group,) = contract.groups
    (band_name,) = group.bands
    band = survey.band(band_name)
    objects, left_out = [], {}
    for each in sets:
        if not (Path(folder) / each.folder).is_dir():
            left_out[each.name] = f"there is no folder {each.folder}"
            continue
        for k, (cutout, source) in enumerate(each.read(Path(folder) / each.folder)):
            if as_survey:
                smooth(cutout, source, each.psf_fwhm, band.psf_fwhm)
            made = assemble(
                [cutout],
                contract,
                resample=True,
                calibrate=True,
                survey=survey,
                band_map={band_name: source},
                pad=True,
                max_bad_fraction=MAX_BAD,
            )
            if not made.ok[0]:
                left_out[f"{each.name}: {cutout.id}"] = made.messages[0]
                continue
            stamp = made.images[group.name][0, ..., 0]
            if as_survey and noise:
                stamp = add_noise(stamp, band, np.random.default_rng((seed, k)))
            words = made.messages[0]
            objects.append(
                RealObject(each.name, cutout.id, each.kind, stamp, words, space=each.space)
            )
    return objects, left_out


def smooth(cutout, band, has, wanted):
    """Widen the PSF of a cutout by a Gaussian, where it is sharper; bad pixels stay bad."""
    scale = cutout.pixel_scales.get(band)
    if cutout.status or not scale or has >= wanted:
        return
    image = cutout.bands[band]
    sigma = math.sqrt(wanted**2 - has**2) / FWHM / scale
    bad = ~np.isfinite(image)
    weight = ndimage.gaussian_filter((~bad).astype(np.float64), sigma, mode="nearest")
    light = ndimage.gaussian_filter(np.where(bad, 0.0, image), sigma, mode="nearest")
    widened = np.where(bad, np.nan, light / np.maximum(weight, 1e-6))
    cutout.bands[band] = widened.astype(np.float32)


def add_noise(stamp, band, rng):
    """Noise of the survey: sky and detector up to its level, photons in any case."""
    missing = math.sqrt(max(band.background_sigma**2 - neighbour_scatter(stamp) ** 2, 0.0))
    return observed(stamp, rng, noise=missing, total_time=band.total_time)


def hubble_objects(survey, *, count, seed):
    """Galaxies of the Hubble Deep Field picture, observed by a survey of one band."""
    ids, images, _ = hubble_galaxies().cutouts(survey, count=count, seed=seed)
    (stack,) = images.values()
    return [
        RealObject(HDF, name, "display picture", stamp[..., 0], "")
        for name, stamp in zip(ids, stack, strict=True)
    ]


def one_band(preset):
    """Survey of a preset that takes one image of one band; DatasetSpecError for others."""
    contract = preset.contract
    if len(contract.groups) != 1 or len(contract.groups[0].bands) != 1:
        raise DatasetSpecError(
            f"{preset.name} takes {', '.join(contract.bands)}. These sets are read in one band "
            "each: give a finder of one band."
        )
    return contract.survey
