"""Answers of a finder where lenses are rarer than in the sample that it was calibrated on."""

from dataclasses import replace

import numpy as np

from lensfinder.errors import PresetError
from lensfinder.zoo.calibration import LEAST_OF_EACH, at_prevalence

SCALES = ("p_lens_stamp", "p_lens_zoom")


def shift_to(network, prevalence):
    """What turns a network's answers into those for lenses of another prevalence.

    Parameters
    ----------
    network : Network
        A finder.
    prevalence : float or None
        Lenses per image; None leaves answers as they are.

    Returns
    -------
    callable
        ``function(answers) -> Answers``, of a batch.

    Raises
    ------
    PresetError
        If the preset is not calibrated.
    ArgumentError
        If the prevalence is not between 0 and 1.
    """
    if prevalence is None:
        return lambda answers: answers
    preset = network.preset
    if preset.config.calibration is None:
        raise PresetError(
            f"{preset.name} is not calibrated, so its scores are no probabilities that could be "
            f"taken to another prevalence. {_remedy(preset)}, or leave the prevalence away."
        )
    trained = preset.config.calibration.prevalence
    at_prevalence(0.5, trained=trained, wanted=prevalence)  # a wrong one is told before the images

    def shifted(answers):
        def shift(numbers):
            found = at_prevalence(numbers, trained=trained, wanted=prevalence)
            return found.astype(np.float32)

        scales = {name: shift(answers.extra[name]) for name in SCALES if name in answers.extra}
        return replace(answers, values=shift(answers.values), extra=answers.extra | scales)

    return shifted


def _remedy(preset) -> str:
    """How this preset gets a calibration: it depends on where it comes from."""
    facts = preset.metrics or {}
    if "adapted_from" in facts:
        why = facts.get("uncalibrated")
        return (
            f"{f'When it was adapted, {why}. ' if why else ''}Adapt its base again "
            f"(`lensfinder adapt`), to {LEAST_OF_EACH} lenses and {LEAST_OF_EACH} others at least, "
            "some of them hard to tell apart: it is then calibrated"
        )
    recipe = facts.get("training", {}).get("recipe", {})
    if recipe.get("validation") and facts.get("data"):  # the mocks that it is calibrated on
        name = preset.name if getattr(preset, "pinned", True) else preset.folder
        return f"Calibrate it (`python -m lensfinder.training.zoo {name} --calibrate`)"
    return (
        "Fit a calibration to its scores of labelled images "
        "(`lensfinder.training.calibration.fit`), and save it as a preset with that "
        "(`lensfinder.zoo.save_preset(..., calibration=...)`)"
    )
