"""Whether an image is unlike the training data, as a network with a bottleneck can tell."""

import keras
import numpy as np

from lensfinder.errors import ArchitectureError
from lensfinder.zoo import fixed_predict
from lensfinder.zoo.predict import BATCH_SIZE
from lensfinder.zoo.vib import prior_log_density, rarest_codes

QUANTILE = 1e-3


class Rarity:
    """Compares the codes of images with the prior of a `vib`, which has learned those of training.

    Parameters
    ----------
    model : keras.Model
        A `vib`.

    Attributes
    ----------
    limit : float
        Log density that one code in a thousand of the prior itself lies below.

    Raises
    ------
    ArchitectureError
        If the network has no bottleneck.
    """

    def __init__(self, model):
        self.limit = rarest_codes(model, QUANTILE)
        inputs = {tensor.name: tensor for tensor in model.inputs}
        encoder = keras.Model(inputs, model.get_layer("encoding").output)
        self._model, self._encode = model, fixed_predict(encoder, batch_size=BATCH_SIZE)

    @classmethod
    def of(cls, model):
        """The rarity of a network's codes, if it has any.

        Parameters
        ----------
        model : keras.Model
            Any network.

        Returns
        -------
        Rarity or None
            None without a bottleneck.
        """
        try:
            return cls(model)
        except ArchitectureError:
            return None

    def __call__(self, images) -> np.ndarray:
        """Which images are unlike the training data.

        Parameters
        ----------
        images : dict of str to array (N, H, W, bands)
            One array per group.

        Returns
        -------
        array (N,) of bool
            True where the code is rarer than `limit`.
        """
        encoding = self._encode(images)
        mean = encoding[:, : encoding.shape[1] // 2]
        return prior_log_density(self._model, mean) < self.limit
