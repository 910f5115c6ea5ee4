"""Short trainings, one choice of the compact networks changed at a time, recorded before long ones.

Learning rate, batch size, width, stretch, size of the stamp, and for the modeller what it answers
(values alone, or a posterior of one or three Gaussians). Everything else is as in the recipe, with
its schedule fitted to the same number of fresh mocks; the base is trained twice, with another seed,
so that one sees what chance does. All are measured on the same mocks, a sample that serves for
choices alone: no preset is judged on it.

Of another size of stamp the mocks are other ones, because the arcs must lie within it: those rows
are measured on mocks of their own, and say so.

Scales: ``ci`` shows that the machinery runs, and its numbers mean nothing; ``cpu`` takes about an
hour of one core for each network. Whatever is done stays in --work: call it again to go on.
"""

import argparse
from pathlib import Path

import numpy as np
from _result import write_result
from scaling import ERRORS, TASKS, Scale, base_recipe

from lensfinder.errors import LensfinderError
from lensfinder.training.evaluation import MockSample, Scored, figures_of, score_mocks
from lensfinder.training.grid_points import planned
from lensfinder.training.listeners import PrintListener
from lensfinder.training.loop import train
from lensfinder.training.recipe import Recipe
from lensfinder.training.run_folder import Stopwatch
from lensfinder.training.scores import without_nan
from lensfinder.zoo import fixed_predict

SEED = 20_310_700  # of the mocks that choices are made on
BASE, AGAIN = "as the recipe", "as the recipe, another seed"
STAMP = 41  # pixels, instead of the survey's 57
WIDTHS = "network.arguments.widths"
STRETCH = "network.arguments.stretch"
COMMON = {
    "learning rate 5e-4": {"learning_rate": 5e-4},
    "learning rate 8e-3": {"learning_rate": 8e-3},
    "batches of 32": {"batch_size": 32},
    "batches of 512": {"batch_size": 512},
    "half the width": {WIDTHS: [12, 16, 32]},
    "twice the width": {WIDTHS: [48, 64, 128]},
    "each image to 0-1": {STRETCH: "image"},
    "the paper's clipping": {STRETCH: "clip"},
    f"stamps of {STAMP} pixels": {"survey": STAMP},
}
POSTERIOR = {"name": "posterior_nll", "arguments": {"squared_error": 1.0}}
CHOICES = {
    "finder": COMMON,
    "modeller": {
        **COMMON,
        "one Gaussian": {"network.arguments.components": 1, "loss": POSTERIOR},
        "three Gaussians": {"network.arguments.components": 3, "loss": POSTERIOR},
    },
}


SCALES = {  # of scaling.py, with one budget of mocks
    "ci": Scale((128,), 64, 32, 2, 32, {"widths": [4], "units": 4}),
    "cpu": Scale((16_384,), 10_000, 1024, 4, 128, {}),
}


