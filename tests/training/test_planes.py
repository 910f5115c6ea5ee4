"""Other planes than the noisy one, straight from the simulator."""

import numpy as np
import pytest
from tiny_training import recipe

from lensfinder.simulate import Simulator
from lensfinder.training.cleaning import measure_cleaner
from lensfinder.training.evaluation import MockSample, headline, score_mocks
from lensfinder.training.sources import make_source, validation_objects

POPULATION = "pearson2019-train"
MOCKS = {"kind": "simulator", "population": POPULATION, "seed": 5}
HELD = {"population": POPULATION, "seed": 6, "size": 8}

pytestmark = pytest.mark.slow  # three simulators are compiled


@pytest.fixture(scope="module")
def cleaner(tmp_path_factory):
    return recipe(
        tmp_path_factory.mktemp("planes"),
        task="cleaner",
        data={**MOCKS, "plane": "S1"},
        validation=HELD,
        cleaning={"planes": ["S2", "S3"]},
    )


def test_a_source_gives_the_planes_of_the_simulator(cleaner):
    (batch,) = make_source(cleaner).batches(0, 1, 2)
    simulator = Simulator(cleaner.survey, POPULATION, seed=5, planes=("S1", "S2", "S3"))
    mocks = simulator.objects(np.arange(8, 16))
    np.testing.assert_array_equal(batch.images["vis"], mocks.planes["S1"]["vis"])
    np.testing.assert_array_equal(batch.y[:, 0], mocks.planes["S2"]["vis"])
    np.testing.assert_array_equal(batch.y[:, 1], mocks.planes["S3"]["vis"])
    assert batch.ids == tuple(mocks.ids)
    held = validation_objects(cleaner)
    assert held.y.shape == (8, 2, 16, 16, 1)
    assert not set(held.ids) - {f"mock-{i:09d}" for i in range(8)}


def test_a_cleaner_is_measured_and_a_finder_is_shown_its_plane(cleaner):
    sample = MockSample(cleaner.survey, POPULATION, 8, seed=6)
    contract = cleaner.contract()

    def halved(images):
        return np.stack([images["vis"], 0.5 * images["vis"]], axis=1)

    found = measure_cleaner(halved, sample, contract=contract, targets=("S2", "S3"))
    first = found["cleaner"]["S2"]
    assert first["psnr"] == first["psnr_given"]
    assert found["cleaner"]["S3"]["psnr"] > found["cleaner"]["S3"]["psnr_given"]
    assert found["data"] == {
        "survey": "tiny",
        "population": POPULATION,
        "seed": 6,
        "start": 0,
        "n": 8,
    }
    assert set(headline(found)) == {"psnr_S2", "psnr_S3"}
    source = MockSample(cleaner.survey, POPULATION, 8, seed=6, plane="S3")
    light = [
        score_mocks(lambda images: images["vis"].sum((1, 2, 3))[:, None], one, contract=contract)
        for one in (sample, source)
    ]
    assert light[1].data["plane"] == "S3"
    assert light[1].output.sum() < light[0].output.sum(), "the lens has light of its own"
