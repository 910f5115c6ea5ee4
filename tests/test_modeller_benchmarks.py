"""What the benchmarks of modellers compute, on answers that are known; and that they run."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose

from lensfinder.data.splits import fold_of, split_of
from lensfinder.lensing import Ellipticity, theta_E_to_barkana
from lensfinder.specs import load_population, load_survey
from lensfinder.tables import read_table, write_table
from tests import tiny

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TARGETS = ("theta_E", "e1", "e2")


@pytest.fixture
def script(monkeypatch):
    """A benchmark by its name, imported as it is run."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.fixture(scope="module")
def lenses():
    """Truth of 4,000 lenses whose light says nothing of their mass."""
    rng = np.random.default_rng(3)
    truth = Table({"theta_E": rng.uniform(0.3, 2.5, 4000)})
    for name in ("", "lens_"):
        truth[f"{name}q"] = rng.uniform(0.5, 1.0, 4000)
        truth[f"{name}phi"] = rng.uniform(0, np.pi, 4000)
    mass = Ellipticity.from_axis_ratio(truth["q"], truth["phi"])
    truth["e1"], truth["e2"] = mass.e1, mass.e2
    return truth


def answers_of(theta_E, shape):
    return np.stack([theta_E, shape.e1, shape.e2], axis=1)


def test_arcs_are_taken_out_of_every_band(script):
    arcs = script("reads_arcs")
    survey = load_survey("lsst-gri")
    rng = np.random.default_rng(1)
    (group,) = survey.groups
    axis = np.arange(group.stamp) - group.stamp // 2
    radius = np.hypot(axis[:, None], axis)
    sigma = np.array([band.background_sigma for band in group.bands])
    galaxy = 300 * sigma * np.exp(-radius / 3)[..., None]
    arc = 100 * sigma * ((np.abs(radius - 8) < 1.5) & (axis[:, None] > 0))[..., None]
    image = (galaxy + arc + rng.normal(0, sigma, (*radius.shape, len(sigma)))).astype(np.float32)
    found = arcs.stripped({group.name: image[None]}, survey)[group.name]
    assert found.shape == (1, *image.shape)
    left = (found[0] - galaxy)[arc.any(axis=-1)].mean(axis=0)
    assert (np.abs(left) < 0.2 * 100 * sigma).all(), left / sigma
    assert (found[0][radius < 2].mean(axis=0) > 100 * sigma).all()  # the galaxy is still there


def test_who_copies_the_light_is_told_from_who_reads_the_mass(script, lenses):
    arcs = script("reads_arcs")
    rows = {
        name: arcs.shape(
            answers_of(lenses["theta_E"], Ellipticity.from_axis_ratio(*shape)), lenses, TARGETS
        )
        for name, shape in {
            "mass": (lenses["q"], lenses["phi"]),
            "light": (lenses["lens_q"], lenses["lens_phi"]),
        }.items()
    }
    for target in ("e1", "e2"):
        mass, light = rows["mass"][target], rows["light"][target]
        assert mass["with_mass"] == light["with_light"] == 1.0
        # of two independent columns of 4,000 numbers, four standard deviations
        assert max(abs(mass["with_light"]), abs(light["with_mass"])) < 4 / np.sqrt(4000)
        assert mass["rms"] == 0.0
        assert light["rms"] == light["rms_of_light"] > 0.2


def test_the_error_at_large_radii_is_that_at_large_radii(script, lenses):
    arcs = script("reads_arcs")
    true = np.asarray(lenses["theta_E"])
    answers = np.zeros((len(true), 3))
    answers[:, 0] = np.minimum(true, 2.0)  # a network that stops at 2 arcsec
    found = arcs.radius(answers, lenses, TARGETS)
    assert found["large"]["objects"] == (true >= 2.0).sum()
    assert found["large"]["mean_error_arcsec"] == pytest.approx(-0.25, abs=0.02)
    assert found["all"]["median_error_arcsec"] == 0.0


def test_mass_goes_its_own_way_and_all_else_stays(script):
    arcs = script("reads_arcs")
    before, after = load_population("varied-lenses"), arcs.apart("varied-lenses")
    assert (after.mass.axis_ratio.low, after.mass.axis_ratio.high) == (0.5, 1.0)
    assert (before.lens_light.independent, after.lens_light.independent) == (0.3, 1.0)
    assert after.source == before.source
    assert after.acceptance == before.acceptance
    assert after.name == "varied-lenses-apart"


def test_the_scatter_over_views_is_that_of_the_turned_answers(script):
    arcs = script("reads_arcs")

    def brightness_above(images):  # not the same for an image and its mirror image
        half = images["vis"][:, 8:].sum(axis=(1, 2, 3)) - images["vis"][:, :8].sum(axis=(1, 2, 3))
        return np.stack([half, 0 * half, 0 * half], axis=1)

    lopsided = np.zeros((2, 16, 16, 1))
    lopsided[:, 12, 3:13] = 0.1
    modeller = arcs.Modeller.__new__(arcs.Modeller)
    modeller.targets, modeller.symmetric = TARGETS, False
    modeller.predict = brightness_above
    # four views have it above or below (+1, -1), four have as much on either side or nearly
    found = modeller.turned({"vis": lopsided})["as it is shipped"]
    assert found == pytest.approx(np.std([1, -1, 1, -1, 0, 0, 0, 0]), abs=0.05)
    modeller.predict = lambda images: np.ones((2, 3))
    assert modeller.turned({"vis": lopsided})["as it is shipped"] == 0.0


