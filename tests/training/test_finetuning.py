"""What is free and what is frozen when a network is trained on (RELIABILITY D5)."""

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from lensfinder import zoo
from lensfinder.errors import ArgumentError, TrainingDivergedError
from lensfinder.training.finetuning import FineTuner, Tuning, free_layers, recalibrate
from lensfinder.zoo.weights import array_of, weight_table
from tests import tiny

COUNT = 20


def network(**arguments):
    keras.utils.set_random_seed(3)
    small = {"widths": (4, 6), "units": 8, "augment": "quarter", **arguments}
    model = zoo.build("compact_finder", tiny.contract(), "finder", **small)
    zoo.adapt(model, [tiny.images(32)])
    return model


def objects(seed=1):
    images = tiny.images(COUNT, seed=seed)
    y = (np.arange(COUNT) % 2).astype(np.float32)[:, None]
    images["vis"] += 3 * y[:, None, None]  # something to learn
    return images, y


def values(model):
    return {name: array_of(variable) for name, variable in weight_table(model).items()}


def moved(before, after):
    return {name for name in before if not np.array_equal(before[name], after[name])}


@pytest.mark.parametrize(
    ("layers", "norm", "free"),
    [
        ("head", "frozen", {"dense/", "p_lens/"}),
        ("head", "trained", {"dense/", "p_lens/"}),
        (1, "frozen", {"p_lens/"}),
        (3, "frozen", {"_conv/", "dense/", "p_lens/"}),
        ("all", "frozen", {"_conv/", "dense/", "p_lens/"}),
        ("all", "trained", {"_conv/", "_norm/", "dense/", "p_lens/"}),
    ],
)
def test_frozen_is_bit_equal_and_free_moves(layers, norm, free):
    model = network()
    before = values(model)
    tuner = FineTuner(model, "finder", Tuning(layers=layers, batch_norm=norm, batch_size=5))
    images, y = objects()
    tuner.fit(images, y, epochs=2)
    changed = moved(before, values(model))
    assert changed
    assert all(any(part in name for part in free) for name in changed), changed
    assert all(any(part in name for name in changed) for part in free), changed
    assert {name.rsplit("/", 1)[0] for name in changed} == set(tuner.trained)
    if layers == 3:
        assert len([name for name in changed if "_conv" in name]) == 1


def test_a_second_training_starts_where_the_first_did():
    model = network()
    tuner = FineTuner(model, "finder", Tuning(batch_size=5))
    images, y = objects()
    held = (tiny.images(COUNT, seed=9), y)
    one = tuner.fit(images, y, epochs=3, validation=held, key=1)
    first = values(model)
    tuner.fit(images, 1 - y, epochs=3, key=2)
    assert moved(first, values(model))
    two = tuner.fit(images, y, epochs=3, validation=held, key=1)
    assert one.losses == two.losses
    assert not moved(first, values(model))


def test_images_are_turned_unless_it_is_refused_or_the_network_does_it():
    images, y = objects()

    def trained(augment, network_does=False):
        model = network(augment="quarter" if network_does else "none")
        tuner = FineTuner(model, "finder", Tuning(batch_size=5, augment=augment))
        assert (tuner.views is not None) == (augment and not network_does)
        tuner.fit(images, y, epochs=1, key=1)
        first = values(model)
        tuner.fit(images, y, epochs=1, key=1)
        assert not moved(first, values(model)), "the same views again"
        return first

    assert moved(trained(True), trained(False))
    assert not moved(trained(True, True), trained(False, True)), "as it was before"


def test_a_modeller_whose_target_cannot_be_turned_sees_images_as_they_are():
    keras.utils.set_random_seed(3)
    model = zoo.build("compact_modeller", tiny.contract(), "modeller", widths=(4,), units=4)
    for targets, turned in ((("theta_E", "e1", "e2"), True), (("theta_E", "phi", "q"), False)):
        tuner = FineTuner(model, "modeller", Tuning(), targets=targets)
        assert (tuner.views is not None) is turned
    assert FineTuner(model, "modeller", Tuning()).views is None


