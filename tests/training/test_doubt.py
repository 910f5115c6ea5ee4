"""Doubts: answers to images of no lens are told from those to lenses, and one that was taught."""

from types import SimpleNamespace

import numpy as np
import pytest

from lensfinder.errors import MetricError, PresetError, UntrustedArtefactError
from lensfinder.posterior import Posterior
from lensfinder.tables import read_table
from lensfinder.training.doubt import FALSE_ALARMS, add_doubt, doubt_of, fit_doubt, kept, marked
from lensfinder.training.metrics import roc_auc
from lensfinder.zoo import open_preset
from lensfinder.zoo.calibration import Doubt, Spread
from tests import tiny

TARGETS = ("theta_E", "e1", "e2")
COUNT = 3000


def answers(rng, *, width, theta, count=COUNT):
    """Posteriors of one Gaussian, about so wide, at Einstein radii about so large."""
    means = np.stack([rng.normal(theta, 0.3, count), *rng.normal(0, 0.2, (2, count))], axis=-1)
    sizes = width * rng.lognormal(0, 0.3, (count, 3, 1))
    return Posterior(TARGETS, np.ones((1, count)), means[None], (np.eye(3) * sizes)[None])


def joined(*parts):
    return Posterior(
        TARGETS,
        *(
            np.concatenate([getattr(part, name) for part in parts], axis=1)
            for name in ("weights", "means", "factors")
        ),
    )


def odds_of(doubt, posterior):
    return doubt.log_odds(
        dict(zip(TARGETS, posterior.mean().T, strict=True)),
        dict(zip(TARGETS, posterior.std().T, strict=True)),
    )


@pytest.fixture(scope="module")
def sample():
    """Lenses, galaxies without arcs (wide, small), and spirals (as narrow, larger)."""
    rng = np.random.default_rng(4)
    parts = (
        answers(rng, width=0.08, theta=1.2),
        answers(rng, width=0.2, theta=0.8),
        answers(rng, width=0.08, theta=1.7, count=300),
    )
    kinds = np.repeat(["lens", "no_source", "look_alike"], [len(part) for part in parts])
    return joined(*parts), kinds


def test_answers_to_no_lens_are_told_and_one_lens_in_twenty_is_not(sample):
    posterior, kinds = sample
    doubt = fit_doubt(posterior, kinds)
    assert (doubt.lenses, doubt.others) == (COUNT, COUNT + 300)
    rng = np.random.default_rng(5)
    lens, other = answers(rng, width=0.08, theta=1.2), answers(rng, width=0.2, theta=0.8)
    beyond = (odds_of(doubt, lens) > doubt.limit).mean()
    # two samples of 3,000, each with a standard deviation of 0.004
    assert beyond == pytest.approx(FALSE_ALARMS, abs=0.03)
    odds = odds_of(doubt, joined(lens, other))
    assert roc_auc(np.repeat([0, 1], COUNT), odds) > 0.9
    # negative control: others that are answered as lenses are cannot be told
    same = answers(rng, width=0.08, theta=1.2)
    alike = fit_doubt(joined(lens, same), np.repeat(["lens", "other"], COUNT))
    odds = odds_of(alike, joined(answers(rng, width=0.08, theta=1.2), same))
    assert abs(roc_auc(np.repeat([0, 1], COUNT), odds) - 0.5) < 0.04


def test_a_rare_kind_counts_as_much_as_a_common_one(sample):
    posterior, kinds = sample
    few = fit_doubt(posterior, kinds)
    rows = np.concatenate([np.arange(len(kinds)), *[np.flatnonzero(kinds == "look_alike")] * 9])
    many = fit_doubt(posterior.rows(rows), kinds[rows])
    np.testing.assert_allclose(few.weights, many.weights, rtol=1e-3, atol=1e-3)


