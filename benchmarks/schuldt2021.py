"""Schuldt et al. 2021 beside ours: the paper's recipe and our choices, on the same mocks.

The paper's recipe is its network, SGD with momentum and decay, one learning rate, and its five-fold
procedure (`lensfinder train --folds 5 --procedure mean-curve`). The other rows are one training
each, with as many multiply-adds as all of the paper's trainings together: equal compute, whatever
else the machine does (making fresh mocks is not counted). They change the schedule, then the
network, then store no mocks at all. All are measured on the same test sample, in the paper's
convention for theta_E (Barkana's), and stand beside the paper's figures.

The mocks are those of --shards, such as painted ones of hsc-griz, or simulated ones. Only with
painted mocks are the paper's own figures comparable; simulated lenses have other centres, light and
noise. Scales: ``ci`` shows that the machinery runs, and its numbers mean nothing; ``cpu`` is what
two cores do in a night; ``paper`` is the paper's. Whatever is done stays in --work: call it again
to go on, after a kill or after --minutes.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _result import write_result
from safetensors.numpy import load_file

from lensfinder.lensing import Ellipticity, theta_E_to_barkana
from lensfinder.simulate import simulate
from lensfinder.tables import write_atomically
from lensfinder.training.checkpoint import restore
from lensfinder.training.crossval import cross_validate
from lensfinder.training.fold_plans import altered
from lensfinder.training.loop import train
from lensfinder.training.network import build_network
from lensfinder.training.recipe import Recipe, load_recipe
from lensfinder.training.run_folder import Stopwatch
from lensfinder.training.shard_source import shard_objects
from lensfinder.zoo import fixed_predict, multiply_adds

SURVEY, POPULATION, SEED = "hsc-griz", "pearson2019-train", 20_210_401
TARGETS = ("x_lens", "y_lens", "e1", "e2", "theta_E")
# Sections 4.1 and 4.3: median, upper and lower 1 sigma of predicted minus true; theta_E > 0.5",
# weight 5 on theta_E. theta_E is Barkana's, lengths are in arcsec.
PUBLISHED = {
    "uniform theta_E": {
        "x_lens": (0.00, 0.30, -0.30),
        "y_lens": (0.00, 0.30, -0.29),
        "e1": (-0.01, 0.08, -0.09),
        "e2": (0.00, 0.08, -0.09),
        "theta_E": (0.07, 0.29, -0.12),
    },
    "natural theta_E": {
        "x_lens": (0.00, 0.31, -0.30),
        "y_lens": (-0.01, 0.29, -0.31),
        "e1": (0.00, 0.08, -0.09),
        "e2": (0.01, 0.09, -0.08),
        "theta_E": (0.02, 0.21, -0.18),
    },
}
ADAM = {
    "optimizer": {"name": "adamw", "arguments": {"weight_decay": 1.0e-4}},
    "schedule": {"kind": "cosine", "peak": 1.0e-3, "floor": 1.0e-6, "warmup_steps": 0},
}
COMPACT = {
    "network": {"name": "compact_modeller", "arguments": {"stretch": "arcsinh"}},
    "loss": {"name": "scaled_mse"},
}
ROWS = {  # what is changed of the paper's recipe, one after the other
    "our schedule": ADAM,
    "our schedule and network": {**ADAM, **COMPACT},
    "ours: fresh mocks, too": {**ADAM, **COMPACT, "fresh": True},
}


@dataclass(frozen=True)
class Scale:
    """How many mocks, folds and epochs of the paper's recipe."""

    objects: int
    folds: int
    epochs: int
    batch_size: int


SCALES = {
    "ci": Scale(160, 2, 2, 16),
    # 5 folds x 60 epochs x 14,400 mocks and the last training at 600/s: two and a half hours; the
    # other rows take no longer
    "cpu": Scale(20_000, 5, 60, 64),
    "paper": Scale(65_472, 5, 300, 64),
}


def main(arguments=None) -> int:
    """Run the benchmark; 0 when it is complete, 3 when it is to be continued."""
    given = parser().parse_args(arguments)
    scale, watch = SCALES[given.scale], Stopwatch(given.minutes)
    shards = given.shards or simulated(scale, given.work, given.workers)
    base = paper_recipe(scale, shards)
    found = paper_row(base, scale, shards, given, watch)
    if found is None:
        return 3
    rows = {"paper's recipe": found}
    compute = found["objects_seen"] * arithmetic(base)
    for name, change in ROWS.items():
        if change.get("fresh") and given.shards:
            continue  # of the painted sample there are no more than were painted
        row = our_row(name, change, base, compute, given, watch)
        if row is None:
            return 3
        rows[name] = row
    test = shard_objects(base, "test")
    middle = np.median(shard_objects(base, "validation").y, axis=0)
    rows["one answer for all"] = {"errors": errors(test.y, np.broadcast_to(middle, test.y.shape))}
    figures = {
        "scale": given.scale,
        "mocks": "painted or other shards" if given.shards else f"{POPULATION}, simulated",
        "test_objects": len(test.y),
        "rows": rows,
        "published": PUBLISHED,
        "theta_E_is": "Barkana's, arcsec",
    }
    write_result("schuldt2021", figures, seed=SEED, folder=given.output)
    print(markdown(figures))
    return 0


def parser() -> argparse.ArgumentParser:
    """The script's arguments."""
    found = argparse.ArgumentParser(description=__doc__)
    found.add_argument("--scale", choices=SCALES, default="ci")
    found.add_argument("--shards", type=Path, help="mocks of hsc-griz instead of simulated ones")
    found.add_argument("--work", type=Path, default=Path("runs/schuldt2021"))
    found.add_argument("--minutes", type=float, help="stop after so long; call again to go on")
    found.add_argument("--workers", type=int, default=1)
    found.add_argument("--output", type=Path, help="folder of the result")
    return found


