"""The verb `paint`: cutouts of galaxies and of sources in, a data set of painted mocks out."""

import multiprocessing
import pkgutil
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from lensfinder.data.manifest import MANIFEST
from lensfinder.errors import SimulationError, UnknownNameError
from lensfinder.paint.galaxies import read_galaxies
from lensfinder.paint.painter import BLOCK, Painter
from lensfinder.paint.selection import Selection, statistics
from lensfinder.paint.settings import Settings
from lensfinder.paint.sources import read_sources
from lensfinder.paths import one_cpu_process
from lensfinder.simulate.mocks import Mocks
from lensfinder.simulate.run import FORMATS, ROWS_PER_SHARD, TRUTH, prepare, write_images
from lensfinder.specs import load_survey
from lensfinder.tables import refuse_existing, write_table

LENSES, SOURCES, PAGE = "lenses.ecsv", "sources.ecsv", "report.html"
PAGE_CLASS = "lensfinder.report:PaintPage"  # by name: the page lives a floor above


def paint(
    lenses,
    sources,
    *,
    output,
    survey,
    n: int,
    seed: int = 1,
    settings: Settings | None = None,
    planes=("S1",),
    format: str = "tfrecord",
    workers: int = 1,
    catalogue=None,
    source_catalogue=None,
    reading=None,
    source_reading=None,
    report: bool = True,
    overwrite: bool = False,
    progress=None,
) -> Path:
    """Paint lensed arcs of real sources on real galaxies, and write a data set.

    The k-th object is the same whatever `n`, `workers` or `format`; only a flat distribution with
    the default `per_bin` depends on `n`.

    Parameters
    ----------
    lenses : path, sequence of path, or iterable of Cutout
        Galaxies to paint on; see `read_galaxies`.
    sources : path, sequence of path, iterable of Cutout, or "hubble"
        Sharp stamps of galaxies to be lensed; see `read_sources`.
    output : path-like
        Folder to write to: the data set as `lensfinder.simulate` writes it, ``lenses.ecsv`` and
        ``sources.ecsv`` with what became of every input, ``report.html``.
    survey : str, Path or Survey
        Which survey the galaxies' images are of: bands, pixel scale, stamps, zero points.
    n : int
        Number of objects.
    seed : int
        Seed of the run.
    settings : Settings or None
        How; the defaults are those of Schuldt et al. (2021).
    planes : sequence of str
        Of ``S1`` (painted), ``S3`` (arcs alone), ``LENS`` (galaxy alone), ``MU`` (magnification).
    format : {"tfrecord", "fits", "npz"}
        As in `lensfinder.simulate`.
    workers : int
        Processes.
    catalogue, source_catalogue : table, path or None
        What is known about the galaxies (``id z_lens sigma_v psf psf_scale``) and the sources
        (``id z_src mag_<band>``). What is not known is drawn, and marked in the truth.
    reading, source_reading : dict or None
        Further arguments of `read_galaxies` and of `read_sources`.
    report : bool
        Whether a page is written.
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
        If the run cannot be made as asked.
    MissingBandError, UnitError
        If the sources lack a band or a zero point.
    OutputExistsError
        If the folder holds an earlier run.
    """
    if n < 1 or workers < 1:
        raise SimulationError(f"n and workers must be at least 1. Received: {n}, {workers}.")
    if format not in FORMATS:
        raise UnknownNameError("format", format, FORMATS)
    if "S1" not in planes:
        raise SimulationError("A data set needs the painted plane. Add S1 to the planes.")
    survey, settings = load_survey(survey), settings or Settings()
    folder = Path(output)
    for name in (MANIFEST, TRUTH, LENSES, SOURCES, *([PAGE] if report else [])):
        refuse_existing(folder / name, overwrite)
    library = read_sources(
        sources, survey, settings, catalogue=source_catalogue, **source_reading or {}
    )
    galaxies = read_galaxies(lenses, survey, settings, catalogue=catalogue, **reading or {})
    shown = (*planes, "S3", "LENS") if report else planes  # what the page shows beside the image
    job = _Job(survey, galaxies, library, settings, seed, tuple(shown))
    prepare(folder, format, overwrite)  # only now: bad input leaves an earlier run alone
    (folder / PAGE).unlink(missing_ok=True)  # it shows the earlier run
    selection = Selection(settings, n, len(galaxies))
    page = pkgutil.resolve_name(PAGE_CLASS)(folder / PAGE) if report else None
    with _writer(folder, format, job) as writer:
        for mocks in _objects(job, selection, workers):
            written = {plane: mocks.planes[plane] for plane in mocks.planes if plane in planes}
            writer.add(Mocks(mocks.index, written, mocks.truth))
            if page is not None:
                page.add(mocks, job)
            if progress is not None:
                progress(len(mocks))
    truth = writer.truth()
    write_table(selection.table(galaxies), folder / LENSES, overwrite=True)
    write_table(_sources_table(library, truth), folder / SOURCES, overwrite=True)
    if page is not None:
        page.finish(truth, selection, statistics(truth))
    return folder


