"""Contract checks for those who add a network: each takes what is to be checked, and raises.

Used by the tests of lensfinder itself on every entry of the zoo, and fit for networks of your own.
"""

import tempfile
from pathlib import Path

import keras
import numpy as np

from lensfinder.errors import InputContractError
from lensfinder.zoo import predict, presets, registry, saving, set_training_objects, weights

EXTREMES = (0.0, 1e6, -1e6, 1e-12)  # constant images, beyond what a survey records in e-/s


class ContractViolation(AssertionError):
    """A network does not keep the contract of the zoo."""


def check_network(name: str, contract, task: str, *, targets=None, arguments=None, rows: int = 3):
    """Check that an architecture keeps the contract of the zoo.

    One input per group, named after it; float32 output of the right shape; the same start from the
    same seed; finite outputs on extreme images; rebuilt from its configuration and from a saved
    preset it gives the same outputs, bit by bit; one training step leaves finite weights; a missing
    group and a wrong shape are typed errors.

    Parameters
    ----------
    name : str
        An architecture of `lensfinder.zoo.names()`.
    contract : InputContract
        What it is fed.
    task : {"finder", "modeller", "cleaner", "auditor"}
        What it is built for.
    targets : sequence of str or None
        What a modeller or a cleaner predicts.
    arguments : dict or None
        Arguments of the architecture.
    rows : int
        Objects in a batch.

    Returns
    -------
    keras.Model
        The checked model, after one training step.

    Raises
    ------
    ContractViolation
        Saying what does not hold.
    """
    arguments = dict(arguments or {})

    def make():
        keras.utils.set_random_seed(17)
        return registry.build(name, contract, task, targets=targets, **arguments)

    model = make()
    images = random_images(contract, rows, seed=1)
    outputs = registry.output_shape(contract, task, targets)
    check_interface(model, contract, outputs, images)
    _check_seeds(model, make())
    _check_extremes(model, contract, images, task)
    _check_config(model, images)
    _check_step(model, images, outputs)
    _check_preset(model, images, name, arguments, task, targets, contract)
    _check_bad_input(model, images)
    return model


def random_images(contract, rows: int, seed: int) -> dict[str, np.ndarray]:
    """Noise with a bright centre, one array per group.

    Parameters
    ----------
    contract : InputContract
        Groups and shapes.
    rows : int
        Number of objects.
    seed : int
        Seed of the noise.

    Returns
    -------
    dict of str to array (rows, stamp, stamp, bands), float32
        Images.
    """
    rng = np.random.default_rng(seed)
    images = {}
    for group, shape in contract.shapes.items():
        offset = np.arange(shape[0]) - (shape[0] - 1) / 2
        blob = np.exp(-0.5 * (offset[:, None] ** 2 + offset**2) / (shape[0] / 8) ** 2)
        noise = rng.normal(size=(rows, *shape))
        images[group] = (5 * blob[..., None] + noise).astype(np.float32)
    return images


def outputs_of(model, images) -> np.ndarray:
    """Outputs of a model in inference.

    Parameters
    ----------
    model : keras.Model
        The model.
    images : dict of str to array
        One array per group.

    Returns
    -------
    array (N, outputs) or (N, planes, H, W, bands)
        As numpy.
    """
    return keras.ops.convert_to_numpy(model(images, training=False))


def check_interface(model, contract, outputs, images) -> None:
    """Check names, shapes and dtypes of inputs and outputs.

    Parameters
    ----------
    model : keras.Model
        The model.
    contract : InputContract
        What it should be fed.
    outputs : int or tuple of int
        How many numbers it should give per object, or their shape.
    images : dict of str to array
        A batch.

    Raises
    ------
    ContractViolation
        Saying what differs.
    """
    shapes = {tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs}
    _require(shapes == contract.shapes, f"inputs {contract.shapes}", shapes)
    rows = len(next(iter(images.values())))
    result = outputs_of(model, images)
    expected = (rows, *np.atleast_1d(outputs).tolist())
    _require(result.shape == expected, f"outputs {expected}", result.shape)
    _require(result.dtype == np.float32, "float32 outputs", result.dtype)
    weights.weight_table(model)  # raises if two weights share a name


def _require(holds: bool, expected, received) -> None:
    if not holds:
        raise ContractViolation(f"Expected {expected}. Received: {received}.")


