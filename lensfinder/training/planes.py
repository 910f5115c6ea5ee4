"""Batches of other planes than the noisy one: what a cleaner makes, or what it would hand on."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lensfinder.specs import load_population, load_survey
from lensfinder.training.cleaned import stage_of
from lensfinder.training.cleaning import patches, plane_truth
from lensfinder.training.recipe_data import drawing
from lensfinder.training.sources import Batch, SimulatorSource, choose


@dataclass(frozen=True)
class PlaneSource(SimulatorSource):
    """Fresh mocks, shown in one plane: step s of epoch e holds the objects after all earlier ones.

    Attributes
    ----------
    plane : {"S1", "S2", "S3"}
        What is shown. `targets` are planes that are to be made of it, or columns of the truth
        table; the other attributes are those of `SimulatorSource`.
    patch : int or None
        Side of the random pieces that are shown, in pixels.
    """

    plane: str = "S1"
    patch: int | None = None

    @cached_property
    def simulator(self):
        """The simulator behind it; compiled once per process."""
        from lensfinder.simulate import Simulator
        from lensfinder.simulate.mocks import PLANES

        return Simulator(
            self.survey,
            self.population,
            seed=self.seed,
            planes=[name for name in PLANES if name == self.plane or name in self.targets],
            **drawing(self),
        )

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
        mocks = simulator.objects(np.arange(first, first + self.batch_size))
        rng = np.random.default_rng((self.seed, first))
        return plane_batch(mocks, self.plane, self.targets, self.groups, patch=self.patch, rng=rng)


def plane_batch(mocks, plane: str, targets, groups, *, patch=None, rng=None, cleaner=None):
    """A batch of mocks, shown in one plane.

    Parameters
    ----------
    mocks : lensfinder.simulate.Mocks
        With the planes that are needed.
    plane : {"S1", "S2", "S3"}
        What is shown.
    targets : sequence of str
        Planes that are to be made of it; or columns of the truth table.
    groups : dict of str to sequence of int
        Groups to keep, and which of their channels.
    patch : int or None
        Side of the pieces to cut, in pixels.
    rng : numpy.random.Generator or None
        For random pieces; the middle by default.
    cleaner : CleaningStage or None
        What makes the plane, the source alone, of the noisy one; by default the true one is shown.

    Returns
    -------
    Batch
        With ids as the simulator gives them.

    Raises
    ------
    DatasetSpecError
        If a plane is missing, or a piece cannot be cut.
    """
    images = choose(mocks.planes[plane if cleaner is None else "S1"], groups)
    if cleaner is not None:
        images = cleaner(images)
    if set(targets) <= {"S2", "S3"}:
        ((group, channels),) = groups.items()
        y = plane_truth(mocks.planes, targets, group, channels)
        if patch is not None:
            images, y = patches(images, y, patch, rng=rng)
    else:
        y = mocks.targets(targets)
    return Batch(images=images, y=y, ids=tuple(mocks.ids))


def plane_source(recipe, data, batch_size: int):
    """The source of a recipe that shows or asks for other planes.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    data : Mocks or Shards
        Its training data.
    batch_size : int
        Objects per batch.

    Returns
    -------
    PlaneSource, ShardSource or PatchSource
        The source: fresh mocks; or stored ones, whole or in random pieces.

    Raises
    ------
    DatasetSpecError
        If the recipe leaves the data to the caller.
    """
    patch = recipe.cleaning.patch if recipe.cleaning else None
    if data.kind == "shards":
        from lensfinder.training.shard_source import source_of

        stored = source_of(recipe, data, batch_size)
        return stored if patch is None else PatchSource(stored, patch, data.shuffle_seed)
    if data.kind != "simulator":
        from lensfinder.errors import DatasetSpecError

        raise DatasetSpecError(
            "The recipe trains on arrays: give train(..., source=ArraySource(...))."
        )
    survey = load_survey(recipe.survey)
    return PlaneSource(
        survey=survey,
        population=load_population(data.population),
        seed=data.seed,
        start=data.start,
        plane=data.plane,
        targets=recipe.truth_columns,
        groups=recipe.contract().channels(survey),
        batch_size=batch_size,
        steps_per_epoch=recipe.steps_per_epoch,
        patch=patch,
        **recipe.drawing,
    )


def plane_objects(recipe, held, *, batch: int):
    """Objects to validate on, shown in the recipe's plane; the middles, where it trains on patches.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    held : Held
        Which objects.
    batch : int
        How many are simulated at once.

    Returns
    -------
    Batch
        All of them.
    """
    stage = stage_of(held.cleaner)
    if stage is not None:
        stage.check(recipe.contract(), held)
    data = _as_data(held, recipe.plane if stage is None else "S1")
    source = plane_source(recipe, data, batch)
    kept = {"patch": source.patch, "cleaner": stage}
    parts = [
        plane_batch(mocks, recipe.plane, source.targets, source.groups, **kept)
        for mocks in source.simulator.stream(start=held.start, count=held.size, batch=batch)
    ]
    return joined(parts)


def joined(parts):
    """Several batches as one.

    Parameters
    ----------
    parts : sequence of Batch
        Of the same groups and truth.

    Returns
    -------
    Batch
        All of their objects, in order.
    """
    return Batch(
        images={
            name: np.concatenate([part.images[name] for part in parts]) for name in parts[0].images
        },
        y=np.concatenate([part.y for part in parts]),
        ids=tuple(name for part in parts for name in part.ids),
    )


def _as_data(held, plane):
    from lensfinder.training.recipe_data import Mocks

    return Mocks(population=held.population, seed=held.seed, start=held.start, plane=plane)


@dataclass(frozen=True)
class PatchSource:
    """Random pieces of the objects of another source, the same in any process.

    Attributes
    ----------
    source : Source
        Whole images, with images as truth.
    side : int
        Of a piece, in pixels.
    seed : int
        Of their places.
    """

    source: object
    side: int
    seed: int = 1

    def fingerprint(self) -> dict:
        """What must be the same for an interrupted training to be continued.

        Returns
        -------
        dict
            Plain data.
        """
        return {**self.source.fingerprint(), "patch": self.side, "patch_seed": self.seed}

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
        for step, batch in enumerate(self.source.batches(epoch, first, last), start=first):
            rng = np.random.default_rng((self.seed, epoch, step))
            images, y = patches(batch.images, batch.y, self.side, rng=rng)
            yield Batch(images=images, y=y, ids=batch.ids)
