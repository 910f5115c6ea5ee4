"""A training recipe: everything that decides which weights come out, in one frozen object."""

import math
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lensfinder.errors import LensfinderError, RecipeError, SpecError
from lensfinder.inversion.frame import reconstruction_contract
from lensfinder.inversion.relation import SOLUTIONS
from lensfinder.paths import data_specs_dir
from lensfinder.specs import load_population, load_survey, read_yaml, validate
from lensfinder.specs.contract import InputContract
from lensfinder.training.precision import PRECISIONS
from lensfinder.training.recipe_data import (
    Arrays,
    Cleaning,
    Held,
    Mixture,
    Mocks,
    Shards,
    drawing,
)
from lensfinder.training.recipe_lookup import is_file, recipe_name
from lensfinder.training.recipe_parts import Constant, Cosine, Named, Stepped, Target

TASKS = ("finder", "modeller", "cleaner", "auditor")
MEMORIES = 5  # lengths of its memory after which an average has forgotten where it began (e^-5)
# keys that are resolved only where they are given: a training begun before they existed continues
LATER = (
    "bands",
    "stop_after",
    "cleaning",
    "frame",
    "turned",
    "start",
    "fresh_head",
    "ema",
    "precision",
)
_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"


class Recipe(BaseModel):
    """How one preset is trained.

    Attributes
    ----------
    preset, description : str
        Name of the preset to write, and what it is.
    survey : str
        Survey whose images it takes; `groups` chooses among the survey's groups.
    bands : dict of str to tuple of str, or None
        Instead of `groups`: the bands to take, per group, in the order wanted.
    task : {"finder", "modeller", "cleaner", "auditor"}
        What it predicts; a modeller has `targets`, a cleaner `cleaning`, an auditor a `frame`.
    frame : int or None
        Of an auditor: pixels along each side of the source and residual images it is shown.
    network : Named
        Builder of the zoo and its arguments (preprocessing and augmentation among them).
    start : str or None
        Preset whose weights training begins with, instead of random ones: the same network, for the
        same answers (`lensfinder.training.starting`).
    fresh_head : bool
        Whether the layers that answer begin at random all the same, so that `start` may answer
        something else: values, say, where this network is to answer with a posterior.
    data : Mocks, Shards, Mixture or Arrays
        What it is trained on.
    turned : bool
        Whether every object is shown as one of its eight views, quarter turns and mirrors, drawn
        anew each time; parameters turn with the images (`lensfinder.training.turning`).
    adapt_size : int
        Objects of the training data that preprocessing layers are adapted to before training.
    validation, test : Held
        Objects kept apart.
    optimizer, schedule, loss
        What is minimised, and how.
    batch_size, steps_per_epoch, epochs : int
        An epoch is a number of steps: between two of them the network is validated and saved.
    patience : int or None
        Stop after so many epochs without a better validation loss.
    stop_after : int or None
        End after this epoch with its weights, whatever the validation loss; the schedule of the
        learning rate stays that of all `epochs`.
    ema : float or None
        Share that an exponential moving average of the weights keeps at each step, such as 0.999.
        Training goes on from the weights themselves; the average is what is validated, kept as the
        best epoch and published (`lensfinder.training.averaging`).
    precision : {"float32", "mixed_bfloat16", "auto"}
        Of the arithmetic in training; weights are float32 always, and so is the network that comes
        out. "auto" is mixed on a GPU (`lensfinder.training.precision`).
    jit_compile : bool
        Whether TensorFlow compiles the training step with XLA. Always stated, because Keras would
        otherwise choose by the machine. JAX always compiles.
    seed : int
        Of the initial weights and of the layers' random numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    preset: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9-]*$")
    description: str
    survey: str
    groups: tuple[str, ...] | None = None
    bands: dict[str, tuple[str, ...]] | None = Field(default=None, min_length=1, max_length=8)
    task: Literal[TASKS]
    targets: tuple[Target, ...] = ()
    cleaning: Cleaning | None = None
    frame: int | None = Field(default=None, ge=16, le=512)
    network: Named
    start: str | None = None
    fresh_head: bool = False
    data: Annotated[Mocks | Shards | Mixture | Arrays, Field(discriminator="kind")]
    turned: bool = False
    adapt_size: int = Field(default=2048, ge=1, le=1_000_000)
    validation: Held | None = None
    test: Held | None = None
    optimizer: Named
    schedule: Annotated[Constant | Cosine | Stepped, Field(discriminator="kind")]
    loss: Named
    batch_size: int = Field(ge=1, le=65536)
    steps_per_epoch: int = Field(ge=1, le=10_000_000)
    epochs: int = Field(ge=1, le=100_000)
    patience: int | None = Field(default=None, ge=1)
    stop_after: int | None = Field(default=None, ge=1)
    ema: float | None = Field(default=None, gt=0, lt=1, allow_inf_nan=False)
    precision: Literal[PRECISIONS] = "float32"
    jit_compile: bool
    seed: int = Field(ge=0, lt=2**31)

    @model_validator(mode="after")
    def _consistent(self):
        names = [target.name for target in self.targets]
        if (self.task == "modeller") != bool(names):
            raise ValueError("a modeller has targets, a finder has none.")
        self._check_cleaning()
        if (self.task == "auditor") != (self.frame is not None):
            raise ValueError("an auditor has a frame, another network has none.")
        if self.task == "auditor" and self.data.kind != "arrays":
            raise ValueError("an auditor is trained on arrays: pairs of training.reconstructions.")
        if self.fresh_head and self.start is None:
            raise ValueError("fresh_head goes with start: without it every layer begins at random.")
        if len(set(names)) != len(names):
            raise ValueError(f"each target may stand once only: {names}.")
        if self.groups is not None and self.bands is not None:
            raise ValueError("give groups or bands, not both.")
        if self.stop_after is not None and self.stop_after > self.epochs:
            raise ValueError(f"stop_after must not exceed the {self.epochs} epochs.")
        if self.stop_after is not None and self.patience is not None:
            raise ValueError("give patience or stop_after, not both.")
        if self.ema is not None and self.total_steps < MEMORIES / (1.0 - self.ema):
            raise ValueError(
                f"the average of {self.ema:g} remembers {1.0 / (1.0 - self.ema):.0f} steps; a "
                f"training of {self.total_steps} steps is less than {MEMORIES} times as long, and "
                "the first weights would still be in it. Lower ema, or leave it out."
            )
        schedule = self.schedule
        if schedule.kind == "cosine" and schedule.warmup_steps >= self.total_steps:
            raise ValueError(f"warmup_steps must be below the total of {self.total_steps} steps.")
        if schedule.kind == "cosine" and schedule.floor > schedule.peak:
            raise ValueError("the floor of the learning rate must not exceed its peak.")
        if self.data.kind in ("simulator", "mixture") and self.validation is None:
            raise ValueError("validation is missing; give mocks of another seed.")
        if self.data.kind == "mixture" and self.data.objects != self.batch_size:
            raise ValueError(
                f"the parts of the mixture give {self.data.objects} objects, batch_size is "
                f"{self.batch_size}; they must agree."
            )
        if len(self._planes()) > 1:
            raise ValueError(
                "the parts of the mixture show different planes of their mocks "
                f"({', '.join(sorted(self._planes()))}); a network is shown one."
            )
        self._check_cleaners()
        self._check_disjoint()
        return self

    def _check_cleaning(self):
        if (self.task == "cleaner") != (self.cleaning is not None):
            raise ValueError("a cleaner has `cleaning`, another network has none.")
        if self.cleaning is not None and self.data.kind == "mixture":
            raise ValueError(
                "a cleaner is trained on mocks, on shards or on arrays, not a mixture."
            )

    def _check_cleaners(self):
        for name, held in (("validation", self.validation), ("test", self.test)):
            if held is None or held.cleaner is None:
                continue
            if self.plane != "S3" or self.cleaning is not None:
                raise ValueError(
                    f"{name}: a cleaner goes before a network of cleaned images; train on fresh "
                    "mocks of true sources (plane: S3), alone or among others."
                )

    def _check_disjoint(self):
        ranges = {
            name: (held.seed, held.start, held.start + held.size)
            for name, held in (("validation", self.validation), ("test", self.test))
            if held is not None
        }
        for name, data, batch_size in self._parts():
            if data.kind == "simulator":
                last = data.start + self.total_steps * batch_size
                ranges[name] = (data.seed, data.start, last)
        names = sorted(ranges)
        for index, one in enumerate(names):
            for other in names[index + 1 :]:
                (seed, low, high), (seed2, low2, high2) = ranges[one], ranges[other]
                if seed == seed2 and low < high2 and low2 < high:
                    raise ValueError(
                        f"{one} (seed {seed}, objects {low} to {high}) and {other} ({low2} to "
                        f"{high2}) share objects; give them different seeds."
                    )

    def _parts(self):
        """(name, data, objects per batch) of the training data, which may be a mixture."""
        if self.data.kind != "mixture":
            return [("data", self.data, self.batch_size)]
        return [
            (f"part {k} of data", part.data, part.objects) for k, part in enumerate(self.data.parts)
        ]

    @property
    def total_steps(self) -> int:
        """Number of training steps in all."""
        return self.epochs * self.steps_per_epoch

    @property
    def drawing(self) -> dict:
        """Options of `Simulator` with which all mocks of this recipe are drawn."""
        return drawing(self.data)

    @property
    def truth_columns(self) -> tuple[str, ...]:
        """Columns of the truth table that the network is trained on; planes, of a cleaner."""
        if self.cleaning is not None:
            return self.cleaning.planes
        if self.frame is not None:
            return SOLUTIONS
        return tuple(target.name for target in self.targets) or ("label",)

    def contract(self) -> InputContract:
        """Input contract of the network: the survey's, or that of the chosen groups or bands.

        An auditor's is that of the frames of `lensfinder.inversion.frame`.

        Returns
        -------
        InputContract
            Groups, bands, stamp sizes and pixel scales.

        Raises
        ------
        MissingBandError, InputContractError, UnknownNameError
            If the survey has no such group or band.
        """
        if self.frame is not None:
            return reconstruction_contract(load_survey(self.survey).name, self.frame)
        contract = InputContract.from_survey(load_survey(self.survey), self.groups)
        return contract if self.bands is None else contract.select(self.bands)

    @property
    def plane(self) -> str:
        """Which plane of the mocks the network is shown; of a mixture, that of all fresh ones."""
        return next(iter(self._planes()), "S1")

    def _planes(self) -> set[str]:
        """Planes that the fresh mocks of the data are shown in."""
        return {data.plane for _, data, _ in self._parts() if hasattr(data, "plane")}

    def training_contract(self) -> InputContract:
        """Contract of the network while it is trained: that of its patches, where there are any.

        Returns
        -------
        InputContract
            As `contract`, apart from the size of the stamps.
        """
        contract = self.contract()
        if self.cleaning is None or self.cleaning.patch is None:
            return contract
        small = {"stamp": self.cleaning.patch}
        groups = tuple(group.model_copy(update=small) for group in contract.groups)
        return contract.model_copy(update={"groups": groups})

    def resolved(self) -> dict:
        """The recipe with the survey and populations it names written out, as plain data.

        Two runs with the same resolved recipe train on the same objects, even if a survey's file
        was edited in between.

        Returns
        -------
        dict
            JSON-able.
        """
        parts = {"recipe": self.model_dump(mode="json")}
        for key in LATER:
            if getattr(self, key) == type(self).model_fields[key].default:
                del parts["recipe"][key]
        parts["survey"] = load_survey(self.survey).model_dump(mode="json")
        parts_of_data = [data for _, data, _ in self._parts()]
        named = {
            part.population
            for part in (*parts_of_data, self.validation)
            if getattr(part, "population", None)
        }
        parts["populations"] = {
            name: load_population(name).model_dump(mode="json") for name in sorted(named)
        }
        return _plain(parts)


def recipe_names(family: str | None = None) -> list[str]:
    """Names of the recipes that come with the package.

    Parameters
    ----------
    family : str or None
        A folder of recipes that belong together, such as "bom2022"; the single ones by default.

    Returns
    -------
    list of str
        Sorted names, without the file ending; those of a family as ``family/name``.
    """
    folder = data_specs_dir() / "recipes"
    if family is None:
        return sorted(path.stem for path in folder.glob("*.yaml"))
    if not re.fullmatch(_NAME, family):
        return []
    return sorted(f"{family}/{path.stem}" for path in (folder / family).glob("*.yaml"))


def load_recipe(name) -> Recipe:
    """A recipe by name, or from a YAML file of your own.

    Parameters
    ----------
    name : str, Path or Recipe
        A name that `recipe_name` knows, a path ending in ``.yaml``, or a recipe, returned as it
        is.

    Returns
    -------
    Recipe
        The recipe.

    Raises
    ------
    UnknownNameError
        If no recipe has this name, nor makes a preset of it.
    RecipeError
        If several make it, or the file is not a valid recipe; the message names file, key and known
        neighbours.
    """
    if isinstance(name, Recipe):
        return name
    path = Path(str(name))
    if not is_file(name):
        path = data_specs_dir() / "recipes" / f"{recipe_name(name)}.yaml"
    try:
        return validate(Recipe, read_yaml(path), str(path))
    except LensfinderError as error:
        if isinstance(error, SpecError):
            raise RecipeError(str(error), file=str(path)) from error
        raise


def _plain(data):
    """JSON knows no infinity, but the bounds of a prior may be infinite."""
    if isinstance(data, dict):
        return {key: _plain(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_plain(value) for value in data]
    return str(data) if isinstance(data, float) and not math.isfinite(data) else data
