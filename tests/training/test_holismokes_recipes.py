"""The recipes of Schuldt et al. 2021: what the paper says of its training."""

import numpy as np
import pytest

from lensfinder.specs import load_survey
from lensfinder.training.losses import make_loss
from lensfinder.training.optimizers import make_optimizer
from lensfinder.training.recipe import load_recipe
from lensfinder.zoo.holismokes import PAPER_TARGETS
from lensfinder.zoo.registry import check_arguments

NAMES = ("holismokes-hsc-griz", "shards/holismokes-hsc-griz")


@pytest.mark.parametrize("name", NAMES)
def test_network_loss_and_optimiser_are_the_papers(name):
    found = load_recipe(name)
    assert found.truth_columns == PAPER_TARGETS
    assert [target.weight for target in found.targets] == [1, 1, 1, 1, 5]
    optimizer = make_optimizer(found)
    assert (optimizer.momentum, optimizer.decay) == (0.9, 5e-4)
    assert make_loss(found).name == "weighted_mean_squared_error"
    assert found.schedule.kind == "constant"
    (group,) = found.contract().groups
    assert (group.shape, group.pixel_scale) == ((64, 64, 4), 0.168)
    assert group.bands == ("g", "r", "i", "z")
    check_arguments(found.network.name, dict(found.network.arguments))


@pytest.mark.parametrize("name", NAMES)
def test_pixels_are_brought_to_the_zero_point_of_the_papers_images(name):
    (group,) = load_survey("hsc-griz").groups
    points = np.array([band.zero_point for band in group.bands])
    divisor = load_recipe(name).network.arguments["divisor"]
    # written with four digits
    np.testing.assert_allclose(divisor, 10 ** (0.4 * (points - 27)), rtol=2e-4)


def test_the_stored_mocks_are_trained_on_as_in_table_1():
    found = load_recipe("shards/holismokes-hsc-griz")
    assert (found.schedule.learning_rate, found.batch_size, found.seed) == (5e-4, 64, 2)
    assert found.epochs == 300
    assert found.patience is None  # the mean curve needs all epochs of all folds
