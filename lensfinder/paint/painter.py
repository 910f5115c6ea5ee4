"""The painter: candidates in, painted mocks or the reason why not out."""

from dataclasses import dataclass

import numpy as np

from lensfinder.errors import SimulationError
from lensfinder.lensing.sie import sie_magnification
from lensfinder.paint.arcs import CHUNK, ArcPainter
from lensfinder.paint.candidates import KEPT, Draws, draw_candidates, place_sources
from lensfinder.paint.psf import turned
from lensfinder.paint.settings import Settings
from lensfinder.paint.truth import object_names, truth_table
from lensfinder.simulate.mocks import Mocks
from lensfinder.simulate.placing import lens_of
from lensfinder.specs import load_survey

PLANES = ("S1", "S3", "LENS", "MU")
BLOCK = 128  # candidates that are drawn at once; no result depends on it
_POISSON = 0xA2C5  # purpose of the arcs' photon noise


@dataclass(frozen=True)
class Outcome:
    """What became of some candidates, in their order.

    Attributes
    ----------
    numbers : array of int (N,)
        The candidates.
    galaxy : array of int (N,)
        Which galaxy each would have been painted on.
    theta_E : array (N,)
        Their Einstein radii, arcsec.
    reason : array of str (N,)
        Of `candidates.REASONS`; empty for those that were painted.
    mocks : Mocks or None
        The painted ones, in order; None if there are none.
    """

    numbers: np.ndarray
    galaxy: np.ndarray
    theta_E: np.ndarray
    reason: np.ndarray
    mocks: Mocks | None


