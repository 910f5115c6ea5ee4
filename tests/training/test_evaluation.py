"""Measuring and publishing a network, on mocks made by a fake simulator."""

import json

import numpy as np
import pytest
from astropy.table import Table
from tiny_training import Objects, recipe

from lensfinder.errors import OutputExistsError, PresetError, RecipeError
from lensfinder.evaluate import evaluate
from lensfinder.simulate.mocks import Mocks
from lensfinder.training.calibrate import calibrate
from lensfinder.training.card import measured, model_card
from lensfinder.training.evaluation import MockSample, headline, measure
from lensfinder.training.loop import TrainingResult, train
from lensfinder.training.products import FIGURES, TABLES
from lensfinder.training.publish import publish
from lensfinder.zoo import fixed_predict, open_preset

HELD = {"population": "pearson2019-test", "seed": 9, "size": 200}


class FakeSimulator:
    """Blobs with the columns of a truth table; every other object is a lens."""

    def __init__(self, survey, population, *, seed=1, **options):
        self.objects_of = Objects(seed=seed)

    def objects(self, indices):
        batch = self.objects_of.batch([int(i) for i in indices])
        label = np.asarray(indices) % 2
        truth = Table({"id": [f"mock-{i}" for i in batch.ids], "label": label})
        truth["class"] = np.where(label == 1, "lens", "look_alike")
        for column, name in enumerate(("theta_E", "e1", "e2")):
            truth[name] = batch.y[:, column]
        images = {
            name: array * (1 + label)[:, None, None, None] for name, array in batch.images.items()
        }
        return Mocks(np.asarray(indices), {"S1": images}, truth)

    def stream(self, start=0, count=None, batch=256):
        for first in range(start, start + count, batch):
            yield self.objects(range(first, min(first + batch, start + count)))


@pytest.fixture(autouse=True)
def _fake(monkeypatch):
    import lensfinder.simulate

    monkeypatch.setattr(lensfinder.simulate, "Simulator", FakeSimulator)


@pytest.fixture(params=["finder", "modeller"])
def trained(request, tmp_path):
    given = recipe(
        tmp_path,
        task=request.param,
        data={"kind": "simulator", "population": "pearson2019-train", "seed": 1},
        validation={**HELD, "seed": 8, "size": 64},
        test=HELD,
        epochs=1,
    )
    return given, train(given, tmp_path / "run")


def test_publish_writes_a_preset_that_says_what_was_measured(trained, tmp_path):
    given, result = trained
    preset = publish(given, result, place=tmp_path / "preset", dtype="float16")
    assert preset.task == given.task
    assert preset.metrics["data"]["n"] == 200
    assert preset.metrics["training"]["objects"] == 32
    assert preset.metrics["preset"] == "tiny/tiny"
    assert preset.card.startswith("# tiny/tiny")
    json.dumps(preset.metrics, allow_nan=False)
    assert headline(preset.metrics)
    # what was measured is what is stored, rounding included: a second look gives the same figures
    again = measure(
        fixed_predict(preset.load()),
        MockSample(given.survey, HELD["population"], HELD["size"], HELD["seed"]),
        contract=preset.contract,
        task=preset.task,
        targets=preset.targets,
    )
    assert again[given.task] == preset.metrics[given.task]
    if given.task == "finder":
        assert set(preset.metrics["finder"]["non_lenses"]) == {"look_alike", "threshold"}
        fitted, facts = preset.config.calibration, preset.metrics["calibration"]
        assert (fitted.objects, fitted.prevalence) == (64, 0.5), "the validation sample, no other"
        assert facts["kind"] == fitted.kind
        assert facts["after"]["log_loss"] == preset.metrics["finder"]["log_loss"]
        gate = preset.metrics["finder"]["calibration_error_null_99"]
        assert facts["after"]["error_null_99"] == gate, "the same scores have one gate"
        assert facts["before"]["log_loss"] != facts["after"]["log_loss"]
        assert f"({fitted.kind})" in preset.card
    else:
        assert preset.metrics["modeller"]["objects"] == 100  # the lenses alone
        assert "orientation (rad)" in preset.card
        by_size = preset.metrics["modeller"]["bins"]["theta_E"]
        assert sum(line["objects"] for line in by_size) == 100
        assert preset.card.count("| theta_E 0.") + preset.card.count("| theta_E 1.") == len(by_size)


def test_evaluate_measures_other_mocks_and_writes_once(trained, tmp_path):
    given, result = trained
    preset = publish(given, result, place=tmp_path / "preset")
    options = {"n": 100, "survey": given.survey, "out": tmp_path / "out"}
    figures = evaluate(preset, **options)
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == figures
    assert {file.name for file in (tmp_path / "out").iterdir()} >= {
        *(FIGURES[given.task][:1]),
        f"{TABLES[given.task]}.ecsv",
    }
    assert figures["data"]["population"] == HELD["population"]
    assert figures["data"]["seed"] != HELD["seed"]
    with pytest.raises(OutputExistsError):
        evaluate(preset, **options)
    assert evaluate(preset, **options, overwrite=True) == figures


