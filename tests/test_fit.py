"""`fit`: one row per image in their order, honest about each, and a page to look at."""

import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

sys.path.insert(0, str(Path(__file__).parent / "inversion"))

from systems import SCALE, Source, a_lens

from lensfinder.data import Cutout
from lensfinder.errors import (
    FIT_STATUS,
    ArgumentError,
    MissingBandError,
    NoiseMapError,
    OutputExistsError,
    PixelScaleError,
    PsfError,
    UnknownNameError,
)
from lensfinder.fit import fit
from lensfinder.fit.inputs import fit_input, gaussian_psf
from lensfinder.inversion import MassModel, MassPrior
from lensfinder.inversion.observation import trimmed_psf
from lensfinder.tables import read_table
from lensfinder.tables.lenses import read_lenses

TRUE = MassModel(theta_E=0.8, q=0.75, phi=0.4)
PRIOR = MassPrior().uniform("theta_E", 0.6, 1.0).fixed(x=0.0, y=0.0)
NAMES = ("a lens", "broken", "no PSF", "no arc", "unknown")


def cutout_of(lens, name, **changes):
    """An object as a reader would hand it over."""
    noise = np.full(lens.image.shape, lens.noise, np.float32)
    words = dict(
        id=name,
        bands={"VIS": lens.image.astype(np.float32)},
        pixel_scales={"VIS": SCALE},
        units={"VIS": "electron/s"},
        psfs={"VIS": lens.psf},
        rms={"VIS": noise},
    )
    return Cutout(**(words | changes))


@pytest.fixture(scope="module")
def lens():
    source = Source(R_e=0.12, x=0.05, y=0.02)
    return a_lens(seed=3, mass=TRUE, source=source, side=30, snr=15.0)


@pytest.fixture(scope="module")
def run(lens, tmp_path_factory):
    """A run on a lens with bad pixels and four images that cannot be fitted, with its files."""
    folder = tmp_path_factory.mktemp("fits")
    holes = lens.image.astype(np.float32)
    holes[[5, 6], [15, 15]] = np.nan
    sky = np.random.default_rng(0).normal(0, lens.noise, lens.image.shape).astype(np.float32)
    parameters = Table(
        {
            "id": NAMES[:4],
            "theta_E": [0.85] * 4,
            "theta_E_std": [0.08] * 4,
            "e1": [0.15] * 4,
            "e1_std": [0.05] * 4,
            "e2": [0.15] * 4,
            "e2_std": [0.05] * 4,
        }
    )
    cutouts = [
        cutout_of(lens, NAMES[0], bands={"VIS": holes}),
        Cutout.failed(NAMES[1], "broken.fits", "unreadable", "it is not FITS"),
        cutout_of(lens, NAMES[2], psfs={}),
        cutout_of(lens, NAMES[3], bands={"VIS": sky}),
        cutout_of(lens, NAMES[4]),
    ]
    told = []

    class Follower:
        def progress(self, name, progress):
            told.append((name, progress.chi2_per_pixel))

        def fitted(self, fitted):
            told.append((fitted.id, fitted.status))

        def finish(self, table):
            told.append(("all", len(table)))

    table = fit(
        cutouts,
        output=folder / "fits.ecsv",
        parameters=parameters,
        state=folder / "state",
        watch=[Follower()],
    )
    return folder, table, told


def test_rows_are_in_the_order_of_the_images(run):
    _, table, _ = run
    assert tuple(table["id"]) == NAMES
    assert list(table["status"])[1:] == ["unreadable", "bad_input", "no_arc", "no_prior"]
    assert table.meta["counts"]["unreadable"] == 1


def test_the_lens_has_numbers_and_the_others_none(run):
    _, table, _ = run
    row = table[0]
    assert row["status"] == "ok", row["message"]
    assert abs(row["theta_E"] - TRUE.theta_E) < 4.0 * row["theta_E_std"]
    assert row["theta_E_p16"] < row["theta_E_p50"] < row["theta_E_p84"]
    assert 0.0 < row["theta_E_std"] < 0.05
    assert row["q"] == pytest.approx(TRUE.q, abs=0.1)
    assert row["phi"] == pytest.approx(TRUE.phi, abs=0.2)
    assert row["gamma1"] == 0.0
    assert (row["noise_from"], row["psf_from"]) == ("file", "file")
    assert row["reduced_chi2"] == pytest.approx(1.0, abs=0.2)
    numbers = [name for name in table.colnames if table[name].dtype.kind == "f"]
    assert len(numbers) > 40
    for other in table[1:]:
        assert all(np.isnan(other[name]) for name in numbers)
        assert other["n_pix"] == 0
        assert other["message"]
    assert "--psf-fwhm" in table["message"][2]


