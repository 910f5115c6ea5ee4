"""The simulator: object i of a run, whatever the batch, the number of workers or the backend."""

from collections import OrderedDict

import numpy as np
from astropy.table import Table

from lensfinder.errors import SimulationError
from lensfinder.lensing.ellipticity import Ellipticity
from lensfinder.lensing.multiplicity import image_count
from lensfinder.simulate import criteria
from lensfinder.simulate.compose import Composer
from lensfinder.simulate.draw import Draws, draw_parameters
from lensfinder.simulate.mocks import PLANES, Mocks, unit_of
from lensfinder.simulate.placing import lens_of
from lensfinder.simulate.programs import NoiseProgram, RenderProgram
from lensfinder.simulate.random import object_keys
from lensfinder.simulate.render import FAST, Sampling
from lensfinder.simulate.sources import named_library
from lensfinder.specs import load_population, load_survey

# Objects are always made in whole blocks, so that a batch size cannot change them; smaller blocks
# for large stamps keep a first look quick.
BLOCK, BLOCK_OF_LARGE_STAMPS, LARGE_STAMP = 256, 64, 128
MAX_ATTEMPTS = 4_000
_NOISE = 1  # purpose of the noise's random numbers
_PROBE = Sampling(base=1, levels=())
DATA_VERSION = 1  # raise it when the same seed gives other objects


