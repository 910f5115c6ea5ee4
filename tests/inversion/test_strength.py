"""The search for the strength, on functions whose maximum is known."""

import math

import pytest

from lensfinder.errors import InversionError
from lensfinder.inversion.strength import best_strength


class Counted:
    """A function of lambda that counts how often it is asked."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, strength):
        self.calls += 1
        return self.function(math.log(strength))


def evidence_like(x, at=0.0, parameters=50.0):
    """Slope of the parameters below the maximum, exponential fall above it, as evidences have."""
    return parameters * ((x - at) - math.exp(x - at))


@pytest.mark.parametrize("start", [-20.0, -3.0, -0.1, 0.0, 2.0, 8.0])
def test_the_maximum_is_found_from_anywhere(start):
    counted = Counted(evidence_like)
    found, at_limit = best_strength(counted, start=math.exp(start))
    assert not at_limit
    # The gain left is below 1e-3 of a log evidence; its second derivative is 50.
    assert math.log(found) == pytest.approx(0.0, abs=math.sqrt(2 * 1e-3 / 50))
    assert counted.calls < 25


def test_a_warm_start_costs_less():
    cold, warm = Counted(evidence_like), Counted(evidence_like)
    best_strength(cold, start=math.exp(-5.0))
    best_strength(warm, start=math.exp(0.2), warm=True)
    assert warm.calls <= 7 < cold.calls


def test_a_strength_that_the_data_do_not_tell_is_marked():
    growing = best_strength(lambda strength: math.log(strength), start=1.0)
    flat = best_strength(lambda strength: -math.exp(-math.log(strength)), start=math.exp(20))
    assert growing[1]
    assert flat[1]


def test_where_no_factor_exists_is_avoided():
    def undefined_below(strength):
        if strength < 0.5:
            raise InversionError("not positive definite")
        return evidence_like(math.log(strength))

    found, at_limit = best_strength(undefined_below, start=1.0)
    assert not at_limit
    assert math.log(found) == pytest.approx(0.0, abs=0.05)
    nowhere = Counted(lambda x: -math.inf)
    assert best_strength(nowhere, start=1.0)[1] or nowhere.calls <= 60
