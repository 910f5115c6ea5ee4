"""The architectures: one table, and the one function that builds from it."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from lensfinder.errors import ArchitectureError, UnknownNameError
from lensfinder.inversion.relation import SOLUTIONS
from lensfinder.zoo.compact import CompactArguments, compact_finder, compact_modeller
from lensfinder.zoo.edsr import EdsrArguments, edsr
from lensfinder.zoo.forked_classifier import ForkedArguments, forked_classifier
from lensfinder.zoo.holismokes import HolismokesArguments, holismokes
from lensfinder.zoo.resnet import FlipoutArguments, ResNetArguments, resnet, resnet101_flipout
from lensfinder.zoo.six_layer_cnn import SixLayerArguments, six_layer_cnn
from lensfinder.zoo.two_branch_efficientnet import TwoBranchArguments, two_branch_efficientnet
from lensfinder.zoo.vib import VibArguments, vib

TASKS = ("finder", "modeller", "cleaner", "auditor")
DEFAULT_TARGETS = ("theta_E", "e1", "e2")
PLANES = ("S2", "S3")  # a cleaner's: noiseless, and noiseless source alone (Madireddy et al.)


@dataclass(frozen=True)
class Entry:
    """One architecture.

    Attributes
    ----------
    builder : callable
        ``builder(contract, task, *, targets, arguments) -> keras.Model``.
    arguments : type of pydantic.BaseModel
        Its declared arguments.
    tasks : tuple of str
        What it can be built for.
    starting : tuple of str
        Arguments that say where a fresh model starts from; they are not part of a saved preset.
    """

    builder: Callable
    arguments: type[BaseModel]
    tasks: tuple[str, ...]
    starting: tuple[str, ...] = ()


ENTRIES: dict[str, Entry] = {
    "compact_finder": Entry(compact_finder, CompactArguments, ("finder",)),
    "compact_modeller": Entry(compact_modeller, CompactArguments, ("modeller",)),
    "edsr": Entry(edsr, EdsrArguments, ("cleaner",)),
    "forked_classifier": Entry(forked_classifier, ForkedArguments, ("auditor",)),
    "holismokes": Entry(holismokes, HolismokesArguments, ("modeller",)),
    "resnet": Entry(resnet, ResNetArguments, ("finder", "modeller")),
    "resnet101_flipout": Entry(resnet101_flipout, FlipoutArguments, ("finder", "modeller")),
    "six_layer_cnn": Entry(six_layer_cnn, SixLayerArguments, ("finder", "modeller")),
    "two_branch_efficientnet": Entry(
        two_branch_efficientnet,
        TwoBranchArguments,
        ("finder",),
        starting=("imagenet_weights", "imagenet_sha256"),
    ),
    "vib": Entry(vib, VibArguments, ("finder", "modeller")),
}


def names() -> tuple[str, ...]:
    """Names of the architectures.

    Returns
    -------
    tuple of str
        Names that `build` takes.
    """
    return tuple(ENTRIES)


def entry(name: str) -> Entry:
    """The table's line for an architecture.

    Parameters
    ----------
    name : str
        Its name.

    Returns
    -------
    Entry
        The line.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    try:
        return ENTRIES[name]
    except (KeyError, TypeError):
        raise UnknownNameError("architecture", name, ENTRIES) from None


def tasks(name: str) -> tuple[str, ...]:
    """What an architecture can be built for.

    Parameters
    ----------
    name : str
        Its name.

    Returns
    -------
    tuple of str
        Some of "finder", "modeller", "cleaner", "auditor".
    """
    return entry(name).tasks