def test_turning_an_image_changes_no_doubt(sample):
    posterior, kinds = sample
    doubt = fit_doubt(posterior, kinds)
    plain = dict(zip(TARGETS, posterior.mean().T, strict=True))
    std = dict(zip(TARGETS, posterior.std().T, strict=True))
    turned = plain | {"e1": -plain["e2"], "e2": plain["e1"]}  # by 45 degrees
    widths = std | {"e1": std["e2"], "e2": std["e1"]}
    np.testing.assert_allclose(
        doubt.log_odds(plain, std), doubt.log_odds(turned, widths), rtol=0, atol=1e-9
    )


def test_what_is_answered_like_a_lens_is_told_by_what_the_network_saw(sample):
    _, kinds = sample
    rng = np.random.default_rng(6)

    def seen(kinds):
        signal = np.where(kinds == "look_alike", 2.0, 0.0) + rng.normal(size=len(kinds))
        return np.stack([signal, rng.normal(size=len(kinds)), np.zeros(len(kinds))], axis=-1)

    alike = np.where(kinds == "no_source", "look_alike", kinds)[: COUNT + 300]
    lenses = answers(rng, width=0.08, theta=1.2, count=COUNT + 300)  # answers tell nothing
    features = seen(alike)
    doubt = fit_doubt(lenses, alike, features)
    assert len(doubt.of_features) == 3
    assert doubt.of_features[2] == 0.0  # of a unit that never speaks
    facts = marked(doubt, lenses, alike, features)
    # at 5 % of one Gaussian, 2 sigma apart, another lies beyond the limit in 64 %
    assert facts["look_alike"]["fraction"] == pytest.approx(0.64, abs=0.1)
    assert facts["lens"]["fraction"] == pytest.approx(FALSE_ALARMS, abs=0.01)
    shuffled = fit_doubt(lenses, alike, rng.permutation(features))
    facts = marked(shuffled, lenses, alike, features)
    assert facts["look_alike"]["fraction"] < 0.2  # the control


