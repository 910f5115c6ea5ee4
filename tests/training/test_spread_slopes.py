"""Factors that go with the answer: recovered, left out where constants do, never upside down."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lensfinder.posterior import Posterior
from lensfinder.training.coverage import coverage_in_bins
from lensfinder.training.spread_calibration import fit_spread
from lensfinder.training.spread_slopes import STEEPEST, fit_slopes, needed_factors

TARGETS = ("theta_E", "e1", "e2")
PIVOT = 0.3


def said_and_true(rng, lenses=3000, slope=0.0, factors=(0.7, 1.0, 1.5)):
    """Mixtures that say ``factor * (right spread / 0.3)^slope`` times their right spread."""
    means = rng.normal(0, 0.1, (2, lenses, 3)) + rng.normal(0, 1, (1, lenses, 3))
    size = np.exp(rng.normal(0, 0.5, (1, lenses, 1, 1)))
    sizes = np.eye(3) * rng.uniform(0.05, 0.3, (2, lenses, 3, 1)) * size
    right = Posterior(TARGETS, np.tile([[0.3], [0.7]], (1, lenses)), means, sizes)
    truth = right.sample(1, rng=rng)[0]
    return right.stretched(np.array(factors) * (right.std() / PIVOT) ** slope), truth


def groups_of(posterior):
    return np.arange(len(posterior)) % 2


def flatness(posterior, truth):
    """The largest departure from 68 % in five bins of the spread of each target."""
    worst = []
    for k, name in enumerate(posterior.targets):
        bins = coverage_in_bins(posterior, truth, posterior.std()[:, k])
        worst.append(max(abs(line["parameters"][name]["coverage"] - 0.68) for line in bins))
    return np.array(worst)


@pytest.mark.parametrize("slope", [-0.4, 0.5])
def test_a_slope_that_was_done_is_undone(rng, slope):
    said, truth = said_and_true(rng, slope=slope)
    found = fit_spread(said, truth, groups=groups_of(said))
    own = np.diag(np.array(found.slopes.weights)[:, :3])
    # said = c right^(1 + slope), so right goes as said^(1 / (1 + slope)), and the factor as what is
    # left of it; fits of 4,000 lenses found 0.64 to 0.68 of 0.67, and -0.30 to -0.32 of -0.33
    assert_allclose(own, -slope / (1 + slope), rtol=0, atol=0.12)
    after = said.stretched(found.factors(said.mean(), said.std()))
    constant = said.stretched(fit_spread(said, truth).scales)
    # 600 lenses in a bin: 0.019, and the worst of fifteen
    assert (flatness(after, truth) < 0.07).all()
    assert (flatness(constant, truth) > 0.09).all(), "the control: a constant leaves it"


def test_a_slope_that_is_not_needed_is_not_kept(rng):
    said, truth = said_and_true(rng)
    assert fit_slopes(said, truth, groups_of(said)) is None
    plain, asked = (fit_spread(said, truth, groups=g) for g in (None, groups_of(said)))
    assert asked.slopes is None
    assert asked.scales == plain.scales


def test_slopes_must_win_in_every_population(rng):
    """The second population needs none, and less of it is lost than the first one wins."""
    parts = [said_and_true(rng, 2000, slope=slope) for slope in (0.6, -0.25)]
    both = Posterior(
        TARGETS,
        *(
            np.concatenate([getattr(said, name) for said, _ in parts], axis=1)
            for name in ("weights", "means", "factors")
        ),
    )
    truth = np.concatenate([true for _, true in parts])
    assert fit_slopes(both, truth, np.zeros(4000)) is not None
    assert fit_slopes(both, truth, np.repeat([0, 1], 2000)) is None


def test_a_wider_spread_stays_wider(rng):
    """Spreads that say nothing of the errors: a free fit makes them equal, or turns them round."""
    said, truth = said_and_true(rng)
    mixed = Posterior(
        TARGETS, said.weights, said.means, said.factors[:, rng.permutation(len(said))]
    )
    found = fit_slopes(mixed, truth, np.zeros(len(mixed)))
    own = np.diag(np.array(found.weights)[:, :3])
    assert (own >= STEEPEST - 1e-9).all()
    assert (own < -0.3).all(), "the sample is one that pulls down"
    std = np.exp(np.linspace(-9, 3, 200))
    for k in range(3):
        all_stds = np.tile(mixed.std().mean(axis=0), (200, 1))
        all_stds[:, k] = std
        factors = np.exp(found.log_factors(np.zeros((200, 3)), all_stds))[:, k]
        assert (np.diff(std * factors) > 0).all()
        assert factors[0] == factors[1], "beyond the sample the factor stays what it is"


def test_limits_are_those_of_the_first_population(rng):
    said, truth = said_and_true(rng, 1000)
    wide = np.repeat([1.0, 3.0], 500)[:, None] * np.ones(3)
    said, truth = said.stretched(wide), said.mean() + wide * (truth - said.mean())
    found = fit_spread(said, truth, groups=np.repeat(["validation", "wider"], 500))
    beyond = said.stretched(found.factors(said.mean(), said.std())).std() > found.limits
    assert_allclose(beyond[:500].mean(axis=0), 0.01, rtol=0, atol=0.003)
    assert (beyond[500:].mean(axis=0) > 0.1).all()


def test_what_is_needed_puts_the_end_of_the_interval_on_the_truth(rng):
    said, truth = said_and_true(rng, 200)
    for level, needed in zip((0.5, 0.9), needed_factors(said, truth, (0.5, 0.9)), strict=True):
        held = np.abs(said.stretched(np.exp(needed)).cdf(truth) - 0.5)
        assert_allclose(held, level / 2, rtol=0, atol=1e-4)  # quantiles by bisection
