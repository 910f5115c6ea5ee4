"""Which recipe is meant by a name: its own, or that of the preset it makes."""

from pathlib import Path

from lensfinder.errors import RecipeError, UnknownNameError
from lensfinder.paths import data_specs_dir
from lensfinder.specs import read_yaml


def recipe_name(name) -> str:
    """The recipe that is meant by its own name, or by that of the preset it makes.

    Parameters
    ----------
    name : str
        Such as ``compact-finder-euclid-vis``, ``shards/compact-finder-euclid-vis`` of a family, or
        ``compact-finder/euclid-vis``, the preset. Where recipes of several families make the
        preset, the one that is of no family is meant, or else the one that is not of ``shards``,
        which holds the same trainings on stored mocks.

    Returns
    -------
    str
        Name of the recipe.

    Raises
    ------
    UnknownNameError
        If no recipe has this name, nor makes a preset of it.
    RecipeError
        If several make that preset alike.
    """
    name, known = str(name), _everywhere()
    if name in known:
        return name
    found = makers(name)
    chosen = [recipe for recipe in found if "/" not in recipe]
    chosen = chosen or [recipe for recipe in found if not recipe.startswith("shards/")] or found
    if not chosen:
        family = name.rpartition("/")[0]
        near = [recipe for recipe in known if recipe.rpartition("/")[0] == family]
        raise UnknownNameError(
            "recipe", name, near or [recipe for recipe in known if "/" not in recipe]
        )
    if len(chosen) > 1:
        raise RecipeError(
            f"{len(chosen)} recipes make the preset {name}: {', '.join(chosen)}. Give one of these."
        )
    return chosen[0]


def makers(preset: str) -> list[str]:
    """All recipes that make a preset.

    Parameters
    ----------
    preset : str
        Its name.

    Returns
    -------
    list of str
        Names of recipes, sorted.
    """
    return [recipe for recipe in _everywhere() if _preset_of(recipe) == preset]


def is_file(name) -> bool:
    """Whether a recipe is given as a YAML file, and not by its name.

    Parameters
    ----------
    name : str or Path
        What was given.

    Returns
    -------
    bool
        By its ending.
    """
    return Path(str(name)).suffix in (".yaml", ".yml")


def _everywhere() -> list[str]:
    """Names of all recipes, those of families too."""
    folder = data_specs_dir() / "recipes"
    found = (path.relative_to(folder).with_suffix("") for path in folder.rglob("*.yaml"))
    return sorted(path.as_posix() for path in found)


def _preset_of(recipe: str) -> str | None:
    return read_yaml(data_specs_dir() / "recipes" / f"{recipe}.yaml").get("preset")