def test_features_that_nobody_can_fit_are_refused_and_silent_ones_weigh_nothing(sample):
    posterior, kinds = sample
    count = len(kinds)
    with pytest.raises(MetricError, match="too many"):
        fit_doubt(posterior, kinds, np.zeros((count, count // 20 + 1)))
    with pytest.raises(MetricError, match="not finite"):
        fit_doubt(posterior, kinds, np.full((count, 1), np.nan))
    rare = np.zeros((count, 1))
    rare[np.flatnonzero(kinds == "look_alike")[:20]] = 1.0  # tells of 20 images in 6,300
    assert fit_doubt(posterior, kinds, rare).of_features == (0.0,)
    often = (kinds == "look_alike").astype(float)[:, None]
    assert fit_doubt(posterior, kinds, often).of_features[0] > 1


def test_a_class_whose_name_begins_like_a_lens_is_none(sample):
    posterior, kinds = sample
    named = np.where(kinds == "look_alike", "lens_like", kinds)
    assert fit_doubt(posterior, named).lenses == COUNT


def test_lenses_of_several_populations_weigh_alike(sample):
    posterior, kinds = sample
    named = np.where(kinds == "lens", "lens: first", kinds)
    rows = np.concatenate([np.arange(len(kinds)), np.flatnonzero(kinds == "lens")[:300]])
    named = np.concatenate([named, np.repeat("lens: second", 300)])
    doubt = fit_doubt(posterior.rows(rows), named)
    assert doubt.lenses == COUNT + 300
    again = np.concatenate([rows, *[rows[-300:]] * 9])
    more = fit_doubt(posterior.rows(again), np.concatenate([named, *[named[-300:]] * 9]))
    np.testing.assert_allclose(doubt.weights, more.weights, rtol=1e-3, atol=1e-3)
    assert doubt.limit == pytest.approx(more.limit, abs=1e-2)


def test_too_few_or_other_targets_are_refused(sample):
    posterior, kinds = sample
    with pytest.raises(MetricError, match="at least"):
        fit_doubt(posterior, np.where(kinds == "lens", "lens", "lens"))
    with pytest.raises(MetricError, match="theta_E, e1 and e2"):
        fit_doubt(posterior.marginal(("theta_E",)), kinds)


@pytest.fixture(scope="module")
def modeller(tmp_path_factory):
    """A modeller of small Euclid VIS stamps with posteriors, its spread calibrated."""
    return tiny.save(
        tmp_path_factory.mktemp("doubt"),
        "modeller",
        targets=TARGETS,
        arguments={"components": 1},
        calibration=Spread(scales=(1, 1, 1), limits=(100, 100, 100), objects=200),
    )


def test_a_preset_keeps_its_doubt_and_a_table_shows_it(modeller, tmp_path):
    from lensfinder.model import model

    doubt = Doubt(weights=(1.0, 0, 0, 0, 0), limit=0.0, lenses=2, others=2)  # of everything
    preset = kept(open_preset(modeller), doubt, tmp_path / "doubts")
    assert preset.config.calibration.doubt == doubt
    assert preset.config.calibration.limits == (100, 100, 100)
    table = model(tiny.images(3), preset=preset.folder, output=tmp_path / "t.ecsv", report=False)
    assert list(read_table(tmp_path / "t.ecsv")["unsure"]) == list(table["unsure"]) == [1, 1, 1]
    assert "doubt" not in open_preset(modeller).config.as_json()["calibration"]


def test_a_doubt_is_fitted_on_mocks_and_kept_with_what_it_marks(tmp_path):
    from lensfinder.predict.network import Network

    preset = open_preset(
        tiny.save(
            tmp_path / "whole",
            "modeller",
            targets=TARGETS,
            arguments={"components": 1},
            calibration=Spread(scales=(1, 1, 1), limits=(100, 100, 100), objects=200),
            agreed=tiny.contract(stamp=57),
        )
    )
    doubt, facts = doubt_of(preset, preset.load(), size=512)
    assert len(doubt.of_features) > 0
    assert facts["lenses_of"] == [facts["population"]]
    assert sum(found["objects"] for found in facts["marked"].values()) == 256  # others than fitted
    told = kept(preset, doubt, tmp_path / "told", facts=facts)
    assert told.metrics["doubt"]["marked"] == facts["marked"]
    assert Network(told.folder, "modeller").calibration.doubt == doubt


def test_a_doubt_needs_the_targets_it_is_told_by(tmp_path):
    doubt = Doubt(weights=(1.0, 0, 0, 0, 0), limit=0.0, lenses=2, others=2)
    spread = Spread(scales=(1, 1, 1), limits=(1, 1, 1), objects=200, doubt=doubt)
    facts = {"targets": ("theta_E", "gamma1", "gamma2"), "arguments": {"components": 1}}
    with pytest.raises((UntrustedArtefactError, PresetError), match="a doubt is told by"):
        tiny.save(tmp_path, "modeller", calibration=spread, **facts)


def test_what_has_no_calibrated_posterior_learns_no_doubt(tmp_path):
    plain = tiny.save(tmp_path, "modeller", targets=TARGETS)
    with pytest.raises(PresetError, match="calibrate it first"):
        add_doubt(plain)


def test_a_doubt_is_fitted_on_images_of_the_kind_the_network_was_measured_on(monkeypatch):
    from lensfinder.training import doubt

    class StopHere(Exception):
        pass

    def stop(predict, sample, **terms):
        raise StopHere(sample)

    monkeypatch.setattr(doubt, "score_mocks", stop)
    monkeypatch.setattr(doubt, "feature_model", lambda model: model)
    monkeypatch.setattr(doubt, "fixed_predict", lambda model: model)
    data = {"plane": "S3", "cleaner": "edsr-small/lsst-gri-10yr", "visits": 4}
    preset = SimpleNamespace(
        metrics={"data": data},
        config=SimpleNamespace(calibration=None),
        contract=tiny.contract(survey="lsst-gri-10yr"),
        targets=("theta_E", "e1", "e2"),
    )
    with pytest.raises(StopHere) as caught:
        doubt_of(preset, SimpleNamespace(output_shape=(None, 6)))
    (sample,) = caught.value.args
    assert {name: getattr(sample, name) for name in data} == data
