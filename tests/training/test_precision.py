"""Mixed precision: what computes in bfloat16, and that nothing of it is left at the end."""

import json

import keras
import numpy as np
import pytest
from tiny_training import Objects, recipe

from lensfinder.training.checkpoint import model_arrays, newest_checkpoint
from lensfinder.training.loop import train
from lensfinder.training.network import build_network, compile_network, network_arguments
from lensfinder.training.precision import resolved_precision
from lensfinder.zoo import fixed_predict, save_preset

MIXED = {"precision": "mixed_bfloat16"}


def held():
    return Objects(seed=2).batch(range(32))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A training that was mixed because there was a GPU, as it seemed."""
    folder = tmp_path_factory.mktemp("mixed")
    given = recipe(folder, precision="auto")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.distribution, "list_devices", lambda: ["gpu:0"])
        return given, train(given, folder / "run", source=Objects(), validation=held())


@pytest.mark.parametrize(
    ("asked", "devices", "expected"),
    [
        ("auto", ["cpu:0"], "float32"),
        ("auto", ["gpu:0", "gpu:1"], "mixed_bfloat16"),
        ("float32", ["gpu:0"], "float32"),
        ("mixed_bfloat16", ["cpu:0"], "mixed_bfloat16"),
    ],
)
def test_auto_is_mixed_where_there_is_a_gpu(asked, devices, expected, monkeypatch):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: devices)
    assert resolved_precision(asked) == expected


def test_auto_asks_the_backend():
    devices = keras.distribution.list_devices()
    on_cpu = all(name.startswith("cpu") for name in devices)
    assert resolved_precision("auto") == ("float32" if on_cpu else "mixed_bfloat16")


def test_convolutions_are_mixed_and_pixels_and_answers_are_not(trained):
    given, _ = trained
    model = build_network(given, **MIXED)
    computed = {layer.name: layer.compute_dtype for layer in model.layers}
    assert computed["vis_stem_conv"] == computed["dense"] == "bfloat16"
    exact = ("vis_stretch", "parameters", "target_scale")
    assert {computed[name] for name in exact} == {"float32"}
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    assert keras.config.dtype_policy().name == "float32", "what is built next is not mixed"
    plain = {layer.compute_dtype for layer in build_network(given).layers}
    assert plain == {"float32"}, "the control"


def test_a_layer_within_a_layer_of_ours_is_exact_too(tmp_path):
    """The prior of a bottleneck is a layer of a layer; half mixed it could not compute at all."""
    small = {"filters": [4] * 5, "units": 8, "flow_steps": 2, "scaling": "image"}
    given = recipe(tmp_path, task="finder", network={"name": "vib", "arguments": small})
    model = compile_network(build_network(given, **MIXED), given)
    batch = Objects(label=True).batch(range(8))
    assert np.isfinite(model.train_on_batch(batch.images, batch.y))


def test_mixed_and_float32_answer_nearly_alike(trained):
    """bfloat16 rounds to 1 part in 256; answers of the same weights move by that, and not by 0."""
    given, result = trained
    mixed = build_network(given, **MIXED)
    for variable, array in zip(mixed.weights, result.model.get_weights(), strict=True):
        variable.assign(array)
    one, two = (fixed_predict(model)(held().images) for model in (mixed, result.model))
    moved = np.abs(one - two) / two.std(axis=0)
    assert 0 < np.median(moved) < 0.1


def test_what_comes_out_is_float32_and_is_stored_so(trained, tmp_path):
    given, result = trained
    assert result.finished
    assert {layer.compute_dtype for layer in result.model.layers} == {"float32"}
    best = newest_checkpoint(result.folder / "checkpoints").best
    for name, array in model_arrays(result.model).items():
        np.testing.assert_array_equal(array, best[name])
        assert array.dtype != np.dtype("uint16")  # what numpy would make of bfloat16
    preset = save_preset(
        tmp_path / "preset",
        result.model,
        builder=given.network.name,
        arguments=network_arguments(given),
        task=given.task,
        targets=given.truth_columns,
        contract=given.contract(),
        metrics={},
        card="draft",
    )
    loaded = preset.load()
    assert {layer.compute_dtype for layer in loaded.layers} == {"float32"}
    one, two = (fixed_predict(model)(held().images) for model in (loaded, result.model))
    np.testing.assert_array_equal(one, two)


def test_the_run_says_so_and_another_device_may_go_on(trained):
    given, result = trained
    made_with = json.loads((result.folder / "versions.json").read_text())
    assert (made_with["precision"], made_with["device"]) == ("mixed_bfloat16", "1 GPU")
    # here there is no GPU (or there is one, and nothing changes): the training is not refused
    assert train(given, result.folder, source=Objects(), validation=held()).finished
    if resolved_precision("auto") == "float32":
        log = (result.folder / "log.txt").read_text()
        assert "bits may differ: precision: 'mixed_bfloat16' -> (absent)" in log
