import hashlib
import warnings

import h5py
import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from toys import TWO, contract, images

from lensfinder import zoo
from lensfinder.errors import ArchitectureError, UntrustedArtefactError
from lensfinder.zoo.efficientnet_branch import (
    VARIANTS,
    efficientnet_branch,
    load_imagenet,
    reference_network,
)
from lensfinder.zoo.weights import array_of, weight_table

SHAPE = (32, 32, 3)


def randomise(model, seed):
    """Weights that no initialiser gives, of a size that lets signals through all layers."""
    rng = np.random.default_rng(seed)

    def draw(weight):
        if weight.name.endswith("kernel"):
            depthwise = weight.shape[-1] == 1 and len(weight.shape) == 4 and weight.shape[0] > 1
            fan = np.prod(weight.shape[:2] if depthwise else weight.shape[:-1])
            return rng.normal(size=weight.shape) * np.sqrt(3 / fan)
        positive = "var" in weight.name or weight.name == "gamma"
        return rng.uniform(0.5, 1.5, weight.shape) if positive else rng.normal(0, 0.1, weight.shape)

    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            continue  # left as keras.applications makes it: mean 0, variance 1
        if layer.weights:
            layer.set_weights([draw(weight) for weight in layer.weights])


@pytest.fixture(scope="module")
def reference():
    model = reference_network("B0", SHAPE)
    randomise(model, seed=4)
    return model


@pytest.fixture(scope="module")
def branch():
    return efficientnet_branch("B0", SHAPE, "vis")


@pytest.fixture(scope="module")
def weight_file(reference, tmp_path_factory):
    path = tmp_path_factory.mktemp("imagenet") / "efficientnetb0_notop.weights.h5"
    with warnings.catch_warnings():
        # Keras 3.15 hands its variables to numpy 2.4 in a way that numpy wants changed
        warnings.filterwarnings("ignore", message="__array__ implementation doesn't accept a copy")
        reference.save_weights(path)
    return path


def scaling_layers(model):
    kinds = (keras.layers.Rescaling, keras.layers.Normalization)
    return [layer for layer in model.layers if isinstance(layer, kinds)]


def test_the_branch_is_the_network_of_keras_without_its_scaling_layers(reference, branch):
    assert len(scaling_layers(reference)) >= 2
    assert scaling_layers(branch) == []
    removed = {layer.name for layer in scaling_layers(reference)}
    expected = {
        f"vis_{name}": tuple(v.shape)
        for name, v in weight_table(reference).items()
        if name.split("/")[0] not in removed
    }
    assert {name: tuple(v.shape) for name, v in weight_table(branch).items()} == expected


def test_outputs_agree_once_the_scaling_is_undone(reference, branch, weight_file, rng):
    load_imagenet({"vis": branch}, "B0", weight_file)
    x = 255 * rng.random((2, *SHAPE)).astype(np.float32)
    theirs = np.asarray(reference(x, training=False))
    # keras.applications multiplies by 1/255 and then normalises with mean 0, variance 1
    ours = np.asarray(branch(x * np.float32(1 / 255), training=False))
    size = np.abs(theirs).max()
    assert_allclose(ours, theirs, rtol=0, atol=1e-5 * size)  # float32 through 50 layers
    assert np.abs(theirs[0] - theirs[1]).max() > 1e-2 * size  # the images do matter
    unscaled = np.asarray(branch(x, training=False))
    assert np.abs(unscaled - theirs).max() > 1e-2 * size


def test_imagenet_weights_start_every_branch(reference, weight_file):
    digest = hashlib.sha256(weight_file.read_bytes()).hexdigest()
    model = zoo.build(
        "two_branch_efficientnet",
        TWO,
        "finder",
        variant="B0",
        imagenet_weights=str(weight_file),
        imagenet_sha256=digest,
    )
    kernel = array_of(reference.get_layer("block3a_dwconv").kernel)
    for group in ("vis", "nisp"):
        inner = model.get_layer(f"{group}_efficientnet_b0")
        assert_array_equal(array_of(inner.get_layer(f"{group}_block3a_dwconv").kernel), kernel)
    table = weight_table(model)
    assert len({v.path for v in table.values()}) == len(table)


def test_legacy_files_load_too(reference, branch, tmp_path):
    # the layout of the files that Keras publishes: one group per layer, names as attributes
    path = tmp_path / "efficientnetb0_notop.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in reference.layers]
        file.attrs["keras_version"] = b"2.4.0"
        file.attrs["backend"] = b"tensorflow"
        for layer in reference.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{w.name}:0" for w in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.weights, strict=True):
                group.create_dataset(name, data=array_of(weight))
    load_imagenet({"vis": branch}, "B0", path)
    ours = array_of(branch.get_layer("vis_top_conv").kernel)
    assert_array_equal(ours, array_of(reference.get_layer("top_conv").kernel))


def damage_hash(path):
    return {"sha256": "0" * 64}


