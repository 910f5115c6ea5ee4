"""Solutions on the fine grid: which are rivals, and how they share the draws of a posterior."""

import numpy as np
import pytest

from lensfinder.errors import FitError
from lensfinder.inversion import MassPrior, tops
from lensfinder.inversion.lens_fit import DRAWS
from lensfinder.inversion.parabolas import Peak
from lensfinder.inversion.tops import (
    MOST,
    NEAR,
    SHARING,
    WIDER,
    Top,
    contenders,
    has_rival,
    mixture,
    solutions,
    top_of,
)

PRIOR = MassPrior().uniform("theta_E", 0.5, 2.5).fixed(e1=0, e2=0, x=0, y=0)


def peak_at(z, *, value=0.0, width=0.1, settled=True):
    z = np.atleast_1d(np.asarray(z, dtype=float))
    covariance = width**2 * np.eye(len(z))
    return Peak(z, covariance, len(z) * np.log(width), value, 0.0, True, settled)


def top_at(z, height, *, width=0.1, definite=True):
    peak = peak_at(z, value=height, width=width)
    return Top(peak, peak.z, definite, height)


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


def test_solutions_of_one_radius_are_one():
    low, high, beside = top_at(0.8, 8.0), top_at(0.0, 10.0), top_at(0.05, 9.0)
    nothing = Top(low.peak, None, False, 50.0)
    assert solutions([low, beside, nothing, high], PRIOR) == [high, low]
    with pytest.raises(FitError, match="Widen the priors"):
        solutions([nothing, top_at(0.0, -np.inf)], PRIOR)


def test_another_radius_of_like_height_is_a_rival():
    best, near, far = top_at(0.0, 10.0), top_at(0.8, 7.0), top_at(0.8, -10.0)
    assert has_rival(solutions([best, near], PRIOR))
    assert not has_rival(solutions([best, top_at(0.05, 7.0)], PRIOR)), "the same solution"
    assert not has_rival(solutions([best, far], PRIOR)), "far below"


def test_draws_are_shared_by_what_each_solution_holds(rng):
    # in z the prior is flat so far: as wide, and lower by log 2 once it is tempered
    fall = WIDER**2 * np.log(2.0)
    found = [top_at(0.2, 10.0, width=0.01), top_at(-0.2, 10.0 - fall, width=0.01)]
    draws = mixture(found, rng)
    assert draws.shape == (DRAWS, 1)
    here = draws[:, 0] > 0
    assert here.mean() == pytest.approx(2.0 / 3.0, abs=0.03)
    for part in (draws[here], draws[~here]):
        assert part.std() == pytest.approx(0.01 * WIDER, rel=0.1)
    twice = [top_at(0.2, 10.0, width=0.01), top_at(-0.2, 10.0 - fall, width=0.02)]
    assert (mixture(twice, rng) > 0).mean() == pytest.approx(0.5, abs=0.04)
    alone = mixture([found[0], top_at(-0.2, 10.0 - SHARING - 1, width=0.01)], rng)
    assert (alone > 0).all()
    unknown = mixture([found[0], top_at(-0.2, 9.9, definite=False)], rng)
    assert (unknown > 0).all(), "without errors there is nothing to draw from"


@pytest.mark.parametrize("width", [1.0, 1.3, 0.95, 0.6, 0.1])
def test_no_posterior_is_wider_than_its_prior_and_no_light_counts_twice(rng, width):
    draws = mixture([top_at(0.0, 1.0, width=width)], rng)
    # as wide as the likelihood alone would leave it, where that knows more than the prior
    likelihood = WIDER / np.sqrt(width**-2 - 1) if width < 1 else np.inf
    assert draws.std() == pytest.approx(min(likelihood, 1.0), rel=0.06)
    both = 1.0 / np.sqrt(likelihood**-2 + 1.0)
    if width == 0.6:
        assert draws.std() > 1.2 * both, "the sum of both would be seen"


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


def test_a_parabola_that_promises_too_much_is_not_believed(monkeypatch):
    hills = Hills((0.3, 7.0, 0.05))
    promised = peak_at(0.9, value=50.0)  # far beside the hill

    def climbed(target, place, **words):
        target(place)
        return promised

    monkeypatch.setattr(tops, "climb_parabolas", climbed)
    top = top_of(hills, np.array([0.31]), tolerance=0.1)
    assert not top.definite
    assert top.z[0] == 0.31
    assert top.height == pytest.approx(7.0, abs=0.05)


def test_places_that_cannot_be_inverted_are_no_candidates():
    class Nothing(Hills):
        """No model can be inverted."""

        def __call__(self, z):
            return -np.inf

    with pytest.raises(FitError, match="Widen the priors"):
        contenders(Nothing(), [np.array([0.0]), np.array([0.5])])
