"""A dense layer with a distribution over its weights, trained with the Flipout estimator."""

import math
from typing import final

import keras
from keras import ops

from lensfinder.errors import ArchitectureError, UnscaledDivergenceError

SMALLEST = 1e-7  # of a standard deviation of the posterior
BIASES = ("posterior", "point", "none")


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class DenseFlipout(keras.layers.Layer):
    """A dense layer whose weights are independent Gaussians.

    In training every object sees its own perturbation of the kernel: one draw is shared by the
    batch, and signs of each input and output are flipped at random per object (Wen et al. 2018,
    section 3.1, equations 3 and 4). The perturbations of two objects are then uncorrelated, so the
    gradient's variance falls with the size of the batch. Biases are drawn anew for every object.
    Otherwise the layer answers with the mean weights; for draws of the posterior see `draw` and
    `lensfinder.zoo.posterior_samples`.

    The divergence of the posterior from the prior is added to the loss, divided by the number of
    training objects: with a loss that is a mean over objects, an epoch adds it once. The number is
    not an argument of the layer but is set by who trains (`set_training_objects`), for every
    training anew; without it the layer refuses to be trained.

    Parameters
    ----------
    units : int
        Number of outputs.
    activation : str, callable or None
        As in `keras.layers.Dense`.
    bias : {"posterior", "point", "none"}
        Whether biases have a distribution, are numbers, or are missing.
    prior_mean, prior_std : float
        Of the Gaussian prior of every weight.
    initial_std : float
        Standard deviation of the posterior at the start of a training.
    temperature : float
        Factor on the divergence. 1 is the evidence lower bound where the loss is a negative log
        likelihood per object. A mean squared error over P targets stands for Gaussian errors of
        ``sqrt(P temperature / 2)`` on the scale on which it compares them.
    kernel_initializer, bias_initializer : str or keras.initializers.Initializer
        Means at the start.
    seed : int or None
        Seed of the layer's own random numbers.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ArchitectureError
        If an argument is not among those above.
    """

    def __init__(
        self,
        units: int,
        *,
        activation=None,
        bias: str = "posterior",
        prior_mean: float = 0.0,
        prior_std: float = 1.0,
        initial_std: float = 0.05,
        temperature: float = 1.0,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        seed: int | None = None,
        **options,
    ):
        super().__init__(**options)
        if bias not in BIASES:
            raise ArchitectureError(
                f"Expected a bias among {', '.join(BIASES)}. Received: {bias!r}."
            )
        positive = {"prior_std": prior_std, "initial_std": initial_std, "temperature": temperature}
        for name, value in {"units": units, **positive}.items():
            if not 0 < value < math.inf:
                raise ArchitectureError(f"{name} must be a number > 0. Received: {value}.")
        self.units, self.bias_kind = int(units), bias
        self.activation = keras.activations.get(activation)
        self.prior_mean, self.prior_std = float(prior_mean), float(prior_std)
        self.initial_std, self.temperature = float(initial_std), float(temperature)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed, name="flipout_seed")
        self._objects = None

    def build(self, input_shape):
        shape = (input_shape[-1], self.units)
        # the inverse of the softplus that keeps standard deviations positive
        start = keras.initializers.Constant(math.log(math.expm1(self.initial_std)))
        self.kernel_mean = self.add_weight(
            name="kernel_mean", shape=shape, initializer=self.kernel_initializer
        )
        self.kernel_spread = self.add_weight(name="kernel_spread", shape=shape, initializer=start)
        if self.bias_kind != "none":
            self.bias_mean = self.add_weight(
                name="bias_mean", shape=(self.units,), initializer=self.bias_initializer
            )
        if self.bias_kind == "posterior":
            self.bias_spread = self.add_weight(
                name="bias_spread", shape=(self.units,), initializer=start
            )
        self.built = True

    # --- the divergence ---------------------------------------------------------------------------
    @property
    def training_objects(self) -> int | None:
        """Objects of one epoch, over which the divergence is spread; None until it is set."""
        return self._objects

    def set_training_objects(self, count: int | None) -> None:
        """Say over how many objects an epoch goes; compile the model afterwards.

        Parameters
        ----------
        count : int or None
            Objects of one epoch; None to forget it.

        Raises
        ------
        ArchitectureError
            If it is not a positive whole number.
        """
        if count is not None and (int(count) != count or count < 1):
            raise ArchitectureError(
                f"The number of training objects must be a whole number > 0. Received: {count}."
            )
        self._objects = None if count is None else int(count)

    def divergence(self):
        """Kullback-Leibler divergence of the posterior from the prior, over all weights.

        Returns
        -------
        scalar tensor
            In nats; not divided by anything.
        """
        total = self._divergence(self.kernel_mean, std_of(self.kernel_spread))
        if self.bias_kind == "posterior":
            total = total + self._divergence(self.bias_mean, std_of(self.bias_spread))
        return total

    def _divergence(self, mean, std):
        ratio = ops.square(std / self.prior_std)
        apart = ops.square((mean - self.prior_mean) / self.prior_std)
        return 0.5 * ops.sum(ratio + apart - 1.0 - ops.log(ratio))

    # --- answers ----------------------------------------------------------------------------------
    def call(self, inputs, training=False):
        outputs = ops.matmul(inputs, self.kernel_mean)
        if self.bias_kind != "none":
            outputs = outputs + self.bias_mean
        if training:
            if self._objects is None:
                raise UnscaledDivergenceError(
                    f"The layer {self.name!r} does not know the number of training objects, over "
                    "which its divergence is spread. Call zoo.set_training_objects(model, count), "
                    "then compile the model.",
                    layer=self.name,
                )
            # a constant of the trace: `compile` throws older traces away
            self.add_loss(self.divergence() * (self.temperature / self._objects))
            outputs = outputs + self._perturbation(inputs)
        return self.activation(outputs)

    def _perturbation(self, inputs):
        """What each object's own perturbation of the weights adds to its outputs."""
        count, dtype = ops.shape(inputs)[0], self.compute_dtype
        noise = keras.random.normal(self.kernel_mean.shape, dtype=dtype, seed=self.generator)
        flipped = inputs * self._signs((count, inputs.shape[-1]))
        added = ops.matmul(flipped, noise * std_of(self.kernel_spread))
        added = added * self._signs((count, self.units))
        if self.bias_kind == "posterior":
            noise = keras.random.normal((count, self.units), dtype=dtype, seed=self.generator)
            added = added + noise * std_of(self.bias_spread)
        return added

    def _signs(self, shape):
        draw = keras.random.uniform(shape, dtype=self.compute_dtype, seed=self.generator)
        return ops.where(draw < 0.5, -1.0, 1.0)

    def draw(self, count: int, *, seed: int):
        """Draws of all weights from the posterior.

        Parameters
        ----------
        count : int
            Number of draws.
        seed : int
            The same seed gives the same draws.

        Returns
        -------
        kernels : tensor (count, inputs, units)
            Kernels.
        biases : tensor (count, 1, units)
            Biases; all the same unless they have a posterior, zero where there are none.
        """
        generator = keras.random.SeedGenerator(seed)
        noise = keras.random.normal((count, *self.kernel_mean.shape), seed=generator)
        kernels = self.kernel_mean + noise * std_of(self.kernel_spread)
        biases = ops.zeros((count, 1, self.units))
        if self.bias_kind != "none":
            biases = biases + self.bias_mean
        if self.bias_kind == "posterior":
            noise = keras.random.normal((count, 1, self.units), seed=generator)
            biases = biases + noise * std_of(self.bias_spread)
        return kernels, biases

    def apply_draws(self, inputs, kernels, biases):
        """Outputs under each draw of the weights; all objects see the same draws.

        Parameters
        ----------
        inputs : tensor (N, inputs)
            Features.
        kernels, biases : tensor
            From `draw`.

        Returns
        -------
        tensor (S, N, units)
            Outputs.
        """
        return self.activation(ops.matmul(ops.convert_to_tensor(inputs), kernels) + biases)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        names = ("units", "prior_mean", "prior_std", "initial_std", "temperature", "seed")
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "bias": self.bias_kind,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }


