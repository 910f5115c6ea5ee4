"""How much an image is like those of no lens, to the modeller that answered about it."""

from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_serializer

SHAPE = ("theta_E", "e1", "e2")  # targets that doubts are told by
SMALLEST_SPREAD = 1e-4  # below it its logarithm says nothing more
MOST_FEATURES = 4096


class Doubt(BaseModel):
    """Log odds that an image shows no lens, linear in numbers that no turn of it changes.

    Four numbers are of the answer: log of the spread of theta_E and of the ellipticity, theta_E,
    and the size of the ellipticity. A galaxy without arcs is answered with a wide posterior for its
    theta_E. A ring or a spiral is answered as sharply as an arc, and is told by what the network
    saw before it answered (`lensfinder.zoo.features`), if the doubt was fitted on that too.

    Attributes
    ----------
    weights : tuple of five floats
        The constant, and the factors of the four numbers.
    of_features : tuple of float
        The factors of the network's features; empty for a doubt that knows the answers alone.
    limit : float
        Log odds that one lens in twenty exceeds.
    lenses, others : int
        Size of the samples that it was fitted on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    weights: tuple[float, float, float, float, float]
    of_features: tuple[Annotated[float, Field(ge=-1e6, le=1e6)], ...] = Field(
        default=(), max_length=MOST_FEATURES
    )
    limit: float
    lenses: int = Field(ge=2)
    others: int = Field(ge=2)

    @model_serializer(mode="wrap")
    def _plain(self, handler):  # presets that have none are written as they always were
        return {k: v for k, v in handler(self).items() if k != "of_features" or v}

    def log_odds(self, values, std, seen=0.0) -> np.ndarray:
        """Log odds that there is no lens.

        Parameters
        ----------
        values, std : dict of str to array (N,)
            Means and standard deviations of the targets.
        seen : array (N,)
            What the features add (`lensfinder.zoo.features.with_log_odds`), for a doubt of such.

        Returns
        -------
        array (N,)
            The prior is that of as many lenses as others.
        """
        return self.features(values, std) @ np.array(self.weights) + seen

    @staticmethod
    def features(values, std) -> np.ndarray:
        """What the log odds are linear in, of the answers.

        Parameters
        ----------
        values, std : dict of str to array (N,)
            Means and standard deviations of the targets.

        Returns
        -------
        array (N, 5)
            One, and the four numbers.
        """
        theta, e1, e2 = (np.asarray(values[name], np.float64) for name in SHAPE)
        widths = [np.asarray(std[name], np.float64) for name in SHAPE]
        both = np.log(np.maximum([widths[0], np.hypot(*widths[1:])], SMALLEST_SPREAD))
        return np.stack([np.ones_like(theta), *both, theta, np.hypot(e1, e2)], axis=-1)