def simulated(scale, work, workers) -> Path:
    """The simulated mocks; written once."""
    from lensfinder.data.manifest import MANIFEST

    place = work / "mocks"
    if not (place / MANIFEST).exists():  # written last
        drawn = {"n": scale.objects, "seed": SEED, "workers": workers}
        simulate(SURVEY, POPULATION, output=place, overwrite=True, **drawn)
    return place


def paper_recipe(scale, shards) -> Recipe:
    """The paper's, at this scale."""
    return altered(
        load_recipe("shards/holismokes-hsc-griz"),
        data={"kind": "shards", "folder": str(shards)},
        batch_size=scale.batch_size,
        steps_per_epoch=max(1, train_size(shards) // scale.batch_size),
        epochs=scale.epochs,
    )


def train_size(shards) -> int:
    """Objects of the training split."""
    from lensfinder.data.manifest import read_truth
    from lensfinder.data.splits import select

    return int(select([str(name) for name in read_truth(shards)["id"]], split="train").sum())


def paper_row(recipe, scale, shards, given, watch) -> dict | None:
    """Five folds, their mean curve, and the training on all of them; None if the time ran out."""
    found = cross_validate(
        recipe,
        given.work / "paper",
        folds=scale.folds,
        procedure="mean-curve",
        shards=shards,
        minutes=left(watch, given),
        workers=given.workers,
    )
    if not found.finished:
        return None
    places = [*sorted(found.folder.glob("fold-*")), found.folder / "final"]
    row = measured(found.folder / "final", recipe)
    row["train_s"] = sum(spent(place)[0] for place in places)
    row["objects_seen"] = sum(spent(place)[1] for place in places)
    return row | {"epoch_of_mean_curve": found.final["epochs"]}


def our_row(name, change, base, compute, given, watch) -> dict | None:
    """One training with `compute` multiply-adds; None if the time ran out."""
    place = given.work / name.replace(" ", "-").replace(":", "").replace(",", "")
    plan = altered(base, **{key: value for key, value in change.items() if key != "fresh"})
    if change.get("fresh"):
        plan = altered(
            plan,
            data={"kind": "simulator", "population": POPULATION, "seed": SEED + 1},
            validation={"population": POPULATION, "seed": SEED + 2, "size": 64},
        )
    each = arithmetic(plan) * plan.steps_per_epoch * plan.batch_size
    plan = altered(plan, epochs=max(1, round(compute / each)))
    result = train(plan, place, minutes=left(watch, given), workers=given.workers)
    if not result.finished:
        return None
    row = measured(result.folder, base)
    row["train_s"], row["objects_seen"] = spent(result.folder)
    return row | {"epochs": plan.epochs, "best_epoch": result.best_epoch}


def arithmetic(recipe) -> int:
    """Multiply-adds of a recipe's network for one object."""
    return multiply_adds(build_network(recipe))


def left(watch, given) -> float | None:
    """Minutes that are left of --minutes."""
    return None if given.minutes is None else max(0.0, given.minutes - watch.seconds / 60)


def spent(place) -> tuple[float, int]:
    """Seconds of training, and objects shown."""
    history = json.loads((place / "history.json").read_text())
    seen = sum(entry["seconds"] * entry["objects_per_second"] for entry in history)
    return round(sum(entry["seconds"] for entry in history), 1), round(seen)


def measured(place, base) -> dict:
    """Errors of the weights a training kept, on the test sample; kept beside them."""
    file = place / "test-errors.json"
    if not file.exists():
        import yaml

        recipe = Recipe.model_validate(
            yaml.safe_load((place / "config.yaml").read_text())["recipe"]
        )
        model = build_network(recipe)
        restore(model, load_file(place / "best.safetensors"))
        test = shard_objects(base, "test")
        found = errors(test.y, fixed_predict(model)(test.images))
        write_atomically(file, lambda temporary: Path(temporary).write_text(json.dumps(found)))
    return {"errors": json.loads(file.read_text())}


def errors(truth, predicted) -> dict[str, list[float]]:
    """Median, upper and lower 1 sigma of predicted minus true; theta_E as the paper defines it."""
    difference = as_in_the_paper(predicted) - as_in_the_paper(truth)
    low, middle, high = np.percentile(difference, [15.865, 50, 84.135], axis=0)
    return {
        name: [round(float(v), 4) for v in (middle[k], high[k] - middle[k], low[k] - middle[k])]
        for k, name in enumerate(TARGETS)
    }


def as_in_the_paper(values) -> np.ndarray:
    """Our targets with Barkana's Einstein radius, each with its own axis ratio."""
    values = np.array(values, float)
    # an answer may lie outside the circle of ellipticities, where no ellipse has an axis ratio
    q = np.maximum(Ellipticity(values[:, 2], values[:, 3]).axis_ratio(), 0.1)
    values[:, 4] = theta_E_to_barkana(values[:, 4], q)
    return values


def markdown(figures) -> str:
    """The table for a README."""
    lines = [f"| | {' | '.join(TARGETS)} | training, s |", "|---" * 7 + "|"]
    for name, row in figures["rows"].items():
        lines.append(f"| {name} | {_cells(row['errors'])} | {row.get('train_s', '-')} |")
    for name, row in figures["published"].items():
        lines.append(f"| paper, {name} | {_cells(row)} | - |")
    return "\n".join(lines)


def _cells(found) -> str:
    return " | ".join("{:.2f} {:+.2f} {:+.2f}".format(*found[name]) for name in TARGETS)


if __name__ == "__main__":
    raise SystemExit(main())
