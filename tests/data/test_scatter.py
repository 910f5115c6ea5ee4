"""Estimates of the noise: each is right where its own kind of light is, and others are not."""

import numpy as np
import pytest

from lensfinder.data.scatter import (
    border_scatter,
    lower_scatter,
    neighbour_scatter,
    scatter_of,
)

NOISE, SIDE = 2.0, 120
AXIS = np.arange(SIDE) - (SIDE - 1) / 2
RADIUS = np.hypot(AXIS[:, None], AXIS)


def sky(rng):
    """Noise alone."""
    return 5.0 + rng.normal(0, NOISE, (SIDE, SIDE))


def smooth(rng):
    """A galaxy that reaches the borders."""
    return sky(rng) + 150.0 * np.exp(-RADIUS / 40.0)


def crowded(rng):
    """Two fifths of the pixels hold light, as rough as can be."""
    image = sky(rng)
    image[:, : 2 * SIDE // 5] += 20.0 * NOISE * rng.random((SIDE, 2 * SIDE // 5))
    return image


def padded(rng):
    """A third of the pixels were filled with one value."""
    image = sky(rng)
    image[:, : SIDE // 3] = 5.0
    return image


def compact(rng):
    """A galaxy that ends within the stamp."""
    return sky(rng) + 4000.0 * np.exp(-RADIUS / 5.0)


ESTIMATES = {
    "scatter_of": lambda image: scatter_of(image)[1],
    "border": lambda image: float(border_scatter(image[..., None])[1][0]),
    "lower": lower_scatter,
    "neighbours": neighbour_scatter,
}
# What each withstands; 14,400 pixels know a sigma to 1 %, the border's 5,200 to 2 %. The lower side
# of a sky of which two fifths are brighter is wider: its median moves.
GOOD = {
    sky: {"scatter_of": 0.06, "border": 0.06, "lower": 0.06, "neighbours": 0.06},
    smooth: {"neighbours": 0.15},  # its slope is half of the noise in two pixels
    crowded: {"lower": 0.6},
    padded: {"lower": 0.06},
    compact: {"border": 0.06, "neighbours": 0.1},
}


@pytest.mark.parametrize("light", GOOD, ids=lambda light: light.__name__)
def test_an_estimate_withstands_its_own_kind_of_light(rng, light):
    image = light(rng)
    for name, tolerance in GOOD[light].items():
        assert ESTIMATES[name](image) == pytest.approx(NOISE, rel=tolerance), name


@pytest.mark.parametrize(
    ("light", "name"),
    [(smooth, "scatter_of"), (smooth, "border"), (smooth, "lower"), (crowded, "scatter_of")],
)
def test_others_are_wrong_there(rng, light, name):
    assert ESTIMATES[name](light(rng)) > 2 * NOISE


def test_bands_are_measured_one_by_one(rng):
    image = np.stack([sky(rng), 10 * sky(rng)], axis=-1)
    level, scatter = border_scatter(image)
    np.testing.assert_allclose(level, [5, 50], rtol=0.03)
    np.testing.assert_allclose(scatter, [NOISE, 10 * NOISE], rtol=0.06)
    assert lower_scatter(np.full((4, 4), 3.0)) > 0
