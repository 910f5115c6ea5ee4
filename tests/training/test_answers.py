"""What presets answer object by object makes the figures that were written about them."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from test_evaluation import HELD, FakeSimulator
from tiny_training import recipe

from lensfinder.simulate.mocks import Mocks
from lensfinder.training.answers import answers_on, measured_sample
from lensfinder.training.evaluation import measure
from lensfinder.training.loop import train
from lensfinder.training.paired import paired_difference
from lensfinder.training.publish import held_sample, publish
from lensfinder.zoo import fixed_predict


class WithPlanes(FakeSimulator):
    """Also without noise, for a cleaner: the object itself stands for each plane."""

    def objects(self, indices):
        mocks = super().objects(indices)
        clean = {name: 0.9 * images for name, images in mocks.images.items()}
        planes = {"S1": mocks.images, "S2": clean, "S3": clean}
        return Mocks(mocks.index, planes, mocks.truth)


@pytest.mark.parametrize("task", ["finder", "modeller", "cleaner"])
def test_answers_make_the_figures_of_metrics(task, tmp_path, monkeypatch):
    import lensfinder.simulate

    monkeypatch.setattr(lensfinder.simulate, "Simulator", WithPlanes)
    given = recipe(
        tmp_path,
        task=task,
        data={"kind": "simulator", "population": "pearson2019-train", "seed": 1},
        validation={**HELD, "seed": 8, "size": 64},
        test=HELD,
        epochs=1,
    )
    preset = publish(given, train(given, tmp_path / "run"), calibration="none")
    sample = measured_sample(preset)
    assert sample == held_sample(given)
    found = paired_difference(*[answers_on(sample)(preset)] * 2, draws=2)
    kept = preset.metrics[task]
    if task == "finder":
        assert (found.figure, found.new) == ("ROC AUC", kept["roc_auc"]), "100 non-lenses"
    elif task == "cleaner":
        assert found.new == pytest.approx((kept["S2"]["psnr"] + kept["S3"]["psnr"]) / 2)
    else:
        rows = [kept["parameters"][name] for name in preset.targets]
        expected = np.mean([row["rms"] / row["rms_constant"] for row in rows])
        assert found.new == pytest.approx(expected, rel=1e-5)
    # the control: other mocks give another figure
    terms = {"contract": preset.contract, "task": task, "targets": preset.targets}
    other = dataclasses.replace(sample, seed=77)
    assert measure(fixed_predict(preset.load()), other, **terms)[task] != kept


def test_a_preset_of_other_images_names_no_mocks():
    assert measured_sample(SimpleNamespace(metrics={"data": {"images": 40}})) is None
