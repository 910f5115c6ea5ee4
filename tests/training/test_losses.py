"""Losses and the registry of losses."""

import keras
import numpy as np
import pytest
from scipy.stats import multivariate_normal
from tiny_training import recipe

from lensfinder.errors import RecipeError, UnknownNameError
from lensfinder.training.losses import (
    LOSSES,
    PosteriorLikelihood,
    ScaledMeanSquaredError,
    make_loss,
)
from lensfinder.zoo.layers.posterior_head import PosteriorHead, unpack


def test_scaled_mse_is_the_mse_of_targets_on_zero_to_ten(rng):
    low, high = np.array([0.0, -1, -1]), np.array([3.0, 1, 1])
    truth, guess = rng.uniform(low, high, (50, 3)), rng.uniform(low, high, (50, 3))
    scaled = [10 * (values - low) / (high - low) for values in (truth, guess)]
    loss = ScaledMeanSquaredError(low, high)(truth.astype("f4"), guess.astype("f4"))
    # float32 inputs of order 1, squared and averaged
    np.testing.assert_allclose(
        float(loss), np.mean((scaled[0] - scaled[1]) ** 2), rtol=1e-5, atol=0
    )
    assert abs(float(loss) / np.mean((truth - guess) ** 2) - 1) > 1


def test_weights_keep_the_size_of_the_loss_and_shift_its_care():
    truth = np.zeros((1, 2), "f4")
    plain, weighted = (ScaledMeanSquaredError([0, 0], [1, 1], weights=w) for w in (None, [5, 1]))
    both = np.full((1, 2), 0.1, "f4")
    np.testing.assert_allclose(float(plain(truth, both)), float(weighted(truth, both)), rtol=1e-6)
    first, second = np.array([[0.1, 0]], "f4"), np.array([[0, 0.1]], "f4")
    np.testing.assert_allclose(
        float(weighted(truth, first)), 5 * float(weighted(truth, second)), rtol=1e-6
    )


def test_weighted_mse_is_equation_6_of_schuldt_2021(tmp_path, rng):
    targets = [
        {"name": "e1", "low": -1, "high": 1, "unit": ""},
        {"name": "theta_E", "low": 0, "high": 5, "unit": "arcsec", "weight": 5},
    ]
    loss = make_loss(recipe(tmp_path, targets=targets, loss={"name": "weighted_mse"}))
    truth, guess = rng.normal(size=(2, 30, 2))
    weights = np.array([1, 5]) * 2 / 6  # they sum to the number of parameters, p = 2
    want = ((guess - truth) ** 2 * weights).sum() / (2 * 30)
    found = float(loss(truth.astype("f4"), guess.astype("f4")))
    np.testing.assert_allclose(found, want, rtol=1e-5)  # float32 numbers of order 1
    assert abs(found / (((guess - truth) ** 2).mean()) - 1) > 0.02  # not the plain mean


@pytest.mark.parametrize(
    "arguments",
    [
        {"low": [0], "high": [0]},
        {"low": [0], "high": [1], "weights": [-1]},
        {"low": [0], "high": [1], "weights": [np.nan]},
        {"low": [0, 0], "high": [1]},
    ],
)
def test_impossible_ranges_and_weights_are_refused(arguments):
    with pytest.raises(RecipeError):
        ScaledMeanSquaredError(**arguments)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_can_be_made_for_its_task(name, tmp_path):
    task = LOSSES[name][1][0]
    assert isinstance(
        make_loss(recipe(tmp_path, task=task, loss={"name": name})), keras.losses.Loss
    )


def test_the_likelihood_is_that_of_the_mixture_on_zero_to_ten(rng):
    low, high = np.array([0.0, -1, -1]), np.array([3.0, 1, 1])
    head = PosteriorHead(low, high, 2)
    answers = np.asarray(head(rng.normal(0, 1, (40, head.raw_size)).astype("f4")))
    truth = rng.uniform(low, high, (40, 3))
    unit = (high - low) / 10
    expected = []
    for row, true in zip(answers, truth, strict=True):
        weights, means, factors = (np.asarray(p, float)[0] for p in unpack(row[None], 3))
        density = sum(
            w * multivariate_normal(m / unit, f @ f.T / np.outer(unit, unit)).pdf(true / unit)
            for w, m, f in zip(weights, means, factors, strict=True)
        )
        expected.append((-np.log(density) - 1.5 * np.log(2 * np.pi)) / 3)
    alone, both = (PosteriorLikelihood(low, high, squared_error=w) for w in (0.0, 2.0))
    # float32 densities of three targets
    np.testing.assert_allclose(alone.call(truth, answers), expected, rtol=1e-4, atol=1e-4)
    errors = ScaledMeanSquaredError(low, high).call(truth.astype("f4"), answers[:, :3])
    np.testing.assert_allclose(
        both.call(truth, answers), np.add(expected, 2 * np.asarray(errors)), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("squared_error", [0.0, 1.0])
def test_the_likelihood_is_least_at_the_spread_that_is_there(squared_error, rng):
    low, high = (-5.0,), (5.0,)  # the 0-10 scale itself
    truth = rng.normal(0, 0.7, (4000, 1)).astype("f4")
    loss = PosteriorLikelihood(low, high, squared_error=squared_error)

    def at(mean, size):
        return float(loss(truth, np.tile(np.array([[mean, 1, mean, size]], "f4"), (4000, 1))))

    best = at(0, 0.7)
    # 4,000 numbers fix their mean to 0.011 and their spread to 0.008: all of these are far beyond
    assert best < min(at(0, 0.6), at(0, 0.82), at(0.1, 0.7), at(-0.1, 0.7))


def test_a_likelihood_of_values_alone_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="components: 1"):
        PosteriorLikelihood([0], [1])(np.zeros((2, 1), "f4"), np.zeros((2, 1), "f4"))
    with pytest.raises(RecipeError, match="weight >= 0"):
        make_loss(
            recipe(tmp_path, loss={"name": "posterior_nll", "arguments": {"squared_error": -1}})
        )
    targets = [{"name": "theta_E", "low": 0, "high": 2, "unit": "arcsec", "weight": 5}]
    with pytest.raises(RecipeError, match="by their spread"):
        make_loss(recipe(tmp_path, targets=targets, loss={"name": "posterior_nll"}))


def test_wrong_losses_are_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="binary_crossentropy"):
        make_loss(recipe(tmp_path, loss={"name": "hinge"}))
    with pytest.raises(RecipeError, match="for finder"):
        make_loss(recipe(tmp_path, loss={"name": "binary_crossentropy"}))
    given = {"name": "scaled_mse", "arguments": {"power": 2}}
    with pytest.raises(RecipeError, match="power"):
        make_loss(recipe(tmp_path, loss=given))
