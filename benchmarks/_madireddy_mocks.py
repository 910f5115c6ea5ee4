"""Stored mocks of Madireddy et al., and how a recipe sees them."""

import functools
import json

import numpy as np
from _madireddy_table import TARGETS

from lensfinder.simulate import Simulator
from lensfinder.training.cleaning import patches, plane_truth
from lensfinder.training.sources import ArraySource, Batch

FAMILY, SURVEY, GROUP, SEED = "madireddy", "lsst-gri-10yr", "lsst", 20_220_399
PLANES = ("S1", "S2", "S3")


@functools.cache
def blind_simulator():
    """One for all stored mocks: it keeps the block it made last."""
    return Simulator(SURVEY, FAMILY, seed=SEED, planes=PLANES)


def planes(place, count, start=0) -> dict:
    """Mocks as arrays on disk, with labels and parameters; their seed is that of no recipe."""
    place.mkdir(parents=True, exist_ok=True)
    names = [*PLANES, "label", *TARGETS]
    asked, kept = [SEED, start, count], place / "objects.json"  # written last
    if not kept.exists() or json.loads(kept.read_text()) != asked:
        print(f"writing {count} mocks", flush=True)
        simulator, first, truth = blind_simulator(), 0, []
        shape = (count, *simulator.survey.group(GROUP).shape)
        arrays = {
            name: np.lib.format.open_memmap(place / f"{name}.npy", "w+", np.float32, shape)
            for name in PLANES
        }
        for drawn in simulator.stream(start=start, count=count, batch=64):
            for name, array in arrays.items():
                array[first : first + len(drawn)] = drawn.planes[name][GROUP]
            truth.append(drawn.targets(("label", *TARGETS)))
            first += len(drawn)
        for array in arrays.values():
            array.flush()
        for name, column in zip(("label", *TARGETS), np.concatenate(truth).T, strict=True):
            np.save(place / f"{name}.npy", column)
        kept.write_text(json.dumps(asked))
    return {name: np.load(place / f"{name}.npy", mmap_mode="r") for name in names}


def objects(recipe, kept) -> Batch:
    """Stored mocks as a recipe shows them: the middles, where it trains on pieces."""
    lens = np.asarray(kept["label"]) == 1
    rows = np.flatnonzero(lens) if recipe.task == "modeller" else np.arange(len(lens))
    images = {GROUP: np.asarray(kept[recipe.plane][rows])}
    if recipe.task == "cleaner":
        truth = {name: {GROUP: np.asarray(kept[name][rows])} for name in PLANES}
        y = plane_truth(truth, recipe.truth_columns, GROUP)
        images, y = patches(images, y, recipe.cleaning.patch)
    else:
        y = np.stack([np.asarray(kept[name])[rows] for name in recipe.truth_columns], axis=1)
    return Batch(images, y, tuple(rows.tolist()))


def source(recipe, kept) -> ArraySource:
    """Stored mocks to train on."""
    found = objects(recipe, kept)
    return ArraySource(found.images, found.y, batch_size=recipe.batch_size, ids=found.ids)
