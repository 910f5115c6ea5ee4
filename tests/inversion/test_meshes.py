"""Source-plane meshes: what their basis functions must reproduce."""

import numpy as np
import pytest

from lensfinder.inversion import DelaunayMesh, RectangularMesh


@pytest.fixture
def rectangle():
    return RectangularMesh((5, 7), (-1.0, 1.3, 0.2, 1.1))


@pytest.fixture
def triangles(rng):
    return DelaunayMesh(rng.uniform(-1, 1, (120, 2)))


@pytest.fixture(params=["rectangle", "triangles"])
def mesh(request):
    return request.getfixturevalue(request.param)


def inner_points(mesh, rng, count=500):
    """Positions well inside the mesh."""
    middle, spread = mesh.nodes.mean(axis=0), np.ptp(mesh.nodes, axis=0)
    return (middle[:, None] + spread[:, None] * rng.uniform(-0.35, 0.35, (2, count))).copy()


def test_a_linear_source_is_reproduced_exactly(mesh, rng):
    def plane(x, y):
        return 1.0 + 2.0 * x - 3.0 * y

    x, y = inner_points(mesh, rng)
    numbers, weights = mesh.mapping(x, y)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-12, atol=0)
    found = (plane(*mesh.nodes.T)[numbers] * weights).sum(axis=1)
    np.testing.assert_allclose(found, plane(x, y), rtol=0, atol=1e-12)  # values of order one
    curved = ((mesh.nodes[:, 0] ** 2)[numbers] * weights).sum(axis=1)
    assert np.abs(curved - x**2).max() > 1e-3


def test_at_a_node_only_that_node_counts(mesh):
    numbers, weights = mesh.mapping(*mesh.nodes.T)
    share = np.zeros(len(mesh))
    np.add.at(share, numbers, weights)
    own = (weights * (numbers == np.arange(len(mesh))[:, None])).sum(axis=1)
    np.testing.assert_allclose(own, 1.0, rtol=0, atol=1e-9)


def test_areas_are_the_integrals_of_the_basis_functions(rectangle):
    x0, x1, y0, y1 = rectangle.extent
    assert rectangle.areas.sum() == pytest.approx((x1 - x0) * (y1 - y0), rel=1e-12)
    # Linear in each variable between half pixels, so two Gauss nodes per half pixel are exact.
    nodes = np.polynomial.legendre.leggauss(2)[0]
    (ny, nx), (dx, dy) = rectangle.shape, rectangle.steps
    x = x0 + dx * (np.arange(2 * nx)[:, None] / 2 + 0.25 + nodes / 4).ravel()
    y = y0 + dy * (np.arange(2 * ny)[:, None] / 2 + 0.25 + nodes / 4).ravel()
    numbers, weights = rectangle.mapping(*map(np.ravel, np.meshgrid(x, y)))
    integral = np.bincount(numbers.ravel(), weights.ravel()) * dx * dy / 16
    np.testing.assert_allclose(rectangle.areas, integral, rtol=1e-12, atol=0)
    assert not np.allclose(integral, dx * dy, rtol=0.01), "pixels at the edge are not like the rest"


def test_areas_of_triangles_add_up_to_their_hull(triangles):
    from scipy.spatial import ConvexHull

    assert triangles.areas.sum() == pytest.approx(ConvexHull(triangles.nodes).volume, rel=1e-12)
    assert (triangles.areas > 0).all()


def test_outside(rectangle, triangles):
    far = np.array([9.0, -9.0]), np.array([9.0, 0.5])
    assert not rectangle.inside(*far).any()
    assert (rectangle.mapping(*far)[1] == 0).all()
    numbers, weights = triangles.mapping(*far)
    nearest = [np.argmin(((triangles.nodes - p) ** 2).sum(axis=1)) for p in np.stack(far, axis=1)]
    assert numbers[:, 0].tolist() == nearest
    assert weights.tolist() == [[1, 0, 0], [1, 0, 0]]


def test_neighbours_are_those_whose_voronoi_cells_touch(rectangle, triangles):
    assert len(rectangle.neighbours) == 5 * 6 + 4 * 7
    from scipy.spatial import Voronoi

    ridges = {tuple(sorted(map(int, pair))) for pair in Voronoi(triangles.nodes).ridge_points}
    assert {tuple(map(int, pair)) for pair in triangles.neighbours} == ridges


def test_nodes_on_top_of_each_other_do_no_harm(rng):
    nodes = rng.uniform(-1, 1, (40, 2))
    nodes[7] = nodes[3]
    mesh = DelaunayMesh(nodes)
    _, weights = mesh.mapping(*inner_points(mesh, rng))
    assert np.isfinite(weights).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-9, atol=0)
    assert np.isfinite(mesh.areas).all()


def test_the_stiffness_is_the_integral_of_the_squared_gradient(mesh):
    slope = np.array([2.0, -3.0])
    plane = mesh.nodes @ slope
    found = plane @ (mesh.stiffness() @ plane)
    if isinstance(mesh, DelaunayMesh):
        # Triangles on the hull that are too flat to count are a small part of the area.
        assert found == pytest.approx(slope @ slope * mesh.areas.sum(), rel=0.02)
        return
    (ny, nx), (dx, dy) = mesh.shape, mesh.steps
    # First differences between centres: one column, or one row, fewer than pixels.
    expected = slope[0] ** 2 * dx * dy * ny * (nx - 1) + slope[1] ** 2 * dx * dy * (ny - 1) * nx
    assert found == pytest.approx(expected, rel=1e-12)
