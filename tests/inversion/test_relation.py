import numpy as np
import pytest
from numpy.testing import assert_allclose

from lensfinder.errors import FitError, SpecError, UnknownNameError
from lensfinder.inversion import Line, Relation, load_relation, relation_names
from lensfinder.inversion.relation import DEFAULT, SOLUTIONS, fit_line

RADII = np.array([0.4, 1.16, 2.3])


def test_the_papers_relation_is_as_printed():
    found = load_relation("maresca2021")
    assert_allclose(found.under(RADII), 0.46 * RADII - 0.08)
    assert_allclose(found.over(RADII), 2.11 * RADII + 0.16)
    # table 1: the way back from the over-magnified solution has 0.15, not 0.16
    assert_allclose(found.correct_from_over(2.5), (2.5 - 0.15) / 2.11)
    assert_allclose(found.correct_from_under(found.under(RADII)), RADII)


def test_ours_is_the_default_and_goes_there_and_back():
    found = load_relation()
    assert found.name == DEFAULT == "lensfinder"
    assert_allclose(found.correct_from_under(found.under(RADII)), RADII)
    assert_allclose(found.correct_from_over(found.over(RADII)), RADII)
    assert (found.under(RADII) < RADII).all()
    assert (found.over(RADII) > RADII).all()
    assert found.provenance["lenses"] >= 100
    for line in (found.under_line, found.over_line):
        assert line.count >= 50
        assert 0 < line.slope_std < 0.2 * line.slope


def test_names_and_unknown_ones():
    assert relation_names() == ["lensfinder", "maresca2021"]
    assert load_relation(load_relation("maresca2021")).name == "maresca2021"
    for name in ("figure4", "../surveys/euclid-vis", ""):
        with pytest.raises(UnknownNameError, match="Known: lensfinder, maresca2021"):
            load_relation(name)
    assert SOLUTIONS == ("under", "correct", "over")  # labels of every preset: never changes


def test_a_relation_of_your_own_and_a_bad_one():
    lines = {"under": {"slope": 0.5, "intercept": 0.0}, "over": {"slope": 2.0, "intercept": 0.1}}
    head = dict(name="mine", description="", source="me", unit="arcsec")
    mine = Relation.model_validate(head | lines)
    assert_allclose(mine.correct_from_over(mine.over(RADII)), RADII)
    assert load_relation(mine) is mine
    with pytest.raises(ValueError, match="slope"):
        Relation.model_validate(head | lines | {"under": {"slope": -1, "intercept": 0}})
    assert issubclass(SpecError, ValueError)  # what a bad file raises


def test_a_line_is_found_among_fits_that_went_elsewhere():
    rng = np.random.default_rng(3)
    true = rng.normal(1.16, 0.42, 150).clip(0.3, 2.5)
    theta = 0.46 * true - 0.08 + rng.normal(0, 0.02, true.size)
    lost = rng.random(true.size) < 0.2
    theta[lost] = rng.uniform(0.1, 0.9, lost.sum()) * true[lost]
    theta[:5] = np.nan
    found = fit_line(true, theta, rng=rng)
    assert found.count == 145
    assert abs(found.slope - 0.46) < 5 * found.slope_std < 0.1
    assert abs(found.intercept + 0.08) < 5 * found.intercept_std
    assert abs(found.slope - 0.6) > 5 * found.slope_std  # the test can see 30 %
    assert 0.01 < found.scatter < 0.05


def test_too_few_fits_or_a_falling_line():
    rng = np.random.default_rng(1)
    with pytest.raises(FitError, match="10 fits"):
        fit_line(np.ones(9), np.ones(9), rng=rng)
    with pytest.raises(FitError, match="fall with"):
        fit_line(np.linspace(1, 2, 20), -np.linspace(1, 2, 20), rng=rng)
    assert_allclose(Line(slope=2, intercept=1).inverse(5.0), 2.0)
