"""Why a finder gave a score: which regions of the sky speak for a lens, and which against.

`explain` is the verb: images in, a table, maps and a page out. `Explainer` explains one object of
one network. LIME (Ribeiro et al. 2016) is the default; occlusion and integrated gradients check it.
"""

import importlib

_HOMES = {
    "explain": "run",
    "Explainer": "methods",
    "METHODS": "methods",
    "Explanation": "explanation",
    "Regions": "regions",
    "segment": "regions",
    "Sky": "sky",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return __all__
