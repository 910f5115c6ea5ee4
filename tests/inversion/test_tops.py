"""Solutions on the fine grid: which are rivals, and how they share the draws of a posterior."""

import numpy as np
import pytest

from lensfinder.inversion import MassPrior
from lensfinder.inversion.lens_fit import DRAWS
from lensfinder.inversion.parabolas import Peak
from lensfinder.inversion.tops import MOST, NEAR, WIDER, Top, contenders, is_rival, mixture, top_of

PRIOR = MassPrior().uniform("theta_E", 0.5, 2.5).fixed(e1=0, e2=0, x=0, y=0)


def peak_at(z, *, value=0.0, width=0.1, settled=True):
    z = np.atleast_1d(np.asarray(z, dtype=float))
    covariance = width**2 * np.eye(len(z))
    return Peak(z, covariance, len(z) * np.log(width), value, 0.0, True, settled)


def top_at(z, height):
    peak = peak_at(z, value=height)
    return Top(peak, peak.z, True, height)


class Hills:
    """A posterior of Gaussian hills in one number, as a `Target` shows it."""

    prior = PRIOR

    def __init__(self, *hills):
        self.hills, self.top, self.at = hills, -np.inf, None

    def warm(self, z):
        return self(z)

    def __call__(self, z):
        z = np.asarray(z, dtype=float)
        values = [h - 0.5 * float(((z - at) / w) @ ((z - at) / w)) for at, h, w in self.hills]
        value = float(np.logaddexp.reduce(values))
        if value > self.top:
            self.top, self.at = value, z
        return value


def test_another_radius_of_like_height_is_a_rival():
    best = top_at(0.0, 10.0)
    assert is_rival(top_at(0.8, 8.0), best, PRIOR)
    assert not is_rival(top_at(0.05, 8.0), best, PRIOR), "the same solution"
    assert not is_rival(top_at(0.8, -30.0), best, PRIOR), "far below"
    assert not is_rival(best, best, PRIOR)
    assert not is_rival(Top(best.peak, None, False, 9.0), best, PRIOR), "no model there"


def test_draws_are_shared_by_what_each_solution_holds(rng):
    # half as high once it is widened, but twice as wide: as much of the posterior
    peaks = [peak_at(0.0, width=0.1), peak_at(5.0, value=-(WIDER**2) * np.log(2.0), width=0.2)]
    draws = mixture(peaks, rng)
    assert draws.shape == (DRAWS, 1)
    here = draws[:, 0] < 2.5
    assert here.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(DRAWS))
    assert draws[here].std() == pytest.approx(0.1 * WIDER, rel=0.1)
    assert draws[~here].std() == pytest.approx(0.2 * WIDER, rel=0.1)
    alone = mixture([peaks[0], peak_at(5.0, value=-50.0)], rng)
    assert (alone < 2.5).all()


def test_places_are_climbed_and_the_low_and_the_double_ones_dropped():
    low = -NEAR - 20.0
    hills = Hills((-0.8, 0.0, 0.1), (0.0, 5.0, 0.1), (0.8, low, 0.1))
    kept = contenders(hills, [np.array([z]) for z in (-0.75, 0.05, -0.05, 0.85)])
    assert len(kept) == 2
    assert kept[0][0] == pytest.approx(0.0, abs=0.1), "the highest first"
    assert kept[1][0] == pytest.approx(-0.8, abs=0.1)
    many = Hills(*((z, 0.0, 0.1) for z in (-1.5, -0.9, -0.3, 0.3, 0.9)))
    places = [np.array([z]) for z in (-1.5, -0.9, -0.3, 0.3, 0.9)]
    assert len(contenders(many, places)) == MOST


def test_a_top_is_as_high_and_as_wide_as_its_hill():
    hills = Hills((0.3, 7.0, 0.05), (-1.0, 3.0, 0.1))
    top = top_of(hills, np.array([0.33]), tolerance=0.1)
    assert top.definite
    assert top.z[0] == pytest.approx(0.3, abs=0.01)
    assert top.height == pytest.approx(7.0, abs=0.05)
    assert np.sqrt(top.peak.covariance[0, 0]) == pytest.approx(0.05, rel=0.1)
    other = top_of(hills, np.array([-0.97]), tolerance=0.1)
    assert other.height == pytest.approx(3.0, abs=0.05), "what was seen elsewhere is forgotten"
