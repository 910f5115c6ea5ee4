"""North and east in an image."""

import numpy as np
import pytest

from lensfinder.errors import ArgumentError
from lensfinder.lensing.ellipticity import Ellipticity
from lensfinder.lensing.sky import Orientation, compass


def test_north_and_east():
    degrees = 0.1 / 3600
    up = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0}
    up |= {"CRPIX1": 5.0, "CRPIX2": 5.0, "CD1_1": -degrees, "CD1_2": 0.0, "CD2_1": 0.0}
    up |= {"CD2_2": degrees}
    north, east = compass(up)
    np.testing.assert_allclose(north, (0, 1), atol=1e-6)  # a stamp is flat to 1e-9
    np.testing.assert_allclose(east, (-1, 0), atol=1e-6)
    turned = up | {"CD1_1": 0.0, "CD1_2": degrees, "CD2_1": degrees, "CD2_2": 0.0}
    north, east = compass(turned)
    np.testing.assert_allclose(north, (1, 0), atol=1e-6)
    np.testing.assert_allclose(east, (0, 1), atol=1e-6)


@pytest.mark.parametrize(
    "wcs", [None, {}, {"CRVAL1": 3.0}, {"CTYPE1": "LINEAR", "CTYPE2": "LINEAR", "CDELT1": 1.0}]
)
def test_no_arrows_without_a_sky(wcs):
    assert compass(wcs) is None


@pytest.mark.parametrize(
    "wcs",
    [
        {"CTYPE1": "RA---ZZZ", "CTYPE2": "DEC--ZZZ", "CDELT1": 1e-5, "CDELT2": 1e-5},
        {"CTYPE1": "RA---TAN", "CTYPE2": "RA---TAN", "CDELT1": 1e-5, "CDELT2": 1e-5},
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": 0.0, "CDELT2": 1e-5},
        {"CTYPE1": "RA---TAN", "CDELT1": 1e-5},
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CD1_1": np.nan, "CD2_2": 1e-5},
    ],
)
def test_a_sky_that_makes_no_sense_breaks_nothing(wcs):
    assert compass(wcs) is None


def test_an_orientation_turns_offsets_into_east_and_north():
    up = Orientation()
    np.testing.assert_allclose(up.east_north(-1.0, 0.0), (1, 0), atol=1e-15)  # east is left
    np.testing.assert_allclose(up.east_north(0.0, 1.0), (0, 1), atol=1e-15)
    mirrored = Orientation(east_left=False)
    np.testing.assert_allclose(mirrored.east_north(1.0, 0.0), (1, 0), atol=1e-15)


@pytest.mark.parametrize("east_left", [True, False])
@pytest.mark.parametrize("north", [np.pi / 2, 0.3, -2.0])
def test_positions_and_position_angles_have_one_convention(north, east_left):
    phi = 0.7
    shape = Ellipticity.from_axis_ratio(0.5, phi)
    angle = np.radians(shape.east_of_north(north=north, east_left=east_left))
    east, to_north = Orientation(north, east_left).east_north(np.cos(phi), np.sin(phi))
    # the direction of the major axis, up to its sign
    assert abs(east * np.cos(angle) - to_north * np.sin(angle)) < 1e-12
    other = Orientation(north, not east_left).east_north(np.cos(phi), np.sin(phi))
    assert abs(other[0] * np.cos(angle) - other[1] * np.sin(angle)) > 1e-3  # negative control


def test_an_orientation_comes_from_a_header():
    degrees = 0.1 / 3600
    header = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0}
    header |= {"CRPIX1": 5.0, "CRPIX2": 5.0, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": degrees}
    for sign in (-1.0, 1.0):
        found = Orientation.from_wcs(header | {"CD1_1": sign * degrees})
        assert found.east_left == (sign < 0)
        assert abs(found.north - np.pi / 2) < 1e-6
    with pytest.raises(ArgumentError, match="does not say where north"):
        Orientation.from_wcs({})
