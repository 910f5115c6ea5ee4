"""Real galaxies as sources: checked, normalised, measured, and lensed."""

import numpy as np
import pytest

from lensfinder.errors import SimulationError, UnknownNameError
from lensfinder.simulate import MockDataset, Simulator, SourceLibrary
from lensfinder.simulate.sources import named_library


def gaussians(count=3, side=41, sigma=4.0, channels=None):
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    stamp = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    stamps = np.stack([(k + 1) * stamp for k in range(count)])
    return stamps if channels is None else np.repeat(stamps[..., None], channels, axis=-1)


def test_stamps_are_normalised_and_measured():
    library = SourceLibrary.from_stamps(gaussians())
    assert len(library) == 3
    assert library.images.shape == (3, 41, 41, 1)
    assert np.allclose(library.images.sum(axis=(1, 2)), 1, atol=1e-5)
    # half of a Gaussian lies within 1.1774 sigma; in rings of whole pixels
    assert np.allclose(library.half_light * 41, 1.1774 * 4, atol=0.5)


def test_channels_fit_the_survey():
    library = SourceLibrary.from_stamps(gaussians(channels=3))
    assert library.for_bands(3) is library
    assert library.for_bands(1).images.shape[-1] == 1
    assert library.for_bands(4).images.shape[-1] == 1
    assert np.allclose(library.for_bands(4).images[..., 0], library.images[..., 0])


@pytest.mark.parametrize(
    ("stamps", "words"),
    [
        (np.ones((3, 5)), "must have shape"),
        (np.ones((3, 5, 6)), "must have shape"),
        (np.ones((3, 2, 2)), "must have shape"),
        (np.zeros((2, 8, 8)), r"Source stamps \[0, 1\]"),
        (np.stack([np.ones((8, 8)), np.full((8, 8), np.nan)]), r"Source stamps \[1\]"),
        (np.stack([np.ones((8, 8)), -np.ones((8, 8))]), r"Source stamps \[1\]"),
    ],
)
def test_stamps_that_are_no_galaxies(stamps, words):
    with pytest.raises(SimulationError, match=words):
        SourceLibrary.from_stamps(stamps)


def test_a_simulator_lenses_real_galaxies():
    library = SourceLibrary.from_stamps(gaussians())
    simulator = Simulator("euclid-vis", "maresca2021", sources=library, planes=("S1", "S3"))
    mocks = simulator.objects(range(64))
    truth = mocks.truth
    assert set(truth["stamp"]) == {0, 1, 2}
    assert set(truth["stamp_flip"]) == {0.0, 1.0}
    half = truth["stamp_size"] * library.half_light[truth["stamp"]]
    assert np.allclose(half, truth["src_R_e"])
    flux = mocks.planes["S3"]["vis"].sum(axis=(1, 2, 3))
    ratio = flux / truth["src_flux_VIS"]
    assert np.allclose(ratio, truth["magnification"], rtol=1e-5)
    assert np.median(ratio) > 2


def test_the_library_every_user_has():
    library = named_library("hubble")
    assert len(library) > 20
    assert np.all((library.half_light > 0.02) & (library.half_light < 0.4))
    with pytest.raises(UnknownNameError, match="hubble"):
        named_library("hubbel")


def test_a_data_set_of_lensed_real_galaxies_without_lens_light():
    """By name, as in a recipe; what is left of the lens is its noise."""
    options = {"sources": "hubble", "seed": 4}
    with_light = Simulator("euclid-vis", "pearson2019-test", **options)
    without = Simulator("euclid-vis", "pearson2019-test", subtract_lens_light=True, **options)
    images, y = MockDataset(without, ("theta_E",), batch_size=32, batches=2)[1]
    others, y2 = MockDataset(with_light, ("theta_E",), batch_size=32, batches=2)[1]
    assert np.array_equal(y, y2)
    centre = (slice(None), slice(26, 31), slice(26, 31))
    assert np.median(images["vis"][centre].sum(axis=(1, 2, 3))) < 0.2 * np.median(
        others["vis"][centre].sum(axis=(1, 2, 3))
    )
    assert "stamp" in without.objects([0]).truth.colnames
