"""What is known about mocks, and how the page counts them."""

import numpy as np
import pytest

from lensfinder.data import Cutout, read_cutouts, write_cutouts
from lensfinder.report.truth import Tally, Truth, truth_cards, truth_of, with_parameters
from lensfinder.specs import load_survey


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("mock-lens", 1),
        ("mock lens, simulated", 1),
        ("mock-nonlens", 0),
        ("mock non-lens", 0),
        ("mock, simulated by somebody", None),
        ("MOCK", None),
    ],
)
def test_a_mock_says_that_it_is_one(kind, label):
    assert truth_of(Cutout("a", meta={"kind": kind})).label == label


@pytest.mark.parametrize("meta", [{}, {"kind": "real galaxy"}, {"kind": "mockingbird"}])
def test_nothing_else_is_a_mock(meta):
    assert truth_of(Cutout("mock-lens-7", meta=meta)) is None


def test_parameters_travel_in_the_header(tmp_path):
    survey = load_survey("euclid-vis")
    group = survey.groups[0]
    image = np.random.default_rng(0).normal(size=(1, *group.shape)).astype(np.float32)
    row = {"theta_E": 1.25, "q": 0.7, "phi": np.nan}
    header = {"KIND": "mock-lens", **truth_cards(row, tuple(row))}
    write_cutouts(tmp_path, ["a"], {group.name: image}, survey, header=header)
    (cutout,) = read_cutouts(tmp_path)
    truth = with_parameters(truth_of(cutout), cutout)
    assert truth == Truth(1, {"theta_E": 1.25, "q": 0.7})


def test_a_mock_without_parameters_is_still_a_mock():
    cutout = Cutout("a", meta={"kind": "mock-lens"})
    assert with_parameters(truth_of(cutout), cutout) == Truth(1, {})


def test_tally():
    tally = Tally(0.5)
    for truth, score in [
        (Truth(1), 0.9),
        (Truth(1), 0.1),
        (Truth(1), np.nan),
        (Truth(0), 0.6),
        (None, 0.7),
        (None, 0.2),
    ]:
        tally.add(truth, score)
    assert tally.summary() == {
        "mocks": 4,
        "lenses": 3,
        "lenses_found": 1,
        "nonlenses": 1,
        "nonlenses_found": 1,
        "real": 2,
        "real_found": 1,
    }
    assert Tally(0.5).summary() is None
    without_scores = Tally(None)
    without_scores.add(Truth(1), None)
    assert without_scores.summary()["lenses"] is None
