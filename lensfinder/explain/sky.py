"""One sky for all groups: a grid in arcsec, and how much of it every pixel of a group covers.

A region of the sky has to mean the same in a stamp of 200 pixels of 0.1 arcsec and in one of 66 of
0.3. So regions are drawn on one grid, as fine as the finest group and as wide as the widest, and
go to each group by the area that its pixels share with the grid's: no pixel is all or nothing at
the edge of a region, and no sky is lost or counted twice.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lensfinder.specs import InputContract


def overlap(source: tuple[int, float], target: tuple[int, float]) -> np.ndarray:
    """Length that pixels of one row share with those of another, both about the same centre.

    Parameters
    ----------
    source, target : tuple of int and float
        Number of pixels and pixel scale (arcsec) of the two rows.

    Returns
    -------
    array (pixels of the target, pixels of the source) of float64
        Shared length, arcsec.
    """
    here, there = ((np.arange(n + 1) - n / 2) * scale for n, scale in (source, target))
    low = np.maximum(here[None, :-1], there[:-1, None])
    high = np.minimum(here[None, 1:], there[1:, None])
    return np.clip(high - low, 0.0, None)


@dataclass(frozen=True)
class Sky:
    """The grid on which regions are drawn.

    Attributes
    ----------
    contract : InputContract
        Groups of the network.
    side : int
        Pixels along one side.
    scale : float
        Arcsec per pixel, that of the finest group.
    """

    contract: InputContract
    side: int
    scale: float

    @classmethod
    def of(cls, contract: InputContract) -> "Sky":
        """The grid for a contract.

        Parameters
        ----------
        contract : InputContract
            Groups of the network.

        Returns
        -------
        Sky
            As fine as the finest group, on whose pixels it lies, and as wide as the widest.
        """
        finest = min(contract.groups, key=lambda group: group.pixel_scale)
        widest = max(group.width for group in contract.groups)
        # whole pixels on both sides, so that the grid keeps the phase of the finest group
        beyond = np.ceil((widest - finest.width) / 2 / finest.pixel_scale - 1e-6)
        return cls(contract, finest.stamp + 2 * int(max(beyond, 0)), finest.pixel_scale)

    @property
    def pixel_area(self) -> float:
        """Area of a pixel of the grid, arcsec^2."""
        return self.scale**2

    @property
    def width(self) -> float:
        """Side of the grid, arcsec."""
        return self.side * self.scale

    @cached_property
    def coordinates(self) -> tuple[np.ndarray, np.ndarray]:
        """x (1, side) and y (side, 1) of the pixel centres, arcsec from the centre."""
        axis = (np.arange(self.side) - (self.side - 1) / 2) * self.scale
        return axis[None, :], axis[:, None]

    @cached_property
    def _shared(self) -> dict[str, np.ndarray]:
        return {
            group.name: overlap((self.side, self.scale), (group.stamp, group.pixel_scale))
            for group in self.contract.groups
        }

    def to_group(self, values, name: str) -> np.ndarray:
        """Mean of a quantity of the sky over each pixel of a group.

        Parameters
        ----------
        values : array (side, side, ...)
            On the grid, as a surface density: a mask, a brightness per arcsec^2.
        name : str
            The group.

        Returns
        -------
        array (stamp, stamp, ...)
            Area-weighted means.
        """
        shared = self._shared[name]
        weights = shared / shared.sum(axis=1, keepdims=True)
        return np.einsum("ij,jk...,lk->il...", weights, values, weights, optimize=True)

    def from_group(self, values, name: str) -> np.ndarray:
        """Spread what the pixels of a group hold evenly over the sky they cover.

        Parameters
        ----------
        values : array (stamp, stamp, ...)
            Amounts per pixel: a flux, an attribution. Their sum is kept.
        name : str
            The group.

        Returns
        -------
        array (side, side, ...)
            Amounts per pixel of the grid; 0 beyond the group's stamp.
        """
        weights = self._shared[name] / self.contract.group(name).pixel_scale
        return np.einsum("ij,ik...,kl->jl...", weights, values, weights, optimize=True)
