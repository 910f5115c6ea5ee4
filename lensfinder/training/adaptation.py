"""From a preset and labelled images of another survey to a network for that survey."""

from dataclasses import dataclass

import keras
import numpy as np

from lensfinder import zoo
from lensfinder.data.labelled import Labelled, check_labels
from lensfinder.data.manifest import file_sha256
from lensfinder.data.splits import split_of
from lensfinder.errors import LabelError
from lensfinder.training.adaptation_calibration import calibrated
from lensfinder.training.finetuning import FineTuner, recalibrate
from lensfinder.training.run_folder import versions
from lensfinder.training.scores import before_and_after, finder_figures, modeller_figures
from lensfinder.training.starting import copy_weights
from lensfinder.zoo.weights import array_of

LEAST = 4  # objects of each class (of a modeller: twice that): below, none can be held out
SHARES = (0.7, 0.15, 0.15)  # to train on, to stop by, to measure on, where there are many
_BATCH = 256


@dataclass(frozen=True)
class Adaptation:
    """An adapted network and what was measured on it.

    Attributes
    ----------
    model : keras.Model
        For the new survey's images, without its calibration.
    figures : dict
        Content of the new preset's ``metrics.json``.
    calibration : Temperature or None
        Of a finder, fitted on answers to objects that it was not trained on.
    """

    model: object
    figures: dict
    calibration: object = None


@dataclass(frozen=True)
class _Held:
    """Answers on objects that the network was not trained on, before and after training.

    `spare` are labels and answers after training of others that it was not trained on either.
    """

    scheme: str
    y: np.ndarray
    before: np.ndarray
    after: np.ndarray
    epochs: int
    trained_on: int
    spare: tuple | None = None


def adaptation(base, data, contract, *, tuning, validation=None, test=None, note) -> Adaptation:
    """Train a preset's network on for another survey.

    Parameters
    ----------
    base : Preset
        Where it starts; not changed.
    data : Labelled
        Objects of the new survey, with all bands of the contract.
    contract : InputContract
        What the new network takes, from `View.contract`.
    tuning : Tuning
        What is trained, and how.
    validation, test : Labelled or None
        Objects to stop by and to measure on. Without `validation`, they are taken from `data`.
    note : callable
        Told in words what has been done.

    Returns
    -------
    Adaptation
        The network and its figures.

    Raises
    ------
    LabelError
        If there are too few objects, or labels cannot be learned from.
    ArchitectureError
        If the base's weights do not fit the new input.
    TrainingDivergedError
        If the loss is no longer finite.
    """
    targets = ("label",) if base.task == "finder" else base.targets
    data, validation, test = (
        _fit_for(part, contract, targets) for part in (data, validation, test)
    )
    _enough(data, base.task)
    parts = None
    if validation is None and len(data) >= tuning.split_from:
        parts = split_of(data.ids, SHARES)
        whole = data
        data, validation, test = (
            check_labels(whole.take(parts == part), targets)
            for part in ("train", "validation", "test")
        )
    keras.utils.set_random_seed(tuning.seed)
    model = for_contract(base, contract)
    seen = zoo.adapt(model, _batches(data.images))
    note(f"preprocessing adapted to {seen} images of {contract.survey}")
    if tuning.batch_norm == "recalibrated":
        recalibrate(model, data.images, batch_size=_norm_batch(len(data)), seed=tuning.seed)
    tuner = FineTuner(model, base.task, tuning, targets=targets)
    if validation is None:
        held = _by_folds(tuner, data, base.task, note)
    else:
        held = _by_validation(tuner, data, validation, test, split=parts is not None, note=note)
    measured, calibration = _measured(base.task, targets, held, tuning.seed)
    if calibration is not None:
        note(f"calibrated on {calibration.objects} answers to objects it was not trained on")
    elif "uncalibrated" in measured:
        note(f"not calibrated: {measured['uncalibrated']}")
    figures = {
        "adapted_from": _origin(base),
        "data": {
            "survey": contract.survey,
            "n": len(data),
            **({"lenses": int(data.y.sum())} if base.task == "finder" else {}),
        },
        "held_out": {"scheme": held.scheme, "n": len(held.y)},
        **measured,
        "training": {
            **tuning.model_dump(mode="json"),
            "objects": held.trained_on,
            "epochs": held.epochs,
            "turned": tuner.views is not None,
            "trained_layers": list(tuner.trained),
            "stored_as": "float32",
        },
        "versions": versions(),
    }
    return Adaptation(model, figures, calibration)


def for_contract(base, contract):
    """The network of a preset with another input, its weights those of the preset.

    Parameters
    ----------
    base : Preset
        The preset; a calibration of its scores is left out, it holds for its own survey only.
    contract : InputContract
        What the new network takes.

    Returns
    -------
    keras.Model
        A network of its own: nothing is shared with another one.

    Raises
    ------
    ArchitectureError
        If the weights do not fit.
    """
    terms = base.config
    targets = None if base.task == "finder" else base.targets
    model = zoo.build(terms.builder, contract, base.task, targets=targets, **terms.arguments)
    copy_weights(base, model, remedy="Map a band to each of the base's bands.")
    return model


# --- which objects ------------------------------------------------------------------------------
def _fit_for(data, contract, targets):
    if data is None:
        return None
    wanted = {group.name: group.bands for group in contract.groups}
    if {group.name: group.bands for group in data.contract.groups} != wanted:
        data = data.select(wanted)
    return check_labels(data, targets)


