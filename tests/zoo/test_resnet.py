"""Residual networks, and draws of the weights of the one with a DenseFlipout head."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from toys import contract, images

from lensfinder import zoo
from lensfinder.errors import ArchitectureError, ArgumentError, StampShapeError
from lensfinder.zoo.resnet import BLOCKS, residual_part

SMALL = contract(vis=("VI", 32))
TINY = {"depth": 8, "width": 4, "scaling": "none"}


def part(depth, bands=3, side=32):
    inputs = keras.Input((side, side, bands), name="x")
    return keras.Model(inputs, residual_part(inputs, "", BLOCKS[depth]))


def reference(depth, bands=3, side=32):
    make = getattr(keras.applications, f"ResNet{depth}")
    return make(include_top=False, weights=None, input_shape=(side, side, bands), pooling="avg")


def compare(depth):
    ours, theirs = part(depth), reference(depth)
    assert ours.count_params() == theirs.count_params()
    keras.utils.set_random_seed(2)
    for layer in theirs.layers:  # the same names, so weights can be carried over one by one
        # kernels are random already; biases and batch norms start alike
        shift = [np.random.uniform(0, 0.01, w.shape) * (w.ndim == 1) for w in layer.get_weights()]
        weights = [w + s for w, s in zip(layer.get_weights(), shift, strict=True)]
        layer.set_weights(weights)
        if weights:
            ours.get_layer(layer.name).set_weights(weights)
    x = np.random.default_rng(1).normal(size=(2, 32, 32, 3)).astype(np.float32)
    a, b = (np.asarray(model(x, training=False)) for model in (ours, theirs))
    assert np.abs(b).max() > 0
    assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(b).max())  # the same operations, float32


@pytest.mark.slow
@pytest.mark.parametrize("depth", [50, 101])
def test_the_network_is_that_of_keras_applications(depth):
    compare(depth)


def test_parameter_counts_of_keras_applications():
    # measured on keras.applications.ResNet50, ResNet101 without top; the slow test above compares
    assert [parameters(depth) for depth in (50, 101)] == [23_587_712, 42_658_176]
    assert parameters(8, width=4, bands=2) == residual_model_parameters()


def parameters(depth, width=64, bands=3):
    """Parameters from the plan alone: three convolutions with batch norm per block."""

    def conv(kernel, inputs, filters):
        return kernel**2 * inputs * filters + filters + 4 * filters

    total, channels = conv(7, bands, width), width
    for stage, count in enumerate(BLOCKS[depth]):
        filters = width * 2**stage
        total += conv(1, channels, 4 * filters)  # the shortcut of the first block
        for _ in range(count):
            total += conv(1, channels, filters) + conv(3, filters, filters)
            total += conv(1, filters, 4 * filters)
            channels = 4 * filters
    return total


def residual_model_parameters():
    inputs = keras.Input((32, 32, 2), name="x")
    return keras.Model(inputs, residual_part(inputs, "", BLOCKS[8], 4)).count_params()


@pytest.fixture(scope="module")
def modeller():
    keras.utils.set_random_seed(4)
    return zoo.build("resnet101_flipout", SMALL, "modeller", initial_std=0.3, **TINY)


def test_draws_scatter_about_the_answer(modeller):
    x = images(SMALL, rows=5)
    drawn = zoo.posterior_samples(modeller, x, draws=300, seed=1, batch_size=2)
    assert drawn.shape == (300, 5, 3)
    assert drawn.dtype == np.float32
    answer = np.asarray(modeller(x, training=False))
    error = drawn.std(axis=0) / np.sqrt(300)
    assert (error > 0).all()
    assert (np.abs(drawn.mean(axis=0) - answer) < 5 * error).all()


def test_a_draw_is_one_network_whatever_the_batch(modeller):
    x = images(SMALL, rows=5)
    whole = zoo.posterior_samples(modeller, x, draws=4, seed=1, batch_size=5)
    parts = zoo.posterior_samples(modeller, x, draws=4, seed=1, batch_size=2)
    assert_allclose(whole, parts, rtol=1e-4, atol=1e-5)  # float32 of order 1
    some = zoo.posterior_samples(modeller, {"vis": x["vis"][3:]}, draws=4, seed=1, batch_size=2)
    assert_allclose(some, whole[:, 3:], rtol=1e-4, atol=1e-5)
    other = zoo.posterior_samples(modeller, x, draws=4, seed=2, batch_size=2)
    assert np.abs(other - whole).max() > 1e-2


def test_the_head_costs_what_a_dense_layer_costs(modeller):
    plain = zoo.build("resnet", SMALL, "modeller", **TINY)
    assert zoo.multiply_adds(modeller) == zoo.multiply_adds(plain) > 0
    # means and spreads of 32 features by 3 answers, and of 3 biases
    assert modeller.count_params() - plain.count_params() == 32 * 3 + 3


def test_draws_of_a_finder_are_probabilities():
    finder = zoo.build("resnet101_flipout", SMALL, "finder", **TINY)
    drawn = zoo.posterior_samples(finder, images(SMALL, rows=2), draws=9, seed=1)
    assert drawn.shape == (9, 2, 1)
    assert ((drawn > 0) & (drawn < 1)).all()
    assert drawn.std(axis=0).min() > 0


def test_what_cannot_be_drawn_is_refused(modeller):
    x = images(SMALL, rows=2)
    with pytest.raises(ArgumentError, match="draws"):
        zoo.posterior_samples(modeller, x, draws=0, seed=1)
    with pytest.raises(StampShapeError):
        zoo.posterior_samples(modeller, {"vis": x["vis"][:, 1:]}, draws=2, seed=1)
    with pytest.raises(ArchitectureError, match="one DenseFlipout"):
        zoo.posterior_samples(zoo.build("holismokes", SMALL, "modeller"), x, draws=2, seed=1)
    empty = zoo.posterior_samples(modeller, {"vis": x["vis"][:0]}, draws=2, seed=1)
    assert_array_equal(empty.shape, (2, 0, 3))
