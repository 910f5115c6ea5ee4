"""Surveys: every value of every file states its unit and source; mistakes name file and key."""

import json
import math

import numpy as np
import pytest
import yaml
from astropy.io import fits
from pydantic import ValidationError

from lensfinder.errors import SpecError, UnknownNameError
from lensfinder.paths import data_specs_dir
from lensfinder.specs import (
    Band,
    InputContract,
    Survey,
    load_survey,
    read_yaml,
    survey_names,
    validate,
)

NAMES = {
    "euclid-vis": {"vis": (57, 0.1, ("VIS",))},
    "euclid-wide-vis": {"vis": (57, 0.1, ("VIS",))},
    "euclid-vis-maresca2021": {"vis": (81, 0.1, ("VIS",))},
    "euclid-vis-nisp": {"vis": (200, 0.1, ("VIS",)), "nisp": (66, 0.3, ("H", "J", "Y"))},
    "euclid-vis-nisp-central": {"vis": (64, 0.1, ("VIS",)), "nisp": (32, 0.3, ("H", "J", "Y"))},
    "lsst-r": {"lsst": (57, 0.2, ("r",))},
    "lsst-gri": {"lsst": (57, 0.2, ("g", "r", "i"))},
    "lsst-gri-10yr": {"lsst": (111, 0.18, ("g", "r", "i"))},
    "lsst-grizy": {"lsst": (41, 0.2, ("g", "r", "i", "z", "y"))},
    "hsc-griz": {"hsc": (64, 0.168, ("g", "r", "i", "z"))},
    "kids-ugri": {"kids": (101, 0.2, ("u", "g", "r", "i"))},
}
PHYSICAL = {name for name in Band.model_fields if name not in ("name", "psf_file", "n_exposures")}
BAND = "groups.0.bands.0"


def refused(data, *words):
    with pytest.raises(SpecError) as caught:
        validate(Survey, data, "mine.yaml")
    for word in ("mine.yaml", *words):
        assert word in str(caught.value)


def test_the_list_of_surveys_is_frozen():
    assert survey_names() == sorted(NAMES)


@pytest.mark.parametrize("name", survey_names())
def test_every_survey_is_what_the_papers_say(name):
    survey = load_survey(name)
    assert survey.name == name
    found = {g.name: (g.stamp, g.pixel_scale, g.band_names) for g in survey.groups}
    assert found == NAMES[name]
    assert survey.unit == "electron/s"
    for band in survey.bands:
        assert band.background_sigma > 0
        assert 0.1 < band.psf_fwhm < 2
        assert survey.band(band.name) is band


@pytest.mark.parametrize("name", survey_names())
def test_every_value_has_a_unit_and_a_source(name):
    data = read_yaml(data_specs_dir() / "surveys" / f"{name}.yaml")
    if "based_on" in data:  # what differs; whole pixels need no source
        assert {key for group in data["groups"] for key in group} == {"name", "stamp"}
        data = read_yaml(data_specs_dir() / "surveys" / f"{data['based_on']}.yaml")
    seen = 0
    for group in data["groups"]:
        for holder in (group, *group["bands"]):
            for key in (PHYSICAL | {"pixel_scale"}) & set(holder):
                assert set(holder[key]) == {"value", "unit", "source"}
                assert len(holder[key]["source"]) > 3
                seen += 1
    assert seen >= 7


def test_pearson_2019_as_printed():
    """Section 2.1: zero points, exposures, seeing, read noise, dark current."""
    gri, vis = load_survey("lsst-gri"), load_survey("euclid-vis")
    assert [band.zero_point for band in gri.bands] == [28.58, 28.50, 28.34]
    for band in gri.bands:
        assert (band.exposure_time, band.n_exposures, band.psf_fwhm) == (15, 2, 0.7)
    band = vis.band("VIS")
    assert (band.zero_point, band.exposure_time, band.psf_fwhm) == (25.5, 565, 0.17)
    for band in (*gri.bands, *vis.bands):
        assert (band.read_noise, band.dark_current) == (5, 2)


