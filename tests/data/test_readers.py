"""Each kind of file that describes itself, and how files become objects."""

import gzip
import shutil

import h5py
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lensfinder.data import read_cutouts
from lensfinder.errors import STATUS, DataFormatError


def only(paths, **options):
    (cutout,) = read_cutouts(paths, **options)
    return cutout


@pytest.fixture
def plane(rng):
    return rng.normal(size=(6, 5)).astype(np.float32)


def test_an_extension_per_band(put, plane, known):
    path = put(
        "object.fits",
        ("r", plane, known),
        ("R", 2 * plane, {**known, "PIXSCALE": 0.2}),
        ("r_PSF", np.ones((3, 3), np.float32), {}),
        ("r_RMS", np.full((6, 5), 0.1, np.float32), {}),
        primary={"OBJECT": "name one", "SURVEY": "tiny"},
    )
    cutout = only(path)
    assert (cutout.id, cutout.status, cutout.message) == ("name one", 0, "")
    assert list(cutout.bands) == ["r", "R"]
    np.testing.assert_array_equal(cutout.bands["r"], plane)
    np.testing.assert_array_equal(cutout.bands["R"], 2 * plane)
    assert cutout.bands["r"].dtype == np.float32
    assert cutout.bands["r"].dtype.isnative
    assert cutout.pixel_scales == {"r": 0.1, "R": 0.2}
    assert cutout.units["r"] == "electron/s"
    assert cutout.zero_points["r"] == 25.0
    assert list(cutout.psfs) == list(cutout.rms) == ["r"]
    assert cutout.shapes == {"r": (6, 5), "R": (6, 5)}


def test_what_a_header_does_not_say_is_none(put, plane):
    cutout = only(put("object.fits", ("g", plane, {})))
    assert cutout.id == "object"
    assert cutout.pixel_scales["g"] is cutout.units["g"] is cutout.zero_points["g"] is None


@pytest.mark.parametrize(
    ("header", "scale"),
    [
        ({"CD1_1": -2e-5, "CD1_2": 1e-5, "CD2_1": 1e-5, "CD2_2": 2e-5}, 3600 * np.sqrt(5e-10)),
        ({"CDELT1": -5e-5, "CDELT2": 5e-5}, 0.18),
        ({"PC1_1": 0.6, "PC1_2": -0.8, "PC2_1": 0.8, "PC2_2": 0.6, "CDELT1": 1e-4}, 0.36),
        ({}, None),
        ({"CD1_1": 0.0, "CD2_2": 0.0}, None),
        ({"CUNIT1": "m", "CDELT1": 1e-4}, None),
        ({"CDELT1": "north"}, None),
    ],
)
def test_the_pixel_scale_from_a_projection(put, plane, header, scale):
    header = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", **header}
    cutout = only(put("object.fits", ("g", plane, header)))
    assert cutout.pixel_scales["g"] == (None if scale is None else pytest.approx(scale, rel=1e-12))
    assert cutout.wcs["g"]["CTYPE1"] == "RA---TAN"


def test_an_image_without_a_name_is_named_by_the_caller(put, plane, known):
    path = put("object.fits", ("SCI", plane, known))
    assert list(only(path).bands) == [""]
    assert list(only(path, bands=["V"]).bands) == ["V"]
    filtered = put("filtered.fits", ("SCI", plane, {**known, "FILTER": "F814W"}))
    assert list(only(filtered).bands) == ["F814W"]


@pytest.mark.parametrize("name", ["{id}_{band}.fits", "{band}-{id}.fits", "{id}/{band}.fits"])
def test_a_file_per_band(put, tmp_path, plane, known, name):
    for identity in ("one", "two"):
        for factor, band in enumerate("gri", start=1):
            put("set/" + name.format(id=identity, band=band), ("", factor * plane, known))
    cutouts = list(read_cutouts(tmp_path / "set", bands=["g", "r", "i"]))
    assert {cutout.id for cutout in cutouts} == {"one", "two"}
    for cutout in cutouts:
        assert cutout.status == 0
        assert set(cutout.bands) == set("gri")
        np.testing.assert_array_equal(cutout.bands["i"], 3 * plane)


