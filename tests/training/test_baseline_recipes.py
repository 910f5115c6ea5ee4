"""The residual networks of Madireddy et al. as recipes."""

import pytest

from lensfinder import zoo
from lensfinder.training.losses import make_loss
from lensfinder.training.network import network_arguments
from lensfinder.training.optimizers import make_optimizer
from lensfinder.training.recipe import load_recipe, recipe_names
from lensfinder.zoo.registry import check_arguments

DEPTHS = {"resnet50-detect": 50, "resnet101-model": 101, "resnet101-flipout-model": 101}
NAMES = recipe_names("baselines")


@pytest.mark.parametrize("name", NAMES)
def test_each_can_be_run_as_written(name):
    found = load_recipe(name)
    short = name.partition("/")[2]
    assert found.preset == f"{short}/lsst-gri-10yr"
    arguments = check_arguments(found.network.name, network_arguments(found))
    assert arguments.depth == DEPTHS[short]
    assert found.task in zoo.tasks(found.network.name)
    assert found.contract().shapes == {"lsst": (111, 111, 3)}
    make_optimizer(found)
    make_loss(found)


def test_seeds_differ_and_none_is_missing():
    assert {name.partition("/")[2] for name in NAMES} == set(DEPTHS)
    parts = [
        part.seed
        for recipe in map(load_recipe, NAMES)
        for part in (recipe.data, recipe.validation, recipe.test)
    ]
    assert len(set(parts)) == len(parts) == 9


def test_the_flipout_head_is_trained_with_a_likelihood():
    found = load_recipe("baselines/resnet101-flipout-model")
    assert found.loss.name == "gaussian_decoder"  # in nats, as its divergence is
    assert check_arguments(found.network.name, network_arguments(found)).temperature == 1
    assert found.data.plane == "S3"
