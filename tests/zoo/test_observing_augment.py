"""Training images under other seeing, noise, sky and brightness."""

import keras
import numpy as np
import pytest
from toys import TWO

from lensfinder.errors import ArchitectureError
from lensfinder.zoo import adapt, build
from lensfinder.zoo.layers import ArcsinhStretch, ObservingAugment

SIDE, COUNT = 41, 400
NOTHING = {"flux_dex": 0.0, "blur": 0.0, "noise_dex": (-9.0, -9.0), "sky": 0.0, "window": 0.0}


def only(**what):
    """A layer that does one thing."""
    layer = ObservingAugment(**{**NOTHING, **what}, seed=1)
    layer.build((None, SIDE, SIDE, 1))
    return layer


def trained(layer, images):
    return keras.ops.convert_to_numpy(layer(images, training=True))


@pytest.fixture(scope="module")
def galaxies():
    """Smooth galaxies of unit flux without noise."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    light = np.exp(-np.hypot(x, y) / 3.0)
    return np.repeat((light / light.sum())[None, ..., None], COUNT, axis=0).astype(np.float32)


def test_nothing_happens_when_the_network_predicts(galaxies):
    layer = ObservingAugment(seed=1)
    assert np.array_equal(keras.ops.convert_to_numpy(layer(galaxies)), galaxies)
    assert not np.allclose(trained(layer, galaxies), galaxies)


def test_with_everything_off_images_stay_as_they_are(galaxies):
    # the least level of noise is 1e-9 of sigma0 = 1
    assert np.allclose(trained(only(), galaxies), galaxies, atol=1e-8)


def test_brightness(galaxies):
    flux = trained(only(flux_dex=0.4), galaxies).sum(axis=(1, 2, 3))
    dex = np.log10(flux)
    assert abs(dex).max() <= 0.4 + 1e-5
    # uniform: sigma 0.8 / sqrt(12) = 0.231; with 400 objects known to 2 %
    assert np.std(dex) == pytest.approx(0.231, abs=0.02)


def test_seeing_keeps_the_flux_and_lowers_the_peak_of_half_of_the_objects(galaxies):
    seen = trained(only(blur=0.9), galaxies)
    # what leaves the stamp comes back in, mirrored
    assert np.allclose(seen.sum(axis=(1, 2, 3)), 1.0, atol=1e-3)
    share = np.mean(seen.max(axis=(1, 2, 3)) < 0.999 * galaxies.max())
    assert share == pytest.approx(0.5, abs=0.08)  # 3 sigma of 400 draws


def test_noise_has_the_sigma_that_was_drawn_white_or_correlated():
    blank = np.zeros((COUNT, SIDE, SIDE, 1), np.float32)
    layer = only(noise_dex=(0.3, 0.3))
    layer.sigma0.assign([2.0])
    seen = trained(layer, blank)
    sigma = seen.std(axis=(1, 2, 3))
    noisy = sigma > 0
    assert np.mean(noisy) == pytest.approx(0.75, abs=0.07)  # 3 sigma of 400 draws
    # 2 x 10^0.3; a stamp has 1,681 pixels, fewer independent ones where they are correlated
    assert np.mean(sigma[noisy]) == pytest.approx(3.99, rel=0.02)
    assert np.std(sigma[noisy]) < 0.2
    left, right = seen[noisy][:, :, :-1], seen[noisy][:, :, 1:]
    correlation = (left * right).mean(axis=(1, 2, 3)) / sigma[noisy] ** 2
    assert correlation.min() < 0.05
    assert correlation.max() > 0.4


def test_sky_is_a_plane():
    blank = np.zeros((COUNT, SIDE, SIDE, 1), np.float32)
    seen = trained(only(sky=0.5), blank)[..., 0]
    assert np.std(seen[:, SIDE // 2, SIDE // 2]) == pytest.approx(0.5, rel=0.15)
    assert np.abs(np.diff(seen, n=2, axis=1)).max() < 1e-5


def test_a_window_takes_some_stamps_to_zero_at_their_edge():
    ones = np.ones((COUNT, SIDE, SIDE, 1), np.float32)
    seen = trained(only(window=0.25), ones)
    dark = seen[:, 0, 0, 0] == 0
    assert np.mean(dark) == pytest.approx(0.25, abs=0.07)
    assert np.all(seen[:, SIDE // 2, SIDE // 2, 0] == 1)


def test_bands_of_an_object_share_what_is_drawn(galaxies):
    both = np.concatenate([galaxies, galaxies], axis=-1)
    layer = ObservingAugment(**{**NOTHING, "flux_dex": 0.4, "blur": 0.9, "sky": 0.5}, seed=3)
    seen = trained(layer, both)
    assert np.allclose(seen[..., 0], seen[..., 1], atol=1e-6)
    seen = trained(ObservingAugment(seed=3), both)
    assert not np.allclose(seen[..., 0], seen[..., 1])  # but not the pixels of the noise


def test_adapt_finds_the_noise_below_the_galaxies(galaxies):
    rng = np.random.default_rng(0)
    noisy = 300 * galaxies + 0.1 * rng.standard_normal(galaxies.shape).astype(np.float32)
    layer = ObservingAugment()
    layer.adapt(noisy)
    # the cusps in the middle, 2 % of the pixels, are no noise but count
    assert float(layer.sigma0[0]) == pytest.approx(0.1, rel=0.05)
    stretch = ArcsinhStretch()
    stretch.adapt(noisy)
    assert float(stretch.sigma[0]) > 0.11  # quantiles of the pixels themselves do not know


def test_it_is_saved_with_its_arguments_and_noise():
    layer = ObservingAugment(flux_dex=0.1, noise_dex=(-1, 0), window=0.0, seed=4, group="vis")
    again = ObservingAugment.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    "wrong", [{"flux_dex": -1}, {"blur": 2}, {"noise_dex": (1, 0)}, {"sky": -1}, {"window": 1.5}]
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ArchitectureError, match=next(iter(wrong))):
        ObservingAugment(**wrong)


def test_a_finder_with_two_groups_is_adapted_and_trained():
    model = build("compact_finder", TWO, "finder", observing=True, widths=[4])
    rng = np.random.default_rng(0)
    shapes = TWO.shapes
    images = {k: rng.normal(0, 0.1, (8, *s)).astype(np.float32) for k, s in shapes.items()}
    assert adapt(model, [images]) == 8
    for name in shapes:
        assert np.allclose(model.get_layer(f"{name}_observing").sigma0, 0.1, rtol=0.05)
        assert np.allclose(model.get_layer(f"{name}_stretch").sigma, 0.1, rtol=0.05)
    model.compile(optimizer="adam", loss="binary_crossentropy", jit_compile=False)
    first = keras.ops.convert_to_numpy(model(images))
    model.fit(images, np.array([0, 1] * 4), verbose=0)
    assert first.shape == (8, 1)