def build(name: str, contract, task: str, *, targets=None, **arguments):
    """Build an untrained network.

    Weights start from Keras' global seed: call `keras.utils.set_random_seed` first for a
    reproducible start. Then adapt its preprocessing with `lensfinder.zoo.adapt`.

    Parameters
    ----------
    name : str
        One of `names()`.
    contract : InputContract
        What it is fed.
    task : {"finder", "modeller", "cleaner", "auditor"}
        A finder's output is p_lens (N, 1); a modeller's (N, targets), physical, followed by its
        posterior if it has ``components`` (`lensfinder.zoo.layers.PosteriorHead`); a cleaner's
        (N, targets, H, W, bands), in the unit of its input; an auditor's (N, 3), one number per
        solution of an inversion.
    targets : sequence of str or None
        What a modeller predicts, theta_E, e1, e2 by default; or the planes that a cleaner makes,
        by default S2 (noiseless) and S3 (noiseless source alone).
    **arguments : dict
        Arguments of the architecture.

    Returns
    -------
    keras.Model
        A functional model with one input per group.

    Raises
    ------
    UnknownNameError
        If the name, the task or an argument is unknown; the message lists the known ones.
    ArchitectureError
        If a value cannot be.
    """
    line = entry(name)
    if task not in TASKS:
        raise UnknownNameError("task", task, TASKS)
    if task not in line.tasks:
        able = [other for other in ENTRIES if task in ENTRIES[other].tasks]
        raise ArchitectureError(
            f"{name} is built for: {', '.join(line.tasks)}. Received: {task!r}. "
            f"For that take one of {', '.join(able)}."
        )
    return line.builder(
        contract,
        task,
        targets=check_targets(task, targets),
        arguments=check_arguments(name, arguments),
    )


def check_targets(task: str, targets) -> tuple[str, ...]:
    """Targets in the form that builders and presets use.

    Parameters
    ----------
    task : str
        The task.
    targets : sequence of str or None
        What was asked for.

    Returns
    -------
    tuple of str
        ("p_lens",) for a finder.

    Raises
    ------
    ArchitectureError
        If a finder or an auditor is given other targets, a cleaner other planes, or a name stands
        twice.
    """
    if task == "finder":
        if targets and tuple(targets) not in (("p_lens",), ("label",)):
            raise ArchitectureError(f"A finder predicts p_lens alone. Received: {tuple(targets)}.")
        return ("p_lens",)
    if task == "cleaner":
        planes = PLANES if targets is None else tuple(targets)
        if planes not in (PLANES, PLANES[:1], PLANES[1:]):
            raise ArchitectureError(f"A cleaner makes S2, S3 or both. Received: {planes}.")
        return planes
    if task == "auditor":
        if targets is not None and tuple(targets) != SOLUTIONS:
            raise ArchitectureError(
                f"An auditor tells {', '.join(SOLUTIONS)}. Received: {tuple(targets)}."
            )
        return SOLUTIONS
    targets = DEFAULT_TARGETS if targets is None else tuple(targets)
    if not targets or len(set(targets)) != len(targets) or len(targets) > 64:
        raise ArchitectureError(f"Targets must be distinct names. Received: {targets}.")
    return targets


def output_shape(contract, task: str, targets=None) -> tuple[int, ...]:
    """Shape of what a network says about one object.

    Parameters
    ----------
    contract : InputContract
        What it is fed.
    task : str
        What it is for.
    targets : sequence of str or None
        What it predicts.

    Returns
    -------
    tuple of int
        (targets,), or (planes, stamp, stamp, bands) of a cleaner.
    """
    targets = check_targets(task, targets)
    return (len(targets), *(contract.groups[0].shape if task == "cleaner" else ()))


def check_arguments(name: str, arguments: dict) -> BaseModel:
    """Validate an architecture's arguments.

    Parameters
    ----------
    name : str
        The architecture.
    arguments : dict
        Its arguments.

    Returns
    -------
    pydantic.BaseModel
        All arguments, defaults filled in.

    Raises
    ------
    UnknownNameError
        If one is unknown.
    ArchitectureError
        If a value cannot be.
    """
    kind = entry(name).arguments
    for argument in arguments:
        if argument not in kind.model_fields:
            raise UnknownNameError(f"argument of {name}", argument, kind.model_fields)
    try:
        return kind.model_validate(arguments)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}. Received: {item['input']!r}"
            for item in error.errors()
        )
        raise ArchitectureError(f"{name} cannot take these arguments: {wrong}.") from error
