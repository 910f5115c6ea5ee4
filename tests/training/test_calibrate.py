"""Calibrating a preset anew that was trained on shards, and what goes over to the new one."""

import numpy as np
import pytest
from test_evaluation import HELD, FakeSimulator
from test_shard_source import write
from tiny_training import recipe

from lensfinder.data.splits import split_of
from lensfinder.training.calibrate import calibrate
from lensfinder.training.doubt import kept, rescaled
from lensfinder.training.loop import train
from lensfinder.training.publish import adopt, publish
from lensfinder.zoo.calibration import Doubt

TARGETS = ("theta_E", "e1", "e2")
DOUBT = Doubt(weights=(1.0, 2.0, 3.0, -1.0, 0.5), limit=0.7, lenses=200, others=300)


@pytest.fixture
def preset(tmp_path, monkeypatch):
    """A modeller with posteriors, trained on shards."""
    import lensfinder.simulate

    monkeypatch.setattr(lensfinder.simulate, "Simulator", FakeSimulator)
    network = {"widths": [4, 4], "units": 8, "components": 1}
    given = recipe(
        tmp_path,
        network={"name": "compact_modeller", "arguments": network},
        loss={"name": "posterior_nll"},
        data={"kind": "shards", "folder": str(tmp_path / "set")},
        validation={**HELD, "seed": 8, "size": 240},
        test=HELD,
        epochs=1,
    )
    write(tmp_path / "set", given.survey)
    return publish(given, train(given, tmp_path / "run"), place=tmp_path / "preset")


def test_what_was_trained_on_shards_is_calibrated_anew_with_its_doubt_and_note(preset):
    data = preset.metrics["training"]["recipe"]["data"]
    assert "folder" not in data, "it is no whole recipe"
    ids = [f"m{i:03d}" for i in range(data["rows"])]
    assert data["training_rows"] == (split_of(ids) == "train").sum()
    noted = adopt(preset.folder, preset.folder, metrics={"note": "Left in the rain."})
    facts = {"population": "finder-train", "lenses": 200}
    doubting = kept(noted, DOUBT, facts=facts)
    again = calibrate(doubting.folder, size=220)
    assert again.metrics["training"] == preset.metrics["training"]
    assert again.metrics["note"] == "Left in the rain."
    assert again.metrics["doubt"] == facts
    found, old = again.config.calibration, doubting.config.calibration
    assert (old.objects, found.objects) == (120, 110)
    assert found.scales != old.scales
    assert found.doubt == rescaled(DOUBT, TARGETS, old.scales, found.scales)


def test_a_doubt_says_the_same_of_the_same_network_behind_other_spreads(rng):
    values = dict(zip(TARGETS, rng.normal(0.5, 0.2, (3, 50)), strict=True))
    plain = dict(zip(TARGETS, rng.uniform(0.05, 0.3, (3, 50)), strict=True))

    def odds(doubt, scales):
        std = {name: plain[name] * scale for name, scale in zip(TARGETS, scales, strict=True)}
        return doubt.log_odds(values, std)

    old, new = (0.7, 0.8, 0.8), (1.4, 0.6, 0.6)
    moved = rescaled(DOUBT, TARGETS, old, new)
    assert moved.limit == DOUBT.limit
    np.testing.assert_allclose(odds(moved, new), odds(DOUBT, old), rtol=0, atol=1e-12)
    assert np.abs(odds(DOUBT, new) - odds(DOUBT, old)).min() > 0.4  # what it would say unmoved
