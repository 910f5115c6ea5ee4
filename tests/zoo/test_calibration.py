"""Calibration as part of a preset: the layer, the files, and the prior of a survey."""

import json

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from toys import contract, images

from lensfinder import paths, zoo
from lensfinder.errors import ArchitectureError, ArgumentError, PresetError, UntrustedArtefactError
from lensfinder.zoo.calibration import (
    Isotonic,
    Temperature,
    at_prevalence,
    logit,
    sigmoid,
    with_calibration,
)
from lensfinder.zoo.layers import LogitMap
from lensfinder.zoo.preset_files import read_config
from lensfinder.zoo.weights import array_of

SMALL = contract(vis=("V", 16))
ARGUMENTS = dict(widths=(4, 6), units=5)
COMMON = dict(prevalence=0.4, objects=500)
KINDS = {
    "temperature": Temperature(temperature=1.7, bias=-0.4, **COMMON),
    "isotonic": Isotonic(logits=(-4, -1, 0.5, 3), values=(-6, -0.5, 0, 2.5), **COMMON),
    "one-knot": Isotonic(logits=(0.5,), values=(-1,), **COMMON),
}
kinds = pytest.mark.parametrize("calibration", KINDS.values(), ids=KINDS.keys())


def network(seed=1, builder="compact_finder", task="finder"):
    keras.utils.set_random_seed(seed)
    model = zoo.build(builder, SMALL, task, **ARGUMENTS)
    zoo.adapt(model, [images(SMALL, rows=4)])
    return model


def save(place, model, *, task="finder", builder="compact_finder", **changes):
    given = dict(
        arguments=ARGUMENTS, targets=None, contract=SMALL, metrics={"auc": 0.5}, card="# Toy\n"
    )
    return zoo.save_preset(place, model, builder=builder, task=task, **{**given, **changes})


def outputs(model):
    return np.asarray(model(images(SMALL, rows=40), training=False))


# --- the map --------------------------------------------------------------------------------------
def test_temperature_and_isotonic_are_the_lines_they_say():
    p = np.array([0.03, 0.5, 0.9])
    expected = sigmoid(logit(p) / 1.7 - 0.4)
    assert_allclose(KINDS["temperature"].apply(p), expected, rtol=1e-12, atol=0)  # same sums
    found = logit(KINDS["isotonic"].apply(sigmoid(np.array([-6, -4, -2.5, 0.5, 5]))))
    # beyond the knots a shift, at them their values, between them a straight line
    assert_allclose(found, [-8, -6, -3.25, 0, 4.5], rtol=1e-9, atol=1e-9)  # logit of a sigmoid


@kinds
def test_the_layer_does_what_the_formula_says(calibration, rng):
    p = np.concatenate([rng.random(500), 10 ** rng.uniform(-12, 0, 500), [0, 1, 1e-30, 1 - 2**-24]])
    p = p.astype(np.float32)
    layer = calibration.layer()
    found = keras.ops.convert_to_numpy(layer(p[:, None]))[:, 0]
    expected = calibration.apply(p)
    # float32: a logit of up to 69 is known to 8e-6, and so, relative to it, are p and 1 - p
    assert_allclose(found, expected, rtol=2e-5, atol=1e-30)
    assert np.abs(found - p).max() > 0.01, "the calibration changes something"
    assert ((found >= 0) & (found <= 1)).all()


@kinds
def test_a_calibration_changes_no_ranking(calibration, rng):
    p = np.sort(sigmoid(rng.normal(0, 4, 5000)).astype(np.float32))
    found = keras.ops.convert_to_numpy(calibration.layer()(p[:, None]))[:, 0]
    assert (np.diff(found) >= 0).all()
    apart = np.diff(logit(p)) > 1e-4  # nearer ones may become equal in float32
    kept = np.diff(found[:-1])[apart[:-1]] > 0
    assert kept.mean() > 0.99


@kinds
def test_the_layer_survives_a_config_round_trip(calibration):
    layer = calibration.layer()
    again = LogitMap.from_config(json.loads(json.dumps(layer.get_config())))
    p = np.linspace(0, 1, 101, dtype=np.float32)[:, None]
    assert_array_equal(*(keras.ops.convert_to_numpy(one(p)) for one in (layer, again)))


def test_a_gradient_flows_through_the_layer():
    inputs = keras.Input((1,))
    model = keras.Model(inputs, KINDS["isotonic"].layer()(inputs))
    layer = keras.layers.Dense(1, activation="sigmoid")
    whole = keras.Sequential([keras.Input((2,)), layer, model])
    before = [array_of(w) for w in layer.weights]
    whole.compile("sgd", "binary_crossentropy", jit_compile=False)
    whole.train_on_batch(np.ones((4, 2), np.float32), np.array([[1.0], [1], [0], [1]]))
    after = [array_of(w) for w in layer.weights]
    assert all(np.isfinite(b).all() and (a != b).any() for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    "wrong",
    [
        dict(at=(), to=()),
        dict(at=(0, 1), to=(0,)),
        dict(at=(1, 0), to=(0, 1)),
        dict(at=(0, 1), to=(1, 1)),
        dict(at=(0,), to=(np.nan,)),
        dict(at=(0,), to=(0,), slopes=(1, 0)),
        dict(at=(0,), to=(0,), slopes=(1,)),
    ],
    ids=str,
)
def test_a_line_that_does_not_rise_is_refused(wrong):
    with pytest.raises(ArchitectureError, match="must be"):
        LogitMap(**wrong)


