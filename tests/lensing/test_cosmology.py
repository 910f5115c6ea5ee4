"""Distances: the interpolation against astropy, closed forms, and the Einstein radius."""

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM, LambdaCDM
from numpy.testing import assert_allclose

from lensfinder.errors import SpecError, UnknownNameError
from lensfinder.lensing.cosmology import (
    Distances,
    cosmology_names,
    distances,
    named_cosmology,
    sigma_v_sis,
    theta_E_sis,
    time_delay,
)

Z = np.r_[np.geomspace(1e-4, 20.0, 150), 0.0, 20.0]


def test_the_papers_have_their_parameters():
    assert set(cosmology_names()) == {"pearson2019", "schuldt2021", "planck18"}
    pearson, schuldt = named_cosmology("pearson2019"), named_cosmology("schuldt2021")
    assert (pearson.h, pearson.Om0) == pytest.approx((0.674, 0.32), rel=1e-12)
    assert (schuldt.H0.value, schuldt.Om0) == (72.0, 0.32)
    with pytest.raises(UnknownNameError, match="planck18"):
        named_cosmology("planck")
    assert named_cosmology("Planck15").Om0 == 0.3075  # astropy's own names, too


@pytest.mark.parametrize("name", cosmology_names())
def test_interpolation_follows_astropy(name):
    ours, theirs = distances(name), named_cosmology(name)
    assert distances(name) is ours
    # Promised to 1e-6; measured 2e-9.
    assert_allclose(ours.comoving(Z), theirs.comoving_distance(Z).value, rtol=1e-7, atol=1e-12)
    assert_allclose(ours.angular_diameter(Z), theirs.angular_diameter_distance(Z).value, rtol=1e-7)
    z_1, z_2 = np.array([0.1, 0.5, 1.9, 0.0]), np.array([0.3, 2.0, 2.0, 6.0])
    between = theirs.angular_diameter_distance(z_1, z_2).value
    assert_allclose(ours.angular_diameter_between(z_1, z_2), between, rtol=1e-6)
    other = Distances(FlatLambdaCDM(H0=70, Om0=0.31))
    assert np.abs(other.comoving(2.0) / theirs.comoving_distance(2.0).value - 1) > 1e-3


def test_matter_only_universe_has_a_closed_form():
    ours = Distances(FlatLambdaCDM(H0=70.0, Om0=1.0, Tcmb0=0.0))
    exact = 2 * 299792.458 / 70.0 * (1 - 1 / np.sqrt(1 + Z))
    assert_allclose(ours.comoving(Z), exact, rtol=1e-8, atol=1e-10)


def test_einstein_radius_of_a_velocity_dispersion():
    # 4 pi (250 km/s / c)^2 = 1.80249" times D_ds / D_s.
    cosmology = named_cosmology("schuldt2021")
    ratio = (
        cosmology.angular_diameter_distance(0.5, 2.0) / cosmology.angular_diameter_distance(2.0)
    ).value
    assert_allclose(theta_E_sis(250.0, 0.5, 2.0, "schuldt2021"), 1.80249 * ratio, rtol=1e-5)
    sigma = np.array([150.0, 250.0, 400.0])
    theta_E = theta_E_sis(sigma, 0.5, 2.0)
    assert_allclose(theta_E / theta_E[0], (sigma / 150.0) ** 2, rtol=1e-12)
    assert_allclose(sigma_v_sis(theta_E, 0.5, 2.0), sigma, rtol=1e-12)


def test_source_in_front_of_the_lens_is_not_lensed():
    assert_allclose(theta_E_sis(250.0, [0.5, 0.5, 0.5], [0.4, 0.5, 0.6])[:2], 0.0, atol=0)
    assert theta_E_sis(250.0, 0.5, 0.6) > 0
    assert np.isinf(sigma_v_sis(1.0, 0.5, 0.4))
    with pytest.raises(SpecError, match="2 pairs"):
        distances("planck18").time_delay_distance([0.5, 0.5, 0.5], [0.4, 0.5, 0.6])


def test_time_delay_is_that_of_lenstronomy():
    lens_cosmo = pytest.importorskip("lenstronomy.Cosmo.lens_cosmo")
    theirs = lens_cosmo.LensCosmo(0.6, 1.8, cosmo=named_cosmology("schuldt2021"))
    ours = distances("schuldt2021")
    assert_allclose(ours.time_delay_distance(0.6, 1.8), theirs.ddt, rtol=1e-7)
    # lenstronomy's constants have eight digits.
    assert_allclose(
        time_delay(0.35, 0.6, 1.8, "schuldt2021"), theirs.time_delay_units(0.35), rtol=1e-6
    )
    assert abs(time_delay(0.35, 0.6, 1.8, "planck18") / theirs.time_delay_units(0.35) - 1) > 0.01


@pytest.mark.parametrize("z", [-0.1, 20.1, np.nan])
def test_redshifts_out_of_range_are_an_error(z):
    with pytest.raises(SpecError, match=r"Redshifts must lie in \[0, 20\]"):
        distances("planck18").comoving([0.5, z])


def test_curved_cosmology_is_an_error():
    with pytest.raises(SpecError, match="flat"):
        Distances(LambdaCDM(H0=70, Om0=0.3, Ode0=0.6))
