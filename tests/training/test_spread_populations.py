"""What spreads are calibrated on: named by the mixture, of lenses, and never trained on."""

import dataclasses
import json

import pytest

from lensfinder.errors import ArgumentError, UnknownNameError
from lensfinder.paths import models_dir
from lensfinder.training.evaluation import MockSample
from lensfinder.training.spread_populations import checked, judged_on, populations_of, samples_of

MIXTURE = {
    "kind": "mixture",
    "parts": [
        {"objects": 2, "data": {"kind": "shards", "population": "pearson2019-train", "seed": 1}},
        {"objects": 2, "data": {"kind": "simulator", "population": "lenses-apart", "seed": 2}},
    ],
}
BASE = MockSample("euclid-vis", "pearson2019-test", 100, 3)


def modellers():
    for file in sorted(models_dir().glob("*/*/metrics.json")):
        metrics = json.loads(file.read_text("utf-8"))
        if "posterior" in metrics.get("modeller", {}):
            yield pytest.param(metrics, id=file.parent.name)


def test_a_mixture_names_its_populations():
    assert judged_on("pearson2019-train") == "pearson2019-test"
    assert judged_on("lenses-apart") == "lenses-apart"
    assert judged_on("finder-train-real") == "finder-train-real"
    test = dataclasses.replace(BASE, seed=4)
    found = populations_of(MIXTURE, BASE, test)
    assert found == ("pearson2019-test", "lenses-apart")
    plain = {"kind": "simulator", "population": "lenses-apart", "seed": 2}
    assert populations_of(plain, BASE, test) == ("pearson2019-test",)
    others = [{"data": {"population": name}} for name in ("of-another-machine", "lens-galaxies")]
    assert populations_of({"parts": [*others, *MIXTURE["parts"]]}, BASE, test) == found
    for held in (BASE, test), (test, BASE):
        seen = [dataclasses.replace(held[0], seed=2), held[1]]
        assert populations_of(MIXTURE, *seen) == ("pearson2019-test",), "trained on that seed"


def test_populations_by_hand_exist_and_hold_lenses():
    assert checked(["lenses-apart", "finder-test"]) == ("lenses-apart", "finder-test")
    with pytest.raises(UnknownNameError, match="lenses-apart"):
        checked(["lenses-appart"])
    with pytest.raises(ArgumentError, match="lens-galaxies holds no lenses"):
        checked(["lens-galaxies"])
    for given in ([], ["lenses-apart", "lenses-apart"]):
        with pytest.raises(ArgumentError, match="each once"):
            checked(given)


def test_nothing_that_was_trained_or_is_tested_on_is_calibrated_on():
    names = ("pearson2019-test", "lenses-apart")
    found = samples_of(BASE, names, MIXTURE)
    assert [(each.population, each.seed, each.size) for each in found] == [
        (name, 3, 100) for name in names
    ]
    shared = MockSample("euclid-vis", "pearson2019-test", 100, 2, start=500)
    assert samples_of(shared, names[:1], MIXTURE) == [shared], "the recipe's own numbers"
    with pytest.raises(ArgumentError, match="may have been trained on"):
        samples_of(shared, names, MIXTURE)
    test = MockSample("euclid-vis", "pearson2019-test", 100, 3, start=99)
    with pytest.raises(ArgumentError, match="Objects 99 to 99 of seed 3"):
        samples_of(BASE, names, MIXTURE, other=test)


@pytest.mark.parametrize("metrics", list(modellers()))
def test_seeds_of_presets_are_disjoint(metrics):
    recipe = metrics["training"]["recipe"]
    data = recipe["data"]
    trained = {part["data"]["seed"] for part in data.get("parts", ())} or {data["seed"]}
    used = metrics.get("calibration", {}).get("calibrated_on", [recipe["validation"]])
    judged = metrics.get("calibration", {}).get("populations", [metrics["data"]])
    seeds = [{each["seed"] for each in part} for part in (used, judged)]
    assert not seeds[0] & trained
    assert not seeds[1] & trained
    assert not seeds[0] & seeds[1]
