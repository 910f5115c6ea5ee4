"""Where batches come from: the simulator, or arrays in memory (shards: see `shard_source`).

A source is a pure function of (epoch, step): the same call gives the same objects in any process,
so an interrupted training goes on with exactly the batches it would have seen.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from lensfinder.errors import DatasetSpecError
from lensfinder.specs import load_population, load_survey
from lensfinder.training.recipe_data import drawing

BLOCK = 256  # objects that the simulator makes at once; a matter of speed only


@dataclass(frozen=True)
class Batch:
    """Objects to train on.

    Attributes
    ----------
    images : dict of str to float32 array (B, H, W, bands)
        One array per group.
    y : float32 array (B, P) or (B, P, H, W, bands)
        Truth, in physical units; of a cleaner, its planes.
    ids : sequence of str or int
        Names of the objects, for messages.
    """

    images: dict[str, np.ndarray]
    y: np.ndarray
    ids: tuple

    def bad_ids(self) -> list:
        """Objects with a pixel or a truth value that is not finite.

        Returns
        -------
        list
            Their names.
        """
        good = np.isfinite(self.y).reshape(len(self.y), -1).all(axis=1)
        for images in self.images.values():
            # a sum is finite only if each term is: one pass and no temporary array of booleans
            sums = images.reshape(len(images), -1).sum(axis=1, dtype=np.float64)
            good &= np.isfinite(sums)
        return [name for name, ok in zip(self.ids, good, strict=True) if not ok]


class Source(Protocol):
    """Batches by position."""

    def batches(self, epoch: int, first: int, last: int) -> Iterator[Batch]:
        """Batches by position.

        Parameters
        ----------
        epoch, first, last : int
            Batches `first` to `last` (excluded) of an epoch, all counted from 0.

        Yields
        ------
        Batch
            In order.
        """


@dataclass(frozen=True)
class SimulatorSource:
    """Fresh mocks: step s of epoch e holds the objects that follow all earlier ones.

    Attributes
    ----------
    survey, population : Survey, Population
        What is simulated; objects, not names, so that no file edited meanwhile matters.
    seed, start : int
        Seed of the simulator, and its first object.
    targets : tuple of str
        Columns of the truth table.
    groups : dict of str to sequence of int, tuple of str or None
        Groups to keep, and which of their channels (see `choose`); all by default.
    batch_size, steps_per_epoch : int
        Size of a batch; batches per epoch.
    sources : str or None
        Library of real galaxies to lense.
    subtract_lens_light : bool
        Whether the noiseless light of everything but the source is taken off.
    visits : int
        How many visits each image is the mean of.
    """

    survey: object
    population: object
    seed: int
    targets: tuple[str, ...]
    batch_size: int
    steps_per_epoch: int
    start: int = 0
    groups: dict[str, tuple[int, ...]] | tuple[str, ...] | None = None
    sources: str | None = None
    subtract_lens_light: bool = False
    visits: int = 1

    def batches(self, epoch, first, last):
        """Batches by position.

        Parameters
        ----------
        epoch, first, last : int
            Batches `first` to `last` (excluded) of an epoch, all counted from 0.

        Yields
        ------
        Batch
            In order.
        """
        offset = epoch * self.steps_per_epoch
        for step in range(first, last):
            yield self.make(self.simulator, offset + step)

    @property
    def steps_per_task(self) -> int:
        """How many batches to make together: the simulator makes whole blocks of objects."""
        return max(1, BLOCK // self.batch_size)

    @cached_property
    def simulator(self):
        """The simulator behind it; compiled once per process."""
        from lensfinder.simulate import Simulator

        return Simulator(self.survey, self.population, seed=self.seed, **drawing(self))

    def __getstate__(self):  # a worker builds its own simulator
        return {key: value for key, value in self.__dict__.items() if key != "simulator"}

    def make(self, simulator, step: int) -> Batch:
        """One batch.

        Parameters
        ----------
        simulator : Simulator
            What makes the objects.
        step : int
            Number of the batch since the beginning of the training.

        Returns
        -------
        Batch
            The objects that follow those of the step before.
        """
        first = self.start + step * self.batch_size
        return mock_batch(
            simulator.objects(np.arange(first, first + self.batch_size)), self.targets, self.groups
        )


def mock_batch(mocks, targets, groups=None) -> Batch:
    """A batch from simulated objects.

    Parameters
    ----------
    mocks : lensfinder.simulate.Mocks
        Images and truth.
    targets : sequence of str
        Columns of the truth table.
    groups : dict of str to sequence of int, sequence of str or None
        Groups to keep, and which of their channels (see `choose`); all by default.

    Returns
    -------
    Batch
        With ids as the simulator gives them.
    """
    columns = [np.asarray(mocks.truth[name], dtype=np.float32) for name in targets]
    return Batch(
        images=choose(mocks.images, groups),
        y=np.stack(columns, axis=1),
        ids=tuple(str(name) for name in mocks.truth["id"]),
    )


def choose(images, groups) -> dict[str, np.ndarray]:
    """The groups and channels of some images that a network is shown.

    Parameters
    ----------
    images : dict of str to array (N, H, W, bands)
        One array per group.
    groups : dict of str to sequence of int, sequence of str or None
        Channels per group (`InputContract.channels`); or groups, with all of their channels; or
        everything.

    Returns
    -------
    dict of str to array (N, H, W, bands)
        Arrays that are wanted as they are are not copied.
    """
    if groups is None:
        return dict(images)
    if not isinstance(groups, Mapping):
        return {name: images[name] for name in groups}
    found = {}
    for name, channels in groups.items():
        array = images[name]
        everything = list(channels) == list(range(array.shape[-1]))
        found[name] = array if everything else np.ascontiguousarray(array[..., list(channels)])
    return found


class ArraySource:
    """Arrays in memory, shuffled anew each epoch by (seed, epoch) alone.

    Parameters
    ----------
    images : dict of str to array (N, H, W, bands)
        One array per group.
    y : array (N, P) or (N, P, H, W, bands)
        Truth, in physical units; of a cleaner, its planes.
    batch_size : int
        Size of a batch; the last, smaller batch of an epoch is dropped.
    ids : sequence or None
        Names of the objects; their positions by default.
    seed : int or None
        Of the shuffling; None keeps the order.

    Raises
    ------
    DatasetSpecError
        If lengths differ, or there is less than one batch.
    """

    def __init__(self, images, y, *, batch_size, ids=None, seed=1):
        self.images = {name: np.asarray(array, np.float32) for name, array in images.items()}
        self.y = np.asarray(y, np.float32)
        self.ids = np.arange(len(self.y)) if ids is None else np.asarray(ids)
        self.batch_size, self.seed = batch_size, seed
        lengths = {len(self.y), len(self.ids), *map(len, self.images.values())}
        if len(lengths) != 1 or self.y.ndim not in (2, 5):
            raise DatasetSpecError(
                "Images, truth (N, P, ...) and ids must hold the same objects. "
                f"Received: {sorted(lengths)} rows, truth of shape {self.y.shape}."
            )
        if len(self.y) < batch_size:
            raise DatasetSpecError(f"{len(self.y)} objects do not fill one batch of {batch_size}.")

    def fingerprint(self) -> dict:
        """What must be the same for an interrupted training to be continued.

        Returns
        -------
        dict
            Plain data.
        """
        digest = hashlib.sha256()
        for name in sorted(self.images):
            digest.update(f"{name}{self.images[name].shape}".encode())
            digest.update(np.ascontiguousarray(self.images[name]))
        digest.update(np.ascontiguousarray(self.y))
        return {"sha256": digest.hexdigest(), "seed": self.seed, "batch_size": self.batch_size}

    def batches(self, epoch, first, last):
        """Batches by position.

        Parameters
        ----------
        epoch, first, last : int
            Batches `first` to `last` (excluded) of an epoch, all counted from 0.

        Yields
        ------
        Batch
            In order.
        """
        steps = len(self.y) // self.batch_size
        if last > steps:
            raise DatasetSpecError(
                f"{len(self.y)} objects give {steps} batches of {self.batch_size}. "
                f"Received: steps_per_epoch={last}. Lower it in the recipe."
            )
        order = np.arange(len(self.y))
        if self.seed is not None:
            order = np.random.default_rng((self.seed, epoch)).permutation(order)
        for step in range(first, last):
            rows = order[step * self.batch_size : (step + 1) * self.batch_size]
            images = {name: array[rows] for name, array in self.images.items()}
            yield Batch(images=images, y=self.y[rows], ids=tuple(self.ids[rows].tolist()))


def make_source(recipe) -> Source:
    """The source a recipe names.

    Parameters
    ----------
    recipe : Recipe
        The recipe.

    Returns
    -------
    Source
        Its training data.

    Raises
    ------
    DatasetSpecError
        If the recipe leaves the data to the caller, or would show its network noisy mocks to
        validate or test it that was trained on what a cleaner leaves.
    """
    from lensfinder.training.shard_source import refuse_cleaned

    refuse_cleaned(recipe)
    if recipe.data.kind != "mixture":
        return _source(recipe, recipe.data, recipe.batch_size)
    from lensfinder.training.mixture import MixtureSource

    return MixtureSource(
        tuple(_source(recipe, part.data, part.objects) for part in recipe.data.parts)
    )


def _source(recipe, data, batch_size) -> Source:
    from lensfinder.training import planes  # whose sources are built on those of this module

    if recipe.cleaning or getattr(data, "plane", "S1") != "S1":
        return planes.plane_source(recipe, data, batch_size)
    if data.kind == "simulator":
        return SimulatorSource(
            survey=load_survey(recipe.survey),
            population=load_population(data.population),
            seed=data.seed,
            start=data.start,
            targets=recipe.truth_columns,
            groups=_channels(recipe),
            batch_size=batch_size,
            steps_per_epoch=recipe.steps_per_epoch,
            **drawing(data),
        )
    if data.kind == "shards":
        from lensfinder.training.shard_source import source_of

        return source_of(recipe, data, batch_size)
    raise DatasetSpecError("The recipe trains on arrays: give train(..., source=ArraySource(...)).")


def validation_objects(recipe, *, batch: int = BLOCK) -> Batch | None:
    """Objects that the best epoch is chosen by, all in memory.

    Parameters
    ----------
    recipe : Recipe
        Survey, groups and targets.
    batch : int
        How many are simulated at once.

    Returns
    -------
    Batch or None
        All of them as one batch; None where the recipe leaves its data to the caller, or trains on
        all folds.
    """
    from lensfinder.training import planes

    held = recipe.validation
    if held is None and recipe.data.kind == "shards" and recipe.data.fold != "all":
        from lensfinder.training.shard_source import shard_objects

        return shard_objects(recipe, "validation")
    if held is None:
        return None
    if recipe.cleaning or recipe.plane != "S1":
        return planes.plane_objects(recipe, held, batch=batch)
    from lensfinder.simulate import Simulator

    simulator = Simulator(recipe.survey, held.population, seed=held.seed, **recipe.drawing)
    parts = [
        mock_batch(mocks, recipe.truth_columns, _channels(recipe))
        for mocks in simulator.stream(start=held.start, count=held.size, batch=batch)
    ]
    return planes.joined(parts)


def _channels(recipe) -> dict[str, tuple[int, ...]]:
    return recipe.contract().channels(load_survey(recipe.survey))
