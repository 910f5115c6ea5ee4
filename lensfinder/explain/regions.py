"""Superpixels on the sky: 30 to 80 compact regions that follow arcs, the same for every group."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.segmentation import slic

from lensfinder.data.scatter import border_scatter
from lensfinder.errors import ArgumentError
from lensfinder.explain.background import central_shape, smooth_galaxy
from lensfinder.explain.sky import Sky

REGIONS = 60
FEWEST, MOST = 4, 400
# Of slic, felzenszwalb and quickshift at 50 regions, slic's single regions cover the arcs of mocks
# best (mean overlap with the arc 0.4, 0.3 and 0.2) and its regions are nearest to one size.
COMPACTNESS = 0.2  # of slic, in units of the features, whose noise is 0.3 in empty sky
SMOOTHING = 1.0  # pixels of the sky grid: half a typical PSF, so that outlines follow no noise
# A galaxy-scale lens has its arcs within 3 arcsec. In wider stamps most regions go there, or each
# would be larger than a lens.
CORE, CORE_SHARE = 6.0, 0.7  # arcsec, share of the regions


@dataclass(frozen=True)
class Regions:
    """A division of the sky.

    Attributes
    ----------
    sky : Sky
        The grid.
    labels : array (side, side) of int
        Number of the region of every pixel, from 1.
    """

    sky: Sky
    labels: np.ndarray

    @property
    def count(self) -> int:
        """Number of regions."""
        return int(self.labels.max())

    @cached_property
    def areas(self) -> np.ndarray:
        """Areas (count,) on the sky, arcsec^2."""
        pixels = np.bincount(self.labels.ravel(), minlength=self.count + 1)[1:]
        return pixels * self.sky.pixel_area

    @cached_property
    def centres(self) -> np.ndarray:
        """Centres of gravity (count, 2): x, y in arcsec from the centre of the stamp."""
        x, y = (np.broadcast_to(axis, self.labels.shape) for axis in self.sky.coordinates)
        return np.stack([self.sums(x), self.sums(y)], axis=1) / self.sums(np.ones_like(x))[:, None]

    @cached_property
    def coverage(self) -> dict[str, np.ndarray]:
        """Per group (stamp * stamp, count) float32: which part of a pixel belongs to a region."""
        whole = (self.labels[..., None] == np.arange(1, self.count + 1)).astype(np.float32)
        return {
            group.name: self.sky.to_group(whole, group.name)
            .reshape(-1, self.count)
            .astype(np.float32)
            for group in self.sky.contract.groups
        }

    def sums(self, values) -> np.ndarray:
        """Sums over every region.

        Parameters
        ----------
        values : array (side, side)
            Amounts per pixel of the grid.

        Returns
        -------
        array (count,)
            One sum per region.
        """
        found = np.bincount(self.labels.ravel(), np.ravel(values), minlength=self.count + 1)
        return found[1:]

    def paint(self, values) -> np.ndarray:
        """A value per region, as an image.

        Parameters
        ----------
        values : array (count,)
            One per region.

        Returns
        -------
        array (side, side)
            On the grid.
        """
        return np.asarray(values)[self.labels - 1]


def check_count(regions: int) -> None:
    """Raise an error if the sky cannot be divided like this.

    Parameters
    ----------
    regions : int
        How many regions.

    Raises
    ------
    ArgumentError
        If the number is not one of 4 to 400.
    """
    if not FEWEST <= regions <= MOST:
        raise ArgumentError(f"Ask for {FEWEST} to {MOST} regions. Received: {regions}.")


def segment(images, sky: Sky, *, regions: int = REGIONS) -> Regions:
    """Divide the sky of one object into compact regions.

    SLIC (Achanta et al. 2012) on two features of all bands together: signal to noise, and what of
    it is left when a smooth galaxy is taken off, both under an arcsinh. It draws no random numbers.

    Parameters
    ----------
    images : dict of str to array (H, W, bands)
        One object, e-/s.
    sky : Sky
        The grid.
    regions : int
        How many to aim at; a few more or less come out.

    Returns
    -------
    Regions
        Every pixel of the grid belongs to one.

    Raises
    ------
    ArgumentError
        If the number is not one of 4 to 400.
    """
    check_count(regions)
    seen = features(images, sky)
    core = round(CORE / sky.scale)
    if sky.width < 1.5 * CORE:
        return Regions(sky, _compact(seen, regions))
    labels = _compact(seen, max(round(regions * (1 - CORE_SHARE)), 2))
    middle = slice((sky.side - core) // 2, (sky.side - core) // 2 + core)
    inner = _compact(seen[middle, middle], max(round(regions * CORE_SHARE), 2))
    labels[middle, middle] = inner + labels.max()
    return Regions(sky, np.unique(labels, return_inverse=True)[1].reshape(labels.shape) + 1)


def features(images, sky: Sky) -> np.ndarray:
    """What the segmentation looks at.

    Parameters
    ----------
    images : dict of str to array (H, W, bands)
        One object, e-/s.
    sky : Sky
        The grid.

    Returns
    -------
    array (side, side, 2)
        Stretched signal to noise, with and without the smooth galaxy; the mean of all bands.
    """
    finest = min(sky.contract.groups, key=lambda group: group.pixel_scale)
    shape = central_shape(np.asarray(images[finest.name]).mean(axis=-1), finest.pixel_scale)
    total = np.zeros((sky.side, sky.side, 2))
    covered = np.zeros((sky.side, sky.side, 1))
    for group in sky.contract.groups:
        image = np.asarray(images[group.name], np.float64)
        level, sigma = border_scatter(image)
        sigma = np.where(sigma > 0, sigma, image.std(axis=(0, 1)) + 1e-30)  # a sky without noise
        smooth = smooth_galaxy(image, group.pixel_scale, shape=shape)
        both = np.stack([(image - level) / sigma, (image - smooth) / sigma], axis=-1)
        both = gaussian_filter(both, SMOOTHING * sky.scale / group.pixel_scale, axes=(0, 1))
        total += sky.from_group(np.arcsinh(both).sum(axis=2), group.name)
        covered += sky.from_group(np.full((*image.shape[:2], 1), image.shape[2]), group.name)
    return total / np.maximum(covered, 1e-12)


def _compact(seen, count) -> np.ndarray:
    return slic(
        seen,
        n_segments=count,
        compactness=COMPACTNESS,
        convert2lab=False,
        channel_axis=-1,
        start_label=1,
    )