def test_a_sky_brightness_becomes_electrons():
    """22.35 mag/arcsec2 at zero point 25.5 in pixels of 0.1 arcsec, by hand.

    10^(0.4 * 3.15) = 10^1.26 = 18.197 per square arcsec, a hundredth of it per pixel.
    """
    assert load_survey("euclid-vis").band("VIS").sky == pytest.approx(0.18197, rel=1e-4)


def test_the_sky_follows_the_pixel_scale_in_its_own_unit(survey_data):
    survey_data["groups"][0]["pixel_scale"] = {"value": 200, "unit": "marcsec", "source": "test"}
    survey = validate(Survey, survey_data, "mine.yaml")
    assert survey.finest.pixel_scale == pytest.approx(0.2)
    assert survey.band("VIS").sky == pytest.approx(4 * 0.18197, rel=1e-4)


def test_the_background_of_a_stack():
    """Two exposures of 100 s: 2 * (3 + 1) * 100 electrons and two readouts of 5."""
    band = Band(
        name="r",
        wavelength=600,
        psf_fwhm=0.7,
        zero_point=25,
        exposure_time=100,
        n_exposures=2,
        sky=3,
        read_noise=5,
        dark_current=1,
    )
    assert band.total_time == 200
    assert band.background_sigma == pytest.approx((800 + 2 * 25) ** 0.5 / 200)
    assert band.flux(25.0) == 1
    assert band.flux(22.5) == pytest.approx(10)


