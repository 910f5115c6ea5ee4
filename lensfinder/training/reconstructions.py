"""Training pairs for the classifier of source reconstructions, in resumable shards.

``python -m lensfinder.training.reconstructions -n 7000 --seed 1 --workers 2 -o pairs`` draws 7,000
lenses of Maresca, Dye & Li (2021) and writes the three solutions of each (`training.solutions`).
Lens i depends on the seed and on i alone. Run it again to go on after an interruption, or with a
larger ``-n`` for more; a folder can be trained on while it grows.
"""

import argparse
import hashlib
import json
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from lensfinder.errors import DatasetSpecError, OutputExistsError
from lensfinder.paths import one_cpu_process, quiet_tensorflow
from lensfinder.specs.population import SOURCE_LIBRARIES
from lensfinder.tables import write_atomically
from lensfinder.training.pairs import COLUMNS, Pairs, PairSpec, Systems
from lensfinder.training.solutions import Scan

LENSES_PER_SHARD = 64
VERSION = 1  # raise it when the same specification gives other pairs
SPEC, MANIFEST = "spec.json", "manifest.json"


def make_pairs(spec: PairSpec, folder, *, n: int, workers: int = 0, progress=None) -> Path:
    """Write the pairs of `n` lenses into a folder, or go on where it was left.

    Parameters
    ----------
    spec : PairSpec
        What pairs are made of.
    folder : path-like
        Where to write.
    n : int
        Lenses, no fewer than are there; about nine in ten can be used, and give three pairs each.
    workers : int
        Processes, or 0 for this one; they do not change the pairs. Matrices are small here: with
        more than one thread of linear algebra, threads wait for each other most of the time. Call
        `lensfinder.paths.one_cpu_process` first, which new processes inherit.
    progress : callable or None
        Called with the number of pairs of each shard as it is there.

    Returns
    -------
    Path
        The folder, with ``manifest.json`` written last.

    Raises
    ------
    OutputExistsError
        If the folder holds pairs of another specification, or of lenses beyond `n`.
    DatasetSpecError
        If `n` is below 1 or `workers` below 0.
    """
    if n < 1 or workers < 0:
        raise DatasetSpecError(f"n must be at least 1, workers 0. Received: {n}, {workers}.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = {"version": VERSION, **spec.model_dump(mode="json")}
    if (folder / SPEC).exists():
        if json.loads((folder / SPEC).read_text(encoding="utf-8")) != written:
            raise OutputExistsError(
                f"{folder} holds pairs of another specification. Give another folder.",
                path=str(folder),
            )
    else:
        _write_json(folder / SPEC, written)
    held = max((_stop(path) for path in folder.glob("pairs-*.npz")), default=0)
    if n < held:
        raise OutputExistsError(
            f"{folder} holds the pairs of {held} lenses. Ask for {held} or more, use the first {n} "
            "when you train (--lenses), or give another folder.",
            path=str(folder),
        )
    (folder / MANIFEST).unlink(missing_ok=True)
    count = -(-n // LENSES_PER_SHARD)
    edges = [min(n, k * LENSES_PER_SHARD) for k in range(count + 1)]
    jobs = [(_shard(folder, k), edges[k], edges[k + 1]) for k in range(count)]
    missing = [job for job in jobs if not _whole(job[0], job[2])]
    for rows in _run(spec, missing, workers):
        if progress is not None:
            progress(rows)
    files = [job[0] for job in jobs]
    held = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    pairs = sum(len(_read(path)) for path in files)
    _write_json(folder / MANIFEST, {"lenses": n, "pairs": pairs, "shards": held, "spec": written})
    return folder


def load_pairs(folder, *, keep=None) -> Pairs:
    """Pairs of a folder that `make_pairs` has written, or is writing.

    Parameters
    ----------
    folder : path-like
        The folder.
    keep : callable or None
        From numbers of lenses (array) to whether to keep their pairs (array); all by default.

    Returns
    -------
    Pairs
        In order of lenses, as float16.

    Raises
    ------
    DatasetSpecError
        If there is none.
    """
    folder, parts = Path(folder), []
    for path in sorted(folder.glob("pairs-*.npz")):
        part = _read(path)
        part = part if keep is None else part.take(np.asarray(keep(part.lens), dtype=bool))
        if len(part):
            parts.append(part)
    if not parts:
        raise DatasetSpecError(
            f"{folder} holds no pairs. "
            "Make some with python -m lensfinder.training.reconstructions."
        )
    return Pairs.join(parts)


def read_spec(folder) -> PairSpec:
    """What the pairs of a folder are made of.

    Parameters
    ----------
    folder : path-like
        The folder.

    Returns
    -------
    PairSpec
        As it was given to `make_pairs`.

    Raises
    ------
    DatasetSpecError
        If the folder is not one of pairs.
    """
    try:
        data = json.loads((Path(folder) / SPEC).read_text(encoding="utf-8"))
        if data.pop("version") != VERSION:
            raise DatasetSpecError(f"{folder} was made by another version. Make the pairs again.")
        return PairSpec.model_validate(data)
    except (OSError, ValueError, KeyError, ValidationError) as error:
        raise DatasetSpecError(f"{folder} is no folder of pairs ({error}).") from error


def _run(spec, jobs, workers):
    if workers == 0 or not jobs:
        systems = Systems(spec)
        yield from (_make(systems, *job) for job in jobs)
        return
    context = multiprocessing.get_context("spawn")  # a forked TensorFlow hangs
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start, initargs=(spec,)
    ) as pool:
        yield from pool.map(_work, jobs)


def _start(spec):
    global _SYSTEMS  # one per process, so that the simulator is compiled once
    one_cpu_process()
    quiet_tensorflow()
    _SYSTEMS = Systems(spec)


def _work(job):
    return _make(_SYSTEMS, *job)


def _make(systems, path, start, stop):
    """Make one shard; the number of its pairs."""
    pairs = systems.some(start, stop)
    size = systems.spec.scan.size
    if pairs is None:
        empty = np.zeros((0, size, size, 1), np.float16)
        none = {name: np.zeros(0, np.int64) for name in COLUMNS}
        pairs = Pairs({"source": empty, "residual": empty}, **none)
    arrays = pairs.images | {name: getattr(pairs, name) for name in COLUMNS}

    def write(place):
        with open(place, "wb") as file:
            np.savez_compressed(file, stop=stop, **arrays)

    write_atomically(path, write)
    return len(pairs)


def _read(path) -> Pairs:
    with np.load(path, allow_pickle=False) as held:
        images = {name: held[name] for name in ("source", "residual")}
        return Pairs(images, **{name: held[name] for name in COLUMNS})


def _whole(path, stop) -> bool:
    """Whether a shard is there with all of its lenses; the last one of a smaller run is not."""
    return path.exists() and _stop(path) == stop


def _stop(path) -> int:
    """The lens after the last one of a shard."""
    with np.load(path, allow_pickle=False) as held:
        return int(held["stop"])


def _shard(folder, number) -> Path:
    return folder / f"pairs-{number:05d}.npz"


def _write_json(path, data):
    text = json.dumps(data, indent=1) + "\n"
    write_atomically(path, lambda place: Path(place).write_text(text, encoding="utf-8"))


def parser() -> argparse.ArgumentParser:
    """The script's arguments.

    Returns
    -------
    argparse.ArgumentParser
        The parser.
    """
    name = "python -m lensfinder.training.reconstructions"
    found = argparse.ArgumentParser(prog=name, description=__doc__.split("\n")[0])
    found.add_argument("-n", type=int, required=True, help="lenses; three pairs each")
    found.add_argument("-o", "--output", type=Path, required=True, help="folder")
    found.add_argument("--seed", type=int, default=1)
    found.add_argument("--workers", type=int, default=1, help="processes; 0 for this one")
    found.add_argument("--survey", default="euclid-vis-maresca2021")
    found.add_argument("--sources", choices=SOURCE_LIBRARIES, help="real galaxies as sources")
    found.add_argument("--relation", default="maresca2021", help="where solutions are expected")
    found.add_argument("--size", type=int, default=64, help="pixels along each side of a frame")
    found.add_argument(
        "--faintest", type=float, default=1.0, help="sources are dimmed by a factor from this to 1"
    )
    return found


def main(arguments=None) -> int:
    """Run the script.

    Parameters
    ----------
    arguments : list of str or None
        Command line; that of the process by default.

    Returns
    -------
    int
        0.
    """
    given = parser().parse_args(arguments)
    one_cpu_process()  # for the workers: this process has read its environment already
    quiet_tensorflow()
    spec = PairSpec(
        survey=given.survey,
        seed=given.seed,
        sources=given.sources,
        dimming=(given.faintest, 1.0),
        scan=Scan(relation=given.relation, size=given.size),
    )
    begin, made = time.monotonic(), 0

    def progress(rows):
        nonlocal made
        made += rows
        print(f"{made} pairs, {made / (time.monotonic() - begin):.1f} per second", flush=True)

    make_pairs(spec, given.output, n=given.n, workers=given.workers, progress=progress)
    return 0


if __name__ == "__main__":
    sys.exit(main())
