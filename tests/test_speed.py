"""The benchmark of speed: it runs on a tiny preset, and the README's table reads what it writes."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from tests import tiny

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    found = importlib.import_module("speed")
    monkeypatch.setattr(found, "one_core", lambda: None)  # this process has other tests to run
    return found


def test_it_measures_a_preset_in_batches_and_one_by_one(script, tmp_path):
    place = tiny.save(tmp_path, "finder")
    script.main(["--preset", place, "--seconds", "0", "--folder", str(tmp_path)])
    figures = json.loads((tmp_path / "speed.json").read_text())["figures"]
    found = figures["presets"][Path(place).name]
    assert set(found) == {"batch_256", "batch_1"}
    for one in found.values():
        assert one["calls"] == script.LEAST
        assert one["images_per_cpu_s"] > 0
    table = importlib.import_module("zoo_table")
    training = {"recipe": {"network": {}}}
    shown = table.speed(Path(place).name, training, table.results(tmp_path))
    assert shown == f"{found['batch_256']['images_per_cpu_s']:,.0f}"
    assert table.speed("another", training, table.results(tmp_path)) == table.NONE


def test_images_are_those_of_the_contract(script, rng):
    images = script.noise(tiny.contract(groups=("vis", "nisp")), 200, rng)
    assert {name: array.shape for name, array in images.items()} == {
        "vis": (200, 16, 16, 1),
        "nisp": (200, 16, 16, 3),
    }
    assert abs(np.std(images["nisp"]) / script.NOISE - 1) < 0.01  # 150,000 numbers: 0.2 %
