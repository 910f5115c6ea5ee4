"""Mixed precision: the arithmetic of a network in bfloat16 while it is trained, weights in float32.

A GPU multiplies matrices of bfloat16 several times faster than of float32; a CPU gains nothing.
bfloat16 has the range of float32 but three digits, too few for pixels in e-/s that span five
decades: layers of `lensfinder.zoo.layers`, which prepare images and make the answers, and all heads
compute in float32 either way. Nothing but training is mixed: a finished training is handed back,
measured and published in float32.
"""

import contextlib
import os

FLOAT32, MIXED = "float32", "mixed_bfloat16"
PRECISIONS = (FLOAT32, MIXED, "auto")
_OURS = "lensfinder.zoo.layers"


def resolved_precision(precision: str) -> str:
    """What a recipe's precision means on this machine.

    Parameters
    ----------
    precision : {"float32", "mixed_bfloat16", "auto"}
        As in the recipe.

    Returns
    -------
    str
        "float32" or "mixed_bfloat16"; "auto" is mixed where the backend computes on anything but
        a CPU.
    """
    if precision != "auto":
        return precision
    import keras

    devices = keras.distribution.list_devices()
    return FLOAT32 if all(name.lower().startswith("cpu") for name in devices) else MIXED


def device_words() -> str:
    """What the backend computes on.

    Returns
    -------
    str
        Such as "1 GPU" or "2 CPU cores".
    """
    import keras

    names = [name.lower().partition(":")[0] for name in keras.distribution.list_devices()]
    others = [name for name in names if name != "cpu"]
    if others:
        return f"{len(others)} {others[0].upper()}"
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return f"{len(affinity(0)) if affinity else os.cpu_count()} CPU cores"


@contextlib.contextmanager
def building_in(precision: str):
    """Layers made inside compute in this precision, unless they say otherwise.

    Parameters
    ----------
    precision : str
        From `resolved_precision`.
    """
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def keep_ours_exact(model) -> None:
    """Have the layers of `lensfinder.zoo.layers` in a model, and theirs, compute in float32.

    Parameters
    ----------
    model : keras.Model
        Built in any precision, not compiled.
    """
    for layer in model._flatten_layers():  # Keras has no public way to the layers of a layer
        if type(layer).__module__.startswith(_OURS):
            for part in layer._flatten_layers():
                part.dtype_policy = FLOAT32
