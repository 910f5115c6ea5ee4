"""What the benchmarks of cleaning compute, on answers that are known."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from scipy import ndimage

from lensfinder.lensing.sersic import sersic_profile
from lensfinder.specs import InputContract, load_survey

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCALE, SIDE = 0.18, 59


@pytest.fixture
def script(monkeypatch):
    """A benchmark by its name, imported as it is run."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def galaxy(rng, fluxes=(40.0, 90.0), ring=0.0):
    """A galaxy in two bands, as HSC sees it, with an arc."""
    axis = (np.arange(SIDE) - (SIDE - 1) / 2) * SCALE
    x, y = np.meshgrid(axis, axis)
    light = sersic_profile(x, y, flux=1.0, R_e=0.9, n=2.5, q=0.7, phi=0.9, x0=0.1, y0=-0.1)
    light = ndimage.gaussian_filter(light, 0.7 / 2.3548 / SCALE, mode="nearest")
    arc = ring * np.exp(-0.5 * ((np.hypot(x, y) - 2.0) / 0.2) ** 2) * (y > np.abs(x))
    noise = rng.normal(0, 0.02, (SIDE, SIDE, len(fluxes)))
    lens = light[..., None] * np.array(fluxes) + 0.3
    return lens, lens + arc[..., None] + noise


def test_the_fitted_profile_takes_the_galaxy_off_and_leaves_the_arc(script, rng):
    clean_real = script("clean_real")
    for ring in (0.0, 1.0):
        lens, image = galaxy(rng, ring=ring)
        fitted = clean_real.sersic_light(image, SCALE)
        # the noise of a pixel is 0.02; the centre of a steep profile depends on the fit
        assert np.median(np.abs(fitted - lens)) < 0.02
        assert np.abs(fitted - lens).sum() < 0.05 * (lens - 0.3).sum()
        worse = clean_real.sersic_light(image[::-1], SCALE)
        assert np.abs(worse - lens).sum() > 0.1 * (lens - 0.3).sum(), "it fits what it is given"


def test_a_painted_lens_in_the_pixels_of_the_network_keeps_its_brightness(script):
    clean_real = script("clean_real")
    contract = InputContract.from_survey(load_survey("lsst-gri-10yr"))
    y, x = np.mgrid[:64, :64] - 31.5
    arcs = {band: np.exp(-0.5 * (x**2 + y**2) / 4**2) for band in "griz"}
    galaxies = {band: 2 * image for band, image in arcs.items()}
    truth, given = clean_real.small_stamps(contract, "lens", arcs, galaxies)
    assert truth.shape == (59, 59, 3)
    np.testing.assert_allclose(given, 3 * truth, rtol=1e-5, atol=1e-6)
    survey = load_survey("lsst-gri-10yr")
    for k, band in enumerate("gri"):  # HSC's zero point is 27 in all
        wanted = arcs[band].sum() * 10 ** (0.4 * (survey.band(band).zero_point - 27.0))
        # the wings of the blob outside 59 pixels are 1e-5 of it
        assert truth[..., k].sum() == pytest.approx(wanted, rel=1e-3)


def test_counts_of_a_set_of_lenses(script):
    clean_real = script("clean_real")
    table = Table(
        {
            "p_lens": [0.9, 0.8, 0.2, np.nan],
            "p_lens_stamp": [0.9, 0.1, 0.2, np.nan],
            "p_lens_zoom": [0.2, 0.8, 0.1, np.nan],
            "status": ["ok", "ok", "ok", "edge"],
            "front_status": ["scales_disagree", "scales_disagree", "arc_cut,more_sources", "ok"],
        }
    )
    found = clean_real.about(table, True)
    assert found["called_lenses"] == 2
    assert found["median_p_lens"] == 0.8
    assert found["failures"] == {"1": 1, "2": 0, "3": 0, "4": 1, "5": 0}
    assert found["status"] == {"ok": 3, "edge": 1}


