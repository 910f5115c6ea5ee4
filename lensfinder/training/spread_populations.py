"""On which lenses a modeller's spreads are calibrated: those it was trained for, none it has seen.

A network that was trained on a mixture of populations is to be right on each. The objects of every
population have the numbers that the recipe keeps for validation, or for the test, of the same seed:
they are as apart from those of training as the recipe's own.
"""

import dataclasses

from lensfinder.errors import ArgumentError, LensfinderError
from lensfinder.specs import load_population
from lensfinder.training.evaluation import MockSample

TRAIN, TEST = "-train", "-test"  # populations of one kind, for training and for judging


def judged_on(population: str) -> str:
    """The population that networks trained on another are judged on.

    Parameters
    ----------
    population : str
        Such as ``pearson2019-train``.

    Returns
    -------
    str
        ``pearson2019-test``: its counterpart if there is one, or else itself.
    """
    other = population.removesuffix(TRAIN) + TEST
    return other if population.endswith(TRAIN) and _has_lenses(other) else population


def _has_lenses(population) -> bool:
    """Whether this installation knows the population, and a modeller can be judged on it."""
    try:
        return bool(load_population(population).classes.get("lens"))
    except LensfinderError:
        return False


def populations_of(data: dict, validation, test) -> tuple[str, ...]:
    """The populations that a network is calibrated on if nothing else is asked for.

    Parameters
    ----------
    data : dict
        What it was trained on, as ``metrics.json`` has it: of shards, what they hold.
    validation, test : Held or MockSample
        What the best epoch was chosen by, and what the network is measured on.

    Returns
    -------
    tuple of str
        That of the validation, and those of lenses that a mixture names beside it; without what is
        known only where the network was trained, and without all of them if mocks of the same
        seeds were trained on.
    """
    parts = [part["data"].get("population") for part in data.get("parts", ())]
    found = [judged_on(each) for each in parts if each is not None]
    if {validation.seed, test.seed} & _seeds(data):
        found = []
    known = [name for name in found if _has_lenses(name)]
    return tuple(dict.fromkeys((validation.population, *known)))


def _seeds(data) -> set:
    parts = [part["data"] for part in data.get("parts", ())] or [data]
    return {part["seed"] for part in parts if part.get("seed") is not None}


def checked(populations) -> tuple[str, ...]:
    """Populations that somebody named.

    Parameters
    ----------
    populations : sequence of str
        Names or YAML files.

    Returns
    -------
    tuple of str
        The same.

    Raises
    ------
    UnknownNameError, SpecError
        If there is no such population.
    ArgumentError
        If there is none at all, one is named twice, or one holds no lenses.
    """
    names = tuple(map(str, populations))
    if not names or len(set(names)) < len(names):
        raise ArgumentError(
            f"Name populations to calibrate on, each once. Received: {', '.join(names) or 'none'}."
        )
    for name in names:
        if not load_population(name).classes.get("lens"):
            raise ArgumentError(
                f"{name} holds no lenses, so no spread can be calibrated on it. Name a population "
                "with a class lens above 0."
            )
    return names


def samples_of(base: MockSample, populations, data: dict, other=None) -> list[MockSample]:
    """The same objects of other populations.

    Parameters
    ----------
    base : MockSample
        The mocks that the recipe keeps for the purpose.
    populations : sequence of str
        Of the samples.
    data : dict
        What the network was trained on, as ``metrics.json`` has it.
    other : MockSample or None
        A sample that must not be touched, such as the one for the test.

    Returns
    -------
    list of MockSample
        One for each population, in order.

    Raises
    ------
    ArgumentError
        If some of them were trained on, or are those of `other`.
    """
    # the base itself may share a seed with the training: its recipe keeps their numbers apart
    if base.seed in _seeds(data) and set(populations) - {base.population}:
        raise ArgumentError(
            f"Seed {base.seed} is that of training mocks too, so mocks of other populations may "
            "have been trained on. Give the recipe's `validation` and `test` seeds of their own."
        )
    if other is not None and other.seed == base.seed:
        first, last = max(base.start, other.start), min(_end(base), _end(other))
        if first < last:
            raise ArgumentError(
                f"Objects {first} to {last - 1} of seed {base.seed} are both calibrated and "
                "tested on. Ask for fewer, or give the recipe seeds of their own."
            )
    return [dataclasses.replace(base, population=name) for name in populations]


def _end(sample) -> int:
    return sample.start + sample.size
