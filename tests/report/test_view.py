"""The network's own view of its input."""

import keras
import numpy as np
import pytest

from lensfinder import zoo
from lensfinder.report import network_view
from lensfinder.zoo.layers import ArcsinhStretch, ImageScale
from tests import tiny


def _network(stretch, **terms):
    agreed = tiny.contract(**terms)
    network = zoo.build(
        "compact_finder", agreed, "finder", widths=(4,), units=4, stretch=stretch, augment="any"
    )
    zoo.adapt(network, [tiny.images(32, agreed)])
    return network, tiny.images(5, agreed, seed=3)


@pytest.mark.parametrize(
    ("stretch", "kind"), [("arcsinh", "ArcsinhStretch"), ("clip", "ContrastClip")]
)
def test_the_view_is_the_output_of_the_preprocessing(stretch, kind):
    network, images = _network(stretch)
    view = network_view(network, images)
    (layer,) = [layer for layer in network.layers if type(layer).__name__ == kind]
    want = keras.ops.convert_to_numpy(layer(images["vis"]))
    np.testing.assert_array_equal(view.images["vis"], want)
    assert view.layers["vis"] == (f"{kind} ({layer.name})",)
    assert np.abs(view.images["vis"] - images["vis"]).max() > 0.1, "it is not the input"


def test_layers_in_a_row_are_all_followed():
    inputs = keras.Input((8, 8, 1), name="vis")
    x = ImageScale(name="second")(ArcsinhStretch(group="vis", name="first")(inputs))
    network = keras.Model({"vis": inputs}, keras.layers.GlobalAveragePooling2D()(x))
    images = {"vis": np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype(np.float32)}
    view = network_view(network, images)
    assert view.layers["vis"] == ("ArcsinhStretch (first)", "ImageScale (second)")
    assert view.images["vis"].min() == 0.0
    assert view.images["vis"].max() == 1.0


def test_groups_are_kept_apart():
    network, images = _network("arcsinh", groups=("vis", "nisp"))
    view = network_view(network, images)
    assert view.images["vis"].shape == images["vis"].shape
    assert view.images["nisp"].shape == images["nisp"].shape
    assert set(view.layers) == {"vis", "nisp"}


def test_a_network_without_preprocessing_says_so():
    network, images = _network("none")
    view = network_view(network, images)
    np.testing.assert_array_equal(view.images["vis"], images["vis"])
    assert view.layers == {"vis": ()}
    assert "raw" in view.words
