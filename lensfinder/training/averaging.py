"""An exponential moving average of the weights, kept by the optimiser beside its moments.

Keras makes the average inside the compiled step, and it is among the optimiser's variables: a
checkpoint holds it, and a resumed training goes on with it, without anything of ours. What is ours
is when it is looked at: between two epochs, and then the weights themselves are put back.

Statistics of batch normalisation are averages already, and stay those of the running weights.
Where these still move fast, far from the end of a cosine, the average may look worse for it.
"""

import contextlib

from lensfinder.training.checkpoint import value_of


def keep_average(optimizer, momentum: float) -> None:
    """Have an optimiser keep an average of what it trains; before it is built.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Not built yet.
    momentum : float
        Share of the average that is kept at each step. The first step's weights begin it.
    """
    # by attribute: not every optimiser hands these arguments on to Keras
    optimizer.use_ema, optimizer.ema_momentum = True, float(momentum)
    optimizer.ema_overwrite_frequency = None  # training goes on from the weights themselves


@contextlib.contextmanager
def averaged(model):
    """A model with the average of its weights in their place, and then with the weights again.

    Parameters
    ----------
    model : keras.Model
        Compiled, and trained for a step at least if its optimiser keeps an average; without an
        average nothing is changed.

    Yields
    ------
    keras.Model
        The same model.
    """
    if not model.optimizer.use_ema:
        yield model
        return
    variables = list(model.trainable_variables)
    weights = [value_of(variable) for variable in variables]
    model.optimizer.finalize_variable_values(variables)
    try:
        yield model
    finally:
        for variable, array in zip(variables, weights, strict=True):
            variable.assign(array)
