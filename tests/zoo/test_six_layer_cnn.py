import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose
from toys import ONE, THREE, TWO, contract, images

from lensfinder import zoo
from lensfinder.errors import ArchitectureError, UnknownNameError
from lensfinder.zoo.cost import trainable_parameters


@pytest.mark.parametrize(("of", "count"), [(ONE, 2_395_267), (THREE, 2_398_403)])
def test_parameter_counts_of_the_paper(of, count):
    # Pearson et al. 2019, section 2.2: "Total: 1 band = ..., 3 bands = ..."
    assert trainable_parameters(zoo.build("six_layer_cnn", of, "modeller")) == count


def test_shapes_of_the_paper():
    model = zoo.build("six_layer_cnn", ONE, "modeller")
    assert model.get_layer("vis_6_pool").output.shape == (None, 3, 3, 128)
    assert model.get_layer("vis_flat").output.shape == (None, 1152)
    kinds = [type(layer) for layer in model.layers]
    counts = [
        kinds.count(kind)
        for kind in (keras.layers.Conv2D, keras.layers.MaxPooling2D, keras.layers.Dense)
    ]
    assert counts == [6, 4, 2]
    assert kinds.count(keras.layers.BatchNormalization) == 6


def test_brightness_of_an_image_does_not_matter():
    # images are scaled to 0-1 inside
    model = zoo.build("six_layer_cnn", ONE, "modeller")
    x = images(ONE)["vis"]
    a, b = (np.asarray(model({"vis": y}, training=False)) for y in (x, 50 * x + 20))
    assert_allclose(a, b, atol=1e-4)  # float32 after adding 20 to unit noise
    raw = zoo.build("six_layer_cnn", ONE, "modeller", scaling="none")
    a, b = (np.asarray(raw({"vis": y}, training=False)) for y in (x, 50 * x + 20))
    assert np.abs(a - b).max() > 1e-2


def test_other_targets_and_ranges():
    model = zoo.build(
        "six_layer_cnn",
        contract(vis=("V", 32)),
        "modeller",
        targets=("theta_E", "gamma1", "flux"),
        ranges={"flux": (0.0, 100.0)},
    )
    layer = model.get_layer("target_scale")
    assert layer.low == (0.0, -0.25, 0.0)
    assert layer.high == (3.0, 0.25, 100.0)
    with pytest.raises(UnknownNameError, match="target with a range"):
        zoo.build("six_layer_cnn", ONE, "modeller", targets=("flux",))


def test_a_modeller_is_not_augmented():
    with pytest.raises(ArchitectureError, match="rotate the images but not e1"):
        zoo.build("six_layer_cnn", ONE, "modeller", augment=True)
    finder = zoo.build("six_layer_cnn", TWO, "finder", augment=True)
    assert finder.get_layer("augment").rotation == "any"
