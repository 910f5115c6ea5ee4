"""No network is judged on what it was trained on: seeds of training and evaluation are disjoint.

An object of the simulator is a function of seed and number, so another seed is another object. The
seeds compared are those of every recipe and of every preset, of the shards they were trained on
(a recipe's comments say how to make them), of the benchmarks, and of `lensfinder evaluate`.
"""

import ast
import functools
import json
import re

import pytest

from lensfinder.paths import data_specs_dir, models_dir
from lensfinder.training import doubt, evaluation
from lensfinder.training.recipe import load_recipe as load
from lensfinder.training.recipe import recipe_names

load_recipe = functools.cache(load)
BENCHMARKS = models_dir().parent / "benchmarks"
COMMAND = re.compile(r"# +lensfinder simulate .*--seed (\d+).* -o (\S+)")
CLEANED = re.compile(r"lensfinder clean (\S+) -o (\S+)")
# benchmarks whose seed is that of a training, and why that does no harm
HARMLESS = {
    "bom2022": "the seed of the shards that it trains on; it tests on the one after",
    "detection_limit": "a finder on euclid-vis; madireddy/joint-small cleans lsst-gri-10yr",
}


def families():
    folder = data_specs_dir() / "recipes"
    return [None, *sorted(path.name for path in folder.iterdir() if path.is_dir())]


RECIPES = [name for family in families() for name in recipe_names(family)]


def stored(name) -> dict[str, int]:
    """Seeds of the shards that a recipe's comments tell to make, by folder."""
    text = (data_specs_dir() / "recipes" / f"{name}.yaml").read_text("utf-8")
    found = {folder: int(seed) for seed, folder in COMMAND.findall(text)}
    return found | {made: found[folder] for folder, made in CLEANED.findall(text)}  # same objects


def trained_on(name) -> dict[str, int]:
    """Seeds of what a recipe trains on."""
    found, shards = {}, stored(name)
    for part, data, _ in load_recipe(name)._parts():
        if data.kind == "simulator":
            found[f"{name}, {part}"] = data.seed
        elif data.kind == "shards":
            assert data.folder in shards, f"{name} does not say how {data.folder} is made"
            found[f"{name}, {data.folder}"] = shards[data.folder]
    return found


def judged_on(name) -> dict[str, int]:
    recipe = load_recipe(name)
    held = {"validation": recipe.validation, "test": recipe.test}
    return {f"{name}, {what}": each.seed for what, each in held.items() if each is not None}


def presets():
    for file in sorted(models_dir().glob("*/*/metrics.json")):
        yield file.parent.relative_to(models_dir()).as_posix(), json.loads(file.read_text("utf-8"))


def preset_trained_on(name, metrics) -> dict[str, int]:
    data = metrics["training"]["recipe"]["data"]
    parts = [part["data"] for part in data["parts"]] if data["kind"] == "mixture" else [data]
    seeds = [part["seed"] for part in parts if "seed" in part]
    if "pairs" in metrics["data"]:  # shared out by lens, not by seed: training.forked
        seeds.append(metrics["data"]["pairs"]["seed"])
    return {f"preset {name}, {k}": seed for k, seed in enumerate(seeds)}


def preset_judged_on(name, metrics) -> dict[str, int]:
    held = metrics["training"]["recipe"]["validation"]
    found = {} if held is None else {f"preset {name}, validation": held["seed"]}
    if "pairs" not in metrics["data"]:
        found[f"preset {name}, test"] = metrics["data"]["seed"]
    return found


def seed_of(path) -> int | None:
    """The constant SEED of a script, alone or in a tuple."""
    for node in ast.parse(path.read_text("utf-8")).body:
        for target in node.targets if isinstance(node, ast.Assign) else ():
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values = node.value.elts if isinstance(target, ast.Tuple) else [node.value]
            for one, value in zip(names, values, strict=True):
                if isinstance(one, ast.Name) and one.id == "SEED":
                    return ast.literal_eval(value)
    return None


def training_seeds() -> dict[str, int]:
    found = {}
    for name in RECIPES:
        found |= trained_on(name)
    for name, metrics in presets():
        found |= preset_trained_on(name, metrics)
    return found


def evaluation_seeds() -> dict[str, int]:
    found = {"lensfinder evaluate": evaluation.TEST_SEED, "training.doubt": doubt.SEED}
    for name in RECIPES:
        found |= judged_on(name)
    for name, metrics in presets():
        found |= preset_judged_on(name, metrics)
    for path in sorted(BENCHMARKS.glob("*.py")):
        if path.stem not in HARMLESS and seed_of(path) is not None:
            found[f"benchmark {path.stem}"] = seed_of(path)
    return found


def shared(training, judging) -> list[str]:
    return [
        f"{one} and {other} share seed {seed}"
        for one, seed in judging.items()
        for other, used in training.items()
        if seed == used
    ]


@pytest.fixture(scope="module")
def training():
    return training_seeds()


@pytest.fixture(scope="module")
def judging():
    return evaluation_seeds()


def test_no_network_is_judged_on_what_any_is_trained_on(training, judging):
    assert shared(training, judging) == []


def test_everything_was_looked_at(training, judging):
    assert len(RECIPES) >= 40
    assert sum(name.startswith("preset") for name in training) >= 6
    assert sum(name.startswith("benchmark") for name in judging) >= 15
    assert {"shards/wide-finder", "shards/wide-galaxies"} <= {
        name.rpartition(", ")[2] for name in training
    }


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_exceptions_are_still_needed(name, training):
    assert seed_of(BENCHMARKS / f"{name}.py") in training.values()


def test_validation_and_test_are_different_objects():
    for name in RECIPES:
        seeds = list(judged_on(name).values())
        assert len(set(seeds)) == len(seeds), name


def test_an_overlap_would_be_seen(training, judging):
    """The control: a recipe of shards whose validation is drawn with the seed of the shards."""
    name = "shards/compact-finder-euclid-vis"
    wrong = {f"{name}, validation": stored(name)["shards/finder-train"]}
    assert len(shared(training, {**judging, **wrong})) >= 2  # its shards, and the fresh mocks
