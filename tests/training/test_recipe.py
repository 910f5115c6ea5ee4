"""Recipes: read, checked, compared."""

import pytest
import yaml
from tiny_training import recipe

from lensfinder import zoo
from lensfinder.errors import RecipeError, UnknownNameError
from lensfinder.paths import data_specs_dir
from lensfinder.training.losses import LOSSES
from lensfinder.training.network import network_arguments
from lensfinder.training.optimizers import make_optimizer
from lensfinder.training.recipe import load_recipe, recipe_names
from lensfinder.training.recipe_lookup import recipe_name
from lensfinder.zoo.registry import check_arguments

EXAMPLE = "compact-modeller-euclid-vis"


def example() -> dict:
    text = (data_specs_dir() / "recipes" / f"{EXAMPLE}.yaml").read_text()
    return yaml.safe_load(text)


def written(folder, data) -> str:
    path = folder / "mine.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
    return str(path)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_can_be_run_as_written(name):
    found = load_recipe(name)
    assert name == found.preset.replace("/", "-")
    assert found.loss.name in LOSSES
    if found.task != "auditor":  # its pairs are shared by lens: training.forked
        assert found.test.size >= 10_000
    make_optimizer(found)
    check_arguments(found.network.name, network_arguments(found))
    assert found.task in zoo.tasks(found.network.name)
    assert found.contract().survey == found.survey


# judged on the mocks of another recipe, so that the figures of both can be compared
TWINS = {"compact-modeller-euclid-vis-posterior": "compact-modeller-euclid-vis"}


def test_seeds_of_all_recipes_are_distinct():
    parts = [
        (part.seed, name)
        for name in recipe_names()
        if name not in TWINS
        for part in (load_recipe(name).data, load_recipe(name).validation, load_recipe(name).test)
        if hasattr(part, "seed")  # shards have theirs in their manifest
    ]
    assert len({seed for seed, _ in parts}) == len(parts)
    for name, other in TWINS.items():
        one, two = load_recipe(name), load_recipe(other)
        assert (one.validation, one.test) == (two.validation, two.test)
        assert not hasattr(one.data, "seed")  # that of its shards: test_seeds.py


def test_the_default_finder_sees_a_million_mocks():
    found = load_recipe("compact-finder-euclid-vis")
    assert found.total_steps * found.batch_size >= 1_000_000


def test_the_paper_recipe_is_the_papers():
    found = load_recipe("six-layer-cnn-euclid-vis")
    assert [target.name for target in found.targets] == ["theta_E", "e1", "e2"]
    assert found.optimizer.name == "nadam"
    assert found.loss.name == "scaled_mse"
    assert found.network.arguments == {"scaling": "image"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batchsize": 3}, "batch_size"),
        ({"optimizer": {"name": "nadam", "argument": {}}}, "arguments"),
        ({"jit_compile": None}, "jit_compile"),
        ({"epochs": 0}, "epochs"),
        ({"schedule": {"kind": "constant", "learning_rate": float("nan")}}, "learning_rate"),
        ({"schedule": {"kind": "constant", "learning_rate": -1e-3}}, "learning_rate"),
        ({"schedule": {"kind": "cosine", "peak": float("inf")}}, "peak"),
        ({"schedule": {"kind": "cosine", "peak": 1e-3, "floor": 1e-2}}, "floor"),
        ({"schedule": {"kind": "cosine", "peak": 1e-3, "warmup_steps": 10**6}}, "warmup_steps"),
        ({"schedule": {"kind": "step", "peak": 1, "factor": 0.5, "boundaries": [5, 2]}}, "ascend"),
        ({"schedule": {"kind": "triangle"}}, "constant"),
        ({"optimizer": {"name": "sgd", "arguments": {"momentum": float("nan")}}}, "finite"),
        ({"targets": [{"name": "thetaE", "low": 0, "high": 1, "unit": ""}]}, "theta_E"),
        ({"targets": [{"name": "theta_E", "low": 0, "high": 1, "unit": "deg"}]}, "arcsec"),
        ({"targets": [{"name": "theta_E", "low": 2, "high": 1, "unit": "arcsec"}]}, "low < high"),
        ({"targets": []}, "targets"),
        ({"task": "painter"}, "finder"),
        ({"preset": "../../etc"}, "preset"),
        ({"validation": None}, "mocks of another seed"),
    ],
)
def test_what_cannot_be_is_an_error_that_names_file_and_key(change, words, tmp_path):
    with pytest.raises(RecipeError, match=words) as raised:
        load_recipe(written(tmp_path, {**example(), **change}))
    assert "mine.yaml" in str(raised.value)