@pytest.mark.slow
def test_a_modeller_without_sense_fails_and_is_told_so(script, tmp_path):
    arcs = script("reads_arcs")
    preset = tiny.save(
        tmp_path,
        "modeller",
        stamp=57,
        targets=TARGETS,
        arguments={"components": 1, "symmetric": True},
        metrics={"data": {"population": "varied-lenses"}},
    )
    found = arcs.judge(preset, SimpleNamespace(mocks=48, others=32, turned=6))
    assert found["reached"]["turned"]  # by its mean over views
    assert not found["reached"]["mass"]
    assert {"lens", "arcs removed", "no_source", "look_alike"} <= set(found["no_arcs"])
    words = arcs.markdown({"modellers": {"senseless": found}})
    assert "arcs removed" in words


# --- Schuldt et al. 2021 --------------------------------------------------------------------------
def test_no_galaxy_that_is_tested_on_is_trained_on_and_none_is_wasted(script):
    mocks = script("_schuldt_mocks")
    ids = np.array([f"galaxy-{k}" for k in range(3000)])
    tested = split_of(ids, mocks.SHARES) == "test"
    assert tested.mean() == pytest.approx(0.3, abs=0.03)  # three standard deviations and more
    # what is trained on has no test sample of its own, and comes into all folds
    assert "test" not in set(split_of(ids[~tested]))
    assert set(fold_of(ids[~tested], 5)) == set(range(5))


def painted_folders(tmp_path, test_sources):
    """A training set and a test sample, by the names of what they were painted with."""
    for name, lens, sources in (("train", "a", ["x", "y"]), ("test", "b", test_sources)):
        (tmp_path / name).mkdir(parents=True)
        table = Table({"lens_id": [lens] * 2, "source_id": sources})
        place = "truth.parquet" if name == "train" else "truth.ecsv"
        write_table(table, tmp_path / name / place)
        (tmp_path / name / "manifest.json").write_text("{}")  # the last to be written
    return tmp_path


def test_nothing_in_a_test_image_was_trained_on(script, tmp_path, monkeypatch):
    mocks = script("_schuldt_mocks")
    monkeypatch.setattr(mocks, "read_truth", lambda folder: read_table(folder / "truth.parquet"))
    calls = []

    def paint(galaxies, stamps, *, output, n, **other):
        calls.append([{each.id for each in part} for part in (galaxies, stamps)])
        output.mkdir(parents=True)
        names = {"lens_id": galaxies, "source_id": stamps}
        table = Table({name: [each.id for each in part[:2]] for name, part in names.items()})
        write_table(table, output / ("truth.parquet" if output.name == "train" else "truth.ecsv"))
        (output / "manifest.json").write_text("{}")

    galaxies = [SimpleNamespace(id=f"galaxy-{k}") for k in range(60)]
    stamps = [SimpleNamespace(id=f"cosmos-{k}") for k in range(60)]
    monkeypatch.setattr(mocks, "paint", paint)
    monkeypatch.setattr(mocks, "inputs", lambda folder: (galaxies, None, stamps, None, None))
    mocks.painted(None, tmp_path / "new", "flat", train=10, test=5, seed=1)
    (lenses, sources), (test_lenses, test_sources) = calls
    for trained, tested in ((lenses, test_lenses), (sources, test_sources)):
        assert not trained & tested
        assert len(trained | tested) == 60
        assert len(tested) > 8  # of 18 that are expected, four standard deviations
    old = painted_folders(tmp_path / "old", ["y", "z"])
    with pytest.raises(SystemExit, match="1 values of source_id are in"):
        mocks.painted(None, old, "flat", train=10, test=5, seed=1)


def test_simulated_mocks_are_as_many_as_the_scale_says(script, tmp_path, monkeypatch):
    schuldt, mocks = script("schuldt2021"), script("_schuldt_mocks")
    asked = {}

    def simulate(survey, population, *, output, n, **other):
        asked["n"] = n
        output.mkdir(parents=True)
        (output / "manifest.json").write_text("{}")

    monkeypatch.setattr(mocks, "simulate", simulate)
    monkeypatch.setattr(mocks, "read_manifest", lambda folder: SimpleNamespace(rows=asked["n"]))
    scale = schuldt.SCALES["cpu"]
    mocks.simulated(tmp_path / "mocks", train=scale.objects, seed=1)
    names = [f"mock-{k:09d}" for k in range(asked["n"])]
    # a tenth is never trained on; the share of a hash scatters by 0.5 %
    kept = int((split_of(names) != "test").sum())
    assert kept == pytest.approx(scale.objects, rel=0.02)
    held = schuldt.simulated_test(scale)
    assert held["size"] == scale.test
    assert held["seed"] not in {schuldt.SEED + k for k in range(3)}  # of the mocks trained on
    monkeypatch.setattr(mocks, "read_manifest", lambda folder: SimpleNamespace(rows=5500))
    with pytest.raises(SystemExit, match="another --work"):
        mocks.simulated(tmp_path / "mocks", train=scale.objects, seed=1)


