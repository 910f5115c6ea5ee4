"""Look-alikes of several parts: who asks for them gets them, and nobody else is touched."""

import numpy as np
import pytest
from scenes import drawn

from lensfinder.simulate import Renderer, Scene
from lensfinder.simulate.draw import Draws
from lensfinder.simulate.look_alikes import KINDS, draw_look_alikes, part_name
from lensfinder.simulate.morphologies import MORE_KINDS, PARTS
from lensfinder.simulate.scene import STRUCTURE
from lensfinder.specs import load_population, load_survey
from lensfinder.specs.population import LOOK_ALIKES

N, SCALE = 400, 1.0


def columns_of(kinds, n=N):
    zero = np.zeros(n)
    draws = Draws(7, np.arange(n), np.zeros(n, int))
    given = {"theta_E": np.full(n, SCALE), "x_lens": zero, "y_lens": zero, "lens_phi": zero + 0.4}
    return draw_look_alikes(draws, given, kinds)


@pytest.fixture(scope="module")
def renderer():
    return Renderer(load_survey("euclid-vis"))


def images_of(renderer, columns, rows, *, only=None):
    """Noiseless images of some galaxies whose parts carry one unit of flux together."""
    scene = Scene.empty(len(rows), 1, structure=PARTS)
    for k in range(PARTS):
        part = part_name(k)
        for i, name in enumerate(STRUCTURE):
            scene.structure[:, k, i] = columns[f"{part}_{name}"][rows]
        if only in (None, k):
            peak = columns[f"{part}_flux"] / columns[f"{part}_area"]
            scene.structure_peak[:, k, 0] = peak[rows]
    return drawn(renderer, scene)["rest/vis"][..., 0]


def test_the_registry_holds_every_kind_that_populations_may_name():
    assert set(LOOK_ALIKES) == {*KINDS, *MORE_KINDS}


def test_kinds_come_in_the_fractions_asked_for():
    """5,000 galaxies, 4 sigma; the order of the file does not matter."""
    kinds = load_population("finder-train-real").look_alikes
    found = columns_of(kinds, 5000)["structure_kind"]
    for name, fraction in kinds.items():
        sigma = np.sqrt(5000 * fraction * (1 - fraction))
        assert abs(np.sum(found == name) - 5000 * fraction) < 4 * sigma
    backwards = dict(reversed(kinds.items()))
    assert np.array_equal(found, columns_of(backwards, 5000)["structure_kind"])


def test_the_first_three_kinds_are_drawn_as_ever():
    """Asked for by name they have the same numbers as in populations that name none."""
    kinds = dict.fromkeys(KINDS, 1 / 3)
    ours, theirs = columns_of(kinds), columns_of(None)
    for name, values in theirs.items():
        assert np.array_equal(ours[name], values), name
    assert not any(ours[f"structure{k}_flux"].any() for k in range(1, PARTS))


@pytest.mark.parametrize("kind", MORE_KINDS)
def test_every_kind_is_sound(renderer, kind):
    """Its parts share one unit of flux; most of it falls where arcs would, and it is no ring."""
    columns = columns_of({kind: 1.0})
    flux = sum(columns[f"{part_name(k)}_flux"] for k in range(PARTS))
    np.testing.assert_allclose(flux, 1.0, rtol=1e-12)
    for k in range(PARTS):
        for name in (*STRUCTURE, "area", "flux"):
            assert np.isfinite(columns[f"{part_name(k)}_{name}"]).all()
        assert np.all(columns[f"{part_name(k)}_area"] > 0)
        assert np.all(columns[f"{part_name(k)}_q"] >= 0.08)
    images = images_of(renderer, columns, np.arange(12))
    total = np.sum(images, axis=(1, 2))
    # outer parts may leave the stamp of 5.7 arcsec, and wound arms are cut by their ring
    assert np.all((total > 0.5) & (total < 1.3))
    assert 0.8 < np.median(total) < 1.15
    alike = np.corrcoef([image.ravel() for image in images])
    assert np.median(alike[np.triu_indices(12, 1)]) < 0.9  # no two the same


def test_a_blob_has_the_flux_of_its_area(renderer):
    """Within 5 %: the thinnest are a fifth of a pixel wide, and sampled coarsely."""
    columns = columns_of({"companions": 1.0})
    rows = np.arange(8)
    found = images_of(renderer, columns, rows, only=0).sum(axis=(1, 2))
    np.testing.assert_allclose(found, columns["structure_flux"][rows], rtol=0.05)


def test_companions_are_one_to_four():
    columns = columns_of({"companions": 1.0}, 2000)
    count = sum((columns[f"{part_name(k)}_flux"] > 0).astype(int) for k in range(PARTS))
    values, number = np.unique(count, return_counts=True)
    assert values.tolist() == [1, 2, 3, 4]
    assert np.all(np.abs(number - 500) < 4 * np.sqrt(2000 * 3 / 16))


def test_edge_on_discs_are_thin(renderer):
    """Second moments of the disc alone: minor over major below 0.45, PSF included."""
    columns = columns_of({"edge_on": 1.0})
    offset = np.hypot(columns["structure_x"], columns["structure_y"])
    thin = images_of(renderer, columns, np.flatnonzero(offset < 0.5)[:6], only=0)
    for image in thin:
        y, x = np.mgrid[: image.shape[0], : image.shape[1]]
        weights = image.ravel() / image.sum()
        covariance = np.cov(np.stack([x.ravel(), y.ravel()]), aweights=weights, bias=True)
        low, high = np.sqrt(np.linalg.eigvalsh(covariance))
        assert low / high < 0.45


def test_shells_stand_on_alternating_sides(renderer):
    """Even and odd shells: their centres of light lie opposite each other."""
    columns = columns_of({"shells": 1.0})
    even, odd = (images_of(renderer, columns, np.arange(6), only=k) for k in (0, 1))
    y, x = np.mgrid[: even.shape[1], : even.shape[2]] - (even.shape[1] - 1) / 2
    for one, other in zip(even, odd, strict=True):
        places = [
            np.array([np.sum(image * x), np.sum(image * y)]) / image.sum() for image in (one, other)
        ]
        assert np.dot(*places) < 0
