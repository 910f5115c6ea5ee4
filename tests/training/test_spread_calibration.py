"""Spreads fitted on validation lenses: recovered, stored, and told."""

import json

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from lensfinder import zoo
from lensfinder.errors import ArchitectureError, MetricError, PresetError, UntrustedArtefactError
from lensfinder.posterior import Posterior
from lensfinder.specs import InputContract
from lensfinder.training.coverage import coverage
from lensfinder.training.spread_calibration import fit_spread
from lensfinder.zoo.calibration import Spread, Temperature, with_calibration
from lensfinder.zoo.layers import SpreadScale
from lensfinder.zoo.preset_files import read_config

TARGETS = ("theta_E", "e1", "e2")
CONTRACT = InputContract.model_validate(
    {
        "survey": "toy",
        "groups": [{"name": "vis", "bands": ["V"], "stamp": 16, "pixel_scale": 0.1}],
    }
)
ARGUMENTS = {"widths": (4,), "units": 4, "stretch": "none", "components": 2}


def network(**changes):
    keras.utils.set_random_seed(3)
    arguments = {**ARGUMENTS, **changes}
    model = zoo.build("compact_modeller", CONTRACT, "modeller", **arguments)
    if arguments["components"]:
        bias = model.get_layer("raw").bias
        bias.assign(np.random.default_rng(1).normal(0, 1, bias.shape))
    return model


def save(place, model, **changes):
    facts = {
        "builder": "compact_modeller",
        "arguments": ARGUMENTS,
        "task": "modeller",
        "targets": TARGETS,
        "contract": CONTRACT,
        "metrics": {},
        "card": "For tests.",
    }
    return zoo.save_preset(place, model, **{**facts, **changes})


def wrong(rng, lenses=4000, factors=(0.7, 1.0, 1.5)):
    """Mixtures whose spread is wrong by factors, and truths."""
    means = rng.normal(0, 0.1, (2, lenses, 3)) + rng.normal(0, 1, (1, lenses, 3))
    sizes = np.eye(3) * rng.uniform(0.05, 0.3, (2, lenses, 3, 1))
    right = Posterior(TARGETS, np.tile([[0.3], [0.7]], (1, lenses)), means, sizes)
    return right.stretched(factors), right.sample(1, rng=rng)[0]


def test_the_factors_that_were_done_are_undone(rng):
    said, truth = wrong(rng)
    found = fit_spread(said, truth)
    # 4,000 lenses fix a spread to 1.1 %, by the distance of ranks to perhaps 1.5 %
    assert_allclose(np.array(found.scales) * (0.7, 1.0, 1.5), 1, rtol=0, atol=0.06)
    held = coverage(said.stretched(found.scales), truth)
    assert_allclose(held, np.array([[0.5], [0.68], [0.95]]) * np.ones(3), rtol=0, atol=0.03)
    assert np.abs(coverage(said, truth)[1] - 0.68).max() > 0.1  # before
    beyond = said.stretched(found.scales).std() > found.limits
    assert_allclose(beyond.mean(axis=0), 0.01, rtol=0, atol=0.001)


def test_a_network_that_has_learned_no_spread_is_not_calibrated(rng):
    said, truth = wrong(rng, factors=(0.01, 1, 1))
    with pytest.raises(MetricError, match="theta_E would have to change"):
        fit_spread(said, truth)
    with pytest.raises(MetricError, match="100 lenses at least"):
        fit_spread(said.rows(slice(0, 50)), truth[:50])


def test_a_preset_carries_its_factors_as_a_layer(tmp_path, rng):
    model = network()
    found = Spread(scales=(2.0, 1.0, 0.5), limits=(1.0, 1.0, 1.0), objects=500)
    preset = save(tmp_path / "p", model, calibration=found)
    images = {"vis": rng.normal(size=(4, 16, 16, 1)).astype("f4")}
    plain, calibrated = (np.asarray(preset.load(calibrated=kind)(images)) for kind in (False, True))
    np.testing.assert_array_equal(plain, model(images))
    assert_allclose(calibrated[:, :3], plain[:, :3], rtol=0, atol=1e-6)  # means stay; float32 sums
    before, after = (Posterior.of(values, TARGETS) for values in (plain, calibrated))
    assert_allclose(after.std(), before.std() * (2, 1, 0.5), rtol=1e-5)  # float32
    assert zoo.open_preset(tmp_path / "p").config.calibration == found
    twin = SpreadScale.from_config(SpreadScale((1, 2)).get_config())
    assert twin.scales == (1.0, 2.0)


def test_what_does_not_fit_is_refused(tmp_path):
    found = Spread(scales=(2.0, 1.0, 0.5), limits=(1.0, 1.0, 1.0), objects=500)
    with pytest.raises(PresetError, match="with a posterior"):
        with_calibration(network(components=0), found)
    with pytest.raises(PresetError, match="calibrated already"):
        with_calibration(with_calibration(network(), found), found)
    warm = Temperature(temperature=2, bias=0, prevalence=0.5, objects=10)
    with pytest.raises(PresetError, match="is of a finder"):
        save(tmp_path / "p", network(), calibration=warm)
    with pytest.raises(ArchitectureError, match="> 0"):
        SpreadScale((1, 0))


def test_a_foreign_calibration_in_a_file_is_refused(tmp_path):
    preset = save(tmp_path / "p", network())
    data = preset.config.as_json()
    for bad in (
        {"kind": "spread", "scales": [1e9, 1, 1], "limits": [1, 1, 1], "objects": 9},
        {"kind": "spread", "scales": [1, 1], "limits": [1, 1, 1], "objects": 9},
        {"kind": "temperature", "temperature": 1, "bias": 0, "prevalence": 0.5, "objects": 9},
    ):
        with pytest.raises(UntrustedArtefactError):
            read_config(json.dumps({**data, "calibration": bad}).encode())
