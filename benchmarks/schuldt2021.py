"""Schuldt et al. 2021 beside ours: the paper's recipe and our choices, on the same mocks.

    python benchmarks/schuldt2021.py --scale cpu --mocks flat natural --work runs/schuldt2021

The paper's recipe is its network, SGD with momentum and decay, one learning rate, and its five-fold
procedure (`lensfinder train --folds 5 --procedure mean-curve`). The other rows are one training
each, with as many multiply-adds as all of the paper's trainings together: what the paper spends on
folds goes into the network that is kept (`shown_to_the_kept`). Equal compute, whatever
else the machine does (making fresh mocks is not counted). They change the schedule, then the
network (to one that answers with a posterior), then show each mock in one of its eight views, drawn
anew each time, or store no mocks at all. All are measured on the
same test sample, in the paper's convention for theta_E (Barkana's), and stand beside the paper's
figures.

With ``--mocks natural`` and ``flat`` the mocks are painted on real galaxies, as the paper's are:
every galaxy is either trained or tested on, in one fold only, and every source either trained or
tested on; the networks are shown the same test galaxies without arcs, too (the paper's section
5.2), and the images and delays of the predicted lenses are compared with the true ones (section 6).
``simulated`` ones have other centres, light and noise, and the paper's figures do not compare.
Scales: ``ci`` shows that the machinery runs, and its numbers mean nothing; ``cpu`` is what a core
does in 20 minutes; ``paper`` is the paper's. Whatever is done stays in --work: call it again to go
on, after a kill or after --minutes.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _result import write_result
from _resumed import write_text
from _schuldt_mocks import (
    POPULATION,
    SOURCE,
    SPLIT_BY,
    TestSample,
    painted,
    simulated,
    test_sample,
)
from _schuldt_table import PUBLISHED_IMAGES, TARGETS, markdown
from astropy.table import Table

from lensfinder.data.manifest import read_truth
from lensfinder.data.splits import select, split_names
from lensfinder.delays import compare_delays, summarise
from lensfinder.errors import MetricError
from lensfinder.lensing import Ellipticity, theta_E_to_barkana
from lensfinder.paths import real_images_dir
from lensfinder.posterior import Posterior, has_posterior
from lensfinder.training.crossval import cross_validate
from lensfinder.training.fold_plans import altered
from lensfinder.training.loop import train
from lensfinder.training.metrics import roc_auc
from lensfinder.training.network import build_network, trained_network
from lensfinder.training.recipe import Recipe, load_recipe
from lensfinder.training.run_folder import Stopwatch
from lensfinder.training.sources import validation_objects
from lensfinder.training.spread_calibration import fit_spread
from lensfinder.zoo import fixed_predict, multiply_adds

SEED = 20_210_401
MOCKS = ("simulated", "natural", "flat")  # the latter two are painted
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
DELAYS_FROM = 0.8  # arcsec
LEVELS = (0.5, 0.68, 0.95)
GALAXY_ALONE = 0.41  # 1 sigma of theta_E, arcsec, from images without arcs (section 5.2)
ADAM = {
    "optimizer": {"name": "adamw", "arguments": {"weight_decay": 1.0e-4}},
    "schedule": {"kind": "cosine", "peak": 1.0e-3, "floor": 1.0e-6, "warmup_steps": 0},
}
COMPACT = {
    "network": {
        "name": "compact_modeller",
        "arguments": {"stretch": "arcsinh", "symmetric": True, "components": 3},
    },
    "loss": {"name": "posterior_nll"},
}
ROWS = {  # what is changed of the paper's recipe: one more in each row; the last two are two ways
    "our schedule": ADAM,
    "our schedule and network": {**ADAM, **COMPACT},
    "ours: each mock in eight views, too": {**ADAM, **COMPACT, "turned": True},
    "ours: fresh mocks, too": {**ADAM, **COMPACT, "fresh": True},
}


@dataclass(frozen=True)
class Scale:
    """How many mocks, folds and epochs of the paper's recipe, and its learning rate.

    The rate is the best of the paper's grid: the paper's own at 300 epochs, a larger one where
    there are few.
    """

    objects: int
    test: int
    folds: int
    epochs: int
    batch_size: int
    learning_rate: float


SCALES = {
    "ci": Scale(160, 24, 2, 2, 16, 5e-4),
    "cpu": Scale(4_000, 1_500, 5, 12, 32, 1e-3),
    "paper": Scale(45_830, 19_642, 5, 300, 64, 5e-4),
}


def main(arguments=None) -> int:
    """Run the benchmark; 0 when it is complete, 3 when it is to be continued."""
    given = parser().parse_args(arguments)
    watch, samples = Stopwatch(given.minutes), {}
    for name in given.mocks:
        found = run(name, given, watch)
        if found is None:
            return 3
        samples[name] = found
    figures = {
        "scale": given.scale,
        "samples": samples,
        "published": PUBLISHED,
        "published_images_and_delays": PUBLISHED_IMAGES,
        "published_theta_E_sigma_of_galaxy_alone": GALAXY_ALONE,
        "theta_E_is": "Barkana's, arcsec",
    }
    name = "schuldt2021" if given.scale != "ci" else "schuldt2021-ci"
    write_result(name, figures, seed=SEED, folder=given.output)
    print(markdown(figures))
    return 0


def parser() -> argparse.ArgumentParser:
    """The script's arguments."""
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    found.add_argument("--scale", choices=SCALES, default="ci")
    found.add_argument("--mocks", choices=MOCKS, nargs="+", default=["simulated"])
    found.add_argument("--work", type=Path, default=Path("runs/schuldt2021"))
    found.add_argument("--minutes", type=float, help="stop after so long; call again to go on")
    found.add_argument("--workers", type=int, default=1)
    found.add_argument("--output", type=Path, help="folder of the result")
    return found


