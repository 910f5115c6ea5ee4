"""The detection limit: what is compared with what, and a turn that must be seen."""

import numpy as np
import pytest

from lensfinder.errors import MetricError, UnknownNameError
from lensfinder.training import metrics
from lensfinder.training.detection import detection_limit, other_criteria


def objects(rng, n=6000, turn=50):
    """A finder that sees lenses of more than `turn` pixels and guesses below."""
    n_pix = np.where(rng.random(n) < 0.7, rng.integers(0, 160, n), 0)
    lens = n_pix > 0
    score = rng.random(n) + np.where(lens & (n_pix >= turn), 1.0, 0.0)
    return n_pix, lens, (lens & (n_pix > 20)).astype(int), score


def test_the_turn_is_where_the_finder_has_it(rng):
    lines = detection_limit(*objects(rng), rng=rng)
    assert [line["low"] for line in lines] == list(range(10, 160, 10))
    for line in lines:
        error = line["roc_auc_std"]
        if line["low"] < 50:
            assert 0 < error < 0.05
            assert abs(line["roc_auc"] - 0.5) < 4 * error
        elif line["low"] == 50:
            assert line["roc_auc"] == 1.0  # all lenses of the range seen, nothing below it is
        assert line["precision_recall_auc"] <= 1
        assert line["f_beta"] <= 1
    assert lines[4]["roc_auc"] - lines[3]["roc_auc"] > 0.4
    shuffled = detection_limit(*objects(rng)[:3], rng.random(6000), rng=rng)
    assert max(abs(line["roc_auc"] - 0.5) for line in shuffled) < 0.15, (
        "no turn where there is none"
    )


def test_the_paper_compares_with_objects_below_the_range(rng):
    n_pix, lens, label, score = objects(rng)
    (line,) = detection_limit(n_pix, lens, label, score, rng=rng, edges=(100, 110), draws=20)
    assert line["lenses"] == (lens & (n_pix >= 100) & (n_pix < 110)).sum()
    assert line["others"] == (n_pix < 100).sum()
    # those below hold lenses that are seen as well as these: half of 100 in 0 to 100 pixels
    assert 0.5 < line["roc_auc"] < 0.95
    (other,) = detection_limit(
        n_pix, lens, label, score, rng=rng, edges=(100, 110), draws=20, against="non_lenses"
    )
    assert other["others"] == (label == 0).sum()
    assert other["roc_auc"] == 1.0


def test_equal_numbers_without_a_choice_are_the_plain_figures(rng):
    n_pix = np.repeat([15, 5], 50)
    score = rng.random(100) + (n_pix > 10)
    lens = n_pix > 10
    label = lens.astype(int)
    (line,) = detection_limit(n_pix, lens, label, score, rng=rng, edges=(10, 20), draws=10)
    assert line["roc_auc"] == metrics.roc_auc(label, score)
    assert line["f_beta"] == metrics.best_f_beta(label, score)[0]


def test_too_few_of_either_give_no_figure(rng):
    n_pix = np.array([15] * 9 + [5] * 50)
    (line,) = detection_limit(
        n_pix, n_pix > 10, n_pix > 10, rng.random(59), rng=rng, edges=(10, 20)
    )
    assert line["lenses"] == 9
    assert all(np.isnan(line[name]) for name in ("roc_auc", "roc_auc_std", "f_beta"))


def test_it_is_seeded(rng):
    given = objects(rng, 800)
    one, two, other = (
        detection_limit(*given, rng=np.random.default_rng(seed), draws=5, edges=(30, 60))
        for seed in (1, 1, 2)
    )
    assert one == two != other


def test_the_other_criteria_are_the_paper_s():
    truth = {
        "class": np.array(["lens", "lens", "lens", "unlensed_source", "lens"]),
        "n_groups": [1, 0, 2, 1, 1],
        "magnification": [3.0, 3.0, 1.2, 3.0, 1.2],
    }
    found = other_criteria(truth, [1, 0, 0, 0, 1])
    assert found.tolist() == [True, False, False, False, True]


def test_wrong_input_is_refused(rng):
    n_pix, lens, label, score = objects(rng, 100)
    with pytest.raises(UnknownNameError, match="below, non_lenses"):
        detection_limit(n_pix, lens, label, score, rng=rng, against="all")
    with pytest.raises(MetricError, match="one length"):
        detection_limit(n_pix[:5], lens, label, score, rng=rng)
    with pytest.raises(MetricError, match="finite"):
        detection_limit(n_pix, lens, label, score * np.nan, rng=rng)
    with pytest.raises(MetricError, match="rise"):
        detection_limit(n_pix, lens, label, score, rng=rng, edges=(30, 10))
