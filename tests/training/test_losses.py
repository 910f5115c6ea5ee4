"""Losses and the registry of losses."""

import keras
import numpy as np
import pytest
from tiny_training import recipe

from lensfinder.errors import RecipeError, UnknownNameError
from lensfinder.training.losses import LOSSES, ScaledMeanSquaredError, make_loss


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


def test_wrong_losses_are_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="binary_crossentropy"):
        make_loss(recipe(tmp_path, loss={"name": "hinge"}))
    with pytest.raises(RecipeError, match="for finder"):
        make_loss(recipe(tmp_path, loss={"name": "binary_crossentropy"}))
    given = {"name": "scaled_mse", "arguments": {"power": 2}}
    with pytest.raises(RecipeError, match="power"):
        make_loss(recipe(tmp_path, loss=given))
