"""The figure of an explanation, and its page."""

import numpy as np
import pytest
from matplotlib.image import imread

from lensfinder.explain import Explanation, Sky, segment
from lensfinder.report.explanations import COLOURS, explanation_png, outline
from tests.explain import planted

OF = planted.contract(two=True)


@pytest.fixture(scope="module")
def explained():
    """An explanation with one region for a lens, one against."""
    regions = segment(planted.images(OF), Sky.of(OF))
    weights = np.zeros((2, regions.count))
    weights[:, planted.planted_region(regions)] = 0.5
    weights[:, 0] = -0.4
    density = regions.paint(weights.mean(axis=0) / regions.areas)
    return Explanation(regions, weights, density, fit_r2=0.9)


def test_an_outline_follows_the_edges_of_the_pixels():
    mask = np.zeros((4, 4), bool)
    mask[1, 2] = True
    lines = outline(mask, 0.5)
    assert lines.shape == (4, 2, 2)
    assert sorted(set(lines[..., 0].ravel())) == [0.0, 0.5]  # pixel 2 of 4, arcsec
    assert sorted(set(lines[..., 1].ravel())) == [-0.5, 0.0]
    assert len(outline(np.ones((4, 4), bool), 1.0)) == 16
    assert outline(np.zeros((4, 4), bool), 1.0).shape == (0, 2, 2)


def test_the_figure_shows_green_and_yellow_and_is_the_same_each_time(explained, tmp_path):
    network = planted.network(OF)
    images = planted.images(OF)
    terms = {"network": network, "contract": OF, "p_lens": 0.7, "title": "object $x$ <b>"}
    png = explanation_png(explained, images, **terms)
    assert png == explanation_png(explained, images, **terms)
    (tmp_path / "a.png").write_bytes(png)
    pixels = imread(tmp_path / "a.png")[..., :3]
    assert pixels.shape[1] > 3 * pixels.shape[0]  # four panels in a row

    def count(colour, image):
        wanted = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        return int((np.abs(image - wanted).max(axis=-1) < 0.02).sum())

    for colour in COLOURS.values():
        assert count(colour, pixels) > 100
    nothing = Explanation(explained.regions, 0 * explained.per_seed, 0 * explained.density)
    (tmp_path / "b.png").write_bytes(explanation_png(nothing, images, **terms))
    plain = imread(tmp_path / "b.png")[..., :3]
    assert [count(colour, plain) for colour in COLOURS.values()] == [0, 0]
