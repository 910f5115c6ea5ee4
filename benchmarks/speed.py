"""How many images a preset answers in a second of processor time, in batches and one by one.

Every preset that comes with the package, as `find` and `model` load it, answers images of noise
about zero in the groups, bands and stamps of its contract, on one core. Reading and cutting are not
in it (see `pipeline`). A second of processor time is counted, not of a clock, so that what else the
machine does counts little; still, run it on a machine that does nothing else.
"""

import argparse
import os
import time

import numpy as np
from _result import preset_label, write_result

SEED = 20_320_100
SIZES = (256, 1)
NOISE = 0.01  # of the images, about zero
LEAST = 3  # calls, so that there is a spread


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", nargs="+", help="these only; all of the package by default")
    parser.add_argument("--seconds", type=float, default=20.0, help="per preset and batch size")
    parser.add_argument("--folder", default=None, help="where the result goes")
    given = parser.parse_args(arguments)
    one_core()
    from lensfinder import zoo

    found = {}
    for name in given.preset or zoo.preset_names():
        label = preset_label(name)
        found[label] = of_preset(zoo.open_preset(name), seconds=given.seconds)
        print(label, found[label], flush=True)
    figures = {"presets": found, "threads": 1, "seconds": given.seconds}
    write_result("speed", figures, seed=SEED, folder=given.folder)


def one_core() -> None:
    """Keep this process on one core and one thread; before a backend is imported."""
    from lensfinder.paths import one_cpu_process

    one_cpu_process()
    if hasattr(os, "sched_setaffinity"):  # idle threads of a pool would spin on the others
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def of_preset(preset, *, seconds: float, sizes=SIZES) -> dict[str, dict]:
    """Speed of a preset by the size of its batches.

    Parameters
    ----------
    preset : Preset
        Any task.
    seconds : float
        Processor time to spend on each size; three calls are made at least.
    sizes : sequence of int
        Images per batch.

    Returns
    -------
    dict of str to dict
        As ``batch_256``: ``images_per_cpu_s``, the standard error of that from call to call, and
        the number of ``calls``.
    """
    from lensfinder import zoo

    model, rng = preset.load(), np.random.default_rng(SEED)
    found = {}
    for size in sizes:
        predict = zoo.fixed_predict(model, size)
        images = noise(preset.contract, size, rng)
        predict(images)  # compiles
        took = []
        while len(took) < LEAST or sum(took) < seconds:
            begin = time.process_time()
            predict(images)
            took.append(time.process_time() - begin)
        mean, error = np.mean(took), np.std(took, ddof=1) / np.sqrt(len(took))
        found[f"batch_{size}"] = {
            "images_per_cpu_s": float(size / mean),
            "images_per_cpu_s_std": float(size * error / mean**2),
            "calls": len(took),
        }
    return found


def noise(contract, size: int, rng) -> dict[str, np.ndarray]:
    """Images of noise about zero, as a contract wants them.

    Parameters
    ----------
    contract : InputContract
        Groups, bands and stamps.
    size : int
        Number of objects.
    rng : numpy.random.Generator
        For the noise.

    Returns
    -------
    dict of str to array (N, H, W, C) float32
        One per group.
    """
    return {
        group.name: rng.normal(0, NOISE, (size, group.stamp, group.stamp, len(group.bands))).astype(
            np.float32
        )
        for group in contract.groups
    }


if __name__ == "__main__":
    main()
