"""What is drawn follows the population's file, before any criterion cuts it."""

import numpy as np
import pytest
from scipy import stats

from lensfinder.lensing.cosmology import theta_E_sis
from lensfinder.simulate.draw import STREAMS, Draws, draw_parameters
from lensfinder.simulate.galaxies import STREAMS_PER_GALAXY
from lensfinder.simulate.morphologies import NUMBERS, PARTS
from lensfinder.specs import load_population, load_survey

N = 20_000


@pytest.fixture(scope="module")
def columns():
    """Function that draws N objects of a population for euclid-vis, once each."""
    drawn = {}

    def draw(name):
        if name not in drawn:
            draws = Draws(3, np.arange(N), np.zeros(N, int))
            drawn[name] = draw_parameters(load_population(name), load_survey("euclid-vis"), draws)
        return drawn[name]

    return draw


def cut_normal(mean, sigma, low, high):
    return stats.truncnorm((low - mean) / sigma, (high - mean) / sigma, mean, sigma).cdf


# population, column, distribution function as the paper or the file says
CASES = {
    "Maresca theta_E": ("maresca2021", "theta_E", cut_normal(1.16, 0.42, 0.3, 2.5)),
    "Maresca q": ("maresca2021", "q", cut_normal(0.8, 0.16, 0.2, 1.0)),
    "Maresca q of the source": ("maresca2021", "src_q", stats.uniform(0.3, 0.7).cdf),
    "Pearson theta_E": ("pearson2019-train", "theta_E", stats.uniform(0.3, 2.2).cdf),
    "Pearson q": ("pearson2019-test", "q", cut_normal(0.78, 0.12, 0.2, 1.0)),
    "Pearson phi": ("pearson2019-test", "phi", stats.uniform(0, np.pi).cdf),
    "Pearson sigma_v": ("pearson2019-test", "sigma_v", cut_normal(250, 44, 100, 500)),
    "Pearson centre": ("pearson2019-test", "x_lens", stats.norm(0, 0.1).cdf),
    "Pearson z of the lens": ("pearson2019-test", "z_lens", stats.uniform(0.05, 1.95).cdf),
    "Madireddy theta_E": ("madireddy", "theta_E", stats.uniform(0.5, 2.5).cdf),
    "Madireddy phi": ("madireddy", "phi", stats.uniform(-np.pi / 2, np.pi).cdf),
}


@pytest.mark.parametrize("case", CASES)
def test_parameters_follow_the_file(columns, case):
    """Kolmogorov-Smirnov over 20,000; five percent of the spread further on is seen."""
    name, key, cdf = CASES[case]
    drawn = columns(name)[key]
    assert stats.kstest(drawn, cdf).pvalue > 1e-3
    assert stats.kstest(drawn + 0.05 * drawn.std(), cdf).pvalue < 1e-3


def test_sources_lie_behind_their_lenses(columns):
    """By the gap, and uniformly over what is left of their prior."""
    drawn = columns("pearson2019-test")
    gap = load_population("pearson2019-test").minimum_redshift_gap
    assert np.all(drawn["z_src"] > drawn["z_lens"] + gap - 1e-6)
    low = np.maximum(drawn["z_lens"] + gap, 0.15)
    share = (drawn["z_src"] - low) / (6.0 - low)
    assert stats.kstest(share, "uniform").pvalue > 1e-3
    assert stats.kstest(share**1.1, "uniform").pvalue < 1e-3


def test_the_einstein_radius_follows_the_dispersion(columns):
    drawn = columns("pearson2019-test")
    sis = theta_E_sis(drawn["sigma_v"], drawn["z_lens"], drawn["z_src"], "pearson2019")
    assert np.allclose(sis, drawn["theta_E"], rtol=1e-9)
    uniform = columns("pearson2019-train")
    back = theta_E_sis(uniform["sigma_v"], uniform["z_lens"], uniform["z_src"], "pearson2019")
    assert np.allclose(back, uniform["theta_E"], rtol=1e-6)


def test_mass_follows_light_with_the_scatter_of_the_paper(columns):
    """q_mass / q_light = N(1.02, 0.12) where neither is cut; 10 deg between the angles."""
    drawn = columns("pearson2019-test")
    offset = np.rad2deg(drawn["phi"] - drawn["lens_phi"])
    assert stats.kstest(offset, stats.norm(0, 10).cdf).pvalue > 1e-3
    assert stats.kstest(offset, stats.norm(0, 10.6).cdf).pvalue < 1e-3
    assert not drawn["light_independent"].any()
    middle = (drawn["q"] > 0.35) & (drawn["q"] < 0.6)  # cut neither at 0.2 nor at 1
    ratio = drawn["q"][middle] / drawn["lens_q"][middle]
    assert stats.kstest(ratio, cut_normal(1.02, 0.12, 0.6, 1.6)).pvalue > 1e-3


def test_some_masses_ignore_their_light_where_the_file_says_so(columns):
    rule = load_population("finder-train").lens_light.independent
    alone = columns("finder-train")["light_independent"]
    assert abs(alone.mean() - rule) <= 4 * np.sqrt(rule * (1 - rule) / N)


def test_positions_are_uniform_in_the_einstein_radius(columns):
    drawn = columns("maresca2021")
    radius = np.hypot(drawn["x_src"], drawn["y_src"]) / drawn["theta_E"]
    assert stats.kstest(radius**2, "uniform").pvalue > 1e-3
    assert stats.kstest(radius, "uniform").pvalue < 1e-3
    angle = np.arctan2(drawn["y_src"], drawn["x_src"])
    assert stats.kstest(angle, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", ["pearson2019-test", "finder-train", "madireddy"])
def test_classes_do_not_depend_on_the_attempt(name):
    """Rejection would eat the classes that are hard to accept."""
    population, survey = load_population(name), load_survey("euclid-vis")
    first, later = (
        draw_parameters(population, survey, Draws(3, np.arange(500), np.full(500, attempt)))
        for attempt in (0, 7)
    )
    assert np.array_equal(first["class"], later["class"])
    assert not set(first["theta_E"]) & set(later["theta_E"])


def test_an_object_is_drawn_alike_in_any_company():
    population, survey = load_population("bom2022"), load_survey("euclid-vis-nisp")
    many = draw_parameters(population, survey, Draws(3, np.arange(50), np.arange(50)))
    one = draw_parameters(population, survey, Draws(3, [17], [17]))
    for name, values in one.items():
        if values.dtype.kind == "f":  # another vector length may round differently
            np.testing.assert_allclose(values, many[name][17:18], rtol=1e-12, err_msg=name)
        else:
            assert np.array_equal(values, many[name][17:18]), name


def test_streams_never_meet():
    """A parameter's numbers are its own; one change of this table changes every mock."""
    blocks = {"lens": STREAMS_PER_GALAXY, "source": STREAMS_PER_GALAXY, "look_alike": 12}
    blocks |= {"stamp": 3, "neighbours": 50 * (STREAMS_PER_GALAXY + 4)}
    blocks |= {"look_alike_parts": (PARTS + 1) * NUMBERS}
    taken = [
        k for name, first in STREAMS.items() for k in range(first, first + blocks.get(name, 1))
    ]
    assert len(set(taken)) == len(taken)
    assert max(taken) < 1 << 16
    assert STREAMS["class"] == 0
    assert STREAMS["source"] == 60
    assert STREAMS["neighbours"] == 200
