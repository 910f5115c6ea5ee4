"""Rectified Adam, which Keras does not have."""

import math
from typing import final

import keras
from keras import ops


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class RAdam(keras.optimizers.Optimizer):
    """Adam whose adaptive rate is held back until its variance can be known.

    Liu et al. 2020 (On the variance of the adaptive learning rate and beyond), algorithm 2. The
    square-root factor r_t grows from near 0 to 1 over about 2 / (1 - beta_2) steps, so no warm-up
    has to be chosen; where the variance of the adaptive rate does not exist (rho_t at or below
    `threshold`) the step is one of plain momentum. Differences to the algorithm as printed:
    `epsilon` is added to the square root as Adam does, and weight decay and clipping are those of
    every Keras optimiser (decay decoupled from the gradient, Loshchilov & Hutter 2019).

    Parameters
    ----------
    learning_rate : float or keras.optimizers.schedules.LearningRateSchedule
        The paper's alpha_t.
    beta_1, beta_2 : float
        Decay of the first and of the second moment.
    epsilon : float
        Added to the root of the second moment.
    threshold : float
        Length of the approximated simple moving average, rho_t, above which the step is adaptive:
        4 in the paper; the authors' code and ``torch.optim.RAdam`` take 5.
    weight_decay : float or None
        As in `keras.optimizers.Optimizer`, as are the arguments that follow.
    clipnorm, clipvalue, global_clipnorm : float or None
        Limits on the gradients.
    use_ema : bool
        Whether an average of the weights is kept.
    ema_momentum : float
        Of that average.
    ema_overwrite_frequency : int or None
        Steps between putting the average into the weights.
    loss_scale_factor : float or None
        Multiplies the loss and divides the gradients.
    gradient_accumulation_steps : int or None
        Steps whose gradients are added up.
    name : str
        Name of the optimiser.

    Raises
    ------
    ValueError
        If a moment's decay is not in [0, 1), or `epsilon` or `threshold` cannot be.
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        threshold=4.0,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name="radam",
    ):
        super().__init__(
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
            name=name,
        )
        if not (0 <= beta_1 < 1 and 0 < beta_2 < 1 and epsilon >= 0 and threshold >= 4):
            raise ValueError(
                "RAdam needs 0 <= beta_1 < 1, 0 < beta_2 < 1, epsilon >= 0 and threshold >= 4. "
                f"Received: {beta_1}, {beta_2}, {epsilon}, {threshold}."
            )
        self.beta_1, self.beta_2 = float(beta_1), float(beta_2)
        self.epsilon, self.threshold = float(epsilon), float(threshold)

    def build(self, variables):
        """Make the two moments of every variable.

        Parameters
        ----------
        variables : list of keras.Variable
            What will be trained.
        """
        if self.built:
            return
        super().build(variables)
        self._first, self._second = self.add_optimizer_variables(
            variables, ["momentum", "velocity"]
        )

    def update_step(self, gradient, variable, learning_rate):
        """One step of algorithm 2 for one variable.

        Parameters
        ----------
        gradient : tensor
            Of the loss, clipped.
        variable : keras.Variable
            What is changed.
        learning_rate : tensor
            Of this step.
        """
        dtype = variable.dtype
        rate, gradient = ops.cast(learning_rate, dtype), ops.cast(gradient, dtype)
        index = self._get_variable_index(variable)
        first, second = self._first[index], self._second[index]
        self.assign_add(first, (gradient - first) * (1.0 - self.beta_1))
        self.assign_add(second, (ops.square(gradient) - second) * (1.0 - self.beta_2))

        mean = first / ops.cast(self._missing(self.beta_1), dtype)
        rectified, adaptive = self._rectification()
        spread = ops.sqrt(second / ops.cast(self._missing(self.beta_2), dtype)) + self.epsilon
        # both sides of a `where` are computed, so a plain step must not divide 0 by 0 either
        divisor = ops.where(adaptive, spread, ops.ones_like(spread))
        self.assign_sub(variable, rate * ops.cast(rectified, dtype) * mean / divisor)

    def _step(self):
        return ops.cast(self.iterations + 1, "float32")

    def _missing(self, beta):
        """1 - beta^t without the rounding of a difference: for t = 1 it would lose 4 digits."""
        return -ops.expm1(self._step() * math.log(beta)) if beta else 1.0

    def _length(self):
        """rho_t = rho_inf - 2 t beta_2^t / (1 - beta_2^t), again without a difference.

        As printed it is 1999 - 1994 for beta_2 = 0.999 and t = 5, too coarse in float32. With
        x = -t ln beta_2 it is (2 / -ln beta_2) (1 - x / (e^x - 1)) and a constant; the bracket is
        taken from its series where x is small.
        """
        memory = -2.0 / math.log(self.beta_2)
        x = self._step() * -math.log(self.beta_2)
        series = x / 2 - x**2 / 12 + x**4 / 720 - x**6 / 30240  # next term: 3e-9 at x = 0.5
        bracket = ops.where(x < 0.5, series, 1.0 - x / ops.expm1(ops.minimum(x, 80.0)))
        return memory * bracket + (self._longest - memory)

    @property
    def _longest(self):
        return 2.0 / (1.0 - self.beta_2) - 1.0  # rho_inf

    def _rectification(self):
        """r_t, and whether the step is adaptive; r_t is 1 where it is not."""
        length, longest = self._length(), self._longest
        adaptive = ops.logical_and(length > self.threshold, longest > 4)
        if longest <= 4:  # of so short a memory no variance ever exists
            return ops.ones_like(length), adaptive
        safe = ops.where(adaptive, length, ops.full_like(length, longest))
        square = (safe - 4) * (safe - 2) * longest / ((longest - 4) * (longest - 2) * safe)
        return ops.where(adaptive, ops.sqrt(square), ops.ones_like(square)), adaptive

    def get_config(self):
        names = ("beta_1", "beta_2", "epsilon", "threshold")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
