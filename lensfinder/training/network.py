"""The network of a recipe: built, compiled, adapted."""

from pathlib import Path

import yaml
from safetensors.numpy import load_file

from lensfinder.training.checkpoint import restore
from lensfinder.training.losses import make_loss
from lensfinder.training.optimizers import make_optimizer
from lensfinder.training.precision import (
    FLOAT32,
    building_in,
    keep_ours_exact,
    resolved_precision,
)
from lensfinder.training.recipe import Recipe


def network_arguments(recipe) -> dict:
    """Arguments of the recipe's builder, with the ranges of its targets.

    Parameters
    ----------
    recipe : Recipe
        The recipe.

    Returns
    -------
    dict
        Keyword arguments of the architecture.
    """
    arguments = dict(recipe.network.arguments)
    if recipe.targets:
        # the head and the loss must mean the same by 0 and 10: one home for both, the targets
        arguments["ranges"] = {target.name: (target.low, target.high) for target in recipe.targets}
    return arguments


def build_network(recipe, *, precision: str = FLOAT32):
    """Build the untrained network of a recipe; the same weights every time.

    Parameters
    ----------
    recipe : Recipe
        The recipe; its seed becomes Keras' global seed.
    precision : {"float32", "mixed_bfloat16", "auto"}
        Of its arithmetic (`lensfinder.training.precision`); the recipe's is for training alone.

    Returns
    -------
    keras.Model
        Not compiled.
    """
    import keras

    from lensfinder import zoo

    keras.utils.set_random_seed(recipe.seed)
    precision = resolved_precision(precision)
    with building_in(precision):
        model = zoo.build(
            recipe.network.name,
            recipe.training_contract(),
            recipe.task,
            targets=None if recipe.task == "finder" else recipe.truth_columns,
            **network_arguments(recipe),
        )
    if precision != FLOAT32:
        keep_ours_exact(model)
    return model


def compile_network(model, recipe):
    """Compile a network as its recipe says, and build its optimiser.

    A divergence of weights from their prior (`DenseFlipout`) is spread over the objects of one
    epoch, ``steps_per_epoch * batch_size``, so that an epoch counts it once.

    Parameters
    ----------
    model : keras.Model
        From `build_network`.
    recipe : Recipe
        The recipe.

    Returns
    -------
    keras.Model
        The same model.
    """
    import keras

    from lensfinder import zoo

    zoo.set_training_objects(model, recipe.steps_per_epoch * recipe.batch_size)
    optimizer = make_optimizer(recipe)
    # without XLA, JAX would run every operation by itself from Python
    jit_compile = recipe.jit_compile or keras.backend.backend() == "jax"
    model.compile(optimizer=optimizer, loss=make_loss(recipe), jit_compile=jit_compile)
    optimizer.build(model.trainable_variables)
    return model


def adapt_network(model, recipe, source) -> int:
    """Adapt the preprocessing inside a network to the first objects of its training data.

    Parameters
    ----------
    model : keras.Model
        From `build_network`.
    recipe : Recipe
        The recipe.
    source : Source
        Training data.

    Returns
    -------
    int
        Number of objects seen; 0 if the network has nothing to adapt.
    """
    from lensfinder import zoo

    count = min(-(-recipe.adapt_size // recipe.batch_size), recipe.steps_per_epoch)
    batches = (batch.images for batch in source.batches(0, 0, count))
    return zoo.adapt(model, batches, limit=recipe.adapt_size)


def trained_network(folder) -> tuple:
    """The network of a finished training, with the weights that it kept.

    Parameters
    ----------
    folder : str or Path
        Of the run: ``config.yaml`` and ``best.safetensors`` are read.

    Returns
    -------
    recipe : Recipe
        What was trained.
    model : keras.Model
        With the weights of its best epoch.

    Raises
    ------
    CheckpointError
        If the weights belong to another network.
    """
    folder = Path(folder)
    recipe = Recipe.model_validate(yaml.safe_load((folder / "config.yaml").read_text())["recipe"])
    model = build_network(recipe)
    restore(model, load_file(folder / "best.safetensors"))
    return recipe, model
