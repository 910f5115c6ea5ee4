"""How well the solutions of an inversion are told apart, beside Maresca et al. 2021.

``python benchmarks/forked.py PRESET --pairs PAIRS`` measures precision and recall per class and the
confusion matrix on the test lenses of PAIRS (what the preset was trained on, other lenses), on
Sérsic sources as bright as the paper's, and, without retraining, on real galaxies as sources: those
of the Hubble Deep Field picture, and COSMOS stamps where ``LENSFINDER_DATA`` holds them.
"""

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np  # noqa: E402
from _result import write_result  # noqa: E402
from astropy.io import fits  # noqa: E402

from lensfinder.paths import real_images_dir  # noqa: E402
from lensfinder.simulate.sources import SourceLibrary  # noqa: E402
from lensfinder.training.forked import classify, split_of  # noqa: E402
from lensfinder.training.pairs import Pairs, PairSpec, Systems  # noqa: E402
from lensfinder.training.reconstructions import load_pairs, read_spec  # noqa: E402
from lensfinder.training.solution_scores import (  # noqa: E402
    PAPER_RECALL_REAL,
    PAPER_SERSIC,
    solution_figures,
)
from lensfinder.zoo import open_preset  # noqa: E402

SEED = 20210900  # of lenses that no preset was trained on
COSMOS = "cosmos_hst_sources/paltas10/real_galaxy_images_23.5_n1.fits"
SIDE = 64  # pixels of a stamp of the library
EDGE = 3  # standard deviations of the border that count as light


def cosmos_stamps(folder):
    """Galaxies of COSMOS (F814W, 0.03 arcsec) as a library; None where the files are absent."""
    path = None if folder is None else folder / COSMOS
    if path is None or not path.is_file():
        return None
    stamps = []
    with fits.open(path) as units:
        for unit in units:
            if unit.data is not None:
                stamps.append(_square(np.asarray(unit.data, np.float64)))
    return SourceLibrary.from_stamps(stamps)


def _square(stamp):
    """A galaxy in a square of `SIDE` pixels, without the noise around it."""
    from scipy import ndimage

    border = np.concatenate([stamp[0], stamp[-1], stamp[:, 0], stamp[:, -1]])
    level, sigma = np.median(border), 1.4826 * np.median(np.abs(border - np.median(border)))
    smooth = ndimage.gaussian_filter(stamp - level, 1.5)
    labels, _ = ndimage.label(smooth > EDGE * sigma / 2)  # smoothing takes the noise to a fifth
    kept = labels == labels[np.unravel_index(smooth.argmax(), smooth.shape)]
    light = np.where(kept, stamp - level, 0.0)
    row, column = (round(float(c)) for c in ndimage.center_of_mass(light))
    reach = int(np.abs(np.argwhere(kept) - (row, column)).max()) + 2
    padded = np.pad(light, reach)[row : row + 2 * reach, column : column + 2 * reach]
    return np.clip(
        ndimage.zoom(padded, SIDE / (2 * reach), order=1, grid_mode=True, mode="grid-constant"),
        0,
        None,
    )


def lenses(spec, count, sources=None):
    """Pairs of the first `count` lenses that can be used."""
    systems, parts, index = Systems(spec, sources=sources), [], 0
    while len(parts) < count:
        part = systems.pairs(index)
        if part is not None:
            parts.append(part)
        index += 1
    return Pairs.join(parts)


def main():
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("preset", help="name or folder")
    parser.add_argument("--pairs", required=True, help="folder of the pairs it was trained on")
    parser.add_argument("--lenses", type=int, default=300, help="fresh ones of each kind")
    args = parser.parse_args()
    preset = open_preset(args.preset)
    model, spec = preset.load(), read_spec(args.pairs)
    held = load_pairs(args.pairs, keep=lambda lens: split_of(lens, "test"))
    bright = PairSpec(seed=SEED, scan=spec.scan)
    real = PairSpec(seed=SEED + 1, dimming=spec.dimming, scan=spec.scan)
    samples = {
        "held_out": held,
        "sersic_as_bright_as_the_paper": lenses(bright, args.lenses),
        "hubble_deep_field": lenses(real.model_copy(update={"sources": "hubble"}), args.lenses),
    }
    library = cosmos_stamps(real_images_dir())
    if library is not None:
        samples["cosmos"] = lenses(real, args.lenses, library)
    figures = {
        name: solution_figures(pairs.label, classify(model, pairs))
        for name, pairs in samples.items()
    }
    figures |= {
        "preset": preset.name,
        "training_pairs": preset.metrics["training"]["pairs"],
        "faintest_of_the_paper": spec.dimming[0],
        "paper_precision_and_recall_sersic": PAPER_SERSIC,
        "paper_recall_real": list(PAPER_RECALL_REAL),
    }
    write_result("forked", figures, seed=SEED)


if __name__ == "__main__":
    main()
