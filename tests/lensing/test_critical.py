"""Critical curves, caustics and cuts: closed forms, and what they are by definition."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lensfinder.lensing.critical import (
    caustic,
    critical_curve,
    cut,
    einstein_radius_from_area,
    polygon_area,
)
from lensfinder.lensing.shear import shear_deflection
from lensfinder.lensing.sie import sie_convergence, sie_deflection, sie_magnification

SIE = ("theta_E", "q", "phi", "x0", "y0")
SHEAR = ("gamma1", "gamma2")


def split(lens):
    """Parameters of the two profiles, with an axis for the points."""
    return ({k: lens[k][:, None] for k in names} for names in (SIE, SHEAR))


def test_magnification_diverges_on_the_critical_curve(lenses):
    lens = lenses(40, shear=0.4)
    curve = critical_curve(**lens)
    sie, shear = split(lens)
    x, y = curve[..., 0], curve[..., 1]
    assert curve.shape == (40, 256, 2)
    inverse = 1 / sie_magnification(x, y, **sie, **shear)
    # A difference of terms of the size of 2 kappa, up to 5 here.
    assert_allclose(inverse, 0.0, atol=1e-13)
    outside = 1 / sie_magnification(
        sie["x0"] + 1.01 * (x - sie["x0"]), sie["y0"] + 1.01 * (y - sie["y0"]), **sie, **shear
    )
    assert outside.min() > 1e-3  # negative control: 1 % further out is seen, and is positive


def test_without_shear_the_critical_curve_is_the_isodensity_one_half(lenses):
    lens = lenses(20)
    lens |= {"gamma1": np.zeros(20), "gamma2": np.zeros(20)}
    curve = critical_curve(**lens, n_points=4096)
    sie, _ = split(lens)
    assert_allclose(sie_convergence(curve[..., 0], curve[..., 1], **sie), 0.5, rtol=1e-12)
    # Area pi theta_E^2; a polygon of n points misses at most (2 pi / n)^2 / 6 / q of it.
    radius = einstein_radius_from_area(polygon_area(curve))
    assert_allclose(radius, lens["theta_E"], rtol=1e-5)
    assert np.all(polygon_area(curve) > 0)
    assert np.abs(radius / (lens["theta_E"] * (1 + lens["q"]) / 2) - 1).max() > 0.05


def test_shear_magnifies_the_area_of_a_sphere():
    # For a sphere r_c = theta_E (1 - g cos 2t) / (1 - g^2): area pi theta_E^2 (1 + g^2/2)/(1-g^2)^2
    g = 0.3
    curve = critical_curve(theta_E=1.2, q=1.0, phi=0.0, gamma1=g, n_points=2048)
    expected = np.pi * 1.2**2 * (1 + g**2 / 2) / (1 - g**2) ** 2
    assert_allclose(polygon_area(curve), expected, rtol=1e-5)


def test_caustic_and_cut_are_mapped_by_the_lens_equation(lenses):
    lens = lenses(20, shear=0.3)
    sie, shear = split(lens)

    def to_source(x, y):
        alpha = np.add(sie_deflection(x, y, **sie), shear_deflection(x, y, **shear))
        return np.stack([x - alpha[0], y - alpha[1]], axis=-1)

    curve = critical_curve(**lens)
    assert_allclose(caustic(**lens), to_source(curve[..., 0], curve[..., 1]), atol=1e-12)
    # The cut is the limit of small circles about the lens.
    t = np.arctan2(curve[..., 1] - sie["y0"], curve[..., 0] - sie["x0"])
    ring = to_source(sie["x0"] + 1e-7 * np.cos(t), sie["y0"] + 1e-7 * np.sin(t))
    # The radius itself, and the rounding of x0 + 1e-7, which turns the direction by 1e-9 / q^2.
    assert_allclose(cut(**lens), ring, rtol=0, atol=2e-7)


def test_caustic_of_a_sphere_with_shear_is_an_astroid():
    # Small shear: beta = -2 gamma theta_E (cos^3, -sin^3) to first order, area 3/8 pi a^2.
    g = 1e-4
    points = caustic(theta_E=1.5, q=1.0, phi=0.0, gamma1=g, n_points=2048)
    half_width = 2 * g * 1.5
    assert_allclose(points.max(axis=0), half_width, rtol=1e-3)  # second order in g, and sampling
    assert_allclose(polygon_area(points), -3 / 8 * np.pi * half_width**2, rtol=1e-3)


def test_cut_of_a_sphere_is_the_einstein_ring():
    points = cut(theta_E=1.5, q=1.0, phi=0.0, x0=0.2, y0=-0.1)
    assert_allclose(np.hypot(points[:, 0] - 0.2, points[:, 1] + 0.1), 1.5, rtol=1e-12)


def test_tensors_and_parameters_of_any_shape(tensor, lenses):
    lens = lenses(6)
    exact = caustic(**lens)
    ours = np.asarray(caustic(**{k: tensor(v) for k, v in lens.items()}))
    # Image positions up to 4" at float32's 6e-8, a handful of times.
    assert_allclose(ours, exact, rtol=0, atol=3e-6)
    assert caustic(theta_E=1.0, q=0.5, phi=0.0).shape == (256, 2)
    assert caustic(theta_E=np.ones((2, 1)), q=0.5, phi=np.zeros(3), x0=0.1).shape == (2, 3, 256, 2)
    only_y0 = critical_curve(theta_E=1.0, q=0.5, phi=0.0, y0=np.zeros(4), n_points=16)
    assert only_y0.shape == (4, 16, 2)


def test_curves_agree_with_lenstronomy(lenses):
    lens_model = pytest.importorskip("lenstronomy.LensModel.lens_model")
    from lensfinder.lensing.ellipticity import Ellipticity

    model = lens_model.LensModel(["EPL", "SHEAR"])  # analytic second derivatives
    lens = lenses(20, shear=0.3)
    curves, caustics = critical_curve(**lens), caustic(**lens)
    for i in range(20):
        p = {name: values[i] for name, values in lens.items()}
        e1, e2 = Ellipticity.from_axis_ratio(p["q"], p["phi"]).to_lenstronomy()
        theirs = [
            dict(theta_E=p["theta_E"], gamma=2.0, e1=e1, e2=e2, center_x=p["x0"], center_y=p["y0"]),
            dict(gamma1=p["gamma1"], gamma2=p["gamma2"]),
        ]
        x, y = curves[i].T
        # Its EPL sums a series to 1e-10 or so; the determinant is a difference of terms of order 1.
        xx, xy, yx, yy = model.hessian(x, y, theirs)
        assert_allclose((1 - xx) * (1 - yy) - xy * yx, 0.0, atol=1e-7)
        assert_allclose(np.stack(model.ray_shooting(x, y, theirs), axis=-1), caustics[i], atol=1e-7)
        x, y = p["x0"] + 1.01 * (x - p["x0"]), p["y0"] + 1.01 * (y - p["y0"])
        assert np.abs(1 / model.magnification(x, y, theirs)).min() > 1e-3  # negative control
