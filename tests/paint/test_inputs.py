"""What comes in: galaxies and sources of any files, cut to fit, or refused with a reason."""

import numpy as np
import pytest
import skies
from astropy.io import fits
from astropy.table import Table

from lensfinder.data import Assume, write_cutouts
from lensfinder.data.cutout import Cutout
from lensfinder.errors import (
    ArgumentError,
    DataFormatError,
    MissingBandError,
    SimulationError,
    UnitError,
    UnknownNameError,
)
from lensfinder.paint import Settings, read_galaxies, read_sources
from lensfinder.paint.catalogue import open_catalogue, read_psf_file
from lensfinder.paint.extract import extract_source


# --- galaxies -------------------------------------------------------------------------------------
def test_galaxies_are_cut_calibrated_and_measured(small, galaxies):
    assert galaxies.images["cam"][0].shape == (40, 40, 2)
    # 80 to 40 pixels: the middle ones, untouched
    own = skies.galaxy(0).bands["i"][20:60, 20:60]
    np.testing.assert_array_equal(galaxies.images["cam"][0][..., 1], own)
    # 64 pixels in a corner: 9 % of scatter, the lowest of four
    np.testing.assert_allclose(galaxies.noise, skies.NOISE, rtol=0.35)
    expected = 28.6 - 2.5 * np.log10(3000)
    assert galaxies.magnitude == pytest.approx(expected, abs=0.2)  # within 3 arcsec
    assert galaxies.sigma_v[0] == 220


def test_other_zero_points_and_units_are_brought_to_the_surveys(small):
    other = skies.galaxy(0, unit="adu/s", zero_points=(27.0, 27.0))
    found = read_galaxies([other], small, Settings())
    np.testing.assert_allclose(
        found.images["cam"][0][..., 1],
        other.bands["i"][20:60, 20:60] * 10 ** (0.4 * (28.6 - 27.0)),
        rtol=1e-6,
    )
    assert np.isnan(found.sigma_v).all()


def test_galaxies_that_cannot_be_used_say_why(small):
    dark = skies.galaxy(1)
    dark.bands["i"] = np.random.default_rng(1).normal(0, 1, (80, 80)).astype(np.float32)
    small_one = skies.galaxy(2, side=30)
    one_band = skies.galaxy(3)
    del one_band.bands["g"]
    coarse = skies.galaxy(4, scale=0.26)
    bad_psf = skies.galaxy(5)
    bad_psf.psfs = {"i": np.zeros((9, 9))}
    failed = Cutout.failed("torn", "x.fits", "truncated", "the file is cut short")
    given = [skies.galaxy(0), skies.galaxy(0), dark, small_one, one_band, coarse, bad_psf, failed]
    found = read_galaxies(given, small, Settings())
    assert found.ids == ["galaxy-0"]
    refused = {(name, status) for name, status, _ in found.refused}
    assert refused == {
        ("galaxy-0", "twice"),
        ("galaxy-1", "unusable"),
        ("galaxy-2", "edge"),
        ("galaxy-3", "missing_band"),
        ("galaxy-4", "wrong_pixel_scale"),
        ("galaxy-5", "unusable"),
        ("torn", "truncated"),
    }
    assert len(read_galaxies([coarse], small, Settings(), resample=True)) == 1
    with pytest.raises(SimulationError, match="None of 1 galaxies"):
        read_galaxies([dark], small, Settings())