# --- in a preset ----------------------------------------------------------------------------------
@kinds
def test_a_calibrated_preset_goes_round(tmp_path, calibration):
    model = network()
    preset = save(tmp_path / "toy", model, calibration=calibration)
    again = zoo.open_preset(tmp_path / "toy")
    assert again.config.calibration == calibration == preset.config.calibration
    raw, calibrated = outputs(again.load(calibrated=False)), outputs(again.load())
    assert_array_equal(raw, outputs(model))
    # as in the layer's own test
    assert_allclose(calibrated, calibration.apply(raw), rtol=2e-5, atol=0)
    assert np.abs(calibrated - raw).max() > 0.01
    # every door gives the calibrated probabilities, to the last bits of another batch size
    predicted = zoo.fixed_predict(zoo.load(tmp_path / "toy"))(images(SMALL, rows=40))
    assert_allclose(predicted, calibrated, rtol=0, atol=1e-6)


def test_a_calibrated_model_has_the_same_weights_and_can_be_saved_again(tmp_path):
    save(tmp_path / "one", network(), calibration=KINDS["temperature"])
    model = zoo.load(tmp_path / "one")
    second = save(tmp_path / "two", model, calibration=KINDS["isotonic"])
    assert second.config.calibration == KINDS["isotonic"]
    pins = [json.loads((tmp_path / n / "weights.json").read_text()) for n in ("one", "two")]
    (one, two) = (p["files"]["weights-00001-of-00001.safetensors"] for p in pins)
    assert one == two


def test_without_calibration_files_are_what_they_were(tmp_path):
    save(tmp_path / "toy", network())
    content = json.loads((tmp_path / "toy" / "config.json").read_text())
    assert "calibration" not in content
    preset = zoo.open_preset(tmp_path / "toy")
    assert_array_equal(outputs(preset.load()), outputs(preset.load(calibrated=False)))
    # a file from before there was calibration is read, and would be written the same
    old = sorted(paths.models_dir().glob("*/*/config.json"))
    assert old
    for path in old:
        if "calibration" not in json.loads(path.read_text()):
            again = json.dumps(read_config(path.read_bytes()).as_json(), indent=1) + "\n"
            assert again == path.read_text()


def test_what_cannot_be_calibrated_is_refused(tmp_path):
    modeller = network(builder="compact_modeller", task="modeller")
    with pytest.raises(PresetError, match="is of a finder"):
        save(
            tmp_path / "toy", modeller, task="modeller", builder="compact_modeller",
            calibration=KINDS["temperature"],
        )  # fmt: skip
    assert not (tmp_path / "toy").exists()
    with pytest.raises(PresetError, match="ends in one probability"):
        with_calibration(modeller, KINDS["temperature"])
    once = with_calibration(network(), KINDS["temperature"])
    with pytest.raises(PresetError, match="calibrated already"):
        with_calibration(once, KINDS["temperature"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "temperature", "temperature": 0, "bias": 0},
        {"kind": "temperature", "temperature": float("nan"), "bias": 0},
        {"kind": "temperature", "temperature": 1, "bias": 1e9},
        {"kind": "lambda", "temperature": 1, "bias": 0},
        {"kind": "temperature", "temperature": 1, "bias": 0, "extra": 1},
        {"kind": "isotonic", "logits": [0, 1], "values": [1, 0]},
        {"kind": "isotonic", "logits": [0, 1e-9], "values": [0, 1]},
        {"kind": "isotonic", "logits": [0], "values": [0, 1]},
        {"kind": "isotonic", "logits": [], "values": []},
        {"kind": "isotonic", "logits": [0, 1e300], "values": [0, 1]},
        {"kind": "isotonic", "logits": list(range(600)), "values": list(range(600))},
    ],
    ids=lambda wrong: "-".join(map(str, wrong.values()))[:40],
)
def test_a_hostile_calibration_is_not_loaded(tmp_path, wrong):
    save(tmp_path / "toy", network(), calibration=KINDS["temperature"])
    path = tmp_path / "toy" / "config.json"
    content = json.loads(path.read_text())
    read_config(json.dumps(content).encode())  # as it was it is fine
    content["calibration"] = {**COMMON, **wrong}
    with pytest.raises(UntrustedArtefactError):
        read_config(json.dumps(content).encode())


# --- another prevalence ---------------------------------------------------------------------------
def test_the_prior_shift_is_bayes_by_counting(rng):
    # two score values; lenses and non-lenses show each with fixed chances
    like = np.array([[0.2, 0.7], [0.8, 0.3]])  # [score, class], class 0 no lens, 1 lens

    def posterior(prevalence):
        joint = like * [1 - prevalence, prevalence]
        return joint[:, 1] / joint.sum(axis=1)

    shifted = at_prevalence(posterior(0.4), trained=0.4, wanted=1e-3)
    assert_allclose(shifted, posterior(1e-3), rtol=1e-12, atol=0)  # the same fractions
    assert abs(posterior(0.4) / posterior(1e-3) - 1).min() > 1


def test_the_prior_shift_has_an_identity_an_inverse_and_keeps_order(rng):
    p = np.sort(rng.random(100))
    assert_allclose(at_prevalence(p, trained=0.3, wanted=0.3), p, rtol=1e-12, atol=0)
    there = at_prevalence(p, trained=0.5, wanted=1e-5)
    assert_allclose(at_prevalence(there, trained=1e-5, wanted=0.5), p, rtol=1e-9, atol=0)
    assert (np.diff(there) > 0).all()
    assert (there < p).all()
    assert_array_equal(at_prevalence([0, 1, np.nan], trained=0.5, wanted=0.1), [0, 1, np.nan])


@pytest.mark.parametrize("wrong", [0, 1, -1, 1000, np.nan])
def test_a_prevalence_is_a_fraction(wrong):
    with pytest.raises(ArgumentError, match="between 0 and 1"):
        at_prevalence(0.5, trained=0.5, wanted=wrong)
