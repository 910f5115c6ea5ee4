"""Calibrating a preset anew that was trained on shards, and what goes over to the new one."""

import numpy as np
import pytest
from test_evaluation import HELD, FakeSimulator
from test_shard_source import write
from tiny_training import recipe

from lensfinder.data.splits import split_of
from lensfinder.errors import ArgumentError, UnknownNameError
from lensfinder.posterior import Posterior
from lensfinder.training import calibrate as calibrating
from lensfinder.training import spread_calibration
from lensfinder.training.calibrate import calibrate
from lensfinder.training.doubt import kept, rescaled
from lensfinder.training.loop import train
from lensfinder.training.publish import adopt, publish
from lensfinder.zoo import fixed_predict
from lensfinder.zoo.calibration import Doubt, Spread
from lensfinder.zoo.spread_slopes import Slopes

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


def test_several_populations_are_calibrated_on_together_and_told(preset, monkeypatch):
    weights = preset.load(calibrated=False).get_weights()
    asked = []
    real = spread_calibration.score_mocks

    def score(predict, sample, **options):
        asked.append((sample.population, sample.seed, sample.start, sample.size))
        return real(predict, sample, **options)

    for module in (calibrating, spread_calibration):
        monkeypatch.setattr(module, "score_mocks", score)
    names = ("pearson2019-test", "lenses-apart")
    found = calibrate(preset.folder, size=210, populations=names)
    test = (HELD["seed"], 0, HELD["size"])
    assert asked == [(name, 8, 0, 210) for name in names] + [(name, *test) for name in names]
    for one, other in zip(weights, found.load(calibrated=False).get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    spread = found.config.calibration
    assert [(each.population, each.seed, each.objects) for each in spread.calibrated_on] == [
        (name, 8, 105) for name in names
    ]
    assert spread.objects == 210
    facts = found.metrics["calibration"]
    assert facts["calibrated_on"] == spread.model_dump(mode="json")["calibrated_on"]
    assert [each["population"] for each in facts["populations"]] == list(names)
    first = facts["populations"][0]
    posterior = found.metrics["modeller"]["posterior"]["parameters"]
    for name in TARGETS:
        assert first["after"][name] == posterior[name]["coverage"]
        assert facts["after"][name] == first["after"][name]["0.68"]
        assert facts["before"][name] == first["before"][name]["0.68"]
    assert "105 of `pearson2019-test`, 105 of `lenses-apart`" in found.card
    assert f"| `lenses-apart` ({first['objects']}) | theta_E |" in found.card


def test_populations_that_cannot_be_are_refused_before_anything_is_computed(preset, monkeypatch):
    monkeypatch.setattr(calibrating, "score_mocks", None)
    with pytest.raises(UnknownNameError, match="lenses-apart"):
        calibrate(preset.folder, populations=["lenses-appart"])
    with pytest.raises(ArgumentError, match="holds no lenses"):
        calibrate(preset.folder, populations=["lens-galaxies"])


def test_what_is_stored_answers_as_what_was_fitted(preset, monkeypatch, rng):
    """With slopes, whatever the fit would say: figures, limits and answers are of one network."""
    slopes = Slopes(
        weights=[[0.4, 0, 0], [0, -0.3, 0.2], [0, 0, 0.3]],
        pivots=[-1.0, -1, -1],
        ranges=[[-6, 2.0]] * 3,
    )
    spread = Spread(scales=(2, 1, 0.5), limits=(9, 9, 9), objects=120, slopes=slopes)
    facts = {"population": "finder-train", "size": 220, "seed": 7}
    doubting = kept(preset, DOUBT, facts=facts)
    monkeypatch.setattr(calibrating, "spread_of", lambda *given: spread)
    refitted = []

    def doubt_of(preset, model, **options):
        refitted.append((options, model.get_layer("calibration").slopes))
        return DOUBT, {**facts, "lenses": 1}

    monkeypatch.setattr(calibrating, "doubt_of", doubt_of)
    found = calibrate(doubting.folder)
    # its log odds are not linear in the new spreads: fitted anew, behind them
    assert refitted == [({**facts, "lenses_of": []}, slopes.weights)]
    assert found.config.calibration == spread.model_copy(update={"doubt": DOUBT})
    assert found.metrics["doubt"] == {**facts, "lenses": 1}
    images = {"vis": rng.normal(size=(20, 16, 16, 1)).astype("f4")}
    before, after = (
        Posterior.of(fixed_predict(found.load(calibrated=kind))(images), TARGETS)
        for kind in (False, True)
    )
    factors = spread.factors(before.mean(), before.std())
    np.testing.assert_allclose(after.std(), before.std() * factors, rtol=1e-4)
    assert "factors that go with the answer" in found.card
