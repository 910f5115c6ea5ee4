"""What presets answer about the mocks that one of them was measured on, object by object."""

import dataclasses

import numpy as np

from lensfinder.training.assessment import parameters_of
from lensfinder.training.cleaning import cleaned_batches
from lensfinder.training.evaluation import MockSample, lenses_of, score_mocks
from lensfinder.training.image_metrics import image_psnr
from lensfinder.training.paired import Answers
from lensfinder.training.parameters import parameter_differences
from lensfinder.training.recipe_data import DRAWN
from lensfinder.zoo import fixed_predict


def answers_on(sample: MockSample):
    """What makes presets answer about a sample.

    Parameters
    ----------
    sample : MockSample
        The mocks; the figures of two presets are compared on them.

    Returns
    -------
    callable
        ``function(preset) -> Answers``: of a finder about all mocks, of a modeller about the
        lenses among them.
    """

    def answers(preset) -> Answers:
        predict = fixed_predict(preset.load())
        if preset.task == "cleaner":
            return _cleaned(predict, sample, preset)
        scored = score_mocks(predict, sample, contract=preset.contract)
        if preset.task == "finder":
            label = np.asarray(scored.truth["label"]).astype(int)
            return Answers("finder", {"score": scored.output[:, 0]}, {"label": label})
        lenses = dataclasses.replace(
            scored, **dict(zip(("truth", "output"), lenses_of(scored), strict=True))
        )
        truth, predicted = parameters_of(lenses, preset.targets)
        differences = parameter_differences(truth, predicted)
        return Answers("modeller", {name: differences[name] for name in truth}, truth)

    return answers


def _cleaned(predict, sample, preset) -> Answers:
    found = {name: [] for name in preset.targets}
    terms = {"contract": preset.contract, "targets": preset.targets}
    for truth, cleaned, _ in cleaned_batches(predict, sample, **terms):
        for number, name in enumerate(preset.targets):
            found[name].append(image_psnr(truth[:, number], cleaned[:, number]))
    values = {name: np.concatenate(parts) for name, parts in found.items()}
    return Answers("cleaner", values, {})


def measured_sample(preset) -> MockSample | None:
    """The mocks that a preset was measured on.

    Parameters
    ----------
    preset : Preset
        Any.

    Returns
    -------
    MockSample or None
        As its ``metrics.json`` says; None if these were no mocks, as images that a preset was
        adapted to, or stored pairs of an auditor.
    """
    data = preset.metrics.get("data", {})
    if not {"survey", "population", "seed", "n"} <= set(data):
        return None
    names = {field.name for field in dataclasses.fields(MockSample)}
    kept = {name: data[name] for name in (*names, *DRAWN) if name in data}
    recipe = preset.metrics.get("training", {}).get("recipe", {})
    # a survey's file is not its name: the recipe has what `load_survey` takes
    kept |= {"survey": recipe.get("survey", data["survey"]), "size": data["n"]}
    return MockSample(**kept)
