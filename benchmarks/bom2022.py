"""Table 1 of Bom et al. 2022 beside ours, and the paper's recipe against ours on the same mocks.

Six input variants times three contrast clippings (`data_specs/recipes/bom2022`), each
cross-validated on one set of stored mocks; mean and standard deviation over folds on a blind sample
of other mocks, as the paper keeps 80,000 apart. The sample is the same for all folds, so that its
own scatter is not in the deviation: at the scale ``cpu`` a rate of false positives of 1e-3 is five
objects. The second table trains other recipes on the same objects: ours, and ours with one choice
taken back at a time.

Scales: ``ci`` shows that the machinery runs, and its numbers mean nothing; ``cpu`` is what two
cores do in two or three hours, with the middle of the images, a smaller network, fewer objects,
folds and epochs; ``paper`` is the paper's. Whatever is done stays in --work: call it again to go
on, after a kill or after --minutes. With --cells only some are trained, so that two processes can
share the work, once one of them has written mocks and the first cell's blind sample; the run
without it writes the result.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from _resumed import measure, parser
from safetensors.numpy import load_file

from lensfinder.errors import UnknownNameError
from lensfinder.simulate import Simulator, simulate
from lensfinder.tables import write_atomically
from lensfinder.training.checkpoint import restore
from lensfinder.training.crossval import cross_validate
from lensfinder.training.network import build_network
from lensfinder.training.recipe import Recipe, load_recipe
from lensfinder.training.run_folder import Stopwatch
from lensfinder.training.scores import finder_figures
from lensfinder.zoo import fixed_predict

FAMILY, POPULATION, SEED = "bom2022", "bom2022", 20_220_201
SURVEY, CENTRAL = "euclid-vis-nisp", "euclid-vis-nisp-central"
CLIPPINGS = ("none", "challenge", "alternative")
FIGURES = ("roc_auc", "precision_recall_auc", "f_beta", "tpr_at_fpr_0.01", "tpr_at_fpr_0.001")
# Table 1: (ROC, its std, PR, its std, F_beta, its std) for no, challenge and alternative clipping
PUBLISHED = {
    "hjy": (
        (0.4994, 0.00135, 0.4950, 0.0155, 0.620002, 0.102507),
        (0.5389, 0.01891, 0.5535, 0.0210, 0.918411, 0.069823),
        (0.5350, 0.02414, 0.5342, 0.0303, 0.800559, 0.098771),
    ),
    "vis-repeated": (
        (0.5040, 0.0108, 0.5129, 0.0779, 0.526797, 0.066389),
        (0.6589, 0.0423, 0.6936, 0.0366, 0.982306, 0.007477),
        (0.6266, 0.0445, 0.6634, 0.0434, 0.979158, 0.011016),
    ),
    "vis-zeros": (
        (0.5001, 0.0101, 0.4884, 0.0384, 0.548153, 0.066831),
        (0.7002, 0.0306, 0.7326, 0.0256, 0.986763, 0.005173),
        (0.6534, 0.0414, 0.6864, 0.0387, 0.979588, 0.010142),
    ),
    "hjy-vis-zeros": (
        (0.5017, 0.0069, 0.4916, 0.0074, 0.613814, 0.094273),
        (0.8018, 0.0173, 0.8239, 0.0128, 0.990140, 0.003437),
        (0.8147, 0.0161, 0.8359, 0.0132, 0.991610, 0.003873),
    ),
    "hjy-vis-repeated": (
        (0.4932, 0.0102, 0.4921, 0.0175, 0.619433, 0.106441),
        (0.8016, 0.0186, 0.8230, 0.0149, 0.990402, 0.004087),
        (0.8295, 0.0088, 0.8469, 0.0081, 0.992070, 0.003427),
    ),
    "y-vis-zeros": (
        (0.5011, 0.0174, 0.4939, 0.0124, 0.613662, 0.125263),
        (0.8015, 0.0186, 0.8243, 0.0135, 0.989978, 0.004941),
        (0.8149, 0.0144, 0.8369, 0.0120, 0.990235, 0.004237),
    ),
}


@dataclass(frozen=True)
class Scale:
    """How much of the table, and on how much."""

    survey: str
    objects: int
    blind: int
    folds: int
    epochs: int
    batch_size: int
    variant: str  # of EfficientNet
    variants: tuple[str, ...]
    clippings: tuple[str, ...]
    ours_epochs: int
    ours: tuple[str, ...]  # of `ABLATIONS`


OURS = {
    "preset": "bom2022-ours/euclid-vis-nisp",
    "description": "Small residual network with an arcsinh stretch, both resolutions.",
    "survey": SURVEY,
    "groups": ["vis", "nisp"],
    "task": "finder",
    "network": {
        "name": "compact_finder",
        "arguments": {"stretch": "arcsinh", "augment": "quarter"},
    },
    "optimizer": {"name": "adamw", "arguments": {"weight_decay": 1.0e-4}},
    "loss": {"name": "binary_crossentropy"},
    "jit_compile": False,
    "seed": 2026,
}
COSINE = {"kind": "cosine", "peak": 2.0e-3, "floor": 1.0e-6, "warmup_steps": 20}
ABLATIONS = {  # what is taken back
    "ours": {},
    "ours, the paper's clipping": {"network": {"stretch": "clip"}},
    "ours, no augmentation": {"network": {"augment": "none"}},
    "ours, one learning rate": {"schedule": {"kind": "constant", "learning_rate": 1.0e-3}},
    "ours, VIS alone": {"groups": ["vis"]},
}


SCALES = {
    "ci": Scale(SURVEY, 96, 64, 2, 1, 16, "B0", ("hjy",), ("none", "alternative"), 1, ("ours",)),
    # a core trains 90 objects/s of the B0-half pair on 96 + 32 pixels (29 on 200 + 66):
    # 40 minutes for each cell with VIS
    "cpu": Scale(
        *(CENTRAL, 12_000, 10_000, 3, 10, 64, "B0-half"),
        ("hjy", "vis-repeated", "hjy-vis-repeated"),
        ("none", "alternative"),
        10,
        ("ours", "ours, the paper's clipping", "ours, no augmentation"),
    ),
    "paper": Scale(
        *(SURVEY, 20_000, 20_000, 10, 50, 64, "B2"),
        tuple(PUBLISHED),
        CLIPPINGS,
        50,
        tuple(ABLATIONS),
    ),
}


def main():
    given = parser(__doc__, SCALES, work="runs/bom2022")
    given.add_argument("--workers", type=int, default=1, help="processes that write the mocks")
    given.add_argument("--cells", nargs="*", help="train only these, and write no result")
    measure("bom2022", given.parse_args(), run, markdown, seed=SEED)


def run(work, options) -> dict | None:
    """All cells of the table, then ours; None if the time is up before they are done."""
    scale, watch = SCALES[options.scale], Stopwatch(options.minutes)
    shards = mocks(scale, work, options.workers)
    cells = {}
    plans = [
        (f"{variant}-{clipping}", paper_recipe(f"{variant}-{clipping}", scale))
        for variant in scale.variants
        for clipping in scale.clippings
    ]
    plans += [(name, our_recipe(ABLATIONS[name], scale)) for name in scale.ours]
    if options.cells is not None:
        known = dict(plans)
        if unknown := sorted({*options.cells} - {*known}):
            raise UnknownNameError("cell", unknown[0], known)
        plans = [(name, known[name]) for name in options.cells]
    for name, recipe in plans:
        left = None
        if options.minutes is not None:
            left = max(0.0, options.minutes - watch.seconds / 60)
        place = work / name.replace(" ", "-").replace(",", "").replace("'", "")
        result = cross_validate(
            recipe, place, folds=scale.folds, shards=shards, minutes=left, workers=1
        )
        if not result.finished:
            return None
        cells[name] = cell(result, recipe, blind_mocks(scale, work))
        print(f"{name}: {cells[name]}", flush=True)
    if options.cells is not None:
        return None
    split = {name: name in ABLATIONS for name in cells}
    return {
        "mocks": {
            **{"survey": scale.survey, "population": POPULATION},
            **{"objects": scale.objects, "blind": scale.blind},
        },
        "folds": scale.folds,
        "network": f"EfficientNet-{scale.variant}",
        "table_1": {
            name: {**found, "published": published(name)}
            for name, found in cells.items()
            if not split[name]
        },
        "ours": {name: found for name, found in cells.items() if split[name]},
        "differences": (
            "Weights start at random instead of ImageNet; mocks of the same kind, not the same "
            "mocks; at the scales ci and cpu also fewer objects, folds and epochs, a smaller "
            "variant of the network, and at cpu the middle 9.6 arcsec of the images."
        ),
    }


def mocks(scale, work, workers) -> Path:
    """The stored mocks that all recipes share; written once."""
    from lensfinder.data.manifest import MANIFEST

    place = work / "mocks"
    if not (place / MANIFEST).exists():  # written last
        print(f"writing {scale.objects} mocks", flush=True)
        simulate(
            *(scale.survey, POPULATION),
            n=scale.objects,
            output=place,
            seed=SEED,
            workers=workers,
            overwrite=True,
        )
    return place


def blind_mocks(scale, work) -> Path:
    """Mocks that no fold has seen, as arrays on disk; written once, the labels last."""
    place = work / "blind"
    if (place / "label.npy").exists():
        return place
    print(f"writing {scale.blind} blind mocks", flush=True)
    place.mkdir(parents=True, exist_ok=True)
    simulator, labels, first = Simulator(scale.survey, POPULATION, seed=SEED + 1), [], 0
    arrays = {
        group.name: np.lib.format.open_memmap(
            place / f"{group.name}.npy", "w+", np.float32, (scale.blind, *group.shape)
        )
        for group in simulator.survey.groups
    }
    for drawn in simulator.stream(count=scale.blind, batch=64):
        for name, images in drawn.images.items():
            arrays[name][first : first + len(drawn)] = images
        labels.append(np.asarray(drawn.truth["label"]))
        first += len(drawn)
    for array in arrays.values():
        array.flush()
    np.save(place / "label.npy", np.concatenate(labels))
    return place


def blind_figures(fold: Path, blind: Path) -> dict:
    """Figures of one fold's best epoch on the blind sample; kept beside its weights."""
    place = fold / "blind.json"
    if place.exists():
        return json.loads(place.read_text())
    recipe = Recipe.model_validate(yaml.safe_load((fold / "config.yaml").read_text())["recipe"])
    model = build_network(recipe)
    restore(model, load_file(fold / "best.safetensors"))
    predict = fixed_predict(model, batch_size=recipe.batch_size, jit_compile=recipe.jit_compile)
    label = np.load(blind / "label.npy")
    groups = list(recipe.contract().shapes)
    images = {name: np.load(blind / f"{name}.npy", mmap_mode="r") for name in groups}
    scores = [
        predict({name: np.asarray(array[k : k + 256]) for name, array in images.items()})[:, 0]
        for k in range(0, len(label), 256)
    ]
    figures = finder_figures(label, np.concatenate(scores), rng=np.random.default_rng(SEED))
    figures = {name: figures[name] for name in FIGURES}
    write_atomically(place, lambda temporary: Path(temporary).write_text(json.dumps(figures)))
    return figures


