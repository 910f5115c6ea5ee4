"""How fast shards come back as batches: writing, reading in order, and reading shuffled.

Two kinds of object: three bands of 57x57 pixels (lsst-gri), and the two-resolution objects of
euclid-vis-nisp (200x200x1 and 66x66x3). The pixels are noise; nothing is compressed.
Every figure is the median of three passes over the whole set after one pass that warms the page
cache, on the cores this process may use. The goals are 2,000 and 300 images/s.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from _result import write_result
from astropy.table import Table

from lensfinder.data.pipeline import dataset
from lensfinder.data.shards import write_shards
from lensfinder.specs import load_survey

CASES = {"lsst-gri": (6144, 2000), "euclid-vis-nisp": (1536, 300)}  # objects, goal in images/s
SEED = 1


def noise(survey, count, batch=256):
    """Batches of noise images with a truth table."""
    rng = np.random.default_rng(SEED)
    for start in range(0, count, batch):
        rows = min(batch, count - start)
        truth = Table(
            {
                "id": [f"noise-{start + row:06d}" for row in range(rows)],
                "theta_E": rng.uniform(0.5, 2.0, rows),
                "label": np.arange(rows) % 2,
            }
        )
        images = {
            group.name: rng.standard_normal((rows, *group.shape), dtype=np.float32)
            for group in survey.groups
        }
        yield SimpleNamespace(images=images, truth=truth)


def rate(count, consume, passes=3):
    """Median objects/s of `consume` over some passes, the first one apart."""
    consume()
    seconds = []
    for _ in range(passes):
        start = time.perf_counter()
        consume()
        seconds.append(time.perf_counter() - start)
    return round(count / statistics.median(seconds), 1)


def read_all(folder, **options):
    """Go through the data set once, touching every batch."""
    for images, _ in dataset(folder, targets=("theta_E", "label"), batch_size=128, **options):
        for array in images.values():
            array[0, 0, 0, 0].numpy()


def main():
    """Measure all cases and write ``results/pipeline.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", help="where results go (default: benchmarks/results)")
    folder = parser.parse_args().folder
    figures = {}
    for name, (count, goal) in CASES.items():
        survey = load_survey(name)
        batches = list(noise(survey, count))
        with tempfile.TemporaryDirectory() as place:
            start = time.perf_counter()
            manifest = write_shards(
                Path(place) / "set", batches, survey=survey, seed=SEED, rows_per_shard=512
            )
            wrote = time.perf_counter() - start
            size = sum(shard.bytes for shard in manifest.shards)
            figures[name] = {
                "objects": count,
                "bytes_per_object": round(size / count),
                "write_images_per_s": round(count / wrote, 1),
                "read_images_per_s": rate(count, lambda p=place: read_all(f"{p}/set")),
                "read_shuffled_images_per_s": rate(
                    count, lambda p=place: read_all(f"{p}/set", shuffle_seed=SEED)
                ),
                "goal_images_per_s": goal,
            }
    write_result("pipeline", figures, seed=SEED, folder=folder)


if __name__ == "__main__":
    main()
