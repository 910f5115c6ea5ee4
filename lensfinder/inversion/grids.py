"""How a source is to be divided into pixels: rectangular, or adapted to the magnification.

A grid is what a user chooses. `seeds` does what depends on the mask alone, once; `mesh` lays the
pixels for one mass model.
"""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy import ndimage
from scipy.spatial import cKDTree

from lensfinder.errors import SourceGridError
from lensfinder.inversion.meshes import DelaunayMesh, RectangularMesh

_MARGIN = 1e-8  # arcsec, so that rounding leaves no ray beside the mesh
_ROUNDS = 12  # of Lloyd's algorithm; the centres move by less than 0.1 pixel after that
_SIGNIFICANT, _MAY_BE_LOST = 3.0, 0.05
_SMOOTHED, _FAINTEST = 1.0, 0.1  # pixels, and signal to noise below which pixels are alike


class RectangularGrid(BaseModel):
    """Equal source pixels in rows and columns.

    Attributes
    ----------
    kind : str
        Name of the grid.
    shape : (int, int)
        Rows and columns, at least 3 each.
    extent : (float, float, float, float), optional
        Outer edges x_min, x_max, y_min, y_max, arcsec. When absent, the mesh just holds every ray.
    sub : int
        Rays along each side of an image pixel.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["rectangular"] = "rectangular"
    shape: tuple[int, int] = (28, 28)
    extent: tuple[float, float, float, float] | None = None
    sub: int = Field(default=4, ge=1, le=16)

    @model_validator(mode="after")
    def _is_a_rectangle(self):
        if min(self.shape) < 3:
            raise ValueError("A rectangular grid needs at least 3 rows and 3 columns.")
        if self.extent is not None:
            x0, x1, y0, y1 = self.extent
            if not (x0 < x1 and y0 < y1):
                raise ValueError("`extent` must be x_min < x_max, y_min < y_max.")
        return self

    def seeds(self, observation, arcs=None):
        """Nothing: this grid depends on the rays alone."""
        return None

    def mesh(self, mass, seeds, rays):
        """Lay the source pixels.

        Parameters
        ----------
        mass : Mass
            Not used.
        seeds : None
            From `seeds`.
        rays : (array (M,), array (M,))
            Source-plane positions of all rays, arcsec.

        Returns
        -------
        RectangularMesh
            Over `extent`, or just over the rays.
        """
        extent = self.extent
        if extent is None:
            edges = [f(v) for v in rays for f in (np.min, np.max)]
            extent = tuple(float(e) + s * _MARGIN for e, s in zip(edges, (-1, 1, -1, 1)))
        return RectangularMesh(self.shape, extent)


class AdaptiveGrid(BaseModel):
    """Source pixels that are small where the magnification is large.

    The mask is divided into clusters of pixels of about equal size, and the centre of each cluster
    is traced to the source plane (Nightingale & Dye 2015; Maresca et al. 2021).

    Attributes
    ----------
    kind : str
        Name of the grid.
    pixels : int
        Number of source pixels.
    sub : int
        Rays along each side of an image pixel.
    bright : float
        How much finer where the arcs are bright: clusters hold equal sums of their signal to noise
        to this power, but one pixel at least. 0 for clusters of equal size.
    relief : float
        How much less smooth `gradient` regularisation keeps the source there: its weight falls as
        the signal to noise of the arcs to this power. 0 for the same weight everywhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["adaptive"] = "adaptive"
    pixels: int = Field(default=800, ge=4)
    sub: int = Field(default=4, ge=1, le=16)
    bright: float = Field(default=0.0, ge=0, le=2)
    relief: float = Field(default=0.0, ge=0, le=4)

    def seeds(self, observation, arcs=None):
        """Cluster centres of the fitted pixels.

        Parameters
        ----------
        observation : Observation
            What is fitted.
        arcs : array (N,), optional
            Brightness without the light of the lens; the data of the observation when absent.

        Returns
        -------
        x, y : array (S,)
            Image-plane positions, arcsec.
        weights : array (S,)
            Of the regularisation, 1 for the brightest; only where there is `relief`.

        Raises
        ------
        SourceGridError
            If there are more source pixels than pixels to fit.
        """
        if self.pixels > len(observation):
            raise SourceGridError(
                f"{self.pixels} source pixels need as many pixels to fit. "
                f"Received: {len(observation)}. Ask for fewer with AdaptiveGrid(pixels=...)."
            )
        x, y = observation.x, observation.y
        if not (self.bright or self.relief):
            return cluster_centres(x, y, self.pixels)
        signal = _signal(observation, arcs)
        weights = signal**self.bright if self.bright else None
        centres = cluster_centres(x, y, self.pixels, weights=weights)
        if not self.relief:
            return centres
        nearest = cKDTree(np.stack([x, y], axis=1)).query(np.stack(centres, axis=1))[1]
        return *centres, (signal[nearest] / signal.max()) ** -self.relief

    def mesh(self, mass, seeds, rays):
        """Lay the source pixels.

        Parameters
        ----------
        mass : Mass
            Traces the cluster centres.
        seeds : tuple of array (S,)
            From `seeds`.
        rays : (array (M,), array (M,))
            Not used.

        Returns
        -------
        DelaunayMesh
            Its nodes are the traced centres.
        """
        return DelaunayMesh(np.stack(mass.trace(*seeds[:2]), axis=1), *seeds[2:])


