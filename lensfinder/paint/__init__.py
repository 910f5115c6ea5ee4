"""Painted mocks: the arcs of real, sharp galaxies on the images of real lens galaxies.

`paint` is the verb: cutouts of galaxies and of sources in, a data set out, as Schuldt et al. (2021,
section 2) made theirs. `Painter` makes the objects; `Settings` says how.
"""

import importlib

_HOMES = {
    "paint": "run",
    "Painter": "painter",
    "Settings": "settings",
    "Galaxies": "galaxies",
    "read_galaxies": "galaxies",
    "Sources": "sources",
    "hubble_sources": "sources",
    "read_sources": "sources",
    "Moments": "moments",
    "adaptive_moments": "moments",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return __all__
