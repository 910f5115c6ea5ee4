"""Stages before a network: mask, cleaner, second scale; presets or Keras models of one's own."""

import dataclasses

import keras
import numpy as np
import pytest

from lensfinder import zoo
from lensfinder.clean import clean
from lensfinder.data import Assume, read_cutouts
from lensfinder.errors import (
    FRONT_STATUS,
    ArgumentError,
    OutputExistsError,
    PresetError,
    UnknownNameError,
)
from lensfinder.find import find
from lensfinder.model import model
from lensfinder.predict import Fitting, OwnNetwork
from lensfinder.predict.rarity import Rarity
from lensfinder.predict.stages import failure_category, scale_agreement
from lensfinder.zoo.vib import entropy, joint_likelihood, rarest_codes
from tests import tiny
from tests.test_clean import BAD, save

STAMP = 48
WIDE = tiny.contract(stamp=STAMP)


def radii():
    axis = np.arange(STAMP) - (STAMP - 1) / 2
    return np.hypot(axis[:, None], axis)


def ring_finder():
    """A finder of one's own: a lens is light at 11 pixels from the middle, and nothing else."""
    weight = (np.abs(radii() - 11) < 1.5).astype(np.float32)
    image = keras.Input((STAMP, STAMP, 1), name="vis")
    dense = keras.layers.Dense(1, activation="sigmoid")
    found = keras.Model({"vis": image}, dense(keras.layers.Flatten()(image)))
    dense.set_weights([5 * (weight / weight.sum()).reshape(-1, 1), np.array([-5.0], np.float32)])
    return OwnNetwork(found, "finder", WIDE, name="ring-finder")


def stamps(*rings, neighbour=False):
    """A galaxy with a ring of so many pixels about it (0 for none), on noise."""
    rng, r = np.random.default_rng(1), radii()
    images = []
    for ring in rings:
        image = 8 * np.exp(-r / 1.2) + rng.normal(0, 0.1, r.shape)
        if ring:
            image += 3 * np.exp(-0.5 * ((r - ring) / 1.0) ** 2)
        if neighbour:
            y, x = np.indices(r.shape)
            image += 300 * np.exp(-0.5 * ((x - 34) ** 2 + (y - 35) ** 2) / 2.0**2)
        images.append(image[..., None])
    return {"vis": np.stack(images).astype(np.float32)}


def test_small_arcs_are_found_in_the_enlarged_centre_and_no_others():
    # 11 px at the scale of the stamp; 11 / 2.22 = 5 px at the second
    shown = stamps(11, 5, 0, 0)
    plain = find(shown, preset=ring_finder())
    assert list(plain["p_lens"] >= 0.5) == [True, False, False, False]
    table = find(shown, preset=ring_finder(), multi_scale=True)
    assert list(table["p_lens"] >= 0.5) == [True, True, False, False]
    np.testing.assert_array_equal(table["p_lens_stamp"], plain["p_lens"])
    np.testing.assert_array_equal(
        table["p_lens"], np.fmax(table["p_lens_stamp"], table["p_lens_zoom"])
    )
    assert list(table["front_status"]) == ["scales_disagree", "scales_disagree", "ok", "ok"]
    agreement = np.asarray(table["scale_agreement"])
    assert (agreement[:2] < 0.7).all()
    assert (agreement[2:] > 0.9).all()
    assert sorted(table["rank"][:2]) == [1, 2]
    assert table.meta["multi_scale"] is True


def test_a_neighbour_is_masked_and_the_lens_is_not():
    lens, galaxy = (stamps(ring, neighbour=True) for ring in (11, 0))
    shown = {"vis": np.concatenate([lens["vis"], galaxy["vis"]])}
    # the neighbour's light reaches the ring, unless it is cut off
    assert (find(shown, preset=ring_finder())["p_lens"] > 0.5).all()
    table = find(shown, preset=ring_finder(), mask_blobs=True)
    assert list(table["p_lens"] >= 0.5) == [True, False], table
    assert (table["mask_radius"] < STAMP / 2 * 0.1).all()  # arcsec
    noise = np.random.default_rng(2).normal(0, 1, (1, STAMP, STAMP, 1)).astype(np.float32)
    empty = find({"vis": noise}, preset=ring_finder(), mask_blobs=True)
    assert list(empty["front_status"]) == ["no_blob"]
    assert np.isnan(empty["mask_radius"]).all()


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    place = tmp_path_factory.mktemp("stages")
    return {
        "cleaner": save(place, "cleaner"),
        "inventing": save(place, "inventing", added=0.3),
        "denoiser": save(place, "denoiser", targets=("S2",)),
        "deblender": save(place, "deblender", targets=("S3",)),
        "finder": tiny.save(place, "finder"),
        "modeller": tiny.save(place, "modeller", targets=("theta_E", "e1", "e2")),
    }


