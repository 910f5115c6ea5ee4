"""The verb `simulate`: a population written to a folder, by one process or several."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from lensfinder.errors import SimulationError, UnknownNameError
from lensfinder.paths import one_cpu_process
from lensfinder.simulate.simulator import DATA_VERSION, Simulator
from lensfinder.specs import load_population, load_survey
from lensfinder.specs.population import DRAWN, SOURCE_LIBRARIES
from lensfinder.tables import read_table, refuse_existing, write_table

ROWS_PER_SHARD = 2048  # a multiple of the simulator's blocks, so that no block is made twice
FORMATS = ("tfrecord", "fits", "npz")
TRUTH = "truth.ecsv"


def simulate(
    survey,
    population,
    *,
    n: int,
    output,
    seed: int = 1,
    planes=("S1",),
    format: str = "tfrecord",
    workers: int = 1,
    batch: int = 256,
    sources: str | None = None,
    subtract_lens_light: bool = False,
    visits: int = 1,
    overwrite: bool = False,
    progress=None,
):
    """Simulate a population as a survey would see it, and write it to a folder.

    Object i depends on the seed and on i alone: neither `workers` nor `batch` changes it.

    Parameters
    ----------
    survey : str, Path or Survey
        Which survey.
    population : str, Path or Population
        Which population.
    n : int
        Number of objects.
    output : path-like
        Folder to write to.
    seed : int
        Seed of the run.
    planes : sequence of str
        Of ``S1`` (noisy), ``S2`` (noiseless), ``S3`` (source alone).
    format : {"tfrecord", "fits", "npz"}
        Shards with a manifest; one FITS file per object; or one array file per 2,048 objects. The
        last two come with ``truth.ecsv`` and a folder per plane.
    workers : int
        Processes.
    batch : int
        Objects handed on at once; a matter of memory only.
    sources : {"hubble"} or None
        Real galaxies as sources: those of the Hubble Deep Field picture.
    subtract_lens_light : bool
        Whether plane S1 has the noiseless light of everything but the source taken off.
    visits : int
        How many visits each image is the mean of; the lenses are those seen in one (`Simulator`).
    overwrite : bool
        Whether an earlier run in the folder may be replaced.
    progress : callable or None
        Called with the number of objects done since the last call.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    SimulationError, UnknownNameError, SpecError
        If the run cannot be made as asked; nothing is written then.
    OutputExistsError
        If the folder holds an earlier run.
    """
    if n < 1 or workers < 1 or batch < 1:
        raise SimulationError(
            f"n, workers and batch must be at least 1. Received: {n}, {workers}, {batch}."
        )
    if format not in FORMATS:
        raise UnknownNameError("format", format, FORMATS)
    if sources is not None and sources not in SOURCE_LIBRARIES:
        raise UnknownNameError("source library", sources, SOURCE_LIBRARIES)
    if "S1" not in planes:
        raise SimulationError("A data set needs the noisy plane. Add S1 to the planes.")
    survey, population = load_survey(survey), load_population(population)
    stack = survey.stacked(visits)  # whose noise the images have
    folder = prepare(Path(output), format, overwrite)
    job = _Job(
        simulator={
            "survey": survey,
            "population": population,
            "seed": seed,
            "planes": tuple(planes),
            "subtract_lens_light": subtract_lens_light,
            "visits": visits,
        },
        sources=sources,
        folder=folder,
        format=format,
        batch=batch,
        n=n,
    )
    numbers = range((n + ROWS_PER_SHARD - 1) // ROWS_PER_SHARD)
    parts = []
    for part in _run(job, numbers, workers):
        parts.append(part)
        if progress is not None:
            progress(job.rows(len(parts) - 1)[1] - job.rows(len(parts) - 1)[0])
    _commit(job, parts, stack, population)
    return folder


class _Job:
    """What a process needs to make and write any shard of a run; can be pickled."""

    def __init__(self, simulator, sources, folder, format, batch, n):
        self.simulator, self.sources, self.folder = simulator, sources, folder
        self.format, self.batch, self.n = format, batch, n
        self._made = None

    def __getstate__(self):
        return {**self.__dict__, "_made": None}

    def rows(self, number):
        """First object of a shard, and the first of the next."""
        return number * ROWS_PER_SHARD, min((number + 1) * ROWS_PER_SHARD, self.n)

    def batches(self, number):
        """Mocks of a shard."""
        if self._made is None:
            self._made = Simulator(**self.simulator, sources=self.sources)
        start, stop = self.rows(number)
        return self._made.stream(start, stop - start, self.batch)

    def write(self, number):
        """Make and write one shard; return what the commit needs."""
        if self.format == "tfrecord":
            from lensfinder.data.shards import write_shard

            return write_shard(self.folder, number, self.batches(number))
        from lensfinder.simulate.mocks import Mocks

        mocks = Mocks.join(self.batches(number))
        for plane, images in mocks.planes.items():
            write_images(
                self.folder / plane,
                number,
                mocks.ids,
                images,
                self.simulator["survey"].stacked(self.simulator["visits"]),
                format=self.format,
                header={"KIND": "mock", "PLANE": plane},
            )
        return mocks.truth


def write_images(folder, number, ids, images, survey, *, format: str, header: dict) -> None:
    """Write one plane of some mocks: a FITS file per object, or one array file for all.

    Parameters
    ----------
    folder : Path
        Of the plane; made if needed.
    number : int
        Of the array file.
    ids : sequence of str
        Names of the objects.
    images : dict of str to array (N, stamp, stamp, bands)
        One per group.
    survey : Survey
        The survey of the images.
    format : {"fits", "npz"}
        Which.
    header : dict
        Further keywords of the FITS files.
    """
    from lensfinder.data import write_arrays, write_cutouts

    if format == "fits":
        write_cutouts(folder, ids, images, survey, header=header, overwrite=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_arrays(folder / f"mocks-{number:05d}.npz", ids, images, survey, overwrite=True)


def _run(job, numbers, workers):
    """Parts of all shards in order; fresh processes, because a forked TensorFlow hangs."""
    if workers == 1 or len(numbers) == 1:
        yield from map(job.write, numbers)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start, initargs=(job,)
    ) as pool:
        yield from pool.map(_write, numbers)


def _start(job):
    global _JOB  # one per process, so that its programs are compiled once
    one_cpu_process()  # or the workers' threads would fight over the cores
    _JOB = job


def _write(number):
    return _JOB.write(number)


def prepare(folder: Path, format: str, overwrite: bool) -> Path:
    """Make a folder ready for a run: without anything of an earlier one, so no data set yet.

    Whatever the formats: two truths in one folder, or images that neither has, would be read as
    one data set later.

    Parameters
    ----------
    folder : Path
        The folder.
    format : {"tfrecord", "fits", "npz"}
        What will be written.
    overwrite : bool
        Whether an earlier run may be replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputExistsError
        If it holds an earlier run.
    """
    from lensfinder.data import manifest, shards

    marks = (manifest.MANIFEST, manifest.TRUTH, TRUTH)
    for name in marks:
        refuse_existing(folder / name, overwrite)
    ids = read_table(folder / TRUTH)["id"] if (folder / TRUTH).exists() else ()
    for name in marks:  # first, so that whatever happens nothing half is taken for a data set
        (folder / name).unlink(missing_ok=True)
    stale = [*folder.glob("shard-?????.tfrecord"), *folder.glob("*/mocks-?????.npz")]
    for plane in (place for place in folder.glob("*") if place.is_dir()):
        stale += [plane / f"{name}.fits" for name in ids]
    for path in stale:
        path.unlink(missing_ok=True)
    if format == "tfrecord":
        return shards.prepare(folder, overwrite=overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _commit(job, parts, survey, population):
    """The last file of a run: without it the folder is no data set."""
    if job.format == "tfrecord":
        from lensfinder.data.shards import commit

        options = {**job.simulator, "sources": job.sources}
        drawn = {name: options[name] for name, usual in DRAWN.items() if options[name] != usual}
        drawn["data_version"] = DATA_VERSION
        known = {"survey": survey, "population": population, "seed": options["seed"]}
        commit(job.folder, parts, **known, drawn=drawn)
        return
    from astropy.table import vstack

    truth = vstack(parts, metadata_conflicts="silent")
    # with PSF, noise and zero points, so that another code can draw every object again
    truth.meta["survey_spec"] = survey.model_dump(mode="json")
    truth.meta["population_spec"] = population.model_dump(mode="json")
    write_table(truth, job.folder / TRUTH, overwrite=True)