def test_a_missing_key_is_named(tmp_path):
    data = example()
    del data["jit_compile"]
    with pytest.raises(RecipeError, match="jit_compile is missing"):
        load_recipe(written(tmp_path, data))


@pytest.mark.parametrize("overlap", ["validation", "test"])
def test_held_objects_must_not_be_trained_on(overlap, tmp_path):
    data = example()
    data[overlap] = {**data[overlap], "seed": data["data"]["seed"], "start": 1_000_000}
    with pytest.raises(RecipeError, match="share objects"):
        load_recipe(written(tmp_path, data))
    data[overlap]["start"] = 1_024_000  # the first object after the training
    load_recipe(written(tmp_path, data))


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['true']",
        "a: &x 1\nb: *x",
        "preset: a/b\npreset: c/d",
        "- a\n- b",
        "",
    ],
)
def test_only_plain_yaml_is_read(text, tmp_path):
    with pytest.raises(RecipeError, match=r"mine\.yaml"):
        load_recipe(written(tmp_path, text))


def test_unknown_names_list_the_known(tmp_path):
    with pytest.raises(UnknownNameError, match=EXAMPLE):
        load_recipe("compact-modeler")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path / "absent.yaml")


def test_resolved_holds_the_survey_itself(tmp_path):
    before = recipe(tmp_path).resolved()
    path = tmp_path / "tiny.yaml"
    path.write_text(path.read_text().replace("value: 0.17", "value: 0.18"))
    from lensfinder.training.recipe import Recipe

    after = Recipe.model_validate(before["recipe"]).resolved()
    assert after["recipe"] == before["recipe"]
    assert after["survey"] != before["survey"]


# --- names ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("compact-finder-euclid-vis", "compact-finder-euclid-vis"),
        ("shards/compact-finder-euclid-vis", "shards/compact-finder-euclid-vis"),
        ("edsr-small/lsst-gri-10yr", "madireddy/joint-small-arcsinh"),
        ("vib-detect/lsst-gri-10yr", "madireddy/vib-detect"),
        ("compact-finder/euclid-vis", "compact-finder-euclid-vis"),  # not that of shards
    ],
)
def test_a_recipe_is_known_by_its_preset_too(name, recipe):
    assert recipe_name(name) == recipe
    assert load_recipe(name) == load_recipe(recipe)


def test_no_preset_is_made_by_two_recipes_alike():
    folder = data_specs_dir() / "recipes"
    for path in folder.rglob("*.yaml"):
        recipe_name(yaml.safe_load(path.read_text())["preset"])


def test_a_preset_of_several_recipes_is_refused_with_their_names(tmp_path, monkeypatch):
    monkeypatch.setattr("lensfinder.training.recipe_lookup.data_specs_dir", lambda: tmp_path)
    for name in ("one/a", "two/b", "two/c"):
        file = tmp_path / "recipes" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"preset: {'tiny/x' if name != 'two/c' else 'tiny/y'}\n")
    assert recipe_name("tiny/y") == "two/c"
    with pytest.raises(RecipeError, match=r"2 recipes make the preset tiny/x: one/a, two/b\."):
        recipe_name("tiny/x")
    (tmp_path / "recipes" / "a.yaml").write_text("preset: tiny/x\n")
    assert recipe_name("tiny/x") == "a"
    with pytest.raises(UnknownNameError, match="two/d"):
        recipe_name("two/d")