def std_of(spread):
    """Standard deviations of the posterior from the weights that are trained for them.

    Parameters
    ----------
    spread : tensor
        ``kernel_spread`` or ``bias_spread`` of a `DenseFlipout`.

    Returns
    -------
    tensor
        ``softplus(spread)``, above a smallest value.
    """
    return SMALLEST + ops.softplus(spread)


def flipout_layers(model) -> list[DenseFlipout]:
    """The layers of a model, and of models inside it, that have a distribution over weights.

    Parameters
    ----------
    model : keras.Model
        The model.

    Returns
    -------
    list of DenseFlipout
        In the order of the layers.
    """
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found += flipout_layers(layer)
        elif isinstance(layer, DenseFlipout):
            found.append(layer)
    return found


def set_training_objects(model, count: int | None) -> int:
    """Tell a model's `DenseFlipout` layers how many objects an epoch of its training has.

    Their divergence is divided by it, so that an epoch adds it to the loss once. Compile the model
    afterwards. A model without such layers is left as it is.

    Parameters
    ----------
    model : keras.Model
        The model.
    count : int or None
        Objects of one epoch; None to forget it.

    Returns
    -------
    int
        Number of layers told.
    """
    layers = flipout_layers(model)
    for layer in layers:
        layer.set_training_objects(count)
    return len(layers)
