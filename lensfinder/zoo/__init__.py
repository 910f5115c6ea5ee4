"""Networks: one file per architecture, one registry, presets with verified weights.

`names()` lists the architectures, `build` makes one as a functional Keras model, `load` gives a
pretrained one. Nothing heavy is imported before the first of them is asked for.
"""

import importlib

_HOMES = {
    "names": "registry",
    "tasks": "registry",
    "build": "registry",
    "adapt": "layers.adapted",
    "set_training_objects": "layers.dense_flipout",
    "posterior_samples": "sampling",
    "select": "inputs",
    "multiply_adds": "cost",
    "Preset": "presets",
    "open_preset": "presets",
    "save_preset": "saving",
    "replace_words": "saving",
    "preset_names": "presets",
    "fetch_preset": "presets",
    "mirror_presets": "presets",
    "imagenet_file": "imagenet",
    "load": "presets",
    "fixed_predict": "predict",
    "clean_tile": "tiled",
    "latent_codes": "vib",
    "predict_draws": "vib",
    "joint_likelihood": "vib",
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
