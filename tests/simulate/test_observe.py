"""Noise: mean and variance as the survey states them, and the shape of few photons."""

import keras
import numpy as np
import pytest
from scipy import stats

from lensfinder.simulate.observe import Observer, poisson_exact, poisson_from_normal
from lensfinder.simulate.random import object_keys
from lensfinder.specs import Band, Group, Survey, load_survey

N = 100_000


def noisy(survey, flux, count):
    """Observed pixels of flat images, (pixels, bands), and how many there are."""
    group = survey.groups[0]
    shape = (count, *group.shape)
    observer = Observer(survey)
    images = {group.name: np.full(shape, flux, np.float32)}
    found = observer(images, object_keys(11, np.arange(count), 1))[group.name]
    return keras.ops.convert_to_numpy(found).astype(np.float64).reshape(-1, shape[-1])


def survey_of(**terms):
    """One band of one exposure of 1 s, without read noise unless said."""
    band = Band(
        **{"name": "r", "wavelength": 600, "psf_fwhm": 0.7, "zero_point": 25, "exposure_time": 1}
        | {"sky": 0, "read_noise": 0, "dark_current": 0}
        | terms
    )
    group = Group(name="all", stamp=100, pixel_scale=0.2, bands=(band,))
    return Survey(name="test", description="test", groups=(group,))


@pytest.mark.parametrize("name", ["euclid-vis", "lsst-gri", "lsst-gri-10yr", "hsc-griz"])
@pytest.mark.parametrize("flux", [0.0, 5.0])
def test_mean_and_variance_of_every_band(name, flux):
    """4 sigma for N = 100,000 pixels; 5 % more or less read noise is seen where it matters."""
    survey = load_survey(name)
    stamp = survey.groups[0].stamp
    drawn = noisy(survey, flux, -(-N // stamp**2))
    n = len(drawn)
    for band, pixels in zip(survey.bands, drawn.T, strict=True):
        time = band.exposure_time * band.n_exposures
        photons = (flux + band.sky + band.dark_current) * time
        readout = band.n_exposures * band.read_noise**2
        variance = (photons + readout) / time**2
        assert abs(pixels.mean() - flux) < 4 * np.sqrt(variance / n)
        assert abs(pixels.mean() - flux - 0.05 * np.sqrt(variance)) > 4 * np.sqrt(variance / n)
        assert abs(pixels.var() / variance - 1) < 4 * np.sqrt(2 / n)


def test_five_percent_of_read_noise_is_seen():
    """Negative control: where readout dominates, its variance 10 % off is 22 sigma."""
    pixels = noisy(survey_of(sky=20, read_noise=20), 0.0, 10)[:, 0]
    assert abs(pixels.var() / (20 + 20**2) - 1) < 4 * np.sqrt(2 / N)
    assert abs(pixels.var() / (20 + 21**2) - 1) > 4 * np.sqrt(2 / N)


@pytest.mark.parametrize("rate", [20.0, 25.0, 60.0])
def test_photons_are_skewed_as_poisson_has_it(rate):
    """Third central moment = rate; its error is sigma^3 sqrt(15 - 9 + 6) / sqrt(N) at most."""
    electrons = noisy(survey_of(sky=rate), 0.0, 10)[:, 0] + rate
    third = np.mean((electrons - electrons.mean()) ** 3)
    error = 4 * np.sqrt(12 / N) * rate**1.5
    assert abs(third - rate) < error
    assert abs(third) > error  # a Gaussian would be seen
    assert abs(electrons.var() / rate - 1) < 4 * np.sqrt((2 + 1 / rate) / N)


@pytest.mark.parametrize("rate", [0.0, 0.3, 3.0, 12.0, 19.9])
def test_few_photons_are_exactly_poisson(rate, rng):
    z = rng.normal(size=N).astype(np.float32)
    counts = keras.ops.convert_to_numpy(poisson_exact(np.full(N, rate, np.float32), z))
    assert np.array_equal(counts, counts.astype(int))
    if rate == 0:
        assert not counts.any()
        return
    edges = [k for k in range(60) if N * stats.poisson.pmf(k, rate) > 20]
    seen = np.array([np.sum(counts == k) for k in edges] + [0])
    seen[-1] = N - seen.sum()

    def p_value(mean):
        expected = N * stats.poisson.pmf(edges, mean)
        expected = np.append(expected, N - expected.sum())
        return stats.chisquare(seen, expected).pvalue

    assert p_value(rate) > 1e-3
    assert p_value(1.05 * rate) < 1e-3  # 5 % more photons are seen


def test_the_two_ways_meet_at_twenty_electrons(rng):
    """Quantiles of the continuous expansion lie within the step of the exact distribution."""
    z = np.linspace(-3.5, 3.5, 141).astype(np.float32)
    rate = np.full_like(z, 20.0)
    smooth = keras.ops.convert_to_numpy(poisson_from_normal(rate, z))
    exact = stats.poisson.ppf(stats.norm.cdf(z.astype(np.float64)), 20)
    assert np.abs(smooth - exact).max() < 0.7  # half a step, and a fifth in the tails


def test_a_dark_sky_counts_photons_one_by_one():
    survey = survey_of(sky=0.5)
    pixels = noisy(survey, 2.0, 10)[:, 0]
    assert np.allclose((pixels + 0.5) % 1, 0, atol=1e-5)
    assert abs(pixels.mean() - 2.0) < 4 * np.sqrt(2.5 / N)
    assert abs(pixels.var() / 2.5 - 1) < 4 * np.sqrt((2 + 1 / 2.5) / N)


def test_negative_flux_is_no_error():
    """Rounding of the renderer can leave -1e-9; a real stamp can be truly negative."""
    assert np.isfinite(noisy(survey_of(sky=25), -100.0, 1)).all()
    assert np.isfinite(noisy(survey_of(sky=1), -100.0, 1)).all()


def test_objects_and_bands_have_their_own_noise():
    drawn = noisy(load_survey("lsst-gri"), 0.0, 2).reshape(2, -1, 3)
    pairs = [(drawn[0, :, 0], drawn[1, :, 0]), (drawn[0, :, 0], drawn[0, :, 1])]
    pairs += [(drawn[0, 1:, 0], drawn[0, :-1, 0])]
    for one, other in pairs:
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(len(one))
