"""Give a preset its calibration: fitted on the validation sample, judged on the test sample."""

import dataclasses

import numpy as np

from lensfinder.errors import ArgumentError, PresetError
from lensfinder.posterior import has_posterior
from lensfinder.training import calibration as fits
from lensfinder.training.answers import measured_sample
from lensfinder.training.card import retold
from lensfinder.training.doubt import doubt_of, rescaled
from lensfinder.training.evaluation import (
    MockSample,
    Scored,
    figures_of,
    headline,
    score_mocks,
)
from lensfinder.training.recipe_data import DRAWN
from lensfinder.training.reproduce import command
from lensfinder.training.scores import before_and_after
from lensfinder.training.sources import validation_objects
from lensfinder.training.spread_calibration import (
    decoder_of,
    measure_spread,
    spread_of,
    validation_sample,
)
from lensfinder.training.spread_populations import checked, populations_of, samples_of
from lensfinder.zoo import fixed_predict, open_preset, save_preset
from lensfinder.zoo.calibration import LEAST_OF_EACH, with_calibration
from lensfinder.zoo.decoder import with_draws

CALIBRATIONS = ("best", "temperature", "isotonic", "none")
# of metrics.json: what it replaced, what its doubt was fitted on, what somebody wrote about it
KEPT = ("before", "doubt", "note")
SEED = 20_261  # deals the folds by which the kind of calibration is chosen


def fit_on_validation(recipe, predict, *, method: str = "best", size: int | None = None):
    """Fit a calibration on the objects that the best epoch was chosen by; the test stays unseen.

    Parameters
    ----------
    recipe : Recipe
        Of a finder.
    predict : callable
        The network without calibration, ``{group: images} -> array (N, 1)``.
    method : {"best", "temperature", "isotonic", "none"}
        See `lensfinder.training.calibration.fit`.
    size : int or None
        Number of objects, if validation is done on mocks; as many as the recipe says by default.

    Returns
    -------
    Temperature, Isotonic or None
        None for "none", or where the recipe leaves validation to the caller.
    """
    if method == "none":
        return None
    sample = validation_sample(recipe, size)
    if sample is not None:
        scored = score_mocks(predict, sample, contract=recipe.contract())
        label, score = scored.truth["label"], scored.output[:, 0]
    else:
        objects = validation_objects(recipe)
        if objects is None:
            return None
        label, score = objects.y[:, 0], predict(objects.images)[:, 0]
    return fits.fit(label, score, method=method, rng=_folds(method))


def _folds(method):
    return np.random.default_rng(SEED) if method == "best" else None


def measure_calibrated(model, calibration, sample: MockSample, *, contract) -> dict:
    """Figures of a finder with its calibration, and what the calibration changed.

    Parameters
    ----------
    model : keras.Model
        The network without calibration.
    calibration : Temperature, Isotonic or None
        What comes behind it.
    sample : MockSample
        Mocks that neither has seen.
    contract : InputContract
        What the network must be fed.

    Returns
    -------
    dict
        As `lensfinder.training.evaluation.measure`, of the calibrated probabilities; with a
        calibration also ``calibration``: its kind, on how many objects and of which prevalence it
        was fitted, whether it leaves scores ``unchanged``, and the calibration figures ``before``
        and ``after`` on this sample; those after it are those of ``finder``.

    Raises
    ------
    InputContractError
        If the survey's images are not what the network takes.
    MetricError
        If the sample holds one class only.
    """
    plain = fixed_predict(model)
    if calibration is None:
        predict = plain
    else:
        final = fixed_predict(with_calibration(model, calibration))

        def predict(images):
            return np.concatenate([final(images), plain(images)], axis=1)

    scored = score_mocks(predict, sample, contract=contract)
    kept = Scored(scored.truth, scored.output[:, :1], scored.data)
    rng = np.random.default_rng(sample.seed)
    figures = figures_of(kept, task="finder", targets=(), rng=rng)
    if calibration is None:
        return figures
    label = np.asarray(scored.truth["label"])
    seen = before_and_after(label, scored.output[:, 1], figures["finder"], rng=rng)
    facts = calibration.model_dump(mode="json", include={"kind", "objects", "prevalence"})
    if getattr(calibration, "unchanged", False):
        facts["unchanged"] = True
    return {**figures, "calibration": {**facts, **seen}}


