"""The network of Schuldt et al. 2021."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose
from toys import contract, images

from lensfinder import zoo
from lensfinder.errors import ArchitectureError
from lensfinder.lensing import theta_E_from_barkana, theta_E_to_barkana
from lensfinder.posterior import Posterior, has_posterior
from lensfinder.zoo.cost import trainable_parameters
from lensfinder.zoo.holismokes import PAPER_TARGETS

HSC = contract(hsc=("griz", 64))
SMALL = contract(hsc=("griz", 20))


def build(of=SMALL, **arguments):
    return zoo.build("holismokes", of, "modeller", targets=PAPER_TARGETS, **arguments)


def test_shapes_of_the_paper():
    model = build(HSC)
    shapes = {layer.name: layer.output.shape[1:] for layer in model.layers}
    assert shapes["hsc"] == (64, 64, 4)
    assert shapes["hsc_1_conv"] == (60, 60, 6)
    assert shapes["hsc_2_pool"] == (13, 13, 16)  # "a data cube of size 13x13x16"
    assert shapes["hsc_flat"] == (2704,)
    assert shapes["parameters"] == (5,)
    kinds = [type(layer) for layer in model.layers]
    assert [kinds.count(k) for k in (keras.layers.Conv2D, keras.layers.Dense)] == [2, 3]


def test_parameter_count():
    # 606 + 2,416 of the convolutions, then 2704 -> 120 -> 84 -> 5; the paper states none
    assert trainable_parameters(build(HSC)) == 338_211
    assert trainable_parameters(build(HSC, units=(100,))) == 606 + 2416 + 270_500 + 505


def test_weights_start_as_in_pytorch():
    keras.utils.set_random_seed(1)
    layer = build(HSC).get_layer("dense_1")
    for weight in layer.get_weights():
        # uniform on +- 1/sqrt(2704); 120 biases already fill 90 % of it
        assert 0.9 < np.abs(weight).max() * np.sqrt(2704) <= 1


def test_pixels_are_divided_per_band():
    keras.utils.set_random_seed(3)
    plain = build()
    keras.utils.set_random_seed(3)
    divided = build(divisor=(2.0, 4.0, 5.0, 8.0))
    x = images(SMALL)["hsc"]
    want = plain({"hsc": x / np.array([2, 4, 5, 8], np.float32)}, training=False)
    got = divided({"hsc": x}, training=False)
    assert_allclose(np.asarray(got), np.asarray(want), atol=1e-5)  # float32 numbers of order 1
    assert np.abs(np.asarray(plain({"hsc": x}, training=False)) - np.asarray(want)).max() > 1e-3
    with pytest.raises(ArchitectureError, match="3 divisors"):
        build(divisor=(1.0, 2.0, 3.0))
    with pytest.raises(ArchitectureError, match="divisor"):
        build(divisor=0.0)


def test_scaled_output_and_dropout_are_options():
    model = build(output="scaled", dropout=0.3, ranges={"theta_E": (0.5, 5.0)})
    assert model.get_layer("target_scale").low[-1] == 0.5
    assert model.get_layer("dropout_2").rate == 0.3
    assert "target_scale" not in {layer.name for layer in build().layers}


def test_the_papers_einstein_radius_goes_through_the_named_converters():
    q = np.array([0.3, 0.7, 1.0])
    ours = theta_E_from_barkana(np.ones(3), q)
    # kappa = theta_B / ((1 + q) xi) and theta / (2 sqrt(q) xi) are one surface density
    assert_allclose(ours / (2 * np.sqrt(q)), 1 / (1 + q), rtol=1e-12)
    assert_allclose(theta_E_to_barkana(ours, q), 1.0, rtol=1e-12)
    assert ours[0] < 0.9  # taken for the same, a flat lens would be wrong by more than a tenth


def test_a_posterior_is_in_physical_units():
    keras.utils.set_random_seed(4)
    model = build(components=3)
    answers = np.asarray(model(images(SMALL), training=False))
    assert has_posterior(answers, PAPER_TARGETS)
    posterior = Posterior.of(answers, PAPER_TARGETS)
    assert_allclose(posterior.mean(), answers[:, :5], atol=1e-5)
    assert (posterior.std() > 0).all()
    assert (np.abs(posterior.mean()[:, :2]) < 2).all(), "arcsec from the middle, not 0 to 10"
