"""Rings, arms and tails: the flux they are given, and the shapes they are named after."""

import numpy as np
import pytest
from scenes import drawn

from lensfinder.simulate import Renderer, Scene
from lensfinder.simulate.draw import Draws
from lensfinder.simulate.look_alikes import KINDS, draw_look_alikes
from lensfinder.simulate.scene import STRUCTURE
from lensfinder.specs import load_survey

N = 3000


@pytest.fixture(scope="module")
def columns():
    zero = np.zeros(N)
    draws = Draws(2, np.arange(N), np.zeros(N, int))
    given = {"theta_E": np.full(N, 1.2), "x_lens": zero, "y_lens": zero}
    return draw_look_alikes(draws, given)


@pytest.fixture(scope="module")
def renderer():
    return Renderer(load_survey("euclid-vis"))


def scene_of(columns, row, **changes):
    scene = Scene.empty(1, 1, structure=1)
    for k, name in enumerate(STRUCTURE):
        scene.structure[0, 0, k] = changes.get(name, columns[f"structure_{name}"][row])
    scene.structure_peak[:] = 1.0
    return scene


def test_the_three_kinds_are_equally_many(columns):
    sigma = np.sqrt(N * 2 / 9)
    for kind in KINDS:
        assert abs(np.sum(columns["structure_kind"] == kind) - N / 3) < 4 * sigma


def test_they_lie_where_arcs_would(columns):
    assert np.all(columns["structure_radius"] < 1.3 * 1.2)
    assert np.all(columns["structure_radius"] > 0.4 * 1.2)
    ring = columns["structure_kind"] == "ring"
    assert np.all(columns["structure_width"][ring] < 0.25 * columns["structure_radius"][ring])
    merger = columns["structure_kind"] == "merger"
    distance = np.hypot(columns["x_companion"], columns["y_companion"])
    np.testing.assert_allclose(distance[merger], columns["structure_radius"][merger])


def test_a_round_ring_has_the_flux_of_its_area(columns, renderer):
    """`structure_area` is that of a thin ring: 1 % here, where the width is 0.15 of the radius."""
    row = np.flatnonzero(columns["structure_arms"] == 0)[0]
    scene = scene_of(columns, row, radius=1.2, width=0.18, q=0.7)
    found = drawn(renderer, scene)["rest/vis"].sum()
    assert found == pytest.approx((2 * np.pi) ** 1.5 * 1.2 * 0.18, rel=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_the_area_of_every_kind_holds(columns, renderer, kind):
    """Within a fifth: arms are wide, and wound arms are cut by the ring's profile."""
    rows = np.flatnonzero(columns["structure_kind"] == kind)[:6]
    for row in rows:
        found = drawn(renderer, scene_of(columns, row))["rest/vis"].sum()
        assert found == pytest.approx(columns["structure_area"][row], rel=0.2)


def test_two_arms_have_twofold_symmetry(columns, renderer):
    """Turned by half a turn, a spiral of two arms is itself; a tail is not."""
    spiral = np.flatnonzero(columns["structure_arms"] == 2)[0]
    tail = np.flatnonzero(columns["structure_kind"] == "merger")[0]
    for row, alike in ((spiral, True), (tail, False)):
        image = drawn(renderer, scene_of(columns, row))["rest/vis"][0, ..., 0]
        difference = np.abs(image - image[::-1, ::-1]).max() / image.max()
        assert (difference < 0.02) == alike
