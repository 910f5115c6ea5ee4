"""Find and model strong gravitational lenses in survey images.

Everything below is imported when it is first used, so that ``import lensfinder`` is instant:

``find``, ``model``
    Images in, one table row per image out.
``fit``
    The mass of each lens by reconstructing its source.
``clean``
    Noise and lens light taken off images.
``audit``
    Is a reconstructed source real? Fits, verdicts, and fits again until one is.
``delays``, ``compare_delays``
    Lensed images of each lens and when they appear; what errors of the lens do to them.
``explain``
    Which regions of the sky speak for a lens, and which against.
``export``
    Lens parameters in the files of other codes.
``load``
    A pretrained preset as a plain Keras model.
``Simulator``, ``simulate``
    Mock lenses, in memory or written to a folder.
``paint``
    Lensed arcs of real sources on images of real galaxies.
``train``, ``evaluate``, ``adapt``
    Train a recipe; measure a preset on fresh mocks; train a preset on for another survey.
``load_survey``, ``load_population``
    What the images and the lenses of a run look like.
"""

import importlib
import sys

from lensfinder._callable import VerbPackage

__version__ = "0.1.0"

# Public name -> the module that holds it under the same name.
_EXPORTS = {
    "find": "lensfinder.find",
    "model": "lensfinder.model",
    "fit": "lensfinder.fit",
    "clean": "lensfinder.clean",
    "audit": "lensfinder.audit",
    "delays": "lensfinder.delays",
    "compare_delays": "lensfinder.delays",
    "export": "lensfinder.export",
    "load": "lensfinder.zoo",
    "Simulator": "lensfinder.simulate",
    "simulate": "lensfinder.simulate",
    "paint": "lensfinder.paint",
    "train": "lensfinder.training",
    "evaluate": "lensfinder.evaluate",
    "adapt": "lensfinder.adapt",
    "explain": "lensfinder.explain",
    "Survey": "lensfinder.specs",
    "Population": "lensfinder.specs",
    "InputContract": "lensfinder.specs",
    "load_survey": "lensfinder.specs",
    "load_population": "lensfinder.specs",
    "LensfinderError": "lensfinder.errors",
}
# Names that are a room and its function at once.
_VERBS = frozenset(name for name, module in _EXPORTS.items() if module == f"{__name__}.{name}")

__all__ = ["__version__", *_EXPORTS]

sys.modules[__name__].__class__ = VerbPackage


def __getattr__(name):
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_EXPORTS[name])
    return module if name in _VERBS else getattr(module, name)


def __dir__():
    return sorted(__all__)
