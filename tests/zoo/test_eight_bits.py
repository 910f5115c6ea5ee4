"""Kernels of eight bits: how exact they are, that they stay what they are, and hostile ones."""

import json

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.numpy import load as parse
from safetensors.numpy import save as serialise
from toys import contract

from lensfinder import zoo
from lensfinder.errors import PresetError, UntrustedArtefactError
from lensfinder.zoo.artefacts import Pin, pin_of
from lensfinder.zoo.eight_bits import LARGEST, SCALE, restored, rounded, scale_shape
from lensfinder.zoo.weights import array_of, load_weights, weight_table, write_weights

OF = contract(vis=("V", 24))
SHARD = "weights-00001-of-00001.safetensors"


def build(seed):
    keras.utils.set_random_seed(seed)
    arguments = {"scaling": "none"}
    return zoo.build("six_layer_cnn", OF, "modeller", targets=("theta_E", "e1"), **arguments)


@pytest.fixture(scope="module")
def model():
    return build(1)


def pins(folder, names):
    return {name: Pin(**pin_of(folder / name).model_dump()) for name in names}


def values(model):
    return {name: array_of(variable) for name, variable in weight_table(model).items()}


@pytest.mark.parametrize("shape", [(3, 3, 16, 32), (200, 50), (7, 7, 96, 1), (4096, 1)])
def test_a_weight_is_off_by_half_a_step(rng, shape):
    array = (rng.normal(size=shape) * 10.0 ** rng.uniform(-20, 20)).astype(np.float32)
    whole, scale = rounded(array)
    assert whole.dtype == np.int8
    assert scale.dtype == np.float32
    assert scale.shape == scale_shape(shape) == ((96, 1) if shape == (7, 7, 96, 1) else shape[-1:])
    largest = np.abs(array).max(tuple(range(array.ndim - scale.ndim)))
    assert np.all((largest / LARGEST <= scale) & (scale <= largest / LARGEST * 1.001))
    assert scale.size <= array.size / 25, "steps cost little"
    back = restored("w", whole, scale)
    assert back.dtype == np.float32
    assert np.all(np.abs(back - array) <= 0.5001 * scale)
    # the control: steps are not finer than eight bits allow
    assert np.abs(back - array).max() > 0.3 * scale.min()


def test_what_was_read_is_stored_as_the_same_bytes(rng):
    """A preset that moves from folder to folder does not lose a little each time."""
    for _ in range(50):
        array = (rng.normal(size=(60, 80)) * 10.0 ** rng.uniform(-12, 12, 80)).astype(np.float32)
        whole, scale = rounded(array)
        again, same = rounded(restored("w", whole, scale))
        assert_array_equal(again, whole)
        assert_array_equal(same, scale)


def test_channels_of_nothing_stay_nothing():
    array = np.zeros((64, 70), np.float32)
    array[:, 1] = 1e-40
    array[3, 2] = -5.0
    back = restored("w", *rounded(array))
    assert_array_equal(back[:, :2], 0)
    assert_allclose(back[3, 2], -5.0, rtol=1e-3)


def test_a_network_is_a_quarter_as_long_and_answers_alike(tmp_path, model, rng):
    other, sizes, answers = build(2), {}, {}
    images = {"vis": rng.normal(size=(32, 24, 24, 1)).astype(np.float32)}
    for dtype in ("float32", "float16", "int8"):
        folder = tmp_path / dtype
        folder.mkdir()
        names = write_weights(folder, model, dtype=dtype)
        sizes[dtype] = sum((folder / name).stat().st_size for name in names)
        load_weights(other, folder, pins(folder, names))
        answers[dtype] = np.asarray(other(images, training=False))
    assert 0.25 < sizes["int8"] / sizes["float32"] < 0.27
    spread = answers["float32"].std(0)
    assert np.all(np.abs(answers["int8"] - answers["float32"]).std(0) < 0.1 * spread)
    assert not np.array_equal(answers["int8"], answers["float16"])
    # biases, statistics and small kernels are not rounded to steps
    tensors = parse((tmp_path / "int8" / SHARD).read_bytes())
    assert tensors["vis_1_conv/kernel"].dtype == np.float16  # 7 x 7 x 32 numbers
    assert tensors["dense/bias"].dtype == np.float32
    assert tensors["dense/kernel"].dtype == np.int8
    assert tensors["dense/kernel" + SCALE].shape == (512,)


def damaged(tensors):
    name = "dense/kernel"
    whole, scale = tensors[name], tensors[name + SCALE]
    floats = whole.astype(np.float32)
    lowest, zero, negative, endless, high = whole.copy(), *(scale.copy() for _ in range(4))
    lowest.reshape(-1)[-1], zero[3], negative[0], endless[-1], high[0] = -128, 0, -1, np.nan, 1e29
    yield "steps or whole numbers", {**tensors, name: lowest}
    yield "steps or whole numbers", {**tensors, name + SCALE: zero}
    yield "steps or whole numbers", {**tensors, name + SCALE: negative}
    yield "not finite", {**tensors, name + SCALE: endless}
    yield "not finite", {**tensors, name + SCALE: high}  # 127 of them are more than 1e30
    yield "must have shape", {**tensors, name + SCALE: scale[:-1]}
    yield "must be F32", {**tensors, name + SCALE: scale.astype(np.float16)}
    yield "missing", {key: array for key, array in tensors.items() if key != name + SCALE}
    yield "Steps without whole numbers", {**tensors, name: floats}
    yield "Steps without", {key: array for key, array in tensors.items() if key != name}
    bias = tensors["dense/bias"].astype(np.int8)
    yield "must be F32 or F16", {**tensors, "dense/bias": bias}
    yield "unknown tensor", {**tensors, "dense/bias" + SCALE: np.ones(512, np.float32)}


def test_hostile_steps_are_refused_and_change_nothing(tmp_path, model):
    names = write_weights(tmp_path, model, dtype="int8")
    good, target = parse((tmp_path / SHARD).read_bytes()), build(3)
    before = values(target)
    for words, tensors in damaged(good):
        (tmp_path / SHARD).write_bytes(serialise(tensors))
        with pytest.raises(UntrustedArtefactError, match=words):
            load_weights(target, tmp_path, pins(tmp_path, names))
        for name, value in values(target).items():
            assert_array_equal(value, before[name])
    (tmp_path / SHARD).write_bytes(serialise(good))
    load_weights(target, tmp_path, pins(tmp_path, names))  # the control


def test_a_preset_moves_without_change(tmp_path, model):
    facts = dict(builder="six_layer_cnn", arguments={"scaling": "none"}, task="modeller")
    facts |= dict(targets=("theta_E", "e1"), contract=OF, metrics={}, card="", dtype="int8")
    first = zoo.save_preset(tmp_path / "first", model, **facts)
    second = zoo.save_preset(tmp_path / "second", first.load(), **facts)
    manifests = [json.loads((p.folder / "weights.json").read_text()) for p in (first, second)]
    assert manifests[0]["files"][SHARD] == manifests[1]["files"][SHARD]
    with pytest.raises(PresetError, match="float32, float16, int8"):
        zoo.save_preset(tmp_path / "third", model, **{**facts, "dtype": "int4"})