def test_galaxies_come_from_files_with_a_catalogue_and_psf_files(small, tmp_path, galaxies):
    images = {"cam": np.stack(galaxies.images["cam"][:2])}
    write_cutouts(tmp_path / "cutouts", ["a", "b"], images, small)
    axis = np.arange(-10, 11)
    psf = np.exp(-0.5 * np.hypot(axis, axis[:, None]) ** 2 / 9).astype(np.float32)
    unit = fits.ImageHDU(psf)
    unit.header["PIXSCALE"] = 0.084
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(tmp_path / "a_psf.fits")
    table = tmp_path / "galaxies.csv"
    table.write_text("id,z_lens,sigma_v,psf\na,0.3,250,a_psf.fits\nb,,,\n")
    found = read_galaxies(tmp_path / "cutouts", small, Settings(), catalogue=table)
    assert found.ids == ["a", "b"]
    np.testing.assert_array_equal(found.sigma_v, [250, np.nan])
    assert set(found.psfs[0]) == {"g", "i"}
    assert found.psfs[0]["i"][1] == pytest.approx(0.084)
    assert found.psfs[1] == {}
    table.write_text("id,psf\na,none.fits\n")
    found = read_galaxies(tmp_path / "cutouts", small, Settings(), catalogue=table)
    assert "There is no PSF file" in found.refused[0][2]


def test_catalogues_that_cannot_be_read():
    with pytest.raises(ArgumentError, match="twice"):
        open_catalogue(Table({"id": ["a", "a"]}), ())
    with pytest.raises(DataFormatError, match="must hold numbers"):
        open_catalogue(Table({"id": ["a"], "mag_g": ["x"]}), ("mag_g",))
    table = Table({"id": ["a"], "sigma_v": [1.0]})
    table["sigma_v"].unit = "mag"
    with pytest.raises(UnitError, match="km / s"):
        open_catalogue(table, ("sigma_v",))
    with pytest.raises(DataFormatError, match="no table"):
        open_catalogue("absent.ecsv", ())
    with pytest.raises(DataFormatError, match="no PSF file"):
        read_psf_file("absent.fits", ("i",))


def test_a_catalogue_of_other_objects_is_refused(small):
    galaxies, sources = [skies.galaxy(k) for k in range(2)], [skies.source(0)]
    other = skies.catalogue(2)
    other["id"] = ["galaxy-00", "galaxy-01"]
    with pytest.raises(ArgumentError, match="none of the 2 objects, such as 'galaxy-"):
        read_galaxies(galaxies, small, Settings(), catalogue=other)
    with pytest.raises(ArgumentError, match="none of the 1 objects, such as 'source-0'"):
        read_sources(sources, small, Settings(), catalogue=skies.source_catalogue(3)[1:])
    named = Table({"id": ["galaxy-0"], "vdisp": [250.0]})
    with pytest.raises(ArgumentError, match="none of the columns psf, z_lens, sigma_v, psf_scale"):
        read_galaxies(galaxies, small, Settings(), catalogue=named)
    # some of them are enough
    found = read_galaxies(galaxies, small, Settings(), catalogue=skies.catalogue(1))
    np.testing.assert_array_equal(np.isfinite(found.sigma_v), [True, False])


def test_values_of_another_unit_are_refused_by_name(small):
    galaxies, catalogue = [skies.galaxy(k) for k in range(3)], skies.catalogue(3)
    catalogue["sigma_v"] = catalogue["sigma_v"].value * [1e-3, 1.0, -1.0]
    found = read_galaxies(galaxies, small, Settings(), catalogue=catalogue)
    assert found.ids == ["galaxy-1", "galaxy-2"]
    assert np.isnan(found.sigma_v[1]), "a value that is missing is written as such by many"
    ((name, status, words),) = found.refused
    assert (name, status) == ("galaxy-0", "sigma_v_impossible")
    assert "10 to 1500 km/s" in words


def test_upper_case_names_of_fits_extensions_are_told(small):
    upper = skies.galaxy(0)
    upper.bands = {name.upper(): image for name, image in upper.bands.items()}
    with pytest.raises(SimulationError, match="is it G. Then add --band-map g=G"):
        read_galaxies([upper], small, Settings())


