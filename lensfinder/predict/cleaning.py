"""What `clean` asks of a cleaned image before it is handed on, and what it says about it."""

import numpy as np
from scipy import ndimage

from lensfinder.data.scatter import lower_scatter

SMOOTHING = 2.0  # sigma of the filter, pixels: about the PSF of a ground-based survey
SIGNIFICANT = 5.0  # sigma of the smoothed noise: 300 fields of noise alone never reached 4
# our cleaner leaves 2 sigma of noise alone, and traces of 5 and more of sourceless galaxies
FAINTEST = 4.0
SHARE = 0.1  # of the light itself: noise grows with it
FEWEST = 5  # pixels that stand out together
PLATEAU = 4  # pixels of exactly the brightest value; noise makes no two alike
BRIGHT = 20.0  # sigma; a plateau below is no core


def doubts(given, cleaned, *, noise=None, zoomed: float = 1.0) -> tuple[str, str]:
    """Why a cleaned image should not be handed on.

    Parameters
    ----------
    given : array (H, W, bands)
        What the network was shown.
    cleaned : array (H, W, bands)
        What it made of it.
    noise : array (bands,) or None
        Scatter of the sky; that of the image given by default. To be said of images of which much
        was masked.
    zoomed : float
        How much an image was enlarged after its noise came in: neighbouring pixels share it then.

    Returns
    -------
    flag, words : str
        A name of `STATUS`, and a sentence; both empty if there is no doubt.
    """
    for band in range(given.shape[-1]):
        image, answer = given[..., band], cleaned[..., band]
        scatter = lower_scatter(image) if noise is None else float(noise[band])
        top = image.max()
        plateau = int(np.sum(image == top))
        if plateau >= PLATEAU and top > np.median(image) + BRIGHT * scatter:
            return (
                "saturated",
                f"{plateau} pixels of band number {band + 1} share the value {top:g}",
            )
        more = invented(image, answer, scatter * zoomed)
        if np.sum(more) >= FEWEST:
            return (
                "invented_light",
                f"band number {band + 1} has light in {int(more.sum())} pixels that the image "
                "given has not got",
            )
    return "", ""


def nothing_left(given, cleaned, *, noise=None, zoomed: float = 1.0) -> bool:
    """Whether a cleaned image is as dark as one of noise alone comes out.

    A finder that brings each image to 0-1 would see the cleaner's last traces as large as arcs:
    stamps of sky alone got a probability of 1.

    Parameters
    ----------
    given, cleaned, noise, zoomed : object
        As of `doubts`.

    Returns
    -------
    bool
        True where in no band five pixels stand out of the smoothed noise of the image given.
    """
    for band in range(given.shape[-1]):
        scatter = lower_scatter(given[..., band]) if noise is None else float(noise[band])
        light = ndimage.gaussian_filter(cleaned[..., band], SMOOTHING, mode="constant")
        if np.sum(light > FAINTEST * smoothed(scatter * zoomed)) >= FEWEST:
            return False
    return True


def smoothed(noise: float) -> float:
    """Scatter of independent noise behind the filter: smaller by 2 sqrt(pi) sigma."""
    return noise / (2 * np.sqrt(np.pi) * SMOOTHING)


def invented(image, answer, noise: float) -> np.ndarray:
    """Where a cleaned image is brighter than the one it was made from, beyond noise.

    Parameters
    ----------
    image, answer : array (H, W)
        One band, given and cleaned.
    noise : float
        Scatter of the sky; of an image that was enlarged f times, f times that.

    Returns
    -------
    array (H, W) of bool
        True where light was invented.
    """
    before, after = (
        ndimage.gaussian_filter(x, SMOOTHING, mode="constant") for x in (image, answer)
    )
    return after - before > SIGNIFICANT * smoothed(noise) + SHARE * np.maximum(before, 0.0)


class Fluxes:
    """Sums over stamps, before and after.

    Parameters
    ----------
    bands : sequence of str
        In channel order.
    denoised : bool
        Whether there is a denoised image between the given and the last one.
    """

    def __init__(self, bands, *, denoised: bool):
        kinds = ["flux_in", *(["flux_denoised"] if denoised else []), "flux_out"]
        self.kinds, self.bands = kinds, tuple(bands)
        self.names = [f"{kind}_{band}" for kind in kinds for band in bands]

    def of(self, given, answers) -> np.ndarray:
        """The numbers of a batch.

        Parameters
        ----------
        given : array (N, H, W, bands)
            Images as given.
        answers : Answers
            With images as values.

        Returns
        -------
        array (N, columns) float32
            NaN for rows with a problem.
        """
        parts = [given[:, None], *([answers.values[:, :1]] if len(self.kinds) == 3 else [])]
        parts = np.concatenate([*parts, answers.values[:, -1:]], axis=1)
        sums = np.sum(parts, axis=(2, 3), dtype=np.float64).reshape(len(given), -1)
        sums[answers.status != 0] = np.nan
        return sums.astype(np.float32)

    def conservation(self, values) -> dict[str, float | None]:
        """How much of the flux given is left, over all rows.

        Parameters
        ----------
        values : array (N, columns)
            From `of`.

        Returns
        -------
        dict of str to float or None
            Per kind and band, the sum over rows as a share of what was given: near 1 for denoised
            images; of deblended ones, the share of the source.
        """
        table = dict(zip(self.names, np.asarray(values, np.float64).T, strict=True))
        found = {}
        for kind in self.kinds[1:]:
            for band in self.bands:
                before = np.nansum(table[f"flux_in_{band}"])
                after = np.nansum(table[f"{kind}_{band}"])
                found[f"{kind}_{band}"] = round(float(after / before), 5) if before else None
        return found
