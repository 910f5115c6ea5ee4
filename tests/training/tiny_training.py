"""A training small enough for a test: 16-pixel stamps, a few thousand parameters, seconds."""

import sys
from pathlib import Path

import numpy as np

from lensfinder.training.recipe import Recipe
from lensfinder.training.sources import Batch

SURVEY = """
name: tiny
description: for tests
groups:
  - name: vis
    stamp: 16
    pixel_scale: {value: 0.1, unit: arcsec, source: test}
    bands:
      - name: VIS
        wavelength: {value: 715, unit: nm, source: test}
        psf_fwhm: {value: 0.17, unit: arcsec, source: test}
        zero_point: {value: 25.5, unit: mag, source: test}
        exposure_time: {value: 565, unit: s, source: test}
        sky: {value: 1, unit: electron/s, source: test}
        read_noise: {value: 5, unit: electron, source: test}
        dark_current: {value: 0, unit: electron/s, source: test}
"""


def recipe(folder, *, task="modeller", **changes) -> Recipe:
    """A recipe for `Objects`; the survey file is written into `folder`."""
    survey = Path(folder) / "tiny.yaml"
    survey.write_text(SURVEY)
    targets = [
        {"name": "theta_E", "low": 0, "high": 2, "unit": "arcsec"},
        {"name": "e1", "low": -1, "high": 1, "unit": ""},
        {"name": "e2", "low": -1, "high": 1, "unit": ""},
    ]
    modeller = task == "modeller"
    data = {
        "preset": "tiny/tiny",
        "description": "for tests",
        "survey": str(survey),
        "task": task,
        "targets": targets if modeller else [],
        # drop-out, so that random state matters for an exact resume
        "network": {
            "name": f"compact_{task}",
            "arguments": {"widths": [4, 4], "units": 8, "dropout": 0.2},
        },
        "data": {"kind": "arrays"},
        "adapt_size": 16,
        "optimizer": {"name": "nadam"},
        "schedule": {"kind": "cosine", "peak": 0.01, "warmup_steps": 2},
        "loss": {"name": "scaled_mse" if modeller else "binary_crossentropy"},
        "batch_size": 8,
        "steps_per_epoch": 4,
        "epochs": 3,
        "jit_compile": False,
        "seed": 5,
    }
    if task == "cleaner":
        data |= {"cleaning": {"planes": ["S2", "S3"]}, "loss": {"name": "plane_l1"}}
        data["network"] = {"name": "edsr", "arguments": {"blocks": 1, "channels": 4}}
    if task == "auditor":
        data |= {"frame": 16, "network": {"name": "forked_classifier", "arguments": {}}}
    return Recipe.model_validate({**data, **changes})


class Objects:
    """Blobs whose width and shape are the truth; object i depends on (seed, i) alone."""

    def __init__(self, seed=1, *, batch_size=8, steps_per_epoch=4, label=False, spoil=None):
        self.seed, self.batch_size, self.steps = seed, batch_size, steps_per_epoch
        self.label, self.spoil = label, spoil or {}
        self.made = []  # (epoch, step) of every batch

    def batches(self, epoch, first, last):
        for step in range(first, last):
            begin = (epoch * self.steps + step) * self.batch_size
            self.made.append((epoch, step))
            yield self.batch(range(begin, begin + self.batch_size))

    def batch(self, indices) -> Batch:
        images, truth = zip(*(self.one(i) for i in indices), strict=True)
        images = {"vis": np.stack(images)[..., None].astype(np.float32)}
        return Batch(images, np.stack(truth).astype(np.float32), tuple(indices))

    def one(self, i):
        rng = np.random.default_rng((self.seed, i))
        radius, phi, q = rng.uniform(0.5, 1.5), rng.uniform(0, np.pi), rng.uniform(0.4, 1)
        y, x = (np.mgrid[:16, :16] - 7.5) * 0.2
        major = x * np.cos(phi) + y * np.sin(phi)
        minor = y * np.cos(phi) - x * np.sin(phi)
        image = np.exp(-0.5 * (q * major**2 + minor**2 / q) / radius**2)
        image += rng.normal(0, 0.05, image.shape)
        image = image + self.spoil.get(i, 0.0)
        e = (1 - q**2) / (1 + q**2)
        if self.label:
            return image, np.array([float(radius > 1)])
        return image, np.array([radius, e * np.cos(2 * phi), e * np.sin(2 * phi)])


class ForProcesses:
    """A source whose batches are made by processes, each with a simulator of its own."""

    steps_per_epoch = 5
    steps_per_task = 2

    simulator = 100

    def make(self, simulator, step):
        return simulator + step

    def __eq__(self, other):
        return isinstance(other, ForProcesses)


def main(folder, out, epochs_to_kill, changes="{}"):
    """Train in a process of its own; exit hard after so many epochs (negative: never)."""
    import json
    import os

    from lensfinder.training.listeners import Listener
    from lensfinder.training.loop import train

    class Killer(Listener):
        def epoch(self, history):
            if len(history) == int(epochs_to_kill):
                os._exit(9)

    objects = Objects()
    train(
        recipe(folder, **json.loads(changes)),
        out,
        source=objects,
        validation=Objects(seed=2).batch(range(32)),
        listener=Killer(),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