def test_a_cube(tmp_path, rng, known):
    cube = rng.normal(size=(3, 6, 6)).astype(np.float32)
    path = tmp_path / "cube.fits"
    fits.PrimaryHDU(cube, fits.Header(known)).writeto(path)
    named = only(path, bands=["g", "r", "i"])
    np.testing.assert_array_equal(named.bands["r"], cube[1])
    assert named.pixel_scales["i"] == 0.1
    bad = only(path, bands=["g", "r"])
    assert bad.status == STATUS["unreadable"]
    assert "3 planes for 2 bands" in bad.message
    header = fits.Header({**known, "BAND1": "g", "BAND2": "r", "BAND3": "i"})
    fits.PrimaryHDU(cube, header).writeto(path, overwrite=True)
    assert list(only(path).bands) == ["g", "r", "i"]


def test_a_stack_of_stamps(tmp_path, rng, known):
    stack = rng.normal(size=(4, 6, 6)).astype(np.float32)
    units = [fits.PrimaryHDU(), fits.ImageHDU(stack, fits.Header({**known, "EXTNAME": "V"}))]
    fits.HDUList(units).writeto(tmp_path / "stack.fits")
    cutouts = list(read_cutouts(tmp_path / "stack.fits"))
    assert [cutout.id for cutout in cutouts] == [f"stack-{k:06d}" for k in range(1, 5)]
    np.testing.assert_array_equal(cutouts[2].bands["V"], stack[2])
    units.append(fits.BinTableHDU(Table({"ID": ["a", "b", "c", "d"]})))
    fits.HDUList(units).writeto(tmp_path / "named.fits")
    assert [cutout.id for cutout in read_cutouts(tmp_path / "named.fits")] == list("abcd")


def test_a_stack_of_cubes(tmp_path, rng, known):
    stack = rng.normal(size=(2, 3, 6, 6)).astype(np.float32)
    fits.PrimaryHDU(stack, fits.Header(known)).writeto(tmp_path / "s.fits")
    cutouts = list(read_cutouts(tmp_path / "s.fits", bands="gri"))
    np.testing.assert_array_equal(cutouts[1].bands["i"], stack[1, 2])
    assert "Name them" in only(tmp_path / "s.fits").message


@pytest.mark.parametrize("ending", [".npz", ".h5"])
def test_arrays_in_one_file(tmp_path, rng, ending):
    images = rng.normal(size=(2, 6, 6, 2))
    arrays = {
        "images": images,
        "bands": np.array(["g", "r"]),
        "ids": np.array([11, 12]),
        "pixel_scale": np.array([0.1, 0.2]),
        "unit": np.array("nanomaggies"),
    }
    path = tmp_path / f"set{ending}"
    if ending == ".npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array.astype(object) if array.dtype.kind == "U" else array
    first, second = read_cutouts(path)
    assert (first.id, second.id) == ("11", "12")
    np.testing.assert_array_equal(second.bands["r"], images[1, :, :, 1].astype(np.float32))
    assert first.pixel_scales == {"g": 0.1, "r": 0.2}
    assert first.units["g"] == "nanomaggy"
    assert first.zero_points["g"] is None


def test_arrays_that_do_not_fit_together(tmp_path, rng):
    path = tmp_path / "set.npz"
    np.savez(path, images=rng.normal(size=(2, 6, 6, 2)), bands=np.array(["g"]))
    assert "2 channels" in only(path).message
    np.savez(path, images=rng.normal(size=(2, 6, 6)), ids=np.array(["a", "b", "c"]))
    assert "3 ids for 2 images" in only(path).message
    np.savez(path, pictures=rng.normal(size=(2, 6, 6)))
    assert "needs an array `images`" in only(path).message


