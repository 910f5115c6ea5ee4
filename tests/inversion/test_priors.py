"""Priors of the mass: what they draw, where they come from, and what they refuse."""

import numpy as np
import pytest
from astropy.table import Table
from pydantic import ValidationError
from scipy import special, stats

from lensfinder.errors import ArgumentError, SpecError
from lensfinder.inversion import MassPrior
from lensfinder.lensing.ellipticity import Ellipticity
from lensfinder.specs.prior import Normal

MIDDLE = np.zeros(5)


def test_the_shear_is_fixed_unless_asked_for():
    assert MassPrior().free == ("theta_E", "e1", "e2", "x", "y")
    sheared = MassPrior().sheared()
    assert sheared.free == ("theta_E", "e1", "e2", "x", "y", "gamma1", "gamma2")
    assert sheared.sheared() == sheared
    assert MassPrior().fixed(x=0.1, y=0.0, e1=0, e2=0).free == ("theta_E",)


def test_the_slope_is_fixed_unless_asked_for(tmp_path):
    assert MassPrior().mass(MIDDLE).isothermal
    free = MassPrior().power_law()
    assert free.free == (*MassPrior().free, "slope")
    assert free.power_law(sigma=0.5) == free
    assert free.mass([*MIDDLE, 1.0]).slope == pytest.approx(2.2, abs=1e-3)
    path = tmp_path / "prior.yaml"
    path.write_text("slope: {prior: uniform, low: 1.8, high: 2.2, unit: '', source: a test}\n")
    assert MassPrior.from_yaml(path).mass([*MIDDLE, 0.0]).slope == pytest.approx(2.0)
    assert MassPrior().fixed(slope=3.0).mass(MIDDLE) is None, "no lens has such a slope"
    table = {name: [0.1] for name in ("e1", "e1_std", "e2", "e2_std", "theta_E_std", "slope_std")}
    (found,) = MassPrior.from_table(Table(table | {"theta_E": [1.0], "slope": [2.1]}))
    assert found.mass(np.zeros(6)).slope == pytest.approx(2.1, abs=1e-3)


def test_normal_numbers_become_draws_of_each_prior(rng):
    prior = MassPrior().uniform("theta_E", 0.5, 1.5)
    drawn = prior.values(rng.standard_normal((10_000, 5)))
    # Kolmogorov-Smirnov; with this seed a right answer gives p = 0.1 and more.
    assert stats.kstest(drawn["theta_E"], stats.uniform(0.5, 1.0).cdf).pvalue > 1e-3
    assert stats.kstest(drawn["x"], stats.norm(0, 0.1).cdf).pvalue > 1e-3
    assert stats.kstest(drawn["x"], stats.norm(0, 0.11).cdf).pvalue < 1e-3, "10 % are seen"
    assert np.abs(drawn["e1"]).max() <= 0.7
    assert not drawn["gamma1"].any()


def test_a_point_becomes_a_mass_model():
    prior = MassPrior().uniform("theta_E", 1.0, 2.0)
    mass = prior.mass([special.ndtri(0.25), 0.4, -0.8, 1.0, -2.0])
    values = prior.values([special.ndtri(0.25), 0.4, -0.8, 1.0, -2.0])
    assert mass.theta_E == pytest.approx(1.25, rel=1e-12)
    assert (mass.x, mass.y) == pytest.approx((0.1, -0.2), rel=1e-9)
    shape = Ellipticity.from_axis_ratio(mass.q, mass.phi)
    assert (shape.e1, shape.e2) == pytest.approx((values["e1"], values["e2"]), rel=1e-9)


def test_a_point_that_no_lens_can_have_is_none():
    wide = dict(prior="normal", mean=0.0, sigma=0.5, unit="", source="test")
    prior = MassPrior().replaced("e1", Normal(**wide)).replaced("e2", Normal(**wide))
    assert prior.mass([0.0, 2.0, 2.0, 0.0, 0.0]) is None
    assert prior.mass(MIDDLE) is not None


def test_yaml_sets_what_it_names(tmp_path):
    path = tmp_path / "prior.yaml"
    path.write_text(
        "theta_E: {prior: uniform, low: 500, high: 1500, unit: marcsec, source: a test}\n"
        "gamma1: {prior: constant, value: 0.02, unit: '', source: a test}\n"
    )
    prior = MassPrior.from_yaml(path)
    assert prior.values(MIDDLE)["theta_E"] == pytest.approx(1.0)
    assert prior.values(MIDDLE)["gamma1"] == 0.02
    assert prior.e1 == MassPrior().e1


@pytest.mark.parametrize(
    "line",
    [
        "theta: {prior: uniform, low: 1, high: 2, unit: arcsec, source: a test}",
        "theta_E: {prior: uniform, low: 2, high: 1, unit: arcsec, source: a test}",
        "theta_E: {prior: uniform, low: 1, high: 2, unit: kg, source: a test}",
        "theta_E: {prior: choice, values: [1], weights: [1], unit: arcsec, source: a test}",
        "theta_E: {prior: normal, mean: .nan, sigma: 1, unit: arcsec, source: a test}",
    ],
)
def test_a_bad_file_is_refused(tmp_path, line):
    path = tmp_path / "prior.yaml"
    path.write_text(line + "\n")
    with pytest.raises(SpecError, match=r"prior\.yaml"):
        MassPrior.from_yaml(path)


def test_a_network_s_row_becomes_a_prior():
    table = Table(
        {
            "id": ["a", "b", "c"],
            "theta_E": [1.2, 0.9, np.nan],
            "theta_E_std": [0.05, 0.1, 0.1],
            "e1": [0.1, 0.0, 0.0],
            "e1_std": [0.02] * 3,
            "e2": [-0.2, 0.0, 0.0],
            "e2_std": [0.03] * 3,
            "status": ["ok", "nan_pixels", "ok"],
        }
    )
    first, *bad = MassPrior.from_table(table)
    assert bad == [None, None], "rows without usable numbers"
    drawn = first.values(np.array([[0.0] * 5, [1.0] * 5]))
    # The cut at zero is 24 sigma away, so quantiles are those of the Gaussian.
    assert drawn["theta_E"] == pytest.approx([1.2, 1.25], rel=1e-9)
    assert drawn["e1"] == pytest.approx([0.1, 0.12], rel=1e-9)
    assert drawn["e2"] == pytest.approx([-0.2, -0.17], rel=1e-9)
    assert drawn["x"] == pytest.approx([0.0, 0.1]), "wide where the table is silent"
    (wider, *_) = MassPrior.from_table(table, widen=2.0)
    assert wider.theta_E.sigma == pytest.approx(0.1)


def test_a_table_without_errors_needs_them_given():
    table = Table({"id": ["a"], "theta_E": [1.2], "e1": [0.1], "e2": [0.0]})
    with pytest.raises(ArgumentError, match="theta_E_std"):
        MassPrior.from_table(table)
    (prior,) = MassPrior.from_table(table, sigma={"theta_E": 0.1, "e1": 0.1, "e2": 0.1})
    assert prior.theta_E.sigma == 0.1
    with pytest.raises(ArgumentError, match="positive factor"):
        MassPrior.from_table(table, sigma={"theta_E": 0.1, "e1": 0.1, "e2": 0.1}, widen=0)


def test_unknown_parameters_are_refused():
    with pytest.raises(ArgumentError, match="theta_E, e1"):
        MassPrior().uniform("q", 0.5, 1)
    with pytest.raises(ArgumentError, match="theta_E, e1"):
        MassPrior().fixed(kappa=0.1)
    with pytest.raises(ValidationError):
        MassPrior(q=MassPrior().e1)