def test_end_to_end_is_stage_after_stage(presets, tmp_path):
    shown = tiny.images(5)
    whole = find(
        shown, preset=presets["finder"], clean=presets["cleaner"], cleaned=tmp_path / "kept"
    )
    clean(shown, tmp_path / "alone", preset=presets["cleaner"], intermediate=True)
    for folder in ("", "denoised"):
        kept, alone = (
            sorted((tmp_path / name / folder).glob("*.fits")) for name in ("kept", "alone")
        )
        assert [path.name for path in kept] == [path.name for path in alone]
        assert [path.read_bytes() for path in kept] == [path.read_bytes() for path in alone]
    again = find(read_cutouts(tmp_path / "alone" / "*.fits"), preset=presets["finder"])
    np.testing.assert_allclose(whole["p_lens"], again["p_lens"], rtol=1e-5)  # FITS holds float32
    assert whole.meta["cleaner"]["contract"] == tiny.contract().model_dump(mode="json")
    assert f"--clean {presets['cleaner']}" in whole.meta["command"]
    modelled = model(shown, preset=presets["modeller"], clean=presets["cleaner"])
    again = model(read_cutouts(tmp_path / "alone" / "*.fits"), preset=presets["modeller"])
    np.testing.assert_allclose(modelled["theta_E"], again["theta_E"], rtol=1e-4)
    assert set(modelled["front_status"]) == {"ok"}


def test_candidates_are_modelled_from_cleaned_images(presets):
    shown = tiny.images(4)
    stages = {"clean": presets["deblender"], "denoiser": presets["denoiser"]}
    table = find(shown, preset=presets["finder"], model=presets["modeller"], threshold=0, **stages)
    alone = model(shown, preset=presets["modeller"], **stages)
    np.testing.assert_allclose(table["theta_E"], alone["theta_E"], rtol=1e-5)


def test_what_is_doubtful_about_a_cleaned_image_leaves_no_score(presets):
    table = find(tiny.images(3), preset=presets["finder"], clean=presets["inventing"])
    assert set(table["status"]) == {"invented_light"}
    assert np.isnan(table["p_lens"]).all()


def test_noise_that_was_cleaned_is_no_lens_and_a_faint_source_is_looked_at(presets, tmp_path):
    place, facts = tmp_path / "cleaned", {"data": {"plane": "S3"}, "finder": {"roc_auc": 0.5}}
    of_sources = tiny.save(tmp_path, "finder", metrics=facts)
    cleaner, finder = presets["cleaner"], presets["finder"]
    rng = np.random.default_rng(4)
    sky = rng.normal(0, 0.1, (6, tiny.STAMP, tiny.STAMP, 1)).astype(np.float32)
    axis = np.arange(tiny.STAMP) - (tiny.STAMP - 1) / 2
    # 10 sigma behind the filter
    faint = 0.3 * np.exp(-0.5 * (axis[:, None] ** 2 + axis**2) / 2.5**2)[..., None]
    shown = np.concatenate([sky, sky + faint]).astype(np.float32)
    table = find({"vis": shown}, preset=finder, clean=cleaner)
    assert list(table["status"]) == ["nothing_left"] * 6 + ["ok"] * 6
    assert np.isnan(table["p_lens"][:6]).all()
    assert np.isfinite(table["p_lens"][6:]).all()
    assert "no light of a source" in table["message"][0]
    clean({"vis": np.concatenate([sky, sky + faint]).astype(np.float32)}, place, preset=cleaner)
    again = find(sorted(place.glob("*.fits")), preset=of_sources)  # through files, the same
    assert sorted(again["status"]) == ["nothing_left"] * 6 + ["ok"] * 6
    bare = find({"vis": sky}, preset=finder)  # without a cleaner it answers, as ever
    assert set(bare["status"]) == {"ok"}


def test_a_network_of_cleaned_images_takes_no_others(presets, tmp_path):
    cleaner = presets["cleaner"]
    facts = {"data": {"plane": "S3"}, "finder": {"roc_auc": 0.5}}
    finder = tiny.save(tmp_path, "finder", metrics=facts)
    shown = tiny.images(3)
    table = find(shown, preset=finder)
    assert set(table["status"]) == {"not_cleaned"}
    assert "clean it first" in table["message"][0]
    assert np.isnan(table["p_lens"]).all()
    through = find(shown, preset=finder, clean=cleaner)
    assert set(through["status"]) == {"ok"}
    clean(shown, tmp_path / "cleaned", preset=cleaner)
    files = find(tmp_path / "cleaned" / "*.fits", preset=finder)
    assert set(files["status"]) == {"ok"}
    np.testing.assert_allclose(files["p_lens"], through["p_lens"], rtol=1e-5)
    said = find(shown, preset=finder, fitting=Fitting(assume=Assume(plane="S3")))
    assert set(said["status"]) == {"ok"}  # as its user says
    with pytest.raises(ArgumentError, match="S9"):
        Assume(plane="S9")
    denoised = read_cutouts(tmp_path / "cleaned" / "*.fits")
    changed = [dataclasses.replace(one, meta=one.meta | {"plane": "S2"}) for one in denoised]
    assert set(find(changed, preset=finder)["status"]) == {"not_cleaned"}


