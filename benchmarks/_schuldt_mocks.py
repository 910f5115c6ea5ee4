"""Mocks for the benchmark of Schuldt et al. 2021, most painted on real galaxies of g, r, i and z.

Galaxies and sources are split before anything is painted: 30 % of each (the paper's share of the
galaxies) are only tested on, so no test image has anything in it that was trained on. They are
named by the hash of their ids, whose top tenth is the test sample of every data set of
ours; so the folder that is trained on has none, and all of it is shared among the folds.
"""

from dataclasses import dataclass

import numpy as np
from _paint_inputs import cosmos, des_early_types, holismokes, hsc_blends
from astropy.table import Table

from lensfinder.data.manifest import MANIFEST, read_manifest, read_truth
from lensfinder.data.splits import FRACTIONS, SPLITS, split_of
from lensfinder.paint import Settings, paint
from lensfinder.simulate import simulate
from lensfinder.simulate.run import TRUTH
from lensfinder.tables import read_table

SURVEY, POPULATION = "hsc-griz", "pearson2019-train"
SHARES = (0.6, 0.1, 0.3)  # of galaxies and of sources: training, validation (trained on, too), test
SPLIT_BY, SOURCE = "lens_id", "source_id"
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
    lens_ids, source_ids : array of str (N,) or None
        Galaxy and source of each.
    systems : Table or None
        What was painted, with sources and redshifts.
    """

    __test__ = False  # no test of pytest's
    images: dict
    truth: np.ndarray
    galaxies: dict | None = None
    lens_ids: np.ndarray | None = None
    source_ids: np.ndarray | None = None
    systems: Table | None = None


def simulated(folder, *, train, seed, workers=1):
    """The folder of simulated mocks to train on; written once.

    A tenth of them, by their ids, is the test sample of every data set of ours. It is not used in
    this benchmark, whose test sample has a size of its own, and so comes on top.

    Parameters
    ----------
    folder : Path
        Where to write.
    train : int
        Objects to train on, the folds that are left out included.
    seed : int
        Of the run.
    workers : int
        Processes.

    Returns
    -------
    Path
        The folder.
    """
    count = round(train / (1 - FRACTIONS[SPLITS.index("test")]))
    if not (folder / MANIFEST).exists():  # written last
        drawn = {"n": count, "seed": seed, "workers": workers}
        simulate(SURVEY, POPULATION, output=folder, overwrite=True, **drawn)
    if (rows := read_manifest(folder).rows) != count:
        raise SystemExit(
            f"{folder} holds {rows} mocks instead of {count}. Remove it, or choose another --work."
        )
    return folder


def inputs(folder):
    """Galaxies and their catalogue, sources and theirs, and the sources' band."""
    des, table = des_early_types(folder)
    hsc = [*holismokes(folder)[0], *hsc_blends(folder)]
    sigma_v = [*table["sigma_v"], *[np.nan] * len(hsc)]
    galaxies = [*des, *hsc]
    known = Table({"id": [each.id for each in galaxies], "sigma_v": sigma_v})
    return galaxies, known, *cosmos(folder)


def tested(ids) -> np.ndarray:
    """Which galaxies, or sources, are only tested on.

    Parameters
    ----------
    ids : sequence of str (N,)
        Their names.

    Returns
    -------
    bool array (N,)
        The same for a name whatever the others are.
    """
    return split_of(ids, SHARES) == "test"


def part_of(cutouts, name) -> list:
    """The galaxies, or sources, of the ``train`` or ``test`` part."""
    held = tested([each.id for each in cutouts]) == (name == "test")
    return [each for each, mine in zip(cutouts, held, strict=True) if mine]


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
        return refuse_shared(parts["train"][0], parts["test"][0])
    galaxies, known, stamps, source_table, band_map = inputs(folder)
    for k, (name, n) in enumerate((("train", train), ("test", test))):
        part, last = parts[name]
        if (part / last).exists():
            continue
        bins = {"per_bin": -(-n // BINS)} if distribution == "flat" else {}
        paint(
            part_of(galaxies, name),
            part_of(stamps, name),
            output=part,
            survey=SURVEY,
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
    return refuse_shared(parts["train"][0], parts["test"][0])


def refuse_shared(train, test):
    """The folders that were painted, after a check that nothing is in both."""
    truths = read_truth(train), read_table(test / TRUTH)
    for column in (SPLIT_BY, SOURCE):
        names = [{str(name) for name in truth[column]} for truth in truths]
        if names[0] & names[1]:
            raise SystemExit(
                f"{len(names[0] & names[1])} values of {column} are in {train} and in {test}. "
                "Remove both, or choose another --work."
            )
    return train, test


def test_sample(folder, targets) -> TestSample:
    """The painted test sample, and its galaxies without arcs."""
    truth = read_table(folder / TRUTH)
    planes = {}
    for plane in ("S1", "LENS"):
        files = sorted((folder / plane).glob("*.npz"))
        parts = [np.load(file) for file in files]
        planes[plane] = {"hsc": np.concatenate([part["images"] for part in parts])}
    values = np.stack([np.asarray(truth[name], np.float32) for name in targets], axis=1)
    names = (np.asarray(truth[column], "U") for column in (SPLIT_BY, SOURCE))
    return TestSample(planes["S1"], values, planes["LENS"], *names, truth)


test_sample.__test__ = False
