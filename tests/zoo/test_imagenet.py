"""ImageNet weights to start from: fetched once, if they are those of keras.applications."""

import numpy as np
import pytest
from typer.testing import CliRunner

from lensfinder import cli, zoo
from lensfinder.errors import DownloadError, UnknownNameError
from lensfinder.zoo.imagenet import MD5, imagenet_file
from tests import tiny
from tests.zoo.faulty_server import serve


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("LENSFINDER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


def test_hashes_are_those_of_the_installed_keras():
    from keras.src.applications.efficientnet import BASE_WEIGHTS_PATH, WEIGHTS_HASHES

    from lensfinder.zoo.imagenet import KERAS_URL

    assert {v.lower(): md5 for v, md5 in MD5.items()} == {
        variant: notop for variant, (_, notop) in WEIGHTS_HASHES.items()
    }
    assert BASE_WEIGHTS_PATH.rstrip("/") == KERAS_URL


@pytest.fixture
def imagenet(tmp_path, monkeypatch, cache):
    """A server with a file of B0 weights that this test wrote, and the hash it has."""
    import hashlib

    import h5py

    from lensfinder.zoo import imagenet as module
    from lensfinder.zoo.efficientnet_branch import reference_network

    model = reference_network("B0", (32, 32, 3))
    path = tmp_path / "written.h5"
    with h5py.File(path, "w") as file:  # in the layout of the files that Keras publishes
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{w.name}:0" for w in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, values in zip(names, layer.get_weights(), strict=True):
                group.create_dataset(name, data=values)
    content = path.read_bytes()
    monkeypatch.setitem(module.MD5, "B0", hashlib.md5(content).hexdigest())
    with serve({"imagenet/efficientnetb0_notop.h5": content}) as running:
        monkeypatch.setenv("LENSFINDER_MODELS_URL", running.url("up"))
        yield running, model


def test_imagenet_weights_are_fetched_once(imagenet, cache, monkeypatch):
    server, model = imagenet
    made = {}
    for _ in range(2):
        made = zoo.build(
            "two_branch_efficientnet",
            tiny.contract(stamp=32),
            "finder",
            variant="B0",
            imagenet_weights="download",
        )
    assert server.asked == ["up"]
    ours = made.get_layer("vis_efficientnet_b0").get_layer("vis_top_conv").get_weights()[0]
    np.testing.assert_array_equal(ours, model.get_layer("top_conv").get_weights()[0])
    done = CliRunner().invoke(cli.app, ["models", "fetch", "imagenet/b0"])
    assert done.stdout.split()[1] == str(cache / "imagenet" / "efficientnetb0_notop.h5")


def test_imagenet_weights_that_are_not_those_of_keras_are_refused(imagenet, cache, monkeypatch):
    from lensfinder.zoo import imagenet as module

    server, _ = imagenet
    monkeypatch.setattr(module, "KERAS_URL", server.url("404"))
    monkeypatch.setenv("LENSFINDER_MODELS_URL", server.url("wrong"))
    with pytest.raises(DownloadError, match="give its path instead"):
        imagenet_file("B0")
    assert list((cache).rglob("*.h5")) == []
    with pytest.raises(UnknownNameError):
        imagenet_file("B9")
