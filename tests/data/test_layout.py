"""Layouts: the ones that come with the package, on small files of the same form, and mistakes."""

import h5py
import numpy as np
import pytest
from astropy.io import fits

from lensfinder.data import Layout, layout_names, load_layout, read_cutouts
from lensfinder.errors import STATUS, SpecError, UnknownNameError

PROJECTION = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CD1_1": -0.1 / 3600,
    "CD2_2": 0.1 / 3600,
}


def only(paths, **options):
    (cutout,) = read_cutouts(paths, **options)
    return cutout


@pytest.fixture
def plane(rng):
    return rng.normal(size=(6, 6)).astype(np.float32)


def save(path, array, **keywords):
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(array, fits.Header(keywords)).writeto(path)


def test_every_layout_is_valid_and_says_where_it_comes_from():
    assert len(layout_names()) >= 6
    for name in layout_names():
        layout = load_layout(name)
        assert layout.name == name
        assert layout.source
        assert load_layout(layout) is layout


def test_euclid_q1(put, plane):
    rms = np.full((6, 6), 0.1, np.float32)
    rms[2, 3] = 1e16
    path = put(
        "one.fits",
        ("VIS_BGSUB", plane, {**PROJECTION, "MAGZERO": 24.6}),
        ("VIS_PSF", np.ones((3, 3)), {}),
        ("VIS_RMS", rms, {}),
        ("NIR_H_FLUX", 2 * plane, {**PROJECTION, "MAGZERO": 29.9}),
    )
    cutout = only(path, layout="euclid-q1")
    assert (cutout.id, cutout.status) == ("one", 0)
    assert list(cutout.bands) == ["VIS", "H"]
    assert np.isnan(cutout.bands["VIS"][2, 3])
    assert np.isnan(cutout.bands["VIS"]).sum() == 1
    assert cutout.pixel_scales["VIS"] == pytest.approx(0.1)
    assert cutout.zero_points == {"VIS": 24.6, "H": 29.9}
    assert cutout.units["H"] == "adu/s"
    assert cutout.meta["layout"] == "euclid-q1"


@pytest.mark.parametrize(
    ("layout", "image", "psf", "band"),
    [
        ("bdlensing", "J01/J01_F140W.h5", "J01/psf_F140W.h5", "F140W"),
        ("slacs-lenstronomy", "x/image_J01_F555W.h5", "x/psf_J01_F555W.h5", "F555W"),
    ],
)
def test_lenstronomy(tmp_path, plane, layout, image, psf, band):
    for name in (image, psf):
        (tmp_path / name).parent.mkdir(exist_ok=True)
    with h5py.File(tmp_path / image, "w") as file:
        file["image_data"] = plane.astype(">f8")
        file["transform_pix2angle"] = [[-0.048, 0.064], [0.064, 0.048]]
    with h5py.File(tmp_path / psf, "w") as file:
        file["kernel_point_source"] = np.ones((3, 3))
    cutout = only(tmp_path, layout=layout)
    assert (cutout.id, cutout.status, cutout.message) == ("J01", 0, "")
    np.testing.assert_array_equal(cutout.bands[band], plane)
    assert cutout.pixel_scales[band] == pytest.approx(0.08)
    assert cutout.psfs[band].shape == (3, 3)


def test_autolens_marks_masked_pixels(tmp_path, plane):
    noise = np.ones((6, 6))
    noise[0] = 1e8
    save(tmp_path / "J01_F814W" / "data.fits", plane)
    save(tmp_path / "J01_F814W" / "noise_map.fits", noise)
    save(tmp_path / "J01_F814W" / "psf.fits", np.ones((3, 3)))
    cutout = only(tmp_path, layout="slacs-autolens")
    assert cutout.id == "J01"
    assert np.isnan(cutout.bands["F814W"][0]).all()
    np.testing.assert_array_equal(cutout.bands["F814W"][1:], plane[1:])
    assert cutout.pixel_scales["F814W"] == 0.05
    assert set(cutout.rms) == set(cutout.psfs) == {"F814W"}


