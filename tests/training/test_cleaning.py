"""Training cleaners: patches, planes, the loss, and a training that makes images better."""

from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from tiny_training import recipe

from lensfinder.errors import DatasetSpecError, RecipeError
from lensfinder.paths import data_specs_dir
from lensfinder.specs import load_survey
from lensfinder.training.cleaning import cleaner_figures, patches, plane_truth
from lensfinder.training.loop import train
from lensfinder.training.losses import GaussianDecoder, make_loss
from lensfinder.training.plane_losses import PlaneL1, PlaneNoise
from lensfinder.training.planes import PatchSource, plane_batch, plane_source
from lensfinder.training.recipe import load_recipe, recipe_names
from lensfinder.training.sources import ArraySource, Batch

CHANNELS = {"vis": (0,)}
PARTS = [
    {"objects": 16, "data": {"kind": "simulator", "population": "madireddy", "seed": seed}}
    for seed in (1, 2)
]
FAMILY = {  # shown plane, planes to make
    "denoise-small": ("S1", ("S2",)),
    "deblend-small": ("S2", ("S3",)),
    "end-to-end-small": ("S1", ("S3",)),
    "joint-small": ("S1", ("S2", "S3")),
    "joint-small-arcsinh": ("S1", ("S2", "S3")),
}


def planes(count, seed=0, side=16):
    """A broad lens, a ring of light round it, noise: S1 is their sum, S3 the ring."""
    rng = np.random.default_rng(seed)
    axis = np.arange(side) - (side - 1) / 2
    radius = np.hypot(axis[:, None], axis)
    lens = rng.uniform(1, 6, (count, 1, 1)) * np.exp(-0.5 * (radius / 2) ** 2)
    ring = np.exp(-0.5 * ((radius - rng.uniform(3, 6.5, (count, 1, 1))) / 0.8) ** 2)
    noise = rng.normal(0, 0.3, (count, side, side))
    made = {"S1": lens + ring + noise, "S2": lens + ring, "S3": ring}
    return {name: {"vis": x[..., None].astype(np.float32)} for name, x in made.items()}


def arrays(count, seed=0, shown="S1", wanted=("S2", "S3")):
    made = planes(count, seed)
    return made[shown], plane_truth(made, wanted, "vis")


def tiny(folder, **changes):
    options = {
        "network": {"name": "edsr", "arguments": {"blocks": 1, "channels": 8}},
        "optimizer": {"name": "adam"},
        "schedule": {"kind": "constant", "learning_rate": 5e-3},
        "adapt_size": 64,
        "batch_size": 16,
        "steps_per_epoch": 8,
        "epochs": 6,
    }
    return recipe(folder, task="cleaner", **{**options, **changes})


def test_a_training_makes_images_better_and_shuffled_truth_does_not(tmp_path):
    images, y = arrays(128)
    held = Batch(*arrays(32, seed=1), tuple(range(32)))
    given = cleaner_figures(("S2", "S3"), held.y, held.y, held.images["vis"])
    found = {}
    for name, truth in (("matched", y), ("shuffled", y[::-1])):
        source = ArraySource(images, truth, batch_size=16)
        result = train(tiny(tmp_path), tmp_path / name, source=source, validation=held)
        found[name] = result.history
    first, last = found["matched"][0], found["matched"][-1]
    assert last["val_loss"] < 0.8 * first["val_loss"]
    for plane in ("S2", "S3"):
        assert last[f"val_psnr_{plane}"] > given[plane]["psnr_given"] + 1
        assert found["shuffled"][-1][f"val_psnr_{plane}"] < last[f"val_psnr_{plane}"] - 1


