"""Galaxies of the picture every user has."""

import hashlib

import numpy as np
import pytest

from lensfinder.data import example_set, hubble, hubble_galaxies, read_cutouts
from lensfinder.data.hubble import STARS, channel_weights
from lensfinder.errors import DatasetSpecError, OutputExistsError, UntrustedArtefactError
from lensfinder.paths import ResourceError


@pytest.fixture(scope="module")
def galaxies():
    return hubble_galaxies()


def test_galaxies_are_found(galaxies):
    table = galaxies.table
    assert len(table) > 1000
    assert (np.diff(table["flux"]) <= 0).all()
    assert table["id"][0] == "hdf-0001"
    assert table["half_light_radius"].unit == "arcsec"
    # the large face-on spiral of the field, on the left, a bit above the middle
    assert (table["x"][0], table["y"][0]) == pytest.approx((123, 470), abs=2)
    for x, y in STARS:
        assert np.hypot(table["x"] - x, table["y"] - y).min() > 5


def test_the_picture_is_the_right_way_up(galaxies):
    from skimage import data

    original = data.hubble_deep_field()
    brightest = np.unravel_index(original[:100].sum(-1).argmax(), (100, 1000))
    row, column = 871 - brightest[0], brightest[1]
    assert galaxies.picture[row, column].sum() > 0.9 * galaxies.picture[-100:].sum(-1).max()


def test_cutouts_for_a_survey(galaxies, survey):
    ids, images, table = galaxies.cutouts(survey, count=5, seed=2)
    assert ids == list(table["id"])
    assert {name: array.shape for name, array in images.items()} == {
        "vis": (5, 16, 16, 1),
        "nir": (5, 8, 8, 2),
    }
    again = galaxies.cutouts(survey, count=3, seed=2)[1]
    np.testing.assert_array_equal(again["vis"], images["vis"][:3])  # k draws from (seed, k)
    other = galaxies.cutouts(survey, count=3, seed=3)[1]
    assert np.abs(other["vis"] - images["vis"][:3]).max() > 0
    middle, corner = images["vis"][:, 6:10, 6:10], images["vis"][:, :2, :2]
    assert (middle.mean((1, 2, 3)) > corner.mean((1, 2, 3))).all()


def test_noise_is_that_of_the_survey(galaxies, survey):
    """The difference of two noise seeds has twice the variance of sky, detector and photons."""
    band = survey.band("V")
    first, second = (galaxies.cutouts(survey, count=30, seed=k)[1]["vis"] for k in (0, 1))
    signal = np.maximum((first + second) / 2, 0)
    ratio = (first - second) ** 2 / (2 * (band.background_sigma**2 + signal / band.total_time))
    sigma = np.sqrt(2 / ratio.size)
    # clipping noise at zero biases the photon term by far less than the 5 sigma allowed
    assert abs(ratio.mean() - 1) < 5 * sigma + 0.01
    assert abs(1.2 * ratio.mean() - 1) > 5 * sigma + 0.01  # the test can see 20 %


def test_white_has_its_surface_brightness(galaxies, survey):
    entry = galaxies.table[0]
    x, y = round(entry["x"]), round(entry["y"])
    ids, images, _ = galaxies.cutouts(survey, count=1)
    assert ids == ["hdf-0001"]
    half = 5  # 16 pixels of 0.1 arcsec are 11.4 of 0.14
    window = galaxies.picture[y - half : y + half + 1, x - half : x + half + 1]
    light = (window @ channel_weights(survey.band("V").wavelength)).mean()
    rate = light * survey.band("V").flux(21.3) * 0.1**2
    assert images["vis"].mean() == pytest.approx(rate, rel=0.1)  # the windows differ by 4 %


def test_channel_weights():
    np.testing.assert_allclose(channel_weights(800.0), [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(channel_weights(300.0), [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(channel_weights(2000.0), [1, 0, 0], atol=1e-12)
    for wavelength in (400, 620, 715, 1100, 1700):
        weights = channel_weights(wavelength)
        assert weights.min() >= 0
        assert weights.sum() == pytest.approx(1)


def test_source_stamps(galaxies):
    stamps = galaxies.stamps(size=48)
    count = len(stamps.ids)
    assert count > 100
    assert stamps.images.shape == (count, 48, 48, 3)
    assert stamps.images.dtype == np.float32
    assert (stamps.images >= 0).all()
    np.testing.assert_allclose(stamps.images.sum((1, 2)), 1.0, rtol=1e-5)
    for edge in (stamps.images[:, [0, -1]], stamps.images[:, :, [0, -1]]):
        assert not edge.any()
    # the galaxy is in the middle: its centroid within the larger of 2 pixels and its radius
    axis = np.arange(48) - 24
    x = np.einsum("nyxc,x->n", stamps.images, axis) / 3
    radius = stamps.half_light_radius / stamps.pixel_scale
    assert (np.abs(x) < np.maximum(2, radius)).all()
    assert len(galaxies.stamps(size=48, count=10).ids) == 10
    with pytest.raises(DatasetSpecError):
        galaxies.stamps(size=4)


def test_a_missing_or_changed_picture(monkeypatch, tmp_path):
    import skimage
    from skimage import data

    monkeypatch.setattr(skimage, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(data, "data_dir", str(tmp_path))
    with pytest.raises(ResourceError, match="Fetch it once"):
        hubble_galaxies()  # and the network is not tried: the test suite forbids it
    (tmp_path / "hubble_deep_field.jpg").write_bytes(b"another picture")
    with pytest.raises(UntrustedArtefactError):
        hubble_galaxies()
    assert hashlib.sha256(b"another picture").hexdigest() != hubble.SHA256


def test_example_set(tmp_path, survey, images):
    paths = example_set(
        tmp_path, survey=survey, galaxies=4, mock_ids=["0001", "mock-2", "3"], mock_images=images
    )
    cutouts = list(read_cutouts(paths))
    assert [cutout.id for cutout in cutouts[4:]] == ["mock-0001", "mock-2", "mock-3"]
    assert all(cutout.id.startswith("hdf-") for cutout in cutouts[:4])
    assert all(cutout.meta["kind"].startswith("real galaxy") for cutout in cutouts[:4])
    assert all(cutout.meta["kind"].startswith("mock") for cutout in cutouts[4:])
    np.testing.assert_array_equal(cutouts[5].bands["V"], images["vis"][1, :, :, 0])
    with pytest.raises(OutputExistsError):
        example_set(tmp_path, survey=survey, galaxies=1)


def test_an_example_set_of_nothing(tmp_path, survey, images):
    for wrong in ({"galaxies": 0}, {"mock_ids": ["a"]}, {"mock_images": images}):
        with pytest.raises(DatasetSpecError):
            example_set(tmp_path, survey=survey, **wrong)