# --- sources --------------------------------------------------------------------------------------
def test_the_brightest_pixel_of_the_reference_band_is_the_middle():
    stamp = skies.source(0).bands["g"].astype(float)
    cube = np.stack([stamp, np.roll(stamp, (5, -3), axis=(0, 1))], axis=-1)
    for channel in (0, 1):
        found = extract_source(cube, channel)
        side = found.shape[0]
        assert side % 2 == 1
        assert np.argmax(found[..., channel]) == side * (side // 2) + side // 2
        assert found.sum() == pytest.approx(cube.sum())


def test_a_source_is_cut_out_of_its_sky_and_neighbours(rng):
    alone = skies.source(0, side=121).bands["g"].astype(float)
    sigma = alone.max() / 60
    sky = 0.02 + rng.normal(0, sigma, alone.shape)
    neighbour = 3 * np.roll(alone, (40, 40), axis=(0, 1))
    found = extract_source((alone + neighbour + sky)[..., None], 0)[..., 0]
    # what stands above twice the smoothed noise has most of the light; the neighbour has thrice it
    assert found.sum() == pytest.approx(alone.sum(), rel=0.12)
    with pytest.raises(SimulationError, match="No source stands out|no source in the middle"):
        extract_source(rng.normal(0, 1, (60, 60, 1)) + 1, 0)


def test_bands_are_matched_by_name_or_by_the_map(small):
    single = [skies.source(0, bands=("F814W",))]
    with pytest.raises(MissingBandError, match="no band g for band g of small"):
        read_sources(single, small, Settings())
    grey = read_sources(single, small, Settings(), band_map={"g": "F814W", "i": "F814W"})
    assert grey.images.shape[-1] == 1
    # one magnitude in all bands
    ratio = grey.flux[0, 0] / grey.flux[0, 1]
    assert ratio == pytest.approx(10 ** (0.4 * (28.9 - 28.6)))
    with pytest.raises(UnknownNameError, match="band"):
        read_sources(single, small, Settings(), band_map={"z": "F814W"})


def test_magnitudes_of_the_catalogue_go_first(small):
    table = Table({"id": ["source-0"], "mag_g": [25.0], "z_src": [2.0]})
    found = read_sources([skies.source(0)], small, Settings(), catalogue=table)
    assert found.flux[0, 0] == pytest.approx(10 ** (0.4 * (28.9 - 25.0)))
    assert found.flux[0, 1] == pytest.approx(
        skies.source(0).bands["i"].sum() * 10 ** (0.4 * (28.6 - 26.0)), rel=1e-6
    )
    assert found.z_src[0] == 2.0


def test_sources_without_zero_point_or_scale_are_told_what_they_lack(small):
    bare = skies.source(0)
    bare.zero_points = {"g": None, "i": None}
    with pytest.raises(UnitError, match="--source-zero-point"):
        read_sources([bare], small, Settings())
    assert len(read_sources([bare], small, Settings(), assume=Assume(zero_point=26.0))) == 1
    bare.pixel_scales = {"g": None, "i": None}
    with pytest.raises(SimulationError, match="--source-pixel-scale"):
        read_sources([bare], small, Settings(), assume=Assume(zero_point=26.0))


def test_bad_stamps_among_good_ones_are_refused_by_name(small):
    empty = skies.source(1)
    empty.bands = {band: np.zeros((81, 81), np.float32) for band in "gi"}
    found = read_sources([skies.source(0), empty], small, Settings())
    assert found.ids == ("source-0",)
    assert found.refused[0][0] == "source-1"


def test_the_hubble_picture_is_a_library_of_sources(small):
    found = read_sources("hubble", small, Settings())
    assert len(found) > 100
    assert np.isnan(found.z_src).all()
    np.testing.assert_allclose(found.images.sum(axis=(1, 2)), 1.0, rtol=1e-4)
    magnitude = 28.6 - 2.5 * np.log10(found.flux[:, 1])
    assert 22 < np.median(magnitude) < 27
    np.testing.assert_allclose(found.pixel_scale, 0.049, rtol=1e-9)
