"""Object i depends on the seed and on i alone; what comes out is whole, labelled and redrawable."""

import copy
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from lensfinder.errors import SimulationError, SpecError, UnknownNameError
from lensfinder.simulate import MockDataset, Simulator, simulator
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


def test_a_stack_shows_the_same_lenses_with_less_noise(pearson, monkeypatch):
    compiled = {simulator.FAST: pearson._draw, simulator._PROBE: pearson._look}
    monkeypatch.setattr(simulator, "RenderProgram", lambda _, sampling: compiled[sampling])
    asked = {"seed": pearson.seed, "planes": pearson.planes, "visits": 16}
    one = pearson.objects(range(256))
    deep = Simulator("euclid-vis", "pearson2019-test", **asked).objects(range(256))
    for name in ("theta_E", "q", "phi", "x_src", "src_flux_VIS", "attempt"):
        assert np.array_equal(deep.truth[name], one.truth[name])
    assert np.array_equal(deep.planes["S2"]["vis"], one.planes["S2"]["vis"])
    noise = [m.planes["S1"]["vis"] - m.planes["S2"]["vis"].astype(np.float64) for m in (one, deep)]
    ratio = noise[0].var() / noise[1].var()
    spread = 16 * np.sqrt(4 / noise[0].size)  # of a ratio of two variances of so many pixels
    assert abs(ratio - 16) < 4 * spread
    assert abs(ratio - 15.5) > 4 * spread  # half a visit is seen
    # S/N and pixels are those of the stack: more pixels stand out, so less than four times the S/N
    assert (deep.truth["n_pix"] >= one.truth["n_pix"]).all()
    gain = np.median(deep.truth["snr"] / one.truth["snr"])
    assert 2.5 < gain <= 4.0
    assert deep.truth.meta["visits"] == 16
    assert "visits" not in one.truth.meta


def test_only_the_planes_asked_for(maresca):
    mocks = fresh(maresca, planes=("S3",)).objects([0])
    assert list(mocks.planes) == ["S3"]
    with pytest.raises(KeyError):
        _ = mocks.images


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