def test_the_table_comes_back_from_its_file(run):
    folder, table, _ = run
    read = read_table(folder / "fits.ecsv")
    assert read.colnames == table.colnames
    np.testing.assert_array_equal(read["status"], table["status"])
    np.testing.assert_allclose(read["theta_E"], table["theta_E"], rtol=1e-8)
    assert str(read["theta_E_std"].unit) == "arcsec"


def test_the_page_shows_the_lens_and_names_the_rest(run):
    folder, _, _ = run
    page = (folder / "fits.report.html").read_text()
    assert page.count("data:image/png") == 1
    assert "Einstein radius" in page
    for name in NAMES:
        assert name in page
    assert "<script" not in page
    assert (folder / "fits.figures" / "00000.png").read_bytes()[:4] == b"\x89PNG"


def test_followers_are_told_of_the_best_residual(run):
    _, _, told = run
    residuals = [value for name, value in told if name == NAMES[0]][:-1]
    assert residuals[-1] < residuals[0]
    assert told[-1] == ("all", 5)
    assert (NAMES[3], "no_arc") in told


def test_a_run_with_a_state_is_not_computed_again(run, lens):
    folder, table, _ = run
    files = list((folder / "state").rglob("evaluations.jsonl"))
    assert len(files) == 1
    before = files[0].read_bytes()
    holes = lens.image.astype(np.float32)
    holes[[5, 6], [15, 15]] = np.nan
    prior = Table({name: table[name][:1] for name in ("id",)})
    prior["theta_E"], prior["theta_E_std"] = [0.85], [0.08]
    prior["e1"], prior["e1_std"] = [0.15], [0.05]
    prior["e2"], prior["e2_std"] = [0.15], [0.05]
    again = fit(
        [cutout_of(lens, NAMES[0], bands={"VIS": holes})],
        parameters=prior,
        state=folder / "state",
    )
    assert files[0].read_bytes() == before, "every answer was known"
    for name in again.colnames:
        assert again[name][0] == table[name][0] or np.isnan(again[name][0])


def test_a_slope_has_columns_where_it_is_fitted(run, lens):
    _, table, _ = run
    assert "slope" not in table.colnames
    narrow = PRIOR.fixed(e1=0.2, e2=0.2)
    (row,) = fit([cutout_of(lens, "a")], prior=narrow, power_law=True, rings=(0.3, 1.4))
    assert abs(row["slope"] - 2.0) < 5.0 * row["slope_std"]
    assert 0.0 < row["slope_std"] < 0.3
    with pytest.raises(ArgumentError, match="isothermal"):
        read_lenses(Table(row))
    assert read_lenses(Table(row), slopes=True).values["slope"] == row["slope"]


def test_existing_output_is_kept(run, lens):
    folder, _, _ = run
    with pytest.raises(OutputExistsError):
        fit([cutout_of(lens, "x")], output=folder / "fits.ecsv")


@pytest.mark.parametrize(
    "wrong",
    [
        dict(rings=(1.0, 0.5)),
        dict(sigma={"theta_E": 0.1}),
        dict(prior=PRIOR, parameters=Table({"id": ["a"], "theta_E": [1.0]})),
    ],
)
def test_contradictions_are_refused(lens, wrong):
    with pytest.raises(ArgumentError):
        fit([cutout_of(lens, "a")], **wrong)


def test_names_that_are_not_known_are_refused(lens):
    for wrong in (dict(method="guess"), dict(lens_light="maybe"), dict(light_profile="king")):
        with pytest.raises(UnknownNameError):
            fit([cutout_of(lens, "a")], **wrong)
    with pytest.raises(ArgumentError, match="fit_lens"):
        fit(np.zeros((3, 30, 30)))