WRONG = {
    "bare number": (f"{BAND}.read_noise", 5, "unit: electron", "read_noise"),
    "no unit": (f"{BAND}.read_noise", {"value": 5, "source": "x"}, "missing ['unit']"),
    "no source": (f"{BAND}.read_noise", {"value": 5, "unit": "electron"}, "missing ['source']"),
    "empty source": (
        f"{BAND}.read_noise",
        {"value": 5, "unit": "electron", "source": " "},
        "where the number comes from",
    ),
    "wrong unit": (
        f"{BAND}.psf_fwhm",
        {"value": 1, "unit": "s", "source": "x"},
        "psf_fwhm",
        "'s' is not a unit of arcsec",
    ),
    "hostile unit": (
        f"{BAND}.psf_fwhm",
        {"value": 1, "unit": "10**99999999 arcsec", "source": "x"},
        "is not a unit of arcsec",
    ),
    "NaN": (f"{BAND}.sky", {"value": float("nan"), "unit": "electron/s", "source": "x"}, "finite"),
    "text": (f"{BAND}.sky", {"value": "much", "unit": "electron/s", "source": "x"}, "a number"),
    "truth value": (f"{BAND}.sky", {"value": True, "unit": "electron/s", "source": "x"}, "number"),
    "negative": (
        f"{BAND}.read_noise",
        {"value": -5, "unit": "electron", "source": "x"},
        "must lie between 0 and",
    ),
    "sky of no brightness": (
        f"{BAND}.sky",
        {"value": float("nan"), "unit": "mag/arcsec2", "source": "x"},
        "sky",
        "finite",
    ),
    "sky beyond all numbers": (
        f"{BAND}.sky",
        {"value": -1e9, "unit": "mag/arcsec2", "source": "x"},
        "must lie between 0 and 40",
    ),
    "sky without source": (
        f"{BAND}.sky",
        {"value": 22, "unit": "mag/arcsec2"},
        "sky",
        "missing ['source']",
    ),
    "sky without zero point": (f"{BAND}.zero_point", ..., "zero_point is missing"),
    "sky with a bare zero point": (f"{BAND}.zero_point", 25.5, "zero_point", "not a bare number"),
    "sky without pixel scale": ("groups.0.pixel_scale", ..., "pixel_scale is missing"),
    "unknown key": (f"{BAND}.psf_fwmh", 1, "psf_fwmh", "Near: psf_fwhm", "wavelength"),
    "unknown key on top": ("grups", [], "grups", "Near: groups", "description"),
    "missing key": ("description", ..., "the key description is missing"),
    "no group": ("groups", [], "groups"),
    "no band": ("groups.0.bands", [], "bands"),
    "bands are no list": ("groups.0.bands", 5, "bands"),
    "band is no mapping": (BAND, "VIS", BAND),
    "half a pixel": ("groups.0.stamp", 57.5, "stamp"),
    "tiny stamp": ("groups.0.stamp", 0, "stamp"),
    "huge stamp": ("groups.0.stamp", 10**9, "stamp"),
    "no exposure": (f"{BAND}.n_exposures", 0, "n_exposures"),
    "name with a path": ("groups.0.name", "../vis", "groups.0.name"),
    "other unit": ("unit", "adu", "unit"),
    "no PSF": (f"{BAND}.psf_fwhm", ..., "either psf_fwhm or psf_file"),
    "PSF file without scale": (f"{BAND}.psf_file", "psf.fits", "either psf_fwhm or psf_file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_named(survey_data, spoilt, case):
    where, value, *words = WRONG[case]
    spoilt(survey_data, where, value)
    refused(survey_data, *words)


def test_a_band_or_group_stands_once(survey_data):
    survey_data["groups"] *= 2
    refused(survey_data, "each group may stand once")
    survey_data["groups"][1] = {**survey_data["groups"][0], "name": "other"}
    refused(survey_data, "each band may stand once")


def test_a_psf_file_needs_its_scale(survey_data, spoilt):
    spoilt(survey_data, f"{BAND}.psf_fwhm", ...)
    spoilt(survey_data, f"{BAND}.psf_file", "psf.fits")
    refused(survey_data, "psf_file and psf_scale go together")


def test_a_survey_is_frozen():
    survey = load_survey("lsst-r")
    with pytest.raises(ValidationError):
        survey.name = "other"
    with pytest.raises(ValidationError):
        survey.band("r").sky = 0.0


@pytest.mark.parametrize("name", survey_names())
def test_dump_and_load_give_the_same_survey(name):
    survey = load_survey(name)
    assert Survey.model_validate(survey.model_dump()) == survey
    assert Survey.model_validate(json.loads(json.dumps(survey.model_dump(mode="json")))) == survey


def test_a_survey_of_your_own(tmp_path, survey_data):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(survey_data | {"name": "mine"}))
    survey = load_survey(path)
    assert survey.name == "mine"
    assert load_survey(survey) is survey


def test_euclid_as_flown_has_the_noise_of_its_mosaics():
    # RMS maps of the first quick release: 0.0040 to 0.0044 counts at zero point 24.6; ours is the
    # sky and the detector alone, theirs also what the galaxies add
    band = load_survey("euclid-wide-vis").bands[0]
    counts = band.background_sigma * 10 ** (0.4 * (24.6 - band.zero_point))
    assert 0.0036 < counts < 0.0044
    # Pearson's dark current of 2 electrons a second makes his images much noisier
    assert load_survey("euclid-vis").bands[0].background_sigma > 4 * band.background_sigma


# --- stacks of visits -----------------------------------------------------------------------------
@pytest.mark.parametrize("visits", [1, 4, 100])
def test_the_noise_of_a_stack_falls_with_the_root_of_the_visits(visits):
    one = load_survey("lsst-gri")
    stack = one.stacked(visits)
    for before, after in zip(one.bands, stack.bands, strict=True):
        assert after.total_time == visits * before.total_time
        assert math.isclose(after.background_sigma, before.background_sigma / math.sqrt(visits))
    assert (stack == one) == (visits == 1)
    assert InputContract.from_survey(stack) == InputContract.from_survey(one)


@pytest.mark.parametrize("visits", [0, -1, 50_001])
def test_an_impossible_number_of_visits(visits):
    with pytest.raises(SpecError, match=r"visits must be 1 to 50000 of lsst-r"):
        load_survey("lsst-r").stacked(visits)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(
        UnknownNameError, match="euclid-vis, euclid-vis-maresca2021, euclid-vis-nisp"
    ):
        load_survey("euclid")
    with pytest.raises(UnknownNameError, match="Known: VIS"):
        load_survey("euclid-vis").band("r")
    with pytest.raises(UnknownNameError, match="Known: vis"):
        load_survey("euclid-vis").group("nisp")


def _depth(band, pixel_scale, diameter):
    """Magnitude of 5 sigma of the background in a circular aperture."""
    pixels = math.pi * (diameter / 2) ** 2 / pixel_scale**2
    return band.zero_point - 2.5 * math.log10(5 * band.background_sigma * math.sqrt(pixels))


def test_kids_reaches_its_published_depth():
    """Kuijken 2019: 5 sigma in apertures of 2 arcsec. The skies are derived from it, to 0.01 mag.

    Half of that passes into the depth, as the noise goes with the root of the sky.
    """
    group = load_survey("kids-ugri").groups[0]
    for band, depth in zip(group.bands, (24.23, 25.12, 25.02, 23.68), strict=True):
        assert _depth(band, group.pixel_scale, 2.0) == pytest.approx(depth, abs=0.01)
        darker = band.model_copy(update={"sky": band.sky / 1.2})  # negative control: 0.2 mag
        assert _depth(darker, group.pixel_scale, 2.0) > depth + 0.04


# Variance of a pixel of the Wide stacks at zero point 27: xlens, multiband_defaults.py.
HSC_VARIANCE = {"g": 1.4e-3, "r": 2.9e-3, "i": 4.7e-3, "z": 19e-3}


def _at_27(band):
    return band.background_sigma * 10 ** (0.4 * (27 - band.zero_point))


def test_hsc_has_the_noise_of_its_stacks():
    """The skies are derived from it and rounded to 0.01 mag: 0.5 % of noise."""
    for band in load_survey("hsc-griz").bands:
        assert _at_27(band) ** 2 == pytest.approx(HSC_VARIANCE[band.name], rel=0.01)


def test_hsc_has_the_noise_of_real_cutouts(shared_data):
    """Two places of the Wide layer differ by up to a third; resampling takes a tenth of the noise.

    Negative control: a dark sky at zenith, 22.2 in g and 20.6 in i, fails on both.
    """
    for cutout in ("SL2SJ220506*", "HSC_42305780052942573*"):
        for band in load_survey("hsc-griz").bands:
            (file,) = (shared_data / "sl2s_ground").glob(f"{cutout}/*_{band.name}_var.fits*")
            with fits.open(file) as hdus:
                plane = next(hdu.data for hdu in hdus if hdu.data is not None)
            ratio = np.sqrt(np.median(plane)) / _at_27(band)
            assert 0.7 < ratio < 1.25, (cutout, band.name)
            if band.name in "gi":
                dark = {"g": 22.2, "i": 20.6}[band.name]
                sky = band.flux(dark) * 0.168**2
                assert (
                    np.sqrt(np.median(plane)) / _at_27(band.model_copy(update={"sky": sky})) > 1.1
                )


def test_lsst_of_ten_years_is_as_its_documents_say():
    """SMTN-002: zero points and skies, in electrons by hand; Ivezic 2019, table 1: visits."""
    group = load_survey("lsst-gri-10yr").groups[0]
    assert [band.zero_point for band in group.bands] == [28.51, 28.36, 28.17]
    assert [band.n_exposures // 2 for band in group.bands] == [80, 184, 184]
    for band, sky in zip(group.bands, (22.25, 21.20, 20.46), strict=True):
        assert band.sky == pytest.approx(10 ** (0.4 * (band.zero_point - sky)) * 0.18**2)
