"""Adapting a preset to another survey: the base stays, the new one takes raw images."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from lensfinder import adapt, find, model, zoo
from lensfinder.data import Cutout, Labelled, write_cutouts
from lensfinder.errors import (
    ArchitectureError,
    ArgumentError,
    LabelError,
    MissingBandError,
    OutputExistsError,
    PresetError,
)
from lensfinder.specs import GroupContract, InputContract, View, load_survey
from lensfinder.training import Tuning
from lensfinder.training.adaptation import folds_of, for_contract
from lensfinder.zoo.calibration import at_prevalence
from tests import tiny

GROUND = InputContract(
    survey="ground",
    groups=(GroupContract(name="kids", bands=("u", "g", "r", "i"), stamp=25, pixel_scale=0.2),),
)
BOM = {"VIS": "r", "H": "i", "J": "g", "Y": "u"}
QUICK = Tuning(epochs=4, learning_rate=3e-3, folds=3)


def rings(count=36, seed=0, contract=GROUND) -> Labelled:
    """Blobs; every second one has a ring in r."""
    rng = np.random.default_rng(seed)
    axis = np.arange(25) - 12
    radius = np.hypot(axis[:, None], axis)
    images = rng.normal(0, 0.1, (count, 25, 25, 4)) + np.exp(-(radius**2) / 8)[..., None]
    y = (np.arange(count) % 2).astype(np.float32)[:, None]
    images[y[:, 0] > 0, ..., 2] += np.exp(-((radius - 3) ** 2))
    ids = tuple(f"object-{i}" for i in range(count))
    return Labelled(contract, ids, {"kids": images.astype(np.float32)}, y)


def cutouts(objects, **changes):
    for i, name in enumerate(objects.ids):
        bands = {b: objects.images["kids"][i, ..., k].copy() for k, b in enumerate("ugri")}
        facts = {
            "bands": bands,
            "pixel_scales": dict.fromkeys(bands, 0.2),
            "units": dict.fromkeys(bands, "electron/s"),
        }
        yield Cutout(id=name, **{**facts, **changes})


def hashes(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def made(base, tmp_path_factory):
    """An adapted preset, and the hashes of its base before and after."""
    before = hashes(Path(base))
    said = []
    found = adapt(
        base,
        rings(),
        tmp_path_factory.mktemp("made") / "preset",
        view=View(bands={"VIS": "r"}),
        tuning=QUICK,
        note=said.append,
    )
    return found, before, hashes(Path(base)), said


def test_the_base_is_untouched(made):
    _, before, after, _ = made
    assert before == after
    assert len(before) >= 5


def test_the_base_is_no_place_for_the_new_preset(base, tmp_path):
    home = Path(base)
    before = hashes(home)
    link = tmp_path / "link"
    link.symlink_to(home, target_is_directory=True)
    # the folder itself, by two other names too; one that holds it; one inside it
    for place in (home, home / ".." / home.name, link, home.parent, home / "new"):
        with pytest.raises(ArgumentError, match="folder of the base.*Choose another folder"):
            adapt(base, rings(12), place, view=View(bands={"VIS": "r"}), overwrite=True)
    assert hashes(home) == before


def test_the_new_preset_takes_raw_images_of_the_new_survey(made):
    preset = made[0]
    objects = rings(20, seed=5)
    table = find(cutouts(objects), preset=str(preset.folder), report=False)
    assert set(table["status"]) == {"ok"}
    lens = objects.y[:, 0] > 0
    assert np.mean(table["p_lens"][lens]) > np.mean(table["p_lens"][~lens]) + 0.1
    network = preset.load()
    assert {t.name: tuple(t.shape[1:]) for t in network.inputs} == {"kids": (25, 25, 1)}
    assert preset.contract.bands == ("r",)
    assert preset.contract.branches[0].crop == {"kids": 9}  # 1.6 arcsec


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"pixel_scales": dict.fromkeys("ugri", 0.1)}, "wrong_pixel_scale"),
        ({"units": dict.fromkeys("ugri", "adu")}, "wrong_unit"),
        ({"bands": {"VIS": np.eye(25, dtype=np.float32)}}, "missing_band"),
    ],
)
def test_its_contract_is_checked_at_every_prediction(made, changes, status):
    table = find(cutouts(rings(2), **changes), preset=str(made[0].folder), report=False)
    assert all(status in text for text in table["status"])
    assert np.isnan(table["p_lens"]).all()


def test_bands_are_known_by_name_in_whatever_order_they_come(base, made, tmp_path):
    """RELIABILITY D5: a wrong order of bands cannot get in, at training or at prediction."""
    preset = made[0]
    objects = rings(6, seed=9)
    straight = find(cutouts(objects), preset=str(preset.folder), report=False)["p_lens"]
    turned = [
        Cutout(
            id=c.id,
            bands={name: c.bands[name] for name in "irgu"},
            pixel_scales=c.pixel_scales,
            units=c.units,
        )
        for c in cutouts(objects)
    ]
    again = find(turned, preset=str(preset.folder), report=False)["p_lens"]
    np.testing.assert_array_equal(again, straight)
    # the same training images with their planes the other way round, and said to be so
    group = GroupContract(name="kids", bands=("i", "r", "g", "u"), stamp=25, pixel_scale=0.2)
    objects = rings()
    other = Labelled(
        InputContract(survey="ground", groups=(group,)),
        objects.ids,
        {"kids": objects.images["kids"][..., ::-1]},
        objects.y,
    )
    how = {"view": View(bands={"VIS": "r"}), "tuning": QUICK}
    twin = adapt(base, other, tmp_path / "twin", **how)
    images = {"kids": rings(8, seed=7).select({"kids": ["r"]}).images["kids"]}
    one, two = (zoo.fixed_predict(p.load(), batch_size=8)(images) for p in (preset, twin))
    np.testing.assert_array_equal(one, two)
    # the control: planes in that order under the old names are another training
    wrong = Labelled(GROUND, objects.ids, other.images, objects.y)
    astray = adapt(base, wrong, tmp_path / "astray", **how)
    assert not np.array_equal(zoo.fixed_predict(astray.load(), batch_size=8)(images), one)


def test_it_says_what_it_was_adapted_from_and_what_was_measured(made):
    preset, _, _, said = made
    figures = preset.metrics
    assert figures["adapted_from"]["survey"] == "euclid-vis"
    assert figures["adapted_from"]["sha256"]
    assert figures["data"] == {"survey": "ground", "n": 36, "lenses": 18}
    assert figures["held_out"] == {"scheme": "3-fold cross-validation", "n": 36}
    assert figures["finder"]["objects"] == 36
    assert 0 <= figures["before_training"]["roc_auc"] <= 1
    assert figures["training"]["objects"] == 36
    assert "Adapted from `finder-1/euclid-vis`" in preset.card
    assert "36 labelled images (18 lenses)" in preset.card
    assert "the central 9 of 25 pixels" in preset.card
    assert sum("fold" in text for text in said) == 3
    assert preset.config.calibration is None
    assert said[-1].startswith("not calibrated: there were answers to 18 lenses")
    assert "18 lenses and 18 others" in figures["uncalibrated"]
    assert "is not calibrated, and cannot be taken to another prevalence" in preset.card
    with pytest.raises(PresetError, match="18 lenses and 18 others.*Adapt its base again"):
        find(cutouts(rings(2)), preset=str(preset.folder), report=False, prevalence=1e-3)


def test_with_enough_objects_the_new_finder_is_calibrated_and_takes_a_prevalence(base, tmp_path):
    before = hashes(Path(base))
    objects = rings(60)
    y = objects.y.copy()
    y[[0, 2, 4, 1, 3, 5]] = 1 - y[[0, 2, 4, 1, 3, 5]]  # some that no network can be right about
    found = adapt(
        base,
        Labelled(GROUND, objects.ids, objects.images, y),
        tmp_path / "new",
        view=View(bands={"VIS": "r"}),
        tuning=Tuning(epochs=2, learning_rate=3e-3, folds=2),
    )
    fitted, facts = found.config.calibration, found.metrics["calibration"]
    assert (fitted.kind, fitted.objects, fitted.prevalence) == ("temperature", 60, 0.5)
    assert facts["objects"] == 60
    assert facts["after"]["log_loss"] == found.metrics["finder"]["log_loss"]
    assert "calibrated (temperature) on answers to 60 images" in found.card
    plain, p, rare = (
        find(cutouts(rings(9, seed=3)), preset=str(found.folder), report=False, **how)["p_lens"]
        for how in ({}, {"prevalence": 0.5}, {"prevalence": 1e-3})
    )
    np.testing.assert_allclose(p, plain, rtol=1e-6, atol=0)
    np.testing.assert_allclose(rare, at_prevalence(plain, trained=0.5, wanted=1e-3), rtol=1e-6)
    images = {"kids": rings(9, seed=3).select({"kids": ["r"]}).images["kids"]}
    raw = zoo.fixed_predict(found.load(calibrated=False), batch_size=9)(images)[:, 0]
    # float32 of a probability, and of the logit it was made from
    np.testing.assert_allclose(plain, fitted.apply(raw), rtol=2e-5, atol=0)
    assert hashes(Path(base)) == before


def test_the_same_call_gives_the_same_weights(made, base, tmp_path):
    again = adapt(base, rings(), tmp_path / "again", view=View(bands={"VIS": "r"}), tuning=QUICK)
    images = {"kids": rings(8, seed=7).select({"kids": ["r"]}).images["kids"]}
    one, two = (zoo.fixed_predict(p.load(), batch_size=8)(images) for p in (made[0], again))
    np.testing.assert_array_equal(one, two)


def test_two_branches_and_frozen_layers(tmp_path):
    from lensfinder.zoo.weights import array_of, weight_table

    base = tiny.save(tmp_path, groups=("vis", "nisp"), seed=3)
    found = adapt(
        base,
        rings(12),
        tmp_path / "new",
        view=View(bands=BOM, field="stamp", resize="area"),
        tuning=Tuning(layers="head", batch_norm="frozen", epochs=2, folds=2),
    )
    assert [b.name for b in found.contract.branches] == ["vis", "nisp"]
    old, new = (weight_table(m) for m in (zoo.load(base), found.load()))
    assert set(old) == set(new)
    changed = {n for n in old if not np.array_equal(array_of(old[n]), array_of(new[n]))}
    # 0 bytes of the frozen layers; the stretch is adapted, not trained
    assert {name.split("/")[0] for name in changed} <= {
        "dense",
        "p_lens",
        "vis_stretch",
        "nisp_stretch",
    }
    assert {"dense/kernel", "p_lens/kernel"} <= changed
    table = find(cutouts(rings(3)), preset=str(tmp_path / "new"), report=False)
    assert set(table["status"]) == {"ok"}


def test_a_modeller_is_adapted_alike(tmp_path):
    base = tiny.save(tmp_path, task="modeller", seed=4)
    objects = rings(12)
    y = np.random.default_rng(1).uniform(0.1, 0.9, (12, 3)).astype(np.float32)
    found = adapt(
        base,
        Labelled(GROUND, objects.ids, objects.images, y),
        tmp_path / "new",
        view=View(bands={"VIS": "r"}),
        tuning=Tuning(epochs=1, folds=2),
    )
    assert found.targets == ("theta_E", "e1", "e2")
    assert "| theta_E |" in found.card
    table = model(cutouts(rings(3)), preset=str(tmp_path / "new"), report=False)
    assert np.isfinite(table["theta_E"]).all()


def test_many_objects_are_split_by_id(base, tmp_path):
    many = adapt(
        base,
        rings(80),
        tmp_path / "many",
        view=View(bands={"VIS": "r"}),
        tuning=Tuning(epochs=1, split_from=60),
    )
    assert many.metrics["held_out"]["scheme"] == "objects kept apart by the hash of their ids"
    assert 40 < many.metrics["data"]["n"] < 70
    assert many.metrics["data"]["n"] + many.metrics["held_out"]["n"] < 80


def test_validation_and_test_may_be_given(base, tmp_path):
    found = adapt(
        base,
        rings(12),
        tmp_path / "given",
        view=View(bands={"VIS": "r"}),
        tuning=Tuning(epochs=1),
        validation=rings(10, seed=1),
        test=rings(14, seed=2),
    )
    assert found.metrics["held_out"] == {"scheme": "objects given for it", "n": 14}


def test_files_and_a_table_of_labels(base, tmp_path):
    survey = load_survey("kids-ugri")
    rng = np.random.default_rng(0)
    ids = [f"{i:03d}" for i in range(8)]
    images = {"kids": rng.normal(0, 1, (8, 101, 101, 4)).astype(np.float32)}
    write_cutouts(tmp_path / "images", ids, images, survey)
    rows = "".join(f"{name},{i % 2}\n" for i, name in enumerate(ids))
    (tmp_path / "images" / "labels.csv").write_text("id,label\n" + rows)
    how = {"view": View(bands={"VIS": "r"}), "tuning": Tuning(epochs=1, folds=2)}
    found = adapt(base, tmp_path / "images", tmp_path / "new", **how)
    assert found.contract.survey == "kids-ugri"
    table = find(tmp_path / "images", preset=str(tmp_path / "new"), report=False)
    assert list(table["id"]) == ids
    assert set(table["status"]) == {"ok"}
    with pytest.raises(OutputExistsError, match="--overwrite"):
        adapt(base, tmp_path / "images", tmp_path / "new", **how)


def test_what_cannot_be_adapted_is_refused_and_nothing_is_written(base, tmp_path):
    good = rings(12)
    few = good.take(np.arange(6))
    nan = Labelled(GROUND, good.ids, good.images, np.full_like(good.y, np.nan))
    one = good.take(good.y[:, 0] > 0)
    for wrong, words in ((few, "4 lenses"), (nan, "not finite"), (one, "other kind")):
        with pytest.raises(LabelError, match=words):
            adapt(base, wrong, tmp_path / "no", view=View(bands={"VIS": "r"}))
    with pytest.raises(MissingBandError, match="--band-map VIS="):
        adapt(base, good, tmp_path / "no")
    with pytest.raises(ArchitectureError, match="do not fit"):
        for_contract(zoo.open_preset(base), tiny.contract(groups=("nisp",)))
    assert not (tmp_path / "no").exists()


def test_folds_share_out_each_class_evenly(rng):
    label = np.array([1] * 7 + [0] * 13)
    fold = folds_of(label, 20, 5, rng)
    assert set(fold) == {0, 1, 2, 3, 4}
    assert all(1 <= (fold[label == 1] == k).sum() <= 2 for k in range(5))
    assert folds_of(np.array([1, 1, 0, 0, 0]), 5, 5, rng).max() == 1
    assert folds_of(None, 7, 3, rng).max() == 2
