"""A factorial normalizing flow: a density per dimension that may have several peaks."""

import math
from typing import final

import keras
from keras import ops

from lensfinder.errors import ArchitectureError

_HALVINGS = 40  # of a bisection: the bracket of a float32 is then narrower than its last digit
_STEEPEST = 1.0 - 1e-4  # a step keeps at least this distance from a slope of zero


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class FactorialFlow(keras.layers.Layer):
    """Density of independent dimensions, each the image of a standard normal under a planar flow.

    Chen et al. 2018 (factorial normalizing flow): in every dimension, `steps` maps
    ``x -> x + u tanh(w x + b)`` lead from the variable to a standard normal, so that
    ``log r(z) = log N(x; 0, 1) + sum of log |dx / dz|``. Here ``w > 0`` and ``u w > -1`` by
    construction (a change of variables after Rezende & Mohamed 2015, appendix A.1), so every map
    rises strictly and the density integrates to 1 whatever the weights; in the original
    implementation a step may fold, and its density then does not.

    Called with points it gives their log density per dimension.

    Parameters
    ----------
    steps : int
        Maps per dimension; Madireddy et al. take 32.
    seed : int or None
        Seed of the initial weights, N(0, 0.02): nearly the standard normal.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ArchitectureError
        If there is no step.
    """

    def __init__(self, steps: int = 32, *, seed: int | None = None, **options):
        super().__init__(**options)
        if steps < 1:
            raise ArchitectureError(f"A flow needs at least one step. Received: {steps}.")
        self.steps, self.seed = int(steps), seed

    def build(self, input_shape):
        shape = (self.steps, input_shape[-1])
        for number, name in enumerate(("bend", "steepness", "shift")):
            seed = None if self.seed is None else self.seed + number
            start = keras.initializers.RandomNormal(stddev=0.02, seed=seed)
            setattr(self, name, self.add_weight(name=name, shape=shape, initializer=start))
        self.built = True

    def _step(self, number):
        """(u, w, b, m) of a map; m = u w is its largest change of slope."""
        w = ops.softplus(self.steepness[number] + math.log(math.e - 1)) + 1e-3
        # softplus(0 + log(e - 1)) = 1: no bend at a weight of zero
        m = ops.softplus(self.bend[number] + math.log(math.e - 1)) - 1.0
        m = ops.maximum(m, -_STEEPEST)
        return m / w, w, self.shift[number], m

    def forward(self, z):
        """To the standard normal.

        Parameters
        ----------
        z : tensor (N, dim)
            Points.

        Returns
        -------
        x : tensor (N, dim)
            Where they go.
        log_slope : tensor (N, dim)
            log dx/dz.
        """
        x, log_slope = z, ops.zeros_like(z)
        for number in range(self.steps):
            u, w, b, m = self._step(number)
            bend = ops.tanh(w * x + b)
            x = x + u * bend
            log_slope = log_slope + ops.log1p(m * (1.0 - ops.square(bend)))
        return x, log_slope

    def inverse(self, x):
        """From the standard normal: the point that `forward` takes to `x`.

        Parameters
        ----------
        x : tensor (N, dim)
            Standard normal numbers.

        Returns
        -------
        tensor (N, dim)
            Points that follow the density.
        """
        for number in reversed(range(self.steps)):
            u, w, b, _ = self._step(number)
            low, high = x - ops.abs(u), x + ops.abs(u)  # |tanh| < 1
            for _ in range(_HALVINGS):
                middle = 0.5 * (low + high)
                above = middle + u * ops.tanh(w * middle + b) > x
                low, high = ops.where(above, low, middle), ops.where(above, middle, high)
            x = 0.5 * (low + high)
        return x

    def call(self, inputs):
        x, log_slope = self.forward(inputs)
        return normal_log_density(x, 0.0, 0.0) + log_slope

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "steps": self.steps, "seed": self.seed}


def normal_log_density(x, mean, log_std):
    """Log density of normal distributions.

    Parameters
    ----------
    x, mean, log_std : tensor
        Shapes that broadcast.

    Returns
    -------
    tensor
        log N(x; mean, exp(log_std)^2).
    """
    white = (x - mean) * ops.exp(-ops.convert_to_tensor(log_std, "float32"))
    return -0.5 * ops.square(white) - log_std - 0.5 * math.log(2 * math.pi)
