"""The ellipsoid: identities between its functions, limits, and lenstronomy as the oracle."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lensfinder.lensing.sie import (
    sie_convergence,
    sie_deflection,
    sie_magnification,
    sie_potential,
    sie_shear,
)

LENS = dict(theta_E=1.3, q=0.6, phi=0.4, x0=0.05, y0=-0.1)

# Two fixtures' worth of precision inside a hypothesis test: every example runs both.
hypothesis_settings = settings(max_examples=60, deadline=None, derandomize=True, database=None)
lens_and_place = given(
    theta_E=st.floats(0.2, 3.0),
    q=st.floats(0.15, 1.0),
    phi=st.floats(-3.2, 3.2),
    radius=st.floats(0.05, 5.0),
    angle=st.floats(0.0, 6.3),
)
circle = example(theta_E=1.0, q=1.0, phi=0.0, radius=1.0, angle=0.5)
nearly_circle = example(theta_E=1.0, q=1.0 - 1e-7, phi=0.3, radius=1.0, angle=0.5)
on_the_axis = example(theta_E=1.0, q=0.15, phi=0.0, radius=1.0, angle=0.0)


def both_precisions(tensor):
    return ((np.float64, 1e-5, 1e-4), (tensor, 1e-3, 1e-2))


@pytest.fixture(scope="module")
def make_tensor():
    import keras

    return lambda value: keras.ops.convert_to_tensor(np.asarray(value, dtype=np.float32))


def jacobian(function, x, y, h, make):
    """Central differences of a function of (x, y) along both axes, over the step really taken."""

    def along(dx, dy):
        ends = [(make(x + sign * dx), make(y + sign * dy)) for sign in (1, -1)]
        step = sum(
            np.asarray(ends[0][i], np.float64) - np.asarray(ends[1][i], np.float64) for i in (0, 1)
        )
        values = [np.asarray(function(*end), np.float64) for end in ends]
        return (values[0] - values[1]) / step

    return along(h, 0.0), along(0.0, h)


@hypothesis_settings
@lens_and_place
@circle
@nearly_circle
@on_the_axis
def test_deflection_potential_convergence_and_shear_agree(
    make_tensor, theta_E, q, phi, radius, angle
):
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    for make, rtol, relative_step in both_precisions(make_tensor):
        lens = {"theta_E": make(theta_E), "q": make(q), "phi": make(phi)}
        h = relative_step * q * radius  # the deflection turns within an angle q
        alpha = np.asarray(sie_deflection(make(x), make(y), **lens), np.float64)
        gradient = jacobian(lambda u, v, lens=lens: sie_potential(u, v, **lens), x, y, h, make)
        assert_allclose(gradient, alpha, rtol=0, atol=rtol * theta_E)

        (xx, xy), (yx, yy) = jacobian(
            lambda u, v, lens=lens: sie_deflection(u, v, **lens), x, y, h, make
        )
        kappa = float(sie_convergence(make(x), make(y), **lens))
        gamma_1, gamma_2 = (float(g) for g in sie_shear(make(x), make(y), **lens))
        assert_allclose([xx + yy], [2 * kappa], rtol=rtol)
        assert_allclose([xx - yy, xy, yx], [2 * gamma_1, gamma_2, gamma_2], atol=2 * rtol * kappa)
        # Negative control: 1 % of the convergence would be seen.
        assert abs(xx + yy - 2.02 * kappa) > 2 * rtol * kappa


@hypothesis_settings
@lens_and_place
@circle
def test_magnification_is_the_inverse_determinant(theta_E, q, phi, radius, angle):
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    lens, (g1, g2) = dict(theta_E=theta_E, q=q, phi=phi), (0.05, -0.08)
    (xx, xy), (yx, yy) = jacobian(
        lambda u, v: sie_deflection(u, v, **lens), x, y, 1e-4 * q * radius, np.float64
    )
    determinant = (1 - g1 - xx) * (1 + g1 - yy) - (g2 + xy) * (g2 + yx)
    magnification = sie_magnification(x, y, **lens, gamma1=g1, gamma2=g2)
    # The determinant is a difference of terms as large as these.
    assert_allclose(1 / magnification, determinant, atol=1e-5 * (1 + abs(xx) + abs(yy)))


def test_float32_deflection_is_as_exact_as_float32_allows(rng, tensor):
    count = 200_000
    x, y = rng.normal(0, 2, (2, count)).astype(np.float32)
    q = rng.uniform(0.05, 1.0, count).astype(np.float32)
    lens = {"theta_E": 1.3, "phi": 0.4, "x0": 0.01, "y0": 0.02}
    exact = np.array(sie_deflection(x, y, q=q, **lens))
    ours = np.array(sie_deflection(tensor(x), tensor(y), q=tensor(q), **lens), dtype=np.float64)
    error = np.hypot(*(ours - exact)) / np.hypot(*exact)
    assert ours.shape == (2, count)
    assert error.max() < 1e-6  # 8 roundings of 6e-8 at worst, and 5e-8 of the approximations
    assert np.sqrt(np.mean(error**2)) < 2e-7  # measured 1.2e-7


def test_circular_limit_is_smooth(precision):
    make, _ = precision
    x, y = make([0.3, 1.0, -2.0]), make([0.4, 0.0, 1.0])
    limit = np.asarray(sie_deflection(x, y, theta_E=1.0, q=1.0, phi=0.0))
    r = np.hypot(np.asarray(x), np.asarray(y))
    assert_allclose(limit, np.asarray([x, y]) / r, rtol=1e-6)  # the isothermal sphere
    for gap in (1e-12, 1e-8, 1e-6, 1e-4):
        near = np.asarray(sie_deflection(x, y, theta_E=1.0, q=1.0 - gap, phi=0.7))
        assert_allclose(near, limit, atol=gap + 4e-7)  # first order in the gap; float32 rounding


def test_everything_is_finite_at_the_centre(precision):
    make, _ = precision
    for q in (1.0, 0.5, 0.1):
        x, y = make([0.25, 0.25]), make([-0.5, -0.5])
        lens = dict(theta_E=make(1.2), q=make(q), phi=make(0.8), x0=make(0.25), y0=make(-0.5))
        assert_allclose(np.asarray(sie_deflection(x, y, **lens)), 0.0, atol=0)
        assert_allclose(np.asarray(sie_shear(x, y, **lens)), 0.0, atol=0)
        assert_allclose(np.asarray(sie_potential(x, y, **lens)), 0.0, atol=0)
        assert_allclose(np.asarray(sie_magnification(x, y, **lens)), 0.0, atol=1e-6)
        assert np.all(np.isfinite(np.asarray(sie_convergence(x, y, **lens))))
        assert np.all(np.asarray(sie_convergence(x, y, **lens)) > 1e6)


def test_lists_and_integers_work():
    ax, ay = sie_deflection([1, 2], 0, theta_E=1, q=1, phi=0)
    assert_allclose(ax, 1.0)
    assert_allclose(ay, 0.0, atol=1e-15)


def test_mean_convergence_inside_the_einstein_ellipse_is_one():
    for q in (0.2, 0.6, 1.0):
        # Midpoint rule in the elliptical radius R, where kappa has area element 2 pi R dR: the
        # angle drops out only if the convergence is constant on these ellipses, so keep it.
        R = (np.arange(400) + 0.5) / 400 * 1.3
        t = np.arange(64)[:, None] * 2 * np.pi / 64
        u, v = R * np.cos(t) / np.sqrt(q), R * np.sin(t) * np.sqrt(q)
        x, y = np.cos(0.9) * u - np.sin(0.9) * v, np.sin(0.9) * u + np.cos(0.9) * v
        kappa = sie_convergence(x, y, theta_E=1.3, q=q, phi=0.9)
        mass = np.mean(kappa * 2 * np.pi * R, axis=0).sum() * (1.3 / 400)
        assert_allclose(mass / (np.pi * 1.3**2), 1.0, rtol=1e-10)
    wrong = sie_convergence(x, y, theta_E=1.3 * 1.01, q=q, phi=0.9)
    assert abs(np.mean(wrong * 2 * np.pi * R) * 1.3 / (np.pi * 1.3**2) - 1) > 5e-3


def test_agrees_with_lenstronomy(lenses, rng):
    lens_model = pytest.importorskip("lenstronomy.LensModel.lens_model")
    from lensfinder.lensing.ellipticity import Ellipticity
    from lensfinder.lensing.shear import shear_deflection, shear_potential

    model = lens_model.LensModel(["SIE", "SHEAR"])
    # Its SIE differentiates numerically (3e-5); its EPL of slope 2 is the same lens, analytic.
    analytic = lens_model.LensModel(["EPL", "SHEAR"])
    drawn, worst = lenses(50), 0.0
    for i in range(50):
        p = {name: values[i] for name, values in drawn.items()}
        sie = {name: p[name] for name in ("theta_E", "q", "phi", "x0", "y0")}
        shear = {name: p[name] for name in ("gamma1", "gamma2")}
        e1, e2 = Ellipticity.from_axis_ratio(p["q"], p["phi"]).to_lenstronomy()
        theirs = [
            dict(theta_E=p["theta_E"], e1=e1, e2=e2, center_x=p["x0"], center_y=p["y0"]),
            shear,
        ]
        isothermal = [theirs[0] | {"gamma": 2.0}, shear]
        x, y = rng.normal(0, 2, (2, 200))
        alpha = np.add(sie_deflection(x, y, **sie), shear_deflection(x, y, **shear))
        oracle = np.array(model.alpha(x, y, theirs))
        # Relative 1e-6 of the deflection; lenstronomy's own core of 1e-10 arcsec is below it.
        assert_allclose(alpha, oracle, rtol=0, atol=1e-6 * np.hypot(*oracle).min())
        assert_allclose(
            sie_potential(x, y, **sie) + shear_potential(x, y, **shear),
            model.potential(x, y, theirs),
            rtol=1e-6,
            atol=1e-6,
        )
        assert_allclose(sie_convergence(x, y, **sie), analytic.kappa(x, y, isothermal), rtol=1e-6)
        assert_allclose(
            1 / sie_magnification(x, y, **sie, **shear),
            1 / analytic.magnification(x, y, isothermal),
            rtol=1e-6,
            atol=1e-6,
        )
        turned = sie_deflection(x, y, **sie | {"phi": -p["phi"]})
        worst = max(worst, np.abs(np.subtract(turned, sie_deflection(x, y, **sie))).max())
    assert worst > 0.1  # negative control: the sign of phi is seen
