"""Cut one source out of its stamp: sky off, other galaxies off, brightest pixel in the middle.

Whatever shares the stamp would be lensed as if it stood at the source's redshift (Schuldt et al.
2021, section 2.2, who cut out theirs with Source Extractor).
"""

import numpy as np
from scipy import ndimage

from lensfinder.data.scatter import scatter_of
from lensfinder.errors import SimulationError

MASKED_SHARE = 0.3  # with so many pixels that are exactly zero a stamp has been cut out before
SMOOTHING = 1.5  # sigma of the detection filter, pixels
THRESHOLD = 2.0  # of the smoothed stamp, in units of its own scatter
LARGEST_SIDE = 401


def extract_source(cube, reference: int) -> np.ndarray:
    """The galaxy in the middle of a stamp, alone.

    The connected region above the threshold in the reference band that is nearest to the middle,
    with its edge softened within about two pixels. Stamps that were cut out before are kept as
    they are.

    Parameters
    ----------
    cube : array (H, W, channels)
        The stamp, any linear unit.
    reference : int
        Channel of the reference band.

    Returns
    -------
    array (S, S, channels)
        S odd; the brightest pixel of the reference band is the middle one. Not normalised.

    Raises
    ------
    SimulationError
        If there is no source.
    """
    cube = np.array(cube, np.float64)
    if not np.isfinite(cube).all():
        raise SimulationError("A source stamp has pixels that are not finite. Mend them.")
    if np.mean(cube[..., reference] == 0) < MASKED_SHARE:
        cube = _alone(cube, reference)
    light = cube[..., reference]
    if not light.sum() > 0:
        raise SimulationError("There is no source in the stamp. Leave it out.")
    row, column = np.unravel_index(np.argmax(light), light.shape)
    seen = np.argwhere((cube != 0).any(axis=-1))
    reach = int(np.abs(seen - [row, column]).max()) + 1  # and a dark pixel around it
    reach = min(reach, LARGEST_SIDE // 2)
    padded = np.pad(cube, ((reach, reach), (reach, reach), (0, 0)))
    return padded[row : row + 2 * reach + 1, column : column + 2 * reach + 1]


def _alone(cube, reference):
    height, width, _ = cube.shape
    edge = max(2, min(height, width) // 12)
    frame = np.ones((height, width), bool)
    frame[edge:-edge, edge:-edge] = False
    cube = cube - np.median(cube[frame], axis=0)
    smooth = ndimage.gaussian_filter(cube[..., reference], SMOOTHING)
    level, scatter = scatter_of(smooth[frame])
    islands, count = ndimage.label(smooth > level + THRESHOLD * max(scatter, 1e-30))
    if not count:
        raise SimulationError("No source stands out in the stamp. Leave it out.")
    y, x = np.indices(islands.shape)
    distance = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)
    nearest = ndimage.minimum(distance, islands, np.arange(1, count + 1))
    own = islands == 1 + int(np.argmin(nearest))
    if nearest.min() > min(height, width) / 4:
        raise SimulationError("There is no source in the middle of the stamp. Centre it.")
    soft = np.minimum(1.0, 2.0 * ndimage.gaussian_filter(own.astype(float), 1.0))
    soft[soft < 0.02] = 0.0
    soft[(islands > 0) & ~own] = 0.0
    return cube * soft[..., None]


def padded_to(stamp, side: int) -> np.ndarray:
    """A stamp of odd side in the middle of a larger dark one.

    Parameters
    ----------
    stamp : array (S, S, channels)
        The stamp.
    side : int
        Odd, S or more.

    Returns
    -------
    array (side, side, channels)
        The larger stamp.
    """
    extra = (side - stamp.shape[0]) // 2
    return np.pad(stamp, ((extra, extra), (extra, extra), (0, 0)))
