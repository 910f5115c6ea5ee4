"""The command on a card: it can be typed, and gives the figures that stand beside it."""

import copy
import json
import re
import shlex

import pytest
import typer
from test_answers import WithPlanes
from test_evaluation import HELD
from tiny_training import recipe
from typer.testing import CliRunner

from lensfinder import cli
from lensfinder.errors import PresetError
from lensfinder.specs import load_population
from lensfinder.training import reproduce
from lensfinder.training.loop import train
from lensfinder.training.publish import publish
from lensfinder.training.recipe import load_recipe, recipe_names
from lensfinder.training.retell import retell, retold
from lensfinder.zoo import open_preset, preset_names

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMBERS += ("eleven", "twelve", "thirteen")


@pytest.fixture
def published(tmp_path, monkeypatch):
    """What makes a tiny preset of a task, measured on objects from another one than the first."""
    import lensfinder.simulate

    monkeypatch.setattr(lensfinder.simulate, "Simulator", WithPlanes)

    def make(task):
        given = recipe(
            tmp_path,
            task=task,
            data={"kind": "simulator", "population": "pearson2019-train", "seed": 1},
            validation={**HELD, "seed": 8, "size": 64},
            test={**HELD, "start": 40},
            epochs=1,
        )
        return publish(given, train(given, tmp_path / "run"), dtype="float16")

    return make


def without(plain, *names):
    """Figures without what is measured beside them."""
    return {name: value for name, value in plain.items() if name not in names}


@pytest.mark.parametrize("task", ["finder", "modeller", "cleaner"])
def test_the_command_gives_the_figures_that_were_written(published, task):
    preset = published(task)
    line = preset.metrics["reproduce"]
    assert "-n 200 --seed 9 --start 40 --survey " in line
    assert f"`{line}`" in preset.card
    words = shlex.split(line)
    assert words[:3] == ["lensfinder", "evaluate", "tiny/tiny"]
    words[2] = str(preset.folder)  # a preset of the table is found by its name, this one is not

    def figures(*line):
        done = CliRunner().invoke(cli.app, list(line))
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    found = figures(*words[1:])
    assert without(found[task], "selection", "detection_limit") == preset.metrics[task]
    assert found["data"] == preset.metrics["data"]
    # the control: the default seed is of other objects
    other = figures(*[word if word != "9" else "10" for word in words[1:]])
    assert other[task] != found[task]
    shown = CliRunner().invoke(cli.app, ["models", "show", str(preset.folder)])
    assert line in shown.stdout


@pytest.mark.parametrize("name", preset_names())
def test_every_card_has_a_command_that_can_be_typed(name):
    preset = open_preset(name)
    line = preset.metrics["reproduce"]
    assert f"`{line}`" in preset.card
    program, verb, *words = shlex.split(line)
    assert (program, verb) == ("lensfinder", "evaluate")
    command = typer.main.get_command(cli.app).commands[verb]
    given = command.make_context(verb, words).params
    assert given["preset"] == name
    data = preset.metrics["data"]
    if preset.task == "auditor":
        assert (given["count"], given["seed"]) == (data["n"] // 3, data["pairs"]["seed"])
    else:
        assert (given["count"], given["seed"]) == (data["n"], data["seed"])
        assert (given["start"] or 0, given["population"]) == (data["start"], None)
    with pytest.raises(Exception, match="No such option"):
        command.make_context(verb, [*words, "--no-such-option"])


@pytest.mark.parametrize("name", preset_names())
def test_every_card_is_what_would_be_written_now(name):
    preset = open_preset(name)
    metrics, card = retold(preset)
    assert card == preset.card, f"run: python -m lensfinder.training.zoo {name} --card"
    assert metrics == preset.metrics


def test_objects_that_cannot_be_made_again_have_no_command():
    assert reproduce.command({"preset": "a/b", "data": {"images": 40}}) is None
    assert reproduce.words({"preset": "a/b", "data": {"images": 40}}) == []
    survey = {"survey": "s", "population": "p", "seed": 1, "n": 5}
    assert reproduce.command({"data": survey}) is None
    line = reproduce.command({"preset": "a/b", "data": survey})
    assert line == "lensfinder evaluate a/b -n 5 --seed 1"


def test_a_card_is_told_anew_and_nothing_else_changes(published, monkeypatch):
    preset = published("finder")
    before = {file.name: file.read_bytes() for file in preset.folder.iterdir()}
    monkeypatch.setattr("lensfinder.training.reproduce.ROUNDING", 0.5)
    again = retell(preset.folder)
    assert "(to 0.5)" in again.card
    assert again.card != preset.card
    assert again.fingerprint == preset.fingerprint
    changed = {f.name for f in again.folder.iterdir() if f.read_bytes() != before[f.name]}
    assert changed == {"card.md", "weights.json"}
    assert open_preset(preset.folder).card == again.card, "its hashes are those of the new files"
    again.metrics["adapted_from"] = "a/b"
    with pytest.raises(PresetError, match="Publish it where it was trained"):
        retold(again)


def test_look_alikes_are_counted_in_the_population():
    """Of the card by the code; of a recipe's description, which a person wrote, here."""
    preset = open_preset("compact-finder/euclid-wide-vis")
    kinds = load_population("finder-train-real").look_alike_kinds
    assert len(kinds) == 11
    assert f"of 11 kinds: {', '.join(kinds).replace('_', ' ')}" in preset.card
    assert load_population("finder-train").look_alike_kinds == ("ring", "spiral", "merger")
    assert load_population("pearson2019-test").look_alike_kinds == ()
    told = 0
    for name in recipe_names():
        found = load_recipe(name)
        number = re.search(r"(\w+) kinds of look-alikes", found.description)
        if number is not None:
            told += 1
            there = load_population(found.test.population).look_alike_kinds
            assert number[1] == NUMBERS[len(there)], name
    assert told == 3


def test_the_mocks_that_were_trained_on_are_counted():
    """Not those that were stored, of which a tenth validates and a tenth is for tests."""
    preset = open_preset("compact-finder/euclid-wide-vis")
    assert "80,155 mocks, the training split of 100,352, of `finder-train-real`" in preset.card
    metrics = copy.deepcopy(preset.metrics)
    for part in metrics["training"]["recipe"]["data"]["parts"]:
        del part["data"]["training_rows"]
    preset.metrics = metrics
    _, card = retold(preset)
    assert "the training split of 100,352 mocks of `finder-train-real`" in card
