"""Networks behind a cleaner: validated, calibrated and measured on what it leaves of mocks."""

import dataclasses
import shutil

import numpy as np
import pytest
from test_answers import WithPlanes
from test_evaluation import HELD
from tiny_training import recipe

from lensfinder.errors import CheckpointError, DatasetSpecError, PresetError, RecipeError
from lensfinder.evaluate import evaluate
from lensfinder.training.answers import measured_sample
from lensfinder.training.calibrate import calibrate
from lensfinder.training.evaluation import MockSample, score_mocks
from lensfinder.training.loop import train
from lensfinder.training.publish import held_sample, publish
from lensfinder.training.recipe import Recipe, load_recipe
from lensfinder.training.recipe_data import Held
from lensfinder.training.sources import validation_objects
from lensfinder.zoo import fixed_predict, open_preset, save_preset
from tests.test_clean import save

MOCKS = {"kind": "simulator", "population": "pearson2019-train", "seed": 1}
SOURCES = {**MOCKS, "plane": "S3"}


@pytest.fixture(autouse=True)
def _fake(monkeypatch):
    import lensfinder.simulate

    monkeypatch.setattr(lensfinder.simulate, "Simulator", WithPlanes)


@pytest.fixture(scope="module")
def cleaner(tmp_path_factory):
    """A cleaner of two planes, trained for a moment."""
    import lensfinder.simulate

    place = tmp_path_factory.mktemp("cleaner")
    terms = {"data": MOCKS, "validation": {**HELD, "seed": 8, "size": 16}, "test": HELD}
    given = recipe(place, task="cleaner", epochs=1, **terms)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lensfinder.simulate, "Simulator", WithPlanes)
        result = train(given, place / "run")
        return str(publish(given, result, place=place / "preset").folder)


def behind(folder, cleaner, **changes) -> Recipe:
    """A finder of sources that is judged behind the cleaner."""
    held = {**HELD, "size": 64, "cleaner": cleaner}
    terms = {"data": SOURCES, "validation": {**held, "seed": 8}, "test": held, "epochs": 1}
    return recipe(folder, task="finder", **{**terms, **changes})


def test_a_network_is_shown_what_the_cleaner_makes_of_the_noisy_images(cleaner, tmp_path):
    given = behind(tmp_path, cleaner)
    seen = {}

    def note(name):
        def predict(images):
            seen.setdefault(name, []).append(images["vis"])
            return np.zeros((len(images["vis"]), 1))

        return predict

    sample = held_sample(given)
    assert (sample.plane, sample.cleaner) == ("S3", cleaner)
    contract = given.contract()
    score_mocks(note("cleaned"), sample, contract=contract)
    score_mocks(note("true"), dataclasses.replace(sample, cleaner=None), contract=contract)
    score_mocks(
        note("noisy"), dataclasses.replace(sample, plane="S1", cleaner=None), contract=contract
    )
    cleaned, true, noisy = (np.concatenate(seen[name]) for name in ("cleaned", "true", "noisy"))
    whole = fixed_predict(open_preset(cleaner).load())({"vis": noisy})
    np.testing.assert_allclose(cleaned, whole[:, 1], rtol=1e-5, atol=1e-6)
    assert np.abs(cleaned - true).max() > 1e-3
    assert np.abs(cleaned - whole[:, 0]).max() > 1e-3, "the denoised plane is another one"
    held = validation_objects(given)
    first = MockSample(given.survey, HELD["population"], 64, 8, plane="S3", cleaner=cleaner)
    seen.clear()
    score_mocks(note("again"), first, contract=contract)
    np.testing.assert_allclose(
        held.images["vis"], np.concatenate(seen["again"]), rtol=1e-5, atol=1e-6
    )


def test_a_card_says_so_and_the_same_is_measured_again(cleaner, tmp_path):
    given = behind(tmp_path, cleaner)
    preset = publish(
        given, train(given, tmp_path / "run"), place=tmp_path / "preset", calibration="none"
    )
    assert preset.metrics["data"]["cleaner"] == cleaner
    assert f"what `{cleaner}` makes of their noisy images" in preset.card
    assert measured_sample(preset) == held_sample(given)
    terms = {"seed": HELD["seed"], "survey": given.survey}
    again = evaluate(preset, 64, **terms)
    assert again["data"] == preset.metrics["data"]
    assert again["finder"]["roc_auc"] == pytest.approx(preset.metrics["finder"]["roc_auc"])
    named = evaluate(preset, 64, clean=cleaner, **terms)
    assert named["finder"]["roc_auc"] == again["finder"]["roc_auc"]
    true = evaluate(preset, 64, clean=False, **terms)
    assert "cleaner" not in true["data"]
    assert true["finder"]["log_loss"] != again["finder"]["log_loss"]


