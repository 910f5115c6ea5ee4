"""Whoever calls a reconstruction answers three probabilities, or an error says what to do."""

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


def test_a_trained_preset_answers(tmp_path):
    contract = reconstruction_contract("euclid-vis", 32)
    arguments = {"filters": (4, 4, 4), "dense_units": 4}
    network = zoo.build("forked_classifier", contract, "auditor", **arguments)
    zoo.save_preset(
        tmp_path / "forked",
        network,
        builder="forked_classifier",
        arguments=arguments,
        task="auditor",
        targets=None,
        contract=contract,
        metrics={},
        card="For tests.",
    )
    classifier = classifier_of(tmp_path / "forked")
    images = shown(classifier)
    assert images["source"].shape == (32, 32, 1)
    answer = classifier(images, None)
    raw = network.predict({name: image[None] for name, image in images.items()}, verbose=0)[0]
    np.testing.assert_allclose(answer, raw / raw.sum(), rtol=2e-3)  # weights are kept in float16
    assert answer.sum() == pytest.approx(1.0)
