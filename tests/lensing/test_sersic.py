"""Sersic profiles: their flux, their half-light radius, and lenstronomy as the oracle."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lensfinder.lensing.sersic import (
    double_sersic,
    flux_from_magnitude,
    magnitude_from_flux,
    sersic_b,
    sersic_profile,
    sersic_to_lenstronomy,
)

INDICES = (0.3, 0.5, 1.0, 2.5, 4.0, 6.0, 8.0)


def flux_within(R_max, *, n, R_e, q, phi, make=np.asarray, nodes=4000, **centre):
    """Flux inside an isophote, in the variable R^(1/m), in which the integrand is smooth."""
    m = max(n, 0.5)
    edge = (R_max / R_e) ** (1 / m)
    t = (np.arange(nodes) + 0.5) / nodes * edge
    R, weight = R_e * t**m, 2 * np.pi * R_e**2 * m * t ** (2 * m - 1) * edge / nodes
    # One direction per ring, all around: the profile must be constant on the ring.
    angle = np.arange(nodes) * 2.4
    u, v = R * np.cos(angle) / math.sqrt(q), R * np.sin(angle) * math.sqrt(q)
    x, y = math.cos(phi) * u - math.sin(phi) * v, math.sin(phi) * u + math.cos(phi) * v
    x, y = x + centre.get("x0", 0.0), y + centre.get("y0", 0.0)
    light = sersic_profile(make(x), make(y), flux=2.0, R_e=R_e, n=n, q=q, phi=phi, **centre)
    return np.sum(np.asarray(light, np.float64) * weight)


@pytest.mark.parametrize("n", INDICES)
def test_flux_is_normalised_and_half_of_it_lies_inside_R_e(n, tensor):
    shape = dict(n=n, R_e=0.7, q=0.35, phi=0.8)
    infinity = 0.7 * (60 / sersic_b(n)) ** n  # e^-60 is left out, in units of the peak
    # Midpoint rule with 4,000 nodes: below 1e-5; GalSim's tolerance for this is 1e-4.
    assert_allclose(flux_within(infinity, **shape), 2.0, rtol=1e-5)
    assert_allclose(flux_within(0.7, **shape), 1.0, rtol=1e-5)
    # float32: the exponent is up to 16 at n = 8, and its rounding 1e-6, mostly averaged out.
    assert_allclose(flux_within(0.7, make=tensor, **shape), 1.0, rtol=2e-5)
    assert abs(flux_within(0.7 * 1.01, **shape) - 1.0) > 1e-3  # negative control


def test_b_is_the_exact_root(tensor):
    special = pytest.importorskip("scipy.special")
    n = np.geomspace(0.2, 15.0, 2000)
    exact = special.gammaincinv(2 * n, 0.5)
    assert_allclose(sersic_b(n), exact, rtol=0, atol=1e-10)
    assert_allclose(np.asarray(sersic_b(tensor(n))), exact, rtol=3e-6)  # n = 0.2 has b = 0.1
    assert np.abs(2 * n - 1 / 3 - exact).max() > 0.01  # negative control: the series is needed


def test_float32_profile_follows_float64(rng, tensor):
    x, y = rng.normal(0, 1.5, (2, 5000))
    for n in INDICES:
        lens = dict(flux=3.0, R_e=0.6, n=n, q=0.4, phi=-0.5)
        exact = sersic_profile(x, y, **lens)
        ours = np.asarray(sersic_profile(tensor(x), tensor(y), **lens), np.float64)
        # The exponent E has a relative error of some 1e-7, the profile exp(-E) one of E 1e-7; where
        # that is much, nothing is left: compare with the brightness at R_e.
        at_r_e = sersic_profile(0.6 / math.sqrt(0.4), 0.0, **lens | {"phi": 0.0})
        assert_allclose(ours, exact, rtol=1e-5, atol=1e-6 * at_r_e)


def test_centre_is_finite_and_the_peak(precision):
    make, _ = precision
    for n in INDICES:
        light = np.asarray(
            sersic_profile(make([0.2, 0.2 + 1e-6]), make(0.1), flux=1.0, R_e=0.5, n=n, q=0.7,
                           phi=0.3, x0=make(0.2), y0=make(0.1))
        )  # fmt: skip
        b = float(sersic_b(n))
        peak = b ** (2 * n) / (2 * np.pi * n * math.gamma(2 * n) * 0.5**2)
        assert_allclose(light[0], peak, rtol=1e-5)
        assert np.isfinite(light[1])
        assert light[1] <= light[0]


def test_far_from_the_centre_there_is_no_underflow_to_nan(tensor):
    light = np.asarray(
        sersic_profile(tensor([1e3, 1e6]), tensor(0.0), flux=1.0, R_e=0.1, n=0.5, q=0.5, phi=0.0)
    )
    assert_allclose(light, 0.0, atol=1e-30)


def test_two_components_share_the_flux(rng):
    x, y = rng.normal(0, 1, (2, 30))
    bulge = dict(R_e=0.3, n=4.0, q=0.8, phi=0.1)
    disc = dict(R_e=1.1, n=1.0, q=0.5, phi=0.4)
    both = double_sersic(x, y, flux=5.0, bulge_fraction=0.3, bulge=bulge, disc=disc, x0=0.1)
    parts = sersic_profile(x, y, flux=1.5, x0=0.1, **bulge)
    parts = parts + sersic_profile(x, y, flux=3.5, x0=0.1, **disc)
    assert_allclose(both, parts, rtol=1e-14)
    swapped = double_sersic(x, y, flux=5.0, bulge_fraction=0.7, bulge=bulge, disc=disc, x0=0.1)
    assert np.abs(swapped / parts - 1).max() > 0.1


def test_agrees_with_lenstronomy(rng):
    light_model = pytest.importorskip("lenstronomy.LightModel.light_model")
    from lensfinder.lensing.ellipticity import Ellipticity

    model = light_model.LightModel(["SERSIC_ELLIPSE"])
    unconverted = 0.0
    for _ in range(50):
        n, q, phi = rng.uniform(0.5, 6.0), rng.uniform(0.2, 0.98), rng.uniform(-3, 3)
        R_e, x0, y0 = rng.uniform(0.1, 2.0), *rng.normal(0, 0.1, 2)
        x, y = rng.normal(0, 1.5 * R_e, (2, 300))
        ours = sersic_profile(x, y, flux=4.0, R_e=R_e, n=n, q=q, phi=phi, x0=x0, y0=y0)
        amp, R_sersic = sersic_to_lenstronomy(4.0, R_e, n)
        e1, e2 = Ellipticity.from_axis_ratio(q, phi).to_lenstronomy()
        theirs = dict(n_sersic=n, e1=e1, e2=e2, center_x=x0, center_y=y0)
        oracle = model.surface_brightness(x, y, [theirs | {"amp": amp, "R_sersic": R_sersic}])
        # 1e-6 of the brightness at R_e: lenstronomy smooths the inner 1e-5 arcsec.
        assert_allclose(ours, oracle, rtol=1e-6, atol=1e-6 * amp)
        raw = model.surface_brightness(x, y, [theirs | {"amp": amp, "R_sersic": R_e}])
        unconverted = max(unconverted, np.abs(raw / ours - 1).max())
    assert unconverted > 1e-3  # negative control: without the converter it shows


def test_magnitudes_and_fluxes_are_inverse():
    assert_allclose(flux_from_magnitude(25.5, 25.5), 1.0)
    assert_allclose(flux_from_magnitude(20.5, 25.5), 100.0)
    flux = np.array([0.01, 1.0, 3e5])
    assert_allclose(flux_from_magnitude(magnitude_from_flux(flux, 28.58), 28.58), flux, rtol=1e-13)
