"""Table 1 of Bom et al. 2022 beside ours, and the paper's recipe against ours on the same mocks.

Six input variants times three contrast clippings (`data_specs/recipes/bom2022`), each
cross-validated on one set of stored mocks; mean and standard deviation over folds on a blind sample
of other mocks, as the paper keeps 80,000 apart. The sample is the same for all folds, so that its
own scatter is not in the deviation: at the scale ``cpu`` a rate of false positives of 1e-3 is five
objects. The second table trains other recipes on the same objects: ours, and ours with one choice
taken back at a time.

The paper starts from ImageNet. --imagenet takes the file of `benchmarks/lite_weights.py` for it,
which only the scale ``cpu`` has a network for; without it weights start at random, and the result
says which it was.

Scales: ``ci`` shows that the machinery runs, and its numbers mean nothing; ``cpu`` is what two
cores do in hours, with the middle of the images, a smaller network, fewer objects,
folds and epochs; ``paper`` is the paper's. Whatever is done stays in --work: call it again to go
on, after a kill or after --minutes. With --cells only some are trained, so that two processes can
share the work, once one of them has written mocks and the first cell's blind sample; the run
without it writes the result. With --merge they are written into the result that is there, if that
is of the same mocks: so a table may grow over several days, and each cell names the commit that
measured it on the blind sample.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _bom2022_table import CLIPPINGS, FIGURES, PUBLISHED, markdown, published
from _result import RESULTS, commit
from _resumed import measure, parser

from lensfinder.errors import ArgumentError, UnknownNameError
from lensfinder.simulate import Simulator, simulate
from lensfinder.tables import write_atomically
from lensfinder.training.crossval import cross_validate
from lensfinder.training.loop import train
from lensfinder.training.network import trained_network
from lensfinder.training.recipe import Recipe, load_recipe
from lensfinder.training.run_folder import Stopwatch
from lensfinder.training.scores import finder_figures
from lensfinder.zoo import fixed_predict

FAMILY, POPULATION, SEED = "bom2022", "bom2022", 20_220_201
SURVEY, CENTRAL = "euclid-vis-nisp", "euclid-vis-nisp-central"
# where the paper's 99th percentile of the whole stamps lies among the pixels of their middles, mean
# over bands (256 mocks of seed 5): the 99th percentile of the middles would be 5 to 12 times higher
UPPER = {CENTRAL: {"vis": 92.1, "nisp": 95.9}}
GROWING = ("table_1", "ours")  # of a result: cells


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
    # epochs without a lower validation loss after which a fold ends: with clipping, without
    patience: tuple[int | None, int | None]
    ours_epochs: int
    ours: tuple[str, ...]  # of `ABLATIONS`
    fresh: int = 0  # mocks that OURS sees, each once; it is trained as often as there are folds
    fresh_for_theirs: int = 0  # the same, where ours has the paper's network, which is slower


BEST = "hjy-vis-repeated-alternative"  # the paper's best cell, which ours changes
FRESH, STORED = "ours", "ours, stored mocks"
CLIPPED, STEADY = "ours, the paper's clipping", "ours, one learning rate"
THEIRS, SMOOTH = "ours, the paper's network", "ours, no fine structure"
STARTED = "ours, stored mocks of VIS, from a finder"
# what is taken back: small network, fine structure, fresh mocks, arcsinh stretch, cosine schedule;
# both groups of bands and the random start
ABLATIONS = {
    FRESH: set(),
    SMOOTH: {"fine"},
    THEIRS: {"network"},
    STORED: {"fresh"},
    CLIPPED: {"stretch"},
    STEADY: {"schedule"},
    STARTED: {"fresh", "two groups", "random start"},
}
# what STARTED starts from, as the paper starts from ImageNet: a finder of this zoo that has seen a
# million other mocks of VIS; its rate is the one that `lensfinder adapt` has for that
BASE, BASE_RATE = "compact-finder/euclid-wide-vis", 3e-4


SCALES = {
    "ci": Scale(
        *(SURVEY, 96, 64, 2, 1, 16, "B0", ("hjy",), ("none", "alternative"), (None, None), 1),
        *((FRESH, THEIRS, STORED), 64, 32),
    ),
    # drawing fresh mocks takes time beside training on them: ours is given as many as leave it
    # less time than the paper's recipe has
    "cpu": Scale(
        *(CENTRAL, 12_000, 10_000, 2, 7, 32, "Lite0"),
        ("hjy", "vis-repeated", "hjy-vis-repeated"),
        ("none", "alternative"),
        (5, 3),  # without clipping the paper learns nothing in 50 epochs: less time goes into that
        4,
        (FRESH, SMOOTH, STORED, STARTED, THEIRS),
        48_000,
        20_000,
    ),
    "paper": Scale(
        *(SURVEY, 20_000, 20_000, 10, 50, 64, "B2"),
        tuple(PUBLISHED),
        CLIPPINGS,
        (None, None),
        50,
        tuple(ABLATIONS),
        800_000,
        800_000,
    ),
}


def main():
    given = parser(__doc__, SCALES, work="runs/bom2022")
    given.add_argument("--workers", type=int, default=1, help="processes that write the mocks")
    given.add_argument("--imagenet", type=Path, help="weights that the paper's branches start from")
    given.add_argument("--cells", nargs="*", help="train only these, and write no result")
    given.add_argument(
        "--merge", action="store_true", help="write them into the result, if it fits"
    )
    measure("bom2022", given.parse_args(), run, markdown, seed=SEED)


def run(work, options) -> dict | None:
    """All cells of the table, then ours; None if the time is up before they are done."""
    scale, watch = SCALES[options.scale], Stopwatch(options.minutes)
    shards = mocks(scale, work, options.workers)
    cells = {}
    plans = [
        (name, paper_recipe(name, scale, options.imagenet))
        for variant in scale.variants
        for clipping in scale.clippings
        for name in (f"{variant}-{clipping}",)
    ]
    plans += [(name, our_recipe(ABLATIONS[name], scale, options.imagenet)) for name in scale.ours]
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
        if name in ABLATIONS and "fresh" not in ABLATIONS[name]:
            folders = fresh_trainings(recipe, place, scale, minutes=left)
        else:
            result = cross_validate(
                recipe, place, folds=scale.folds, shards=shards, minutes=left, workers=1
            )
            folders = result.finished and [
                result.folder / f"fold-{fold:02d}" for fold in range(scale.folds)
            ]
        if not folders:
            return None
        cells[name] = {**cell(folders, blind_mocks(scale, work)), "commit": commit()}
        print(f"{name}: {cells[name]}", flush=True)
    if options.cells is not None and not options.merge:
        return None
    figures = {
        "mocks": {
            **{"survey": scale.survey, "population": POPULATION},
            **{"objects": scale.objects, "blind": scale.blind},
        },
        "folds": scale.folds,
        "network": f"EfficientNet-{scale.variant}",
        "start": start(options.imagenet),
        "table_1": {
            name: {**found, "published": published(name)}
            for name, found in cells.items()
            if name not in ABLATIONS
        },
        "ours": {name: found for name, found in cells.items() if name in ABLATIONS},
        "differences": differences(scale),
    }
    return merged(options, figures) if options.merge else figures


def differences(scale) -> str:
    """What is not as in the paper."""
    text = (
        "Mocks of the same kind, not the same mocks; at the scales ci and cpu also fewer "
        "objects, folds and epochs, a smaller variant of the network, and at cpu the middle "
        "of the images (6.4 arcsec of VIS, 9.6 of NISP)"
    )
    if scale.patience == (None, None):
        return f"{text}."
    return (
        f"{text}, and a fold ends once its validation loss has not come down for "
        f"{scale.patience[0]} epochs (without clipping {scale.patience[1]})."
    )


def merged(options, figures) -> dict:
    """The cells of a result that is there already, with new ones; refused if it is of others."""
    name = "bom2022" if options.scale != "ci" else "bom2022-ci"
    place = Path(options.folder or RESULTS) / f"{name}.json"
    if not place.exists():
        return figures
    before = json.loads(place.read_text())["figures"]
    apart = [key for key in figures if key not in GROWING and before.get(key) != figures[key]]
    if apart:
        raise ArgumentError(
            f"{place.name} is of other mocks or settings ({', '.join(apart)}), so these cells do "
            "not belong into it. Leave --merge away, and train them all."
        )
    return {**figures, **{key: {**before[key], **figures[key]} for key in GROWING}}


def start(imagenet) -> str:
    """What the paper's branches start from, in words."""
    if imagenet is None:
        return "random weights (the paper: ImageNet)"
    return f"ImageNet, SHA-256 {hashlib.sha256(imagenet.read_bytes()).hexdigest()}"


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
    recipe, model = trained_network(fold)
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


