"""What turning the training objects buys where mocks are stored: the same ones, seen as often.

A modeller is trained three times with as many steps: on stored mocks as they are, on the same mocks
with each one shown in one of its eight views, drawn anew each time (`turned: true`), and on as many
fresh mocks as it is shown objects. All are measured on the same test mocks. The first two cost the
same; the third draws more mocks.

Scales: ``ci`` shows that the machinery runs, and its numbers mean nothing; ``cpu`` takes about half
an hour of one core for each network. Whatever is done stays in --work: call it again to go on.
"""

from dataclasses import dataclass

import numpy as np
from _resumed import measure, parser
from scaling import ERRORS, Scale, batches_per_pass, of_budget, source_of

from lensfinder.data.manifest import MANIFEST
from lensfinder.simulate import simulate
from lensfinder.training.evaluation import Scored, figures_of, score_mocks
from lensfinder.training.listeners import PrintListener
from lensfinder.training.loop import train
from lensfinder.training.publish import held_sample
from lensfinder.training.recipe import Recipe, load_recipe
from lensfinder.training.run_folder import Stopwatch
from lensfinder.zoo import fixed_predict

SEED = 20_310_800  # of the stored mocks and of error bars
NETWORKS = ("compact-modeller-euclid-vis", "six-layer-cnn-euclid-vis")
STORED, TURNED, FRESH = "stored, as they are", "stored, turned", "fresh"


@dataclass(frozen=True)
class Size:
    """How many mocks are stored (four fifths are trained on), and how many objects are shown."""

    stored: int
    fitting: Scale


SIZES = {
    "ci": Size(160, Scale((256,), 96, 32, 2, 32, {})),
    "cpu": Size(10_240, Scale((65_536,), 10_000, 2048, 8, 128, {})),
}


def main():
    """Run the benchmark."""
    given = parser(__doc__, SIZES, work="runs/turned")
    given.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    given.add_argument("--workers", type=int, default=1, help="processes that write the mocks")
    measure("turned", given.parse_args(), run, markdown, seed=SEED)


def run(work, options) -> dict | None:
    """Figures of every network and arm; None if the time is up before."""
    size, watch = SIZES[options.scale], Stopwatch(options.minutes)
    found = {}
    for name in options.networks:
        recipes = arms(name, size, mocks(name, size, work, options.workers))
        results = {}
        for words, recipe in recipes.items():
            left = None if options.minutes is None else options.minutes - watch.seconds / 60
            if watch.spent:
                return None
            folder = work / name / words.replace(" ", "-").replace(",", "")
            result = train(
                recipe, folder, minutes=left, source=source_of(recipe), listener=PrintListener()
            )
            if not result.finished:
                return None
            results[words] = result
        found[name] = judged(recipes, results)
    return {"networks": found, "stored_mocks": size.stored, "scale": options.scale}


def mocks(name, size, work, workers):
    """The stored mocks of a network's survey; written once."""
    recipe = load_recipe(name)
    place = work / f"mocks-{recipe.survey}"
    if not (place / MANIFEST).exists():  # written last
        drawn = {"n": size.stored, "seed": SEED, "workers": workers, "overwrite": True}
        simulate(recipe.survey, recipe.data.population, output=place, **drawn)
    return place


def arms(name, size, shards) -> dict[str, Recipe]:
    """The three recipes of a network: they differ in their objects alone."""
    plain, scale = load_recipe(name).model_dump(), size.fitting
    plain |= {"batch_size": scale.batch, "adapt_size": min(2048, scale.budgets[0])}
    plain |= {"steps_per_epoch": max(1, scale.budgets[0] // scale.batch // scale.epochs)}
    plain["schedule"]["warmup_steps"] = min(
        plain["schedule"]["warmup_steps"], plain["epochs"] * plain["steps_per_epoch"] // 10
    )
    plain["validation"] |= {"size": scale.held}
    plain["test"] |= {"size": scale.test}
    plain["network"]["arguments"].pop("symmetric", None)  # which would hide what turning buys
    fresh = of_budget(Recipe.model_validate(plain), scale.budgets[0], scale)
    stored = {**fresh.model_dump(), "data": {"kind": "shards", "folder": str(shards)}}
    return {
        STORED: Recipe.model_validate(stored),
        TURNED: Recipe.model_validate({**stored, "turned": True}),
        FRESH: fresh,
    }


def judged(recipes, results) -> dict:
    """Errors of the arms on the same test mocks, and what they were trained on."""
    predicts = [fixed_predict(result.model) for result in results.values()]
    first = recipes[STORED]
    scored = score_mocks(
        lambda images: np.concatenate([predict(images) for predict in predicts], axis=1),
        held_sample(first),
        contract=first.contract(),
    )
    rows = {}
    outputs = np.split(scored.output, len(results), axis=1)
    for (words, result), output in zip(results.items(), outputs, strict=True):
        one = Scored(scored.truth, output, scored.data)
        rng = np.random.default_rng(SEED)
        figures = figures_of(one, task=first.task, targets=first.truth_columns, rng=rng)
        shown = recipes[words].total_steps * recipes[words].batch_size
        held = batches_per_pass(first) * first.batch_size
        rows[words] = {
            **ERRORS[first.task](figures[first.task]),
            "objects_shown": shown,
            "different_mocks": shown if words == FRESH else min(held, shown),
            "best_epoch": result.best_epoch,
            "epochs": recipes[words].epochs,
        }
    return {"test": scored.data, "arms": rows}


def markdown(figures) -> str:
    """A row for each arm of each network."""
    lines = []
    for network, found in figures["networks"].items():
        names = list(next(iter(found["arms"].values()))["errors"])
        lines += ["", f"| {network} | mocks | shown | {' | '.join(names)} |"]
        lines.append("|" + "---|" * (len(names) + 3))
        for words, row in found["arms"].items():
            errors = [f"{e['value']:.4f} +- {e['std']:.4f}" for e in row["errors"].values()]
            counts = f"{row['different_mocks']:,} | {row['objects_shown']:,}"
            lines.append(f"| {words} | {counts} | {' | '.join(errors)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
