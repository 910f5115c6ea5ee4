"""The bottleneck of a variational information bottleneck: a sampled code, and what it costs."""

import math
from typing import final

import keras
from keras import ops

from lensfinder.errors import ArchitectureError
from lensfinder.zoo.layers.factorial_flow import FactorialFlow, normal_log_density

_LOG_STD = (-8.0, 4.0)  # of a code; beyond, exp() would lose the gradient's digits


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class GaussianLatent(keras.layers.Layer):
    """Turn means and log standard deviations into a code; in training a random one, which is paid.

    In training, ``z = mean + std * noise`` (Kingma & Welling 2013), and the loss
    ``beta E[log p(z|x) - log r(z)]`` is added: the Kullback-Leibler divergence from the encoder's
    diagonal Gaussian to the prior r, by one draw per object (Madireddy et al., section 3.3.1). The
    prior is a `FactorialFlow`. Otherwise the code is the mean.

    With ``dataset_size`` the divergence is split as by Chen et al. 2018, equation 2, with their
    minibatch-weighted estimates of q(z) and of its marginals (equation S3): mutual information,
    total correlation and dimension-wise divergence, of which ``beta`` weighs the total correlation
    alone. At ``beta = 1`` the parts add up to the divergence again, draw by draw.

    Parameters
    ----------
    beta : float
        Weight of the divergence; Madireddy et al. take 0.5 to detect and 3 to model.
    steps : int
        Of the prior's flow; 0 for a standard normal prior.
    dataset_size : int or None
        Objects trained on, for minibatch-weighted sampling; None for the plain divergence.
    seed : int or None
        Seed of the noise.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ArchitectureError
        If the weight is negative, or the data set empty.
    """

    def __init__(
        self,
        beta: float = 1.0,
        *,
        steps: int = 32,
        dataset_size: int | None = None,
        seed: int | None = None,
        **options,
    ):
        super().__init__(**options)
        if not 0 <= beta < math.inf or (dataset_size is not None and dataset_size < 1):
            raise ArchitectureError(
                "A bottleneck needs beta >= 0 and a data set of at least one object. "
                f"Received: beta={beta}, dataset_size={dataset_size}."
            )
        self.beta, self.steps = float(beta), int(steps)
        self.dataset_size, self.seed = dataset_size, seed
        self.prior = FactorialFlow(self.steps, seed=seed, name="prior") if self.steps else None
        self.generator = keras.random.SeedGenerator(seed, name="latent_seed")

    def build(self, input_shape):
        if input_shape[-1] % 2:
            raise ArchitectureError(f"Means and spreads come in pairs. Received: {input_shape}.")
        if self.prior is not None:
            self.prior.build((None, input_shape[-1] // 2))
        self.built = True

    def log_prior(self, z):
        """Log density of the prior.

        Parameters
        ----------
        z : tensor (N, dim)
            Codes.

        Returns
        -------
        tensor (N,)
            log r(z).
        """
        each = normal_log_density(z, 0.0, 0.0) if self.prior is None else self.prior(z)
        return ops.sum(each, axis=-1)

    def draw(self, inputs, seed=None):
        """A random code per object.

        Parameters
        ----------
        inputs : tensor (N, 2 dim)
            Means, then log standard deviations.
        seed : int, keras.random.SeedGenerator or None
            The layer's own generator by default.

        Returns
        -------
        tensor (N, dim)
            The code.
        """
        mean, log_std = split_spread(inputs)
        noise = keras.random.normal(ops.shape(mean), seed=self.generator if seed is None else seed)
        return mean + ops.exp(log_std) * noise

    def divergence(self, inputs, z):
        """What codes cost, before it is weighed.

        Parameters
        ----------
        inputs : tensor (N, 2 dim)
            Means, then log standard deviations, of the encoder.
        z : tensor (N, dim)
            One draw from each.

        Returns
        -------
        tensor (N,)
            log p(z|x) - log r(z); its mean estimates KL[p(Z|x), r(Z)].
        """
        mean, log_std = split_spread(inputs)
        return ops.sum(normal_log_density(z, mean, log_std), axis=-1) - self.log_prior(z)

    def penalty(self, inputs, z):
        """What is added to the loss, per object.

        Parameters
        ----------
        inputs : tensor (N, 2 dim)
            Means, then log standard deviations, of the encoder.
        z : tensor (N, dim)
            One draw from each.

        Returns
        -------
        tensor (N,)
            Weighted by `beta`.
        """
        if self.dataset_size is None:
            return self.beta * self.divergence(inputs, z)
        mean, log_std = split_spread(inputs)
        own = ops.sum(normal_log_density(z, mean, log_std), axis=-1)
        each = normal_log_density(z[:, None, :], mean[None], log_std[None])  # (N, N, dim)
        weight = ops.log(ops.cast(ops.shape(z)[0], "float32") * float(self.dataset_size))
        joint = ops.logsumexp(ops.sum(each, axis=-1), axis=1) - weight
        marginal = ops.sum(ops.logsumexp(each, axis=1) - weight, axis=-1)
        return (own - joint) + self.beta * (joint - marginal) + (marginal - self.log_prior(z))

    def call(self, inputs, training=False):
        inputs = ops.cast(inputs, "float32")
        if not training:
            return split_spread(inputs)[0]
        z = self.draw(inputs)
        self.add_loss(ops.mean(self.penalty(inputs, z)))
        return z

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // 2)

    def get_config(self):
        names = ("beta", "steps", "dataset_size", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def split_spread(inputs):
    """Means and log standard deviations of codes.

    Parameters
    ----------
    inputs : tensor (N, 2 dim)
        What an encoder gives.

    Returns
    -------
    mean, log_std : tensor (N, dim)
        The latter kept between -8 and 4.
    """
    mean, log_std = ops.split(inputs, 2, axis=-1)
    return mean, ops.clip(log_std, *_LOG_STD)
