import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder import zoo
from lensfinder.errors import ArchitectureError
from lensfinder.inversion import reconstruction_contract
from lensfinder.zoo.cost import multiply_adds, trainable_parameters
from lensfinder.zoo.forked_classifier import solution_probabilities

PAPER, SMALL = (reconstruction_contract("toy", size) for size in (104, 32))
COMPACT = {"filters": (16, 32, 64), "dense_units": 128}
TINY = {"filters": (4, 4, 8), "dense_units": 8}


def frames(rows=4, size=32):
    rng = np.random.default_rng(1)
    shape = (rows, size, size, 1)
    names = ("source", "residual")
    return {name: rng.normal(size=shape).astype(np.float32) for name in names}


def test_shapes_of_the_paper():
    model = zoo.build("forked_classifier", PAPER, "auditor")
    assert model.get_layer("join").output.shape == (None, 13, 13, 256)
    assert model.get_layer("flat").output.shape == (None, 43_264)
    assert model.get_layer("dense").kernel.shape == (43_264, 512)
    assert model.get_layer("solution").kernel.shape == (512, 3)
    assert model.get_layer("solution").activation is keras.activations.sigmoid
    kinds = [type(layer) for layer in model.layers]
    assert [kinds.count(k) for k in (keras.layers.Conv2D, keras.layers.MaxPooling2D)] == [6, 6]
    # the paper's total is 5,820,323, less than its own first dense layer
    assert trainable_parameters(model) == 22_338_563


def test_cost_of_the_compact_sibling():
    contract = reconstruction_contract("toy", 64)
    model = zoo.build("forked_classifier", contract, "auditor", **COMPACT)
    assert trainable_parameters(model) == 1_095_683
    assert round(multiply_adds(model) / 1e6, 1) == 21.1


def test_both_images_of_a_pair_are_turned_alike():
    model = zoo.build("forked_classifier", SMALL, "auditor", **TINY)
    images = frames()
    images["residual"] = 3 * images["source"] + 1
    moved = model.get_layer("augment")(images, training=True)
    source, residual = (np.asarray(moved[name]) for name in ("source", "residual"))
    assert not np.array_equal(source, images["source"])
    assert_allclose(residual, 3 * source + 1, atol=1e-5)  # float32
    for one, other in zip(source, images["source"], strict=True):  # quarter turns move pixels whole
        assert_allclose(np.sort(one, axis=None), np.sort(other, axis=None), atol=1e-4)
    same = model.get_layer("augment")(images, training=False)
    assert_array_equal(np.asarray(same["source"]), images["source"])


def test_both_paths_matter():
    model = zoo.build("forked_classifier", SMALL, "auditor", **TINY)
    images = frames()
    answer = np.asarray(model(images, training=False))
    for name in images:
        other = np.asarray(model(images | {name: images[name][::-1]}, training=False))
        assert np.abs(other - answer).max() > 1e-4


def test_softmax_answers_probabilities_and_sigmoids_can_be_made_to():
    images = frames()
    outputs = {
        kind: np.asarray(
            zoo.build("forked_classifier", SMALL, "auditor", output=kind, **TINY)(images)
        )
        for kind in ("softmax", "sigmoid")
    }
    assert_allclose(outputs["softmax"].sum(axis=1), 1, atol=1e-6)
    assert np.abs(outputs["sigmoid"].sum(axis=1) - 1).max() > 0.05
    assert_allclose(solution_probabilities(outputs["sigmoid"]).sum(axis=1), 1, rtol=1e-12)
    assert_allclose(solution_probabilities(np.zeros((1, 3))), 1 / 3)


def test_an_auditor_has_its_own_targets():
    assert zoo.build("forked_classifier", SMALL, "auditor", **TINY).output_shape == (None, 3)
    with pytest.raises(ArchitectureError, match="An auditor tells under, correct, over"):
        zoo.build("forked_classifier", SMALL, "auditor", targets=("p_lens",))
    with pytest.raises(ArchitectureError, match="is built for: auditor"):
        zoo.build("forked_classifier", SMALL, "finder")