def test_errors_are_of_barkanas_radius(script):
    schuldt = script("schuldt2021")
    rng = np.random.default_rng(1)
    truth = np.zeros((500, 5))
    truth[:, 2:4] = rng.uniform(-0.3, 0.3, (500, 2))
    truth[:, 4] = rng.uniform(0.5, 2, 500)
    predicted = truth + np.array([0.1, -0.2, 0, 0, 0.3])
    found = schuldt.errors(truth, predicted)
    assert_allclose(found["x_lens"], [0.1, 0, 0], atol=1e-4)
    assert_allclose(found["y_lens"], [-0.2, 0, 0], atol=1e-4)
    q = Ellipticity(truth[:, 2], truth[:, 3]).axis_ratio()
    expected = theta_E_to_barkana(np.full(500, 0.3), q)  # it is linear in the radius
    assert found["theta_E"][0] == pytest.approx(np.median(expected), abs=1e-4)
    wild = truth.copy()
    wild[:, 2] = 3.0  # no ellipse
    assert np.isfinite(schuldt.as_in_the_paper(wild)).all()


def test_real_galaxies_of_hsc_are_in_the_middle_of_their_stamps(script, shared_data):
    cutouts = script("_paint_inputs").hsc_blends(shared_data)
    assert len(cutouts) > 5
    for cutout in cutouts:
        assert {image.shape for image in cutout.bands.values()} == {(64, 64)}
        middle = cutout.bands["i"][30:34, 30:34].mean()
        assert middle > 5 * np.median(cutout.bands["i"])
        assert cutout.psfs["i"].shape == (41, 41)


def test_images_and_delays_of_right_answers_are_right(script):
    schuldt = script("schuldt2021")
    rng, count = np.random.default_rng(2), 60
    systems = Table(
        {
            **{name: rng.normal(0, 0.05, count) for name in ("x_lens", "y_lens")},
            **{name: rng.uniform(-0.2, 0.2, count) for name in ("e1", "e2")},
            "theta_E": rng.uniform(0.9, 2.0, count),
            **{name: rng.normal(0, 0.15, count) for name in ("x_src", "y_src")},
            "z_lens": np.full(count, 0.4),
            "z_src": np.full(count, 2.0),
        }
    )
    right = np.stack([systems[name] for name in schuldt.TARGETS], axis=1)
    found = schuldt.images_and_delays(systems, right)
    assert found["systems"] > 50
    assert found["count_differs"] == 0
    # solved and traced back: the same images to the solver's precision
    assert abs(found["all"]["dx"]["plus"]) + abs(found["all"]["f_delay"]["plus"]) < 1e-4
    wrong = right + np.array([0, 0, 0, 0, 0.1])
    off = schuldt.images_and_delays(systems, wrong)["all"]
    assert off["dx"]["plus"] > 0.05, "a larger radius moves the others out"
    words = script("_schuldt_table").images_of(schuldt.images_and_delays(systems, wrong))
    assert "f_delay" in words
    assert "other numbers of images" in words


# --- what turning the objects buys ----------------------------------------------------------------
def test_the_arms_of_turning_differ_in_their_objects_alone(script, tmp_path):
    bench = script("turned")
    for name in bench.NETWORKS:
        found = bench.arms(name, bench.SIZES["cpu"], tmp_path / "shards")
        plain = {words: recipe.model_dump(mode="json") for words, recipe in found.items()}
        assert "symmetric" not in plain[bench.STORED]["network"]["arguments"]
        stored = plain[bench.STORED]
        assert stored["data"]["folder"] == str(tmp_path / "shards")
        for words, expected in ((bench.TURNED, {"turned"}), (bench.FRESH, {"data"})):
            apart = {key for key in stored if plain[words][key] != stored[key]}
            assert apart == expected
        drawn = plain[bench.FRESH]
        assert drawn["steps_per_epoch"] * drawn["epochs"] * drawn["batch_size"] == 65_536
        # the stored ones are drawn with another seed than anything else
        others = {drawn["data"]["seed"], drawn["validation"]["seed"], drawn["test"]["seed"]}
        assert bench.SEED not in others


def test_the_table_of_turning_says_how_many_mocks_were_different(script):
    bench = script("turned")
    row = {"errors": {"RMS of e1": {"value": 0.1, "std": 0.01}}, "objects_shown": 2000}
    arms = {
        bench.STORED: {**row, "different_mocks": 500},
        bench.FRESH: {**row, "different_mocks": 2000},
    }
    text = bench.markdown({"networks": {"net": {"arms": arms}}})
    assert "| stored, as they are | 500 | 2,000 | 0.1000 +- 0.0100 |" in text
    assert "| fresh | 2,000 | 2,000 | 0.1000 +- 0.0100 |" in text