def test_other_weights_can_be_started_from():
    model = network()
    first = [array_of(v) for v in model.weights]
    tuner = FineTuner(model, "finder", Tuning(batch_size=5))
    images, y = objects()
    tuner.fit(images, y, epochs=1)
    one = values(model)
    tuner.start_from([0.5 * w for w in first])
    tuner.fit(images, y, epochs=1)
    assert moved(one, values(model))
    tuner.start_from(first)
    tuner.fit(images, y, epochs=1)
    assert not moved(one, values(model))


def test_the_epoch_of_lowest_loss_is_kept_and_zero_is_one():
    model = network()
    start = values(model)
    tuner = FineTuner(model, "finder", Tuning(batch_size=5, learning_rate=0.03, patience=2))
    images, y = objects()
    wrong = tuner.fit(images, y, epochs=20, validation=(images, 1 - y))  # only gets worse
    assert wrong.best == int(np.argmin(wrong.losses))
    if wrong.best == 0:
        assert not moved(start, values(model))
    assert len(wrong.losses) <= wrong.best + 1 + 2 < 21  # patience
    right = tuner.fit(images, y, epochs=20, validation=(images, y))
    assert right.best > 0
    np.testing.assert_array_equal(tuner.predict(images), right.outputs[right.best])


def test_without_validation_all_epochs_are_made():
    model = network()
    tuner = FineTuner(model, "finder", Tuning(batch_size=8))
    images, y = objects()
    assert tuner.fit(images, y, epochs=2).best == 2
    # 20 objects in batches of 8: the third is filled up
    assert int(keras.ops.convert_to_numpy(keras.ops.copy(model.optimizer.iterations.value))) == 6


def test_recalibration_sets_the_statistics_to_those_of_the_images_and_nothing_else():
    model = network(augment="none")
    before = values(model)
    images, _ = objects()
    assert recalibrate(model, images, batch_size=COUNT, passes=1) == 6
    changed = moved(before, values(model))
    assert {name.rsplit("/", 1)[1] for name in changed} == {"moving_mean", "moving_variance"}
    norm = model.get_layer("vis_stem_norm")
    seen = keras.Model(model.inputs[0], norm.input)(images["vis"])
    want = keras.ops.convert_to_numpy(seen).mean(axis=(0, 1, 2))
    # one batch of everything: the running mean is its mean, to float32
    np.testing.assert_allclose(array_of(norm.moving_mean), want, rtol=1e-4, atol=1e-5)
    assert norm.momentum == 0.95


def test_a_modeller_is_trained_on_its_own_scale():
    keras.utils.set_random_seed(3)
    model = zoo.build("compact_modeller", tiny.contract(), "modeller", widths=(4,), units=4)
    zoo.adapt(model, [tiny.images(32)])
    y = np.full((COUNT, 3), [1.0, 0.1, -0.1], np.float32)
    tuner = FineTuner(model, "modeller", Tuning(batch_size=5, learning_rate=0.01))
    fit = tuner.fit(tiny.images(COUNT), y, epochs=4, validation=(tiny.images(COUNT, seed=5), y))
    assert fit.losses[fit.best] < fit.losses[0]


def test_what_cannot_be_is_refused():
    model = zoo.build("compact_finder", tiny.contract(), "finder", widths=(4,), units=4)
    images, y = objects()
    y[3] = np.nan
    tuner = FineTuner(model, "finder", Tuning())
    with pytest.raises(TrainingDivergedError, match="learning rate"):
        tuner.fit(images, y, epochs=1)
    for wrong in ({"layers": 0}, {"layers": "tail"}, {"learning_rate": 0}, {"batch_norm": "x"}):
        with pytest.raises(ValidationError):
            Tuning(**wrong)
    bare = keras.Sequential([keras.Input((4,)), keras.layers.ReLU()])
    with pytest.raises(ArgumentError, match="layers='all'"):
        free_layers(bare, Tuning(layers="head"))


def test_few_objects_get_more_epochs():
    assert Tuning().epochs_for(40) == 60
    assert Tuning().epochs_for(1000) == 15
    assert Tuning(epochs=3).epochs_for(40) == 3
