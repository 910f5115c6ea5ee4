"""Table 1 and the history rules of Maresca, Dye & Li (2021), row by row."""

import numpy as np
import pytest

from lensfinder.audit.rules import HALF_WIDTHS, NARROW, RULES, Attempt, next_prior, next_step
from lensfinder.errors import ArgumentError
from lensfinder.inversion.priors import MassPrior
from lensfinder.inversion.relation import SOLUTIONS, Line, load_relation

PAPER = load_relation("maresca2021")
EXACT = dict(rel=1e-12)  # the same arithmetic


def after(*attempts, relation=PAPER):
    """What follows some attempts, given as (theta_E, verdict)."""
    return next_step([Attempt(*attempt) for attempt in attempts], relation)


# --- table 1 --------------------------------------------------------------------------------------
def test_under_magnified_starts_again_at_a_larger_radius():
    step = after((0.45, "under"))
    theta = (0.45 + 0.08) / 0.46
    assert step.action == "refit"
    assert step.theta_E == pytest.approx((theta - 0.25, theta + 0.25), **EXACT)


def test_correct_is_fitted_again_around_its_radius():
    step = after((1.2, "correct"))
    assert step.action == "refine"
    assert step.theta_E == pytest.approx((0.95, 1.45), **EXACT)


def test_over_magnified_starts_again_at_a_smaller_radius():
    step = after((2.5, "over"))
    theta = (2.5 - 0.15) / 2.11  # 0.15 as table 1 prints it; the text has 0.16
    assert step.action == "refit"
    assert step.theta_E == pytest.approx((theta - 0.5, theta + 0.5), **EXACT)


def test_the_relation_is_the_one_that_was_given():
    other = PAPER.model_copy(update={"under_line": Line(slope=0.5, intercept=0.0)})
    low, high = after((0.5, "under"), relation=other).theta_E
    assert (low + high) / 2 == pytest.approx(1.0, **EXACT)
    assert low + high != pytest.approx(sum(after((0.5, "under")).theta_E), rel=1e-6)


def test_a_prior_never_reaches_down_to_nothing():
    low, high = after((0.1, "correct")).theta_E
    assert 0 < low < high
    low, high = after((0.2, "over")).theta_E
    assert 0 < low < high


# --- the history ----------------------------------------------------------------------------------
@pytest.mark.parametrize("verdict", ["under", "over"])
def test_the_same_wrong_verdict_twice_goes_to_a_person(verdict):
    step = after((0.9, verdict), (1.1, verdict))
    assert step.action == "person"
    assert step.theta_E is None
    assert step.ends


@pytest.mark.parametrize(
    "attempts",
    [((0.5, "under"), (2.1, "over")), ((2.1, "over"), (0.5, "under"))],
    ids=["under then over", "over then under"],
)
def test_an_overshoot_is_searched_between_the_two_radii(attempts):
    step = after(*attempts)
    low, high = step.theta_E
    assert step.action == "refit"
    assert 0.5 < low < high < 2.1  # neither of the solutions that were found lies inside
    assert low + high == pytest.approx(2.6, **EXACT)


@pytest.mark.parametrize("wrong", ["under", "over"])
def test_correct_after_a_wrong_one_is_fitted_again(wrong):
    step = after((0.6, wrong), (1.0, "correct"))
    assert step.action == "refine"
    assert step.theta_E == pytest.approx((0.75, 1.25), **EXACT)


def test_correct_twice_is_done():
    step = after((1.0, "correct"), (1.01, "correct"))
    assert step.action == "done"
    assert step.ends


@pytest.mark.parametrize("verdict", ["under", "over"])
def test_wrong_after_correct_goes_to_a_person(verdict):
    assert after((1.0, "correct"), (1.1, verdict)).action == "person"


def test_older_rounds_keep_bracketing_the_truth():
    step = after((0.5, "under"), (2.0, "over"), (0.9, "under"), (1.6, "over"))
    low, high = step.theta_E
    assert 0.9 < low < high < 1.6
    # an older under-magnified radius counts although the last two say less
    step = after((0.8, "under"), (2.0, "over"), (0.6, "under"))
    assert step.theta_E[0] > 0.8


def test_verdicts_in_the_wrong_order_go_to_a_person():
    assert after((1.5, "under"), (1.2, "over")).action == "person"


def test_every_pair_of_verdicts_has_a_rule():
    assert set(RULES) == {(before, now) for before in (None, *SOLUTIONS) for now in SOLUTIONS}
    assert set(HALF_WIDTHS) == set(SOLUTIONS)


def test_impossible_histories_are_refused():
    with pytest.raises(ArgumentError, match="at least one fit"):
        next_step([], PAPER)
    for bad in ((1.0, "maybe"), (0.0, "under"), (np.nan, "over")):
        with pytest.raises(ArgumentError, match="under, correct, over"):
            Attempt(*bad)


# --- priors ---------------------------------------------------------------------------------------
FOUND = {"e1": 0.1, "e2": -0.2, "x": 0.01, "y": 0.02, "gamma1": 0.03, "gamma2": 0.0}


def test_a_refit_leaves_every_other_prior_alone():
    start = MassPrior().centred(0.1, 0.0, sigma=0.05)
    prior = next_prior(after((0.45, "under")), start=start, found=FOUND)
    assert prior.theta_E.prior == "uniform"
    for name in ("e1", "e2", "x", "y", "gamma1", "gamma2"):
        assert getattr(prior, name) == getattr(start, name)


def test_a_refinement_narrows_all_that_is_fitted():
    prior = next_prior(after((1.0, "correct")), start=MassPrior(), found=FOUND)
    assert prior.free == MassPrior().free  # the shear stays fixed
    for name in ("e1", "e2", "x", "y"):
        found = getattr(prior, name)
        assert (found.low + found.high) / 2 == pytest.approx(FOUND[name], abs=1e-12)
        assert found.high - found.low == pytest.approx(2 * NARROW[name], **EXACT)
    assert set(NARROW) | {"theta_E"} == set(MassPrior().sheared().power_law().free)


@pytest.mark.parametrize(
    ("error", "half"), [(0.01, 0.15), (0.06, 0.24), (1.0, 0.45), (np.nan, 0.45)]
)
def test_a_refinement_is_wide_enough_for_the_errors_of_the_fit_before(error, half):
    step = after((1.0, "correct"))
    prior = next_prior(step, start=MassPrior(), found=FOUND, errors={"e1": error})
    assert prior.e1.high - prior.e1.low == pytest.approx(2 * half, **EXACT)
    assert prior.e2.high - prior.e2.low == pytest.approx(2 * NARROW["e2"], **EXACT)


def test_no_prior_follows_an_end():
    step = after((1.0, "correct"), (1.0, "correct"))
    with pytest.raises(ArgumentError, match="ends"):
        next_prior(step, start=MassPrior(), found=FOUND)
