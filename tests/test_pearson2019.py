"""The benchmark of Pearson et al. 2019: plans by arithmetic, and two studies from end to end."""

import dataclasses
import importlib
import json
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import yaml

from lensfinder.errors import CheckpointError
from lensfinder.simulate import simulator
from lensfinder.specs import load_population

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module("pearson2019")
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture
def networks(benchmark, tmp_path, monkeypatch):
    """At the scale of two cores, with costs as measured on one of them; nothing is run."""
    made = benchmark.Networks(tmp_path, benchmark.SCALES["cpu"])
    costs = {"paper": 1 / 127, "ours": 1 / 468, "mocks": 1 / 265}
    monkeypatch.setattr(made, "_probe", lambda what, survey: costs[what])
    monkeypatch.setattr(made, "fixed_set", lambda mocks: tmp_path / "fixed")
    return made


def test_both_recipes_get_the_same_core_seconds(benchmark, networks):
    mocks = benchmark.Mocks("euclid-vis", "subtracted")
    paper, ours = (networks.recipe(kind, mocks) for kind in ("paper", "ours"))
    seconds = {
        "paper": paper.total_steps * paper.batch_size / 127,
        "ours": ours.total_steps * ours.batch_size / 468,
    }
    for kind, taken in seconds.items():
        # whole passes over the fixed set, of which each takes a quarter
        assert taken == pytest.approx(600, rel=0.15 if kind == "paper" else 0.01)
    assert ours.turned
    assert not paper.turned
    assert ours.data == paper.data
    assert ours.steps_per_epoch <= 20_000 // 64
    assert networks.source("ours", mocks) == "the fixed set, turned"
    assert paper.drawing == ours.drawing == {"subtract_lens_light": True}
    assert paper.optimizer.name == "nadam"
    assert paper.schedule.kind == "constant"
    assert paper.network.arguments == {"scaling": "image"}
    cost = (networks.folder / "costs" / "ours-euclid-vis.json").read_text()
    assert json.loads(cost) == 1 / 468


def test_ours_pays_for_fresh_mocks_where_the_fixed_set_would_repeat(benchmark, networks):
    networks.scale = dataclasses.replace(networks.scale, seconds=6000.0)
    mocks = benchmark.Mocks("euclid-vis", "subtracted")
    ours = networks.recipe("ours", mocks)
    taken = ours.total_steps * ours.batch_size * (1 / 468 + 1 / 265)
    assert taken == pytest.approx(6000, rel=0.01)
    assert networks.source("ours", mocks) == "fresh mocks"
    assert not ours.turned
    assert ours.drawing == {"subtract_lens_light": True}


def test_populations_of_the_scatter_study(benchmark, networks):
    mocks = benchmark.Mocks("euclid-vis", scatter=(0.12, 0))
    found = load_population(networks.population(mocks, "train"))
    assert found.lens_light.axis_ratio_factor.sigma == 0.12
    assert found.lens_light.axis_ratio_factor.mean == 1.0
    assert np.all(found.lens_light.angle_offset.draw([0.1, 0.9], "deg") == 0)
    assert found.source_position.region == "caustic"
    assert found.mass == load_population("pearson2019-train").mass
    bare = load_population(networks.population(benchmark.Mocks("lsst-r", "absent"), "test"))
    assert bare.lens_light is None
    assert networks.population(benchmark.Mocks("lsst-r"), "test") == "pearson2019-test"


def test_how_much_better(benchmark):
    studies = importlib.import_module("_pearson_studies")
    half = {name: {"rms": 0.5} for name in studies.SHOWN}
    assert studies.better(half, {name: {"rms": 1.0} for name in studies.SHOWN})["mean"] == 0.5


@pytest.fixture
def compiled_once(monkeypatch):
    """Simulators of one survey share their compiled programs: most of the time is compilation."""
    for name in ("RenderProgram", "NoiseProgram"):
        monkeypatch.setattr(simulator, name, lru_cache(getattr(simulator, name)))


@pytest.mark.usefixtures("compiled_once")
def test_two_studies_share_one_training(benchmark, tmp_path, capsys):
    """One network of 64 mocks: figures and files are there; what they say means nothing."""
    for study in ("snr", "parameters"):
        arguments = ["--scale", "ci", "--study", study, "--work", str(tmp_path / "work")]
        assert benchmark.main([*arguments, "--folder", str(tmp_path)]) == 0
        written = json.loads((tmp_path / f"pearson2019-{study}-ci.json").read_text())
        assert written["figures"]["scale"] == "ci"
        assert (tmp_path / f"pearson2019-{study}-ci.png").stat().st_size > 10_000
    assert capsys.readouterr().out.count("training ours-euclid-vis-subtracted") == 1
    by = written["figures"]["by"]
    assert set(by) == {"theta_E", "orientation", "ellipticity", "theta_E over R_e"}
    for lines in by.values():
        (points,) = lines.values()
        assert sum(point["objects"] for point in points) == 64
        assert all(np.isfinite(point["parameters"]["theta_E"]["rms"]) for point in points)


def test_a_network_of_another_recipe_is_not_taken(benchmark, networks):
    mocks = benchmark.Mocks("euclid-vis", "subtracted")
    place = networks.folder / "trained" / f"ours-{mocks.name}"
    place.mkdir(parents=True)
    (place / "best.safetensors").touch()
    told = networks.recipe("ours", mocks)
    (place / "config.yaml").write_text(yaml.safe_dump({"recipe": told.model_dump(mode="json")}))
    assert networks.train("ours", mocks) == place
    networks.scale = dataclasses.replace(networks.scale, seconds=300.0)
    with pytest.raises(CheckpointError, match="another recipe"):
        networks.train("ours", mocks)


def test_the_first_cost_that_is_measured_holds(benchmark, networks, monkeypatch):
    def slower(what, survey):
        (networks.folder / "costs" / f"{what}-{survey}.json").write_text("0.5")  # another process
        return 0.25

    monkeypatch.setattr(networks, "_probe", slower)
    assert networks.cost("ours", "lsst-r") == 0.5
    assert not list((networks.folder / "costs").glob(".*"))


def test_cells_are_trained_apart(benchmark, tmp_path, capsys, monkeypatch):
    trained = []
    monkeypatch.setattr(
        benchmark.Networks, "train", lambda self, kind, mocks: trained.append((kind, mocks.name))
    )
    arguments = ["--scale", "ci", "--cells", "euclid-vis-subtracted", "--work", str(tmp_path)]
    assert benchmark.main(arguments) == 3
    assert trained == [(kind, "euclid-vis-subtracted") for kind in ("paper", "ours")]
    assert "without --cells" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="euclid-vis-subtracted"):
        benchmark.main([*arguments[:3], "lsst-u-present", *arguments[4:]])


def test_out_of_time_says_so(benchmark, tmp_path, capsys):
    arguments = ["--scale", "ci", "--study", "snr", "--minutes", "0", "--work", str(tmp_path)]
    assert benchmark.main([*arguments, "--folder", str(tmp_path)]) == 3
    assert "Call again" in capsys.readouterr().out
