"""Whether an image is unlike the training data, as a network with a bottleneck can tell."""

import keras
import numpy as np

from lensfinder.errors import ArchitectureError
from lensfinder.zoo import fixed_predict
from lensfinder.zoo.predict import BATCH_SIZE
from lensfinder.zoo.vib import entropy, prior_log_density, rarest_codes

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
        return self.log_density(images) < self.limit

    def log_density(self, images) -> np.ndarray:
        """Log density of the prior at the images' codes.

        Parameters
        ----------
        images : dict of str to array (N, H, W, bands)
            One array per group.

        Returns
        -------
        array (N,)
            log r(z) at the mean code z of each image.
        """
        encoding = self._encode(images)
        mean = encoding[:, : encoding.shape[1] // 2]
        return prior_log_density(self._model, mean)

    def doubts(self, answers) -> dict[str, np.ndarray]:
        """How unsure a finder is of its answers, by the two measures of its bottleneck.

        Parameters
        ----------
        answers : Answers
            Of a finder; ``values`` are p_lens (N, 1).

        Returns
        -------
        dict of str to array (N,)
            ``entropy`` of p_lens, nats, and ``log_joint``, log r(z) q(y|z) of the likelier class y
            (Madireddy et al., section 3.3.1; Alemi et al. 2018); NaN for rows without an answer.
        """
        # at two scales the answer is the larger of both, but the code is that of the stamp
        p = answers.extra.get("p_lens_stamp", answers.values[:, 0]).astype(np.float64)
        log_q = np.log(np.maximum(np.fmax(p, 1.0 - p), 1e-30))
        joint = self.log_density(answers.images) + log_q
        good = answers.status == 0
        found = {"entropy": entropy(p), "log_joint": joint}
        return {name: np.where(good, of, np.nan).astype(np.float32) for name, of in found.items()}
