"""Image counts and positions: the lens equation itself, two counts of one thing, lenstronomy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lensfinder.lensing.multiplicity import image_count, image_positions, winding_number
from lensfinder.lensing.shear import shear_deflection
from lensfinder.lensing.sie import sie_deflection, sie_magnification

SIE = ("theta_E", "q", "phi", "x0", "y0")
SHEAR = ("gamma1", "gamma2")


def sources_near(lens, rng, reach=1.0):
    """Sources within `reach` theta_E of where the lens centre maps to."""
    count = lens["theta_E"].size
    r, t = reach * lens["theta_E"] * rng.uniform(0, 1, count), rng.uniform(0, 2 * np.pi, count)
    ax, ay = shear_deflection(lens["x0"], lens["y0"], gamma1=lens["gamma1"], gamma2=lens["gamma2"])
    return lens["x0"] - ax + r * np.cos(t), lens["y0"] - ay + r * np.sin(t)


def to_source(x, y, lens):
    sie = sie_deflection(x, y, **{k: lens[k][:, None] for k in SIE})
    shear = shear_deflection(x, y, **{k: lens[k][:, None] for k in SHEAR})
    return x - sie[0] - shear[0], y - sie[1] - shear[1]


@pytest.mark.parametrize(("q_min", "shear"), [(0.2, 0.1), (0.05, 0.4)])
def test_every_image_solves_the_lens_equation(lenses, rng, q_min, shear):
    lens = lenses(2000, q_min=q_min, shear=shear)
    x_src, y_src = sources_near(lens, rng)
    found = image_positions(x_src, y_src, **lens)
    there = np.arange(found.x.shape[1]) < found.count[:, None]
    for values in found[:4]:
        assert np.array_equal(np.isfinite(values), there)
    beta_x, beta_y = to_source(found.x, found.y, lens)
    error = np.hypot(beta_x - x_src[:, None], beta_y - y_src[:, None])[there]
    assert error.max() < 1e-9  # arcsec; measured 1e-13
    mu = sie_magnification(found.x, found.y, **{k: lens[k][:, None] for k in SIE + SHEAR})
    assert_allclose(found.magnification[there], mu[there], rtol=1e-9)
    # The first to arrive is the minimum: positive parity, and brighter than the source.
    assert np.all(found.magnification[:, 0] > 0)
    assert np.all(np.diff(found.fermat, axis=1)[there[:, 1:]] >= 0)
    assert set(np.unique(found.count)) <= {1, 2, 3, 4}
    assert np.all(np.bincount(found.count, minlength=5)[[2, 4]] > 100)


def test_images_on_the_wrong_side_would_be_seen(lenses, rng):
    lens = lenses(50)
    x_src, y_src = sources_near(lens, rng)
    found = image_positions(x_src, y_src, **lens | {"gamma2": -lens["gamma2"]})
    beta_x, _ = to_source(found.x, found.y, lens)
    assert np.nanmax(np.abs(beta_x - x_src[:, None])) > 1e-2


def test_count_by_caustics_agrees_with_the_images(lenses, rng):
    lens = lenses(3000, shear=0.3)
    x_src, y_src = sources_near(lens, rng)
    exact = image_positions(x_src, y_src, **lens).count
    # A polygon of 256 points is within 1e-3 theta_E of the curve: that share may differ.
    assert np.mean(image_count(x_src, y_src, **lens) != exact) < 1e-3
    few = {name: values[:500] for name, values in lens.items()}
    fine = image_count(x_src[:500], y_src[:500], **few, n_points=8192)
    assert np.array_equal(fine, exact[:500])
    coarse = image_count(x_src, y_src, **lens | {"q": np.ones(3000)})
    assert np.mean(coarse != exact) > 0.05  # negative control


def test_no_image_is_lost_by_the_scan(lenses, rng):
    lens = lenses(1000, q_min=0.1, shear=0.3)
    # On the caustics, where images merge: move a source a little off a point of the caustic.
    from lensfinder.lensing.critical import caustic

    points = caustic(**lens)[np.arange(1000), rng.integers(0, 256, 1000)]
    points = points + rng.normal(0, 1e-4, (1000, 2))
    counts = [image_positions(*points.T, **lens, n_scan=n_scan).count for n_scan in (4, 128, 2048)]
    assert np.array_equal(counts[1], counts[2])
    assert np.mean(counts[0] != counts[2]) > 1e-3  # negative control: too few angles


def test_singular_isothermal_sphere_in_closed_form():
    beta = np.array([0.1, 0.5, 0.999, 1.5])
    found = image_positions(beta, 0.0, theta_E=1.0, q=1.0, phi=0.3)
    assert_allclose(found.x[:, 0], beta + 1)
    assert_allclose(found.magnification[:, 0], 1 + 1 / beta)
    assert_allclose(found.x[:3, 1], beta[:3] - 1)
    assert_allclose(found.magnification[:3, 1], 1 - 1 / beta[:3])
    assert_allclose(np.diff(found.fermat[:3, :2])[:, 0], 2 * beta[:3])  # 2 theta_E beta
    assert found.count.tolist() == [2, 2, 2, 1]
    assert np.all(np.isnan(found.y[:, 2:]))


def test_central_source_makes_a_cross():
    found = image_positions(0.0, 0.0, theta_E=1.0, q=0.6, phi=0.0)
    assert found.count == 4
    assert found.x.shape == (4,)
    # Two minima on the minor axis, then two saddle points on the major one.
    assert_allclose(np.abs(found.x[:2]), 0.0, atol=1e-12)
    assert_allclose(np.abs(found.y[2:]), 0.0, atol=1e-12)
    assert np.array_equal(np.sign(found.magnification), [1, 1, -1, -1])


def test_shapes_and_tensors(lenses, rng, tensor):
    lens = lenses(6)
    x_src, y_src = sources_near(lens, rng, reach=0.8)
    assert image_positions(np.zeros((2, 3)), 0.1, theta_E=1, q=0.5, phi=0).x.shape == (2, 3, 4)
    empty = image_positions(np.zeros(0), 0.0, theta_E=1, q=0.5, phi=0)
    assert empty.x.shape == (0, 4)
    assert empty.count.shape == (0,)
    expected = image_count(x_src, y_src, **lens)
    tensors = {name: tensor(values) for name, values in lens.items()}
    assert np.array_equal(np.asarray(image_count(tensor(x_src), y_src, **tensors)), expected)
    # Many sources behind one lens.
    grid = image_count(np.linspace(-2, 2, 41), 0.0, theta_E=1.0, q=0.7, phi=0.1)
    assert grid.shape == (41,)
    assert set(grid.tolist()) == {1, 2, 4}


def test_more_systems_than_one_chunk_holds(lenses, rng):
    lens = lenses(16500)
    x_src, y_src = sources_near(lens, rng)
    whole = image_positions(x_src, y_src, **lens)
    tail = image_positions(x_src[-50:], y_src[-50:], **{k: v[-50:] for k, v in lens.items()})
    assert np.array_equal(whole.x[-50:], tail.x, equal_nan=True)
    assert whole.count.min() >= 1


def test_extreme_shear_widens_the_table():
    rng = np.random.default_rng(1)
    count = 20_000
    gamma, angle = rng.uniform(0.8, 0.9, count), rng.uniform(0, 2 * np.pi, count)
    lens = dict(
        theta_E=np.ones(count), q=rng.uniform(0.02, 0.1, count), phi=np.zeros(count),
        x0=np.zeros(count), y0=np.zeros(count),
        gamma1=gamma * np.cos(angle), gamma2=gamma * np.sin(angle),
    )  # fmt: skip
    x_src, y_src = sources_near(lens, rng)
    found = image_positions(x_src, y_src, **lens)
    assert found.x.shape[1] == found.count.max() > 4
    beta_x, beta_y = to_source(found.x, found.y, lens)
    assert np.nanmax(np.hypot(beta_x - x_src[:, None], beta_y - y_src[:, None])) < 1e-9


def test_winding_number_of_a_square(tensor):
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float)
    assert winding_number(square, 0.5, 0.5) == 1
    assert winding_number(square[::-1], 0.5, 0.5) == -1
    assert winding_number(square, 1.5, 0.5) == 0
    twice = winding_number(np.concatenate([square, square]), np.array([0.2, 2.0]), 0.7)
    assert twice.tolist() == [2, 0]
    assert np.asarray(winding_number(tensor(square), 0.5, 0.5)) == 1


def test_agrees_with_lenstronomy(lenses, rng):
    lens_model = pytest.importorskip("lenstronomy.LensModel.lens_model")
    solver = pytest.importorskip("lenstronomy.LensModel.Solver.lens_equation_solver")
    from lensfinder.lensing.ellipticity import Ellipticity

    lens = lenses(20)
    x_src, y_src = sources_near(lens, rng, reach=0.8)
    ours = image_positions(x_src, y_src, **lens)
    theirs = solver.LensEquationSolver(lens_model.LensModel(["SIE", "SHEAR"]))
    for i in range(20):
        p = {name: values[i] for name, values in lens.items()}
        e1, e2 = Ellipticity.from_axis_ratio(p["q"], p["phi"]).to_lenstronomy()
        x, y = theirs.image_position_from_source(
            x_src[i],
            y_src[i],
            [
                dict(theta_E=p["theta_E"], e1=e1, e2=e2, center_x=p["x0"], center_y=p["y0"]),
                dict(gamma1=p["gamma1"], gamma2=p["gamma2"]),
            ],
            min_distance=0.02 * p["theta_E"],
            search_window=5 * p["theta_E"],
            x_center=p["x0"],
            y_center=p["y0"],
            precision_limit=1e-10,
            num_iter_max=100,
        )
        # Its SIE has a small core, so it may also find the image at the centre.
        images = np.hypot(x - p["x0"], y - p["y0"]) > 1e-3
        assert images.sum() == ours.count[i]
        dx = x[images][:, None] - ours.x[i, : ours.count[i]]
        dy = y[images][:, None] - ours.y[i, : ours.count[i]]
        gap = np.hypot(dx, dy)
        # Its default 'SIE' has a core of 1e-10 arcsec, and it stops at 1e-10 in the source plane.
        assert max(gap.min(axis=0).max(), gap.min(axis=1).max()) < 1e-6