def test_figures_are_of_the_cleaners_weights(cleaner, tmp_path):
    """Another cleaner under the same name is another sample, and is not taken in silence."""
    place = tmp_path / "cleaner"
    shutil.copytree(cleaner, place)
    given = behind(tmp_path, str(place))
    sample = held_sample(given)
    digest = sample.digest()
    assert digest == held_sample(given).digest()
    preset = publish(
        given, train(given, tmp_path / "run"), place=tmp_path / "p", calibration="none"
    )
    resumed = train(given, tmp_path / "run")
    assert resumed.finished
    again = open_preset(place)
    model = again.load()
    model.set_weights([1.01 * weight for weight in model.get_weights()])
    about = {"builder": again.config.builder, "arguments": again.config.arguments}
    about |= {"task": "cleaner", "targets": again.targets, "contract": again.contract}
    save_preset(place, model, metrics=again.metrics, card="x", overwrite=True, **about)
    assert sample.digest() != digest
    with pytest.raises(CheckpointError):
        train(given, tmp_path / "run")
    with pytest.raises(PresetError, match="weights are others now"):
        evaluate(preset, 16, survey=given.survey)
    evaluate(preset, 64, survey=given.survey, clean=str(place))
    shutil.rmtree(place)
    with pytest.raises(PresetError, match="not here"):
        evaluate(preset, 16, survey=given.survey)


def test_validation_for_the_calibration_is_behind_the_cleaner_too(cleaner, tmp_path, monkeypatch):
    from lensfinder.training import calibrate as module

    given, seen = behind(tmp_path, cleaner), []

    def noted(predict, sample, **terms):
        seen.append(sample)
        return score_mocks(predict, sample, **terms)

    monkeypatch.setattr(module, "score_mocks", noted)
    preset = publish(
        given, train(given, tmp_path / "run"), place=tmp_path / "p", calibration="temperature"
    )
    calibrate(preset.folder, tmp_path / "again", method="temperature")
    assert [sample.seed for sample in seen] == [8, HELD["seed"]] * 2
    assert {sample.cleaner for sample in seen} == {cleaner}


def test_what_does_not_go_with_a_cleaner_says_so(cleaner, tmp_path):
    given = behind(tmp_path, cleaner)
    other = save(tmp_path, "of-another-survey")
    with pytest.raises(PresetError, match="one input contract"):
        validation_objects(behind(tmp_path, other))
    sample, contract = held_sample(given), given.contract()
    with pytest.raises(PresetError, match="one input contract"):
        score_mocks(None, dataclasses.replace(sample, cleaner=other), contract=contract)
    denoiser = save(tmp_path, "denoiser", targets=("S2",))
    with pytest.raises(PresetError, match="makes no sources"):
        validation_objects(behind(tmp_path, denoiser))
    with pytest.raises(PresetError, match="makes no sources"):  # before anything is trained
        train(behind(tmp_path, cleaner, test={**HELD, "cleaner": denoiser}), tmp_path / "early")
    assert not (tmp_path / "early" / "config.yaml").exists()
    own = {"population": MOCKS["population"], "seed": MOCKS["seed"], "size": 8, "cleaner": cleaner}
    known = behind(tmp_path, cleaner, data={**SOURCES, "seed": 5}, validation=own)
    with pytest.raises(DatasetSpecError, match="was trained on mocks of seed 1"):
        validation_objects(known)
    for name in ("validation", "test"):
        held = {name: {**HELD, "cleaner": cleaner, "seed": 33}}
        with pytest.raises((RecipeError, ValueError), match=f"{name}: a cleaner goes before"):
            behind(tmp_path, None, **{"data": MOCKS, **held})


def test_a_training_begun_before_there_were_cleaners_is_continued():
    assert "cleaner" not in Held(population="madireddy", seed=1, size=2).model_dump()
    assert "cleaner" not in str(load_recipe("madireddy/vib-detect").resolved()["recipe"]["test"])
