"""What a network sees: its input after the preprocessing layers that are part of the model."""

from dataclasses import dataclass

import keras
import numpy as np

from lensfinder.zoo.layers import ArcsinhStretch, ContrastClip, ImageScale

PREPROCESSING = (ArcsinhStretch, ContrastClip, ImageScale)


@dataclass(frozen=True)
class View:
    """Images of one or more objects as the network's first trained layer receives them.

    Attributes
    ----------
    images : dict of str to array (N, H, W, bands)
        One array per group.
    layers : dict of str to tuple of str
        Kind and name of the preprocessing layers that each group passed; empty for a group that the
        network takes as it is.
    """

    images: dict[str, np.ndarray]
    layers: dict[str, tuple[str, ...]]

    @property
    def words(self) -> str:
        """One sentence for a caption."""
        parts = [
            f"{group}: {' then '.join(names)}" if names else f"{group}: no preprocessing layer, raw"
            for group, names in self.layers.items()
        ]
        return "; ".join(parts)


def network_view(network: keras.Model, images: dict) -> View:
    """The network's own view of some images.

    Follows each input through the preprocessing layers at the front of the network, and evaluates
    that part of it alone. Augmentation comes after them and does nothing outside training.

    Parameters
    ----------
    network : keras.Model
        A functional model of the zoo, one input per group.
    images : dict of str to array (N, H, W, bands)
        Images in the unit of the input contract.

    Returns
    -------
    View
        What the layers behind the preprocessing are given, and which layers that were.
    """
    outputs, layers = {}, {}
    for tensor in network.inputs:
        group, names = tensor.name, []
        while (layer := _next_preprocessing(network, tensor)) is not None:
            tensor = layer.output
            names.append(f"{type(layer).__name__} ({layer.name})")
        outputs[group], layers[group] = tensor, tuple(names)
    inputs = {tensor.name: tensor for tensor in network.inputs}
    front = keras.Model(inputs, outputs)
    seen = front({group: np.asarray(images[group], np.float32) for group in inputs}, training=False)
    return View({group: keras.ops.convert_to_numpy(seen[group]) for group in inputs}, layers)


def _next_preprocessing(network, tensor):
    """The preprocessing layer that takes this tensor, or None."""
    for layer in network.layers:
        if isinstance(layer, PREPROCESSING) and layer.input is tensor:
            return layer
    return None