def main(arguments=None) -> int:
    """Run the benchmark; 0 when it is complete, 3 when it is to be continued."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", choices=SCALES, default="ci")
    parser.add_argument("--task", choices=TASKS, required=True)
    parser.add_argument("--work", default="runs/choices", help="trainings; resumed")
    parser.add_argument("--minutes", type=float, default=None, help="stop then; call again")
    parser.add_argument("--folder", default=None, help="where the result goes")
    given = parser.parse_args(arguments)
    scale = SCALES[given.scale]
    work = Path(given.work) / given.scale / given.task
    try:
        networks = trained(given.task, scale, work, given.minutes)
        if networks is None:
            print("\nOut of time. Call again to go on.")
            return 3
        figures = judged(given.task, networks, scale)
    except LensfinderError as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error
    figures["scale"] = given.scale
    print(f"\n{markdown(figures)}\n")
    name = f"choices-{given.task}" + ("" if given.scale != "ci" else "-ci")
    write_result(name, without_nan(figures), seed=SEED, folder=given.folder)
    return 0


def recipes(task, scale, work) -> dict[str, Recipe]:
    """The base twice, and one recipe for each choice.

    Parameters
    ----------
    task : {"finder", "modeller"}
        Which network.
    scale : Scale
        How much.
    work : Path
        Where the survey of smaller stamps is written.
    """
    base = base_recipe(task, scale)
    found = {BASE: base, AGAIN: planned(base, {"seed": base.seed + 1})}
    for words, values in CHOICES[task].items():
        values = {**values}
        if "survey" in values:
            values["survey"] = str(smaller_survey(base.survey, values["survey"], work))
        if scale.network and WIDTHS in values:  # of a network for tests
            values[WIDTHS] = scale.network["widths"]
        found[words] = planned(base, values)
    return found


def smaller_survey(name, stamp, work) -> Path:
    """A survey whose stamps are smaller, written beside the trainings."""
    place = Path(work) / f"{name}-{stamp}.yaml"
    place.parent.mkdir(parents=True, exist_ok=True)
    text = f"based_on: {name}\nname: {name}-{stamp}\ngroups:\n  - name: vis\n    stamp: {stamp}\n"
    if not place.exists() or place.read_text() != text:
        place.write_text(text)
    return place


def trained(task, scale, work, minutes):
    """A network for each recipe; None if the time is up before."""
    networks, watch = {}, Stopwatch(minutes)
    for words, recipe in recipes(task, scale, work).items():
        left = None if minutes is None else minutes - watch.seconds / 60
        if watch.spent:
            return None
        folder = work / words.replace(" ", "-").replace(",", "").replace("'", "")
        result = train(recipe, folder, minutes=left, workers=1, listener=PrintListener())
        if not result.finished:
            return None
        networks[words] = (recipe, result)
    return networks


def judged(task, networks, scale) -> dict:
    """Errors of all networks, those of the same stamps on the same mocks."""
    outputs, truths, data = {}, {}, {}
    for survey in dict.fromkeys(recipe.survey for recipe, _ in networks.values()):
        some = {w: pair for w, pair in networks.items() if pair[0].survey == survey}
        predicts = [fixed_predict(result.model) for _, result in some.values()]
        widths = [result.model.output_shape[-1] for _, result in some.values()]
        first = next(iter(some.values()))[0]
        sample = MockSample(survey, first.test.population, scale.test, seed=SEED)
        scored = score_mocks(
            lambda images, predicts=predicts: np.concatenate(
                [predict(images) for predict in predicts], axis=1
            ),
            sample,
            contract=first.contract(),
        )
        parts = np.split(scored.output, np.cumsum(widths)[:-1], axis=1)
        outputs |= dict(zip(some, parts, strict=True))
        truths |= dict.fromkeys(some, scored.truth)
        data |= dict.fromkeys(some, scored.data)
    rows = {}
    for words, (recipe, result) in networks.items():
        rng = np.random.default_rng(SEED)
        targets = () if task == "finder" else recipe.truth_columns
        one = Scored(truths[words], outputs[words], data[words])
        figures = figures_of(one, task=task, targets=targets, rng=rng)[task]
        rows[words] = {
            **ERRORS[task](figures),
            "parameters": result.model.count_params(),
            "seconds": round(sum(entry["seconds"] for entry in result.history), 1),
            "same_mocks_as_base": data[words] == data[BASE],
        }
    first, second = (rows[words]["errors"] for words in (BASE, AGAIN))
    return {
        "task": task,
        "recipe": f"compact-{task}-euclid-vis",
        "mocks_seen": scale.budgets[0],
        "test": data[BASE],
        "choices": rows,
        "by_chance": {
            name: abs(first[name]["value"] - second[name]["value"])
            for name in first
            if first[name]["value"] is not None and second[name]["value"] is not None
        },
    }


def markdown(figures) -> str:
    """A row for each choice."""
    names = list(figures["choices"][BASE]["errors"])
    lines = [f"| {figures['task']} | {' | '.join(names)} | parameters | seconds |"]
    lines += ["|" + "---|" * (len(names) + 3)]
    for words, row in figures["choices"].items():
        cells = [
            "-" if e["value"] is None else f"{e['value']:.4f} +- {e['std']:.4f}"
            for e in (row["errors"][name] for name in names)
        ]
        words += "" if row["same_mocks_as_base"] else " (other mocks)"
        lines.append(
            f"| {words} | {' | '.join(cells)} | {row['parameters']:,} | {row['seconds']:.0f} |"
        )
    chance = [figures["by_chance"].get(name) for name in names]
    shown = ["-" if value is None else f"{value:.4f}" for value in chance]
    lines.append(f"| two seeds differ by | {' | '.join(shown)} | | |")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