def run(name, given, watch) -> dict | None:
    """All rows of one kind of mocks; None if the time ran out."""
    scale, place = SCALES[given.scale], given.work / f"{name}-{given.scale}"
    if name == "simulated":
        sizes = {"train": scale.objects, "workers": given.workers}
        base = paper_recipe(scale, simulated(place / "mocks", seed=SEED, **sizes))
        held = validation_objects(altered(base, validation=simulated_test(scale)))
        test = TestSample(held.images, held.y)
    else:
        folder = real_images_dir()
        if folder is None:
            raise SystemExit("The real images are not here: set LENSFINDER_DATA.")
        sizes = {"train": scale.objects, "test": scale.test, "workers": given.workers}
        shards, tested = painted(folder, place / "painted", name, seed=SEED, **sizes)
        base, test = paper_recipe(scale, shards, SPLIT_BY), test_sample(tested, TARGETS)
    found = paper_row(base, scale, test, place, given, watch)
    if found is None:
        return None
    rows = {"paper's recipe": found}
    compute = found["objects_seen"] * arithmetic(base)
    for title, change in ROWS.items():
        if change.get("fresh") and name != "simulated":
            continue  # of the painted sample there are no more than were painted
        row = our_row(title, change, base, scale, test, compute, place, given, watch)
        if row is None:
            return None
        rows[title] = row
    middle = [np.median(trained_on(base, column=target)) for target in TARGETS]
    middle = np.broadcast_to(middle, test.truth.shape)
    rows["one answer for all"] = {"errors": errors(test.truth, middle)}
    return {
        "mocks": "painted on real galaxies" if name != "simulated" else f"{POPULATION}, simulated",
        "objects": len(trained_on(base, column="id")),
        "galaxies": shared(base, SPLIT_BY, test.lens_ids),
        "sources": shared(base, SOURCE, test.source_ids),
        "test_objects": len(test.truth),
        "rows": rows,
    }


