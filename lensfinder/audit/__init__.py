"""Is the source real, or the demagnified or inverted one? Verdicts on reconstructions, and refits.

`audit` fits lenses, has each reconstruction called under-magnified, correct or over-magnified, and
starts again with another prior, by the rules of Maresca, Dye & Li (2021). `audit_given` calls
reconstructions made by other codes, which `read_images`, `read_pyautolens` and `read_coolest` read.
`next_step` is the table of rules alone, `parity_opinion` the second opinion that needs no network.
"""

import importlib

# Name: module that holds it. Read on first use, so that the rules do not cost Keras.
_HOMES = {
    "classifiers": ("Classifier", "classifier_of"),
    "coolest": ("read_coolest",),
    "elsewhere": ("Reconstruction", "read_images"),
    "given": ("audit_given",),
    "inputs": ("Reading",),
    "loop": ("Lens", "Procedure", "audit_lens"),
    "opinion": ("Opinion", "parity_opinion"),
    "pyautolens": ("read_pyautolens",),
    "record": ("History", "Round"),
    "rules": ("Attempt", "Step", "next_prior", "next_step"),
    "run": ("audit",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name):
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__():
    return __all__
