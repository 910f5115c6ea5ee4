"""Priors against scipy's distributions or integrals of their densities."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pydantic import TypeAdapter, ValidationError
from scipy import integrate, stats

from lensfinder.specs.prior import Prior

N = 20_000


def prior(kind, unit="", **terms):
    data = {"prior": kind, "unit": unit, "source": "test", **terms}
    return TypeAdapter(Prior).validate_python(data)


def truncated(cdf, low, high):
    """Distribution function of what `cdf` leaves between two bounds."""
    below, above = cdf(low), cdf(high)
    return lambda x: np.clip((cdf(x) - below) / (above - below), 0, 1)


def integral(density, low, high):
    """Distribution function of a density, by Simpson's rule on 20,001 points."""
    x = np.linspace(low, high, 20_001)
    running = integrate.cumulative_simpson(density(x), x=x, initial=0.0)
    return lambda at: np.interp(at, x, running / running[-1])


def schechter(magnitude, m_star=-21.2, alpha=-1.1):
    """Schechter (1976), equation 1, per magnitude."""
    luminosity = 10 ** (-0.4 * (magnitude - m_star))
    return luminosity ** (alpha + 1) * np.exp(-luminosity)


# prior, its distribution function, bounds
CASES = {
    "uniform": (prior("uniform", low=-2, high=3), stats.uniform(-2, 5).cdf, -2, 3),
    "log_uniform": (
        prior("log_uniform", low=0.1, high=30),
        stats.loguniform(0.1, 30).cdf,
        0.1,
        30,
    ),
    "normal": (prior("normal", mean=1, sigma=2), stats.norm(1, 2).cdf, -np.inf, np.inf),
    "cut normal": (
        prior("normal", mean=0.78, sigma=0.12, low=0.6, high=1.0),
        stats.truncnorm(-1.5, (1 - 0.78) / 0.12, 0.78, 0.12).cdf,
        0.6,
        1.0,
    ),
    "log_normal": (
        prior("log_normal", median=4, dex=0.2),
        stats.lognorm(0.2 * np.log(10), scale=4).cdf,
        0,
        np.inf,
    ),
    "cut log_normal": (
        prior("log_normal", median=4, dex=0.2, low=3, high=7),
        truncated(stats.lognorm(0.2 * np.log(10), scale=4).cdf, 3, 7),
        3,
        7,
    ),
    "exponential": (prior("exponential", scale=0.15), stats.expon(scale=0.15).cdf, 0, np.inf),
    "cut exponential": (
        prior("exponential", scale=0.15, low=0.02, high=0.3),
        truncated(stats.expon(scale=0.15).cdf, 0.02, 0.3),
        0.02,
        0.3,
    ),
    "exgaussian": (
        prior("exgaussian", mean=0.71, sigma=0.97, scale=0.723),
        stats.exponnorm(0.723 / 0.97, 0.71, 0.97).cdf,
        -np.inf,
        np.inf,
    ),
    "cut exgaussian": (
        prior("exgaussian", mean=0.71, sigma=0.97, scale=0.723, low=0.5, high=6),
        truncated(stats.exponnorm(0.723 / 0.97, 0.71, 0.97).cdf, 0.5, 6),
        0.5,
        6,
    ),
    "power_of_ten": (
        prior("power_of_ten", slope=0.3, low=20, high=25),
        integral(lambda m: 10 ** (0.3 * m), 20, 25),
        20,
        25,
    ),
    "schechter": (
        prior("schechter", m_star=-21.2, alpha=-1.1, low=-24.5, high=-19),
        integral(schechter, -24.5, -19),
        -24.5,
        -19,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_draws_follow_the_distribution(case, rng):
    """Kolmogorov-Smirnov over 20,000 draws; the same test sees a shift of a tenth of the spread."""
    found, cdf, low, high = CASES[case]
    drawn = found.draw(rng.uniform(size=N))
    assert drawn.min() >= low
    assert drawn.max() <= high
    assert stats.kstest(drawn, cdf).pvalue > 1e-3
    assert stats.kstest(drawn + 0.1 * drawn.std(), cdf).pvalue < 1e-6


@pytest.mark.parametrize("case", CASES)
def test_quantiles_invert_the_distribution_function(case):
    """To 2e-4: the finest of the tables has 4,001 points."""
    found, cdf, _, _ = CASES[case]
    u = np.linspace(0.001, 0.999, 999)
    values = found.draw(u)
    assert np.all(np.diff(values) > 0)
    assert_allclose(cdf(values), u, atol=2e-4)


@pytest.mark.parametrize("case", CASES)
def test_the_ends_are_finite(case):
    """The smallest and largest of the uniform numbers that `random.uniforms` gives."""
    found, _, low, high = CASES[case]
    ends = found.draw(np.array([2.0**-54, 1 - 2.0**-53]))
    assert np.all(np.isfinite(ends))
    assert low <= ends[0] < ends[1] <= high


def test_a_choice_keeps_its_weights(rng):
    found = prior("choice", values=[1, 2, 5], weights=[1, 2, 1])
    drawn = found.draw(rng.uniform(size=N))
    assert set(drawn) == {1, 2, 5}
    sigma = np.sqrt(N * 0.5 * 0.5)
    assert abs(np.sum(drawn == 2) - N / 2) < 4 * sigma
    assert abs(np.sum(drawn == 2) - N / 3) > 4 * sigma  # equal weights would be seen
    assert list(found.draw(np.array([0.0, 1.0]))) == [1, 5]


def test_a_constant_is_constant():
    assert list(prior("constant", value=3).draw(np.array([0.1, 0.9]))) == [3, 3]


def test_units_are_converted():
    angle = prior("uniform", "deg", low=0, high=180)
    assert_allclose(angle.draw(np.array([0.5]), "rad"), np.pi / 2)
    assert_allclose(angle.draw(np.array([0.5])), 90)
    centre = prior("normal", "pixel", mean=0, sigma=1)
    u = np.array([0.1, 0.7])
    assert_allclose(centre.draw(u, "arcsec", pixel=0.2), 0.2 * centre.draw(u))


def test_every_prior_is_tested():
    kinds = {case.split()[-1] for case in CASES} | {"constant", "choice"}
    union = Prior.__args__[0].__args__
    assert kinds == {model.model_fields["prior"].annotation.__args__[0] for model in union}


@pytest.mark.parametrize(
    ("kind", "terms"),
    [
        ("uniform", {"low": 1, "high": 1}),
        ("uniform", {"low": 2, "high": 1}),
        ("uniform", {"low": float("nan"), "high": 1}),
        ("uniform", {"low": 0, "high": float("inf")}),
        ("log_uniform", {"low": 0, "high": 1}),
        ("normal", {"mean": 0, "sigma": 0}),
        ("normal", {"mean": 0, "sigma": 1, "low": 50}),
        ("normal", {"mean": 0, "sigma": 1, "low": float("nan")}),
        ("log_normal", {"median": -1, "dex": 0.1}),
        ("exponential", {"scale": 1, "high": -1}),
        ("power_of_ten", {"slope": 0, "low": 20, "high": 25}),
        ("choice", {"values": [1, 2], "weights": [1]}),
        ("choice", {"values": [1], "weights": [0]}),
        ("choice", {"values": [], "weights": []}),
        ("constant", {"value": 1, "colour": "red"}),
    ],
)
def test_a_prior_that_cannot_be(kind, terms):
    with pytest.raises(ValidationError):
        prior(kind, **terms)
