"""Test error against the number of mocks seen: what more compute would buy.

A compact finder and a compact modeller are trained from nothing once per budget of mocks, each with
the whole schedule of its recipe (warm-up, cosine to the floor) fitted to that budget, and measured
on the recipe's test sample, the same mocks for all budgets. A power law through the last budgets
says what ten times as many would give, if it went on so. Its error is that of the test mocks, by
resampling them; how far two trainings of one budget lie apart is not measured here.

Mocks are fresh, unless --finder-shards or --modeller-shards names a folder of stored ones (see
data_specs/recipes/shards). Of these the training split is seen, four fifths, in whole passes: none
is seen again before all are. Budgets beyond it do see them again; the result says how many mocks
were different.

The two networks may be trained by two calls (--task): the second adds to the result of the first.

Scales: ``ci`` shows that the machinery runs, and its numbers mean nothing; ``cpu`` takes about two
hours of two cores for each network. Whatever is done stays in --work: call it again to go on.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _result import RESULTS, commit, write_result
from _scaling_law import power_law, with_scatter

from lensfinder.errors import DatasetSpecError, LensfinderError
from lensfinder.report import plots
from lensfinder.training.evaluation import Scored, figures_of, score_mocks
from lensfinder.training.listeners import PrintListener
from lensfinder.training.loop import train
from lensfinder.training.pacing import warmup_of
from lensfinder.training.publish import held_sample
from lensfinder.training.recipe import Recipe, load_recipe
from lensfinder.training.run_folder import Stopwatch
from lensfinder.training.scores import without_nan
from lensfinder.training.shard_source import training_rows
from lensfinder.training.sources import Source, make_source
from lensfinder.zoo import fixed_predict

SEED = 20_310_600  # of error bars; mocks have those of the recipes
TASKS = ("finder", "modeller")


@dataclass(frozen=True)
class Scale:
    """How much of everything: budgets of mocks, test mocks, and the least epochs of a budget."""

    budgets: tuple[int, ...]
    test: int
    held: int
    epochs: int
    batch: int
    network: dict


SCALES = {
    "ci": Scale((128, 256), 96, 32, 2, 32, {"widths": [4], "units": 4}),
    "cpu": Scale(
        *((8192, 16_384, 32_768, 65_536, 131_072, 262_144), 10_000, 2048),
        **{"epochs": 8, "batch": 128, "network": {}},
    ),
}


def main(arguments=None) -> int:
    """Run the benchmark; 0 when it is complete, 3 when it is to be continued."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", choices=SCALES, default="ci")
    parser.add_argument("--task", choices=TASKS, help="one of the two only")
    parser.add_argument("--work", default="runs/scaling", help="trainings; resumed")
    parser.add_argument("--minutes", type=float, default=None, help="stop then; call again")
    parser.add_argument("--workers", type=int, default=1, help="processes that make mocks")
    for task in TASKS:
        parser.add_argument(f"--{task}-shards", type=Path, help="stored mocks of the recipe")
    parser.add_argument("--folder", type=Path, default=None, help="where result and figure go")
    given = parser.parse_args(arguments)
    scale, watch = SCALES[given.scale], Stopwatch(given.minutes)
    found = {}
    try:
        for task in (given.task,) if given.task else TASKS:
            base = base_recipe(task, scale, getattr(given, f"{task}_shards"))
            models = trained(base, scale, Path(given.work) / given.scale, watch, given)
            if models is None:
                print("\nOut of time. Call again to go on.")
                return 3
            found[task] = curve(base, models, scale)
    except LensfinderError as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error
    report(found, given)
    return 0