class _Job:
    """What a process needs to paint any candidates; can be pickled."""

    def __init__(self, survey, galaxies, sources, settings, seed, planes):
        self.survey, self.galaxies, self.sources = survey, galaxies, sources
        self.settings, self.seed, self.planes = settings, seed, planes
        self._painter = None

    def __getstate__(self):
        return {**self.__dict__, "_painter": None}

    @property
    def painter(self):
        """The painter, made at its first use."""
        if self._painter is None:
            self._painter = Painter(
                self.survey,
                self.galaxies,
                self.sources,
                self.settings,
                seed=self.seed,
                planes=self.planes,
            )
        return self._painter

    def block(self, number, full):
        """Outcomes of a block of candidates."""
        return self.painter.outcomes(number * BLOCK, BLOCK, full)


def _objects(job, selection, workers):
    """Mocks of the objects, in order, until there are enough."""
    for outcome in _outcomes(job, selection, workers):
        mocks = selection.take(outcome)
        if mocks is not None:
            yield mocks
        if selection.done:
            return


def _outcomes(job, selection, workers):
    """Outcomes of all candidates in order; fresh processes, because a forked TensorFlow hangs."""
    if workers == 1:
        number = 0
        while True:
            yield from job.block(number, selection.full)
            number += 1
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start, initargs=(job,)
    ) as pool:
        waiting, number = deque(), 0
        try:
            while True:
                while len(waiting) < 2 * workers:
                    waiting.append(pool.submit(_block, number, selection.full))
                    number += 1
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _start(job):
    global _JOB  # one per process, so that its program is compiled once
    one_cpu_process()  # or the workers' threads would fight over the cores
    _JOB = job


def _block(number, full):
    return list(_JOB.block(number, full))


# --- writing --------------------------------------------------------------------------------------
def _writer(folder, format, job):
    if format == "tfrecord":
        return _ShardFiles(folder, job)
    return _ImageFiles(folder, format, job)


class _ShardFiles:
    """TFRecord shards with a manifest."""

    def __init__(self, folder, job):
        from lensfinder.data.shards import ShardWriter

        # the folder was made ready, and whether it may be replaced was asked
        self._shards = ShardWriter(
            folder, survey=job.survey, population=job.settings, seed=job.seed, overwrite=True
        )
        self._truth = []

    def add(self, mocks):
        self._shards.add(mocks)
        self._truth.append(mocks.truth)

    def truth(self) -> Table:
        """All truth rows."""
        return vstack(self._truth, metadata_conflicts="silent")

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self._shards.close()


class _ImageFiles:
    """One FITS file per object, or one array file per 2,048; the truth table comes last."""

    def __init__(self, folder, format, job):
        self._folder, self._format, self._job = folder, format, job
        self._waiting, self._tables, self._number = [], [], 0

    def add(self, mocks):
        self._waiting.append(mocks)
        while sum(len(part) for part in self._waiting) >= ROWS_PER_SHARD:
            joined = Mocks.join(self._waiting)
            self._flush(joined.take(slice(ROWS_PER_SHARD)))
            self._waiting = [joined.take(slice(ROWS_PER_SHARD, None))]

    def truth(self) -> Table:
        """All truth rows."""
        return vstack(self._tables, metadata_conflicts="silent")

    def _flush(self, mocks):
        for plane, images in mocks.planes.items():
            write_images(
                self._folder / plane,
                self._number,
                mocks.ids,
                images,
                self._job.survey,
                format=self._format,
                header={"KIND": "painted", "PLANE": plane},
            )
        self._tables.append(mocks.truth)
        self._number += 1

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None:
            return
        rest = [part for part in self._waiting if len(part)]
        if rest:
            self._flush(Mocks.join(rest))
        truth = self.truth()
        truth.meta["survey_spec"] = self._job.survey.model_dump(mode="json")
        truth.meta["settings"] = self._job.settings.model_dump(mode="json")
        truth.meta["seed"] = self._job.seed
        write_table(truth, self._folder / TRUTH, overwrite=True)


def _sources_table(sources, truth) -> Table:
    """One row per source that was given: taken or not, and how often it was lensed."""
    refused = sources.refused
    names = np.array([*sources.ids, *(row[0] for row in refused)], dtype="U")
    used = np.asarray(truth["source_id"], dtype="U")
    return Table(
        {
            "id": names,
            "status": np.array(["ok"] * len(sources) + [row[1] for row in refused], dtype="U"),
            "message": np.array([""] * len(sources) + [row[2] for row in refused], dtype="U"),
            "z_src": np.array([*sources.z_src, *[np.nan] * len(refused)]),
            "painted": np.array([int((used == name).sum()) for name in names]),
        }
    )
