"""Train a preset that comes with the package, measure it, and put it in place if it is better.

``python -m lensfinder.training.zoo NAME --minutes 30`` trains the recipe NAME, or the one of the
preset NAME, or goes on with it, for so long; with ``--fit-schedule`` its warm-up and cosine end
when the minutes do. Once the training is complete, or with ``--evaluate`` before that, the weights
of the best epoch are measured on fresh mocks of the recipe's test sample. They are written as a
preset if they beat the one that is there on those mocks, beyond chance: both answer about them, and
the new one must be better with a probability of 0.95 over resampled mocks; or with ``--replace``;
else they stay in the run folder, as ``candidate``. ``--adopt FOLDER`` does the same with a preset
that was trained elsewhere. ``--calibrate`` fits the calibration of a preset that is there already;
of a modeller on as many mocks of each population of the mixture that it was trained on, or of those
that ``--calibrate-on`` names. ``--card`` writes its card anew, from its figures.
"""

import argparse
import sys
import time
from pathlib import Path

COMPLETE, CONTINUE, NOT_BETTER = 0, 3, 4


def parser(prog: str = "python -m lensfinder.training.zoo") -> argparse.ArgumentParser:
    """The script's arguments.

    Parameters
    ----------
    prog : str
        What was typed, for messages.

    Returns
    -------
    argparse.ArgumentParser
        The parser.
    """
    from lensfinder.training.precision import PRECISIONS

    found = argparse.ArgumentParser(prog=prog, description=__doc__)
    found.add_argument(
        "name", help="a recipe of data_specs/recipes, the preset that it makes, or a YAML file"
    )
    found.add_argument("--minutes", type=float, help="stop training after so long, resumable")
    found.add_argument(
        "--fit-schedule",
        action="store_true",
        help="as many epochs as fit in --minutes on this machine, instead of the recipe's; frozen "
        "in the run folder, and kept by every later call",
    )
    found.add_argument("--out", type=Path, help="run folder (default: runs/NAME)")
    found.add_argument("--workers", type=int, default=1, help="0 none, 1 a thread, more: processes")
    found.add_argument(
        "--precision", choices=PRECISIONS, help="of training, instead of the recipe's; auto: mixed "
        "on a GPU. What is published computes in float32"
    )  # fmt: skip
    found.add_argument(
        "--evaluate", action="store_true", help="publish the best epoch even if unfinished"
    )
    found.add_argument(
        "--replace", action="store_true", help="write the preset even if it is not better"
    )
    found.add_argument("--size", type=int, help="test objects (default: as in the recipe)")
    found.add_argument(
        "--dtype",
        default="float32",
        choices=("float32", "float16", "int8"),
        help="how weights are stored; int8 where millions of them must be small",
    )
    found.add_argument("--preset", type=Path, help="folder for the preset (default: models/)")
    found.add_argument(
        "--calibration",
        default="best",
        choices=("best", "temperature", "isotonic", "none"),
        help="how a finder's scores become probabilities, fitted on the validation sample; the "
        "spreads of a modeller's posteriors are fitted there unless this is none",
    )
    found.add_argument(
        "--symmetric",
        action="store_true",
        help="predict the mean over quarter turns and mirrors, whatever the recipe says",
    )
    found.add_argument("--name", dest="rename", help="publish under this name, not the recipe's")
    found.add_argument(
        "--calibrate", action="store_true", help="no training: calibrate the preset NAME anew"
    )
    found.add_argument(
        "--card", action="store_true", help="no training: write the card of the preset NAME anew"
    )
    found.add_argument(
        "--calibrate-on",
        nargs="+",
        metavar="POPULATION",
        help="with --calibrate: the populations that the spreads of a modeller are to be right on, "
        "instead of those it was trained for",
    )
    found.add_argument(
        "--calibration-size", type=int, help="validation mocks to calibrate on, of each population"
    )
    found.add_argument(
        "--adopt",
        type=Path,
        help="no training: put a preset folder in place if it is better than the one there",
    )
    return found


