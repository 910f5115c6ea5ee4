"""Training a pretrained network on, with few images: what is free, when to stop, what is kept."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import keras
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lensfinder.errors import ArchitectureError, ArgumentError, TrainingDivergedError
from lensfinder.training.losses import PosteriorLikelihood, ScaledMeanSquaredError
from lensfinder.training.views import Views
from lensfinder.zoo import fixed_predict, set_training_objects
from lensfinder.zoo.layers import DenseFlipout, JointAugment, PosteriorHead, TargetScale

STEPS = 600  # of an adaptation, where the number of epochs is not given


class Tuning(BaseModel):
    """How a pretrained network is trained on.

    Attributes
    ----------
    layers : "all", "head" or int
        What is trained: every weight; the dense layers at the end; or the last n layers with
        weights (batch norms not counted).
    learning_rate : float
        Of Adam, constant.
    batch_norm : {"frozen", "recalibrated", "trained"}
        What becomes of the batch norms. "frozen": statistics, scale and shift stay those of the
        base. "recalibrated": the statistics are measured anew on the images, without labels, and
        then frozen. "trained": as in any training, statistics of each batch; a batch of few images
        makes them noise, which is why it is not the default.
    batch_size : int
        Objects per step.
    epochs : int or None
        Most epochs; None: about 600 steps, between 15 and 60 epochs.
    patience : int
        Stop after so many epochs without a better validation loss.
    folds : int
        Where there are fewer than `split_from` objects, the number of epochs is chosen by
        cross-validation with so many folds, and all objects are then trained on.
    split_from : int
        From so many objects on, 15 % are kept apart to stop by, and 15 % to measure on.
    augment : bool
        Whether each image is shown as one of its eight views, quarter turns and mirrors, another
        one each time, and a modeller's parameters are turned along: from 40 images eight times as
        many. Networks that turn what they are trained on themselves (`JointAugment`) do so anyway.
    seed : int
        Of folds, order, augmentation and drop-out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    layers: Literal["all", "head"] | Annotated[int, Field(ge=1, le=10_000)] = "all"
    learning_rate: float = Field(default=3e-4, gt=0, le=1, allow_inf_nan=False)
    batch_norm: Literal["frozen", "recalibrated", "trained"] = "recalibrated"
    batch_size: int = Field(default=16, ge=1, le=4096)
    epochs: int | None = Field(default=None, ge=1, le=10_000)
    patience: int = Field(default=12, ge=1)
    folds: int = Field(default=5, ge=2, le=100)
    split_from: int = Field(default=400, ge=20)
    augment: bool = True
    seed: int = Field(default=1, ge=0, lt=2**31)

    def epochs_for(self, objects: int) -> int:
        """Most epochs of a training.

        Parameters
        ----------
        objects : int
            Number of objects to train on.

        Returns
        -------
        int
            `epochs`, or what makes about 600 steps.
        """
        steps = math.ceil(objects / self.batch_size)
        return self.epochs or min(60, max(15, STEPS // steps))


@dataclass
class Fit:
    """What one training came to.

    Attributes
    ----------
    losses : list of float
        Loss on the validation objects after 0, 1, ... epochs; empty without such objects.
    outputs : list of array (N, outputs)
        Answers on them at the same times.
    best : int
        Number of epochs of the lowest loss; without validation, all of them.
    """

    losses: list
    outputs: list
    best: int


class FineTuner:
    """A network that can be trained on again and again from the same start.

    Parameters
    ----------
    model : keras.Model
        A pretrained network of the zoo, its preprocessing as it shall stay.
    task : {"finder", "modeller"}
        What it predicts.
    tuning : Tuning
        How it is trained.
    targets : sequence of str
        What a modeller predicts; without it, or where it is not known how one of them turns with
        an image, a modeller's images are shown as they are.

    Attributes
    ----------
    trained : tuple of str
        Names of the layers whose weights are free.
    views : Views or None
        What turns images and truth; None if nothing does, or the network does it itself.
    predict : FixedPredict
        Answers of the network as it is.
    """

    def __init__(self, model, task: str, tuning: Tuning, *, targets=()):
        self.model, self.tuning = model, tuning
        self.views = _views(model, task, targets) if tuning.augment else None
        self.trained = free_layers(model, tuning)
        model.compile(
            optimizer=keras.optimizers.Adam(tuning.learning_rate),
            loss=_loss(model, task),
            jit_compile=keras.backend.backend() == "jax",  # else every operation from Python
        )
        model.optimizer.build(model.trainable_variables)
        self.predict = fixed_predict(model)
        self._start = [_numpy(v) for v in self._variables()]

    def fit(self, images, y, *, epochs: int, validation=None, key=0) -> Fit:
        """Train from the start; the model holds the weights of the best epoch afterwards.

        Parameters
        ----------
        images : dict of str to array (N, H, W, bands)
            What is trained on.
        y : array (N, P)
            Labels or parameters.
        epochs : int
            Most epochs.
        validation : (dict of str to array, array) or None
            Images and truth to stop by. None: all epochs are made, and the last is kept.
        key : int
            Which order of the objects, of those of this seed.

        Returns
        -------
        Fit
            Losses and answers on the validation objects, epoch by epoch.

        Raises
        ------
        TrainingDivergedError
            If the loss is no longer finite.
        """
        self.reset()
        if set_training_objects(self.model, len(y)):  # a constant of the compiled step
            self.model.make_train_function(force=True)
        fit, kept = Fit([], [], 0), None
        for epoch in range(epochs + 1):
            if epoch:
                self._epoch(images, y, np.random.default_rng((self.tuning.seed, key, epoch)), epoch)
                fit.best = epoch if validation is None else fit.best
            if validation is None:
                continue
            fit.outputs.append(self.predict(validation[0]))
            fit.losses.append(self._mean_loss(validation[1], fit.outputs[-1], epoch))
            if epoch == 0 or fit.losses[-1] < fit.losses[fit.best]:
                fit.best, kept = epoch, [_numpy(v) for v in self.model.weights]
            elif epoch - fit.best >= self.tuning.patience:
                break
        if kept is not None:
            for variable, value in zip(self.model.weights, kept, strict=True):
                variable.assign(value)
        return fit

    def reset(self) -> None:
        """Put weights, optimiser and random state back to the start."""
        for variable, value in zip(self._variables(), self._start, strict=True):
            variable.assign(value)

    def start_from(self, weights) -> None:
        """Begin from other weights from now on; compiled steps are used again.

        Parameters
        ----------
        weights : list of array
            In the order of ``model.weights``.
        """
        self.reset()
        for variable, value in zip(self.model.weights, weights, strict=True):
            variable.assign(value)
        self._start = [_numpy(v) for v in self._variables()]

    def _variables(self):
        metrics = {id(variable) for variable in self.model.metrics_variables}
        own = [variable for variable in self.model.variables if id(variable) not in metrics]
        return [*own, *self.model.optimizer.variables]

    def _epoch(self, images, y, rng, epoch):
        size = min(self.tuning.batch_size, len(y))
        order = rng.permutation(len(y))
        # the last batch is filled up from the front: every step has the same shape, every object
        # is seen, and with 40 objects none is worth dropping
        order = np.concatenate([order, order[: -len(order) % size]])
        for rows in order.reshape(-1, size):
            batch, truth = {name: array[rows] for name, array in images.items()}, y[rows]
            if self.views is not None:
                batch, truth = self.views(batch, truth, rng)
            loss = float(self.model.train_on_batch(batch, truth))
            if not math.isfinite(loss):
                raise self._diverged(loss, epoch)

    def _mean_loss(self, y, output, epoch) -> float:
        loss = float(self.model.loss(y, output))
        if not math.isfinite(loss):
            raise self._diverged(loss, epoch)
        return loss

    def _diverged(self, loss, epoch):
        return TrainingDivergedError(
            f"In epoch {epoch} of the adaptation the loss is {loss}. "
            "Lower the learning rate, or look for images that are not calibrated.",
            epoch=epoch,
        )


def free_layers(model, tuning: Tuning) -> tuple[str, ...]:
    """Freeze what a tuning does not train.

    A batch norm of Keras that is not trainable also uses and keeps its stored statistics.

    Parameters
    ----------
    model : keras.Model
        The network; its layers' ``trainable`` is set.
    tuning : Tuning
        What is to be trained.

    Returns
    -------
    tuple of str
        Names of the layers that are trained.

    Raises
    ------
    ArgumentError
        If there is nothing to train.
    """
    leaves = list(_leaves(model))
    weighted = [
        layer
        for layer in leaves
        if layer.trainable_weights and not isinstance(layer, keras.layers.BatchNormalization)
    ]
    if tuning.layers == "all":
        chosen = weighted
    elif tuning.layers == "head":
        dense = (keras.layers.Dense, DenseFlipout)
        chosen = [layer for layer in weighted if isinstance(layer, dense)]
    else:
        chosen = weighted[-tuning.layers :]
    if not chosen:
        raise ArgumentError(
            f"The network has no {tuning.layers} layers to train. Use layers='all'."
        )
    first = leaves.index(chosen[0])
    free = {id(layer) for layer in chosen}
    if tuning.batch_norm == "trained":
        norms = keras.layers.BatchNormalization
        free |= {id(layer) for layer in leaves[first:] if isinstance(layer, norms)}
    for layer in leaves:
        if layer.weights:
            layer.trainable = id(layer) in free
    return tuple(layer.name for layer in leaves if id(layer) in free)


def recalibrate(model, images, *, batch_size: int, passes: int = 2, seed: int = 1) -> int:
    """Measure the statistics of all batch norms anew, on other images and without labels.

    What a network has learned of one survey's noise and PSF sits in these means and variances
    (adaptive batch normalisation, Li et al. 2018). They become the plain average over all batches
    of `passes` passes through the images.

    Parameters
    ----------
    model : keras.Model
        The network; nothing else in it changes.
    images : dict of str to array (N, H, W, bands)
        Images of the new survey.
    batch_size : int
        Objects at once; more give truer variances.
    passes : int
        How often every image is shown, each time augmented anew where the network does that.
    seed : int
        Of their order.

    Returns
    -------
    int
        Number of batch norms; 0: there are none, and nothing was done.
    """
    norms = [x for x in _leaves(model) if isinstance(x, keras.layers.BatchNormalization)]
    if not norms:
        return 0
    count = len(next(iter(images.values())))
    size, rng = min(batch_size, count), np.random.default_rng(seed)
    settings, done = [(norm.momentum, norm.trainable) for norm in norms], 0
    try:
        for norm in norms:
            norm.trainable = True  # else Keras keeps the statistics
        for _ in range(passes):
            order = rng.permutation(count)[: count // size * size].reshape(-1, size)
            for rows in order:
                for norm in norms:
                    norm.momentum = done / (done + 1)  # the running mean becomes a plain mean
                model({name: array[rows] for name, array in images.items()}, training=True)
                done += 1
    finally:
        for norm, (momentum, trainable) in zip(norms, settings, strict=True):
            norm.momentum, norm.trainable = momentum, trainable
    return len(norms)


def _views(model, task, targets) -> Views | None:
    """What turns images for a network that does not do it itself, if the truth can follow."""
    if any(isinstance(layer, JointAugment) for layer in _leaves(model)):
        return None
    if task == "finder":
        return Views()
    try:
        return Views(targets) if targets else None
    except ArchitectureError:
        return None


def _leaves(model):
    """All layers that are not models themselves, in order."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer


def _loss(model, task):
    if task == "finder":
        return keras.losses.BinaryCrossentropy()
    kinds = {TargetScale: ScaledMeanSquaredError, PosteriorHead: PosteriorLikelihood}
    scale = next(layer for layer in model.layers if type(layer) in kinds)
    return kinds[type(scale)](scale.low, scale.high)


def _numpy(variable):
    return np.array(keras.ops.convert_to_numpy(keras.ops.copy(variable.value)))