def test_denzel(put, tmp_path, plane):
    put("SDSSJ1.fits", ("SCI", plane, {**PROJECTION, "BUNIT": "ELECTRONS/S"}))
    save(tmp_path / "tinytim_ACS.fits", np.ones((3, 3)))
    cutout = only(tmp_path, layout="denzel2021")
    assert cutout.units["F814W"] == "electron/s"
    assert list(cutout.psfs) == ["F814W"]


def test_kids_tile_bands_with_different_units(tmp_path, plane):
    for band in "ugriZYJ":
        save(tmp_path / "tile" / f"{band}.fits", plane)
    cutout = only(tmp_path, layout="kids-viking-tile")
    assert cutout.id == "tile"
    assert list(cutout.bands) == list("ugriZYJ")
    assert cutout.units["r"] == "maggy"
    assert cutout.zero_points["Z"] == 30.0


def test_noise_kinds_planes_and_orientation(tmp_path, plane):
    np.savez(tmp_path / "7.npz", cube=np.stack([plane, 2 * plane]), weight=np.full((2, 6, 6), 4.0))
    layout = Layout(
        name="own",
        description="",
        source="",
        container="npz",
        match=r"(?P<id>\d+)\.npz",
        noise="inverse_variance",
        transpose=True,
        flip_x=True,
        bands={
            "g": {
                "image": {"key": "cube", "plane": 1},
                "noise": {"key": "weight", "plane": 1},
                "pixel_scale": {"constant": 0.2},
            }
        },
    )
    cutout = only(tmp_path, layout=layout)
    np.testing.assert_array_equal(cutout.bands["g"], (2 * plane).T[:, ::-1])
    assert (cutout.rms["g"] == 0.5).all()
    missing = layout.model_copy(
        update={"bands": {"g": layout.bands["g"].model_copy(update={"image": ()})}}
    )
    assert only(tmp_path, layout=missing).status == STATUS["unreadable"]


def test_files_that_do_not_match(tmp_path, plane):
    save(tmp_path / "other.fits", plane)
    cutout = only(tmp_path / "other.fits", layout="denzel2021")
    assert cutout.status == STATUS["unreadable"]
    assert "does not match layout" in cutout.message


def test_a_broken_part_spoils_the_object(tmp_path, plane):
    save(tmp_path / "J01" / "data.fits", plane)
    (tmp_path / "J01" / "noise_map.fits").write_bytes(b"nothing")
    assert only(tmp_path, layout="slacs-autolens").status == STATUS["unreadable"]


MISTAKES = {
    "unknown key": "name: a\nbandz: {}\n",
    "no id in the pattern": "match: 'x'\n",
    "no pattern": "match: '(?P<id>'\n",
    "two sources of one fact": "pixel_scale: {constant: 1, wcs: true}\n",
    "a tag": "name: !!python/object:os.system x\n",
    "no bands": "bands: {}\n",
}
VALID = {
    "name": "own",
    "description": "''",
    "source": "''",
    "container": "fits",
    "match": "'(?P<id>.+)'",
    "bands": "{V: {image: SCI}}",
}


@pytest.mark.parametrize("name", sorted(MISTAKES))
def test_mistakes_in_a_layout(tmp_path, name):
    lines = {line.split(":")[0]: line for line in MISTAKES[name].splitlines()}
    text = "\n".join(
        [*(f"{key}: {value}" for key, value in VALID.items() if key not in lines), *lines.values()]
    )
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(SpecError, match=r"own\.yaml"):
        load_layout(tmp_path / "own.yaml")


def test_a_valid_layout_of_ones_own(tmp_path, put, plane):
    path = tmp_path / "own.yaml"
    path.write_text("\n".join(f"{key}: {value}" for key, value in VALID.items()))
    put("o.fits", ("SCI", plane, {}))
    assert list(only(tmp_path / "o.fits", layout=path).bands) == ["V"]


def test_unknown_names():
    with pytest.raises(UnknownNameError, match="euclid-q1"):
        read_cutouts(".", layout="euclid")
