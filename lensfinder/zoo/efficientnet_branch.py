"""EfficientNet of keras.applications without its scaling layers; ImageNet weights from a file."""

import hashlib
import math
import warnings
from pathlib import Path

import h5py
import keras
import numpy as np

from lensfinder.errors import ArchitectureError, UntrustedArtefactError
from lensfinder.zoo.efficientnet_lite import LITE, free_efficientnet, lite_network, load_lite
from lensfinder.zoo.weights import array_of

VARIANTS = ("B0-half", LITE, "B0", "B1", "B2", "B3", "B4", "B5", "B6", "B7")
HALF = "B0-half"  # half the width and half the depth of B0: a third of its time on a CPU
FIRST_LAYER = "stem_conv_pad"  # what follows the scaling layers in keras.applications
_NOT_READABLE = (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError)


def reference_network(variant: str, shape) -> keras.Model:
    """keras.applications' own network: no top, average pooling, random weights.

    Parameters
    ----------
    variant : str
        "B0" to "B7", "B0-half" or "Lite0".
    shape : tuple of int
        (H, W, channels).

    Returns
    -------
    keras.Model
        The network, with its scaling layers.
    """
    own = {HALF: _half_network, LITE: lite_network}
    make = own.get(variant) or getattr(keras.applications, f"EfficientNet{variant}")
    with warnings.catch_warnings():
        # a hint about ImageNet; here the number of channels is the number of bands
        warnings.filterwarnings(
            "ignore", message="This model usually expects 1 or 3 input channels"
        )
        return make(include_top=False, weights=None, input_shape=tuple(shape), pooling="avg")


def _half_network(**options):
    """Scaled down by the paper's own rule (Tan & Le 2019, equation 3), for machines without GPU."""
    return free_efficientnet().EfficientNet(
        width_coefficient=0.5,
        depth_coefficient=0.5,
        default_size=224,
        dropout_rate=0.2,
        name="efficientnetb0half",
        **options,
    )


def efficientnet_branch(variant: str, shape, group: str) -> keras.Model:
    """The network from its stem on, every layer named after its group.

    Parameters
    ----------
    variant : str
        "B0" to "B7", "B0-half" or "Lite0".
    shape : tuple of int
        (H, W, channels).
    group : str
        Prefix of all layer names, so that two branches differ in every weight's name.

    Returns
    -------
    keras.Model
        From (N, H, W, channels) to pooled features (N, F).

    Raises
    ------
    ArchitectureError
        If keras.applications no longer puts its stem where we cut.
    """
    full = reference_network(variant, shape)
    before = [layer.name for layer in full.layers]
    if FIRST_LAYER not in before:
        raise ArchitectureError(
            f"This Keras has no layer {FIRST_LAYER!r} in EfficientNet. Use keras 3.15."
        )
    removed = [type(layer) for layer in full.layers[: before.index(FIRST_LAYER)]]
    scaling = (keras.layers.InputLayer, keras.layers.Rescaling, keras.layers.Normalization)
    if not all(issubclass(kind, scaling) for kind in removed):
        raise ArchitectureError(
            f"Only scaling layers may stand before {FIRST_LAYER!r}. Received: {removed}. "
            "Use keras 3.15."
        )
    headless = keras.Model(full.get_layer(FIRST_LAYER).input, full.output)
    renamed = keras.models.clone_model(headless, clone_function=lambda x: _renamed(x, group))
    return keras.Model(
        renamed.inputs[0], renamed.outputs[0], name=f"{group}_efficientnet_{variant.lower()}"
    )


def _renamed(layer, group: str):
    config = layer.get_config()
    config["name"] = f"{group}_{layer.name}"
    return type(layer).from_config(config)


