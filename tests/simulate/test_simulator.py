"""Object i depends on the seed and on i alone; what comes out is whole, labelled and redrawable."""

import copy
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import astropy.units as u
import keras
import numpy as np
import oracle
import pytest
from numpy.testing import assert_allclose

from lensfinder.errors import SimulationError, SpecError, UnknownNameError
from lensfinder.lensing.cosmology import theta_E_sis
from lensfinder.lensing.multiplicity import image_count
from lensfinder.simulate import MockDataset, Scene, Simulator, simulator
from lensfinder.simulate.placing import lens_of
from lensfinder.simulate.scene import LIGHT
from lensfinder.specs import load_population, load_survey

ROOT = Path(__file__).parents[2]
# theta_E, q, x_src of the first three rows of seed 1. A change here changes every mock ever made:
# raise `simulator.DATA_VERSION` with it.
PINNED = {
    "maresca2021": [
        [1.4335829547792256, 0.8957189153855336, -0.7091324630168282],
        [0.8391934533931926, 0.9593384941969922, -0.5311446222406992],
        [0.7511019117044655, 0.9874170394447427, -0.07837016318438664],
    ],
    "pearson2019-test": [
        [1.4009272302405293, 0.7035073766145233, 0.6434471446555734],
        [0.6665581407531285, 0.939603285115992, -0.02713708585880454],
        [1.1173375435281034, 0.9122151467130053, -0.08005796854369973],
    ],
}


def fresh(of, **changes):
    """A simulator with the same compiled programs and nothing remembered."""
    other = copy.copy(of)
    other._recent = type(of._recent)()
    for name, value in changes.items():
        setattr(other, name, value)
    return other


def same(one, other):
    """Whether two sets of mocks agree in every byte."""
    tables = [table.as_array().tobytes() for table in (one.truth, other.truth)]
    images = all(
        np.array_equal(image, other.planes[plane][group])
        for plane, groups in one.planes.items()
        for group, image in groups.items()
    )
    return tables[0] == tables[1] and images


# --- the same objects -----------------------------------------------------------------------------
@pytest.mark.parametrize("name", PINNED)
def test_the_first_three_rows_are_pinned(name, maresca, pearson):
    mocks = {"maresca2021": maresca, "pearson2019-test": pearson}[name].objects(range(3))
    found = np.stack([mocks.truth[key] for key in ("theta_E", "q", "x_src")], axis=1)
    assert_allclose(found, PINNED[name], rtol=0, atol=1e-10)


def test_an_object_does_not_depend_on_its_company(maresca):
    together = maresca.objects(np.arange(300, 311))
    assert len(together) == 11
    for k in (300, 305, 310):
        assert same(fresh(maresca).objects([k]), together.take([k - 300]))


def test_any_order_and_any_batch_give_the_same(maresca):
    """Across the border of two blocks of 256."""
    asked = np.array([260, 3, 255, 256, 3])
    mocks = fresh(maresca).objects(asked)
    assert mocks.truth["index"].tolist() == asked.tolist()
    assert mocks.ids[1] == "mock-000000003"
    whole = {
        size: type(mocks).join(fresh(maresca).stream(250, 20, batch=size)) for size in (7, 20, 256)
    }
    assert same(whole[7], whole[20])
    assert same(whole[7], whole[256])
    assert same(whole[7].take([10]), mocks.take([0]))


def test_seeds_and_objects_differ(maresca):
    one, other = maresca.objects(range(256)), fresh(maresca, seed=2).objects(range(256))
    assert not set(one.truth["theta_E"]) & set(other.truth["theta_E"])
    assert len(set(one.truth["theta_E"])) == 256
    z = (one.images["vis"] - one.planes["S2"]["vis"]).reshape(256, -1)
    assert np.abs(np.corrcoef(z[:20]) - np.eye(20)).max() < 5 / np.sqrt(z.shape[1])


DIGEST = """
import hashlib, json, sys
import numpy as np
from lensfinder.simulate import Simulator
mocks = Simulator("euclid-vis", "maresca2021", seed=1, planes=("S1", "S2")).objects(range(8))
drawn = {name: mocks.truth[name] for name in ("theta_E", "q", "phi", "x_src", "src_flux_VIS")}
np.savez(sys.argv[1], s1=mocks.images["vis"], s2=mocks.planes["S2"]["vis"], **drawn)
print(json.dumps(hashlib.sha256(mocks.truth.as_array().tobytes()).hexdigest()))
"""


