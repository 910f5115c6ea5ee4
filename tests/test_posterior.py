"""Posteriors as numbers and as a distribution: against closed forms, draws and each other."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal, norm

from lensfinder.errors import ArgumentError, PresetError
from lensfinder.lensing.shape_draws import near_angle, shape_spreads
from lensfinder.posterior import QUANTILES, Posterior, has_posterior, spread_names

TARGETS = ("theta_E", "e1", "e2")


def answers(rng, rows=5, components=3, count=3):
    """Answers of a posterior head with Gaussians that differ."""
    lower = np.tril_indices(count)
    factor = np.tril(rng.normal(0, 0.1, (rows, components, count, count)), -1)
    factor += np.eye(count) * rng.uniform(0.02, 0.2, (rows, components, count, 1))
    mean = rng.normal(0.2, 0.15, (rows, components, count))
    weight = rng.dirichlet(np.ones(components), rows)
    parts = np.concatenate([weight[..., None], mean, factor[..., lower[0], lower[1]]], axis=-1)
    middle = np.einsum("nk,nkp->np", weight, mean)
    return np.concatenate([middle, parts.reshape(rows, -1)], axis=1)


def densities(posterior, row):
    """Weights and Gaussians of a row, by scipy."""
    return [
        (w[row], multivariate_normal(m[row], f[row] @ f[row].T))
        for w, m, f in zip(posterior.weights, posterior.means, posterior.factors, strict=True)
    ]


def test_one_gaussian_has_the_quantiles_of_the_textbook(rng):
    posterior = Posterior.of(answers(rng, components=1), TARGETS)
    std = np.linalg.norm(posterior.factors[0], axis=-1)
    assert_allclose(posterior.std(), std, rtol=1e-12)
    expected = posterior.mean() + norm.ppf(QUANTILES)[:, None, None] * std
    assert_allclose(posterior.quantiles(), expected, rtol=0, atol=1e-12)
    assert_allclose(posterior.cdf(posterior.mean() + std), norm.cdf(1), rtol=1e-12)


def test_a_mixture_has_the_density_moments_and_quantiles_of_its_draws(rng):
    given = answers(rng)
    posterior = Posterior.of(given, TARGETS)
    assert_allclose(posterior.mean(), given[:, :3], rtol=1e-12)
    at = rng.normal(0.2, 0.2, (5, 3))
    expected = [
        np.log(sum(w * gaussian.pdf(at[row]) for w, gaussian in densities(posterior, row)))
        for row in range(5)
    ]
    assert_allclose(posterior.log_prob(at), expected, rtol=1e-9)
    for level, values in zip(QUANTILES, posterior.quantiles(), strict=True):
        assert_allclose(posterior.cdf(values), level, rtol=0, atol=1e-4)
    drawn = posterior.sample(40_000, rng=rng)
    # errors of 40,000 draws: mean 0.5 %, spread 0.4 % of a spread below 0.5; six of them
    assert_allclose(drawn.mean(axis=0), posterior.mean(), rtol=0, atol=0.015)
    assert_allclose(drawn.std(axis=0), posterior.std(), rtol=0.03)
    for i in range(5):
        assert_allclose(np.cov(drawn[:, i].T), posterior.covariance()[i], rtol=0, atol=0.006)
    below = (drawn < at).mean(axis=0)
    assert_allclose(below, posterior.cdf(at), rtol=0, atol=0.015)


def test_an_ensemble_is_wider_where_its_members_disagree(rng):
    members = [Posterior.of(answers(rng, components=1), TARGETS) for _ in range(4)]
    whole = Posterior.mixture(members)
    means = np.stack([member.mean() for member in members])
    assert_allclose(whole.mean(), means.mean(axis=0), rtol=1e-12)
    inner = np.mean([member.std() ** 2 for member in members], axis=0)
    assert_allclose(whole.std() ** 2, inner + means.var(axis=0), rtol=1e-10)
    assert (whole.std() ** 2 > inner).all()
    first = Posterior.mixture(members, weights=[1, 1e-12, 1e-12, 1e-12])
    assert_allclose(first.mean(), members[0].mean(), rtol=0, atol=1e-9)
    with pytest.raises(ArgumentError, match="weight > 0"):
        Posterior.mixture(members, weights=[1, 1, 1, 0])
    with pytest.raises(ArgumentError, match="same targets"):
        Posterior.mixture([members[0], members[1].rows(slice(0, 2))])


def test_parts_of_a_posterior(rng):
    posterior = Posterior.of(answers(rng), TARGETS)
    some = posterior.marginal(("e2", "theta_E"))
    assert_allclose(some.covariance(), posterior.covariance()[:, [2, 0]][:, :, [2, 0]], rtol=1e-9)
    at = rng.normal(0.2, 0.2, (5, 3))
    assert_allclose(some.cdf(at[:, [2, 0]]), posterior.cdf(at)[:, [2, 0]], rtol=1e-9)
    few = posterior.rows(np.array([3, 1]))
    assert len(few) == 2
    assert_allclose(few.std(), posterior.std()[[3, 1]])
    wide = posterior.stretched([2, 1, 0.5])
    assert_allclose(wide.mean(), posterior.mean(), rtol=0, atol=1e-12)
    assert_allclose(wide.std(), posterior.std() * [2, 1, 0.5], rtol=1e-12)


def test_each_lens_may_be_stretched_by_factors_of_its_own(rng):
    posterior = Posterior.of(answers(rng), TARGETS)
    factors = rng.uniform(0.5, 2, (len(posterior), 3))
    found = posterior.stretched(factors)
    assert_allclose(found.mean(), posterior.mean(), rtol=0, atol=1e-12)
    assert_allclose(found.std(), posterior.std() * factors, rtol=1e-12)
    for i in (0, 3):
        alone = posterior.rows([i]).stretched(factors[i])
        assert_allclose(found.rows([i]).covariance(), alone.covariance(), rtol=1e-12)
    for shape in ((len(posterior) + 1, 3), (len(posterior),), ()):
        with pytest.raises(ArgumentError, match="one for each"):
            posterior.stretched(np.ones(shape))


def test_columns_name_every_parameter_and_know_no_neighbours(rng):
    given = answers(rng, rows=700)
    given[5] = np.nan
    columns = Posterior.of(given, TARGETS).columns()
    assert tuple(columns) == spread_names(TARGETS)
    assert {column.dtype for column in columns.values()} == {np.dtype("f4")}
    assert all(np.isnan(column[5]) for column in columns.values())
    assert all(np.isfinite(np.delete(column, 5)).all() for column in columns.values())
    alone = Posterior.of(given[[650]], TARGETS).columns()
    for name, column in columns.items():
        assert alone[name][0] == column[650], name
    assert spread_names(("theta_E",)) == tuple(f"theta_E_{e}" for e in ("std", "p16", "p50", "p84"))


def test_axis_ratio_and_angle_follow_the_draws(rng):
    posterior = Posterior.of(answers(rng, rows=3), TARGETS)
    columns = posterior.columns()
    drawn = posterior.sample(20_000, rng=rng)
    found = shape_spreads(drawn[..., 1], drawn[..., 2], QUANTILES)
    for name in ("q", "phi"):
        # 512 draws fix a quantile to a fifteenth of the spread where there is much probability
        for place, ending in enumerate(("std", "p16", "p50", "p84")):
            error = np.abs(columns[f"{name}_{ending}"] - found[name][place])
            assert (error < 0.25 * found[name][0]).all(), (name, ending)


def test_angles_go_round():
    turn = np.linspace(-0.1, 0.1, 201)[:, None] + np.array([0.0, np.pi / 2, -np.pi / 2])
    found = shape_spreads(0.4 * np.cos(2 * turn), 0.4 * np.sin(2 * turn), QUANTILES)
    assert_allclose(found["phi"][0], 0.2 / np.sqrt(12), rtol=0.02)
    width = found["phi"][3] - found["phi"][1]
    assert_allclose(width, 0.2 * 0.68, rtol=1e-3)
    # an arithmetic mean of angles that jump by pi would be wide of the mark
    assert (
        np.abs(np.mod(found["phi"][2] - [0, np.pi / 2, np.pi / 2] + 0.5, np.pi) - 0.5) < 1e-3
    ).all()
    assert_allclose(found["q"][2], np.sqrt(0.6 / 1.4), rtol=1e-9)
    none = shape_spreads(np.full((50, 1), 2.0), np.zeros((50, 1)), QUANTILES)
    assert np.isnan(none["q"]).all()


def test_quantiles_of_an_angle_lie_beside_the_angle_of_the_mean(rng):
    # lenses whose angle is next to +-90 degrees on either side; the second Gaussian lies across
    rows = 400
    given = answers(rng, rows=rows, components=2)
    posterior = Posterior.of(given, TARGETS)
    angles = np.pi / 2 + rng.uniform(-0.05, 0.05, rows)
    for k, turn in ((0, angles), (1, -angles)):
        posterior.means[k, :, 1:] = 0.4 * np.stack([np.cos(2 * turn), np.sin(2 * turn)], axis=1)
    posterior = Posterior(TARGETS, posterior.weights, posterior.means, 0.1 * posterior.factors)
    columns, mean = posterior.columns(), posterior.mean()
    phi = 0.5 * np.arctan2(mean[:, 2], mean[:, 1])
    p16, p50, p84 = (columns[f"phi_{name}"] for name in ("p16", "p50", "p84"))
    assert ((p16 <= p50) & (p50 <= p84)).all()
    assert (np.abs(p50 - phi) < 0.2).all()  # rad; half a turn is 3.1
    assert (np.abs(phi) > 1.4).all(), "the angles are where they jump"
    assert ((p16 < -np.pi / 2) | (p84 > np.pi / 2)).any()


def test_angles_are_turned_by_half_turns_alone():
    lines = np.array([[1.5, -1.6, np.nan, 0.1], [1.6, -1.5, np.nan, 0.2], [1.7, -1.4, np.nan, 0.3]])
    turned = near_angle(lines, np.array([-1.55, 1.55, 0.0, np.nan]))
    assert_allclose(turned[:, :2], lines[:, :2] + np.array([-np.pi, np.pi]), rtol=1e-12)
    assert np.isnan(turned[:, 2]).all()
    assert_allclose(turned[:, 3], lines[:, 3], rtol=1e-12)


def test_answers_without_a_posterior_are_told_apart(rng):
    assert not has_posterior(np.zeros((4, 3)), TARGETS)
    assert has_posterior(answers(rng), TARGETS)
    with pytest.raises(PresetError, match="components"):
        Posterior.of(np.zeros((4, 3)), TARGETS)


def test_the_distribution_is_the_same_in_tensorflow_probability(rng):
    for components in (1, 3):
        posterior = Posterior.of(answers(rng, components=components), TARGETS)
        same = posterior.distribution()
        at = rng.normal(0.2, 0.2, (5, 3))
        assert same.batch_shape == (5,)
        assert same.event_shape == (3,)
        assert_allclose(same.log_prob(at), posterior.log_prob(at), rtol=0, atol=1e-9)
        assert_allclose(same.mean(), posterior.mean(), rtol=0, atol=1e-12)
        assert_allclose(same.stddev(), posterior.std(), rtol=1e-9)
