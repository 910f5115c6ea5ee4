"""Painted mocks for the benchmark of Schuldt et al. 2021, on every real galaxy with g, r, i and z.

Galaxies are split before anything is painted: 30 % of them (the paper's share) are only tested on.
They are named by the hash of their ids, whose top tenth is the test sample of every data set of
ours; so the folder that is trained on has none, and all of it is shared among the folds.
"""

from dataclasses import dataclass

import numpy as np
from _paint_inputs import cosmos, des_early_types, holismokes, hsc_blends
from astropy.table import Table

from lensfinder.data.manifest import MANIFEST
from lensfinder.data.splits import split_of
from lensfinder.paint import Settings, paint
from lensfinder.simulate.run import TRUTH
from lensfinder.tables import read_table

SHARES = (0.6, 0.1, 0.3)  # of the galaxies: training, validation (trained on, too), test
SPLIT_BY = "lens_id"
BINS = 12  # of 0.1 arcsec that a flat sample fills; heavy galaxies are few


@dataclass(frozen=True)
class TestSample:
    """What is tested on.

    Attributes
    ----------
    images : dict of str to array (N, H, W, bands)
        Painted.
    truth : array (N, P)
        Targets.
    galaxies : dict of str to array (N, H, W, bands) or None
        The same without arcs.
    lens_ids : array of str (N,) or None
        Galaxy of each.
    """

    __test__ = False  # no test of pytest's
    images: dict
    truth: np.ndarray
    galaxies: dict | None = None
    lens_ids: np.ndarray | None = None


def inputs(folder):
    """Galaxies and their catalogue, sources and theirs, and the sources' band."""
    des, table = des_early_types(folder)
    hsc = [*holismokes(folder)[0], *hsc_blends(folder)]
    sigma_v = [*table["sigma_v"], *[np.nan] * len(hsc)]
    galaxies = [*des, *hsc]
    known = Table({"id": [each.id for each in galaxies], "sigma_v": sigma_v})
    return galaxies, known, *cosmos(folder)


def painted(folder, place, distribution, *, train, test, seed, workers=1):
    """Folder of shards to train on and folder of the test sample; painted once.

    Parameters
    ----------
    folder : Path
        The real images.
    place : Path
        Where to paint.
    distribution : {"natural", "flat"}
        Of the Einstein radii.
    train, test : int
        Objects.
    seed : int
        Of the run.
    workers : int
        Processes.

    Returns
    -------
    tuple of Path
        Two folders.
    """
    parts = {"train": (place / "train", MANIFEST), "test": (place / "test", TRUTH)}
    if all((part / last).exists() for part, last in parts.values()):  # written last
        return parts["train"][0], parts["test"][0]
    galaxies, known, stamps, source_table, band_map = inputs(folder)
    tested = split_of([each.id for each in galaxies], SHARES) == "test"
    for k, (name, n) in enumerate((("train", train), ("test", test))):
        part, last = parts[name]
        if (part / last).exists():
            continue
        bins = {"per_bin": -(-n // BINS)} if distribution == "flat" else {}
        paint(
            [each for each, held in zip(galaxies, tested, strict=True) if held == (name == "test")],
            stamps,
            output=part,
            survey="hsc-griz",
            n=n,
            seed=seed + k,
            settings=Settings(cosmology="schuldt2021", theta_E=distribution, **bins),
            planes=("S1",) if name == "train" else ("S1", "LENS"),
            format="tfrecord" if name == "train" else "npz",
            workers=workers,
            catalogue=known,
            source_catalogue=source_table,
            source_reading={"band_map": band_map},
            reading={"resample": True},
            report=False,
            overwrite=True,
        )
    return parts["train"][0], parts["test"][0]


def test_sample(folder, targets) -> TestSample:
    """The painted test sample, and its galaxies without arcs."""
    truth = read_table(folder / TRUTH)
    planes = {}
    for plane in ("S1", "LENS"):
        files = sorted((folder / plane).glob("*.npz"))
        parts = [np.load(file) for file in files]
        planes[plane] = {"hsc": np.concatenate([part["images"] for part in parts])}
    values = np.stack([np.asarray(truth[name], np.float32) for name in targets], axis=1)
    return TestSample(planes["S1"], values, planes["LENS"], np.asarray(truth["lens_id"], "U"))


test_sample.__test__ = False