# --- inputs ---------------------------------------------------------------------------------------
def test_noise_without_a_map_is_that_of_the_border(lens):
    rng = np.random.default_rng(2)
    image = rng.normal(0.5, 0.1, (80, 80)).astype(np.float32)
    image[30:50, 30:50] += 40.0
    sky = fit_input(cutout_of(lens, "a", bands={"VIS": image}, rms={}))
    assert sky.noise_from == "border"
    # 2300 pixels of the border: their scatter is known to 1.8 % (of a MAD).
    assert sky.noise[0, 0] == pytest.approx(0.1, rel=0.08)
    both = fit_input(cutout_of(lens, "a", bands={"VIS": image}, rms={}), exposure=100.0)
    assert both.noise_from == "border+photons"
    assert both.noise[40, 40] == pytest.approx(np.sqrt(0.01 + 0.4), rel=0.05)
    assert both.noise[40, 40] > 5 * sky.noise[40, 40]
    # Light of the lens that reaches the border is no noise.
    y, x = np.mgrid[:80, :80] - 39.5
    galaxy = 200.0 / (1.0 + np.hypot(x, y)) ** 1.5
    bright = fit_input(cutout_of(lens, "a", bands={"VIS": (image + galaxy).astype("f4")}, rms={}))
    assert bright.noise[0, 0] == pytest.approx(0.1, rel=0.08)


def test_bad_pixels_are_left_out(lens):
    noise = np.full(lens.image.shape, lens.noise, np.float32)
    noise[0, 0], noise[0, 1], noise[0, 2] = np.nan, -1.0, 0.0
    seen = fit_input(cutout_of(lens, "a", rms={"VIS": noise}))
    assert not seen.usable[0, :3].any()
    assert seen.usable.sum() == lens.image.size - 3
    assert (seen.noise > 0).all()


@pytest.mark.parametrize(
    ("changes", "words", "error"),
    [
        (dict(pixel_scales={"VIS": None}), {}, PixelScaleError),
        (dict(psfs={}), {}, PsfError),
        (dict(psfs={}), dict(psf_fwhm=-1.0), PsfError),
        ({}, dict(band="H"), MissingBandError),
        (dict(rms={"VIS": np.full((30, 30), -1.0)}), {}, NoiseMapError),
        (dict(rms={"VIS": np.ones((3, 3))}), {}, NoiseMapError),
        (dict(bands={"VIS": np.ones((30, 30))}, rms={}), {}, NoiseMapError),
    ],
)
def test_input_that_cannot_be_is_refused(lens, changes, words, error):
    with pytest.raises(error):
        fit_input(cutout_of(lens, "a", **changes), **words)


def test_a_psf_is_trimmed_and_made():
    made = gaussian_psf(0.2, 0.05)
    assert made.sum() == pytest.approx(1.0)
    assert made.shape[0] % 2 == 1
    radius = (np.arange(made.shape[0]) - made.shape[0] // 2) * 0.05
    sigma = np.sqrt((made.sum(axis=0) * radius**2).sum())
    # Without the width of a pixel, 0.05 / sqrt(12), which the inversion adds; cut at 3.5 sigma.
    assert sigma == pytest.approx(0.2 / 2.3548, rel=0.02)
    assert sigma < np.hypot(0.2 / 2.3548, 0.05 / np.sqrt(12)) - 0.001
    small = trimmed_psf(np.pad(made, 20), kept=0.98)
    assert small.shape[0] <= made.shape[0]
    assert small.sum() == pytest.approx(1.0)
    assert trimmed_psf(np.ones((4, 4)), kept=0.9).shape == (4, 4), "even: the inversion refuses it"


def test_fit_flag_bits_never_change():
    published = {
        "unreadable": 1,
        "bad_input": 2,
        "no_arc": 4,
        "no_prior": 8,
        "no_model": 16,
        "not_settled": 32,
        "no_errors": 64,
        "prior_edge": 128,
        "strength_at_limit": 256,
        "poor_fit": 512,
        "negative_light": 1024,
        "light_off_centre": 2048,
        "faint_light": 4096,
        "rival": 8192,
        "faint_arcs": 16384,
    }
    assert FIT_STATUS.as_dict() == published
