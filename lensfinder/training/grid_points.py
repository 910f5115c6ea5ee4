"""The combinations of a grid search: their names, and the recipe of each."""

import hashlib
import itertools
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path

from lensfinder.errors import ArgumentError, UnknownNameError
from lensfinder.paths import data_specs_dir
from lensfinder.specs import read_yaml
from lensfinder.training.fold_plans import altered

# short names of what is usually searched; any other axis is a dotted key of the recipe
AXES = ("learning_rate", "batch_size", "seed", "weight.TARGET", "KEY.KEY")
MOST = 10_000  # runs of a grid
_LONGEST = 120  # of a run's name
_FREE = ("network.arguments", "optimizer.arguments", "loss.arguments")  # may gain keys


def load_grid(grid) -> Mapping:
    """A grid by name, from a YAML file, or as it is.

    Parameters
    ----------
    grid : str, Path or dict
        A name such as ``schuldt2021``, a path ending in ``.yaml``, or values per axis.

    Returns
    -------
    dict of str to list
        Values per axis.

    Raises
    ------
    UnknownNameError
        If no grid has this name.
    SpecError
        If the file is not plain YAML.
    """
    if isinstance(grid, Mapping):
        return grid
    path = Path(str(grid))
    if path.suffix not in (".yaml", ".yml"):
        known = {file.stem: file for file in (data_specs_dir() / "grids").glob("*.yaml")}
        if str(grid) not in known:
            raise UnknownNameError("grid", str(grid), known)
        path = known[str(grid)]
    return read_yaml(path)


def grid_points(grid) -> dict[str, dict]:
    """Every combination of a grid's values.

    Parameters
    ----------
    grid : dict of str to list
        Values per axis.

    Returns
    -------
    dict of str to dict
        Values per axis, by the name of the run: the same for the same values, whatever else is in
        the grid.

    Raises
    ------
    ArgumentError
        If an axis has no values or one twice, or there are more than 10,000 combinations.
    """
    if not isinstance(grid, Mapping) or not grid:
        raise ArgumentError(f"A grid needs an axis with values. Received: {grid!r}. Give one.")
    for axis, values in grid.items():
        written = [json.dumps(value) for value in values] if isinstance(values, list) else []
        if not written or len(set(written)) != len(written):
            raise ArgumentError(
                f"The axis {axis} needs a list of distinct values. Received: {values!r}."
            )
    axes, count = list(grid), math.prod(len(values) for values in grid.values())
    if count > MOST:
        raise ArgumentError(
            f"A grid has at most {MOST} runs. Received: {count}. Take fewer values."
        )
    points = [
        dict(zip(axes, values, strict=True))
        for values in itertools.product(*(grid[axis] for axis in axes))
    ]
    return {run_name(values): values for values in points}


def run_name(values) -> str:
    """Name of a run's folder.

    Parameters
    ----------
    values : dict
        Value per axis.

    Returns
    -------
    str
        Such as ``batch_size=32,learning_rate=0.01``; with a hash where that is too long or holds
        what a folder's name should not.
    """
    items = sorted((axis, json.dumps(value)) for axis, value in values.items())
    text = ",".join(f"{axis}={value}" for axis, value in items)
    safe = re.sub(r"[^A-Za-z0-9.,=_+-]", "_", text)
    if safe == text and len(text) <= _LONGEST:
        return text
    return f"{safe[: _LONGEST - 13]},{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def planned(recipe, values):
    """The recipe of one run.

    Parameters
    ----------
    recipe : Recipe
        What all runs have in common.
    values : dict
        Value per axis, see `grid_search`.

    Returns
    -------
    Recipe
        The recipe with these values. With another batch size an epoch keeps its number of objects,
        and the warm-up and the boundaries of the learning rate, which count steps, their place in
        it, unless they have an axis of their own.

    Raises
    ------
    UnknownNameError
        If an axis is neither a short name nor a key of the recipe.
    SpecError
        If a value cannot be.
    """
    plain = recipe.model_dump(mode="json")
    for axis, value in sorted(values.items(), key=lambda item: item[0] != "batch_size"):
        if axis == "learning_rate":
            name = "learning_rate" if plain["schedule"]["kind"] == "constant" else "peak"
            plain["schedule"][name] = value
        elif axis == "batch_size":
            objects = recipe.steps_per_epoch * recipe.batch_size
            if isinstance(value, int) and value > 0:
                plain["steps_per_epoch"] = max(1, objects // value)
                ratio = plain["steps_per_epoch"] / recipe.steps_per_epoch
                plain["schedule"] = _stretched(plain["schedule"], ratio)
            plain["batch_size"] = value
        elif axis.startswith("weight."):
            _target(plain, axis)["weight"] = value
        else:
            _set(plain, axis, value)
    return altered(recipe, **plain)


def _stretched(schedule, ratio) -> dict:
    """A schedule with `ratio` times as many steps in an epoch."""
    found = dict(schedule)
    if found.get("warmup_steps"):
        found["warmup_steps"] = max(1, round(ratio * found["warmup_steps"]))
    if found.get("boundaries"):
        found["boundaries"] = [max(1, round(ratio * edge)) for edge in found["boundaries"]]
    return found


def _target(plain, axis) -> dict:
    found = {target["name"]: target for target in plain["targets"]}
    name = axis.removeprefix("weight.")
    if name not in found:
        raise UnknownNameError("target", name, found)
    return found[name]


def _set(plain, axis, value) -> None:
    place, _, last = axis.rpartition(".")
    part = plain
    for key in place.split(".") if place else ():
        part = part.get(key) if isinstance(part, dict) else None
    if not isinstance(part, dict) or (last not in part and place not in _FREE):
        raise UnknownNameError("axis", axis, [*AXES, *plain])
    part[last] = value


def changes_loss(axis: str) -> bool:
    """Whether the validation losses of runs that differ in an axis mean different things.

    Parameters
    ----------
    axis : str
        Of a grid.

    Returns
    -------
    bool
        True for weights and ranges of targets, and for the loss itself.
    """
    return axis.partition(".")[0] in ("weight", "loss", "targets")
