"""Brightness and size of galaxies: relations as published, magnitudes by hand, fluxes."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate

from lensfinder.errors import SpecError
from lensfinder.lensing.sersic import sersic_b
from lensfinder.simulate import photometry
from lensfinder.simulate.draw import Draws
from lensfinder.simulate.galaxies import draw_galaxy
from lensfinder.specs import load_population, load_survey


def test_hyde_and_bernardi_2009():
    """The printed parabola gives sigma back; radii of a few kpc."""
    sigma = np.array([120.0, 200.0, 250.0, 350.0])
    M = photometry.early_type_magnitude(sigma)
    assert_allclose(-2.97 - 0.37 * M - 0.006 * M**2, np.log10(sigma), atol=1e-12)
    assert np.all((M < -19) & (M > -26))
    assert np.all(np.diff(M) < 0)
    x = np.log10(250.0)
    radius = photometry.early_type_radius(250.0)
    assert radius == pytest.approx(10 ** (2.46 - 2.79 * x + 0.84 * x**2))
    assert 3 < radius < 8


@pytest.mark.parametrize("n", [0.5, 1.0, 4.0])
def test_flux_of_a_sersic_profile_by_integration(n):
    b = float(sersic_b(n))
    flux, _ = integrate.quad(lambda x: 2 * np.pi * x * np.exp(-b * (x ** (1 / n) - 1)), 0, np.inf)
    assert photometry.sersic_flux_per_intensity(1.0, n) == pytest.approx(flux, rel=1e-6)
    assert photometry.sersic_flux_per_intensity(3.0, n) == pytest.approx(9 * flux, rel=1e-6)


def test_a_flat_spectrum_is_only_dimmed(monkeypatch):
    """f_nu constant: M + distance modulus - 2.5 log(1 + z), in any band."""
    flat = ((10.0, 1e5), (100.0, 1e-6))  # f_lambda ~ lambda^-2
    monkeypatch.setitem(photometry._TEMPLATES, "flat", flat)
    z = np.array([0.3, 2.0])
    for band in (400.0, 1700.0):
        m = photometry.apparent_magnitude("flat", -21.0, 622.0, band, z, "planck18")
        expected = -21 + photometry.distance_modulus(z, "planck18") - 2.5 * np.log10(1 + z)
        assert_allclose(m, expected, atol=1e-9)


def test_distance_modulus_and_scale_against_astropy():
    from astropy.cosmology import FlatLambdaCDM, Planck18

    z = np.array([0.1, 0.5, 2.0])
    assert_allclose(
        photometry.distance_modulus(z, "planck18"), Planck18.distmod(z).value, atol=2e-4
    )
    scale = Planck18.kpc_proper_per_arcmin(z).value / 60
    assert_allclose(photometry.kpc_per_arcsec(z, "planck18"), scale, rtol=1e-4)
    other = FlatLambdaCDM(H0=50, Om0=0.3).distmod(z).value
    assert np.abs(photometry.distance_modulus(z, "planck18") - other).min() > 0.1


@pytest.mark.parametrize("template", ["early_type", "star_forming"])
def test_templates_have_the_colours_of_galaxies(template):
    """Today an elliptical has g-r = 0.72, and a star-forming galaxy is bluer."""
    g, r = (photometry.template_magnitude(template, wave) for wave in (480.0, 622.0))
    expected = {"early_type": (0.6, 0.85), "star_forming": (-0.1, 0.5)}[template]
    assert expected[0] < g - r < expected[1]
    same = photometry.observed_magnitude(template, 24.0, 715.0, 715.0, np.array([0.5, 3.0]))
    assert_allclose(same, 24.0)


def test_the_bands_of_one_galaxy_belong_together():
    """A red lens: brighter from g to i; total over disc and bulge is that of one magnitude."""
    survey, population = load_survey("lsst-gri"), load_population("madireddy")
    draws = Draws(1, np.arange(200), np.zeros(200, int))
    z = np.full(200, 0.5)
    columns = draw_galaxy(
        "lens",
        population.lens_light,
        survey,
        draws,
        "lens",
        z,
        "planck18",
        sigma_v=np.full(200, 250.0),
        shape={"q": np.full(200, 0.8), "phi": np.zeros(200)},
    )
    m = {
        band.name: band.zero_point
        - 2.5
        * np.log10(columns[f"lens_flux_{band.name}"] + columns[f"lens_bulge_flux_{band.name}"])
        for band in survey.bands
    }
    assert np.all((m["g"] - m["r"] > 0.8) & (m["r"] - m["i"] > 0.3))
    assert 19 < np.median(m["i"]) < 21
    assert np.all(columns["lens_bulge_R_e"] < columns["lens_R_e"])
    fraction = columns["lens_bulge_flux_r"] / (
        columns["lens_flux_r"] + columns["lens_bulge_flux_r"]
    )
    assert 0.1 <= fraction.min() < 0.15
    assert 0.85 < fraction.max() <= 0.9


def test_the_intensity_of_maresca_is_at_the_effective_radius():
    """10 to 20 e-/s per pixel of 0.1 arcsec at R_e, with R_e and n of the same galaxy."""
    survey, population = load_survey("euclid-vis"), load_population("maresca2021")
    draws = Draws(1, np.arange(2000), np.zeros(2000, int))
    columns = draw_galaxy(
        "src", population.source, survey, draws, "source", np.full(2000, 1.5), "planck18"
    )
    unit = photometry.sersic_flux_per_intensity(columns["src_R_e"], columns["src_n"])
    intensity = columns["src_flux_VIS"] / unit * 0.01
    assert 10 <= intensity.min() < 10.1
    assert 19.9 < intensity.max() <= 20


def test_relations_of_lens_galaxies_need_a_dispersion():
    survey, population = load_survey("euclid-vis"), load_population("pearson2019-test")
    draws = Draws(1, [0], [0])
    with pytest.raises(SpecError, match="for lens galaxies only"):
        draw_galaxy("src", population.lens_light, survey, draws, "source", [1.0], "planck18")


def _cww(name):
    """A spectrum of Coleman, Wu & Weedman (1980) as GalSim ships it: nm, energy per wavelength."""
    galsim = pytest.importorskip("galsim")
    file = Path(galsim.meta_data.share_dir) / "SEDs" / f"CWW_{name}_ext.sed"
    wavelength, flux = np.loadtxt(file, unpack=True)
    return wavelength / 10, flux


def _template_minus(template, spectrum, wavelengths):
    """Magnitudes of a template less those of a spectrum, each averaged over 10 % of wavelength."""

    def averaged(magnitudes):
        return -2.5 * np.log10(np.mean(10 ** (-0.4 * magnitudes)))

    def difference(centre):
        waves = np.linspace(0.95 * centre, 1.05 * centre, 101)
        flux = np.interp(waves, *spectrum) * waves**2
        return averaged(photometry.template_magnitude(template, waves)) - averaged(
            -2.5 * np.log10(flux)
        )

    return np.array([difference(wave) for wave in wavelengths]) - difference(550.0)


def test_templates_against_the_spectra_they_were_read_from():
    """As the module says: 0.2 mag where most light is, worse at the break and below it."""
    elliptical, irregular = _cww("E"), _cww("Im")
    calm = np.array(
        [280, 300, 320, 350, 430, 480, 600, 700, 800, 900, 1000, 1200, 1600, 2000, 2200]
    )
    assert np.abs(_template_minus("early_type", elliptical, calm)).max() < 0.2
    assert np.abs(_template_minus("early_type", elliptical, [380, 400])).max() < 0.4
    assert np.abs(_template_minus("early_type", elliptical, [130, 150, 200, 250])).max() < 0.8
    calm = np.array([250, 280, 300, 350, 600, 700, 800, 900, 1000, 1200, 1600, 1800])
    assert np.abs(_template_minus("star_forming", irregular, calm)).max() < 0.2
    rest = [120, 150, 200, 380, 400, 430, 480, 520, 2200]
    assert np.abs(_template_minus("star_forming", irregular, rest)).max() < 0.6
    wrong = _template_minus("early_type", irregular, [350, 430, 900])  # negative control
    assert np.abs(wrong).max() > 0.5