def main(arguments=None) -> int:
    """Run the script.

    Parameters
    ----------
    arguments : list of str or None
        Command line; that of the process by default.

    Returns
    -------
    int
        0 if the training is complete, 3 if it is to be continued, 4 if it is complete and not
        better beyond chance than the preset that is there, which stays.
    """
    asked = parser()
    given = asked.parse_args(arguments)
    if given.fit_schedule and given.minutes is None:
        asked.error("--fit-schedule needs --minutes.")
    if given.calibrate_on and not given.calibrate:
        asked.error("--calibrate-on goes with --calibrate.")
    from lensfinder.paths import quiet_tensorflow

    quiet_tensorflow()
    if given.adopt is not None:
        return COMPLETE if _adopted(given) else NOT_BETTER
    if given.card:
        from lensfinder.training.retell import retell

        print(retell(given.name))
        return COMPLETE
    if given.calibrate:
        from lensfinder.training.calibrate import calibrate

        print(
            calibrate(
                given.name,
                given.preset,
                method=given.calibration,
                size=given.calibration_size,
                populations=given.calibrate_on,
            )
        )
        return COMPLETE
    recipe, result = _trained(given)
    if not result.finished and not given.evaluate:
        return CONTINUE
    recipe = symmetric(recipe) if given.symmetric else recipe
    recipe = recipe.model_copy(update={"preset": given.rename}) if given.rename else recipe
    kept = _published(given, recipe, result)
    if not result.finished:
        return CONTINUE
    return COMPLETE if kept else NOT_BETTER


def _trained(given):
    """Train, or go on: the recipe as it was trained, and the result."""
    from lensfinder.training.listeners import PrintListener
    from lensfinder.training.loop import train
    from lensfinder.training.pacing import fit_schedule, fitted, kept_schedule
    from lensfinder.training.recipe import load_recipe

    begin = time.monotonic()
    recipe = load_recipe(given.name)
    if given.precision is not None:
        recipe = recipe.model_copy(update={"precision": given.precision})
    out = given.out or Path("runs") / run_name(given.name)
    minutes, workers = given.minutes, given.workers
    schedule = kept_schedule(out, recipe)
    if schedule is not None:
        recipe = fitted(recipe, schedule)
        print(f"schedule: {schedule.epochs} epochs, fitted to {schedule.minutes:g} minutes")
    elif given.fit_schedule:
        recipe = fit_schedule(recipe, out, minutes=minutes, workers=workers)
        minutes -= (time.monotonic() - begin) / 60.0
    return recipe, train(recipe, out, minutes=minutes, workers=workers, listener=PrintListener())


def run_name(name: str) -> str:
    """The folder in ``runs/`` of what is trained by a name.

    Parameters
    ----------
    name : str
        A recipe, the preset that it makes, or a YAML file.

    Returns
    -------
    str
        One for each recipe of the package, whichever of its names is given; of a file, its stem.
    """
    from lensfinder.training.recipe_lookup import is_file, recipe_name

    return Path(name).stem if is_file(name) else recipe_name(name).replace("/", "-")


def _published(given, recipe, result) -> bool:
    """Measure the best epoch and put it in place if it is to be; whether it was."""
    from lensfinder.training.answers import answers_on
    from lensfinder.training.publish import held_sample, publish, put_in_place

    candidate = publish(
        recipe,
        result,
        size=given.size,
        dtype=given.dtype,
        calibration=given.calibration,
        calibration_size=given.calibration_size,
    )
    answers = answers_on(held_sample(recipe, given.size))
    return put_in_place(candidate, given.preset, answers=answers, replace=given.replace)


def _adopted(given) -> bool:
    """Put a preset from a folder in place if it is to be; whether it was."""
    from lensfinder.training.answers import answers_on, measured_sample
    from lensfinder.training.publish import put_in_place
    from lensfinder.zoo import open_preset

    candidate = open_preset(given.adopt)
    sample = measured_sample(candidate)
    answers = None if sample is None else answers_on(sample)
    return put_in_place(
        candidate, given.preset, answers=answers, replace=given.replace, record=False
    )


def symmetric(recipe):
    """The recipe of the same training whose network predicts the mean over eight views.

    The weights are the same with and without it, and training is: only predictions differ
    (`lensfinder.zoo.layers.DihedralMean`).

    Parameters
    ----------
    recipe : Recipe
        Of a network with an argument `symmetric`.

    Returns
    -------
    Recipe
        With that argument set.
    """
    arguments = {**recipe.network.arguments, "symmetric": True}
    network = recipe.network.model_copy(update={"arguments": arguments})
    return recipe.model_copy(update={"network": network})


if __name__ == "__main__":
    sys.exit(main())
