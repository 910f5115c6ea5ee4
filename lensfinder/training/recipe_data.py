"""The parts of a recipe that say what a network is trained, validated and tested on."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

from lensfinder.specs.population import DRAWN, SOURCE_LIBRARIES
from lensfinder.specs.survey import LARGEST_STACK


def drawing(asked) -> dict:
    """Options of `Simulator` with which some mocks are drawn, apart from the defaults.

    Parameters
    ----------
    asked : object
        With attributes of the names in `DRAWN`; those it has not got are not asked for.

    Returns
    -------
    dict
        Keyword arguments.
    """
    found = {name: getattr(asked, name, default) for name, default in DRAWN.items()}
    return {name: value for name, value in found.items() if value != DRAWN[name]}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Drawn(_Part):
    """How mocks are drawn: those trained on, and those kept apart for validation and test.

    ``sources: hubble`` lenses real galaxies (those of the Hubble Deep Field picture) instead of
    Sérsic profiles. ``subtract_lens_light: true`` takes all noiseless light but the source's off
    the images, which leaves its shot noise (Pearson 2019, section 2.1). ``visits: 10`` makes each
    image the mean of ten visits of the survey, of lenses that are seen in one (section 3.4).
    """

    sources: Literal[SOURCE_LIBRARIES] | None = None
    subtract_lens_light: bool = False
    visits: int = Field(default=1, ge=1, le=LARGEST_STACK)

    @model_serializer(mode="wrap")
    def _plain(self, handler):
        # left out where not asked for: a training begun without these keys can be continued
        unasked = {**DRAWN, "fold": None, "folds": None, "plane": "S1", "split_by": "id"}
        return {k: v for k, v in handler(self).items() if k not in unasked or v != unasked[k]}


class Mocks(_Drawn):
    """Objects from the simulator: ``start``, ``start + 1``, ... of one seed; none ever repeats.

    The network is shown `plane` of them: ``S1`` noisy, ``S2`` noiseless, ``S3`` noiseless source
    alone. Mocks of `validation` and `test` are shown alike.
    """

    kind: Literal["simulator"] = "simulator"
    population: str
    seed: int = Field(ge=0, lt=2**31)
    start: int = Field(default=0, ge=0, lt=2**31)
    plane: Literal["S1", "S2", "S3"] = "S1"


class Shards(_Drawn):
    """The training split of a folder of shards, shuffled anew each epoch from `shuffle_seed`.

    Unless `validation` names mocks, the best epoch is chosen by the validation split. `sources`,
    `subtract_lens_light` and `visits` must repeat how the shards were simulated: mocks of
    `validation` and `test` are drawn alike. With `fold` and `folds`, what is not test is shared
    among folds, and fold `fold` is the validation split; with ``fold: all`` they are trained on
    together, and there is no validation split. `split_by` names the truth column whose values are
    split: with ``lens_id`` no galaxy that mocks were painted on is in two parts.
    """

    kind: Literal["shards"]
    folder: str
    shuffle_seed: int = Field(default=1, ge=0, lt=2**31)
    fold: Annotated[int, Field(ge=0)] | Literal["all"] | None = None
    folds: int | None = Field(default=None, ge=2, le=1000)
    split_by: str = "id"

    @model_validator(mode="after")
    def _fold_of_folds(self):
        if (self.fold is None) != (self.folds is None):
            raise ValueError("give fold and folds together, or neither.")
        if isinstance(self.fold, int) and self.fold >= self.folds:
            raise ValueError(f"with {self.folds} folds, fold is 0 to {self.folds - 1}.")
        return self


class MixturePart(_Part):
    """One part of a mixture, and how many objects of each batch it gives."""

    objects: int = Field(ge=1, le=65536)
    data: Annotated[Mocks | Shards, Field(discriminator="kind")]

    @model_validator(mode="after")
    def _whole(self):
        if getattr(self.data, "folds", None) is not None:
            raise ValueError("a part of a mixture cannot be a fold; leave fold and folds out.")
        return self


class Mixture(_Part):
    """Several sources of objects at once, so that no batch shows one paper's universe alone.

    Each batch holds ``objects`` of every part. Mocks of `validation` and `test` are those that
    `Held` names, with Sérsic sources and all of their light.
    """

    kind: Literal["mixture"]
    parts: tuple[MixturePart, ...] = Field(min_length=2, max_length=16)

    @property
    def objects(self) -> int:
        """Objects of a batch."""
        return sum(part.objects for part in self.parts)


class Cleaning(_Part):
    """What a cleaner is trained to make: planes of the mocks, and the size of what it is shown.

    With ``patch`` it is trained on random pieces of the stamps of so many pixels, one per object,
    and validated on their middles.
    """

    planes: tuple[Literal["S2", "S3"], ...] = Field(min_length=1, max_length=2)
    patch: int | None = Field(default=None, ge=16, le=1024)


class Arrays(_Part):
    """Objects that the caller of `train` hands over."""

    kind: Literal["arrays"]


class Held(_Part):
    """Objects kept apart from training, to choose the best epoch or to report figures.

    A network of true sources (``plane: S3``) is shown what `cleaner`, a preset, leaves of the noisy
    images instead, refusing nothing.
    """

    population: str
    seed: int = Field(ge=0, lt=2**31)
    start: int = Field(default=0, ge=0, lt=2**31)
    size: int = Field(ge=1, le=10_000_000)
    cleaner: str | None = None

    @model_serializer(mode="wrap")
    def _plain(self, handler):
        # left out where not asked for: a training begun without this key can be continued
        return {k: v for k, v in handler(self).items() if k != "cleaner" or v is not None}
