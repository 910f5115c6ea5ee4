"""Integrated gradients (Sundararajan et al. 2017), on any Keras backend.

Keras has no call that gives a gradient on every backend; its training step is one. So the network
is wrapped in a model whose only trainable weights are a shift of its input images, zero at first,
and one step of plain gradient descent with learning rate 1 is taken: 0 - 1 * gradient is the
gradient, to the last bit. The network's own weights stay as they are.
"""

import keras
import numpy as np

from lensfinder.explain.switches import Switches

STEPS, MOST_STEPS = 32, 512
COMPLETE = 0.01  # steps are doubled until the attributions add up to this fraction of the change
BATCH_SIZE = 32  # a gradient holds every layer's output in memory


class WeightedSum(keras.losses.Loss):
    """Sum of the predictions, weighted by what stands in place of the truth."""

    def __init__(self, name="weighted_sum"):
        super().__init__(name=name, reduction="sum")

    def call(self, y_true, y_pred):
        """Weighted predictions, to be summed."""
        return y_true * y_pred


class _Shifted(keras.Model):
    """A network behind a trainable shift of its input; the network's weights are not tracked."""

    def __init__(self, network):
        super().__init__(name="shifted")
        # a function, not an attribute: a layer that is an attribute would be trained along
        self._answer = lambda images: network(images, training=False)
        self.shifts = {
            tensor.name: self.add_weight(
                shape=(1, *tensor.shape[1:]), initializer="zeros", name=f"shift_{tensor.name}"
            )
            for tensor in network.inputs
        }

    def call(self, images):
        return self._answer({name: images[name] + shift for name, shift in self.shifts.items()})


class InputGradient:
    """Gradients of a network's first output with respect to its images.

    Parameters
    ----------
    network : keras.Model
        A model of the zoo; it is not changed.
    batch_size : int
        Objects per step.
    """

    def __init__(self, network, *, batch_size: int = BATCH_SIZE):
        self.batch_size = int(batch_size)
        self._model = _Shifted(network)
        self._model.compile(
            optimizer=keras.optimizers.SGD(learning_rate=1.0),
            loss=WeightedSum(),
            jit_compile=keras.backend.backend() == "jax",  # elsewhere XLA costs more than it gains
        )

    def __call__(self, images, weights) -> dict[str, np.ndarray]:
        """Weighted sum of the gradients at several images.

        Parameters
        ----------
        images : dict of str to array (N, H, W, bands)
            Where to take the gradient.
        weights : array (N,)
            Weight of each.

        Returns
        -------
        dict of str to array (H, W, bands) of float64
            sum_i weights_i d(output_i)/d(image), per group.
        """
        weights = np.asarray(weights, np.float32)
        total = dict.fromkeys(self._model.shifts, 0.0)
        for start in range(0, len(weights), self.batch_size):
            part = slice(start, start + self.batch_size)
            missing = self.batch_size - len(weights[part])
            batch = {
                name: np.concatenate([images[name][part], np.repeat(images[name][:1], missing, 0)])
                for name in total
            }
            padded = np.concatenate([weights[part], np.zeros(missing, np.float32)])
            self._model.train_on_batch(batch, padded[:, None])
            for name, shift in self._model.shifts.items():
                step = keras.ops.convert_to_numpy(keras.ops.copy(shift.value))[0]
                total[name] = total[name] - step.astype(np.float64)
                shift.assign(keras.ops.zeros(shift.shape))
        return total


def attributions(gradient: InputGradient, images, *, baseline, steps: int = STEPS):
    """Integrated gradients along the straight line from a baseline to an object.

    Parameters
    ----------
    gradient : InputGradient
        Of the network.
    images, baseline : dict of str to array (H, W, bands)
        The object, and what it is compared with.
    steps : int
        Points on the line, those of Gauss and Legendre.

    Returns
    -------
    dict of str to array (H, W, bands)
        Attribution of every pixel. With steps enough their sum is f(object) - f(baseline), the
        completeness axiom (proposition 1).
    """
    points, weights = np.polynomial.legendre.leggauss(steps)
    points, weights = (points + 1) / 2, weights / 2
    apart = {name: np.asarray(images[name] - baseline[name], np.float64) for name in images}
    line = {
        name: (baseline[name] + points[:, None, None, None] * apart[name]).astype(np.float32)
        for name in images
    }
    mean = gradient(line, weights)
    return {name: apart[name] * mean[name] for name in images}


def complete_attributions(
    switches: Switches, gradient: InputGradient, *, steps: int = STEPS, seed: int = 0
):
    """Integrated gradients from the switched-off object, with as many steps as they need.

    Parameters
    ----------
    switches : Switches
        The object and the network; the baseline is the object with all of its sky switched off.
    gradient : InputGradient
        Of the same network.
    steps : int
        Points on the line to begin with; doubled up to 512 until the sum of the attributions is
        within 1 % of the change of p_lens.
    seed : int
        For the noise of the baseline.

    Returns
    -------
    found : dict of str to array (H, W, bands)
        Attribution of every pixel, change of p_lens.
    error : float
        Sum of the attributions minus the change of p_lens.
    """
    baseline = switches.filling(seed)
    ends = switches.predict(
        {name: np.stack([switches.images[name], baseline[name]]) for name in baseline}
    )
    change = float(ends[0, 0]) - float(ends[1, 0])
    while True:
        found = attributions(gradient, switches.images, baseline=baseline, steps=steps)
        error = sum(float(values.sum()) for values in found.values()) - change
        if abs(error) <= COMPLETE * max(abs(change), COMPLETE) or 2 * steps > MOST_STEPS:
            return found, error
        steps *= 2