class Simulator:
    """Draws mocks of a population as a survey would see them.

    Parameters
    ----------
    survey : str, Path or Survey
        A name, a YAML file, or a survey.
    population : str, Path or Population
        A name, a YAML file, or a population.
    seed : int
        Seed of the run; object i depends on it and on i alone.
    sources : SourceLibrary, str or None
        Real galaxies to lense instead of Sérsic profiles: a library, or the name of one
        (``"hubble"``).
    subtract_lens_light : bool
        Whether the noiseless light of everything but the source is taken off plane S1, which
        leaves its shot noise (Pearson 2019, section 2.1).
    visits : int
        How many visits of the survey each image is the mean of. Which lenses there are is decided
        on one visit, so object i is the same lens whatever their number (Pearson 2019, section
        3.4); label, S/N and number of pixels in the truth table are those of the mean.
    planes : sequence of str
        Which of ``S1``, ``S2``, ``S3`` to return.
    sampling : Sampling
        How finely to sample; `render.STANDARD` for the most exact.

    Raises
    ------
    SpecError, UnknownNameError
        If survey, population, number of visits or name of the library are not valid.
    """

    def __init__(
        self,
        survey,
        population,
        *,
        seed: int = 1,
        sources=None,
        subtract_lens_light: bool = False,
        visits: int = 1,
        planes=("S1",),
        sampling: Sampling = FAST,
    ):
        self.survey, self.population = load_survey(survey), load_population(population)
        if not 0 <= int(seed) < 2**63:
            raise SimulationError(f"The seed must lie in [0, 2^63). Received: {seed}.")
        unknown = set(planes) - set(PLANES)
        if unknown or not planes:
            raise SimulationError(f"Planes are {', '.join(PLANES)}. Received: {planes!r}.")
        self.seed, self.planes = int(seed), tuple(p for p in PLANES if p in planes)
        self.subtract_lens_light, self.visits = subtract_lens_light, visits
        self.stack = self.survey.stacked(visits)
        if isinstance(sources, str):
            sources = named_library(sources)
        sources = None if sources is None else sources.for_bands(len(self.survey.bands))
        self.composer = Composer(self.population, self.survey, sources)
        large = self.survey.finest.stamp > LARGE_STAMP
        self.block = BLOCK_OF_LARGE_STAMPS if large else BLOCK
        self._draw = RenderProgram(self.survey, sampling)
        self._look = RenderProgram(self.survey, _PROBE)
        self._noise = NoiseProgram(self.stack)
        self._recent = OrderedDict()

    def objects(self, indices) -> Mocks:
        """The objects of these numbers.

        Parameters
        ----------
        indices : sequence of int
            Numbers from 0; in any order.

        Returns
        -------
        Mocks
            In the order given.

        Raises
        ------
        SimulationError
            If the population's criteria cannot be met.
        """
        indices = np.atleast_1d(np.asarray(indices, dtype=np.int64))
        if indices.size == 0 or indices.min() < 0:
            raise SimulationError("Ask for at least one object, with numbers from 0.")
        parts, order = [], []
        for block in np.unique(indices // self.block):
            at = np.flatnonzero(indices // self.block == block)
            parts.append(self._block(int(block)).take(indices[at] - block * self.block))
            order.append(at)
        mocks = Mocks.join(parts)
        order = np.concatenate(order)
        return (
            mocks if np.array_equal(order, np.arange(len(order))) else mocks.take(np.argsort(order))
        )

    def stream(self, start: int = 0, count: int | None = None, batch: int = 256):
        """Batches of objects in order.

        Parameters
        ----------
        start : int
            Number of the first object.
        count : int or None
            How many; without end by default.
        batch : int
            Objects per batch; the last may be smaller.

        Yields
        ------
        Mocks
            The next objects.
        """
        end = None if count is None else start + count
        while end is None or start < end:
            stop = start + batch if end is None else min(start + batch, end)
            yield self.objects(np.arange(start, stop))
            start = stop

    def _block(self, block: int) -> Mocks:
        if block in self._recent:
            self._recent.move_to_end(block)
            return self._recent[block]
        mocks = self._make(np.arange(block * self.block, (block + 1) * self.block))
        self._recent[block] = mocks
        while len(self._recent) > 2:
            self._recent.popitem(last=False)
        return mocks

    # --- one block --------------------------------------------------------------------------------
    def _make(self, index) -> Mocks:
        """Make a block: attempt after attempt until each object is accepted, then observe."""
        attempt = np.zeros(len(index), np.int64)  # the next one to try
        kept, pending = {}, np.arange(len(index))
        while pending.size:
            tries, columns = self._first_good(index, attempt, pending)
            done = self._finish(Draws(self.seed, index[pending], tries), columns)
            for k, row in enumerate(pending):
                if done["accepted"][k]:
                    kept[row] = (done, k)
            attempt[pending] = tries + 1
            pending = pending[~done["accepted"]]
        return self._assemble(index, kept)

    def _first_good(self, index, attempt, pending):
        """For each pending object the first attempt from `attempt` on that is worth finishing.

        Several attempts of each object are tried at once when few objects are left; the first good
        one in order is taken, so the result does not depend on how many.
        """
        tries = attempt[pending].copy()
        columns, missing = {}, np.arange(len(pending))
        while missing.size:
            if tries.max() > MAX_ATTEMPTS:
                raise SimulationError(
                    f"Object {index[pending[missing[0]]]} of population {self.population.name!r} "
                    f"was not accepted in {MAX_ATTEMPTS} attempts on survey {self.survey.name!r}. "
                    "Loosen its acceptance, or make its sources brighter."
                )
            each = max(1, self.block // len(missing))
            rows = np.repeat(missing, each)
            attempts = tries[rows] + np.tile(np.arange(each), len(missing))
            found, good = self._select(Draws(self.seed, index[pending[rows]], attempts))
            at = np.flatnonzero(good)
            which, first = np.unique(rows[at], return_index=True)
            at = at[first]
            for name, values in found.items():
                if name not in columns:
                    columns[name] = np.zeros((len(pending), *values.shape[1:]), values.dtype)
                columns[name][which] = values[at]
            tries[missing] += each
            tries[which] = attempts[at]
            missing = np.setdiff1d(missing, which)
        return tries, columns

    def _select(self, draws):
        """Parameters of candidates, and which pass all criteria but the last look."""
        columns = draw_parameters(self.population, self.survey, draws)
        good = criteria.worth_drawing(self.population, self.survey, columns)
        rule = self.population.acceptance
        if rule.minimum_snr is None and rule.minimum_magnification is None and not rule.sheared:
            return columns, good
        rows = np.flatnonzero(good)
        if rows.size:
            some = self._with_sources(draws.take(rows), _take(columns, rows))
            scene = self.composer.scene(some)
            scene = _without_lens_light(scene)
            source, _ = self._look(scene)
            found = criteria.measure(self.survey, source, self.composer.intrinsic(some))
            good[rows] = criteria.accepted(
                self.population, self.survey, some, found, criteria.PROBE_MARGIN
            )
        return columns, good

    def _with_sources(self, draws, columns):
        if self.composer.sources is None:
            return columns
        return columns | self.composer.real_sources(draws, columns)

    def _finish(self, draws, columns):
        """Draw candidates as they will be seen; say which are accepted."""
        columns = self.composer.complete(draws, columns)
        lens = columns["class"] == "lens"
        source = {g.name: np.zeros((len(draws), *g.shape), np.float32) for g in self.survey.groups}
        rest = {name: image.copy() for name, image in source.items()}
        for which, structure in ((lens, False), (~lens, True)):
            rows = np.flatnonzero(which)
            if rows.size:
                scene = self.composer.scene(_take(columns, rows), structure=structure)
                for target, drawn in zip((source, rest), self._draw(scene), strict=True):
                    for name in target:
                        target[name][rows] = drawn[name]
        intrinsic = self.composer.intrinsic(columns)
        found = criteria.measure(self.survey, source, intrinsic)
        accepted = criteria.accepted(self.population, self.survey, columns, found) | ~lens
        if self.visits > 1:
            found = criteria.measure(self.stack, source, intrinsic)
        label, groups = criteria.label(self.population, self.stack, columns, found, source)
        return {
            "accepted": accepted,
            "columns": columns | {"label": label, "n_groups": groups, "attempt": draws.attempt},
            "measured": found,
            "source": source,
            "rest": rest,
        }

    def _assemble(self, index, kept) -> Mocks:
        def gather(get):
            return np.stack([get(kept[row][0])[kept[row][1]] for row in range(len(index))])

        groups = [group.name for group in self.survey.groups]
        source = {g: gather(lambda done, g=g: done["source"][g]) for g in groups}
        rest = {g: gather(lambda done, g=g: done["rest"][g]) for g in groups}
        names = kept[0][0]["columns"]
        columns = {name: gather(lambda done, name=name: done["columns"][name]) for name in names}
        measured = {
            name: gather(lambda done, name=name: done["measured"][name])
            for name in kept[0][0]["measured"]
        }
        planes = {"S3": source, "S2": {g: source[g] + rest[g] for g in groups}}
        if "S1" in self.planes:
            noisy = self._noise(planes["S2"], object_keys(self.seed, index, _NOISE))
            if self.subtract_lens_light:
                noisy = {g: noisy[g] - rest[g] for g in groups}
            planes["S1"] = noisy
        truth = self._truth(index, columns, measured)
        return Mocks(index, {plane: planes[plane] for plane in self.planes}, truth)

    def _truth(self, index, columns, measured) -> Table:
        shape = Ellipticity.from_axis_ratio(columns["q"], columns["phi"])
        seen = criteria.catalogue(self.population, self.survey, measured)
        lensed = columns["theta_E"] > 0
        count = np.zeros(len(index), np.int64)
        if lensed.any():
            some = _take(columns, np.flatnonzero(lensed))
            count[lensed] = image_count(some["x_src"], some["y_src"], **lens_of(some))
        head = {
            "id": np.array([f"mock-{i:09d}" for i in index]),
            "index": index,
            "label": columns["label"],
            "class": columns["class"],
            "e1": shape.e1,
            "e2": shape.e2,
            "magnification": seen["magnification"],
            "n_images": count,
            "snr": seen["snr"],
            "n_pix": seen["n_pix"],
        }
        hidden = {"placed", "x_unlensed", "y_unlensed"}
        body = {k: v for k, v in columns.items() if k not in head and k not in hidden}
        table = Table({**head, **body})
        for name in table.colnames:
            if unit_of(name):
                table[name].unit = unit_of(name)
        table.meta = {
            "survey": self.survey.name,
            "population": self.population.name,
            "seed": self.seed,
            "data_version": DATA_VERSION,
            **({"visits": self.visits} if self.visits > 1 else {}),
        }
        return table


def _take(columns, rows):
    return {name: values[rows] for name, values in columns.items()}


def _without_lens_light(scene):
    scene.lens, scene.lens_flux = scene.lens[:, :0], scene.lens_flux[:, :0]
    return scene
