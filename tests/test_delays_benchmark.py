"""The benchmark of positions and delays: what it counts, where errors are right or too small."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

import lensfinder
from lensfinder.lensing.cosmology import distances
from lensfinder.lensing.delays import arrival_delays
from lensfinder.lensing.multiplicity import ImagePositions, image_positions
from lensfinder.tables import read_lenses

ROOT = Path(__file__).resolve().parent.parent
N = 600


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module("delays_coverage")
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture(scope="module")
def lenses():
    """True images, and a table of lenses whose errors are known exactly."""
    rng = np.random.default_rng(3)
    theta_E = rng.uniform(0.8, 1.8, N)
    truth = Table({"theta_E": theta_E, "e1": rng.normal(0, 0.1, N), "e2": rng.normal(0, 0.1, N)})
    truth["x_src"], truth["y_src"] = rng.normal(0, 0.15, (2, N))
    images = image_positions(truth["x_src"].data, truth["y_src"].data, **read_lenses(truth).lens())
    z_lens, z_src = np.full(N, 0.5), np.full(N, 2.0)
    delay = arrival_delays(images, z_lens, z_src, distances("pearson2019"))
    table = Table({"id": np.arange(N).astype(str)})
    for name, std in {"theta_E": 0.03, "e1": 0.02, "e2": 0.02}.items():
        table[name] = truth[name] + rng.normal(0, std, N)
        table[f"{name}_std"] = std
    table["x_obs"], table["y_obs"], table["z_lens"], table["z_src"] = (
        *(images.x[:, 0], images.y[:, 0]),
        *(z_lens, z_src),
    )
    return {"images": images, "delay": delay}, table


def far_off(found):
    """Probabilities of numbers of images that are not as often right, by four standard errors."""
    bins = [each for group in found["number_of_images"].values() for each in group]
    assert sum(each["lenses"] for each in bins) > N
    return [
        each
        for each in bins
        if abs(each["mean_probability"] - each["share_with_as_many"])
        > 4
        * np.sqrt(
            max(each["mean_probability"] * (1 - each["mean_probability"]), 0.02) / each["lenses"]
        )
    ]


def test_right_errors_hold_the_truth_as_often_as_they_say(benchmark, lenses):
    truth, table = lenses
    found = benchmark.compared(
        truth, lensfinder.delays(table, cosmology="pearson2019", draws=200, seed=1)
    )
    assert found["right_number_of_images"] > 0.9
    for name in benchmark.QUANTITIES:
        few = found[name]["further_images"] / 3  # those of a quad hang together
        assert few > N / 4
        # draws with another number of images are left out, which narrows a little
        assert abs(found[name]["in_68"] - 0.6827) < 0.03 + 4 * np.sqrt(0.68 * 0.32 / few)
    assert far_off(found) == []


def test_errors_that_are_too_small_are_seen(benchmark, lenses):
    """The control."""
    truth, table = lenses
    table = table.copy()
    for name in ("theta_E", "e1", "e2"):
        table[f"{name}_std"] /= 3
    found = benchmark.compared(
        truth, lensfinder.delays(table, cosmology="pearson2019", draws=200, seed=1)
    )
    for name in benchmark.QUANTITIES:
        assert found[name]["in_68"] < 0.45
        assert found[name]["in_68_of_all"] < found[name]["in_68"]
    # so are probabilities of something else
    wrong = np.random.default_rng(1).permutation(N)
    images = ImagePositions(*(part[wrong] for part in truth["images"]))
    shuffled = {"images": images, "delay": truth["delay"][wrong]}
    assert far_off(benchmark.compared(shuffled, lensfinder.delays(table, cosmology="pearson2019")))


def test_images_of_a_system_stand_side_by_side(benchmark):
    table = Table({"id": ["b", "b", "a"], "x": [1.0, 2.0, 3.0], "p_2": [0.9, 0.9, 0.1]})
    table["n_images"] = [2, 2, 0]
    arrays, number = benchmark.by_system(table, ["x", "p_2"])
    np.testing.assert_array_equal(arrays["x"], [[1, 2, np.nan, np.nan], [3, *[np.nan] * 3]])
    assert arrays["p_2"][:, 0].tolist() == [0.9, 0.1]
    assert number.tolist() == [2, 0]


def test_the_benchmark_runs(benchmark, tmp_path, monkeypatch):
    words = ["delays_coverage.py", "--mocks", "24", "--draws", "40", "--folder", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    benchmark.main()
    figures = json.loads((tmp_path / "delays_coverage.json").read_text())["figures"]
    for found in figures["populations"].values():
        for way in ("columns", "draws", "draws_and_scatter"):
            assert 0 <= found[way]["delay"]["in_68"] <= 1
        # what is not known exactly makes errors larger
        wide, narrow = (
            found[w]["x_image"]["median_half_width"] for w in ("draws_and_scatter", "draws")
        )
        assert wide > narrow
