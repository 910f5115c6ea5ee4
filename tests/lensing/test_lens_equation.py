"""The lens equation backward and the Fermat potential: derivatives, and lenstronomy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lensfinder.lensing.lens_equation import fermat_potential, lens_jacobian, source_position
from lensfinder.lensing.multiplicity import image_positions
from lensfinder.lensing.sie import sie_magnification

STEP = 1e-5  # arcsec


def positions(rng, lens):
    """One position per lens, at 0.3 to 2 theta_E from its centre."""
    count = lens["theta_E"].size
    r = lens["theta_E"] * rng.uniform(0.3, 2.0, count)
    t = rng.uniform(0, 2 * np.pi, count)
    return lens["x0"] + r * np.cos(t), lens["y0"] + r * np.sin(t)


def test_the_jacobian_is_the_derivative_of_the_source_position(lenses, rng):
    lens = lenses(300)
    x, y = positions(rng, lens)
    a_xx, a_xy, a_yy = lens_jacobian(x, y, **lens)
    right, left = source_position(x + STEP, y, **lens), source_position(x - STEP, y, **lens)
    up, down = source_position(x, y + STEP, **lens), source_position(x, y - STEP, **lens)
    slope = 0.5 / STEP
    # central differences: h^2 times the third derivative (at most 1e3 here) plus rounding / h
    assert_allclose(a_xx, (right[0] - left[0]) * slope, atol=1e-6)
    assert_allclose(a_xy, (right[1] - left[1]) * slope, atol=1e-6)
    assert_allclose(a_xy, (up[0] - down[0]) * slope, atol=1e-6)
    assert_allclose(a_yy, (up[1] - down[1]) * slope, atol=1e-6)
    assert_allclose(1 / (a_xx * a_yy - a_xy**2), sie_magnification(x, y, **lens), rtol=1e-9)
    assert np.abs(a_xx - (up[1] - down[1]) * slope).max() > 1e-2  # negative control


def test_images_are_where_the_arrival_time_is_stationary(lenses, rng):
    lens = lenses(200)
    x_src, y_src = (0.2 * lens["theta_E"] * rng.normal(size=200) for _ in range(2))
    found = image_positions(x_src, y_src, **lens)
    lens = {name: values[:, None] for name, values in lens.items()}

    def tau(dx, dy):
        return fermat_potential(
            found.x + dx, found.y + dy, x_src[:, None], y_src[:, None], **lens
        )  # fmt: skip

    gradient = np.stack([tau(STEP, 0) - tau(-STEP, 0), tau(0, STEP) - tau(0, -STEP)]) / (2 * STEP)
    there = np.isfinite(found.x)
    assert np.abs(gradient[:, there]).max() < 1e-6  # rounding of tau over the step: 1e-15 / 1e-5
    assert np.isnan(gradient[:, ~there]).all()
    moved = np.stack([tau(0.1 + STEP, 0) - tau(0.1 - STEP, 0)]) / (2 * STEP)
    assert np.abs(moved[:, there]).max() > 1e-2  # negative control: not an image
    assert_allclose(tau(0, 0)[there], found.fermat[there], atol=1e-12)


def test_agrees_with_lenstronomy(lenses, rng):
    lens_model = pytest.importorskip("lenstronomy.LensModel.lens_model")
    from lensfinder.lensing.ellipticity import Ellipticity

    lens = lenses(20)
    x, y = positions(rng, lens)
    x_src, y_src = rng.normal(0, 0.3, (2, 20))
    ours = source_position(x, y, **lens)
    tau = fermat_potential(x, y, x_src, y_src, **lens)
    model = lens_model.LensModel(["SIE", "SHEAR"])
    for i in range(20):
        p = {name: values[i] for name, values in lens.items()}
        e1, e2 = Ellipticity.from_axis_ratio(p["q"], p["phi"]).to_lenstronomy()
        kwargs = [
            dict(theta_E=p["theta_E"], e1=e1, e2=e2, center_x=p["x0"], center_y=p["y0"]),
            dict(gamma1=p["gamma1"], gamma2=p["gamma2"]),
        ]
        # its SIE has a core of 1e-10 arcsec
        assert_allclose(model.ray_shooting(x[i], y[i], kwargs), [ours[0][i], ours[1][i]], atol=1e-8)
        theirs = model.fermat_potential(x[i], y[i], kwargs, x_src[i], y_src[i])
        assert_allclose(theirs, tau[i], atol=1e-8)


def test_shapes_and_tensors(lenses, tensor):
    lens = lenses(4)
    x = np.linspace(-2, 2, 7)
    columns = {name: values[:, None] for name, values in lens.items()}
    expected = source_position(x, 0.3, **columns)
    assert expected[0].shape == (4, 7)
    found = source_position(tensor(x), 0.3, **{k: tensor(v) for k, v in columns.items()})
    for one, other in zip(found, expected, strict=True):
        assert_allclose(np.asarray(one), other, atol=1e-5)  # float32
    tau = fermat_potential(tensor(x), 0.3, 0.1, 0.0, **columns)
    assert_allclose(np.asarray(tau), fermat_potential(x, 0.3, 0.1, 0.0, **columns), atol=1e-4)
    jacobian = lens_jacobian(tensor(x), 0.3, **columns)
    assert_allclose(np.asarray(jacobian), lens_jacobian(x, 0.3, **columns), rtol=1e-4, atol=1e-4)