def paper_recipe(name, scale) -> Recipe:
    """A recipe of the family, at this scale."""
    plain = load_recipe(f"{FAMILY}/{name}").model_dump(mode="json")
    plain["network"]["arguments"]["variant"] = scale.variant
    return Recipe.model_validate(
        {
            **plain,
            **{"survey": scale.survey, "epochs": scale.epochs},
            **{"batch_size": scale.batch_size, "adapt_size": 512},
        }
    )


def our_recipe(change, scale) -> Recipe:
    """Our recipe on the same shards, with one choice changed."""
    network = json.loads(json.dumps(OURS["network"]))
    network["arguments"] |= change.get("network", {})
    steps = max(1, scale.objects * 9 // 10 * (scale.folds - 1) // scale.folds // scale.batch_size)
    schedule = change.get("schedule", COSINE)
    if schedule["kind"] == "cosine":  # a short training has little room to warm up
        schedule = {**schedule, "warmup_steps": min(20, steps * scale.ours_epochs // 10)}
    plain = {
        **OURS,
        "survey": scale.survey,
        "groups": change.get("groups", OURS["groups"]),
        "network": network,
        "schedule": schedule,
        "data": {"kind": "shards", "folder": "shards"},
        "adapt_size": 512,
        "batch_size": scale.batch_size,
        "steps_per_epoch": steps,
        "epochs": scale.ours_epochs,
    }
    return Recipe.model_validate(plain)


def cell(result, recipe, blind) -> dict:
    """Means and standard deviations over folds on the blind sample, and what it took."""
    places = [result.folder / f"fold-{fold:02d}" for fold in range(len(result.folds))]
    measured, found = [blind_figures(place, blind) for place in places], {}
    for name in FIGURES:
        values = [figures[name] for figures in measured if figures[name] is not None]
        found[name] = round(float(np.mean(values)), 5) if values else None
        found[f"{name}_std"] = round(float(np.std(values, ddof=1)), 5) if len(values) > 1 else None
    histories = [json.loads((place / "history.json").read_text()) for place in places]
    entries = [entry for history in histories for entry in history]
    found["train_s"] = round(sum(entry["seconds"] for entry in entries), 1)
    seen = sum(entry["seconds"] * entry["objects_per_second"] for entry in entries)
    found["objects_seen"] = round(seen)
    found["epochs"] = recipe.epochs
    found["best_epochs"] = [fold["best_epoch"] for fold in result.folds]
    # figure 6 of the paper: how far the validation loss came down
    fall = [history[0]["val_loss"] - min(e["val_loss"] for e in history) for history in histories]
    found["fall_of_validation_loss"] = round(float(np.mean(fall)), 4)
    return found


def published(name) -> dict:
    """The paper's figures for a cell."""
    variant, _, clipping = name.rpartition("-")
    names = [f"{figure}{end}" for figure in FIGURES[:3] for end in ("", "_std")]
    return dict(zip(names, PUBLISHED[variant][CLIPPINGS.index(clipping)], strict=True))


def markdown(figures) -> str:
    """Both tables for a README."""
    lines = ["| | ROC AUC | paper | PR AUC | paper | F_beta | paper |", "|---" * 7 + "|"]
    for name, found in figures["table_1"].items():
        row = [name]
        for figure in FIGURES[:3]:
            row += [_value(found, figure), _value(found["published"], figure)]
        lines.append(f"| {' | '.join(row)} |")
    lines += ["", "| | ROC AUC | TPR at FPR 1e-2 | TPR at FPR 1e-3 | objects seen | training, s |"]
    lines.append("|---" * 6 + "|")
    for name, found in {**figures["table_1"], **figures["ours"]}.items():
        row = [name, *(_value(found, figure) for figure in (FIGURES[0], *FIGURES[3:]))]
        lines.append(f"| {' | '.join(row)} | {found['objects_seen']} | {found['train_s']:.0f} |")
    return "\n".join(lines)


def _value(found, name):
    if found.get(name) is None:
        return "-"
    std = found.get(f"{name}_std")
    return f"{found[name]:.3f}" + ("" if std is None else f" +- {std:.3f}")


if __name__ == "__main__":
    main()
