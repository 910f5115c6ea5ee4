"""RELIABILITY A1, A3, A5: crafted model files, bit rot, half-wrong files; at the numbers asked."""

import io
import json
import pickle
import sys
import tarfile
import zipfile

import h5py
import keras
import numpy as np
import pytest
from safetensors.numpy import load as parse
from safetensors.numpy import save as serialise

from lensfinder import zoo
from lensfinder.errors import UntrustedArtefactError
from lensfinder.zoo.artefacts import Pin, pin_of
from lensfinder.zoo.preset_files import Manifest
from lensfinder.zoo.weights import array_of, load_weights, weight_table
from tests import tiny

SHARD = "weights-00001-of-00001.safetensors"
ARGUMENTS = {"widths": (4, 6), "units": 5}
OF = tiny.contract()


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A preset's files as bytes."""
    keras.utils.set_random_seed(1)
    folder = tmp_path_factory.mktemp("preset") / "p"
    zoo.save_preset(
        folder,
        zoo.build("compact_finder", OF, "finder", **ARGUMENTS),
        builder="compact_finder",
        arguments=ARGUMENTS,
        task="finder",
        targets=None,
        contract=OF,
        metrics={},
        card="",
    )
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def target():
    """A model that failed loads must leave alone."""
    keras.utils.set_random_seed(2)
    return zoo.build("compact_finder", OF, "finder", **ARGUMENTS)


@pytest.fixture
def folder(original, tmp_path):
    place = tmp_path / "preset"
    place.mkdir()
    for name, content in original.items():
        (place / name).write_bytes(content)
    return place


def repin(folder):
    """What an attacker does who may write the whole folder: make the manifest agree."""
    manifest = json.loads((folder / "weights.json").read_text())
    manifest["files"] = {
        name: pin_of(folder / name).model_dump()
        for name in manifest["files"]
        if (folder / name).exists()
    }
    (folder / "weights.json").write_text(json.dumps(manifest))
    return {name: Pin(**pin) for name, pin in manifest["files"].items()}


def snapshot(model):
    return {name: array_of(v) for name, v in weight_table(model).items()}


def unchanged(model, before):
    return all(np.array_equal(array_of(v), before[n]) for n, v in weight_table(model).items())


# --- A1: files that would run code ----------------------------------------------------------------
class Touch:
    """Unpickling it makes a file: the canary."""

    def __init__(self, canary):
        self.canary = str(canary)

    def __reduce__(self):
        return open, (self.canary, "w")


def pickled(canary):
    return pickle.dumps(Touch(canary))


def pickled_array(canary):
    buffer = io.BytesIO()
    np.save(buffer, np.array([Touch(canary)], object), allow_pickle=True)
    return buffer.getvalue()


def in_a_zip(entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def keras_file(config, weights=b""):
    return in_a_zip(
        {
            "metadata.json": json.dumps({"keras_version": keras.__version__}),
            "config.json": json.dumps(config),
            "model.weights.h5": weights,
        }
    )


def with_lambda(canary):
    """A .keras file of today whose Lambda layer touches the canary when the model is built."""
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Lambda(eval(f"lambda x: (open({str(canary)!r}, 'w').close(), x)[1]")),
        ]
    )
    path = canary.with_suffix(".keras")
    model.save(path)
    canary.unlink(missing_ok=True)
    return path.read_bytes()


def gadget(module, kind, **config):
    return lambda canary: keras_file(
        {
            "module": module,
            "class_name": kind,
            "config": {"name": "a"} | config,
            "registered_name": None,
        }
    )


def archive(kind, link=None):
    def make(canary):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            info = tarfile.TarInfo(f"../{canary.name}" if link is None else "inside")
            if link is not None:
                info.type, info.linkname = link, str(canary)
            tar.addfile(info, io.BytesIO(b""))
        return buffer.getvalue()

    return make


def hdf5(change):
    def make(canary):
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            change(file, canary)
        return buffer.getvalue()

    return make


def _legacy_lambda(file, canary):
    code = {"class_name": "Lambda", "config": {"function": ["x", None, None]}}
    file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": [code]})


def _external(file, canary):
    file["x"] = h5py.ExternalLink(str(canary), "/x")


def _soft(file, canary):
    file["x"] = h5py.SoftLink("/../../etc/passwd")


def _raw_external(file, canary):
    file.create_dataset("x", (4,), "f4", external=[(str(canary), 0, 16)])


def _virtual(file, canary):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(canary), "x", (4,))
    file.create_virtual_dataset("x", layout)


