"""Whoever calls a reconstruction answers three probabilities, or an error says what to do."""

import keras
import numpy as np
import pytest

from lensfinder import zoo
from lensfinder.audit import Opinion, classifier_of
from lensfinder.audit.classifiers import GROUPS, SIZE
from lensfinder.errors import ArgumentError, PresetError
from lensfinder.inversion.frame import reconstruction_contract
from tests import tiny
from tests.audit.lenses import inverted


def shown(classifier):
    """What it is shown of a lens."""
    return classifier.images(inverted(1.0))


def test_any_function_will_do():
    def mine(images):
        assert set(images) == set(GROUPS)
        assert images["source"].shape == (1, SIZE, SIZE, 1)
        return np.array([[0.2, 0.6, 0.2]]) * 0.5  # sigmoids do not sum to 1

    classifier = classifier_of(mine)
    assert classifier.name == "mine"
    assert classifier(shown(classifier), None) == pytest.approx([0.2, 0.6, 0.2])
    assert classifier_of(classifier) is classifier


@pytest.mark.parametrize(
    "answer", [[0.1, 0.9], [[0.1, 0.9]], [[0.5, np.nan, 0.5]], [[-1.0, 1.0, 1.0]], [[2.0, 0, 0]]]
)
def test_other_answers_are_refused(answer):
    classifier = classifier_of(lambda images: answer)
    with pytest.raises(ArgumentError, match="three probabilities"):
        classifier(shown(classifier), None)


def test_parity_needs_an_opinion():
    classifier = classifier_of("parity")
    assert classifier({}, Opinion("over", 0.99)).tolist() == [0.0, 0.0, 1.0]
    with pytest.raises(ArgumentError, match="image and the mass"):
        classifier({}, None)


def test_a_missing_preset_says_what_to_train():
    with pytest.raises(PresetError, match="lensfinder train forked-euclid-vis"):
        classifier_of("forked/no-such-survey")


def test_a_preset_for_another_task_is_refused(tmp_path):
    with pytest.raises(PresetError, match="Expected an auditor"):
        classifier_of(tiny.save(tmp_path / "finder", stamp=57))


def save_forked(folder, *, seed=0, card="For tests."):
    """A small auditor with fresh weights."""
    keras.utils.set_random_seed(seed)
    contract = reconstruction_contract("euclid-vis", 32)
    arguments = {"filters": (4, 4, 4), "dense_units": 4}
    network = zoo.build("forked_classifier", contract, "auditor", **arguments)
    zoo.save_preset(
        folder,
        network,
        builder="forked_classifier",
        arguments=arguments,
        task="auditor",
        targets=None,
        contract=contract,
        metrics={},
        card=card,
    )
    return network


def test_a_trained_preset_answers(tmp_path):
    network = save_forked(tmp_path / "forked")
    classifier = classifier_of(tmp_path / "forked")
    images = shown(classifier)
    assert images["source"].shape == (32, 32, 1)
    answer = classifier(images, None)
    raw = network.predict({name: image[None] for name, image in images.items()}, verbose=0)[0]
    np.testing.assert_allclose(answer, raw / raw.sum(), rtol=2e-3)  # weights are kept in float16
    assert answer.sum() == pytest.approx(1.0)


def test_another_training_is_another_classifier(tmp_path):
    for folder, words in (("a", {}), ("b", {"seed": 1}), ("c", {"card": "Told better."})):
        save_forked(tmp_path / folder / "forked", **words)
    a, b, c = (classifier_of(tmp_path / folder / "forked").fingerprint for folder in "abc")
    assert len(a) == 64
    assert a != b
    assert a == c, "what is told about it decides nothing"
    assert classifier_of("parity").fingerprint == ""
