"""Train the classifier of source reconstructions, measure it, and write it as a preset.

``python -m lensfinder.training.forked forked-euclid-vis --pairs PAIRS --out RUN --minutes 30``
trains on the pairs of `lensfinder.training.reconstructions`, or goes on. Once the training is
complete, or with ``--evaluate`` before that, the best epoch is measured on lenses kept apart, and
``RUN/preset`` holds the preset; ``--publish`` puts it among the package's if its accuracy is higher
than that of the one that is there, on the same pairs and beyond chance, or with ``--replace``.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

# Of each twenty lenses, which validate and which test; all pairs of a lens go together.
OF, VALIDATION, TEST = 20, (0,), (1, 2, 3)


def split_of(lens, split: str) -> np.ndarray:
    """Which lenses belong to a split.

    Parameters
    ----------
    lens : int array (N,)
        Numbers of lenses.
    split : {"train", "validation", "test"}
        80, 5 and 15 %: of each twenty lenses, number 0 validates and numbers 1 to 3 test.

    Returns
    -------
    bool array (N,)
        True for those of the split.
    """
    place = np.asarray(lens) % OF
    parts = {"validation": np.isin(place, VALIDATION), "test": np.isin(place, TEST)}
    parts["train"] = ~(parts["validation"] | parts["test"])
    return parts[split]


def sources(recipe, folder, *, lenses=None):
    """Training and validation data of a recipe.

    Parameters
    ----------
    recipe : Recipe
        Batch size and frame.
    folder : path-like
        Pairs.
    lenses : int or None
        Use the lenses with numbers below this; so a folder that grows can be trained on.

    Returns
    -------
    train : ArraySource
        Shuffled by the recipe's seed.
    validation : Batch
        One batch.

    Raises
    ------
    DatasetSpecError
        If there are too few pairs, or their frame is not the recipe's.
    """
    from lensfinder.training.sources import ArraySource, Batch

    train = _split(recipe, folder, "train", lenses)
    held = _split(recipe, folder, "validation", lenses)
    source = ArraySource(
        train.images, train.one_hot, batch_size=recipe.batch_size, ids=_ids(train), seed=recipe.seed
    )
    images = {name: array.astype(np.float32) for name, array in held.images.items()}
    return source, Batch(images, held.one_hot, tuple(_ids(held)))


def fitting_epochs(recipe, source):
    """The recipe with epochs no longer than the data: as many steps as there are full batches.

    Parameters
    ----------
    recipe : Recipe
        Any.
    source : ArraySource
        Its data.

    Returns
    -------
    Recipe
        The same, or with fewer steps per epoch.
    """
    steps = min(recipe.steps_per_epoch, len(source.y) // recipe.batch_size)
    return recipe.model_copy(update={"steps_per_epoch": steps})


def classify(model, pairs) -> np.ndarray:
    """Probabilities of the solutions.

    Parameters
    ----------
    model : keras.Model
        The classifier.
    pairs : Pairs
        What to classify.

    Returns
    -------
    array (N, 3)
        In the order of `SOLUTIONS`.
    """
    from lensfinder.zoo import fixed_predict
    from lensfinder.zoo.forked_classifier import solution_probabilities

    images = {name: array.astype(np.float32) for name, array in pairs.images.items()}
    return solution_probabilities(fixed_predict(model)(images))


def publish(recipe, result, folder, *, lenses=None, place=None):
    """Measure the best epoch on the test lenses and write the preset.

    Parameters
    ----------
    recipe : Recipe
        How it was trained.
    result : TrainingResult
        The training.
    folder : path-like
        Pairs.
    lenses : int or None
        As in `sources`.
    place : str, Path or None
        Name or folder of the preset; ``preset`` in the run's folder by default.

    Returns
    -------
    Preset
        The preset.

    Raises
    ------
    PresetError
        If no epoch is complete.
    """
    from lensfinder.errors import PresetError
    from lensfinder.training import reproduce
    from lensfinder.training.evaluation import headline
    from lensfinder.training.publish import training_facts
    from lensfinder.training.reconstructions import read_spec
    from lensfinder.training.scores import without_nan
    from lensfinder.training.solution_scores import solution_figures
    from lensfinder.zoo import save_preset

    if not result.best_epoch:
        raise PresetError("No epoch is complete yet, so there is nothing to publish. Train longer.")
    pairs, spec = _split(recipe, folder, "test", lenses), read_spec(folder)
    measured = solution_figures(
        pairs.label,
        classify(result.model, pairs),
        lens=pairs.lens,
        rng=np.random.default_rng(spec.seed),
    )
    figures = {
        "preset": recipe.preset,
        "data": {"pairs": spec.model_dump(mode="json"), "n": len(pairs), "lenses": len(pairs) // 3},
        "auditor": without_nan(measured),
        "training": training_facts(recipe, result, "float32")
        | {"pairs": len(_split(recipe, folder, "train", lenses))},
    }
    figures["reproduce"] = reproduce.command(figures)
    return save_preset(
        place if place is not None else Path(result.folder) / "preset",
        result.model,
        builder=recipe.network.name,
        arguments=dict(recipe.network.arguments),
        task=recipe.task,
        targets=None,
        contract=recipe.contract(),
        metrics=figures,
        card=card(recipe, figures),
        headline=headline(figures),
        overwrite=True,
    )


def card(recipe, figures: dict) -> str:
    """The model card of a classifier.

    Parameters
    ----------
    recipe : Recipe
        How it was trained.
    figures : dict
        As in ``metrics.json``.

    Returns
    -------
    str
        Markdown.
    """
    from lensfinder.training.reproduce import words
    from lensfinder.training.solution_scores import solution_words

    training, spec = figures["training"], figures["data"]["pairs"]
    low, high = spec["dimming"]
    brightness = (
        "as bright as in the paper"
        if low == high == 1
        else f"dimmed by a factor that is log-uniform from {low:g} to {high:g} of the paper's"
    )
    parts = [
        f"# {recipe.preset}",
        recipe.description.strip(),
        "## Takes and gives\n\n"
        f"- `source` and `residual`: {recipe.frame} x {recipe.frame} pixels each, from "
        "`lensfinder.inversion.classifier_inputs`\n"
        "- gives one number each for under, correct, over; "
        "`lensfinder.zoo.forked_classifier.solution_probabilities` makes probabilities of them",
        "## Training\n\n"
        f"Architecture `{recipe.network.name}`, {training['parameters']:,} parameters. "
        f"{training['pairs']:,} pairs of {spec['population']} on {spec['survey']} (seed "
        f"{spec['seed']}), sources {brightness}; each pair from the fast recipe of Maresca et al. "
        f"2021 (everything but the Einstein radius at the truth). {training['steps']:,} steps of "
        f"{recipe.batch_size}; epoch {training['best_epoch']} of {training['epochs']} was kept"
        f"{'' if training['finished'] else ' (training not finished)'}.",
        "## Measured\n\nOn lenses that were not trained on, from the same distribution. "
        + solution_words(figures["auditor"], "pairs")
        + "\n\nThe paper: precision and recall above 0.999 on its own test pairs.",
        *words(figures),
        "## Limits\n\nThe paper's total of 5,820,323 parameters contradicts its layers, whose "
        "first dense layer alone has 22,151,680; the layers were followed, narrower where the "
        "recipe says so. Unphysical solutions of full fits also have a wrong axis ratio and "
        "orientation, which the training pairs do not have. Sources were Sérsic profiles.",
    ]
    return "\n\n".join(parts) + "\n"


def _split(recipe, folder, split, lenses):
    from lensfinder.errors import DatasetSpecError
    from lensfinder.training.reconstructions import load_pairs

    def keep(lens):
        below = np.ones(lens.shape, bool) if lenses is None else lens < lenses
        return below & split_of(lens, split)

    pairs = load_pairs(folder, keep=keep)
    size = pairs.images["source"].shape[1]
    if size != recipe.frame:
        raise DatasetSpecError(
            f"The pairs of {folder} have frames of {size} pixels, the recipe {recipe.frame}. "
            f"Make pairs with --size {recipe.frame}."
        )
    return pairs


def _ids(pairs):
    from lensfinder.inversion.relation import SOLUTIONS

    return [f"{lens}-{SOLUTIONS[label]}" for lens, label in zip(pairs.lens, pairs.label)]


def parser() -> argparse.ArgumentParser:
    """The script's arguments.

    Returns
    -------
    argparse.ArgumentParser
        The parser.
    """
    found = argparse.ArgumentParser(
        prog="python -m lensfinder.training.forked", description=__doc__
    )
    found.add_argument("name", help="a recipe of data_specs/recipes, or a YAML file")
    found.add_argument("--pairs", type=Path, required=True, help="folder of pairs")
    found.add_argument("--out", type=Path, required=True, help="run folder")
    found.add_argument("--lenses", type=int, help="use lenses with numbers below this only")
    found.add_argument("--epochs", type=int, help="instead of the recipe's")
    found.add_argument("--minutes", type=float, help="stop training after so long, resumable")
    found.add_argument(
        "--evaluate", action="store_true", help="write the preset even if unfinished"
    )
    found.add_argument("--publish", action="store_true", help="put it among the package's presets")
    found.add_argument(
        "--replace", action="store_true", help="with --publish, even if it is not better"
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
        0 if the training is complete, 3 if it is to be continued, 4 if it was to be published and
        is not better than the preset that is there.
    """
    given = parser().parse_args(arguments)
    from lensfinder.paths import quiet_tensorflow

    quiet_tensorflow()
    from lensfinder.training.listeners import PrintListener
    from lensfinder.training.loop import train
    from lensfinder.training.recipe import load_recipe

    recipe = load_recipe(given.name)
    if given.epochs:
        recipe = recipe.model_copy(update={"epochs": given.epochs})
    source, validation = sources(recipe, given.pairs, lenses=given.lenses)
    recipe = fitting_epochs(recipe, source)
    result = train(
        recipe,
        given.out,
        minutes=given.minutes,
        source=source,
        validation=validation,
        listener=PrintListener(),
    )
    if result.finished or given.evaluate:
        preset = publish(recipe, result, given.pairs, lenses=given.lenses)
        if given.publish:
            return _put_in_place(recipe, result, preset, given)
        print(f"{preset!r} in {preset.folder}")
    return 0 if result.finished else 3


def _put_in_place(recipe, result, preset, given) -> int:
    from lensfinder.training.paired import Answers
    from lensfinder.training.publish import put_in_place

    pairs = _split(recipe, given.pairs, "test", given.lenses)

    def answers(preset):
        right = classify(preset.load(), pairs).argmax(axis=1) == pairs.label
        return Answers("auditor", {"right": right.astype(float)}, {})

    kept = put_in_place(preset, answers=answers, replace=given.replace)
    if not result.finished:
        return 3
    return 0 if kept else 4


if __name__ == "__main__":
    sys.exit(main())