def test_patches_of_images_and_truth_are_the_same_place():
    grid = np.arange(3 * 12 * 10, dtype=np.float32).reshape(3, 12, 10, 1)
    images, y = {"vis": grid}, np.stack([grid, 2 * grid], axis=1)
    cut, truth = patches(images, y, 6, rng=np.random.default_rng(1))
    assert cut["vis"].shape == (3, 6, 6, 1)
    np.testing.assert_array_equal(truth, np.stack([cut["vis"], 2 * cut["vis"]], axis=1))
    again, _ = patches(images, y, 6, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(again["vis"], cut["vis"])
    middle, _ = patches(images, y, 6)
    np.testing.assert_array_equal(middle["vis"], grid[:, 3:9, 2:8])
    corners = {
        float(patches(images, y, 6, rng=np.random.default_rng(seed))[0]["vis"][0, 0, 0, 0])
        for seed in range(100)
    }
    assert len(corners) > 25, "7 x 5 places"
    with pytest.raises(DatasetSpecError, match="at least as large"):
        patches(images, y, 11)
    with pytest.raises(DatasetSpecError, match="one group"):
        patches({"a": grid, "b": grid}, y, 6)


def test_patches_of_a_source_depend_on_their_position_alone():
    source = PatchSource(ArraySource(*arrays(32), batch_size=8), side=9)
    whole = list(source.batches(1, 0, 4))
    (third,) = source.batches(1, 2, 3)
    np.testing.assert_array_equal(whole[2].y, third.y)
    np.testing.assert_array_equal(whole[2].images["vis"], third.images["vis"])
    assert whole[0].y.shape == (8, 2, 9, 9, 1)
    assert source.fingerprint()["patch"] == 9
    assert not np.array_equal(next(source.batches(2, 0, 1)).y, whole[0].y)


def test_a_network_is_trained_on_patches_and_kept_for_stamps(tmp_path):
    found = tiny(tmp_path, cleaning={"planes": ["S3"], "patch": 16})
    whole = found.contract().groups[0].model_copy(update={"stamp": 40})
    assert found.training_contract().shapes == {"vis": (16, 16, 1)}
    assert whole.shape == (40, 40, 1)
    assert found.resolved()["recipe"]["cleaning"]["patch"] == 16
    assert "cleaning" not in recipe(tmp_path).resolved()["recipe"]


def test_a_batch_of_mocks_shows_one_plane_and_asks_for_others():
    mocks = SimpleNamespace(
        planes=planes(4), ids=list("abcd"), targets=lambda names: np.ones((4, len(names)), "f4")
    )
    batch = plane_batch(mocks, "S1", ("S2", "S3"), CHANNELS)
    np.testing.assert_array_equal(batch.images["vis"], mocks.planes["S1"]["vis"])
    np.testing.assert_array_equal(batch.y[:, 1], mocks.planes["S3"]["vis"])
    assert batch.bad_ids() == []
    batch.y[2, 0, 3, 3] = np.nan
    assert batch.bad_ids() == ["c"]
    labelled = plane_batch(mocks, "S3", ("label",), CHANNELS)
    np.testing.assert_array_equal(labelled.images["vis"], mocks.planes["S3"]["vis"])
    assert labelled.y.shape == (4, 1)
    assert plane_batch(mocks, "S1", ("S3",), CHANNELS, patch=8).y.shape == (4, 1, 8, 8, 1)
    del mocks.planes["S3"]
    with pytest.raises(DatasetSpecError, match="plane S3"):
        plane_batch(mocks, "S1", ("S3",), CHANNELS)


def test_the_loss_is_the_weighed_mean_of_absolute_errors():
    truth, answer = np.zeros((2, 2, 4, 4, 1), "f4"), np.zeros((2, 2, 4, 4, 1), "f4")
    answer[:, 0], answer[:, 1] = 1, -3
    for weights, expected in (([1, 1], 2), ([3, 1], 1.5), ([0, 5], 3)):
        np.testing.assert_allclose(float(PlaneL1(weights)(truth, answer)), expected, rtol=1e-6)
    for weights in ([-1, 2], [0, 0], [np.nan], [[1]]):
        with pytest.raises(RecipeError, match=r"[Ww]eight"):
            PlaneL1(weights)


@pytest.mark.parametrize("name", ["plane_l1", "plane_noise"])
def test_a_loss_needs_a_weight_per_plane(tmp_path, name):
    loss = {"name": name, "arguments": {"weights": [1.0]}}
    with pytest.raises(RecipeError, match="a weight for each"):
        make_loss(recipe(tmp_path, task="cleaner", loss=loss))


def test_the_loss_in_units_of_noise_weighs_faint_arcs_and_bright_cores_alike(rng):
    noise = np.array([0.1, 0.4])
    loss = PlaneNoise([1, 3], ("S2", "S3"), noise, softening=5.0)
    truth = rng.normal(size=(2, 2, 6, 6, 2)).astype("f4") * 20
    answer = truth + rng.normal(size=truth.shape).astype("f4")
    unit = 5.0 * noise
    left = np.square((answer[:, 0] - truth[:, 0]) / unit).mean()
    arcs = np.square(np.arcsinh(answer[:, 1] / unit) - np.arcsinh(truth[:, 1] / unit)).mean()
    np.testing.assert_allclose(float(loss(truth, answer)), (left + 3 * arcs) / 4, rtol=1e-4)
    # a core of a thousand sigma that is left by a twentieth, beside an arc that is lost
    faint = PlaneNoise([1], ("S3",), [1.0])
    core, arc = np.zeros((1, 1, 8, 8, 1), "f4"), np.zeros((1, 1, 8, 8, 1), "f4")
    core[..., 3, 3, 0], arc[..., 5, 2:7, 0] = 1000.0, 5.0
    lost = float(faint(core + arc, core))
    assert lost > float(faint(core + arc, 0.95 * core + arc))
    l1 = PlaneL1([1])
    assert float(l1(core + arc, core)) < float(l1(core + arc, 0.95 * core + arc)), "the paper's"
    for wrong in ({"noise": [0.0]}, {"noise": [np.nan]}, {"noise": [1.0], "softening": 0}):
        with pytest.raises(RecipeError, match="must be positive"):
            PlaneNoise([1], ("S3",), **wrong)


def test_the_noise_of_the_loss_is_that_of_the_survey(tmp_path):
    found = load_recipe("madireddy/joint-small")
    plain = found.model_dump(mode="json", exclude_none=True)
    plain["loss"] = {"name": "plane_noise", "arguments": {"weights": [0.5, 0.5]}}
    loss, survey = make_loss(type(found).model_validate(plain)), load_survey("lsst-gri-10yr")
    sigma = [survey.band(name).background_sigma for name in "gri"]
    truth = np.zeros((1, 2, 4, 4, 3), "f4")
    np.testing.assert_allclose(float(loss(truth, truth + np.float32(sigma))), 0.04, rtol=0.02)


def test_the_gaussian_decoder_is_a_normal_density():
    from scipy import stats

    low, high, noise = np.array([0, -1]), np.array([2, 1]), 0.1
    truth, answer = np.float32([[1.0, 0.2]]), np.float32([[1.3, 0.1]])
    # on targets scaled to 0-1, as the paper scales them
    oracle = -stats.norm(0, noise).logpdf((truth - answer) / (high - low)).sum()
    found = float(GaussianDecoder(low, high, noise=noise)(truth, answer))
    np.testing.assert_allclose(found, oracle, rtol=1e-5)
    for wrong in (0, -1, np.inf, np.nan):
        with pytest.raises(RecipeError, match="fraction of a range"):
            GaussianDecoder(low, high, noise=wrong)


def test_figures_say_what_was_gained_and_whether_flux_is_kept():
    images, y = arrays(12)
    found = cleaner_figures(("S2", "S3"), y, 0.9 * y, images["vis"])
    for plane in ("S2", "S3"):
        assert found[plane]["psnr"] > found[plane]["psnr_given"]
        np.testing.assert_allclose(found[plane]["flux_ratio"], 0.9, rtol=1e-4)
        assert found[plane]["flux_ratio_nmad"] < 1e-4
    assert found["objects"] == 12


# --- recipes --------------------------------------------------------------------------------------
def test_the_family_holds_the_three_strategies_and_both_bottlenecks():
    vibs = {"vib-detect", "vib-model"}
    assert set(recipe_names("madireddy")) == {f"madireddy/{name}" for name in {*FAMILY, *vibs}}


@pytest.mark.parametrize("name", FAMILY)
def test_each_strategy_shows_and_asks_for_its_planes(name):
    found = load_recipe(f"madireddy/{name}")
    source = plane_source(found, found.data, found.batch_size)
    assert (source.plane, source.targets) == FAMILY[name]
    assert (found.plane, found.truth_columns) == FAMILY[name]
    assert source.patch == found.cleaning.patch == 48
    assert isinstance(make_loss(found), PlaneNoise if name.endswith("arcsinh") else PlaneL1)
    assert found.contract().shapes == {"lsst": (111, 111, 3)}
    assert found.training_contract().shapes == {"lsst": (48, 48, 3)}


@pytest.mark.parametrize(("name", "beta"), [("vib-detect", 0.5), ("vib-model", 3.0)])
def test_bottlenecks_see_the_source_alone(name, beta):
    found = load_recipe(f"madireddy/{name}")
    assert found.plane == "S3"
    assert found.network.arguments["beta"] == beta
    make_loss(found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cleaning": None}, "a cleaner has `cleaning`"),
        ({"task": "finder"}, "another network has none"),
        ({"data": {"kind": "mixture", "parts": PARTS}}, "not a mixture"),
        ({"cleaning": {"planes": ["S1"]}}, "S2"),
        ({"cleaning": {"planes": ["S2"], "patch": 4}}, "16"),
    ],
)
def test_what_cannot_be_is_refused(change, words, tmp_path):
    plain = yaml.safe_load((data_specs_dir() / "recipes/madireddy/joint-small.yaml").read_text())
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**plain, **change}))
    with pytest.raises(RecipeError, match=words):
        load_recipe(path)
