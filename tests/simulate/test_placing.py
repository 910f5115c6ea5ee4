"""Where sources lie: inside what the population names, and uniformly."""

import numpy as np
import pytest
from scipy import stats

from lensfinder.lensing.critical import critical_curve
from lensfinder.lensing.multiplicity import image_count, image_positions, winding_number
from lensfinder.simulate.draw import Draws
from lensfinder.simulate.placing import lens_of, place_source
from lensfinder.specs.population import SourcePosition

N = 2000


@pytest.fixture
def columns(rng):
    gamma, angle = rng.uniform(0, 0.05, N), rng.uniform(0, 2 * np.pi, N)
    return {
        "theta_E": rng.uniform(0.5, 2, N),
        "q": rng.uniform(0.4, 0.95, N),
        "phi": rng.uniform(0, np.pi, N),
        "x_lens": rng.normal(0, 0.1, N),
        "y_lens": rng.normal(0, 0.1, N),
        "gamma1": gamma * np.cos(angle),
        "gamma2": gamma * np.sin(angle),
    }


def placed(columns, region, **terms):
    rule = SourcePosition(region=region, unlensed_half_width=2.0, **terms)
    return place_source(rule, Draws(4, np.arange(N), np.zeros(N, int)), columns)


def test_inside_the_critical_curve(columns):
    """One lens for all: the share in any half is its area's; without shear none lies outside."""
    same = {name: np.full(N, values[0]) for name, values in columns.items()}
    same |= {"gamma1": np.zeros(N), "gamma2": np.zeros(N)}
    found = placed(same, "critical_curve")
    curve = critical_curve(**lens_of(same), n_points=128)[0]
    inside = winding_number(curve[None], found["x_src"][:, None], found["y_src"][:, None]) != 0
    assert inside.all()
    x, y = found["x_src"] - same["x_lens"], found["y_src"] - same["y_lens"]
    # the curve is the ellipse q x^2 + y^2 / q = theta_E^2 in its own frame
    c, s, q = np.cos(same["phi"][0]), np.sin(same["phi"][0]), same["q"][0]
    u, v = (c * x + s * y) * q**0.5, (c * y - s * x) / q**0.5
    share = (u**2 + v**2) / same["theta_E"][0] ** 2
    assert stats.kstest(share, "uniform").pvalue > 1e-3
    assert stats.kstest(np.arctan2(v, u), stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3
    assert stats.kstest(share**1.2, "uniform").pvalue < 1e-3  # negative control


def test_inside_the_caustics_there_are_several_images(columns):
    found = placed(columns, "caustic")
    assert found["placed"].mean() > 0.99
    rows = found["placed"]
    some = {name: values[rows] for name, values in columns.items()}
    count = image_count(found["x_src"][rows], found["y_src"][rows], **lens_of(some))
    assert np.mean(count >= 2) > 0.995  # polygons of 128 points


def test_magnified_enough(columns):
    found = placed(columns, "magnification", minimum_magnification=5.0)
    rows = np.flatnonzero(found["placed"])[:300]
    some = {name: values[rows] for name, values in columns.items()}
    images = image_positions(found["x_src"][rows], found["y_src"][rows], **lens_of(some))
    total = np.nansum(np.abs(images.magnification), axis=-1)
    assert np.all(total > 5)
    assert total.min() < 6


def test_unlensed_sources_fill_their_square(columns):
    found = placed(columns, "einstein_radius")
    for axis in ("x", "y"):
        offset = found[f"{axis}_unlensed"] - columns[f"{axis}_lens"]
        assert stats.kstest(offset, stats.uniform(-2, 4).cdf).pvalue > 1e-3
        assert stats.kstest(offset, stats.uniform(-2.2, 4.4).cdf).pvalue < 1e-3