class Painter:
    """Paints lensed arcs on real galaxies.

    A candidate (a galaxy, a source, a place) depends on the seed and its number alone. Those that
    pass all criteria, in the order of their numbers, are the objects; `lensfinder.paint` numbers
    them.

    Parameters
    ----------
    survey : str, Path or Survey
        What the galaxies' images are made to fit.
    galaxies : Galaxies
        To paint on.
    sources : Sources
        To lense.
    settings : Settings or None
        How; the defaults for None.
    seed : int
        Seed of the run.
    planes : sequence of str
        ``S1`` the painted image, ``S3`` the arcs alone without noise, ``LENS`` the galaxy alone,
        ``MU`` the magnification of the lens at the middle of each pixel.

    Raises
    ------
    SimulationError
        If seed or planes cannot be.
    """

    def __init__(self, survey, galaxies, sources, settings=None, *, seed=1, planes=("S1",)):
        self.survey, self.settings = load_survey(survey), settings or Settings()
        self.galaxies, self.sources, self.seed = galaxies, sources, int(seed)
        if not 0 <= self.seed < 2**63:
            raise SimulationError(f"The seed must lie in [0, 2^63). Received: {seed}.")
        unknown = set(planes) - set(PLANES)
        if unknown or not planes:
            raise SimulationError(f"Planes are {', '.join(PLANES)}. Received: {planes!r}.")
        self.planes = tuple(plane for plane in PLANES if plane in planes)
        self.reference = self.settings.reference(self.survey)
        self._at = self.survey.bands.index(self.reference)
        self._arcs = ArcPainter(self.survey, sources, self.settings)

    def outcomes(self, first: int, count: int, full=frozenset()):
        """What becomes of candidates, a few at a time, so that a caller may stop.

        Parameters
        ----------
        first, count : int
            Candidates `first` to ``first + count - 1``.
        full : set of int
            Bins of Einstein radius that take no more; these candidates are not painted.

        Yields
        ------
        Outcome
            Of the next candidates, in order.
        """
        for start in range(first, first + count, BLOCK):
            numbers = np.arange(start, min(start + BLOCK, first + count))
            columns, reason = draw_candidates(
                self.survey, self.galaxies, self.sources, self.settings, self.seed, numbers
            )
            if full:
                bins = self.settings.bin_of(columns["theta_E"])
                reason[(reason == KEPT) & np.isin(bins, list(full))] = "bin_full"
            rows = np.flatnonzero(reason == KEPT)
            if rows.size:
                placed, why = place_sources(self.settings, self.seed, _take(columns, rows))
                for name, values in placed.items():
                    columns[name] = np.zeros(len(numbers), values.dtype)
                    columns[name][rows] = values
                reason[rows] = why
            yield from self._painted(numbers, columns, reason)

    def _painted(self, numbers, columns, reason):
        """Paint the candidates that are left, `CHUNK` at a time."""
        rows, begin = np.flatnonzero(reason == KEPT), 0
        for start in range(0, max(len(rows), 1), CHUNK):
            some = rows[start : start + CHUNK]
            end = len(numbers) if start + CHUNK >= len(rows) else some[-1] + 1
            mocks = None
            if some.size:
                mocks, faint = self._make(_take(columns, some))
                reason[some[faint]] = "faint"
            part = slice(begin, end)
            galaxy, theta_E = columns["galaxy"][part], columns["theta_E"][part]
            yield Outcome(numbers[part], galaxy, theta_E, reason[part], mocks)
            begin = end

    def _make(self, columns):
        """Mocks of the candidates that are bright enough, and which are too faint."""
        psfs = [self._psf(g, t) for g, t in zip(columns["galaxy"], columns["turns"], strict=True)]
        arcs = self._arcs(columns, psfs)
        noise = self.galaxies.noise[columns["galaxy"]]
        peak = self._of_bands(arcs, np.max)[:, self._at]
        faint = ~(peak > self.settings.min_peak * noise[:, self._at])
        rows = np.flatnonzero(~faint)
        if not rows.size:
            return None, faint
        columns, noise = _take(columns, rows), noise[rows]
        arcs = {name: images[rows] for name, images in arcs.items()}
        columns, arcs = self._without_arcs(columns, arcs, [psfs[row] for row in rows])
        lens = self._lens_images(columns)
        planes = {"S3": arcs, "LENS": lens}
        if "S1" in self.planes:
            planes["S1"] = {
                name: lens[name] + image for name, image in self._photons(columns, arcs).items()
            }
        if "MU" in self.planes:
            planes["MU"] = self._magnification(columns)
        truth = self._truth(columns, arcs, lens, noise)
        index = columns["candidate"]
        return Mocks(index, {plane: planes[plane] for plane in self.planes}, truth), faint

    def _psf(self, galaxy, turns):
        """Key and PSFs of a galaxy, turned with it."""
        psfs = {b: (*given, int(turns)) for b, given in self.galaxies.psfs[galaxy].items()}
        return (int(galaxy), int(turns)), psfs

    def _without_arcs(self, columns, arcs, psfs):
        """Turn a share of the lenses into galaxies without arcs, half with an unlensed source."""
        draws = Draws(self.seed, columns["candidate"])
        u, share = draws("class"), self.settings.non_lenses
        kind = np.where(u < share / 2, "no_source", np.where(u < share, "unlensed_source", "lens"))
        columns = {name: values.copy() for name, values in columns.items()} | {"class": kind}
        other = np.flatnonzero(kind != "lens")
        if not other.size:
            return columns, arcs
        columns["theta_E"][other] = 0.0
        columns["n_images"][other] = columns["mu_centre"][other] = 0
        columns["gamma1"][other] = columns["gamma2"][other] = 0.0
        beside = np.flatnonzero(kind == "unlensed_source")
        half = 0.45 * min(group.width for group in self.survey.groups)
        for axis in "xy":
            columns[f"{axis}_src"][beside] = half * (2 * draws(f"beside_{axis}")[beside] - 1)
        for images in arcs.values():
            images[other] = 0.0
        if beside.size:
            columns["n_images"][beside] = columns["mu_centre"][beside] = 1
            shown = self._arcs(_take(columns, beside), [psfs[row] for row in beside])
            for name, images in arcs.items():
                images[beside] = shown[name]
        return columns, arcs

    def _lens_images(self, columns):
        """The galaxies' own images, turned."""
        return {
            name: np.stack(
                [
                    turned(stamps[galaxy], turns)
                    for galaxy, turns in zip(columns["galaxy"], columns["turns"], strict=True)
                ]
            )
            for name, stamps in self.galaxies.images.items()
        }

    def _photons(self, columns, arcs):
        """The arcs, with their own photon noise where it is asked for."""
        if not self.settings.poisson:
            return arcs
        noisy = {name: images.copy() for name, images in arcs.items()}
        for row, number in enumerate(columns["candidate"]):
            rng = np.random.default_rng((self.seed, int(number), _POISSON))
            for group in self.survey.groups:
                for b, band in enumerate(group.bands):
                    image = noisy[group.name][row, :, :, b]
                    # the noise of masked sources' slightly negative pixels is that of none
                    rate = np.maximum(image.astype(np.float64), 0.0) * band.total_time
                    image += ((rng.poisson(rate) - rate) / band.total_time).astype(np.float32)
        return noisy

    def _magnification(self, columns):
        """Signed magnification at the middle of each pixel, the same for every band."""
        lens = {name: values[:, None, None] for name, values in lens_of(columns).items()}
        planes = {}
        for group in self.survey.groups:
            axis = (np.arange(group.stamp) - (group.stamp - 1) / 2) * group.pixel_scale
            mu = sie_magnification(axis[None, None, :], axis[None, :, None], **lens)
            mu = np.clip(mu, -1e4, 1e4).astype(np.float32)  # infinite on the critical curve
            planes[group.name] = np.repeat(mu[..., None], len(group.bands), axis=-1)
        return planes

    def _of_bands(self, images, reduce):
        """A number per object and band, (N, bands)."""
        return np.concatenate(
            [reduce(images[group.name], axis=(1, 2)) for group in self.survey.groups], axis=1
        )

    def _truth(self, columns, arcs, lens, noise):
        at = self._at
        flux = self.sources.flux[columns["source"]]
        # in float64: the sum of thousands of pixels
        light = self._of_bands({k: v.astype(np.float64) for k, v in arcs.items()}, np.sum)
        galaxy = self._of_bands({k: v.astype(np.float64) for k, v in lens.items()}, np.sum)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.log10(np.where((light > 0) & (galaxy > 0), light / galaxy, np.nan))
        home = next(g for g in self.survey.groups if self.reference in g.bands)
        seen = arcs[home.name][..., home.bands.index(self.reference)]
        above = seen > noise[:, at, None, None]
        n_pix = above.sum(axis=(1, 2))
        signal = np.where(above, seen, 0.0).sum(axis=(1, 2))
        is_lens = columns["class"] == "lens"
        lens_ids = [self.galaxies.ids[galaxy] for galaxy in columns["galaxy"]]
        known = {
            "id": object_names(columns["candidate"], lens_ids, len(self.galaxies)),
            "label": is_lens.astype(np.int64),
            "configuration": np.select(
                [~is_lens, columns["n_images"] == 4], ["none", "quad"], "double"
            ),
            "lens_id": np.array(lens_ids),
            "source_id": np.array([self.sources.ids[s] for s in columns["source"]]),
            "rotation": columns["turns"],
            "magnification": light[:, at] / flux[:, at],
            "snr": signal / (noise[:, at] * np.sqrt(np.maximum(n_pix, 1))),
            "n_pix": n_pix,
            "arcs_peak": seen.max(axis=(1, 2)),
            "background_rms": noise[:, at],
            "psf_from": np.where(
                [self.reference.name in self.galaxies.psfs[g] for g in columns["galaxy"]],
                "object",
                "survey",
            ),
            "src_size": self.sources.size[columns["source"]],
            "src_mag": self.reference.zero_point - 2.5 * np.log10(flux[:, at]),
            "log_brightness": ratio[:, at],
        }
        for b, band in enumerate(self.survey.bands):
            known[f"src_flux_{band.name}"] = flux[:, b]
            known[f"log_brightness_{band.name}"] = ratio[:, b]
        hidden = {"galaxy", "source", "turns"}
        body = {name: values for name, values in columns.items() if name not in hidden}
        return truth_table(body | known, [band.name for band in self.survey.bands])


def _take(columns, rows):
    return {name: values[rows] for name, values in columns.items()}
