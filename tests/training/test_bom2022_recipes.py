"""The recipes of table 1 of Bom et al. 2022: six variants of input, three clippings."""

import pytest
import yaml

from lensfinder import zoo
from lensfinder.errors import RecipeError, UnknownNameError
from lensfinder.paths import data_specs_dir
from lensfinder.training.network import network_arguments
from lensfinder.training.optimizers import make_optimizer
from lensfinder.training.radam import RAdam
from lensfinder.training.recipe import load_recipe, recipe_names
from lensfinder.zoo.registry import check_arguments

# table 1: bands per group, and how a branch of fewer than three bands is filled
VARIANTS = {
    "hjy": ({"nisp": "HJY"}, None),
    "vis-repeated": ({"vis": ["VIS"]}, "repeat"),
    "vis-zeros": ({"vis": ["VIS"]}, "zeros"),
    "hjy-vis-repeated": ({"vis": ["VIS"], "nisp": "HJY"}, "repeat"),
    "hjy-vis-zeros": ({"vis": ["VIS"], "nisp": "HJY"}, "zeros"),
    "y-vis-zeros": ({"vis": ["VIS"], "nisp": "Y"}, "zeros"),
}
CLIPS = ("none", "challenge", "alternative")
NAMES = [f"bom2022/{variant}-{clip}" for variant in VARIANTS for clip in CLIPS]


def test_there_is_one_recipe_per_cell_of_the_table():
    assert recipe_names("bom2022") == sorted(NAMES)
    assert not set(NAMES) & set(recipe_names())
    assert recipe_names("nothing") == recipe_names("../recipes") == []


@pytest.mark.parametrize("name", NAMES)
def test_each_recipe_is_its_cell(name):
    found = load_recipe(name)
    variant, clip = name.removeprefix("bom2022/").rsplit("-", 1)
    bands, channels = VARIANTS[variant]
    contract = found.contract()
    assert {g.name: list(g.bands) for g in contract.groups} == {
        k: list(v) for k, v in bands.items()
    }
    arguments = check_arguments(found.network.name, network_arguments(found))
    assert (arguments.variant, arguments.clip, arguments.augment) == ("B2", clip, True)
    assert channels in (None, arguments.channels)
    assert isinstance(make_optimizer(found), RAdam)
    assert (found.batch_size, found.epochs) == (64, 50)
    assert found.loss.name == "binary_crossentropy"
    assert found.preset == f"bom2022-{variant}-{clip}/euclid-vis-nisp"


def test_the_recipes_differ_in_nothing_else():
    def rest(name):
        data = yaml.safe_load((data_specs_dir() / "recipes" / f"{name}.yaml").read_text())
        for key in ("preset", "description", "groups", "bands"):
            data.pop(key, None)
        for key in ("clip", "channels"):
            data["network"]["arguments"].pop(key)
        return data

    assert all(rest(name) == rest(NAMES[0]) for name in NAMES)


def test_a_network_is_built_for_a_part_of_a_group():
    found = load_recipe("bom2022/y-vis-zeros-none")
    small = found.network.model_copy(update={"arguments": {**found.network.arguments}})
    small.arguments["variant"] = "B0"
    model = zoo.build(small.name, found.contract(), "finder", **small.arguments)
    assert {t.name: tuple(t.shape[1:]) for t in model.inputs} == {
        "vis": (200, 200, 1),
        "nisp": (66, 66, 1),
    }


def test_names_of_a_family_are_listed_when_one_is_wrong():
    with pytest.raises(UnknownNameError, match="bom2022/hjy-none"):
        load_recipe("bom2022/hjy")
    with pytest.raises(UnknownNameError, match="compact-finder"):
        load_recipe("../recipes/compact-finder-euclid-vis")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"groups": ["vis"], "bands": {"vis": ["VIS"]}}, "not both"),
        ({"bands": {}}, "bands"),
        ({"data": {"kind": "shards", "folder": "x", "fold": 1}}, "fold and folds together"),
        ({"data": {"kind": "shards", "folder": "x", "fold": 3, "folds": 3}}, "0 to 2"),
    ],
)
def test_what_cannot_be_is_refused(change, words, tmp_path):
    data = yaml.safe_load((data_specs_dir() / "recipes/bom2022/y-vis-zeros-none.yaml").read_text())
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**data, **change}))
    with pytest.raises(RecipeError, match=words):
        load_recipe(path)


def test_bands_that_the_survey_lacks_are_refused():
    found = load_recipe("bom2022/y-vis-zeros-none")
    for bands, words in (({"nisp": ("K",)}, "K"), ({"vis": ("Y",)}, "Y"), ({"ir": ("Y",)}, "ir")):
        with pytest.raises((KeyError, ValueError), match=words):
            found.model_copy(update={"bands": bands}).contract()