CRAFTED = {
    "pickle": pickled,
    "pickle in npy": pickled_array,
    "pickle in npz": lambda c: in_a_zip({"a.npy": pickled_array(c)}),
    "keras Lambda": with_lambda,
    "keras enable_unsafe": gadget("keras.config", "enable_unsafe_deserialization"),
    "keras load_model": gadget("keras.models", "load_model", filepath="x.keras"),
    "keras TFSMLayer": gadget("keras.layers", "TFSMLayer", filepath="/tmp/x"),
    "keras StringLookup": gadget("keras.layers", "StringLookup", vocabulary="/etc/passwd"),
    "keras os.system": gadget("os", "system", command="true"),
    "keras name": gadget("keras.layers", "Dense", units=1, name="../../x"),
    "h5 Lambda": hdf5(_legacy_lambda),
    "h5 external link": hdf5(_external),
    "h5 soft link": hdf5(_soft),
    "h5 external storage": hdf5(_raw_external),
    "h5 virtual": hdf5(_virtual),
    "yaml": lambda c: f"!!python/object/apply:os.system ['touch {c}']".encode(),
    "tar": archive("tar"),
    "tar hard link": archive("tar", tarfile.LNKTYPE),
    "tar symlink": archive("tar", tarfile.SYMTYPE),
    "zip slip": lambda c: in_a_zip({f"../{c.name}": b"x"}),
    "script": lambda c: f"import pathlib\npathlib.Path({str(c)!r}).touch()\n".encode(),
}


@pytest.mark.parametrize("kind", CRAFTED)
def test_a_crafted_file_runs_nothing(folder, target, tmp_path, kind):
    canary = tmp_path / "canary"
    content = CRAFTED[kind](canary)
    assert not canary.exists()
    before, modules = snapshot(target), set(sys.modules)
    for name in (SHARD, "config.json", "metrics.json"):
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes(content)
        repin(folder)
        with pytest.raises(UntrustedArtefactError):
            zoo.open_preset(folder).load()
        with pytest.raises(UntrustedArtefactError):
            load_weights(target, folder, {SHARD: pin_of(folder / name)})
        (folder / name).write_bytes(kept)
    assert not canary.exists()
    assert unchanged(target, before)
    new = set(sys.modules) - modules
    assert not {name for name in new if not name.startswith(("keras", "tensorflow", "lensfinder"))}


def test_the_canaries_do_sing(tmp_path):
    """The control: read as their makers want it, these files do run code."""
    assert len(CRAFTED) >= 20
    canary = tmp_path / "canary"
    pickle.loads(pickled(canary)).close()
    assert canary.exists()
    canary.unlink()
    np.load(io.BytesIO(pickled_array(canary)), allow_pickle=True)[0].close()
    assert canary.exists()
    content = with_lambda(canary)
    assert not canary.exists()
    path = tmp_path / "x.keras"
    path.write_bytes(content)
    keras.saving.load_model(path, safe_mode=False)(np.ones((1, 1), np.float32))
    assert canary.exists()


# --- A3: bit rot ----------------------------------------------------------------------------------
def test_bit_rot_at_the_numbers_asked(folder, original, target, rng):
    """400 flips, 100 truncations, 50 swaps: none is used; without our hash over 100 would be."""
    content, before = original[SHARD], snapshot(target)
    known = Manifest.model_validate_json(original["weights.json"]).files
    damaged = []
    for bit in rng.integers(0, 8 * len(content), 400):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << (bit % 8)
        damaged.append(bytes(flipped))
    damaged += [content[: int(cut)] for cut in rng.integers(0, len(content), 100)]
    damaged += [rng.bytes(len(content)) for _ in range(50)]
    silent = 0
    for bad in damaged:
        (folder / SHARD).write_bytes(bad)
        with pytest.raises(UntrustedArtefactError):
            load_weights(target, folder, known)
        try:
            silent += set(parse(bad)) == set(weight_table(target))
        except Exception:
            continue
    assert unchanged(target, before)
    assert silent > 100


# --- A5: all or nothing ---------------------------------------------------------------------------
def test_fifty_files_with_one_wrong_tensor_change_nothing(folder, original, target):
    tensors, before, tried = parse(original[SHARD]), snapshot(target), 0
    for name, array in tensors.items():
        for wrong in (
            np.zeros((*array.shape, 1), np.float32),
            np.zeros((2, *array.shape), np.float32),
            array.astype(np.float64),
            array.astype(np.int32),
            np.full_like(array, np.nan),
        ):
            (folder / SHARD).write_bytes(serialise({**tensors, name: wrong}))
            with pytest.raises(UntrustedArtefactError):
                load_weights(target, folder, repin(folder))
            assert unchanged(target, before)
            tried += 1
    assert tried >= 50
