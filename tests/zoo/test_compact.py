import keras
import numpy as np
import pytest
from toys import LARGE, ONE, THREE, contract

from lensfinder import zoo
from lensfinder.errors import ArchitectureError
from lensfinder.zoo import compact
from lensfinder.zoo.cost import multiply_adds, trainable_parameters

# architecture, contract -> trainable parameters, million multiply-adds per object
COSTS = [
    ("compact_finder", ONE, 90_089, 16.7),
    ("compact_finder", THREE, 91_289, 17.7),
    ("compact_finder", LARGE, 182_657, 73.8),
    ("compact_modeller", ONE, 118_827, 16.7),
    ("compact_modeller", THREE, 120_027, 17.7),
    ("compact_modeller", LARGE, 225_731, 73.9),
]


@pytest.mark.parametrize(("name", "of", "parameters", "mega"), COSTS)
def test_costs_are_those_of_the_docstring(name, of, parameters, mega):
    model = zoo.build(name, of, zoo.tasks(name)[0])
    assert trainable_parameters(model) == parameters
    assert round(multiply_adds(model) / 1e6, 1) == mega
    described = getattr(compact, name).__doc__
    assert f"{parameters:,}" in described
    assert f"{mega:.1f}" in described


def test_multiply_adds_of_a_first_layer_by_hand():
    model = zoo.build("compact_finder", ONE, "finder", widths=(8,), units=1)
    # stem 5x5x1x8 on 29x29, two 3x3x8x8 on 29x29, dense 16x1 and 1x1
    assert multiply_adds(model) == 29 * 29 * (200 + 2 * 576) + 16 + 1


@pytest.mark.parametrize("stamp", [16, 57, 100, 111, 200])
def test_the_first_feature_map_never_exceeds_fifty_pixels(stamp):
    model = zoo.build("compact_modeller", contract(vis=("V", stamp)), "modeller")
    assert model.get_layer("vis_stem_conv").output.shape[1] <= 50
    assert model.get_layer("vis_flat").output.shape[-1] <= compact.GRID**2 * 64


def test_only_the_modeller_sees_where_things_are():
    keras.utils.set_random_seed(1)
    of = contract(vis=("V", 64))
    x = np.zeros((2, 64, 64, 1), np.float32)
    x[0, 16:20, 16:20] = 30
    x[1, 16:20, 40:44] = 30  # moved by 24 pixels, a multiple of the total stride
    finder = zoo.build("compact_finder", of, "finder")
    a, b = np.asarray(finder({"vis": x}, training=False))
    assert abs(a - b) < 5e-4  # zero padding at the borders, measured 1e-4
    modeller = zoo.build("compact_modeller", of, "modeller")
    a, b = np.asarray(modeller({"vis": x}, training=False))
    assert np.abs(a - b).max() > 5e-3


@pytest.mark.parametrize("stretch", ["arcsinh", "clip", "image", "none"])
def test_stretches(stretch):
    model = zoo.build("compact_finder", contract(vis=("V", 16)), "finder", stretch=stretch)
    adapted = zoo.adapt(model, [{"vis": np.random.default_rng(0).normal(size=(4, 16, 16, 1))}])
    assert adapted == (4 if stretch in ("arcsinh", "clip") else 0)


def test_augmentation_belongs_to_finders():
    model = zoo.build("compact_finder", ONE, "finder", augment="quarter", dropout=0.1)
    assert model.get_layer("augment").zoom == (1.0, 1.0)
    with pytest.raises(ArchitectureError, match="rotate the images but not e1"):
        zoo.build("compact_modeller", ONE, "modeller", augment="any")