def calibrate(
    name_or_path, place=None, *, method: str = "best", size: int | None = None, populations=None
):
    """Calibrate a preset that exists: fit on its validation mocks, measure on its test mocks again.

    Parameters
    ----------
    name_or_path : str or Path
        The preset. Its ``metrics.json`` says which mocks it was validated and measured on.
    place : str, Path or None
        Name or folder of the calibrated preset; by default the old one's place, which it takes.
    method : {"best", "temperature", "isotonic"}
        Of a finder, see `lensfinder.training.calibration.fit`; a modeller has one way only
        (`lensfinder.training.spread_calibration.fit_spread`).
    size : int or None
        Number of validation mocks, of each population; the preset's by default.
    populations : sequence of str or None
        Of a modeller: names or files of the populations to calibrate on together; by default that
        of its validation, and those of the mixture that it was trained on
        (`lensfinder.training.spread_populations`).

    Returns
    -------
    Preset
        With the same weights; a doubt goes with the new spreads as it did with the old ones.

    Raises
    ------
    UnknownNameError, SpecError
        If there is no such population.
    ArgumentError
        If a population holds no lenses, mocks of it were trained on, or one is named for a finder.
    PresetError
        If it has no probability and no posterior, or does not say which mocks it was validated and
        measured on, as a preset that was adapted to images.
    MetricError
        If the answers cannot be calibrated.
    """
    preset = open_preset(name_or_path)
    trained = preset.metrics.get("training", {})
    recipe, data = trained.get("recipe", {}), preset.metrics.get("data")
    held, sample = recipe.get("validation"), measured_sample(preset)
    if "adapted_from" in preset.metrics:
        raise PresetError(
            f"{preset.name} was adapted to images, which are not kept with it: it is calibrated "
            "while it is adapted. Adapt its base again (`lensfinder adapt`), to "
            f"{LEAST_OF_EACH} lenses and {LEAST_OF_EACH} others at least."
        )
    if not held or sample is None:
        raise PresetError(
            f"{preset.name} does not say which mocks it was validated and measured on. Calibrate "
            "it where it was trained: `publish(..., calibration=...)`."
        )
    if populations is not None:
        if preset.task == "finder":
            raise ArgumentError(
                f"{preset.name} is a finder: its probabilities hold for the prevalence and the "
                "objects of its own validation mocks. Leave the populations away."
            )
        populations = checked(populations)
    doubted_on = None
    names = {field.name for field in dataclasses.fields(MockSample)}
    facts = {key: value for key, value in held.items() if key in names}
    drawn = {key: data[key] for key in (*DRAWN, "plane") if key in data}
    validation = MockSample(survey=recipe["survey"], **{**facts, **drawn})
    validation = dataclasses.replace(validation, size=size or validation.size)
    model = answering = preset.load(calibrated=False)
    decoder = getattr(preset.config.calibration, "decoder", None)
    if decoder is None and preset.task == "modeller":  # from before there were any
        decoder = decoder_of(recipe)
    if decoder is not None:
        answering = with_draws(model, decoder)
    width = np.empty((0, answering.output_shape[-1]))
    if preset.task != "finder" and not has_posterior(width, preset.targets):
        raise PresetError(
            f"{preset.name} is not a finder, and answers without a posterior, so there is nothing "
            "to calibrate. Train one with components: 1, or more."
        )
    predict = fixed_predict(answering)
    if preset.task == "finder":
        scored = score_mocks(predict, validation, contract=preset.contract)
        label, score = scored.truth["label"], scored.output[:, 0]
        found = fits.fit(label, score, method=method, rng=_folds(method))
        figures = measure_calibrated(model, found, sample, contract=preset.contract)
    else:
        seen = recipe.get("data", {})
        chosen = populations or populations_of(seen, validation, sample)
        samples = samples_of(validation, chosen, seen, other=sample)
        others = [name for name in chosen if name != sample.population]
        elsewhere = samples_of(sample, others, seen)
        scored = [score_mocks(predict, each, contract=preset.contract) for each in samples]
        found = spread_of(scored, preset.targets)
        found = found.model_copy(update={"decoder": decoder})
        doubt, doubted_on = _doubt(preset, model, found)
        found = found.model_copy(update={"doubt": doubt})
        about = {"contract": preset.contract, "targets": preset.targets}
        figures = measure_spread(model, found, sample, elsewhere=elsewhere, **about)
    metrics = {"preset": preset.name, **figures, "sample_sha256": sample.digest()}
    metrics["training"] = trained
    metrics |= {name: preset.metrics[name] for name in KEPT if name in preset.metrics}
    metrics |= {"doubt": doubted_on} if doubted_on else {}
    metrics["reproduce"] = command(metrics)
    pinned = preset.name if preset.pinned else preset.folder
    return save_preset(
        pinned if place is None else place,
        model,
        builder=preset.config.builder,
        arguments=preset.config.arguments,
        task=preset.task,
        targets=None if preset.task == "finder" else preset.targets,
        contract=preset.contract,
        metrics=metrics,
        card=retold(preset.card, metrics),
        dtype=trained.get("stored_as", "float32"),
        headline=headline(metrics),
        calibration=found,
        plane=preset.config.plane,
        overwrite=place is None,
    )


def _doubt(preset, model, found):
    """The doubt of a modeller behind its new spreads, and what it was fitted on if it was anew.

    Log odds linear in the logarithms of spreads take up a constant factor, and no slope.
    """
    old = preset.config.calibration
    doubt = getattr(old, "doubt", None)
    if doubt is None:
        return None, None
    if old.slopes is None and found.slopes is None:
        return rescaled(doubt, preset.targets, old.scales, found.scales), None
    asked = preset.metrics.get("doubt", {})
    asked = {key: asked[key] for key in ("population", "size", "seed") if key in asked}
    asked["lenses_of"] = [each.population for each in found.calibrated_on]
    return doubt_of(preset, with_calibration(model, found), **asked)
