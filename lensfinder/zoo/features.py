"""What a modeller has seen in an image before it answers: pooled activations of its last layers.

A posterior tells how sure a network is of its parameters, not whether there is a lens to have any:
a ring or a spiral is answered as sharply as an arc. The layers before the head still know the
difference, since they had to find the arcs. `lensfinder.training.doubt` fits log odds to them.
"""

import keras
from keras import ops

from lensfinder.errors import ArchitectureError, PresetError
from lensfinder.zoo.layers.dihedral import VIEWS, DihedralViews

WIDEST = 128  # a wider vector before the head is left out: thousands of mocks fit no more weights
NAME = "no_lens"


class PooledActivations(keras.layers.Layer):
    """Mean and maximum of each channel of maps over their pixels, and a vector; over all views.

    Parameters
    ----------
    views : int
        Views of each image that follow each other as blocks of the batch: 8 behind
        `DihedralViews`, else 1. Of the map the mean over them is taken, of the vector the mean and
        the scatter, so that no feature changes when the image is turned by 90 degrees.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(self, views: int = 1, **options):
        super().__init__(**options)
        self.views = int(views)

    def call(self, seen):
        """Features (N, F) of maps (views N, H, W, C), and perhaps of a vector (views N, D)."""
        maps = [each for each in seen if len(each.shape) == 4]
        vectors = [each for each in seen if len(each.shape) == 2]
        blocks = [pool(each, axis=(1, 2)) for each in maps for pool in (ops.mean, ops.max)]
        found = [ops.mean(self._by_view(block), axis=0) for block in [*blocks, *vectors]]
        if self.views > 1:
            found += [ops.std(self._by_view(vector), axis=0) for vector in vectors]
        return ops.concatenate(found, axis=-1)

    def _by_view(self, block):
        return ops.reshape(block, (self.views, -1, block.shape[-1]))

    def compute_output_shape(self, input_shape):
        twice = 2 if self.views > 1 else 1
        return (None, sum(shape[-1] * (2 if len(shape) == 4 else twice) for shape in input_shape))

    def get_config(self):
        return {**super().get_config(), "views": self.views}


def features(model):
    """The features of a modeller, as a tensor of its graph.

    They are of the last layer of each branch whose output is a map, and of the vector that the last
    dense layer, which answers, is given, if that has no more than 128 numbers. All in float32,
    whatever the network computes in.

    Parameters
    ----------
    model : keras.Model
        A network of the zoo.

    Returns
    -------
    keras.KerasTensor (None, F)
        See `PooledActivations`.

    Raises
    ------
    ArchitectureError
        If no layer gives a map.
    """
    maps, dense = {}, []
    branches = [tensor.name for tensor in model.inputs]
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        output = getattr(layer, "output", None)
        if len(getattr(output, "shape", ())) == 4:  # layers of a branch are named after its group
            of = [name for name in branches if layer.name.startswith(f"{name}_")]
            maps[max(of, key=len) if of else ""] = output
        if isinstance(layer, keras.layers.Dense):
            dense.append(layer)
    if not maps:
        raise ArchitectureError(f"{model.name!r} has no layer that gives a map.")
    last = [maps[name] for name in branches if name in maps] or [maps[""]]
    vectors = [layer.input for layer in dense[-1:] if layer.input.shape[-1] <= WIDEST]
    views = any(isinstance(layer, DihedralViews) for layer in model.layers)
    words = {"dtype": "float32", "name": f"{NAME}_features"}
    return PooledActivations(len(VIEWS) if views else 1, **words)([*last, *vectors])


def feature_model(model) -> keras.Model:
    """A network that shows its features beside its answer.

    Parameters
    ----------
    model : keras.Model
        A modeller of the zoo; it is not changed, its variables are shared.

    Returns
    -------
    keras.Model
        Of the same inputs; its output (N, outputs + F) is the answer, and `features` behind it.

    Raises
    ------
    ArchitectureError
        If no layer gives a map.
    """
    inputs = {tensor.name: tensor for tensor in model.inputs}
    return keras.Model(inputs, _beside(model.outputs[0], features(model)))


def with_log_odds(model, weights) -> keras.Model:
    """A network whose last number is what its features add to the log odds of a doubt.

    Parameters
    ----------
    model : keras.Model
        A modeller of the zoo; it is not changed, its variables are shared.
    weights : sequence of float
        One per feature (`lensfinder.zoo.doubt.Doubt`).

    Returns
    -------
    keras.Model
        Of the same inputs; its output is (N, outputs + 1).

    Raises
    ------
    PresetError
        If there are other than one weight per feature.
    ArchitectureError
        If no layer gives a map.
    """
    seen = features(model)
    if seen.shape[-1] != len(weights):
        raise PresetError(
            f"The doubt of {model.name!r} has {len(weights)} weights for {seen.shape[-1]} "
            "features. Fit it again: python -m lensfinder.training.doubt PRESET."
        )
    added = WeightedSum(weights, dtype="float32", name=f"{NAME}_sum")(seen)
    inputs = {tensor.name: tensor for tensor in model.inputs}
    return keras.Model(inputs, _beside(model.outputs[0], added))


def _beside(answer, numbers):
    return keras.layers.Concatenate(dtype="float32", name=f"{NAME}_beside")([answer, numbers])


class WeightedSum(keras.layers.Layer):
    """A fixed linear combination of features.

    Parameters
    ----------
    weights : sequence of float
        One per feature.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(self, weights, **options):
        super().__init__(**options)
        self.factors = tuple(float(each) for each in weights)

    def call(self, seen):
        """(N, F) to (N, 1)."""
        factors = ops.convert_to_tensor(self.factors, dtype=seen.dtype)
        return ops.sum(seen * factors, axis=-1, keepdims=True)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 1)

    def get_config(self):
        return {**super().get_config(), "weights": self.factors}