def damage_truncate(path):
    path.write_bytes(path.read_bytes()[:-5000])


def damage_html(path):
    path.write_bytes(b"<html>404</html>" * 100)


def damage_shape(path):
    with h5py.File(path, "r+") as file:
        name = first_dataset(file)
        del file[name]
        file[name] = np.zeros((3, 3, 3, 33), np.float32)


def damage_nan(path):
    with h5py.File(path, "r+") as file:
        dataset = file[first_dataset(file)]
        dataset[...] = np.nan


def damage_bomb(path):
    with h5py.File(path, "r+") as file:
        file.create_dataset("bomb", shape=(1 << 30,), dtype="f4", fillvalue=1.0)


def damage_link(path):
    with h5py.File(path, "r+") as file:
        name = first_dataset(file)
        del file[name]
        file[name] = h5py.ExternalLink("/etc/passwd", "/x")


def damage_missing(path):
    path.unlink()


def first_dataset(file):
    found = []
    file.visititems(
        lambda name, item: (
            found.append(name) if isinstance(item, h5py.Dataset) and item.ndim == 4 else None
        )
    )
    return found[0]


@pytest.mark.parametrize(
    "damage",
    [
        damage_hash,
        damage_truncate,
        damage_html,
        damage_shape,
        damage_nan,
        damage_bomb,
        damage_link,
        damage_missing,
    ],
    ids=lambda f: f.__name__,
)
def test_a_wrong_file_changes_nothing(weight_file, branch, tmp_path, damage):
    path = tmp_path / "copy_notop.weights.h5"
    path.write_bytes(weight_file.read_bytes())
    options = damage(path) or {}
    before = {name: array_of(v) for name, v in weight_table(branch).items()}
    with pytest.raises(UntrustedArtefactError):
        load_imagenet({"vis": branch}, "B0", path, **options)
    for name, variable in weight_table(branch).items():
        assert_array_equal(array_of(variable), before[name])


def test_another_variant_is_refused(weight_file):
    other = efficientnet_branch("B1", SHAPE, "vis")
    with pytest.raises(UntrustedArtefactError):
        load_imagenet({"vis": other}, "B1", weight_file)


def build(of, **arguments):
    given = {"variant": "B0", "clip": "none", **arguments}
    return zoo.build("two_branch_efficientnet", of, "finder", **given)


def test_single_bands_are_repeated_or_padded_with_zeros():
    of, x = contract(vis=("V", 32)), images(contract(vis=("V", 32)))
    seen = {}
    for how in ("repeat", "zeros"):
        model = build(of, channels=how)
        before = model.get_layer("vis_efficientnet_b0")
        probe = keras.Model(model.input, _input_of(before))
        seen[how] = np.asarray(probe(x, training=False))
    assert_array_equal(seen["repeat"], np.repeat(x["vis"], 3, axis=-1))
    assert_array_equal(seen["zeros"][..., :1], x["vis"])
    assert not seen["zeros"][..., 1:].any()


def _input_of(layer):
    """The tensor that a layer of a model is fed."""
    return layer._inbound_nodes[-1].input_tensors[0]


def test_channels():
    four = contract(all=("griz", 32))
    with pytest.raises(ArchitectureError, match="Select three of them"):
        build(four)
    assert build(four, channels="native").get_layer("all_efficientnet_b0").input_shape[-1] == 4
    with pytest.raises(ArchitectureError, match="need three channels"):
        build(four, channels="native", imagenet_weights="any.h5")


def test_default_is_the_papers_choice():
    arguments = zoo.registry.check_arguments("two_branch_efficientnet", {})
    assert (arguments.variant, arguments.clip, arguments.channels) == (
        "B2",
        "alternative",
        "repeat",
    )
    assert ("B0-half", "Lite0", *(f"B{n}" for n in range(8))) == VARIANTS


def test_half_of_b0_is_the_same_network_with_fewer_filters_and_blocks():
    half, whole = (reference_network(variant, (64, 64, 3)) for variant in ("B0-half", "B0"))
    assert half.output_shape == (None, 640)  # 1280 / 2
    assert whole.output_shape == (None, 1280)
    blocks = [
        sum(layer.name.endswith("_dwconv") for layer in network.layers) for network in (half, whole)
    ]
    assert blocks == [10, 16]  # 1, 2, 2, 3, 3, 4, 1 halved and rounded up, and as they are
    branch = efficientnet_branch("B0-half", (64, 64, 3), "vis")
    assert scaling_layers(branch) == []
    assert branch.count_params() == half.count_params() - 7  # of the scaling layers


def test_an_arcsinh_stretch_may_take_the_place_of_clipping():
    model = build(contract(vis=("V", 32)), clip="arcsinh")
    names = [layer.name for layer in model.layers]
    assert "vis_stretch" in names
    assert "vis_clip" not in names
    assert "vis_stretch" not in [layer.name for layer in build(contract(vis=("V", 32))).layers]
