"""A training that begins with a preset's weights: which ones, resume, and what does not fit."""

import keras
import numpy as np
import pytest
from tiny_training import Objects, recipe

from lensfinder.errors import ArchitectureError, CheckpointError, UnknownNameError
from lensfinder.training.card import _training
from lensfinder.training.loop import train
from lensfinder.training.network import build_network
from lensfinder.training.starting import begin_from, copy_weights
from lensfinder.zoo import save_preset
from lensfinder.zoo.inputs import HEAD
from lensfinder.zoo.weights import array_of, weight_table


def preset(folder, given, *, seed=77):
    """A preset of a recipe's network, with weights of its own."""
    model = build_network(given.model_copy(update={"seed": seed}))
    return save_preset(
        folder,
        model,
        builder=given.network.name,
        arguments={**given.network.arguments, **ranges(given)},
        task=given.task,
        targets=None if given.task == "finder" else given.truth_columns,
        contract=given.contract(),
        metrics={},
        card="for tests",
    )


def ranges(given):
    return {"ranges": {t.name: (t.low, t.high) for t in given.targets}} if given.targets else {}


def values(model):
    return {name: array_of(variable) for name, variable in weight_table(model).items()}


@pytest.mark.parametrize("task", ["finder", "modeller"])
def test_the_weights_are_those_of_the_preset(tmp_path, task):
    plain = recipe(tmp_path, task=task)
    base = preset(tmp_path / "base", plain)
    given = recipe(tmp_path, task=task, start=str(base.folder))
    model = build_network(given)
    before, wanted = values(model), values(base.load(calibrated=False))
    assert any(not np.array_equal(before[name], wanted[name]) for name in wanted)
    assert base.fingerprint in begin_from(model, given)
    found = values(model)
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name])
    assert begin_from(model, plain) is None  # nothing is asked for, and nothing is changed


def test_a_training_begins_there_and_resumes_where_it_was(tmp_path):
    plain = recipe(tmp_path, task="finder")
    base = preset(tmp_path / "base", plain)
    # no step moves a weight far: what comes out is what went in
    still = {"schedule": {"kind": "constant", "learning_rate": 1e-9}}
    given = recipe(tmp_path, task="finder", start=str(base.folder), **still)
    held = Objects(seed=2, label=True).batch(range(16))
    data = {"source": Objects(label=True), "validation": held}
    whole = train(given, tmp_path / "run", **data)
    old, new = values(base.load(calibrated=False)), values(whole.model)
    kernels = [name for name in old if name.endswith("kernel")]
    assert kernels
    for name in kernels:
        np.testing.assert_allclose(new[name], old[name], atol=1e-5)
    assert base.fingerprint in (tmp_path / "run" / "log.txt").read_text()
    part = train(given, tmp_path / "two", **data, minutes=1e-6)
    assert not part.finished
    rest = train(given, tmp_path / "two", **data)
    for one, other in zip(whole.model.get_weights(), rest.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    # another preset in that place is another training
    preset(tmp_path / "other", plain, seed=78)
    moved = recipe(tmp_path, task="finder", start=str(tmp_path / "other"), **still)
    with pytest.raises(CheckpointError):
        train(moved, tmp_path / "run", **data)


def test_what_does_not_fit_is_refused_before_training(tmp_path):
    base = preset(tmp_path / "base", recipe(tmp_path, task="finder"))
    start = {"start": str(base.folder)}
    modeller = recipe(tmp_path, **start)
    with pytest.raises(ArchitectureError, match="its network is compact_modeller"):
        begin_from(build_network(modeller), modeller)
    wider = {"name": "compact_finder", "arguments": {"widths": [4, 8], "units": 8}}
    finder = recipe(tmp_path, task="finder", network=wider, **start)
    model = build_network(finder)
    before = values(model)
    with pytest.raises(ArchitectureError, match="do not fit this input"):
        begin_from(model, finder)
    for name, value in values(model).items():
        np.testing.assert_array_equal(value, before[name])
    nobody = recipe(tmp_path, task="finder", start="no-such/preset")
    with pytest.raises(UnknownNameError, match="no-such"):
        begin_from(model, nobody)


def test_a_fresh_head_may_answer_something_else(tmp_path):
    """A modeller of values lends all but its last layers to one that answers with a posterior."""
    base = preset(tmp_path / "base", recipe(tmp_path))
    plain = recipe(tmp_path)
    arguments = {**plain.network.arguments, "components": 2}
    network = {"name": plain.network.name, "arguments": arguments}
    start = {"start": str(base.folder), "network": network}
    stiff = recipe(tmp_path, **start)
    with pytest.raises(ArchitectureError, match="do not fit this input"):
        begin_from(build_network(stiff), stiff)
    given = recipe(tmp_path, fresh_head=True, **start)
    model = build_network(given)
    before, wanted = values(model), values(base.load(calibrated=False))
    assert "but for the layers that answer" in begin_from(model, given)
    found = values(model)
    last = {name for name in found if name.split("/")[0] in HEAD}
    assert last
    assert set(found) - last == {n for n in wanted if n.split("/")[0] not in HEAD}
    for name, value in found.items():
        np.testing.assert_array_equal(value, before[name] if name in last else wanted[name])
    wider = {"name": plain.network.name, "arguments": {**arguments, "units": 9}}
    other = recipe(tmp_path, fresh_head=True, start=str(base.folder), network=wider)
    with pytest.raises(ArchitectureError, match="do not fit this input"):
        begin_from(build_network(other), other)
    # a network whose last layers are its own
    with pytest.raises(ArchitectureError, match="layers of its own"):
        copy_weights(base, keras.Model(model.inputs, model.layers[-3].output), fresh_head=True)
    with pytest.raises(ValueError, match="fresh_head goes with start"):
        recipe(tmp_path, fresh_head=True)


@pytest.mark.parametrize("name", ["compact", "six_layer_cnn"])
def test_the_head_is_all_that_a_task_adds(tmp_path, name):
    """The control of `HEAD`: without its layers, finder and modeller have the same weights."""
    names = []
    for kind in ("finder", "modeller"):
        builder = f"compact_{kind}" if name == "compact" else name
        arguments = {"widths": [4], "units": 8} if name == "compact" else {}
        given = recipe(tmp_path, task=kind, network={"name": builder, "arguments": arguments})
        names.append({n for n in values(build_network(given)) if n.split("/")[0] not in HEAD})
    assert names[0] == names[1]


def test_recipe_and_card_say_where_it_began(tmp_path):
    given = recipe(tmp_path, start="compact-modeller/euclid-vis")
    assert given.resolved()["recipe"]["start"] == "compact-modeller/euclid-vis"
    assert "start" not in recipe(tmp_path).resolved()["recipe"]
    facts = {"recipe": {"data": {}}, "finished": True, "parameters": 1, "objects": 2, "steps": 3}
    facts |= {"best_epoch": 1, "epochs": 1, "stored_as": "float16"}
    assert "began with the weights of `compact-modeller/euclid-vis`" in _training(given, facts)[0]
    fresh = given.model_copy(update={"fresh_head": True})
    assert "`compact-modeller/euclid-vis`, its last layers at random." in _training(fresh, facts)[0]
    assert "began" not in _training(recipe(tmp_path), facts)[0]