def test_light_that_is_left_of_non_lenses_is_told_in_shares(script, rng):
    madireddy = script("_madireddy_figures")
    side = 32
    noise = rng.normal(0, 0.01, (6, side, side, 3)).astype(np.float32)
    light = np.zeros_like(noise)
    light[:, 12:20, 12:20] = 1.0
    source = np.zeros_like(noise)
    source[:, 2:5, 2:5] = 1.0
    blind = {"label": np.array([0, 0, 1, 0, 1, 0]), "S1": light + source + noise, "S3": source}
    cleaned = {"I3": 0.5 * source}

    def keeps_a_tenth(images):
        return 0.1 * images[madireddy.GROUP][:, None]

    def invents(images):
        return images[madireddy.GROUP][:, None] + 0.5

    def says_lens(images):
        return np.full((len(images[madireddy.GROUP]), 1), 0.9)

    models = {"clean": keeps_a_tenth, "detect vib on S3": says_lens}
    found = madireddy.non_lens_fluxes(models, blind, cleaned)
    assert (found["objects"], found["refused"], found["called_lens"]) == (4, 0, 1.0)
    shares = found["shares"]
    assert shares["galaxy alone"]["p50"] == pytest.approx(0.1)
    # 9 of 73 bright pixels, and the noise of a thousand more
    assert shares["source (truth)"]["p50"] == pytest.approx(9 / 73, rel=0.02)
    assert shares["deblended"]["p50"] == pytest.approx(0.5 * shares["source (truth)"]["p50"])
    zero = load_survey(madireddy.SURVEY).group(madireddy.GROUP).bands[1].zero_point
    in_r = found["r_magnitudes"]
    assert in_r["source (truth)"]["p50"] == pytest.approx(zero - 2.5 * np.log10(9))
    assert in_r["deblended"]["p50"] == pytest.approx(zero - 2.5 * np.log10(4.5))
    dark = madireddy.magnitudes_in_r(np.zeros((4, side, side, 3)))
    assert set(dark.values()) == {None}
    found = madireddy.non_lens_fluxes(models | {"clean": invents}, blind, cleaned)
    assert (found["refused"], found["called_lens"]) == (4, None)


def test_doubt_is_worth_its_name_where_the_doubtful_are_wrong(script, rng):
    doubts = script("_madireddy_doubts")
    wrong = np.arange(100) >= 90
    told = doubts.split_by_doubt(wrong, np.arange(100.0))
    assert told == {"all": 0.1, "doubtful_fifth": 0.5, "rest": 0.0}
    blind = doubts.split_by_doubt(wrong, rng.permutation(100).astype(float))
    assert blind["doubtful_fifth"] < 0.4


def test_flipout_keeps_the_likelihood_in_whose_nats_its_divergence_counts(script):
    recipes = script("madireddy").recipes(script("madireddy").SCALES["ci"])
    losses = {name: found.loss.name for name, found in recipes.items()}
    assert losses["model vib on S3"] == losses["model flipout on S3"] == "gaussian_decoder"
    assert losses["model resnet on S1"] == "scaled_mse"


def test_flux_of_sources_is_told_within_the_arcs_and_in_all(script):
    cleaners = script("cleaners")
    truth = np.zeros((4, 20, 20, 3), np.float32)
    truth[:, 4:8, 4:8] = 100.0
    answer = 0.5 * truth
    answer[:, 15, 15] = 200.0  # light where there is none
    found = cleaners.fluxes(truth, answer, np.array([True, True, False, False]))
    assert found["lenses, within the arcs"]["p50"] == pytest.approx(0.5)
    assert found["lenses, total"]["p50"] == pytest.approx(0.5 + 200 / 1600)
    assert found["lenses, absolute error within the arcs"]["p84"] == pytest.approx(0.5)
    assert found["non-lenses, total"]["p16"] == pytest.approx(0.5 + 200 / 1600)


def test_rows_of_the_comparison_are_trained_on_equal_compute(script):
    cleaners = script("cleaners")
    scale = cleaners.SCALES["cpu"]
    joint = cleaners.cost(cleaners.recipe_of("joint-small", {}, scale))
    for trainings in cleaners.ROWS.values():
        each = [cleaners.cost(cleaners.recipe_of(*training, scale)) for training in trainings]
        # the steps are shared out to make up for the rest
        assert sum(each) == pytest.approx(joint, rel=0.05)


def test_rows_are_compared_image_by_image(script, rng):
    cleaners = script("cleaners")
    joint = rng.normal(40, 8, 400)  # images differ among each other far more than rows do
    better = cleaners.compared(joint + 1 + rng.normal(0, 0.5, 400), joint)
    assert better["S3_psnr_difference"] == pytest.approx(1, abs=4 * better["error"])
    assert better["error"] == pytest.approx(0.5 / 20, rel=0.2)
    assert cleaners.compared(joint, joint) == {"S3_psnr_difference": 0.0, "error": 0.0}
    seeds = {
        name: cleaners.recipe_of(*cleaners.ROWS[name][0], cleaners.SCALES["ci"]).seed
        for name in (cleaners.AGAINST, "joint, another seed", cleaners.LAST)
    }
    assert len(set(seeds.values())) == 2
    assert seeds[cleaners.AGAINST] == seeds[cleaners.LAST]
