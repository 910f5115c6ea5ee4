"""Real sources and subtracted lens light, asked for in a recipe, reach every mock."""

import pytest
from pydantic import ValidationError
from tiny_training import recipe

from lensfinder.errors import RecipeError
from lensfinder.training.evaluation import MockSample
from lensfinder.training.recipe import Recipe, load_recipe
from lensfinder.training.recipe_data import DRAWN, drawing
from lensfinder.training.sources import make_source, validation_objects

ASKED = {"sources": "hubble", "subtract_lens_light": True, "visits": 4}


def recipe_with(**data) -> Recipe:
    plain = load_recipe("compact-modeller-euclid-vis").model_dump(mode="json")
    plain["data"] |= data
    plain["validation"]["size"] = 4
    return Recipe.model_validate(plain)


def test_they_reach_training_validation_and_test(monkeypatch):
    """Without drawing anything: what the simulator is built with."""
    built = []

    class Simulator:
        def __init__(self, survey, population, **options):
            built.append(options)
            raise StopIteration

    monkeypatch.setattr("lensfinder.simulate.Simulator", Simulator)
    for data, expected in ((ASKED, ASKED), ({}, {})):
        built.clear()
        found = recipe_with(**data)
        source = make_source(found)
        with pytest.raises(StopIteration):
            _ = source.simulator
        with pytest.raises(StopIteration):
            validation_objects(found)
        for options in built:
            asked = {k: v for k, v in options.items() if k in ASKED and v}
            assert asked == expected
        assert len(built) == 2
        sample = MockSample("euclid-vis", "finder-test", 10, **found.drawing)
        assert sample.drawing == expected
        assert drawing(source) == expected


def test_a_recipe_without_them_is_what_it_was():
    """So that a training begun before can be continued."""
    plain = load_recipe("compact-finder-euclid-vis").resolved()["recipe"]["data"]
    assert set(plain) == {"kind", "population", "seed", "start"}
    assert recipe_with(**ASKED).resolved()["recipe"]["data"]["sources"] == "hubble"


def test_every_option_is_tried():
    assert set(ASKED) == set(DRAWN)


@pytest.mark.parametrize("visits", [0, 1.5, 1_000_000])
def test_an_impossible_number_of_visits(visits):
    with pytest.raises(ValidationError, match="visits"):
        recipe_with(visits=visits)


def test_shards_say_how_they_were_drawn():
    plain = load_recipe("compact-modeller-euclid-vis").model_dump(mode="json")
    plain["data"] = {"kind": "shards", "folder": "shards", "subtract_lens_light": True}
    found = Recipe.model_validate(plain)
    assert found.drawing == {"subtract_lens_light": True}
    assert "sources" not in found.resolved()["recipe"]["data"]


def test_arrays_have_none(tmp_path):
    assert recipe(tmp_path).drawing == {}


def test_a_library_nobody_knows(tmp_path):
    path = tmp_path / "mine.yaml"
    import yaml

    plain = load_recipe("compact-modeller-euclid-vis").model_dump(mode="json")
    plain["data"]["sources"] = "hubbel"
    path.write_text(yaml.safe_dump(plain))
    with pytest.raises(RecipeError, match="hubble"):
        load_recipe(path)
