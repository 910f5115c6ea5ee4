"""The parts of a recipe that say what is predicted, and how it is learned."""

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lensfinder.errors import UnknownNameError
from lensfinder.tables import COLUMNS

Rate = Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]
Scalar = bool | int | float | str
# an optimiser's or a layer's argument: plain data only, finite numbers only
Argument = Scalar | None | list[Scalar] | dict[str, Scalar]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Target(_Part):
    """A parameter to predict, and the range that the network sees as 0 to 10."""

    name: str
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    unit: str
    weight: float = Field(default=1.0, gt=0, le=1000, allow_inf_nan=False)

    @model_validator(mode="after")
    def _sensible(self):
        if self.name not in COLUMNS:
            raise ValueError(str(UnknownNameError("target", self.name, COLUMNS)))
        expected = COLUMNS[self.name].unit
        if self.unit != expected:
            raise ValueError(f"{self.name} is in {expected!r}, not in {self.unit!r}.")
        if not self.low < self.high:
            raise ValueError(f"{self.name} needs low < high.")
        return self


class Named(_Part):
    """A thing by name, with its declared arguments."""

    name: str
    arguments: dict[str, Argument] = {}

    @model_validator(mode="after")
    def _finite(self):
        for key, value in self.arguments.items():
            for number in _flat(value):
                if isinstance(number, float) and not math.isfinite(number):
                    raise ValueError(f"{key} must be finite.")
        return self


class Constant(_Part):
    """One learning rate."""

    kind: Literal["constant"]
    learning_rate: Rate


class Cosine(_Part):
    """Linear warm-up, then half a cosine over the rest of the training."""

    kind: Literal["cosine"]
    peak: Rate
    floor: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    warmup_steps: int = Field(default=0, ge=0)


class Stepped(_Part):
    """A learning rate that is multiplied by `factor` at each boundary (steps)."""

    kind: Literal["step"]
    peak: Rate
    factor: float = Field(gt=0, lt=1)
    boundaries: tuple[int, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ascending(self):
        if list(self.boundaries) != sorted(set(self.boundaries)) or self.boundaries[0] < 1:
            raise ValueError("boundaries must be positive and ascending.")
        return self


def _flat(value):
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else [value]