def elsewhere(tmp_path, **environment):
    """Images and digest of the truth of the first eight objects, in another process."""
    path = tmp_path / "mocks.npz"
    done = subprocess.run(
        [sys.executable, "-c", DIGEST, str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return np.load(path), json.loads(done.stdout.splitlines()[-1])


def test_another_process_makes_the_same(maresca, tmp_path):
    images, digest = elsewhere(tmp_path)
    mocks = maresca.objects(range(8))
    assert digest == hashlib.sha256(mocks.truth.as_array().tobytes()).hexdigest()
    assert np.array_equal(images["s1"], mocks.images["vis"])


@pytest.mark.slow
def test_jax_makes_the_same(maresca, tmp_path):
    """What is drawn in every byte; images to 1e-4 of the peak: two compilers round differently."""
    pytest.importorskip("jax")
    images, _ = elsewhere(tmp_path, KERAS_BACKEND="jax", JAX_PLATFORMS="cpu")
    mocks = maresca.objects(range(8))
    for name, ours in (("s1", mocks.images["vis"]), ("s2", mocks.planes["S2"]["vis"])):
        peak = mocks.planes["S2"]["vis"].max(axis=(1, 2, 3), keepdims=True)
        assert np.abs((images[name] - ours) / peak).max() < 1e-4
    for name in ("theta_E", "q", "phi", "x_src", "src_flux_VIS"):
        assert np.array_equal(images[name], mocks.truth[name])


# --- planes ---------------------------------------------------------------------------------------
def test_planes_are_what_they_say(pearson):
    mocks = pearson.objects(range(256))
    s1, s2, s3 = (mocks.planes[plane]["vis"].astype(np.float64) for plane in ("S1", "S2", "S3"))
    assert s1.shape == (256, 57, 57, 1)
    assert mocks.images is mocks.planes["S1"]
    assert np.all(s3 <= s2 + 1e-6 * s2.max())
    band = pearson.survey.band("VIS")
    variance = (s2 + band.sky + band.dark_current) / band.total_time
    variance += band.n_exposures * (band.read_noise / band.total_time) ** 2
    pull = (s1 - s2) / np.sqrt(variance)
    assert abs(pull.mean()) < 4 / np.sqrt(pull.size)
    assert abs(pull.var() - 1) < 4 * np.sqrt(2 / pull.size)
    assert abs((1.01 * pull).var() - 1) > 4 * np.sqrt(2 / pull.size)  # 1 % of noise is seen


def test_lens_light_is_taken_off_with_its_shot_noise_left(pearson):
    mocks = pearson.objects(range(64))
    bare = fresh(pearson, subtract_lens_light=True).objects(range(64))
    rest = mocks.planes["S2"]["vis"] - mocks.planes["S3"]["vis"]
    assert_allclose(bare.images["vis"], mocks.images["vis"] - rest, atol=1e-5 * rest.max())
    assert np.array_equal(bare.planes["S2"]["vis"], mocks.planes["S2"]["vis"])


def test_only_the_planes_asked_for(maresca):
    mocks = fresh(maresca, planes=("S3",)).objects([0])
    assert list(mocks.planes) == ["S3"]
    with pytest.raises(KeyError):
        _ = mocks.images


# --- truth ----------------------------------------------------------------------------------------
UNITS = {
    "theta_E": u.arcsec,
    "sigma_v": u.km / u.s,
    "q": None,
    "phi": u.rad,
    "e1": None,
    "gamma1": None,
    "x_lens": u.arcsec,
    "y_src": u.arcsec,
    "z_src": None,
    "lens_R_e": u.arcsec,
    "lens_n": None,
    "src_phi": u.rad,
    "src_flux_VIS": u.electron / u.s,
    "near0_x": u.arcsec,
    "near1_R_e": u.arcsec,
    "near0_flux_VIS": u.electron / u.s,
    "structure_radius": u.arcsec,
    "structure_width": u.arcsec,
    "structure_phase": u.rad,
    "structure_peak_VIS": u.electron / u.s / u.arcsec**2,
    "magnification": None,
    "snr": None,
    "n_pix": None,
}


def test_units_stand_on_every_physical_column(finder):
    truth = finder.objects([0]).truth
    for name, unit in UNITS.items():
        assert truth[name].unit == unit, name
    bare = {name for name in truth.colnames if truth[name].unit is None}
    ends = ("_n", "_q", "_arms", "_contrast", "_winding", "_kind")
    counts = {"id", "index", "label", "class", "attempt", "n_images", "n_pix", "n_groups"}
    pure = {"e1", "e2", "q", "gamma1", "gamma2", "z_lens", "z_src", "magnification", "snr"}
    other = {name for name in bare - counts - pure if not name.endswith(ends)}
    assert other == {"light_independent", "n_neighbours"}


def test_the_truth_says_where_it_comes_from(maresca):
    mocks = maresca.objects([5])
    meta = mocks.truth.meta
    assert meta["survey"] == "euclid-vis"
    assert meta["population"] == "maresca2021"
    assert (meta["seed"], meta["data_version"]) == (1, simulator.DATA_VERSION)


def test_e1_e2_are_those_of_q_and_phi(pearson):
    truth = pearson.objects(range(256)).truth
    e = (1 - truth["q"] ** 2) / (1 + truth["q"] ** 2)
    assert_allclose(truth["e1"], e * np.cos(2 * truth["phi"]), atol=1e-12)
    assert_allclose(truth["e2"], e * np.sin(2 * truth["phi"]), atol=1e-12)


def scene_of(truth, survey):
    """What another code would read: every profile from the columns alone."""
    scene = Scene.empty(len(truth), len(survey.bands), lens=1, source=1)
    mass = ("theta_E", "q", "phi", "x_lens", "y_lens", "gamma1", "gamma2")
    scene.mass[:] = np.stack([truth[name] for name in mass], axis=1)
    for kind, name, centre in (("lens", "lens", "lens"), ("source", "src", "src")):
        columns = [f"x_{centre}", f"y_{centre}", *(f"{name}_{key}" for key in LIGHT[2:])]
        getattr(scene, kind)[:, 0] = np.stack([truth[column] for column in columns], axis=1)
        for b, band in enumerate(survey.bands):
            getattr(scene, f"{kind}_flux")[:, 0, b] = truth[f"{name}_flux_{band.name}"]
    return scene


def test_the_truth_table_draws_the_object_again(pearson):
    """Twenty lenses by lenstronomy: 99 % of pixels within 1e-3 of the peak."""
    pytest.importorskip("lenstronomy")
    mocks = pearson.objects(range(20))
    scene = scene_of(mocks.truth, pearson.survey)
    theirs = np.stack([oracle.of_scene(pearson.survey, scene, k)["vis"] for k in range(20)])
    far = np.abs(mocks.planes["S2"]["vis"] - theirs) > 1e-3 * theirs.max((1, 2, 3), keepdims=True)
    assert far.mean() < 0.01
    other = np.abs(mocks.planes["S2"]["vis"] - theirs[::-1]) > 1e-3 * theirs.max()
    assert other.mean() > 0.1  # negative control: another object


# --- criteria and classes -------------------------------------------------------------------------
def test_every_lens_of_pearson_meets_the_criteria_of_the_paper(pearson):
    """Section 2.1, i-iv, from the truth table and the source plane alone."""
    mocks = pearson.objects(range(256))
    truth, band = mocks.truth, pearson.survey.band("VIS")
    seeing = band.psf_fwhm
    assert np.all(truth["theta_E"] ** 2 > truth["src_R_e"] ** 2 + (seeing / 2) ** 2)
    assert np.all(truth["theta_E"] < 0.9 * 5.7 / 2)
    source = mocks.planes["S3"]["vis"][..., 0].astype(np.float64)
    magnification = source.sum(axis=(1, 2)) / truth["src_flux_VIS"]
    assert np.all(magnification > 3)
    assert np.all(magnification * truth["src_R_e"] > seeing)
    assert_allclose(magnification, truth["magnification"], rtol=1e-6)
    electrons = (band.sky + band.dark_current) * 565 + band.read_noise**2
    sigma = np.sqrt(electrons) / 565
    above = source > sigma
    snr = (source * above).sum(axis=(1, 2)) / (sigma * np.sqrt(above.sum(axis=(1, 2))))
    assert np.all(snr > 20)
    assert_allclose(snr, truth["snr"], rtol=1e-5)
    assert np.array_equal(above.sum(axis=(1, 2)), truth["n_pix"])
    columns = {name: np.asarray(truth[name]) for name in truth.colnames}
    count = image_count(columns["x_src"], columns["y_src"], **lens_of(columns))
    assert np.array_equal(count, truth["n_images"])
    # the criterion is decided with 64 points of the caustic, the truth with more
    assert np.mean(count >= 2) > 0.99
    sis = theta_E_sis(columns["sigma_v"], columns["z_lens"], columns["z_src"], "pearson2019")
    assert_allclose(sis, truth["theta_E"], rtol=1e-6)


def test_classes_keep_their_fractions_and_their_meaning(finder):
    """512 objects; 4 sigma. Every non-lens is drawn without deflection and labelled 0."""
    mocks = finder.objects(range(512))
    truth, fractions = mocks.truth, finder.population.classes
    for name, fraction in fractions.items():
        sigma = np.sqrt(fraction * (1 - fraction) / 512)
        assert abs(np.mean(truth["class"] == name) - fraction) < 4 * sigma
    lens = truth["class"] == "lens"
    assert np.array_equal(truth["label"], lens.astype(int))
    assert np.all(truth["theta_E"][lens] > 0)
    for name in ("theta_E", "gamma1", "gamma2", "n_images"):
        assert not np.any(truth[name][~lens])
    source = mocks.planes["S3"]["vis"].sum(axis=(1, 2, 3))
    assert not source[truth["class"] == "no_source"].any()
    assert np.all(source[truth["class"] == "unlensed_source"] > 0)
    like = truth["class"] == "look_alike"
    assert set(truth["structure_kind"][like]) == {"ring", "spiral", "merger"}
    assert set(truth["structure_kind"][~like]) == {"none"}
    assert np.all(truth["structure_peak_VIS"][like] > 0)
    assert not truth["structure_peak_VIS"][~like].any()
    rest = mocks.planes["S2"]["vis"] - mocks.planes["S3"]["vis"]
    assert np.all(rest.sum(axis=(1, 2, 3)) > 0)


# --- into training --------------------------------------------------------------------------------
def test_a_dataset_of_mocks_fits_a_model(maresca):
    dataset = MockDataset(maresca, ("theta_E", "e1"), batch_size=32, batches=3, start=64)
    assert len(dataset) == 3
    images, targets = dataset[1]
    assert images["vis"].shape == (32, 57, 57, 1)
    assert targets.shape == (32, 2)
    assert targets.dtype == np.float32
    mocks = maresca.objects(np.arange(96, 128))
    assert np.array_equal(images["vis"], mocks.images["vis"])
    assert_allclose(targets[:, 0], mocks.truth["theta_E"], rtol=1e-6)
    keras.utils.set_random_seed(1)
    given = keras.Input((57, 57, 1), name="vis")
    found = keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.AveragePooling2D(8)(given)))
    model = keras.Model({"vis": given}, found)
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse", jit_compile=False)
    history = model.fit(dataset, epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_a_dataset_needs_the_noisy_plane(maresca):
    with pytest.raises(SimulationError, match="Add 'S1'"):
        MockDataset(fresh(maresca, planes=("S2",)), ("label",), batch_size=8, batches=1)


# --- mistakes -------------------------------------------------------------------------------------
def test_an_impossible_population_says_what_to_loosen(monkeypatch):
    monkeypatch.setattr(simulator, "MAX_ATTEMPTS", 20)
    population = load_population("maresca2021")
    rule = population.acceptance.model_copy(update={"minimum_dispersion": 4999.0})
    population = population.model_copy(update={"acceptance": rule})
    with pytest.raises(SimulationError, match="Loosen its acceptance") as caught:
        Simulator("euclid-vis", population).objects([0])
    assert "'maresca2021' was not accepted in 20 attempts" in str(caught.value)


@pytest.mark.parametrize(
    ("terms", "error", "words"),
    [
        ({"planes": ("S9",)}, SimulationError, "Planes are S1, S2, S3"),
        ({"planes": ()}, SimulationError, "Planes are"),
        ({"seed": -1}, SimulationError, "seed must lie"),
        ({"seed": 2**63}, SimulationError, "seed must lie"),
        ({"survey": "hubble"}, UnknownNameError, "no survey named"),
        ({"population": "stars"}, UnknownNameError, "no population named"),
        ({"survey": "no-such.yaml"}, SpecError, "cannot be read"),
    ],
)
def test_a_simulator_that_cannot_be(terms, error, words):
    with pytest.raises(error, match=words):
        Simulator(**{"survey": "euclid-vis", "population": "maresca2021"} | terms)


@pytest.mark.parametrize("indices", [[], [-1], [3, -2]])
def test_objects_that_cannot_be(maresca, indices):
    with pytest.raises(SimulationError, match="numbers from 0"):
        maresca.objects(indices)


def test_large_stamps_come_in_smaller_blocks():
    assert Simulator("euclid-vis-nisp", "bom2022").block == 64
    assert Simulator(load_survey("euclid-vis"), "maresca2021").block == 256
