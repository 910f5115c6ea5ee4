"""Pictures and shapes: orientation, levels, scale."""

import base64
import io

import numpy as np
import pytest
from matplotlib.image import imread

from lensfinder.report import cards, stamps
from lensfinder.report.truth import Truth
from tests import tiny


def _pixels(picture):
    return imread(io.BytesIO(base64.b64decode(picture.png.partition(",")[2])))[..., :3]


def test_row_0_is_at_the_bottom_and_x_goes_right():
    image = np.zeros((8, 8, 1))
    image[0, 0] = 1.0  # lowest row, leftmost column
    image[0, 7] = 0.5
    pixels = _pixels(stamps.picture(image, ["VIS"], 0.8, low=0.0, high=1.0))
    assert pixels[7, 0].min() == 1.0  # PNG rows run downwards
    assert 0.4 < pixels[7, 7].max() < 0.6
    assert pixels[0].max() == 0.0


def test_the_curve_lies_where_the_light_is():
    """A ring drawn as pixels and the critical curve of a round lens must coincide."""
    stamp, scale = 41, 0.1
    axis = (np.arange(stamp) - (stamp - 1) / 2) * scale
    x0, y0 = 0.4, -0.6
    radius = np.hypot(axis[None, :] - x0, axis[:, None] - y0)
    ring = np.exp(-0.5 * ((radius - 1.0) / 0.05) ** 2)
    row = {"theta_E": 1.0, "q": 1.0, "phi": 0.0, "x_lens": x0, "y_lens": y0}
    contract = tiny.contract(stamp=stamp)
    ((curve,),) = cards.curves(contract, row, None)
    pixels = _pixels(stamps.picture(ring[..., None], ["VIS"], stamp * scale, low=0, high=1))
    points = np.array([p.split(",") for p in curve["d"].strip("MZ").split("L")], float)
    columns, rows = (points * stamp / 100).astype(int).T
    # within half a pixel of the ring's crest: exp(-0.5 (0.07 / 0.05)^2) = 0.38
    assert pixels[rows, columns, 0].min() > 0.3
    assert pixels[stamp - 1 - rows, columns, 0].min() < 0.1, "upside down would not do"


def test_the_major_axis_points_along_phi():
    row = {"theta_E": 1.0, "q": 0.4, "phi": np.pi / 4}
    ((curve,),) = cards.curves(tiny.contract(stamp=40), row, None)
    points = np.array([p.split(",") for p in curve["d"].strip("MZ").split("L")], float) - 50
    farthest = points[np.argmax(np.hypot(*points.T))]
    # up and to the right on the screen means x > 0 and y < 0
    assert farthest[0] * farthest[1] < 0


@pytest.mark.parametrize(
    "row",
    [
        {"theta_E": np.nan, "q": 0.8, "phi": 0.1},
        {"theta_E": -1.0, "q": 0.8, "phi": 0.1},
        {"theta_E": 1.0, "q": np.nan, "phi": 0.1},
        {"theta_E": 1.0},
        {},
    ],
)
def test_no_curve_without_a_model(row):
    assert cards.curves(tiny.contract(), row, None) == [[]]


def test_mock_non_lenses_have_no_true_curve():
    parameters = {"theta_E": 1.0, "q": 0.8, "phi": 0.0}
    shapes = cards.curves(tiny.contract(), {}, Truth(1, parameters))
    assert [shape["kind"] for shape in shapes[0]] == ["trueline"]
    assert cards.curves(tiny.contract(), {}, Truth(0, parameters)) == [[]]


def test_colour_follows_wavelength_whatever_the_order_of_bands():
    image = np.zeros((4, 4, 3))
    image[..., 0] = 1.0  # H, the longest
    for bands in (["H", "J", "Y"], ["i", "r", "g"]):
        pixels = _pixels(stamps.picture(image, bands, 1.0, low=0.0, high=1.0))
        np.testing.assert_array_equal(pixels[0, 0], [1, 0, 0])
    pixels = _pixels(stamps.picture(image, ["g", "r", "i"], 1.0, low=0.0, high=1.0))
    np.testing.assert_array_equal(pixels[0, 0], [0, 0, 1])


def test_levels_of_a_page_are_shared_and_never_empty():
    low, high = stamps.page_limits(np.zeros((3, 5, 5, 2)))
    assert (high > low).all()
    ramps = np.linspace(0, 1, 400).reshape(1, 20, 20, 1) * np.ones((9, 1, 1, 1))
    ramps[0] *= 1000  # one very bright galaxy does not make the others black
    low, high = stamps.page_limits(ramps)
    assert 0.2 < low[0] < 0.3
    assert 0.99 < high[0] < 1.0


def test_faint_light_is_lifted_and_sky_is_dark(rng):
    image = rng.normal(5.0, 1.0, (41, 41, 1))
    image[20, 20] = 1e5
    image[10, 30] = 15.0  # 10 sigma, 1e-4 of the core
    stretched, low, high = stamps.faint_light(image)
    level = np.clip((stretched - low) / (high - low), 0, 1)
    assert level[10, 30] > 0.8
    assert np.median(level) < 0.2
    flat, low, high = stamps.faint_light(np.ones((9, 9, 1)))
    assert np.isfinite(flat).all()
    assert (high > low).all()


def test_scale_bar_is_about_a_quarter():
    assert stamps.scale_bar(5.7) in (1.0, 2.0)
    assert stamps.scale_bar(20.0) == 5.0


def test_numbers_for_people():
    assert cards.number(1.23456) == "1.235"
    assert cards.number(-0.5) == "−0.500"
    assert cards.number(np.nan) == cards.number(None) == "–"
    assert cards.number(np.pi / 2, 180 / np.pi, "°") == "90°"