@pytest.mark.parametrize("stage", ["clean", "mask_blobs"])
def test_an_ensemble_answers_behind_every_stage(presets, tmp_path, stage):
    facts = {"targets": ("theta_E", "e1", "e2"), "arguments": {"components": 1}}
    both = [tiny.save(tmp_path, "modeller", seed=seed, **facts) for seed in (1, 2)]
    given = {stage: presets["cleaner"] if stage == "clean" else True}
    table = model(tiny.images(3), preset=both, **given)
    assert set(table["status"]) == {"ok"}
    other = tiny.save(
        tmp_path / "S3", "modeller", seed=3, metrics={"data": {"plane": "S3"}}, **facts
    )
    with pytest.raises(PresetError, match="one plane"):
        model(tiny.images(3), preset=[both[0], other])


def test_bad_images_get_a_reason_and_no_score_through_all_stages(presets):
    cutouts = tiny.cutouts(len(BAD) + 1)
    for cutout, (change, _) in zip(cutouts, BAD.values(), strict=False):
        change(cutout)
    table = find(
        cutouts,
        preset=presets["finder"],
        clean=presets["cleaner"],
        mask_blobs=True,
        multi_scale=True,
    )
    assert list(table["status"]) == [*(status for _, status in BAD.values()), "ok"]
    assert list(np.isfinite(table["p_lens"])) == [False] * len(BAD) + [True]
    assert [bool(words) for words in table["front_status"]] == [False] * len(BAD) + [True]
    assert np.isnan(table["p_lens_zoom"][: len(BAD)]).all()


def own_cleaner(gain=0.5):
    """Dims the image; two planes."""
    image = keras.Input((tiny.STAMP, tiny.STAMP, 1), name="vis")
    plane = keras.layers.Reshape((1, tiny.STAMP, tiny.STAMP, 1))
    planes = [plane(image), plane(keras.layers.Rescaling(gain)(image))]
    return keras.Model({"vis": image}, keras.layers.Concatenate(axis=1)(planes))


def test_each_stage_may_be_a_model_of_ones_own(presets, tmp_path):
    agreed, shown = tiny.contract(), tiny.images(4)
    cleaner = OwnNetwork(own_cleaner(), "cleaner", agreed, targets=("S2", "S3"), name="dimmer")
    table = clean(shown, tmp_path / "out", preset=cleaner)
    np.testing.assert_allclose(table["flux_out_VIS"], 0.5 * table["flux_in_VIS"], rtol=1e-5)
    assert table.meta["preset"] == "dimmer"
    assert "--preset '<dimmer>'" in table.meta["command"]
    finder = OwnNetwork(zoo.load(presets["finder"]), "finder", agreed)
    found = find(shown, preset=finder, clean=cleaner)
    dimmed = {"vis": 0.5 * shown["vis"]}
    wanted = find(dimmed, preset=presets["finder"])
    np.testing.assert_allclose(found["p_lens"], wanted["p_lens"], rtol=1e-5)
    assert np.abs(found["p_lens"] - find(shown, preset=presets["finder"])["p_lens"]).max() > 1e-3
    modeller = OwnNetwork(
        zoo.load(presets["modeller"]), "modeller", agreed, targets=("theta_E", "e1", "e2")
    )
    own = model(shown, preset=modeller, clean=cleaner)
    np.testing.assert_allclose(
        own["theta_E"], model(dimmed, preset=presets["modeller"])["theta_E"], rtol=1e-4
    )


