"""The power law: the isothermal ellipsoid at slope 2, identities, and lenstronomy as the oracle."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lensfinder.lensing.critical import caustic, critical_curve
from lensfinder.lensing.ellipticity import Ellipticity
from lensfinder.lensing.power_law import (
    power_law_caustic,
    power_law_convergence,
    power_law_critical_curve,
    power_law_deflection,
    power_law_magnification,
)
from lensfinder.lensing.shear import shear_deflection
from lensfinder.lensing.sie import sie_convergence, sie_deflection, sie_magnification

SHEAR = dict(gamma1=0.08, gamma2=-0.05)
ROUND_TO_FLAT = pytest.mark.parametrize("q", [1.0, 1.0 - 1e-9, 0.8, 0.3, 0.05])


def lens(q, **other):
    return dict(theta_E=1.3, q=q, phi=0.4, x0=0.05, y0=-0.1) | other


@pytest.fixture(scope="module")
def places():
    return np.random.default_rng(3).normal(0.0, 1.5, (2, 300))


@ROUND_TO_FLAT
def test_slope_two_is_the_isothermal_ellipsoid(places, q):
    one, other = lens(q), lens(q, slope=2.0)
    ours, theirs = power_law_deflection(*places, **other), sie_deflection(*places, **one)
    assert_allclose(ours, theirs, rtol=0, atol=1e-10)
    ours, theirs = power_law_convergence(*places, **other), sie_convergence(*places, **one)
    assert_allclose(ours, theirs, rtol=1e-12)
    ours = power_law_magnification(*places, **other, **SHEAR)
    assert_allclose(1 / ours, 1 / sie_magnification(*places, **one, **SHEAR), atol=1e-8)
    ours = power_law_critical_curve(**other, **SHEAR)
    assert_allclose(ours, critical_curve(**one, **SHEAR), atol=1e-10)
    assert_allclose(power_law_caustic(**other, **SHEAR), caustic(**one, **SHEAR), atol=1e-10)
    steeper = power_law_deflection(*places, **lens(q, slope=2.001))
    assert np.abs(np.subtract(steeper, sie_deflection(*places, **one))).max() > 1e-4


@pytest.mark.parametrize("slope", [1.3, 1.9, 2.1, 2.7])
@ROUND_TO_FLAT
def test_lenstronomy_deflects_alike(places, q, slope):
    lens_model = pytest.importorskip("lenstronomy.LensModel.lens_model")
    model = lens_model.LensModel(["EPL", "SHEAR"])
    e1, e2 = (float(e) for e in Ellipticity.from_axis_ratio(q, 0.4).to_lenstronomy())
    words = dict(theta_E=1.3, gamma=slope, e1=e1, e2=e2, center_x=0.05, center_y=-0.1)
    words = [words, SHEAR | dict(ra_0=0.0, dec_0=0.0)]
    ours = power_law_deflection(*places, **lens(q, slope=slope))
    ours = np.add(ours, shear_deflection(*places, **SHEAR))
    assert_allclose(ours, model.alpha(*places, words), rtol=1e-8, atol=1e-8)
    ours = power_law_convergence(*places, **lens(q, slope=slope))
    assert_allclose(ours, model.kappa(*places, words), rtol=1e-8)
    ours = power_law_magnification(*places, **lens(q, slope=slope), **SHEAR)
    # A determinant of terms up to kappa^2; lenstronomy's has an error of its own near the centre.
    assert_allclose(1 / ours, 1 / model.magnification(*places, words), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("slope", [1.4, 2.0, 2.6])
def test_the_divergence_is_twice_the_convergence(places, slope):
    x, y = places
    h, one = 1e-5, lens(0.6, slope=slope)
    along = np.subtract(
        power_law_deflection(x + h, y, **one), power_law_deflection(x - h, y, **one)
    )
    across = np.subtract(
        power_law_deflection(x, y + h, **one), power_law_deflection(x, y - h, **one)
    )
    kappa = power_law_convergence(x, y, **one)
    # Differences over 1e-5 arcsec: an error of h^2 over the distance squared, down to 0.05 arcsec.
    assert_allclose((along[0] + across[1]) / (2 * h), 2 * kappa, rtol=1e-5)
    assert_allclose(along[1], across[0], atol=1e-5 * 2 * h * kappa.max())
    other = power_law_convergence(x, y, **(one | dict(slope=slope + 0.01)))
    assert np.abs(other / kappa - 1).max() > 1e-3, "another slope would be seen"


@pytest.mark.parametrize("slope", [1.3, 2.0, 2.7])
def test_magnification_diverges_on_the_critical_curve_and_the_caustic_lies_behind(slope):
    one = lens(0.7, slope=slope)
    curve = power_law_critical_curve(**one, **SHEAR)
    assert_allclose(1 / power_law_magnification(*curve.T, **one, **SHEAR), 0.0, atol=1e-13)
    outside = [c + 1.01 * (v - c) for c, v in zip((0.05, -0.1), curve.T, strict=True)]
    # The shallower, the less it changes: measured 6e-5 at 1.3.
    assert (1 / power_law_magnification(*outside, **one, **SHEAR)).min() > 1e-5
    alpha = np.add(power_law_deflection(*curve.T, **one), shear_deflection(*curve.T, **SHEAR))
    assert_allclose(power_law_caustic(**one, **SHEAR), curve - alpha.T, atol=1e-13)
    many = power_law_critical_curve(**{k: np.array([v, v]) for k, v in (one | SHEAR).items()})
    assert_allclose(many, [curve, curve])


def test_a_circle_of_the_einstein_radius_holds_a_mean_convergence_of_one():
    for slope in (1.5, 2.0, 2.5):
        x, y = 1.3 * np.cos([0.3, 2.0]), 1.3 * np.sin([0.3, 2.0])
        alpha = power_law_deflection(x, y, theta_E=1.3, q=1.0, phi=0.0, slope=slope)
        assert_allclose(alpha, [x, y], rtol=1e-12)
    centre = power_law_deflection(0.0, 0.0, theta_E=1.3, q=0.7, phi=0.0, slope=2.5)
    assert_allclose(centre, 0.0)


def test_tensors_give_the_same(places):
    import keras

    x, y = (keras.ops.convert_to_tensor(v.astype(np.float32)) for v in places)
    for q in (1.0, 0.5, 0.2):
        one = lens(q, slope=2.2)
        ours = power_law_deflection(x, y, **one)
        wanted = power_law_deflection(*places, **one)
        # Single precision, near the centre of a profile that rises as r^-0.2.
        assert_allclose([np.asarray(a) for a in ours], wanted, rtol=1e-4, atol=2e-6)
