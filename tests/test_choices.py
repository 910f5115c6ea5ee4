"""The benchmark of choices: one thing is changed at a time, and all are measured alike."""

import importlib
import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def choices(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("choices")


def changed(one, other) -> set:
    """Keys in which two recipes differ."""
    one, other = (recipe.model_dump(mode="json") for recipe in (one, other))
    return {key for key in one if one[key] != other[key]}


@pytest.mark.parametrize("task", ["finder", "modeller"])
def test_one_choice_is_changed_at_a_time(choices, task, tmp_path):
    scale = choices.SCALES["cpu"]
    found = choices.recipes(task, scale, tmp_path)
    base = found.pop(choices.BASE)
    assert base.total_steps * base.batch_size == scale.budgets[0]
    assert "symmetric" not in base.network.arguments
    expected = {
        choices.AGAIN: {"seed"},
        "learning rate 5e-4": {"schedule"},
        "learning rate 8e-3": {"schedule"},
        "batches of 32": {"batch_size", "steps_per_epoch", "schedule"},
        "batches of 512": {"batch_size", "steps_per_epoch", "schedule"},
        "half the width": {"network"},
        "twice the width": {"network"},
        "each image to 0-1": {"network"},
        "the paper's clipping": {"network"},
        "stamps of 41 pixels": {"survey"},
    }
    if task == "modeller":
        expected |= {words: {"network", "loss"} for words in ("one Gaussian", "three Gaussians")}
    assert {words: changed(base, recipe) for words, recipe in found.items()} == expected
    for recipe in found.values():  # the same number of mocks
        assert recipe.total_steps * recipe.batch_size == pytest.approx(scale.budgets[0], rel=0.01)
    smaller = found["stamps of 41 pixels"].contract()
    assert [group.stamp for group in smaller.groups] == [41]


def test_choices_are_made_on_mocks_that_nothing_else_uses(choices):
    for task in choices.TASKS:
        recipe = choices.base_recipe(task, choices.SCALES["cpu"])
        assert choices.SEED not in {recipe.data.seed, recipe.validation.seed, recipe.test.seed}


def test_rows_of_other_mocks_say_so(choices):
    def row(value, same=True):
        errors = {"1 - AUC": {"value": value, "std": 0.01}}
        return {"errors": errors, "parameters": 5, "seconds": 2.0, "same_mocks_as_base": same}

    rows = {choices.BASE: row(0.2), choices.AGAIN: row(0.23), "small": row(None, same=False)}
    text = choices.markdown({"task": "finder", "choices": rows, "by_chance": {"1 - AUC": 0.03}})
    assert "| as the recipe | 0.2000 +- 0.0100 | 5 | 2 |" in text
    assert "| small (other mocks) | - | 5 | 2 |" in text
    assert "| two seeds differ by | 0.0300 | | |" in text


@pytest.mark.slow
def test_it_runs_from_recipes_to_a_table(choices, monkeypatch, tmp_path):
    kept = {name: choices.CHOICES["modeller"][name] for name in ("one Gaussian", "half the width")}
    kept |= {"stamps of 41 pixels": choices.CHOICES["modeller"]["stamps of 41 pixels"]}
    monkeypatch.setitem(choices.CHOICES, "modeller", kept)
    options = ["--task", "modeller", "--work", str(tmp_path / "work"), "--folder", str(tmp_path)]
    assert choices.main([*options, "--minutes", "0"]) == 3
    assert choices.main(options) == 0
    figures = json.loads((tmp_path / "choices-modeller-ci.json").read_text())["figures"]
    assert set(figures["choices"]) == {choices.BASE, choices.AGAIN, *kept}
    assert not figures["choices"]["stamps of 41 pixels"]["same_mocks_as_base"]
    assert figures["choices"]["one Gaussian"]["same_mocks_as_base"]
    assert set(figures["by_chance"]) >= {"RMS of theta_E"}