def test_stages_that_do_not_go_together_are_typed_errors(presets, tmp_path):
    agreed, shown = tiny.contract(), tiny.images(2)
    with pytest.raises(PresetError, match="gives.*Change its last layer"):
        OwnNetwork(own_cleaner(), "cleaner", agreed, targets=("S3",))
    with pytest.raises(PresetError, match="Name its inputs"):
        OwnNetwork(own_cleaner(), "cleaner", WIDE, targets=("S2", "S3"))
    with pytest.raises(ArgumentError, match="a finder, a modeller or a cleaner"):
        OwnNetwork(own_cleaner(), "auditor", agreed)
    with pytest.raises(PresetError, match="Expected a finder"):
        find(shown, preset=OwnNetwork(own_cleaner(), "cleaner", agreed, targets=("S2", "S3")))
    with pytest.raises(PresetError, match="networks of one input contract"):
        find(stamps(5), preset=ring_finder(), clean=presets["cleaner"])
    with pytest.raises(ArgumentError, match="need a cleaner"):
        find(shown, preset=presets["finder"], cleaned=tmp_path / "kept")
    with pytest.raises(UnknownNameError, match="preset"):
        find(shown, preset=presets["finder"], clean="no-such/cleaner")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "a.txt").write_text("x")
    with pytest.raises(OutputExistsError, match="holds files already"):
        model(
            shown, preset=presets["modeller"], clean=presets["cleaner"], cleaned=tmp_path / "taken"
        )


def test_a_bottleneck_tells_images_unlike_its_training():
    keras.utils.set_random_seed(1)
    arguments = {"filters": (2, 2, 2, 2, 4), "latent": 3, "units": 4, "scaling": "none"}
    network = zoo.build("vib", tiny.contract(), "finder", **arguments)
    rarity = Rarity.of(network)
    # three standard normal numbers: chi^2 with 3 degrees of freedom exceeds 16.27 once in 1,000
    assert rarity.limit == pytest.approx(-0.5 * 16.27 - 1.5 * np.log(2 * np.pi), abs=0.6)
    assert rarest_codes(network, 0.5) > rarity.limit + 3
    usual = tiny.images(8)
    assert not rarity(usual).any()
    # random weights: some of the codes stay in the middle
    assert rarity({"vis": 1e7 * usual["vis"]}).mean() > 0.5
    finder = OwnNetwork(network, "finder", tiny.contract())
    both = {"vis": np.concatenate([usual["vis"][:1], 1e7 * usual["vis"][:1]])}
    table = find(both, preset=finder, mask_blobs=True)
    assert ["unlike_training" in words for words in table["front_status"]] == [False, True]
    assert Rarity.of(own_cleaner()) is None


def test_a_finder_with_a_bottleneck_says_how_unsure_it_is(presets):
    keras.utils.set_random_seed(2)
    arguments = {"filters": (2, 2, 2, 2, 4), "latent": 3, "units": 4, "scaling": "none"}
    network = zoo.build("vib", tiny.contract(), "finder", **arguments)
    finder = OwnNetwork(network, "finder", tiny.contract())
    cutouts, images = tiny.cutouts(5), tiny.images(5)
    cutouts[3].bands["VIS"][2, 2] = np.nan
    table = find(cutouts, preset=finder, batch_size=2, report=False)
    good = [0, 1, 2, 4]
    np.testing.assert_allclose(table["entropy"][good], entropy(table["p_lens"])[good], rtol=1e-5)
    np.testing.assert_allclose(
        table["log_joint"][good], joint_likelihood(network, images)[good], rtol=1e-4
    )
    assert np.isnan(table["entropy"][3])
    assert np.isnan(table["log_joint"][3])
    far = find({"vis": 1e7 * images["vis"]}, preset=finder, report=False)
    assert np.median(far["log_joint"]) < np.median(table["log_joint"][good]) - 5
    empty = find(iter(()), preset=finder, report=False)
    assert empty.colnames == table.colnames
    assert "entropy" not in find(cutouts, preset=presets["finder"], report=False).colnames


def test_failures_fall_into_the_categories_of_the_paper():
    bits = FRONT_STATUS
    rows = [  # truth, at the stamp's scale, enlarged, status, category
        (1, 0.9, 0.1, 0, 0),
        (0, 0.1, 0.1, bits["arc_cut"], 0),
        (1, 0.1, 0.2, bits["arc_cut"], 1),
        (0, 0.9, 0.8, bits["arc_cut"] | bits["more_sources"], 2),
        (0, 0.9, 0.8, bits["more_sources"], 2),
        (1, 0.1, 0.2, 0, 3),
        (0, 0.9, 0.9, bits["arc_cut"], 3),
        (1, 0.1, 0.9, bits["arc_cut"], 4),
        (0, 0.9, 0.1, 0, 4),
        (1, 0.1, 0.1, bits["unlike_training"] | bits["arc_cut"], 5),
        (1, np.nan, np.nan, 0, 0),
    ]
    truth, first, second, status, wanted = zip(*rows, strict=True)
    assert failure_category(truth, first, second, status).tolist() == list(wanted)
    agreement, disagree = scale_agreement(first, second, 0.5)
    assert disagree.tolist()[:3] == [True, False, False]
    assert np.isnan(agreement[-1])
