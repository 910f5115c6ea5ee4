"""What a modeller saw: features that do not turn with the image, and log odds made of them."""

import dataclasses

import keras
import numpy as np
import pytest

from lensfinder.errors import ArchitectureError, PresetError
from lensfinder.find import find
from lensfinder.model import model
from lensfinder.predict.network import SEEN, Network
from lensfinder.predict.readout import NO_LENS, Readout
from lensfinder.zoo import fixed_predict, open_preset
from lensfinder.zoo.calibration import Doubt, Spread, sigmoid
from lensfinder.zoo.features import PooledActivations, feature_model, with_log_odds
from tests import tiny

TARGETS = ("theta_E", "e1", "e2")


def saved(folder, *, symmetric, doubt=None):
    return tiny.save(
        folder,
        "modeller",
        targets=TARGETS,
        arguments={"components": 1, "symmetric": symmetric},
        calibration=Spread(scales=(1, 1, 1), limits=(100, 100, 100), objects=200, doubt=doubt),
    )


def shown(model, images):
    """Answers and features of images."""
    outputs = model.output_shape[-1]
    both = fixed_predict(feature_model(model))(images)
    return both[:, :outputs], both[:, outputs:]


def test_features_are_pooled_as_written(rng):
    image = rng.normal(size=(16, 5, 4, 3)).astype(np.float32)  # two images, eight views each
    vector = rng.normal(size=(16, 2)).astype(np.float32)
    found = np.asarray(PooledActivations(8)([image, vector]))
    views, vectors = image.reshape(8, 2, 5, 4, 3), vector.reshape(8, 2, 2)
    wanted = np.concatenate(
        [
            views.mean(axis=(0, 2, 3)),
            views.max(axis=(2, 3)).mean(axis=0),
            vectors.mean(axis=0),
            vectors.std(axis=0),
        ],
        axis=1,
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    alone = np.asarray(PooledActivations(1)([image]))
    wanted = np.concatenate([image.mean(axis=(1, 2)), image.max(axis=(1, 2))], axis=1)
    np.testing.assert_allclose(alone, wanted, rtol=1e-5, atol=1e-6)


def test_the_answer_is_untouched_and_features_do_not_turn(tmp_path):
    images = tiny.images(5)
    for symmetric in (True, False):
        model = open_preset(saved(tmp_path / str(symmetric), symmetric=symmetric)).load()
        answers, features = shown(model, images)
        np.testing.assert_array_equal(answers, fixed_predict(model)(images))
        turned = {name: np.rot90(x, axes=(1, 2)).copy() for name, x in images.items()}
        change = np.abs(shown(model, turned)[1] - features).max() / np.abs(features).max()
        assert (change < 1e-5) == symmetric  # without views they turn: the control
        assert np.ptp(features, axis=0).max() > 0


def test_a_table_tells_the_odds_of_the_layers_and_the_answer(tmp_path):
    cutouts, images = tiny.cutouts(4), tiny.images(4)
    plain = open_preset(saved(tmp_path / "plain", symmetric=True))
    _, features = shown(plain.load(), images)
    rng = np.random.default_rng(3)
    weights = rng.normal(size=features.shape[1]) / np.abs(features).max()
    doubt = Doubt(
        weights=(0.1, 0, 0, 0.2, 0), of_features=tuple(weights), limit=0.0, lenses=2, others=2
    )
    network = Network(saved(tmp_path / "doubts", symmetric=True, doubt=doubt), "modeller")
    answers = network(cutouts)
    assert answers.values.shape[1] == network.outputs
    np.testing.assert_allclose(answers.extra[SEEN], features @ weights, rtol=1e-4, atol=1e-5)
    readout = Readout(network)
    values = readout(answers).values
    assert readout.names[-1] == NO_LENS
    odds = 0.1 + 0.2 * values[:, 0] + features @ weights
    np.testing.assert_allclose(values[:, -1], sigmoid(odds), rtol=1e-4)
    columns = dict(zip(readout.names, values.T, strict=True))
    with pytest.raises(KeyError, match=SEEN):  # odds of half of what they were fitted on are none
        readout(dataclasses.replace(answers, extra={}))
    (_, marked) = readout.limits.passed(columns)[-1]
    assert list(marked) == list(odds > 0)
    assert 0 < marked.sum() < 4  # else the comparison above says nothing


def test_every_verb_that_models_tells_the_same_odds(tmp_path):
    images = tiny.images(4)
    _, features = shown(open_preset(saved(tmp_path / "plain", symmetric=True)).load(), images)
    weights = np.full(features.shape[1], 1 / np.abs(features).max() / features.shape[1])
    doubt = Doubt(weights=(0, 0, 0, 1, 0), of_features=tuple(weights), limit=0, lenses=2, others=2)
    modeller = saved(tmp_path / "doubts", symmetric=True, doubt=doubt)
    draws = tmp_path / "draws.npz"
    alone = model(images, preset=modeller, posterior=draws, draws=3, report=False)
    assert np.isfinite(alone[NO_LENS]).all()
    assert np.ptp(alone[NO_LENS]) > 0
    assert draws.exists()
    masked = model(images, preset=modeller, mask_blobs=True, report=False)
    assert np.isfinite(masked[NO_LENS]).all()
    searched = find(
        images, preset=tiny.save(tmp_path, "finder"), model=modeller, threshold=0, report=False
    )
    np.testing.assert_allclose(searched[NO_LENS], alone[NO_LENS], rtol=1e-5)
    other = tiny.save(tmp_path, "modeller", seed=2, targets=TARGETS, arguments={"components": 1})
    both = model(images, preset=[modeller, other], report=False)
    assert NO_LENS not in both.colnames
    assert set(both["status"]) == {"ok"}


def test_every_branch_is_seen_and_in_float32():
    k = keras
    inputs = {name: k.Input((8, 8, 1), name=name) for name in ("vis", "vis_deep")}
    policy = k.DTypePolicy("mixed_float16")
    conv = {
        name: k.layers.Conv2D(width, 3, name=f"{name}_conv", dtype=policy)(x)
        for width, (name, x) in zip((2, 3), inputs.items(), strict=True)
    }
    pooled = [k.layers.GlobalAveragePooling2D()(x) for x in conv.values()]
    answer = k.layers.Dense(4, dtype="float32")(k.layers.Concatenate()(pooled))
    model = feature_model(k.Model(inputs, answer))
    # two numbers per channel of either map, and the vector of five that the last layer is given
    assert model.output_shape == (None, 4 + 2 * (2 + 3) + 5)
    assert model.output.dtype == "float32"


def test_what_a_doubt_does_not_fit_is_refused(tmp_path):
    model = open_preset(saved(tmp_path, symmetric=False)).load()
    with pytest.raises(PresetError, match="Fit it again"):
        with_log_odds(model, (1.0, 2.0))
    flat = keras.Input((4,), name="vis")
    with pytest.raises(ArchitectureError, match="no layer that gives a map"):
        feature_model(keras.Model({"vis": flat}, keras.layers.Dense(2)(flat)))