# --- mocks ----------------------------------------------------------------------------------------
def simulated_test(scale) -> dict:
    """The simulated mocks to test on, of a seed of their own."""
    return {"population": POPULATION, "seed": SEED + 3, "size": scale.test}


def paper_recipe(scale, shards, split_by="id") -> Recipe:
    """The paper's, at this scale."""
    return altered(
        load_recipe("shards/holismokes-hsc-griz"),
        data={"kind": "shards", "folder": str(shards), "split_by": split_by},
        schedule={"kind": "constant", "learning_rate": scale.learning_rate},
        batch_size=scale.batch_size,
        epochs=scale.epochs,
    )


def trained_on(recipe, *, column, fold="all", folds=2) -> np.ndarray:
    """Values of a truth column, of what is trained on with a fold left out, or with none."""
    truth = read_truth(recipe.data.folder)
    names = split_names(truth, recipe.data.split_by)
    return np.asarray(truth[column])[select(names, split="train", fold=fold, folds=folds)]


def shared(recipe, column, tested) -> dict | None:
    """How many galaxies, or sources, were trained and tested on; `tested` names the latter."""
    if tested is None:
        return None
    trained, tested = set(trained_on(recipe, column=column).tolist()), set(tested.tolist())
    return {"trained": len(trained), "tested": len(tested), "both": len(trained & tested)}


# --- trainings ------------------------------------------------------------------------------------
def paper_row(recipe, scale, test, place, given, watch) -> dict | None:
    """Five folds, their mean curve, and the training on all of them; None if the time ran out."""
    found = cross_validate(
        recipe,
        place / "paper",
        folds=scale.folds,
        procedure="mean-curve",
        minutes=left(watch, given),
        workers=given.workers,
    )
    if not found.finished:
        return None
    places = [*sorted(found.folder.glob("fold-*")), found.folder / "final"]
    row = measured(found.folder / "final", test)
    row["train_s"] = round(sum(spent(place)[0] for place in places), 1)
    row["objects_seen"] = sum(spent(place)[1] for place in places)
    row["shown_to_the_kept"] = spent(places[-1])[1]
    return row | {"epochs": scale.epochs, "epoch_of_mean_curve": found.final["epochs"]}


def our_row(title, change, base, scale, test, compute, place, given, watch) -> dict | None:
    """One training with `compute` multiply-adds; None if the time ran out.

    It trains on all folds but one, which chooses the epoch and calibrates the posterior.
    """
    folder = place / title.replace(" ", "-").replace(":", "").replace(",", "")
    plan = altered(base, **{key: value for key, value in change.items() if key != "fresh"})
    part = {"fold": 0, "folds": scale.folds}
    steps = len(trained_on(base, column="id", **part)) // base.batch_size
    plan = altered(
        plan,
        data={**base.data.model_dump(mode="json"), **part},
        validation=None,
        steps_per_epoch=steps,
        targets=[
            # a likelihood weighs the targets by itself
            target.model_dump(mode="json") | ({"weight": 1} if "loss" in change else {})
            for target in base.targets
        ],
    )
    if change.get("fresh"):
        plan = altered(
            plan,
            data={"kind": "simulator", "population": POPULATION, "seed": SEED + 1},
            validation={"population": POPULATION, "seed": SEED + 2, "size": 64 * scale.folds},
        )
    each = arithmetic(plan) * plan.steps_per_epoch * plan.batch_size
    plan = altered(plan, epochs=max(1, round(compute / each)))
    result = train(plan, folder, minutes=left(watch, given), workers=given.workers)
    if not result.finished:
        return None
    row = measured(result.folder, test)
    row["train_s"], row["objects_seen"] = spent(result.folder)
    row["shown_to_the_kept"] = row["objects_seen"]
    return row | {"epochs": plan.epochs, "best_epoch": result.best_epoch}


def arithmetic(recipe) -> int:
    """Multiply-adds of a recipe's network for one object of the training, which has one view."""
    network = recipe.network.model_dump(mode="json")
    if network["name"] == "compact_modeller":
        network["arguments"] = {**network["arguments"], "symmetric": False}
    return multiply_adds(build_network(altered(recipe, network=network)))