def test_a_preset_that_exists_is_calibrated_anew(trained, tmp_path):
    given, result = trained
    plain = publish(given, result, place=tmp_path / "plain", calibration="none")
    assert plain.config.calibration is None
    assert "calibration" not in plain.metrics
    if given.task == "modeller":
        with pytest.raises(PresetError, match="not a finder"):
            calibrate(tmp_path / "plain")
        return
    assert "## Calibration" not in plain.card
    for _ in range(2):  # a second time it takes the place of the first
        found = calibrate(tmp_path / "plain", method="temperature", size=80)
        assert found.folder == tmp_path / "plain"
        assert found.config.calibration.objects == 80
        assert found.card.count("## Calibration") == found.card.count("## Limits") == 1
    for name in ("roc_auc", "precision_recall_auc", "tpr10", "lenses"):
        assert found.metrics["finder"][name] == plain.metrics["finder"][name]
    assert (
        found.metrics["calibration"]["before"]["error"]
        == (plain.metrics["finder"]["calibration_error"])
    )
    assert found.metrics["finder"]["log_loss"] < plain.metrics["finder"]["log_loss"]
    assert found.metrics["training"] == plain.metrics["training"]
    elsewhere = calibrate(tmp_path / "plain", tmp_path / "other", method="isotonic")
    assert elsewhere.config.calibration.kind == "isotonic"
    assert open_preset(tmp_path / "plain").config.calibration == found.config.calibration


def test_the_posteriors_of_a_modeller_are_calibrated_on_validation_lenses(tmp_path):
    network = {"widths": [4, 4], "units": 8, "components": 2, "symmetric": True}
    given = recipe(
        tmp_path,
        network={"name": "compact_modeller", "arguments": network},
        loss={"name": "posterior_nll"},
        data={"kind": "simulator", "population": "pearson2019-train", "seed": 1},
        validation={**HELD, "seed": 8, "size": 240},
        test=HELD,
        epochs=1,
    )
    result = train(given, tmp_path / "run")
    assert {"val_nll", "val_in68_e1"} <= set(result.history[0])
    preset = publish(given, result, place=tmp_path / "preset")
    fitted, facts = preset.config.calibration, preset.metrics["calibration"]
    assert (fitted.kind, fitted.objects, len(fitted.scales)) == ("spread", 120, 3)
    assert facts["scales"] == list(fitted.scales)
    found = preset.metrics["modeller"]["posterior"]
    for name in ("theta_E", "e1", "e2"):
        assert facts["after"][name] == found["parameters"][name]["coverage"]["0.68"]
    assert facts["before"] != facts["after"]
    assert set(found["controls"]) == {
        *("spread x 0.8", "spread x 1.25", "bias of 0.3 std", "of another lens")
    }
    assert "Spreads are calibrated on 120 validation lenses" in preset.card
    assert "wrong on purpose" in preset.card
    again = calibrate(tmp_path / "preset", size=220)
    assert again.config.calibration.objects == 110
    assert again.card.count("## Calibration") == 1
    plain = publish(given, result, place=tmp_path / "plain", calibration="none")
    assert plain.config.calibration is None
    held = plain.metrics["modeller"]["posterior"]["parameters"]["e1"]["coverage"]["0.68"]
    assert held == facts["before"]["e1"]


def test_what_cannot_be_published_is_refused(trained, tmp_path):
    given, result = trained
    nothing = TrainingResult(result.folder, False, [], 0, result.model)
    with pytest.raises(PresetError, match="No epoch"):
        publish(given, nothing, place=tmp_path / "preset")
    with pytest.raises(RecipeError, match="test sample"):
        publish(given.model_copy(update={"test": None}), result, place=tmp_path / "preset")
    assert not (tmp_path / "preset").exists()


def test_the_card_compares_with_the_paper_only_on_its_sample(tmp_path):
    given = recipe(
        tmp_path,
        data={"kind": "simulator", "population": "bom2022", "seed": 1},
        test=HELD,
        validation={**HELD, "seed": 8},
    )
    row = dict.fromkeys(("rms", "rms_std", "bias", "nmad", "rms_constant"), 0.5)
    training = {
        "parameters": 1, "objects": 1, "steps": 1, "best_epoch": 1, "epochs": 1,
        "finished": True, "stored_as": "float32", "recipe": given.model_dump(mode="json"),
    }  # fmt: skip
    pearson = "pearson2019-test"
    for population, asked, paper in (
        (pearson, {}, "0.081"),
        (pearson, {"subtract_lens_light": True}, "0.051"),
        (pearson, {"visits": 4}, None),
        ("bom2022", {}, None),
    ):
        data = {"survey": "euclid-vis", "population": population, "seed": 1, "start": 0, "n": 5}
        data |= asked
        figures = {"modeller": {"objects": 5, "parameters": {"theta_E": row}}}
        text = model_card(given, {"data": data, "training": training, **figures})
        for figure in ("0.081", "0.051"):
            assert (figure in text) == (figure == paper)


def test_the_card_tells_errors_by_size_and_by_signal():
    row = dict.fromkeys(("rms", "rms_std", "bias", "nmad", "rms_constant"), 0.5)
    ends = {"theta_E": (0.337, 0.69), "snr": (371.2, 1572.3)}
    bins = {
        axis: [{"low": low, "high": high, "parameters": {"theta_E": {"rms": 0.0712}}}]
        for axis, (low, high) in ends.items()
    }
    data = {"survey": "toy", "population": "toy", "seed": 1, "start": 0, "n": 5}
    found = {"objects": 5, "parameters": {"theta_E": row}, "bins": bins}
    text = "\n".join(measured({"data": data, "modeller": found}))
    assert "| RMS of lenses with | theta_E |" in text
    assert "| theta_E 0.34 to 0.69 arcsec | 0.0712 |" in text
    assert "| S/N 371 to 1,572 | 0.0712 |" in text
    del found["bins"]  # of a preset from before they were measured
    assert "RMS of lenses with" not in "\n".join(measured({"data": data, "modeller": found}))
