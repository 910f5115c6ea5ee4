"""Which candidates become objects, and the count of those that do not."""

from dataclasses import dataclass

import numpy as np
import pytest

from lensfinder.errors import SimulationError
from lensfinder.paint import Settings
from lensfinder.paint.painter import Outcome
from lensfinder.paint.selection import Selection


@dataclass
class Fake:
    """Stands for mocks: which candidates they are."""

    numbers: np.ndarray

    def __len__(self):
        return len(self.numbers)

    def take(self, rows):
        return Fake(self.numbers[rows])


def outcomes(size, theta_E, reason):
    """The same candidates, so many at a time."""
    for start in range(0, len(theta_E), size):
        numbers = np.arange(start, min(start + size, len(theta_E)))
        kept = numbers[reason[numbers] == ""]
        yield Outcome(
            numbers,
            numbers % 3,
            theta_E[numbers],
            reason[numbers],
            Fake(kept) if kept.size else None,
        )


@pytest.fixture
def candidates(rng):
    theta_E = 0.5 + rng.exponential(0.4, 3000)
    reason = rng.choice(["", "faint", "not_lensed"], 3000, p=[0.8, 0.15, 0.05]).astype("U16")
    theta_E[::10], reason[::10] = 0.3, "theta_E_small"
    return theta_E, reason


def taken(size, theta_E, reason, settings, n):
    selection = Selection(settings, n, 3)
    found = [selection.take(outcome) for outcome in outcomes(size, theta_E, reason)]
    numbers = [mocks.numbers for mocks in found if mocks is not None]
    return np.concatenate([*numbers, np.zeros(0, int)]), selection


def test_a_natural_sample_takes_what_is_painted_in_order(candidates):
    theta_E, reason = candidates
    got, selection = taken(16, theta_E, reason, Settings(), 500)
    np.testing.assert_array_equal(got, np.flatnonzero(reason == "")[:500])
    assert selection.done
    assert selection.kept == 500
    assert selection.seen == got[-1] + 1
    assert sum(selection.counts().values()) == selection.seen - 500


def test_a_flat_sample_has_no_more_than_so_many_in_a_bin(candidates):
    theta_E, reason = candidates
    settings = Settings(theta_E="flat", per_bin=20)
    got, selection = taken(16, theta_E, reason, settings, 5000)
    bins = np.bincount(settings.bin_of(theta_E[got]))
    assert bins.max() == 20
    assert (bins[:8] == 20).all()
    natural, _ = taken(16, theta_E, reason, Settings(), 5000)
    assert np.bincount(settings.bin_of(theta_E[natural]))[0] > 200  # and without it many more
    assert sum(selection.counts().values()) + selection.kept == selection.seen == 3000
    assert selection.counts()["bin_full"] > 1000
    assert selection.full == set(np.flatnonzero(bins == 20))


@pytest.mark.parametrize(
    "settings", [Settings(), Settings(theta_E="flat", per_bin=20)], ids=["natural", "flat"]
)
def test_how_candidates_come_makes_no_difference(candidates, settings):
    results = [taken(size, *candidates, settings, 400) for size in (1, 7, 128)]
    for got, selection in results[1:]:
        np.testing.assert_array_equal(got, results[0][0])
        assert selection.counts() == results[0][1].counts()
        assert selection.words() == results[0][1].words()


@pytest.mark.parametrize(("reason", "patience"), [("faint", 1_000), ("theta_E_small", 20_000)])
def test_a_run_that_would_not_end_says_why(reason, patience):
    reasons = np.full(21_000, reason, dtype="U16")
    theta_E = np.full(21_000, 1.0)
    short = slice(patience - 100)
    taken(128, theta_E[short], reasons[short], Settings(), 10)
    with pytest.raises(SimulationError, match=rf"{reason}\. Widen the limits"):
        taken(128, theta_E, reasons, Settings(), 10)