def base_recipe(task, scale, shards=None) -> Recipe:
    """The compact recipe of a task, with the sizes of a scale, on fresh or stored mocks."""
    name = f"compact-{task}-euclid-vis"
    base = load_recipe(name if shards is None else f"shards/{name}")
    plain = base.model_dump()
    plain |= {"batch_size": scale.batch, "adapt_size": min(base.adapt_size, scale.budgets[0])}
    plain["validation"] |= {"size": scale.held}
    plain["test"] |= {"size": scale.test}
    # one view: eight cost eight times as much, and change every budget alike
    arguments = {k: v for k, v in plain["network"]["arguments"].items() if k != "symmetric"}
    plain["network"]["arguments"] = {**arguments, **scale.network}
    if shards is not None:
        plain["data"] |= {"folder": str(shards)}
    plain["steps_per_epoch"] = min(base.steps_per_epoch, scale.budgets[0] // scale.batch)
    return _fitted(plain, base, scale.budgets[-1], scale)


def of_budget(base, objects: int, scale) -> Recipe:
    """A recipe that sees so many mocks, its schedule fitted to them.

    Parameters
    ----------
    base : Recipe
        Any; with a cosine, its warm-up is at most a tenth of the steps.
    objects : int
        Mocks to see.
    scale : Scale
        Says how many epochs at least, so that there is a best one to choose.
    """
    return _fitted(base.model_dump(), base, objects, scale)


def _fitted(plain, base, objects, scale) -> Recipe:
    steps = objects // plain["batch_size"]
    epochs = max(scale.epochs, -(-steps // plain["steps_per_epoch"]))
    each = max(1, steps // epochs)
    plain |= {"epochs": epochs, "steps_per_epoch": each}
    warmup = warmup_of(base, epochs * each)
    if warmup is not None:
        plain["schedule"] |= {"warmup_steps": warmup}
    return Recipe.model_validate(plain)


# --- which mocks ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class WholePasses:
    """Stored mocks in the order of whole passes, however short the epochs of a budget are.

    An epoch by itself would be the beginning of an order of its own, and so see mocks again long
    before all have been seen.
    """

    source: Source
    steps: int  # of an epoch
    batches_per_pass: int

    def fingerprint(self) -> dict:
        return {**self.source.fingerprint(), "batches_per_pass": self.batches_per_pass}

    def batches(self, epoch, first, last):
        step, end = (epoch * self.steps + k for k in (first, last))
        while step < end:
            done, position = divmod(step, self.batches_per_pass)
            count = min(end - step, self.batches_per_pass - position)
            yield from self.source.batches(done, position, position + count)
            step += count


def source_of(recipe):
    """What a recipe is trained on; None for its own fresh mocks."""
    if recipe.data.kind != "shards":
        return None
    return WholePasses(make_source(recipe), recipe.steps_per_epoch, batches_per_pass(recipe))


def batches_per_pass(recipe) -> int:
    """Whole batches that the stored training split of a recipe gives."""
    rows = training_rows(recipe.data.model_dump())
    if rows < recipe.batch_size:
        raise DatasetSpecError(
            f"The training split of {recipe.data.folder} has {rows} mocks, fewer than a batch of "
            f"{recipe.batch_size}. Store more."
        )
    return rows // recipe.batch_size


def different(base, seen: int) -> int:
    """How many of the mocks seen were different."""
    if base.data.kind != "shards":
        return seen
    return min(seen, batches_per_pass(base) * base.batch_size)


# --- training and measuring -----------------------------------------------------------------------
def trained(base, scale, work, watch, given):
    """A network per budget, by the number of mocks it saw; None if the time is up before."""
    models = {}
    for budget in scale.budgets:
        if watch.spent:
            return None
        recipe = of_budget(base, budget, scale)
        left = None if given.minutes is None else given.minutes - watch.seconds / 60
        result = train(
            recipe,
            work / f"{base.task}-{recipe.data.kind}-{budget}",
            minutes=left,
            workers=given.workers,
            source=source_of(recipe),
            listener=PrintListener(),
        )
        if not result.finished:
            return None
        models[recipe.total_steps * recipe.batch_size] = result
    return models


def curve(base, models, scale) -> dict:
    """Errors of the networks on the same test mocks, and a power law through the last of them."""
    predicts = [fixed_predict(result.model) for result in models.values()]

    def everyone(images):
        return np.concatenate([predict(images) for predict in predicts], axis=1)

    scored = score_mocks(everyone, held_sample(base), contract=base.contract())
    targets = () if base.task == "finder" else base.truth_columns
    points, outputs = [], np.split(scored.output, len(models), axis=1)
    for (seen, result), output in zip(models.items(), outputs, strict=True):
        one = Scored(scored.truth, output, scored.data)
        figures = figures_of(one, task=base.task, targets=targets, rng=np.random.default_rng(SEED))[
            base.task
        ]
        seconds = sum(entry["seconds"] for entry in result.history)
        points.append(
            {
                "mocks_seen": seen,
                "different_mocks": different(base, seen),
                "seconds": round(seconds, 1),
                **ERRORS[base.task](figures),
            }
        )
    names = list(points[0]["errors"])
    laws = {
        name: power_law(list(models), [point["errors"][name]["value"] for point in points])
        for name in names
    }
    again = np.random.default_rng(SEED)
    laws = with_scatter(laws, base.task, scored, outputs, list(models), targets, rng=again)
    return {
        "commit": commit(),
        "network": base.network.model_dump(mode="json"),
        "survey": base.survey,
        "data": base.data.kind,
        "test": scored.data,
        "points": points,
        "power_laws": laws,
    }


def _finder_errors(figures) -> dict:
    """Shares of lenses missed, and of pairs ranked wrongly."""
    rows = {"1 - AUC": "roc_auc"}
    rows |= {f"missed at FPR {rate}": f"tpr_at_fpr_{rate}" for rate in ("0.01", "0.001")}
    std = figures["std"]
    return {
        "errors": {
            words: {
                "value": None if figures[name] is None else 1 - figures[name],
                "std": std[name],
            }
            for words, name in rows.items()
        }
    }


def _modeller_errors(figures) -> dict:
    """RMS of each parameter, in its unit."""
    return {
        "errors": {
            f"RMS of {name}": {"value": row["rms"], "std": row["rms_std"]}
            for name, row in figures["parameters"].items()
        }
    }


ERRORS = {"finder": _finder_errors, "modeller": _modeller_errors}


# --- what comes out -------------------------------------------------------------------------------
def report(found, given) -> None:
    """Print the tables, write the figure and the result."""
    ending = "" if given.scale != "ci" else "-ci"
    found = merged(found, (given.folder or RESULTS) / f"scaling{ending}.json", given.scale)
    print(f"\n{markdown(found)}\n")
    plots.save(plot(found), (given.folder or RESULTS) / f"scaling{ending}.png")
    figures = {**found, "scale": given.scale}
    write_result(f"scaling{ending}", without_nan(figures), seed=SEED, folder=given.folder)


def merged(found, file, scale) -> dict:
    """What was measured, and what an earlier call measured of the other network."""
    if not file.exists():
        return found
    earlier = json.loads(file.read_text("utf-8"))["figures"]
    if earlier.get("scale") != scale:
        return found
    both = {**earlier, **found}
    return {task: both[task] for task in TASKS if task in both}


def plot(found):
    """Errors over mocks seen, a panel per network; dashed: the power law to ten times as many."""
    figure, panels = plots.canvas(1, len(found))
    for axis, (task, facts) in zip(panels[0], found.items(), strict=True):
        seen = [point["mocks_seen"] for point in facts["points"]]
        for k, (name, law) in enumerate(facts["power_laws"].items()):
            colour = plots.COLOURS[k % len(plots.COLOURS)]
            errors = [point["errors"][name] for point in facts["points"]]
            kept = [(n, e["value"], e["std"] or 0) for n, e in zip(seen, errors) if e["value"]]
            if not kept:
                continue
            axis.errorbar(*zip(*kept), marker="o", ms=3.5, lw=1.1, color=colour, label=name)
            if law is not None:
                there = law["at_ten_times"]
                here = there / 10 ** law["slope"]
                axis.plot((seen[-1], 10 * seen[-1]), (here, there), ls="--", lw=0.9, color=colour)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel("mocks seen")
        axis.set_ylabel("test error")
        axis.set_title(f"compact {task}, {facts['survey']}", fontsize=9)
        axis.legend(fontsize=7, frameon=False)
    return figure


def markdown(found) -> str:
    """A table per network."""
    lines = []
    for task, facts in found.items():
        names = list(facts["power_laws"])
        lines += ["", f"| {task}: mocks seen | different | seconds | {' | '.join(names)} |"]
        lines += ["|" + "---|" * (len(names) + 3)]
        for point in facts["points"]:
            values = (_shown(point["errors"][name]["value"]) for name in names)
            lines.append(
                f"| {point['mocks_seen']:,} | {point['different_mocks']:,} | "
                f"{point['seconds']:.0f} | {' | '.join(values)} |"
            )
        for words, key in (("slope", "slope"), ("ten times as many", "at_ten_times")):
            each = (_of_law(facts["power_laws"][name], key) for name in names)
            lines += [f"| {words} (± of the test mocks) | | | {' | '.join(each)} |"]
    return "\n".join(lines)


def _of_law(law, key) -> str:
    if law is None:
        return ""
    return f"{_shown(law[key])} ± {_shown(law[f'{key}_std']) or '?'}"


def _shown(value) -> str:
    return "" if value is None or not np.isfinite(value) else f"{value:.4f}"


if __name__ == "__main__":
    raise SystemExit(main())
