"""EfficientNet-Lite0: B0 without squeeze and excitation, from a file in PyTorch's layout."""

import hashlib

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import load, save

from lensfinder import zoo
from lensfinder.errors import UntrustedArtefactError
from lensfinder.zoo.efficientnet_branch import (
    efficientnet_branch,
    load_imagenet,
    reference_network,
)
from lensfinder.zoo.efficientnet_lite import lite_network, load_lite, tensor_names
from lensfinder.zoo.weights import array_of
from tests import tiny

SHAPE = (32, 32, 3)


@pytest.fixture(scope="module")
def network():
    return reference_network("Lite0", SHAPE)


@pytest.fixture(scope="module")
def tensors(network):
    """Random numbers named and shaped as in PyTorch: kernels are (out, in, y, x)."""
    rng = np.random.default_rng(5)
    found = {}
    for layer, names in tensor_names(network).items():
        for name, weight in zip(names, network.get_layer(layer).weights, strict=True):
            shape = tuple(weight.shape)
            if len(shape) == 4:
                y, x, inner, outer = shape
                depthwise = "_depthwise" in name
                shape = (inner, outer, y, x) if depthwise else (outer, inner, y, x)
            found[name] = rng.uniform(0.1, 1, shape).astype(np.float32)
    return found


def written(folder, tensors):
    path = folder / "lite0.safetensors"
    path.write_bytes(save(tensors))
    return path


def test_it_is_b0_without_squeeze_and_excitation():
    lite, whole = (reference_network(variant, SHAPE) for variant in ("Lite0", "B0"))
    assert lite.output_shape == whole.output_shape == (None, 1280)
    assert not [layer.name for layer in lite.layers if "_se_" in layer.name]
    shapes = [
        {w.path: tuple(w.shape) for w in network.weights if "normalization" not in w.path}
        for network in (lite, whole)
    ]
    assert shapes[0] == {k: v for k, v in shapes[1].items() if "_se_" not in k}
    assert {
        layer.activation.__name__ for layer in lite.layers if layer.name.endswith("activation")
    } == {"relu6"}
    # of Google's network without its classifier; and seven numbers of keras' scaling layers
    assert lite.count_params() == 3_413_024 + 7


def test_tensors_have_the_names_of_the_package(network):
    names = [name for layer in tensor_names(network).values() for name in layer]
    assert len(names) == len(set(names)) == 245  # of its 296: no classifier, no counters
    assert names[0] == "_conv_stem.weight"
    assert names[-1] == "_bn1.running_var"
    blocks = {name.split(".")[1] for name in names if name.startswith("_blocks")}
    assert blocks == {str(k) for k in range(16)}
    assert "_blocks.0._expand_conv.weight" not in names  # the first does not widen
    assert "_blocks.15._project_conv.weight" in names


def test_every_branch_starts_from_the_file(tmp_path, tensors):
    path = written(tmp_path, tensors)
    branches = {group: efficientnet_branch("Lite0", SHAPE, group) for group in ("vis", "nisp")}
    load_imagenet(branches, "Lite0", path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    for group, branch in branches.items():
        stem = branch.get_layer(f"{group}_stem_conv").get_weights()[0]
        assert_array_equal(stem[1, 2, 0, 7], tensors["_conv_stem.weight"][7, 0, 1, 2])
        deep = branch.get_layer(f"{group}_block6b_dwconv").get_weights()[0]
        name = "_blocks.12._depthwise_conv.weight"  # 1 + 2 + 2 + 3 + 3 + 1 blocks before it
        assert_array_equal(deep[3, 4, 17, 0], tensors[name][17, 0, 3, 4])
        norm = branch.get_layer(f"{group}_top_bn").get_weights()
        kinds = ("weight", "bias", "running_mean", "running_var")
        for values, kind in zip(norm, kinds, strict=True):
            assert_array_equal(values, tensors[f"_bn1.{kind}"])


def test_it_is_an_argument_of_the_finder(tmp_path, tensors):
    path = written(tmp_path, tensors)
    contract = tiny.contract(groups=("vis",), stamp=32)
    model = zoo.build(
        *("two_branch_efficientnet", contract, "finder"),
        **{"variant": "Lite0", "imagenet_weights": str(path)},
    )
    values = model.get_layer("vis_efficientnet_lite0").get_layer("vis_stem_conv").get_weights()[0]
    assert_array_equal(values[0, 0, 0], tensors["_conv_stem.weight"][:, 0, 0, 0])


def spoilt(tensors):
    name = "_blocks.3._bn2.bias"
    yield "lacks", {k: v for k, v in tensors.items() if k != name}
    yield "no finite numbers", {**tensors, name: np.full_like(tensors[name], np.nan)}
    yield "must have shape", {**tensors, name: tensors[name][:-1]}
    yield "unknown tensor '_fc.weight'", {**tensors, "_fc.weight": np.zeros((2, 2), np.float32)}
    yield "must be F32", {**tensors, name: tensors[name].astype(np.float16)}


def test_a_wrong_file_is_refused_and_nothing_changes(tmp_path, tensors):
    network = lite_network(include_top=False, weights=None, input_shape=SHAPE, pooling="avg")
    before = [array_of(weight).copy() for weight in network.weights]
    for words, wrong in spoilt(tensors):
        with pytest.raises(UntrustedArtefactError, match=words) as said:
            load_lite(network, written(tmp_path, wrong))
        assert "lite_weights.py" in str(said.value)
    good = written(tmp_path, tensors)
    with pytest.raises(UntrustedArtefactError, match="SHA-256"):
        load_lite(network, good, sha256="0" * 64)
    content = good.read_bytes()
    for other in (content[:-100], content[:4], b"", content + bytes(2_000_000)):
        good.write_bytes(other)
        with pytest.raises(UntrustedArtefactError):
            load_lite(network, good)
    with pytest.raises(UntrustedArtefactError, match=r"a \.safetensors file"):
        load_lite(network, tmp_path / "weights.h5")
    for old, weight in zip(before, network.weights, strict=True):
        assert_array_equal(array_of(weight), old)
    good.write_bytes(save(tensors))  # the control
    load_lite(network, good)
    assert load(good.read_bytes()).keys() == tensors.keys()
    bias = network.get_layer("block3b_project_bn").get_weights()[1]
    assert_array_equal(bias, tensors["_blocks.4._bn2.bias"])  # after 1a, 2a, 2b, 3a
