"""What look-alikes among the training non-lenses buy: the same finder trained with and without.

Both see equally many mocks of the survey, half of them lenses, equally often. In one training a
third of the mocks are spirals, mergers, clumps, companions and so on; in the other, galaxies with
and without an unlensed source take their place. Both are measured on the same fresh mocks, class by
class, and on the real galaxies of `_real_objects` as the survey would see them: nothing is tuned
there.

Scales: ``ci`` shows that the machinery runs, and its numbers mean nothing; ``cpu`` takes half an
hour of one core. Trainings stay in --work: call it again to go on, after a kill or --minutes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _real_objects import read_objects
from _resumed import measure, parser

from lensfinder.data.manifest import MANIFEST
from lensfinder.paths import real_images_dir
from lensfinder.simulate import Simulator, simulate
from lensfinder.specs import load_population, load_survey
from lensfinder.specs.population import Population
from lensfinder.training.bootstrap import bootstrap
from lensfinder.training.loop import train
from lensfinder.training.metrics import roc_auc, tpr_at_fpr
from lensfinder.training.network import trained_network
from lensfinder.training.recipe import Recipe
from lensfinder.training.run_folder import Stopwatch
from lensfinder.zoo import fixed_predict

SURVEY, POPULATION, GROUP, SEED = "euclid-wide-vis", "finder-train-real", "vis", 20_310_400
WITHOUT = {"lens": 0.5, "no_source": 0.25, "unlensed_source": 0.25, "look_alike": 0.0}
ARMS = ("with look-alikes", "without look-alikes")


@dataclass(frozen=True)
class Scale:
    """Mocks of each training, passes through them, and mocks to measure on."""

    mocks: int
    epochs: int
    test: int
    batch_size: int = 128


SCALES = {"ci": Scale(512, 1, 256, 32), "cpu": Scale(50_176, 5, 10_000)}


def main() -> None:
    """Run the benchmark."""
    options = parser(__doc__, SCALES, work="runs/lookalikes").parse_args()
    measure("lookalikes", options, run, markdown, seed=SEED)


def run(work, options) -> dict | None:
    """Both trainings, then both tables; None if the time is up before."""
    scale, minutes = SCALES[options.scale], options.minutes
    watch, arms = Stopwatch(minutes), {}
    for number, (name, population) in enumerate(populations().items()):
        place = work / name.replace(" ", "-")
        shards = mocks(population, place / "mocks", scale.mocks, SEED + number)
        recipe = finder_recipe(shards, scale)
        left = None if minutes is None else max(0.0, minutes - watch.seconds / 60)
        result = train(recipe, place / "run", minutes=left)
        if not result.finished:
            return None
        _, model = trained_network(place / "run")
        arms[name] = (fixed_predict(model), recipe.contract(), result.best_epoch)
    tests = test_mocks(scale.test)
    real, left_out = real_objects(arms[ARMS[0]][1])
    return {
        "survey": SURVEY,
        "population": POPULATION,
        "mocks_per_training": scale.mocks,
        "epochs": scale.epochs,
        "test_mocks": scale.test,
        "left_out": left_out,
        **{
            name: {"best_epoch": best, **on_mocks(predict, *tests), **on_real(predict, real)}
            for name, (predict, _, best) in arms.items()
        },
    }


def populations() -> dict:
    """The population of each training."""
    given = load_population(POPULATION)
    plain = given.model_dump(mode="json") | {"classes": WITHOUT, "name": f"{POPULATION}-plain"}
    plain.pop("look_alikes")
    return dict(zip(ARMS, (given, Population.model_validate(plain)), strict=True))


def mocks(population, place, count, seed) -> Path:
    """Stored mocks; written once."""
    if not (place / MANIFEST).exists():  # written last
        simulate(SURVEY, population, n=count, output=place, seed=seed, workers=1, overwrite=True)
    return place


def finder_recipe(shards, scale) -> Recipe:
    """The small residual network, under one short schedule."""
    steps = max(1, scale.mocks * 8 // 10 // scale.batch_size)
    return Recipe.model_validate(
        {
            "preset": f"lookalikes/{SURVEY}",
            "description": "Small residual network, to compare what it is trained on.",
            "survey": SURVEY,
            "task": "finder",
            "network": {
                "name": "compact_finder",
                "arguments": {"stretch": "arcsinh", "augment": "quarter", "observing": True},
            },
            "data": {"kind": "shards", "folder": str(shards)},
            "optimizer": {"name": "adamw", "arguments": {"weight_decay": 1.0e-4}},
            "schedule": {
                **{"kind": "cosine", "peak": 2.0e-3, "floor": 1.0e-6},
                "warmup_steps": min(200, steps // 2),
            },
            "loss": {"name": "binary_crossentropy"},
            "batch_size": scale.batch_size,
            "steps_per_epoch": steps,
            "epochs": scale.epochs,
            "adapt_size": min(2048, scale.mocks // 2),
            "jit_compile": False,
            "seed": 2031,
        }
    )


def test_mocks(count):
    """Fresh mocks with look-alikes: images, labels and what each is."""
    images, truth = [], []
    for drawn in Simulator(SURVEY, POPULATION, seed=SEED + 10).stream(count=count):
        images.append(np.asarray(drawn.images[GROUP]))
        truth.append([(int(a), str(b)) for a, b in zip(*_labels(drawn.truth), strict=True)])
    labels, kinds = zip(*(row for rows in truth for row in rows), strict=True)
    return np.concatenate(images), np.array(labels), np.array(kinds)


def _labels(truth):
    return truth["label"], truth["class"]


def real_objects(contract):
    """Real lenses and galaxies as the survey sees them; none where there are no images."""
    folder = real_images_dir()
    if folder is None:
        return [], {"all": "no real images: set LENSFINDER_DATA"}
    return read_objects(folder, contract, load_survey(SURVEY), as_survey=True, seed=SEED)


def on_mocks(predict, images, labels, kinds) -> dict:
    """AUC, the rate at few false positives, and the share above 0.5 of each class."""
    scores = predict({GROUP: images})[:, 0].astype(float)
    return {
        "mocks": {
            "roc_auc": round(roc_auc(labels, scores), 4),
            "tpr_at_fpr_0.01": round(tpr_at_fpr(labels, scores, 1e-2), 4),
            "above_0.5": {
                name: _share(scores[kinds == name]) for name in sorted(set(kinds.tolist()))
            },
        }
    }


def on_real(predict, objects) -> dict:
    """The same on real images: ranking, and the share above 0.5 of each kind of galaxy."""
    if not objects:
        return {}
    stamps = np.stack([each.stamp for each in objects])[..., None].astype(np.float32)
    scores = predict({GROUP: stamps})[:, 0].astype(float)
    lens = np.array([each.lens for each in objects])
    kinds = np.array([each.kind for each in objects])
    rng = np.random.default_rng(SEED)
    error = bootstrap(roc_auc, lens.astype(int), scores, rng=rng, strata=lens)
    return {
        "real": {
            "roc_auc": round(roc_auc(lens.astype(int), scores), 4),
            "roc_auc_std": round(error["std"], 4),
            "above_0.5": {
                name: {
                    "objects": int((kinds == name).sum()),
                    "share": _share(scores[kinds == name]),
                }
                for name in dict.fromkeys(kinds.tolist())
            },
        }
    }


def _share(scores) -> float:
    return round(float(np.mean(scores > 0.5)), 4)


def markdown(figures) -> str:
    """The comparison for a reader."""
    lines = [f"| | {' | '.join(ARMS)} |", "|---" * 3 + "|"]

    def row(name, read):
        lines.append(f"| {name} | {' | '.join(f'{read(figures[arm]):.3f}' for arm in ARMS)} |")

    row("mocks, AUC", lambda arm: arm["mocks"]["roc_auc"])
    for kind in figures[ARMS[0]]["mocks"]["above_0.5"]:
        row(f"mock {kind} > 0.5", lambda arm, kind=kind: arm["mocks"]["above_0.5"][kind])
    if "real" in figures[ARMS[0]]:
        row("real images, AUC", lambda arm: arm["real"]["roc_auc"])
        for kind in figures[ARMS[0]]["real"]["above_0.5"]:
            row(
                f"real {kind} > 0.5", lambda arm, kind=kind: arm["real"]["above_0.5"][kind]["share"]
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