def test_gzip_is_seen_through(put, plane, known):
    path = put("object.fits", ("V", plane, known))
    packed = path.with_name("packed.fits.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    cutout = only(packed)
    assert cutout.id == "packed"
    np.testing.assert_array_equal(cutout.bands["V"], plane)
    joined = path.with_name("joined.fits.gz")  # gzip members end to end are one file
    raw = path.read_bytes()
    joined.write_bytes(gzip.compress(raw[:3000]) + gzip.compress(raw[3000:]))
    np.testing.assert_array_equal(only(joined).bands["V"], plane)


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_2", "HCOMPRESS_1"])
def test_tile_compressed_images(tmp_path, rng, kind):
    image = rng.integers(0, 1000, (32, 32)).astype(np.int32)
    unit = fits.CompImageHDU(image, name="V", compression_type=kind)
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(tmp_path / "c.fits")
    np.testing.assert_array_equal(only(tmp_path / "c.fits").bands["V"], image)


def test_scaled_integers_and_blank_pixels(tmp_path):
    image = np.array([[1, 2], [3, -32768]], np.int16)
    unit = fits.ImageHDU(image, name="V")
    unit.header["BLANK"] = -32768
    unit.header["BSCALE"], unit.header["BZERO"] = 0.5, 10.0
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(tmp_path / "i.fits")
    expected = np.array([[10.5, 11.0], [11.5, np.nan]], np.float32)
    np.testing.assert_array_equal(only(tmp_path / "i.fits").bands["V"], expected)


def test_folders_globs_and_lists_keep_their_order(put, tmp_path, plane, known):
    for name in ("b", "a", "c"):
        put(f"deep/{name}/{name}.fits", (f"V{name}", plane, known))
    put("deep/.partial.fits", ("V", plane, known))  # what an interrupted writer leaves behind
    (tmp_path / "deep" / "notes.txt").write_text("no image")
    assert [c.id for c in read_cutouts(tmp_path / "deep")] == ["a", "b", "c"]
    assert [c.id for c in read_cutouts(f"{tmp_path}/deep/*/*.fits")] == ["a", "b", "c"]
    chosen = [tmp_path / "deep" / name / f"{name}.fits" for name in "cab"]
    assert [c.id for c in read_cutouts(chosen)] == ["c", "a", "b"]


def test_names_with_wildcards_in_them(put, tmp_path, plane, known):
    put("a[1].fits", ("V", plane, known))
    assert only(tmp_path / "a[1].fits").id == "a[1]"


def test_no_such_path_is_a_mistake_of_the_caller(tmp_path):
    for wrong in (tmp_path / "nowhere.fits", f"{tmp_path}/*.fits", tmp_path, []):
        with pytest.raises(DataFormatError):
            read_cutouts(wrong)  # at once, not when the first cutout is asked for


def test_one_bad_file_leaves_its_neighbours_alone(put, tmp_path, plane, known):
    good = put("good.fits", ("V", plane, known))
    (tmp_path / "bad.fits").write_bytes(b"<!DOCTYPE html><html>404</html>")
    shutil.copy(good, tmp_path / "later.fits")
    cutouts = list(read_cutouts([good, tmp_path / "bad.fits", tmp_path / "later.fits"]))
    assert [cutout.status for cutout in cutouts] == [0, STATUS["unreadable"], 0]
    assert "not a FITS file" in cutouts[1].message
    assert cutouts[1].id == "bad"


def test_a_name_in_the_file_is_believed_before_the_name_that_is_wanted(put, plane):
    """A single extension `r` must not pass for the VIS band of a one-band network."""
    assert list(only(put("object.fits", ("r", plane, {})), bands=["VIS"]).bands) == ["r"]
    assert list(only(put("nameless.fits", ("", plane, {})), bands=["VIS"]).bands) == ["VIS"]
