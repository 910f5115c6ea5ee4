"""A recipe's training objects turned and mirrored, so that each stored mock is worth several.

It is meant for mocks that are stored and seen several times, because drawing new ones takes as long
as training on them; `benchmarks/turned.py` measures what it buys.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lensfinder.errors import ArchitectureError, RecipeError
from lensfinder.training.sources import Batch
from lensfinder.training.views import Views

STREAM = 8  # of the random numbers of views, apart from others of the same seed


def turned(source, recipe):
    """A recipe's training data, turned if it asks for that.

    Parameters
    ----------
    source : Source
        Its objects.
    recipe : Recipe
        With ``turned: true``, every object is shown as one of its eight views, drawn anew each
        time.

    Returns
    -------
    Source
        The same one where the recipe does not ask.
    """
    if not recipe.turned:
        return source
    kind = TurnedMaker if hasattr(source, "make") else TurnedSource
    return kind(source, turning(recipe), recipe.seed, recipe.steps_per_epoch)


def turning(recipe) -> tuple[str, ...]:
    """The parameters that turn with a recipe's images.

    Parameters
    ----------
    recipe : Recipe
        The recipe.

    Returns
    -------
    tuple of str
        Truth columns of a modeller, in order; none of others: classes are the same in every view,
        and planes turn as the images do.

    Raises
    ------
    RecipeError
        If it is not known how one of them turns.
    """
    if recipe.task != "modeller":
        return ()
    try:
        Views(recipe.truth_columns)
    except ArchitectureError as error:
        words = str(error).replace("symmetric=False", "turned: false")
        raise RecipeError(f"turned: {words}") from error
    return recipe.truth_columns


@dataclass(frozen=True)
class TurnedSource:
    """The objects of another source, each in one of its eight views, the same in any process.

    Attributes
    ----------
    source : Source
        Objects, whose truth is parameters, labels or planes.
    targets : tuple of str
        Parameters that turn with the images; none for labels and planes.
    seed : int
        Of the views.
    steps_per_epoch : int
        By which steps are counted through all epochs.
    """

    source: object
    targets: tuple[str, ...]
    seed: int
    steps_per_epoch: int

    def fingerprint(self) -> dict:
        """What must be the same for an interrupted training to be continued.

        Returns
        -------
        dict
            Plain data.
        """
        inner = getattr(self.source, "fingerprint", dict)()
        return {**inner, "views_seed": self.seed}

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
        for step, batch in enumerate(self.source.batches(epoch, first, last), start=first):
            yield self.turn(batch, offset + step)

    def turn(self, batch, step: int) -> Batch:
        """One batch, each object in a view that depends on seed, step and place in the batch.

        Parameters
        ----------
        batch : Batch
            As the source gives it.
        step : int
            Number of the batch since the beginning of the training.

        Returns
        -------
        Batch
            The same objects in the same order.
        """
        rng = np.random.default_rng((self.seed, STREAM, step))
        images, y = self.views(batch.images, batch.y, rng)
        return Batch(images, y, batch.ids)

    @cached_property
    def views(self) -> Views:
        """What turns objects and truth."""
        return Views(self.targets)


@dataclass(frozen=True)
class TurnedMaker(TurnedSource):
    """The same of a source whose batches several processes can make."""

    @property
    def steps_per_task(self) -> int:
        """How many batches to make together."""
        return self.source.steps_per_task

    @cached_property
    def simulator(self):
        """The simulator behind it; compiled once per process."""
        return self.source.simulator

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
            The objects that follow those of the step before, each in a view.
        """
        return self.turn(self.source.make(simulator, step), step)
