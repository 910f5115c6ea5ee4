"""``lensfinder challenge``: the same as Python, on tiny data packs."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from lensfinder import cli
from lensfinder.data import load_arrays
from lensfinder.specs import GroupContract, InputContract
from tests import tiny
from tests.data import challenge_files as packs


def command(*words):
    return CliRunner().invoke(cli.app, ["challenge", *[str(word) for word in words]])


@pytest.fixture
def pack(tmp_path, rng):
    """Six objects of the first challenge's space track, and their key."""
    packs.space(tmp_path / "data", rng, ids=range(100001, 100007))
    labels = {100001 + k: k % 2 for k in range(6)}
    return tmp_path / "data", packs.first_key(tmp_path / "key.csv", labels)


def test_list():
    done = command("list")
    assert done.exit_code == 0
    assert [line.split() for line in done.stdout.splitlines()][2] == [
        "lens-challenge-2",
        "euclid-vis-nisp",
    ]


def test_read(pack, tmp_path):
    images, key = pack
    words = ("read", "lens-challenge-1-space", images, "-o", tmp_path / "out", "--catalogue", key)
    done = command(*words)
    assert done.exit_code == 2
    assert "None of the 6 objects can be used" in done.stderr
    done = command(*words, "--resample", "--assume-unit", "electron/s")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("6 objects")
    _, y, _ = load_arrays(tmp_path / "out", targets=("label",))
    assert sorted(np.ravel(y)) == [0, 0, 0, 1, 1, 1]


def test_submit(pack, tmp_path):
    images, key = pack
    preset = tiny.save(tmp_path / "presets")
    entry = tmp_path / "entry.csv"
    words = ("submit", "lens-challenge-1-space", images, "-o", entry, "--preset", preset)
    done = command(*words)
    assert done.exit_code == 2
    assert "6 of 6 objects have no score" in done.stderr
    assert not entry.exists()
    done = command(*words, "--resample", "--assume-unit", "electron/s", "--catalogue", key)
    assert done.exit_code == 0, done.output
    lines = [line.split(",") for line in entry.read_text().splitlines()]
    assert [name for name, _ in lines] == [str(100001 + k) for k in range(6)]
    assert all(0 <= float(score) <= 1 for _, score in lines)
    figures = json.loads(done.stdout[done.stdout.index("{") :])
    assert figures["objects"] == 6
    fit = ("--resample", "--assume-unit", "electron/s", "--overwrite")
    one_kind = packs.first_key(tmp_path / "lenses.csv", dict.fromkeys(range(100001, 100007), 1))
    told = command(*words, *fit, "--catalogue", one_kind)
    assert told.exit_code == 0, told.output
    assert "no figures: of the 6 objects with a label and a score, 6 are lenses" in told.stdout
    assert 0 <= figures["roc_auc"] <= 1
    done = command(*words, "--unscored", "0", "--overwrite")
    assert done.exit_code == 0
    assert "6 wrong_" in done.stdout
    assert {line.split(",")[1] for line in entry.read_text().splitlines()} == {"0"}


def test_names_and_folders_of_the_lsst_challenge_give_figures_without_a_catalogue(tmp_path, rng):
    data, entry = tmp_path / "data", tmp_path / "entry.csv"
    packs.lsst(data / "slsim_lenses", rng, ["D1_L_1", "renamed"], side=16)
    packs.lsst(data / "non_lenses", rng, ["object_1", "object_2"], side=16)
    packs.lsst(data / "test_dataset", rng, ["object_3"], side=16)
    lsst = GroupContract(name="lsst", bands=tuple("grizy"), stamp=16, pixel_scale=0.2)
    agreed = InputContract(survey="lsst-grizy", groups=(lsst,))
    preset = tiny.save(tmp_path / "presets", agreed=agreed)
    words = ("-o", entry, "--preset", preset, "--assume-unit", "electron/s", "--overwrite")
    done = command("submit", "lens-challenge-lsst", data, *words)
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout[done.stdout.index("{") :])
    assert (figures["objects"], figures["lenses"]) == (4, 2)
    done = command("submit", "lens-challenge-lsst", data / "test_dataset", *words)
    assert done.exit_code == 0, done.output
    assert "{" not in done.stdout
    entry.unlink()
    key = packs.first_key(tmp_path / "key.csv", {1: 1, 2: 0})
    done = command("submit", "lens-challenge-lsst", data, *words, "--catalogue", key)
    assert done.exit_code == 2
    assert "has no catalogue" in done.stderr
    assert not entry.exists()


def test_unknown_names_are_one_line():
    done = command("read", "x", ".", "-o", "y")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: There is no challenge named 'x'")
