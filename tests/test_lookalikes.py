"""The ablation of look-alikes: what differs between its two trainings, and what it reports."""

import importlib
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def lookalikes(monkeypatch):
    """The benchmark, imported as it is run."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("lookalikes")


def test_the_trainings_differ_in_nothing_but_the_non_lenses(lookalikes):
    having, without = lookalikes.populations().values()
    assert having.classes["look_alike"] > 0.3
    assert without.classes["look_alike"] == 0
    assert having.classes["lens"] == without.classes["lens"] == 0.5
    apart = {"name", "classes", "look_alikes"}
    plain = [p.model_dump(mode="json", exclude=apart) for p in (having, without)]
    assert plain[0] == plain[1]


def test_what_is_reported_of_each_class(lookalikes, tmp_path):
    labels = np.array([1, 1, 0, 0, 0, 0])
    kinds = np.array(["lens", "lens", "no_source", "no_source", "look_alike", "look_alike"])
    scores = np.array([0.9, 0.8, 0.1, 0.2, 0.6, 0.3])
    images = np.zeros((6, 57, 57, 1), np.float32)

    def predict(shown):
        assert set(shown) == {"vis"}
        return scores[:, None]

    found = lookalikes.on_mocks(predict, images, labels, kinds)["mocks"]
    assert found["above_0.5"] == {"lens": 1.0, "look_alike": 0.5, "no_source": 0.0}
    assert found["roc_auc"] == 1.0
    assert lookalikes.on_real(predict, []) == {}
    figures = {arm: {"mocks": found} for arm in lookalikes.ARMS}
    assert "mock look_alike > 0.5 | 0.500 | 0.500" in lookalikes.markdown(figures)
    recipe = lookalikes.finder_recipe(tmp_path, lookalikes.SCALES["cpu"])
    assert recipe.network.arguments["observing"] is True
    assert recipe.batch_size * recipe.steps_per_epoch <= 0.8 * lookalikes.SCALES["cpu"].mocks