def load_imagenet(branches: dict, variant: str, path, *, sha256: str | None = None) -> None:
    """Start branches from a file of ImageNet weights without top.

    The file is checked and loaded into a network that is then thrown away; the branches change only
    after everything was found right.

    Parameters
    ----------
    branches : dict of str to keras.Model
        Branches from `efficientnet_branch`, by group.
    variant : str
        "B0" to "B7", or "Lite0".
    path : str or Path
        A ``*_notop.h5`` (as Keras publishes them) or ``.weights.h5`` file; for Lite0 the
        safetensors of `lensfinder.zoo.efficientnet_lite.load_lite`.
    sha256 : str or None
        What the file must hash to.

    Raises
    ------
    ArchitectureError
        If a branch does not have three channels.
    UntrustedArtefactError
        If the file is missing, has another hash, or does not hold these weights.
    """
    path = Path(path)
    for group, branch in branches.items():
        if branch.input_shape[-1] != 3:
            raise ArchitectureError(
                f"ImageNet weights need three channels. Group {group!r} has "
                f"{branch.input_shape[-1]}: use channels='repeat' or 'zeros'."
            )
    shape = next(iter(branches.values())).input_shape[1:]
    reference = reference_network(variant, shape)
    if variant == LITE:
        load_lite(reference, path, sha256=sha256)
    else:
        _load_keras_file(reference, variant, path, sha256)
    for weight in reference.weights:
        if not np.all(np.isfinite(array_of(weight))):
            raise UntrustedArtefactError(f"{path.name} holds values that are not finite.")
    for group, branch in branches.items():
        for layer in branch.layers:
            if layer.weights:
                layer.set_weights(reference.get_layer(_original(layer.name, group)).get_weights())


def _load_keras_file(reference, variant, path, sha256) -> None:
    """A file of keras.applications into a network that nobody uses yet."""
    _check_file(path, reference, sha256)
    try:
        with warnings.catch_warnings():
            # Keras only warns when it finds no weights for a layer, and leaves it as it was
            warnings.simplefilter("error", UserWarning)
            reference.load_weights(path)
    except (*_NOT_READABLE, UserWarning) as error:
        raise UntrustedArtefactError(
            f"{path.name} does not hold the weights of EfficientNet{variant} without top. "
            f"Give the notop file of the same variant. Keras says: {error}"
        ) from error


def _original(name: str, group: str) -> str:
    return name.removeprefix(f"{group}_")


def _check_file(path: Path, reference: keras.Model, sha256: str | None) -> None:
    """Refuse a file by hash, size or structure before its content is read."""
    if not path.is_file() or path.suffix != ".h5":
        raise UntrustedArtefactError(f"Expected a .h5 file of weights. Received: {path}.")
    expected = sum(math.prod(weight.shape) * 4 for weight in reference.weights)
    if path.stat().st_size > 1.5 * expected + 8e6:  # HDF5 keeps an index beside the numbers
        raise UntrustedArtefactError(
            f"{path.name} has {path.stat().st_size} bytes, its weights need {expected}. "
            "Give a file of weights alone, without top."
        )
    if sha256 is not None:
        received = hashlib.sha256(path.read_bytes()).hexdigest()
        if received != sha256:
            raise UntrustedArtefactError(
                f"{path.name} must have the SHA-256 {sha256}. Received: {received}.",
                expected=sha256,
                received=received,
            )
    try:
        with h5py.File(path, "r") as file:
            declared = _declared_bytes(file)
    except _NOT_READABLE as error:
        if isinstance(error, UntrustedArtefactError):
            raise
        raise UntrustedArtefactError(
            f"{path.name} is not a readable HDF5 file ({error})."
        ) from error
    if declared > expected + 4096:  # a few counters and labels
        raise UntrustedArtefactError(
            f"{path.name} declares {declared} bytes of numbers, the network has {expected}."
        )


def _declared_bytes(group, depth: int = 0) -> int:
    """Bytes that the data sets of a file would take; links out of the file are refused."""
    if depth > 20:
        raise UntrustedArtefactError("The file nests groups deeper than 20 levels.")
    total = 0
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise UntrustedArtefactError(f"The file links {name!r} to somewhere else.")
        item = group[name]
        if isinstance(item, h5py.Group):
            total += _declared_bytes(item, depth + 1)
        elif item.is_virtual or item.external or item.dtype.kind not in "fiu":
            raise UntrustedArtefactError(f"The file keeps {name!r} in a form that is not accepted.")
        else:
            total += math.prod(item.shape) * item.dtype.itemsize
    return total
