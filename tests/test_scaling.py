"""The scaling benchmark: budgets by arithmetic, the power law, and a run from end to end."""

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent / "training"))
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def scaling(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("scaling")


@pytest.mark.parametrize("task", ["finder", "modeller"])
def test_each_budget_has_the_whole_schedule(scaling, task):
    scale = scaling.SCALES["cpu"]
    base = scaling.base_recipe(task, scale)
    assert base.test.size == 10_000
    assert "symmetric" not in base.network.arguments
    for budget in scale.budgets:
        recipe = scaling.of_budget(base, budget, scale)
        assert recipe.total_steps * recipe.batch_size == budget
        assert recipe.epochs >= scale.epochs
        assert recipe.schedule.warmup_steps == min(500, recipe.total_steps // 10)
        assert (recipe.data, recipe.test) == (base.data, base.test)


def test_the_smallest_scale_can_be_run_as_written(scaling):
    scale = scaling.SCALES["ci"]
    for task in ("finder", "modeller"):
        base = scaling.base_recipe(task, scale)
        steps = [scaling.of_budget(base, budget, scale).total_steps for budget in scale.budgets]
        assert steps == [4, 8]


def test_stored_mocks_take_the_place_of_fresh_ones(scaling, tmp_path):
    base = scaling.base_recipe("finder", scaling.SCALES["cpu"], tmp_path)
    assert (base.data.kind, base.data.folder) == ("shards", str(tmp_path))


def test_a_power_law_is_found(scaling):
    seen = np.array([1000, 2000, 4000, 8000])
    exact = 3.0 * seen**-0.4
    law = scaling.power_law(seen, [0.9, *exact[1:]])  # the first is not on it, and not fitted
    assert law["slope"] == pytest.approx(-0.4)
    assert law["at_ten_times"] == pytest.approx(3.0 * 80_000**-0.4)
    assert law["budgets"] == 3
    flat = scaling.power_law(seen, [0.2] * 4)  # the control: nothing is gained
    assert flat["slope"] == pytest.approx(0)
    assert scaling.power_law(seen, [None, None, 0.0, 0.1]) is None


@pytest.fixture
def fake(monkeypatch):
    from test_evaluation import FakeSimulator

    import lensfinder.simulate

    monkeypatch.setattr(lensfinder.simulate, "Simulator", FakeSimulator)


@pytest.mark.parametrize("task", ["finder", "modeller"])
def test_errors_of_all_budgets_are_of_the_same_mocks(scaling, task, tmp_path, fake):
    from test_evaluation import HELD
    from tiny_training import recipe

    mocks = {"kind": "simulator", "population": "pearson2019-train", "seed": 1}
    held = {"validation": {**HELD, "seed": 8, "size": 32}, "test": HELD}
    base = recipe(tmp_path, task=task, data=mocks, epochs=1, **held, schedule=CONSTANT)
    scale = scaling.Scale((16, 32), 200, 32, 1, 8, {})
    given = SimpleNamespace(minutes=None, workers=0)
    watch = SimpleNamespace(spent=False, seconds=0.0)
    models = scaling.trained(base, scale, tmp_path / "work", watch, given)
    assert list(models) == [16, 32]
    found = scaling.curve(base, models, scale)
    assert found["test"]["n"] == 200
    assert [point["mocks_seen"] for point in found["points"]] == [16, 32]
    for point in found["points"]:
        assert found["power_laws"].keys() == point["errors"].keys()
        assert all(
            error["value"] is None or error["value"] > 0 for error in point["errors"].values()
        )
    assert len(scaling.plot({task: found}).axes) == 1
    table = scaling.markdown({task: found})
    assert "ten times as many" in table
    assert "| 32 |" in table
    over = SimpleNamespace(spent=True, seconds=60.0)
    assert scaling.trained(base, scale, tmp_path / "work", over, given) is None


CONSTANT = {"kind": "constant", "learning_rate": 0.01}


@pytest.mark.slow
def test_it_runs_on_mocks_of_euclid_and_goes_on_where_it_was(scaling, tmp_path):
    words = ["--scale", "ci", "--work", str(tmp_path / "work"), "--folder", str(tmp_path)]
    assert scaling.main([*words, "--minutes", "1e-9"]) == 3
    assert scaling.main(words) == 0
    figures = json.loads((tmp_path / "scaling-ci.json").read_text())["figures"]
    assert set(figures) >= {"finder", "modeller", "scale"}
    assert [p["mocks_seen"] for p in figures["modeller"]["points"]] == [128, 256]
    assert (tmp_path / "scaling-ci.png").stat().st_size > 0
