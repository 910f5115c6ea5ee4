"""The words of a model card about a finder: what was not measured is not printed as a number."""

import numpy as np
import pytest

from lensfinder.training.calibration_card import doubt_words
from lensfinder.training.card import calibration_words, measured, retold
from lensfinder.training.scores import finder_figures

DATA = {"n": 3000, "population": "bom2022", "survey": "euclid-vis", "seed": 1, "start": 0}
FIGURES = {"error": 0.01, "error_null_99": 0.02, "log_loss": 0.3}


@pytest.mark.parametrize("false_positives", [0, 20])
def test_a_purity_is_printed_only_where_a_false_positive_was_seen(rng, false_positives):
    label = np.repeat([1, 0], [1000, 2000])
    score = np.where(label == 1, 0.9, 0.1)
    score[1000 : 1000 + false_positives] = 0.95
    figures = finder_figures(label, score, rng=rng, draws=5)
    text = "\n\n".join(measured({"data": DATA, "finder": figures}))
    (line,) = [
        line for line in text.splitlines() if "Purity" in line and "prevalence 0.001 " in line
    ]
    if false_positives:
        # a completeness of 1, and 1 % of 999 non-lenses for each lens
        assert "| 0.091 (" in line
    else:
        assert "| not measurable without a false positive (0.4" in line
        assert "1.000" not in line


def test_scores_that_were_left_alone_are_said_to_be():
    facts = {"kind": "temperature", "objects": 500, "prevalence": 0.5}
    facts |= {"before": FIGURES, "after": FIGURES}
    fitted = calibration_words(facts)
    left = calibration_words({**facts, "unchanged": True})
    assert "is calibrated (temperature) on 500 validation mocks, 0.500 of them lenses" in fitted
    assert "0.0100 before, 0.0100 after (by chance alone below 0.0200)" in fitted
    assert "is left as the network gives it" in left
    assert "on 500 validation mocks, 0.500 of them lenses" in left
    assert "calibrated (" not in left
    assert "find --prevalence" in left


def test_a_card_says_which_images_a_modeller_marks_and_one_by_hand_stays(rng):
    marked = {"look_alike": {"objects": 400, "fraction": 0.68}}
    marked["lens: finder-train"] = {"objects": 1000, "fraction": 0.051}
    doubt = {"lenses": 4000, "others": 3000, "population": "finder-train", "marked": marked}
    label = np.repeat([1, 0], [100, 200])
    figures = {"data": DATA, "finder": finder_figures(label, label * 0.8 + 0.1, rng=rng, draws=5)}
    text = "\n\n".join(measured(figures | {"doubt": doubt}))
    lens, other = (text.index(words) for words in ("| 1,000 | 0.051 |", "| look alike | 400 |"))
    assert lens < other
    old = {key: value for key, value in doubt.items() if key != "marked"}
    assert doubt_words(old) == "" == doubt_words({})
    card = retold("# a\n\n## Measured\n\nnothing\n\n## Limits\n\nnone\n", figures)
    assert card.startswith("# a\n\n## Measured\n\nOn 3,000 mocks")
    assert card.endswith("## Limits\n\nnone\n")
    assert "nothing" not in card
    assert retold("By hand.", figures) == "By hand."
