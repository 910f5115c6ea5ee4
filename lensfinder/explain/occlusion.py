"""Occlusion (Zeiler & Fergus 2014): slide a patch over the sky, and see what p_lens loses."""

import math

import numpy as np

from lensfinder.errors import ArgumentError
from lensfinder.explain.switches import Switches

PATCH = 0.8  # arcsec: the width of an arc and its PSF, twice


def covered(starts, width: float, *, side: int, scale: float) -> np.ndarray:
    """Which part of each pixel of a row lies in each of some intervals.

    Parameters
    ----------
    starts : array (n,)
        Where the intervals begin, arcsec from the centre of the row.
    width : float
        Their length, arcsec.
    side : int
        Pixels of the row.
    scale : float
        Arcsec per pixel.

    Returns
    -------
    array (n, side) of float32
        From 0 to 1.
    """
    low = (np.arange(side) - side / 2) * scale
    starts = np.asarray(starts)[:, None]
    shared = np.minimum(low + scale, starts + width) - np.maximum(low, starts)
    return (np.clip(shared, 0.0, None) / scale).astype(np.float32)


def patch_starts(width: float, patch: float, *, most: int) -> np.ndarray:
    """Where the patches begin along one axis.

    Parameters
    ----------
    width : float
        Side of the sky, arcsec.
    patch : float
        Side of a patch, arcsec.
    most : int
        Largest number of patches on the whole sky.

    Returns
    -------
    array (n,)
        Evenly spaced from edge to edge, half a patch apart or, on a wide sky, further.

    Raises
    ------
    ArgumentError
        If the patch does not fit into the sky.
    """
    if not 0 < patch < width:
        raise ArgumentError(
            f"A patch must be smaller than the sky of {width:g} arcsec. Received: {patch:g}."
        )
    count = min(math.ceil((width - patch) / (patch / 2)) + 1, max(math.isqrt(most), 2))
    return np.linspace(-width / 2, width / 2 - patch, count)


def occlusion_map(
    switches: Switches, *, patch: float = PATCH, most: int = 1_000, seed: int = 0
) -> np.ndarray:
    """What p_lens loses where a patch of the sky is switched off.

    Parameters
    ----------
    switches : Switches
        The object and the network.
    patch : float
        Side of the square patch, arcsec.
    most : int
        Largest number of patches.
    seed : int
        For the noise of what is put there.

    Returns
    -------
    array (side, side)
        Loss of p_lens per arcsec^2, the mean over the patches that cover a pixel of the sky grid;
        positive where something speaks for a lens.
    """
    sky = switches.regions.sky
    starts = patch_starts(sky.width, patch, most=most)
    rows, columns = (axis.ravel() for axis in np.meshgrid(starts, starts, indexing="ij"))
    filling = switches.filling(seed)

    def kept():
        whole = {g.name: np.ones((1, g.stamp, g.stamp), np.float32) for g in sky.contract.groups}
        yield whole
        for start in range(0, len(rows), switches.predict.batch_size):
            part = slice(start, start + switches.predict.batch_size)
            yield {
                g.name: 1
                - covered(rows[part], patch, side=g.stamp, scale=g.pixel_scale)[:, :, None]
                * covered(columns[part], patch, side=g.stamp, scale=g.pixel_scale)[:, None, :]
                for g in sky.contract.groups
            }

    scores = switches.score(kept(), filling)
    loss = (scores[0] - scores[1:]).reshape(len(starts), len(starts)) / patch**2
    on_sky = covered(starts, patch, side=sky.side, scale=sky.scale)
    weight = on_sky.sum(axis=0)
    # where patches are further apart than they are wide, the sky between them was not tried: 0
    return on_sky.T @ loss @ on_sky / np.maximum(weight[:, None] * weight[None, :], 1e-6)
