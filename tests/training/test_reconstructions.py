"""Pairs in shards: reproducible, resumable, refused where they do not belong."""

import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lensfinder.errors import DatasetSpecError, OutputExistsError
from lensfinder.training import reconstructions
from lensfinder.training.pairs import COLUMNS, Pairs, PairSpec, Systems
from lensfinder.training.reconstructions import load_pairs, main, make_pairs, read_spec
from lensfinder.training.solutions import Scan

SPEC = PairSpec(seed=7, scan=Scan(size=8))


class Drawn(Systems):
    """Lenses out of the air: every fifth cannot be used."""

    made = 0

    def pairs(self, index):
        if index % 5 == 4:
            return None
        type(self).made += 1
        rng = np.random.default_rng((self.spec.seed, index))
        size = self.spec.scan.size
        images = {
            name: rng.normal(size=(3, size, size, 1)).astype(np.float16)
            for name in ("source", "residual")
        }
        number = np.full(3, index)
        radius = np.full(3, 1.0, np.float32)
        return Pairs(images, np.arange(3), number, radius, radius, radius)


@pytest.fixture
def drawn(monkeypatch):
    monkeypatch.setattr(reconstructions, "Systems", Drawn)
    monkeypatch.setattr(reconstructions, "LENSES_PER_SHARD", 4)
    Drawn.made = 0
    return Drawn


def test_pairs_come_back_as_they_were_made(drawn, tmp_path):
    folder = make_pairs(SPEC, tmp_path / "pairs", n=10)
    found = load_pairs(folder)
    expected = drawn(SPEC).some(0, 10)
    assert len(found) == 3 * 8
    for name in COLUMNS:
        assert_array_equal(getattr(found, name), getattr(expected, name))
    for name, images in expected.images.items():
        assert_array_equal(found.images[name], images)
    assert found.one_hot.sum() == len(found)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["lenses"], manifest["pairs"], len(manifest["shards"])) == (10, 24, 3)
    assert read_spec(folder) == SPEC
    assert set(load_pairs(folder, keep=lambda lens: lens % 2 == 0).lens) == {0, 2, 6, 8}


def test_an_interrupted_run_goes_on_and_a_longer_one_keeps_what_is_there(drawn, tmp_path):
    folder = make_pairs(SPEC, tmp_path / "pairs", n=10)
    whole = {path.name: path.read_bytes() for path in folder.glob("pairs-*.npz")}
    (folder / "pairs-00001.npz").unlink()
    drawn.made = 0
    make_pairs(SPEC, folder, n=10)
    assert drawn.made == 3  # lenses 4 to 7, of which one cannot be used, and no other
    again = {path.name: path.read_bytes() for path in folder.glob("pairs-*.npz")}
    assert again.keys() == whole.keys()
    drawn.made = 0
    make_pairs(SPEC, folder, n=12)  # the last shard had two lenses of four
    assert drawn.made == 3
    assert_array_equal(np.unique(load_pairs(folder).lens), [0, 1, 2, 3, 5, 6, 7, 8, 10, 11])


def test_a_smaller_run_takes_no_pairs_away(drawn, tmp_path):
    folder = make_pairs(SPEC, tmp_path / "pairs", n=10)
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(OutputExistsError, match="pairs of 10 lenses. Ask for 10 or more"):
        make_pairs(SPEC, folder, n=6)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole
    (folder / "pairs-00002.npz").unlink()  # interrupted before the end: it may end earlier
    make_pairs(SPEC, folder, n=8)
    assert json.loads((folder / "manifest.json").read_text())["lenses"] == 8


def test_folders_of_something_else_are_refused(drawn, tmp_path):
    folder = make_pairs(SPEC, tmp_path / "pairs", n=2)
    other = SPEC.model_copy(update={"seed": 8})
    with pytest.raises(OutputExistsError, match="another specification"):
        make_pairs(other, folder, n=2)
    with pytest.raises(DatasetSpecError, match="no pairs"):
        load_pairs(tmp_path)
    with pytest.raises(DatasetSpecError, match="no folder of pairs"):
        read_spec(tmp_path)
    with pytest.raises(DatasetSpecError, match="n must be at least 1"):
        make_pairs(SPEC, folder, n=0)
    with pytest.raises(ValueError, match="dimming"):
        PairSpec(seed=1, dimming=(2.0, 1.0))


def test_the_script_says_how_fast_it_is(drawn, tmp_path, capsys):
    words = ["-n", "3", "-o", str(tmp_path / "p"), "--size", "8", "--workers", "0"]
    assert main(words) == 0
    assert "9 pairs" in capsys.readouterr().out
    assert read_spec(tmp_path / "p").scan.size == 8


@pytest.mark.slow
def test_pairs_do_not_depend_on_workers_or_on_who_else_is_made(monkeypatch, tmp_path):
    monkeypatch.setattr(reconstructions, "LENSES_PER_SHARD", 2)
    spec = PairSpec(seed=3, dimming=(0.05, 1.0), scan=Scan(size=16, source_pixels=60, steps=3))
    one, two = (
        load_pairs(make_pairs(spec, tmp_path / str(workers), n=4, workers=workers))
        for workers in (0, 2)
    )
    alone = Systems(spec).pairs(int(one.lens[-1]))
    for name in ("source", "residual"):
        assert_array_equal(one.images[name], two.images[name])
        assert_array_equal(one.images[name][-3:], alone.images[name])
    assert_array_equal(one.theta_E, two.theta_E)
    assert not np.array_equal(one.images["source"][:3], one.images["source"][-3:])
