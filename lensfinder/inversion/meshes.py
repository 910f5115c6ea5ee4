"""Source-plane meshes: the pixels a source is made of, once a mass model has said where they lie.

A mesh is a set of nodes with a basis function each; the source is ``sum_j s_j basis_j(position)``,
s_j in the unit of the image (surface brightness is what lensing conserves). Both kinds offer the
same four things: `nodes`, `mapping`, `areas` and the two operators a regularisation is made of.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.spatial import Delaunay, cKDTree

# Triangles flatter than this (1 equilateral, 0 a line) add nothing to the gradient: on the hull of
# a mesh they are artefacts, and their weights go to infinity.
_FLAT = 0.02


@dataclass(frozen=True, eq=False)
class RectangularMesh:
    """Equal pixels in rows and columns, bilinear between their centres.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns of source pixels; pixel (i, j) is number i * columns + j.
    extent : (float, float, float, float)
        Outer edges x_min, x_max, y_min, y_max, arcsec. Between an outermost centre and the edge
        the bilinear function of the last four centres goes on.
    """

    shape: tuple[int, int]
    extent: tuple[float, float, float, float]

    def __len__(self):
        return self.shape[0] * self.shape[1]

    @property
    def steps(self):
        """Width and height of a source pixel, arcsec."""
        x0, x1, y0, y1 = self.extent
        return (x1 - x0) / self.shape[1], (y1 - y0) / self.shape[0]

    @cached_property
    def nodes(self):
        """Pixel centres (S, 2), x and y in arcsec."""
        (ny, nx), (dx, dy) = self.shape, self.steps
        x = self.extent[0] + (np.arange(nx) + 0.5) * dx
        y = self.extent[2] + (np.arange(ny) + 0.5) * dy
        return np.stack([*map(np.ravel, np.meshgrid(x, y))], axis=1)

    def mapping(self, x, y):
        """Source pixels that make up the brightness at source-plane positions.

        Parameters
        ----------
        x, y : array (M,)
            Source-plane positions, arcsec.

        Returns
        -------
        numbers : int array (M, 4)
            Source pixels.
        weights : array (M, 4)
            Their shares, summing to 1; all zero outside the mesh.
        """
        (ny, nx), (dx, dy) = self.shape, self.steps
        fx = (x - (self.extent[0] + 0.5 * dx)) * (1.0 / dx)
        fy = (y - (self.extent[2] + 0.5 * dy)) * (1.0 / dy)
        ix = np.clip(np.floor(fx), 0, nx - 2)
        iy = np.clip(np.floor(fy), 0, ny - 2)
        tx, ty = fx - ix, fy - iy
        numbers = np.empty((x.size, 4), dtype=np.int32)
        numbers[:, 0] = iy * nx + ix
        numbers[:, 1:] = numbers[:, :1] + np.array([1, nx, nx + 1], dtype=np.int32)
        weights = np.empty((x.size, 4))
        weights[:, 3] = tx * ty
        weights[:, 1] = tx - weights[:, 3]
        weights[:, 2] = ty - weights[:, 3]
        weights[:, 0] = 1.0 - tx - weights[:, 2]
        outside = (fx < -0.5) | (fx > nx - 0.5) | (fy < -0.5) | (fy > ny - 0.5)
        if outside.any():
            weights[outside] = 0.0
        return numbers, weights

    def inside(self, x, y):
        """Whether positions lie on the mesh, edges included (bool, the shape of `x`)."""
        x0, x1, y0, y1 = self.extent
        return (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)

    @cached_property
    def areas(self):
        """Integral of each basis function (S,), arcsec^2."""
        (ny, nx), (dx, dy) = self.shape, self.steps
        return np.outer(_bilinear_lengths(ny) * dy, _bilinear_lengths(nx) * dx).ravel()

    @cached_property
    def neighbours(self):
        """Pairs of source pixels that share a side, int array (E, 2)."""
        number = np.arange(len(self)).reshape(self.shape)
        along = np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], axis=1)
        across = np.stack([number[:-1].ravel(), number[1:].ravel()], axis=1)
        return np.concatenate([along, across])

    def stiffness(self):
        """Quadratic form of the integral of |grad s|^2 by first differences (S, S)."""
        (ny, nx), (dx, dy) = self.shape, self.steps
        weights = np.concatenate([np.full(ny * (nx - 1), dy / dx), np.full((ny - 1) * nx, dx / dy)])
        return laplacian(self.neighbours, weights, len(self))


def _bilinear_lengths(count):
    """Integrals of the linear basis functions of a row of pixels, in pixels.

    Going on beyond the outermost centres for half a pixel adds 5/8 to the last function instead of
    1/2 and takes 1/8 from the last but one.
    """
    lengths = np.ones(count)
    lengths[[0, -1]] += 0.125
    lengths[1] -= 0.125
    lengths[-2] -= 0.125
    return lengths


@dataclass(frozen=True, eq=False)
class DelaunayMesh:
    """Nodes anywhere, linear on the triangles between them.

    Neighbours are those whose Voronoi cells touch: the edges of the triangles.

    Attributes
    ----------
    nodes : array (S, 2)
        x and y, arcsec.
    weights : array (S,) or None
        How strongly the gradient near each node is kept small; all alike when None.
    """

    nodes: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self):
        return len(self.nodes)

    @cached_property
    def triangulation(self):
        """The Delaunay triangles of the nodes (`scipy.spatial.Delaunay`)."""
        return Delaunay(self.nodes)

    def mapping(self, x, y):
        """Source pixels that make up the brightness at source-plane positions.

        Parameters
        ----------
        x, y : array (M,)
            Source-plane positions, arcsec.

        Returns
        -------
        numbers : int array (M, 3)
            Nodes of the triangle; outside of all triangles the nearest node, three times.
        weights : array (M, 3)
            Their shares, summing to 1.
        """
        tri, points = self.triangulation, np.stack([x, y], axis=1)
        triangle = tri.find_simplex(points)
        # Barycentric coordinates: an affine function per triangle, in columns for fast look-up.
        a, b, c, d, x0, y0 = np.ascontiguousarray(tri.transform.reshape(-1, 6).T)
        dx, dy = x - x0[triangle], y - y0[triangle]
        weights = np.empty((len(points), 3))
        weights[:, 0] = a[triangle] * dx + b[triangle] * dy
        weights[:, 1] = c[triangle] * dx + d[triangle] * dy
        weights[:, 2] = 1.0 - weights[:, 0] - weights[:, 1]
        numbers = tri.simplices[triangle]
        # A degenerate triangle has a transform of NaN; a point beside all triangles has number -1.
        lost = np.flatnonzero((triangle < 0) | ~np.isfinite(weights[:, 2]))
        if lost.size:
            nearest = cKDTree(self.nodes).query(points[lost])[1]
            numbers[lost] = nearest[:, None]
            weights[lost] = (1.0, 0.0, 0.0)
        return numbers, weights

    def inside(self, x, y):
        """True for every position: outside the triangles the nearest node stands in."""
        return np.ones(np.shape(x), dtype=bool)

    @cached_property
    def triangle_areas(self):
        """Areas (T,), arcsec^2."""
        a, b, c = (self.nodes[self.triangulation.simplices[:, k]] for k in range(3))
        u, v = b - a, c - a
        return 0.5 * np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])

    @cached_property
    def areas(self):
        """Integral of each basis function (S,), arcsec^2: a third of the triangles around it."""
        shares = np.repeat(self.triangle_areas / 3.0, 3)
        corners = self.triangulation.simplices.ravel()
        return np.bincount(corners, weights=shares, minlength=len(self))

    @cached_property
    def neighbours(self):
        """Pairs of nodes whose Voronoi cells touch, int array (E, 2)."""
        simplices = self.triangulation.simplices
        edges = np.concatenate([simplices[:, [0, 1]], simplices[:, [1, 2]], simplices[:, [2, 0]]])
        edges.sort(axis=1)
        code = np.unique(edges[:, 0].astype(np.int64) * len(self) + edges[:, 1])
        return np.stack([code // len(self), code % len(self)], axis=1)

    def stiffness(self):
        """Quadratic form of the integral of |grad s|^2 over the triangles (S, S).

        Linear finite elements: triangle T adds ``e_i . e_j / (4 area)``, e_i the side opposite to
        corner i, times the mean weight of its corners.
        """
        simplices = self.triangulation.simplices
        corners = self.nodes[simplices]
        sides = np.stack([corners[:, (k + 2) % 3] - corners[:, (k + 1) % 3] for k in range(3)], 1)
        area, squares = self.triangle_areas, (sides**2).sum(axis=(1, 2))
        plump = 4.0 * np.sqrt(3.0) * area > _FLAT * squares
        sides, area, simplices = sides[plump], area[plump], simplices[plump]
        if self.weights is not None:
            area = area / self.weights[simplices].mean(axis=1)
        local = np.einsum("tik,tjk->tij", sides, sides) / (4.0 * area)[:, None, None]
        rows = np.repeat(simplices, 3, axis=1).ravel()
        columns = np.tile(simplices, (1, 3)).ravel()
        return sparse.csr_array((local.ravel(), (rows, columns)), shape=(len(self), len(self)))


def laplacian(pairs, weights, count):
    """Quadratic form ``sum over pairs of weight (s_i - s_j)^2``.

    Parameters
    ----------
    pairs : int array (E, 2)
        Neighbours, each pair once.
    weights : array (E,)
        Their weights.
    count : int
        Number of source pixels S.

    Returns
    -------
    sparse array (S, S)
        Symmetric, positive semi-definite; gives zero for a constant source.
    """
    i, j = pairs.T
    diagonal = np.bincount(i, weights, count) + np.bincount(j, weights, count)
    rows = np.concatenate([i, j, np.arange(count)])
    columns = np.concatenate([j, i, np.arange(count)])
    values = np.concatenate([-weights, -weights, diagonal])
    return sparse.csr_array((values, (rows, columns)), shape=(count, count))
