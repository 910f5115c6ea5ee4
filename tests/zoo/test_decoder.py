"""The posterior of a network with a decoder of fixed width: against its draws, and its limits."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose
from toys import contract

from lensfinder import zoo
from lensfinder.errors import ArchitectureError, PresetError
from lensfinder.posterior import Posterior
from lensfinder.zoo.calibration import Spread, with_calibration
from lensfinder.zoo.decoder import Decoder, with_draws
from lensfinder.zoo.vib import joint_likelihood, latent_codes, predict_draws

TARGETS = ("theta_E", "e1", "e2")
ONE = contract(vis=("V", 32))
NOISE = (0.15, 0.1, 0.1)
SMALL = {
    "vib": {"filters": (4, 4, 4, 4, 8), "units": 8, "latent": 3, "flow_steps": 2},
    "resnet101_flipout": {"depth": 8, "width": 4},
}


def network(name, seed=4):
    keras.utils.set_random_seed(seed)
    return zoo.build(name, ONE, "modeller", targets=TARGETS, **SMALL[name])


def posterior_of(model, count=5):
    return Posterior.of(model.predict(images(count), verbose=0), TARGETS)


def images(count=5):
    return {"vis": np.random.default_rng(7).normal(size=(count, 32, 32, 1)).astype("f4")}


@pytest.mark.parametrize("name", SMALL)
def test_the_posterior_is_a_mixture_about_the_plain_answer(name):
    model = network(name)
    wide = with_draws(model, Decoder(noise=NOISE, draws=8))
    posterior = posterior_of(wide)
    assert posterior.weights.shape == (8, 5)
    assert_allclose(posterior.weights, 1 / 8)
    assert_allclose(posterior.factors, np.broadcast_to(np.diag(NOISE), (8, 5, 3, 3)), rtol=1e-6)
    # the plain answer is that of the mean code, or of the mean weights
    plain = model.predict(images(), verbose=0)
    scatter = posterior.means.std(axis=0)
    assert (scatter > 0).all(), "there is nothing drawn"
    assert (np.abs(posterior.mean() - plain) < 0.5 * scatter + 1e-5).all()
    # what the draws leave open, and what the decoder does
    expected = np.sqrt(scatter**2 + np.square(NOISE))
    assert_allclose(posterior.std(), expected, rtol=1e-5)
    again = posterior_of(wide, 2)
    assert_allclose(again.means, posterior.means[:, :2], rtol=1e-4, atol=1e-5)
    assert {id(v) for v in model.weights} == {id(v) for v in wide.weights}


def test_a_code_that_is_known_leaves_the_width_of_the_decoder():
    model = network("vib")
    kernel, bias = model.get_layer("code_conv").weights
    kernel.assign(np.concatenate([kernel[..., :3], np.zeros_like(kernel[..., 3:])], axis=-1))
    bias.assign([0, 0, 0, -8, -8, -8])
    assert (latent_codes(model, images())[1] < 1e-3).all()
    known = Posterior.of(
        with_draws(model, Decoder(noise=NOISE)).predict(images(), verbose=0), TARGETS
    )
    assert_allclose(known.std(), np.broadcast_to(NOISE, (5, 3)), rtol=1e-2)
    bias.assign([0, 0, 0, 1, 1, 1])
    open_ = Posterior.of(
        with_draws(model, Decoder(noise=NOISE)).predict(images(), verbose=0), TARGETS
    )
    assert (open_.std() > 1.02 * np.array(NOISE)).all()


def test_a_preset_answers_with_it_and_is_trained_on_without(tmp_path):
    model = network("vib")
    spread = Spread(
        scales=(2.0, 1.0, 1.0), limits=(9, 9, 9), objects=200, decoder=Decoder(noise=NOISE)
    )
    facts = {"builder": "vib", "arguments": SMALL["vib"], "task": "modeller", "targets": TARGETS}
    preset = zoo.save_preset(
        *(tmp_path / "vib", model),
        **{**facts, "contract": ONE, "metrics": {}, "card": "A toy.", "calibration": spread},
    )
    assert preset.config.calibration == spread
    plain = preset.load(calibrated=False)
    answers = (each.predict(images(), verbose=0) for each in (plain, model))
    assert_allclose(*answers, rtol=1e-5, atol=1e-6)
    without = posterior_of(with_draws(model, spread.decoder))
    assert_allclose(
        posterior_of(preset.load()).std(), without.stretched((2, 1, 1)).std(), rtol=1e-4
    )


def test_draws_can_be_read_with_a_posterior_too():
    model = network("vib")
    wide = with_draws(model, Decoder(noise=NOISE))
    drawn = [predict_draws(each, images(), draws=3) for each in (model, wide)]
    assert_allclose(*drawn, rtol=1e-5, atol=1e-6)
    unlikely = [joint_likelihood(each, images(), noise=NOISE) for each in (model, wide)]
    assert_allclose(*unlikely, rtol=1e-4, atol=1e-4)
    flipout = with_draws(network("resnet101_flipout"), Decoder(noise=NOISE))
    with pytest.raises(ArchitectureError, match="calibrated=False"):
        zoo.posterior_samples(flipout, images(), draws=2, seed=1)


def test_it_can_be_built_with_jax():
    """Sizes of batches are unknown there, so layers must say their shapes."""
    code = """
import numpy as np
from lensfinder import zoo
from lensfinder.specs.contract import GroupContract, InputContract
from lensfinder.zoo.decoder import Decoder, with_draws
group = GroupContract(name="vis", bands=("V",), stamp=32, pixel_scale=0.1)
contract = InputContract(survey="toy", groups=(group,))
for name, words in (("vib", dict(flow_steps=0)), ("resnet101_flipout", dict(depth=8, width=4))):
    model = zoo.build(name, contract, "modeller", targets=("theta_E", "e1", "e2"), **words)
    wide = with_draws(model, Decoder(noise=(0.1, 0.1, 0.1), draws=4))
    print(wide.predict({"vis": np.zeros((2, 32, 32, 1), "f4")}, verbose=0).shape)
"""
    words = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run([sys.executable, "-c", code], env=words, capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == ["(2, 43)", "(2, 43)"], done.stderr[-2000:]


def test_what_has_no_posterior_is_refused():
    with pytest.raises(PresetError, match="one positive width"):
        with_draws(network("vib"), Decoder(noise=(0.1,)))
    with pytest.raises(PresetError, match="one positive width"):
        with_draws(network("vib"), Decoder(noise=(0.1, 0.0, 0.1)))
    plain = zoo.build("compact_modeller", ONE, "modeller", targets=TARGETS)
    with pytest.raises(PresetError, match="no bottleneck"):
        with_draws(plain, Decoder(noise=NOISE))
    with pytest.raises(ValueError, match="must pair up"):
        Spread(scales=(1, 1, 1), limits=(1, 1, 1), objects=9, decoder=Decoder(noise=(1.0,)))
    spread = Spread(scales=(1, 1, 1), limits=(1, 1, 1), objects=9, decoder=Decoder(noise=NOISE))
    with pytest.raises(PresetError, match="no bottleneck"):
        with_calibration(plain, spread)