def _enough(data: Labelled, task: str) -> None:
    if task == "finder":
        lenses = int(data.y.sum())
        counts, what = (lenses, len(data) - lenses), f"{LEAST} lenses and {LEAST} non-lenses"
    else:
        counts, what = (len(data) // 2,), f"{2 * LEAST} lenses"
    if min(counts) < LEAST:
        raise LabelError(f"At least {what} are needed. Received: {len(data)} objects. Add some.")


def _batches(images):
    count = len(next(iter(images.values())))
    for first in range(0, count, _BATCH):
        yield {name: array[first : first + _BATCH] for name, array in images.items()}


def _norm_batch(count: int) -> int:
    return min(count, 64)


# --- how long -------------------------------------------------------------------------------------
def _by_validation(tuner, data, validation, test, *, split, note) -> _Held:
    epochs = tuner.tuning.epochs_for(len(data))
    fit = tuner.fit(
        data.images, data.y, epochs=epochs, validation=(validation.images, validation.y)
    )
    note(f"trained on {len(data)} objects: epoch {fit.best} of {len(fit.losses) - 1} is kept")
    measured = validation if test is None else test
    after = tuner.predict(measured.images)
    spare = None if test is None else (validation.y, tuner.predict(validation.images))
    kept = [array_of(v) for v in tuner.model.weights]
    tuner.reset()
    before = tuner.predict(measured.images)
    for variable, value in zip(tuner.model.weights, kept, strict=True):
        variable.assign(value)
    scheme = "objects kept apart by the hash of their ids" if split else "objects given for it"
    if test is None:
        scheme = "the objects that the number of epochs was chosen by"
    return _Held(scheme, measured.y, before, after, fit.best, len(data), spare)


def _by_folds(tuner, data, task, note) -> _Held:
    """Answers on each object from a network that did not see it; then train on all of them."""
    rng = np.random.default_rng(tuner.tuning.seed)
    fold = folds_of(data.y[:, 0] if task == "finder" else None, len(data), tuner.tuning.folds, rng)
    count = int(fold.max()) + 1
    epochs, fits = tuner.tuning.epochs_for(len(data)), []
    for number in range(count):
        rest, out = data.take(fold != number), data.take(fold == number)
        held = (out.images, out.y)
        fits.append(tuner.fit(rest.images, rest.y, epochs=epochs, validation=held, key=number))
        note(f"fold {number + 1} of {count}: best after {fits[-1].best} epochs")
    # one number of epochs for all: a fold's own best would be chosen by the objects it is
    # measured on
    chosen = round(float(np.median([fit.best for fit in fits])))
    before, after = (np.empty((len(data), fits[0].outputs[0].shape[1]), np.float32) for _ in "ab")
    for number, fit in enumerate(fits):
        before[fold == number] = fit.outputs[0]
        after[fold == number] = fit.outputs[min(chosen, len(fit.outputs) - 1)]
    tuner.fit(data.images, data.y, epochs=chosen, key=count)
    note(f"trained on all {len(data)} objects for {chosen} epochs")
    return _Held(f"{count}-fold cross-validation", data.y, before, after, chosen, len(data))


def folds_of(label, count: int, folds: int, rng) -> np.ndarray:
    """Fold of each object, each class shared out evenly.

    Parameters
    ----------
    label : array (N,) or None
        Classes; None: all objects are of one.
    count : int
        Number of objects.
    folds : int
        Number of folds; fewer, if a class has fewer objects.
    rng : numpy.random.Generator
        Which object goes where.

    Returns
    -------
    array (N,) of int
        From 0.
    """
    classes = np.zeros(count) if label is None else np.asarray(label)
    kinds, sizes = np.unique(classes, return_counts=True)
    folds = min(folds, int(sizes.min()))
    fold = np.empty(count, int)
    for kind in kinds:
        rows = rng.permutation(np.flatnonzero(classes == kind))
        fold[rows] = np.arange(len(rows)) % folds
    return fold


# --- figures --------------------------------------------------------------------------------------
def _measured(task, targets, held, seed):
    """Figures before and after training, and what a finder is calibrated with."""

    def rng():
        return np.random.default_rng(seed)

    if task == "modeller":
        after, before = (
            modeller_figures(targets, held.y, output, rng=rng())
            for output in (held.after, held.before)
        )
        return {task: after, "before_training": before}, None
    label, score = held.y[:, 0], held.after[:, 0]
    spare = held.spare and tuple(part[:, 0] for part in held.spare)
    found = calibrated(label, score, spare=spare, seed=seed)
    after = finder_figures(label, found.score, rng=rng(), probability=found.probability)
    figures = {task: after, "before_training": finder_figures(label, held.before[:, 0], rng=rng())}
    if found.calibration is None:
        return {**figures, "uncalibrated": found.why_not}, None
    seen = before_and_after(label, score, after, rng=rng())
    facts = found.calibration.model_dump(mode="json", include={"kind", "objects", "prevalence"})
    return {**figures, "calibration": {**facts, **seen}}, found.calibration


def _origin(base) -> dict:
    files = sorted(base.folder.glob("weights*.safetensors"))
    return {
        "name": base.name,
        "survey": base.contract.survey,
        "sha256": {path.name: file_sha256(path) for path in files},
    }