def _arrays(model):
    table = weights.weight_table(model)
    return {name: weights.array_of(v) for name, v in table.items()}


def _check_seeds(first, second) -> None:
    a, b = _arrays(first), _arrays(second)
    _require(set(a) == set(b), "the same weight names in two builds", sorted(set(a) ^ set(b))[:3])
    differing = [name for name in a if not np.array_equal(a[name], b[name])]
    _require(not differing, "the same start from the same seed", differing[:3])


def _check_extremes(model, contract, images, task) -> None:
    for value in EXTREMES:
        constant = {g: np.full((2, *s), value, np.float32) for g, s in contract.shapes.items()}
        result = outputs_of(model, constant)
        _require(np.all(np.isfinite(result)), f"finite outputs for pixels of {value}", result)
    hot = {group: x.copy() for group, x in images.items()}
    for x in hot.values():
        x[:, 3, 3] = 1e6
    result = outputs_of(model, hot)
    _require(np.all(np.isfinite(result)), "finite outputs beside a pixel of 1e6", result)
    if task in ("finder", "auditor"):
        _require(np.all((result >= 0) & (result <= 1)), "probabilities", result)


def _check_config(model, images) -> None:
    rebuilt = model.__class__.from_config(model.get_config())
    ours, theirs = weights.weight_table(model), weights.weight_table(rebuilt)
    _require(set(ours) == set(theirs), "the same weights after a config round trip", set(theirs))
    for name, variable in ours.items():
        other = theirs[name]
        _require(
            (variable.shape, variable.dtype, variable.trainable)
            == (other.shape, other.dtype, other.trainable),
            f"{name} unchanged by a config round trip",
            (other.shape, other.dtype, other.trainable),
        )
        other.assign(variable)
    _same(outputs_of(model, images), outputs_of(rebuilt, images), "a config round trip")


def _check_step(model, images, outputs) -> None:
    rows = len(next(iter(images.values())))
    set_training_objects(model, rows)
    model.compile(optimizer=keras.optimizers.SGD(1e-3), loss="mse", jit_compile=False)
    before = _arrays(model)
    loss = model.train_on_batch(images, np.full((rows, *outputs), 0.5, np.float32))
    _require(np.all(np.isfinite(loss)), "a finite loss", loss)
    after = _arrays(model)
    bad = [name for name, x in after.items() if not np.all(np.isfinite(x))]
    _require(not bad, "finite weights after one step", bad[:3])
    trained = {
        name for name, v in weights.weight_table(model).items() if v.trainable and v.shape != ()
    }
    moved = {name for name in trained if not np.array_equal(before[name], after[name])}
    # a ReLU may be shut for one batch, and a bias before a batch norm has no gradient at all
    _require(
        len(moved) > len(trained) / 2, "one step to move most weights", sorted(trained - moved)
    )


def _check_preset(model, images, name, arguments, task, targets, contract) -> None:
    expected = outputs_of(model, images)
    with tempfile.TemporaryDirectory() as folder:
        saving.save_preset(
            Path(folder) / "checked",
            model,
            builder=name,
            arguments=arguments,
            task=task,
            targets=targets,
            contract=contract,
            metrics={},
            card="# A preset for a check\n",
        )
        loaded = presets.open_preset(Path(folder) / "checked").load()
    _same(expected, outputs_of(loaded, images), "saving and loading")
    ours, theirs = _arrays(model), _arrays(loaded)
    differing = [key for key in ours if not np.array_equal(ours[key], theirs[key])]
    _require(not differing, "the same weights after saving and loading", differing[:3])


def _check_bad_input(model, images) -> None:
    function = predict.fixed_predict(model, batch_size=2)
    group = next(iter(images))
    wrong = {
        "a missing group": {key: x for key, x in images.items() if key != group},
        "a wrong shape": {**images, group: images[group][:, :-1]},
        "an unknown group": {**images, "not_a_group": images[group]},
    }
    for what, bad in wrong.items():
        try:
            function(bad)
        except InputContractError:
            continue
        raise ContractViolation(f"Expected a typed error for {what}. Received a prediction.")


def _same(expected, received, what: str) -> None:
    if not np.array_equal(expected, received):
        largest = np.max(np.abs(expected - received))
        raise ContractViolation(
            f"Expected the same outputs after {what}. Largest change: {largest}."
        )
