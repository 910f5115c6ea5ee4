"""Bands of one survey for the branches of a network that was made for another."""

from typing import final

import keras
from keras import ops

from lensfinder.specs.contract import InputContract


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class ToBranches(keras.layers.Layer):
    """Cut, resize and reorder the bands of a survey into the branches of a network.

    Bom et al. 2022, section 6: a network trained on VIS and H, J, Y is shown r, and u, g, i, all
    resized by OpenCV. The interpolation is OpenCV's own, as two matrix products per band
    (`lensfinder.data.resizing`), so raw images of the new survey go into the model and the same
    numbers come out on every backend. Nothing is trained.

    Parameters
    ----------
    contract : InputContract or dict
        An input contract with `branches`.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(self, contract, **options):
        options.setdefault("trainable", False)
        super().__init__(**options)
        self.contract = InputContract.model_validate(contract)

    @classmethod
    def of(cls, contract: InputContract, **options) -> "ToBranches":
        """The layer of a contract.

        Parameters
        ----------
        contract : InputContract
            An input contract with `branches`.
        **options : dict
            Keyword arguments of `keras.layers.Layer`.

        Returns
        -------
        ToBranches
            The layer.
        """
        return cls(contract.model_dump(mode="json"), **options)

    def build(self, input_shape):
        from lensfinder.data.resizing import resize_matrix

        self._matrices = {
            (branch.name, group): resize_matrix(side, branch.stamp, branch.resize)
            for branch in self.contract.branches
            for group, side in branch.crop.items()
        }
        self.built = True

    def call(self, inputs):
        return {branch.name: self._branch(inputs, branch) for branch in self.contract.branches}

    def _branch(self, inputs, branch):
        parts, order = [], []
        for group, side in branch.crop.items():
            held = self.contract.group(group)
            bands = [band for band in held.bands if band in branch.bands]
            low = (held.stamp - side) // 2
            x = inputs[group][:, low : low + side, low : low + side, :]
            x = _take(x, [held.bands.index(band) for band in bands])
            matrix = ops.convert_to_tensor(self._matrices[branch.name, group], dtype=x.dtype)
            x = ops.einsum("oi,niwc->nowc", matrix, x)
            parts.append(ops.einsum("pw,nowc->nopc", matrix, x))
            order += bands
        joined = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)
        return _take(joined, [order.index(band) for band in branch.bands])

    def compute_output_shape(self, input_shape):
        count = next(iter(input_shape.values()))[0]
        return {name: (count, *shape) for name, shape in self.contract.branch_shapes.items()}

    def get_config(self):
        return {**super().get_config(), "contract": self.contract.model_dump(mode="json")}


def _take(x, channels: list[int]):
    """Channels in this order; untouched if they are all there and in order."""
    if channels == list(range(x.shape[-1])):
        return x
    return ops.concatenate([x[..., i : i + 1] for i in channels], axis=-1)
