"""Tell a preset's card anew from its figures: no training, no measuring, the same weights."""

from lensfinder.errors import LensfinderError, PresetError
from lensfinder.training.card import model_card
from lensfinder.training.recipe import Recipe, load_recipe
from lensfinder.training.recipe_data import Shards
from lensfinder.training.recipe_lookup import makers
from lensfinder.training.reproduce import command
from lensfinder.zoo import open_preset, replace_words

NOWHERE = "not-kept"  # a preset says what its shards were, not where they lay


def retell(name_or_path):
    """Write the card of a preset anew, and what in its ``metrics.json`` is words.

    The description is that of the recipe which makes the preset now, if the package has one (of
    several, one with the same network and the same kind of data); the command that reproduces the
    figures is added where there is none. Weights, configuration and figures stay as they are, byte
    by byte.

    Parameters
    ----------
    name_or_path : str or Path
        The preset.

    Returns
    -------
    Preset
        With its new card; pinned anew, if it is one of the package's.

    Raises
    ------
    PresetError
        If its ``metrics.json`` holds no recipe, as that of a preset that was adapted to images.
    """
    preset = open_preset(name_or_path)
    metrics, card = retold(preset)
    return replace_words(preset, metrics=metrics, card=card)


def retold(preset) -> tuple[dict, str]:
    """What `retell` would write.

    Parameters
    ----------
    preset : Preset
        Open.

    Returns
    -------
    metrics : dict
        Figures, with what is words in them told anew.
    card : str
        Markdown.

    Raises
    ------
    PresetError
        If it has no recipe.
    """
    from lensfinder.training import forked

    training = preset.metrics.get("training", {})
    if "recipe" not in training or "adapted_from" in preset.metrics:
        raise PresetError(
            f"{preset.name} does not say by which recipe it was made, so its card cannot be "
            "written again. Publish it where it was trained."
        )
    recorded = training["recipe"]
    description = _description(preset.name, recorded) or recorded["description"]
    recorded = {**recorded, "description": description}
    metrics = {**preset.metrics, "training": {**training, "recipe": recorded}}
    line = command(metrics)
    if line is not None:
        metrics["reproduce"] = line
    recipe = recorded_recipe(recorded)
    write = forked.card if recipe.task == "auditor" else model_card
    return metrics, write(recipe, metrics)


def recorded_recipe(recorded: dict) -> Recipe:
    """The recipe that a preset's ``metrics.json`` holds.

    Parameters
    ----------
    recorded : dict
        ``training``, ``recipe``.

    Returns
    -------
    Recipe
        Its shards lie nowhere: it says how a network was made, and cannot be trained again.
    """
    return Recipe.model_validate({**recorded, "data": _data(recorded["data"])})


def _data(recorded):
    if recorded["kind"] == "mixture":
        parts = [{**part, "data": _data(part["data"])} for part in recorded["parts"]]
        return {**recorded, "parts": parts}
    if recorded["kind"] != "shards":
        return recorded
    known = {name: value for name, value in recorded.items() if name in Shards.model_fields}
    return {**known, "folder": NOWHERE}


def _description(name: str, recorded: dict) -> str | None:
    """What the recipe says that makes the preset now; of several, one of the same network.

    Where all are of families, of the same kind of data, too.
    """
    found = {recipe: load_recipe(recipe) for recipe in makers(name)}
    alike = [
        title
        for title, recipe in found.items()
        if recipe.network.model_dump(mode="json") == recorded["network"]
    ]
    kind = recorded["data"]["kind"]
    meant = [recipe for recipe in alike if "/" not in recipe]
    meant = meant or [recipe for recipe in alike if found[recipe].data.kind == kind] or alike
    try:
        return load_recipe(meant[0] if len(meant) == 1 else name).description.strip()
    except LensfinderError:  # no recipe of the package makes it, or several do
        return None