def paper_recipe(name, scale, imagenet=None) -> Recipe:
    """A recipe of the family, at this scale."""
    plain = load_recipe(f"{FAMILY}/{name}").model_dump(mode="json")
    plain["network"]["arguments"]["variant"] = scale.variant
    groups, upper = plain["groups"], UPPER.get(scale.survey)
    if upper and plain["network"]["arguments"]["clip"] != "none":
        plain["network"]["arguments"]["upper_percentiles"] = {name: upper[name] for name in groups}
    if imagenet is not None:
        plain["network"]["arguments"]["imagenet_weights"] = str(imagenet)
    return Recipe.model_validate(
        {
            **plain,
            **{"survey": scale.survey, "epochs": scale.epochs},
            **{"patience": scale.patience[name.endswith("-none")]},
            **{"batch_size": scale.batch_size, "adapt_size": 512},
        }
    )


def our_recipe(taken_back, scale, imagenet=None) -> Recipe:
    """The paper's best recipe with our choices, but for those that are taken back."""
    plain = paper_recipe(BEST, scale, imagenet).model_dump(mode="json")
    seen = scale.fresh_for_theirs if "network" in taken_back else scale.fresh
    epochs = scale.ours_epochs
    if "fresh" in taken_back:  # as many passes, in epochs of what a fold trains on
        epochs = max(1, round(seen / training_objects(scale)))
    steps = max(1, seen // scale.batch_size // epochs)
    plain |= {"preset": "bom2022-ours/euclid-vis-nisp", "epochs": epochs}
    plain |= {"steps_per_epoch": steps, "patience": None}
    if "network" in taken_back:
        plain["network"]["arguments"] |= {"clip": "arcsinh", "upper_percentiles": None}
    else:
        stretch = "clip" if "stretch" in taken_back else "arcsinh"  # "clip": the alternative one
        augment = "any" if "fresh" in taken_back else "none"  # mocks that never repeat need none
        arguments = {"stretch": stretch, "augment": augment}
        if "fine" not in taken_back:
            arguments["fine_structure"] = True
        if "random start" in taken_back:
            plain |= {"groups": ["vis"], "start": BASE}
            arguments["observing"] = True  # as its base
        plain["network"] = {"name": "compact_finder", "arguments": arguments}
    if "schedule" not in taken_back:  # a short training has little room to warm up
        warm = min(20, steps * epochs // 10)
        peak = BASE_RATE if plain["start"] else plain["schedule"]["learning_rate"]
        plain["schedule"] = {"kind": "cosine", "peak": peak, "floor": 1e-6, "warmup_steps": warm}
    return Recipe.model_validate(plain)


def training_objects(scale) -> int:
    """How many of the stored mocks a fold trains on; a tenth is kept apart from all folds."""
    return scale.objects * 9 // 10 * (scale.folds - 1) // scale.folds


def fresh_trainings(recipe, place, scale, *, minutes) -> list[Path] | None:
    """Our recipe on mocks that it sees once, as often as there are folds; None if not done yet."""
    watch, folders = Stopwatch(minutes), []
    for repeat in range(scale.folds):
        seed = SEED + 100 + repeat
        plain = recipe.model_dump(mode="json") | {
            "data": {"kind": "simulator", "population": POPULATION, "seed": seed},
            "validation": {
                "population": POPULATION,
                "seed": seed + 100,
                "size": scale.objects * 9 // 10 // scale.folds,  # as many as of a fold
            },
            "seed": recipe.seed + repeat,
        }
        left = None if minutes is None else max(0.0, minutes - watch.seconds / 60)
        folder = place / f"fold-{repeat:02d}"
        if not train(Recipe.model_validate(plain), folder, minutes=left).finished:
            return None
        folders.append(folder)
    return folders


def cell(places, blind) -> dict:
    """Means and standard deviations over folds on the blind sample, and what it took."""
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
    found["epochs"] = [len(history) for history in histories]
    found["best_epochs"] = [
        1 + int(np.argmin([entry["val_loss"] for entry in history])) for history in histories
    ]
    # figure 6 of the paper: how far the validation loss came down
    fall = [history[0]["val_loss"] - min(e["val_loss"] for e in history) for history in histories]
    found["fall_of_validation_loss"] = round(float(np.mean(fall)), 4)
    return found


if __name__ == "__main__":
    main()
