"""Checkpoints: whole or ignored (RELIABILITY D3)."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from tiny_training import recipe

from lensfinder.errors import CheckpointError
from lensfinder.training import checkpoint as module
from lensfinder.training.checkpoint import (
    model_arrays,
    newest_checkpoint,
    restore,
    training_arrays,
    write_checkpoint,
)
from lensfinder.training.network import build_network, compile_network

WRITER = """
import sys, numpy as np
from lensfinder.training.checkpoint import write_checkpoint
root, arrays = sys.argv[1], {"model/0": np.zeros(300_000, "f4"), "model/1": np.array(1, "f4")}
step = int(sys.argv[2])
while True:
    step += 1
    arrays["model/0"][:] = step
    write_checkpoint(root, step, arrays, best=arrays, state={"step": step})
    print(step, flush=True)
"""


def arrays(value):
    return {"model/0": np.full((3, 2), value, "f4"), "model/1": np.array(value, "uint32")}


def write(root, step):
    return write_checkpoint(root, step, arrays(step), best=arrays(0), state={"step": step})


def test_what_is_written_is_read(tmp_path):
    folder = write(tmp_path, 7)
    found = newest_checkpoint(tmp_path)
    assert found.folder == folder
    assert found.state == {"step": 7}
    for name, array in arrays(7).items():
        assert found.arrays[name].dtype == array.dtype
        assert found.arrays[name].shape == array.shape
        np.testing.assert_array_equal(found.arrays[name], array)


def test_a_view_is_written_as_what_it_shows(tmp_path):
    view = np.arange(6, dtype="f4").reshape(2, 3).T
    write_checkpoint(tmp_path, 1, {"a": view}, best={}, state={})
    np.testing.assert_array_equal(newest_checkpoint(tmp_path).arrays["a"], view)


def test_the_newest_three_are_kept(tmp_path):
    for step in (1, 2, 10, 9_999_999, 11):
        write(tmp_path, step)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["step-000000010", "step-000000011", "step-009999999"]
    assert newest_checkpoint(tmp_path / "empty") is None


def test_writing_the_same_step_again_replaces_it(tmp_path):
    write(tmp_path, 3)
    write_checkpoint(tmp_path, 3, arrays(4), best={}, state={"step": 3})
    np.testing.assert_array_equal(
        newest_checkpoint(tmp_path).arrays["model/0"], arrays(4)["model/0"]
    )
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000003"]


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "best.safetensors", "state.json", "manifest.json"]
)
def test_every_cut_and_every_flip_is_noticed(name, tmp_path, rng):
    write(tmp_path, 1)
    folder = write(tmp_path, 2)
    data = (folder / name).read_bytes()
    damaged = [data[: len(data) * i // 20] for i in range(20)]
    for bit in rng.integers(0, 8 * len(data), 40):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << (bit % 8)
        damaged.append(bytes(flipped))
    damaged.append(data + b" ")
    for content in damaged:
        (folder / name).write_bytes(content)
        notes = []
        found = newest_checkpoint(tmp_path, note=notes.append)
        # a flipped bit of the manifest that leaves its meaning (white space) may pass, with the
        # right data: what counts is that no wrong number is read
        if found.state["step"] == 2:
            assert name == "manifest.json"
            assert notes == []
        else:
            assert "step-000000002" in notes[0]
        np.testing.assert_array_equal(
            found.arrays["model/0"], arrays(found.state["step"])["model/0"]
        )
    (folder / name).unlink()
    assert newest_checkpoint(tmp_path).state["step"] == 1


def test_without_the_hashes_flips_would_pass(tmp_path, monkeypatch):
    """The control: the test above bites only because of the manifest."""
    folder = write_checkpoint(tmp_path, 2, arrays(2), best={}, state={"step": 2})
    path = folder / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="is whole"):
        newest_checkpoint(tmp_path)

    manifest = json.loads((folder / "manifest.json").read_text())
    digests = {entry["bytes"]: entry["sha256"] for entry in manifest.values()}
    assert len(digests) == 3
    monkeypatch.setattr(
        module.hashlib,
        "sha256",
        lambda data: type("H", (), {"hexdigest": lambda self: digests[len(data)]})(),
    )
    found = newest_checkpoint(tmp_path)
    assert any(not np.array_equal(found.arrays[n], value) for n, value in arrays(2).items())


def test_all_damaged_is_an_error_with_a_remedy(tmp_path):
    for step in (1, 2):
        (write(tmp_path, step) / "state.json").write_text("{}")
    with pytest.raises(CheckpointError, match="another folder"):
        newest_checkpoint(tmp_path)


def test_a_full_disk_leaves_the_old_ones(tmp_path, monkeypatch):
    write(tmp_path, 1)
    calls = []

    def refuse(handle):
        calls.append(handle)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        write(tmp_path, 2)
    monkeypatch.undo()
    assert newest_checkpoint(tmp_path).state["step"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001"]


def kill_while_writing(root, kills, rng):
    """Kill a process that only writes checkpoints, again and again; each time all must be whole."""
    step = 0
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(root), str(step)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        said = [int(line) for line in process.stdout.read().split()]
        process.stdout.close()
        process.wait()
        found = newest_checkpoint(root)
        assert found.state["step"] >= max(said, default=step + 1)  # what was reported is there
        np.testing.assert_array_equal(found.arrays["model/0"], np.float32(found.state["step"]))
        assert not list(root.glob(".*"))
        step = found.state["step"]


def test_killed_while_writing(tmp_path, rng):
    kill_while_writing(tmp_path, 4, rng)


@pytest.mark.slow
def test_killed_while_writing_two_hundred_times(tmp_path, rng):
    kill_while_writing(tmp_path, 200, rng)


# --- variables of a network -----------------------------------------------------------------------
@pytest.fixture(scope="module")
def network(tmp_path_factory):
    given = recipe(tmp_path_factory.mktemp("network"))
    return compile_network(build_network(given), given)


def test_seed_generators_and_optimiser_are_among_the_variables(network):
    found = training_arrays(network)
    assert len(model_arrays(network)) > len(network.weights)  # by the drop-out's seed generator
    assert len(found) == len(network.variables) + len(network.optimizer.variables)


def test_restore_is_all_or_nothing(network):
    before = training_arrays(network)
    changed = {
        name: array + 1 if array.dtype.kind == "f" else array for name, array in before.items()
    }
    for name in before:
        for wrong in (before[name].astype("f8"), np.zeros((7, 7, 7), before[name].dtype)):
            with pytest.raises(CheckpointError, match="another network"):
                restore(network, {**changed, name: wrong})
        with pytest.raises(CheckpointError, match="variables"):
            restore(network, {key: value for key, value in changed.items() if key != name})
    for name, array in training_arrays(network).items():
        np.testing.assert_array_equal(array, before[name])
    restore(network, changed)
    for name, array in training_arrays(network).items():
        np.testing.assert_array_equal(array, changed[name])
    restore(network, before)


def test_weights_of_the_best_epoch_leave_the_optimiser_alone(network):
    before = training_arrays(network)
    best = {name: np.zeros_like(array) for name, array in model_arrays(network).items()}
    restore(network, best)
    after = training_arrays(network)
    assert all((after[name] == 0).all() for name in best)
    assert all((after[n] == before[n]).all() for n in before if n.startswith("optimizer"))
    restore(network, before)


def test_leftovers_of_a_killed_process_are_swept(tmp_path):
    write(tmp_path, 1)
    shutil.copytree(tmp_path / "step-000000001", tmp_path / ".step-000000002.77.tmp")
    assert newest_checkpoint(tmp_path).state["step"] == 1
    assert not list(tmp_path.glob(".*"))
