import numpy as np
import pytest
from numpy.testing import assert_allclose

from lensfinder.errors import MetricError
from lensfinder.training.solution_scores import (
    confusion,
    solution_figures,
    solution_words,
    validation_of_solutions,
)

LABEL = np.array([0, 0, 0, 0, 1, 1, 2, 2])
ANSWER = np.array([0, 0, 0, 1, 1, 1, 2, 0])


def test_precision_and_recall_by_hand():
    found = solution_figures(LABEL, np.eye(3)[ANSWER])
    assert found["confusion"] == [[3, 1, 0], [0, 2, 0], [1, 0, 1]]
    assert_allclose([found[k]["recall"] for k in ("under", "correct", "over")], [0.75, 1, 0.5])
    assert_allclose([found[k]["precision"] for k in ("under", "correct", "over")], [0.75, 2 / 3, 1])
    assert_allclose(found["under"]["recall_std"], np.sqrt(0.75 * 0.25 / 4))
    assert_allclose(found["accuracy"], 6 / 8)
    assert "75.00 % right" in solution_words(found, "pairs")


def test_rates_agree_with_an_independent_code():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    label, answer = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    found = solution_figures(label, np.eye(3)[answer])
    precision, recall, _, _ = metrics.precision_recall_fscore_support(label, answer)
    names = ("under", "correct", "over")
    assert_allclose([found[name]["precision"] for name in names], precision)
    assert_allclose([found[name]["recall"] for name in names], recall)


def test_pairs_of_a_lens_are_resampled_together():
    """All three answers of a lens are right, or all are wrong: there are 100 objects, not 300."""
    rng = np.random.default_rng(2)
    lens = np.repeat(np.arange(100), 3)
    label = np.tile([0, 1, 2], 100)
    wrong = np.repeat(rng.random(100) < 0.2, 3)
    probability = np.eye(3)[(label + wrong) % 3]
    both = [
        solution_figures(label, probability, lens=group, rng=np.random.default_rng(3))
        for group in (lens, None)
    ]
    share = both[0]["accuracy"]
    expected = np.sqrt(share * (1 - share) / 100)
    assert_allclose(both[0]["accuracy_std"], expected, rtol=0.25)  # of 200 draws: 5 %
    assert_allclose(both[1]["accuracy_std"], expected / np.sqrt(3), rtol=0.25)
    assert "±" in solution_words(both[0], "pairs")
    assert both[0]["labels"] == ["under", "correct", "over"]


def test_probabilities_that_are_too_sure_are_seen():
    rng = np.random.default_rng(4)
    true = rng.dirichlet((1, 1, 1), 3000)
    label = (rng.random((3000, 1)) > np.cumsum(true, axis=1)).sum(axis=1)
    good = solution_figures(label, true, rng=np.random.default_rng(5))["calibration"]
    assert all(found["calibrated"] for found in good.values())
    sure = true**4 / (true**4).sum(axis=1, keepdims=True)
    bad = solution_figures(label, sure, rng=np.random.default_rng(5))["calibration"]
    assert not any(found["calibrated"] for found in bad.values())
    assert all(len(found["reliability"]) == 15 for found in bad.values())


def test_a_class_that_never_comes_has_no_rate():
    found = solution_figures(np.array([0, 1]), np.eye(3)[[0, 1]])
    assert found["over"] == dict(precision=None, precision_std=None, recall=None, recall_std=None)
    assert "| over | - | - |" in solution_words(found, "pairs")
    found = solution_figures(np.array([0, 1]), np.eye(3)[[0, 1]], rng=np.random.default_rng(1))
    assert found["calibration"]["over"] is None
    figures = validation_of_solutions(np.eye(3)[[0, 1]], np.eye(3)[[0, 0]])
    assert figures == {"val_accuracy": 0.5, "val_recall_under": 1.0, "val_recall_correct": 0.0}


def test_what_cannot_be_compared():
    with pytest.raises(MetricError, match="one length"):
        confusion(LABEL, ANSWER[:3])
    with pytest.raises(MetricError, match="0 to 2"):
        confusion(LABEL, ANSWER + 1)
    with pytest.raises(MetricError, match="must be finite"):
        solution_figures(LABEL, np.full((8, 3), np.nan))


@pytest.mark.parametrize("training", [True, False])
def test_the_loss_divides_by_the_sum_in_training_and_in_validation(training):
    import keras

    from lensfinder.training.losses import SolutionCrossentropy

    logits = np.array([[2.0, -1.0, 0.5], [-3.0, 0.2, 1.0]], np.float32)
    truth = np.eye(3, dtype=np.float32)[[0, 2]]
    sigmoid = 1 / (1 + np.exp(-logits))
    expected = -np.log((sigmoid * truth).sum(axis=1) / sigmoid.sum(axis=1)).mean()
    inputs = keras.Input((3,))
    last = keras.layers.Dense(3, activation="sigmoid", kernel_initializer="identity")
    model = keras.Model(inputs, last(inputs))
    model.compile(loss=SolutionCrossentropy(), optimizer="sgd", jit_compile=False)
    found = model.train_on_batch(logits, truth) if training else model.test_on_batch(logits, truth)
    assert_allclose(found, expected, rtol=1e-5)  # float32
    soft = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert abs(-np.log((soft * truth).sum(axis=1)).mean() - expected) > 0.05  # the other reading