def left(watch, given) -> float | None:
    """Minutes that are left of --minutes."""
    return None if given.minutes is None else max(0.0, given.minutes - watch.seconds / 60)


def spent(place) -> tuple[float, int]:
    """Seconds of training, and objects shown."""
    history = json.loads((place / "history.json").read_text())
    seen = sum(entry["seconds"] * entry["objects_per_second"] for entry in history)
    return round(sum(entry["seconds"] for entry in history), 1), round(seen)


# --- figures --------------------------------------------------------------------------------------
def measured(place, test) -> dict:
    """What the weights that a training kept say of the test sample; kept beside them."""
    file, weights = place / "test-figures.json", place / "best.safetensors"
    if not file.exists() or file.stat().st_mtime < weights.stat().st_mtime:
        recipe, model = trained_network(place)
        found = figures_of(recipe, fixed_predict(model), test)
        write_text(file, json.dumps(found))
    return json.loads(file.read_text())


def figures_of(recipe, predict, test) -> dict:
    """Errors; from images without arcs, too; and of a posterior how often it holds the truth."""
    answers = predict(test.images)
    found = {"errors": errors(test.truth, answers[:, : len(TARGETS)])}
    bare = None if test.galaxies is None else predict(test.galaxies)
    if bare is not None:
        found["galaxy_alone"] = errors(test.truth, bare[:, : len(TARGETS)])
    if test.systems is not None:
        found["images_and_delays"] = images_and_delays(test.systems, answers)
    if not has_posterior(answers, TARGETS):
        return found
    held = validation_objects(recipe)
    scales, found["not_calibrated"] = np.ones(len(TARGETS)), None
    try:
        scales = fit_spread(Posterior.of(predict(held.images), TARGETS), held.y).scales
    except MetricError as error:  # too few objects, or a spread that was not learned: it is told
        found["not_calibrated"] = str(error)
    posterior = Posterior.of(answers, TARGETS).stretched(scales)
    inside = np.abs(posterior.cdf(test.truth) - 0.5)
    found["coverage"] = {
        name: {str(level): round(float((inside[:, k] < level / 2).mean()), 4) for level in LEVELS}
        for k, name in enumerate(TARGETS)
    }
    found["spread_scales"] = dict(zip(TARGETS, np.round(scales, 3).tolist(), strict=True))
    stds = [posterior.std()[:, TARGETS.index("theta_E")]]
    if bare is not None:
        without = Posterior.of(bare, TARGETS).stretched(scales)
        stds.append(without.std()[:, TARGETS.index("theta_E")])
        label = np.repeat([0, 1], len(stds[0]))
        found["auc_of_no_arcs_by_theta_E_std"] = round(roc_auc(label, np.concatenate(stds)), 4)
    found["theta_E_std_median_arcsec"] = [round(float(np.median(std)), 4) for std in stds]
    return found


def images_and_delays(systems, answers) -> dict:
    """Figures of section 6: what the errors do to further images of the true sources."""
    true = Table({"id": [str(row) for row in range(len(systems))]})
    predicted = true.copy()
    for name in (*TARGETS, "x_src", "y_src", "z_lens", "z_src"):
        true[name] = np.asarray(systems[name], float)
    for k, name in enumerate(TARGETS):
        predicted[name] = np.asarray(answers[:, k], float)
    return summarise(compare_delays(true, predicted), theta_E_min=DELAYS_FROM)


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
    size = np.maximum(np.hypot(values[:, 2], values[:, 3]), 1e-12)
    inside = np.minimum(1.0, 0.98 / size)
    q = np.maximum(Ellipticity(values[:, 2] * inside, values[:, 3] * inside).axis_ratio(), 0.1)
    values[:, 4] = theta_E_to_barkana(values[:, 4], q)
    return values


if __name__ == "__main__":
    raise SystemExit(main())
