"""Pixel units and AB zero points."""

import math

import pytest

from lensfinder.data.units import canonical_unit, scale_between, zero_point_of
from lensfinder.errors import UnitError


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("ELECTRONS/S", "electron/s"),
        ("e-/s", "electron/s"),
        ("counts/s", "adu/s"),
        ("nanomaggies", "nanomaggy"),
        ("MJy/sr", "MJy/sr"),
        ("mJy", "mJy"),
        ("furlong", "furlong"),
        ("  ", None),
        (None, None),
    ],
)
def test_spellings(text, unit):
    assert canonical_unit(text) == unit


def test_zero_points_of_flux_units():
    # AB magnitudes: 3631 Jy is magnitude 0; a nanomaggy is 22.5 by definition
    assert zero_point_of("maggy") == 0.0
    assert zero_point_of("nanomaggy", zero_point=3.0) == pytest.approx(22.5, abs=1e-12)
    assert zero_point_of("uJy") == pytest.approx(23.9, abs=1e-4)  # rounded in the literature
    assert zero_point_of("nJy") == pytest.approx(31.4, abs=1e-4)
    assert zero_point_of("electron/s", 25.5) == 25.5
    assert zero_point_of("electron/s") is None
    assert zero_point_of(None) is None


def test_surface_brightness_needs_the_pixel():
    assert zero_point_of("MJy/sr") is None
    # JWST documentation: 28.087 at 0.03 arcsec and 26.58 at 0.06
    assert zero_point_of("MJy/sr", pixel_scale=0.03) == pytest.approx(28.087, abs=5e-4)
    assert zero_point_of("MJy/sr", pixel_scale=0.06) == pytest.approx(26.58, abs=5e-3)


def test_scaling_keeps_magnitudes():
    factor = scale_between(26.45, 25.5)
    before, after = 26.45 - 2.5 * math.log10(7.0), 25.5 - 2.5 * math.log10(7.0 * factor)
    assert after == pytest.approx(before, abs=1e-12)
    with pytest.raises(UnitError):
        scale_between(math.nan, 25.0)