def _signal(observation, arcs):
    """Smoothed signal to noise of the fitted pixels, and a floor where there is none."""
    arcs = observation.data if arcs is None else arcs
    image = ndimage.gaussian_filter(observation.image(arcs / observation.noise), _SMOOTHED)
    return np.maximum(image[observation.rows, observation.columns], _FAINTEST)


def cluster_centres(x, y, count, *, weights=None):
    """Divide points into clusters of about equal extent (Lloyd's algorithm, nothing random).

    Parameters
    ----------
    x, y : array (N,)
        Positions, arcsec, neighbours near each other in the order given.
    count : int
        Number of clusters, at most N.
    weights : array (N,), optional
        Positive: clusters of equal sums of them instead, none of less than a point.

    Returns
    -------
    x, y : array (count,)
        Mean position of each cluster.
    """
    points = np.stack([x, y], axis=1)
    first = np.linspace(0, len(points) - 1, count).round().astype(int)
    weights = np.ones(len(points)) if weights is None else _capped(weights, count)
    if np.ptp(weights):
        passed = np.cumsum(weights)
        share = (np.arange(count) + 0.5) / count * passed[-1]
        place = np.arange(count)  # no two at one point, and none behind the last
        first = np.maximum.accumulate(np.searchsorted(passed, share) - place) + place
        first = np.minimum(first, len(points) - count + place)
    centres = points[first]
    for _ in range(_ROUNDS):
        nearest = cKDTree(centres).query(points)[1]
        size = np.bincount(nearest, weights, count)
        sums = np.stack([np.bincount(nearest, weights * p, count) for p in points.T], axis=1)
        # A cluster that lost all its points stays where it is.
        some = size > 0
        centres = np.where(some[:, None], sums / np.where(some, size, 1.0)[:, None], centres)
    return centres[:, 0], centres[:, 1]


def _capped(weights, count):
    """Weights of which none is more than a share: a point is the centre of one cluster at most."""
    weights = np.array(weights, dtype=np.float64)
    for _ in range(_ROUNDS):
        weights = np.minimum(weights, weights.sum() / count)
    return weights


def check_coverage(mesh, observation, rays, sub):
    """Refuse a mesh that misses the source.

    Parameters
    ----------
    mesh : RectangularMesh or DelaunayMesh
        The source pixels.
    observation : Observation
        What is fitted.
    rays : (array (M,), array (M,))
        Source-plane positions, arcsec.
    sub : int
        Rays along each side of a pixel.

    Raises
    ------
    SourceGridError
        If more than 5 % of the light of the pixels above three times the noise is traced to
        positions outside.
    """
    inside = mesh.inside(*rays)
    if inside.all():
        return
    share = inside.reshape(len(observation), sub * sub).mean(axis=1)
    bright = observation.data > _SIGNIFICANT * observation.noise
    light = observation.data[bright]
    lost = float(light @ (1.0 - share[bright])) / float(light.sum()) if light.size else 0.0
    if lost > _MAY_BE_LOST:
        raise SourceGridError(
            f"{100 * lost:.0f} % of the light is traced to places outside the source grid. "
            "Enlarge or move its `extent`, or leave it out.",
            lost=lost,
        )
