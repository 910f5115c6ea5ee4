"""Written cutouts come back as they were, and nothing is overwritten by accident."""

import numpy as np
import pytest
from astropy.io import fits

from lensfinder.data import assemble, read_cutouts, write_arrays, write_cutouts
from lensfinder.errors import (
    DataFormatError,
    MissingBandError,
    OutputExistsError,
    StampShapeError,
)

IDS = ["a", "b c", "x/y*z"]


def test_cutouts_come_back(tmp_path, survey, contract, images, rng):
    psf = {"V": rng.random((5, 5)), "J": rng.random((3, 7, 7))}
    rms = {"V": np.full((16, 16), 0.5)}
    paths = write_cutouts(tmp_path, IDS, images, survey, psf=psf, rms=rms, header={"KIND": "mock"})
    cutouts = list(read_cutouts(paths))
    batch = assemble(cutouts, contract)
    assert batch.ids == IDS
    assert not batch.status.any(), batch.messages
    for name, array in images.items():
        np.testing.assert_array_equal(batch.images[name], array)
    np.testing.assert_array_equal(cutouts[0].psfs["V"], psf["V"].astype(np.float32))
    np.testing.assert_array_equal(cutouts[2].psfs["J"], psf["J"][2].astype(np.float32))
    np.testing.assert_array_equal(cutouts[1].rms["V"], rms["V"].astype(np.float32))
    assert cutouts[0].zero_points == {"V": 25.0, "J": 26.0, "H": 26.0}
    assert cutouts[0].meta == {"survey": "tiny", "kind": "mock"}
    assert all(path.parent == tmp_path for path in paths)


def test_astropy_agrees_and_checksums_hold(tmp_path, survey, images):
    path = write_cutouts(tmp_path, IDS[:1], {k: v[:1] for k, v in images.items()}, survey)[0]
    with fits.open(path, checksum=True) as file:  # a warning, hence an error, if one is wrong
        assert [unit.header.get("EXTNAME") for unit in file] == [None, "V", "J", "H"]
        assert file["J"].header["PIXSCALE"] == 0.3
        assert file["J"].header["BUNIT"] == "electron/s"
        assert all("CHECKSUM" in unit.header for unit in file)
        np.testing.assert_array_equal(file["H"].data, images["nir"][0, :, :, 1])


def test_the_same_images_give_the_same_bytes(tmp_path, survey, images):
    first = write_cutouts(tmp_path / "1", IDS, images, survey)
    second = write_cutouts(tmp_path / "2", IDS, images, survey)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_nothing_is_overwritten_unasked(tmp_path, survey, images):
    one = {name: array[:1] for name, array in images.items()}
    path = write_cutouts(tmp_path, ["b"], one, survey)[0]
    before = path.read_bytes()
    with pytest.raises(OutputExistsError):
        write_cutouts(tmp_path, ["a", "b", "c"], images, survey)
    assert sorted(tmp_path.iterdir()) == [path]  # checked before the first was written
    assert path.read_bytes() == before
    changed = {name: array + 1 for name, array in one.items()}
    write_cutouts(tmp_path, ["b"], changed, survey, overwrite=True)
    assert path.read_bytes() != before
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "ids",
    [
        ["a", "a", "b"],
        ["a", "A", "b"],
        ["", "b", "c"],
        ["ü", "b", "c"],
        ["a\n", "b", "c"],
        [" a", "b", "c"],
    ],
)
def test_ids_that_cannot_be_written(tmp_path, survey, images, ids):
    with pytest.raises(DataFormatError):
        write_cutouts(tmp_path, ids, images, survey)
    assert not list(tmp_path.iterdir())


def test_images_that_do_not_fit(tmp_path, survey, images):
    with pytest.raises(MissingBandError):
        write_cutouts(tmp_path, IDS, {"vis": images["vis"]}, survey)
    with pytest.raises(StampShapeError):
        write_cutouts(tmp_path, IDS[:2], images, survey)
    with pytest.raises(StampShapeError):
        write_arrays(tmp_path / "a.npz", IDS, {**images, "vis": images["nir"]}, survey)


@pytest.mark.parametrize("ending", [".npz", ".h5"])
def test_arrays_come_back(tmp_path, survey, contract, images, ending):
    path = write_arrays(tmp_path / f"all{ending}", IDS, images, survey)
    batch = assemble(read_cutouts(path), contract)
    assert batch.ids == IDS
    assert not batch.status.any(), batch.messages
    for name, array in images.items():
        np.testing.assert_array_equal(batch.images[name], array)
    with pytest.raises(OutputExistsError):
        write_arrays(path, IDS, images, survey)
    with pytest.raises(DataFormatError):
        write_arrays(tmp_path / "all.zip", IDS, images, survey)
