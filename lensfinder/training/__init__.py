"""Training: recipes, losses, exact checkpoints, the loop, and figures of merit.

Nothing heavy is imported before a name is asked for.
"""

import importlib

_HOMES = {
    "Recipe": "recipe",
    "load_recipe": "recipe",
    "recipe_names": "recipe",
    "train": "loop",
    "TrainingResult": "loop",
    "cross_validate": "crossval",
    "CrossValidation": "crossval",
    "fold_presets": "fold_networks",
    "grid_search": "grid",
    "GridSearch": "grid",
    "RAdam": "radam",
    "Tuning": "finetuning",
    "ArraySource": "sources",
    "Batch": "sources",
    "Listener": "listeners",
    "finder_figures": "scores",
    "modeller_figures": "scores",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__():
    return __all__
