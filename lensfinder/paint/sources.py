"""Sharp images of galaxies to be lensed: their stamps, brightnesses and redshifts."""

from dataclasses import dataclass

import numpy as np

from lensfinder.data.assembly import Assume, bands_taken
from lensfinder.data.hubble import PIXEL_SCALE, WHITE, channel_weights, hubble_galaxies
from lensfinder.data.readers import read_cutouts
from lensfinder.data.units import scale_between, zero_point_of
from lensfinder.errors import (
    STATUS,
    ArgumentError,
    LensfinderError,
    MissingBandError,
    SimulationError,
    UnitError,
)
from lensfinder.paint.catalogue import open_catalogue
from lensfinder.paint.extract import extract_source, padded_to
from lensfinder.simulate.sources import is_odd
from lensfinder.specs.population import SOURCE_LIBRARIES

# The galaxies of the Hubble Deep Field picture are large and near. As sources they are shown this
# much smaller at the same surface brightness: as they would look farther away, but for the dimming.
HUBBLE_SHRINK = 0.35


@dataclass(frozen=True)
class Sources:
    """Galaxies to be lensed.

    Attributes
    ----------
    ids : tuple of str
        Their names.
    images : array (N, S, S, channels) float32
        Each channel of unit sum; S odd, the brightest pixel in the middle. One channel for all
        bands, or one per band of the survey.
    flux : array (N, bands)
        Electron/s at the survey's zero points.
    size : array (N,)
        Side of the stamps, arcsec.
    z_src : array (N,)
        Redshifts; NaN where the catalogue has none.
    refused : tuple of (str, str, str)
        Stamps that could not be taken: id, status, why.
    """

    ids: tuple[str, ...]
    images: np.ndarray
    flux: np.ndarray
    size: np.ndarray
    z_src: np.ndarray
    refused: tuple[tuple[str, str, str], ...] = ()

    def __len__(self):
        return len(self.ids)

    @property
    def pixel_scale(self) -> np.ndarray:
        """Arcsec per pixel of each stamp."""
        return self.size / self.images.shape[1]

    @classmethod
    def from_stamps(cls, ids, stamps, flux, pixel_scale, z_src=None, refused=()) -> "Sources":
        """Bring stamps to one size and unit sum.

        Parameters
        ----------
        ids : sequence of str
            Their names.
        stamps : sequence of array (S, S, channels)
            S odd and free, the centre of the source in the middle pixel; any unit.
        flux : array (N, bands)
            Electron/s at the survey's zero points.
        pixel_scale : sequence of float
            Arcsec per pixel.
        z_src : sequence of float or None
            Redshifts; NaN or None for not known.
        refused : sequence of (str, str, str)
            What was left out.

        Returns
        -------
        Sources
            The library.
        """
        side = max(stamp.shape[0] for stamp in stamps)
        images = np.stack([padded_to(stamp, side) for stamp in stamps])
        images = images / images.sum(axis=(1, 2), keepdims=True)
        z_src = np.full(len(stamps), np.nan) if z_src is None else np.asarray(z_src, float)
        return cls(
            tuple(ids),
            images.astype(np.float32),
            np.asarray(flux, np.float64),
            np.asarray(pixel_scale, float) * side,
            z_src,
            tuple(refused),
        )


def read_sources(
    sources,
    survey,
    settings,
    *,
    catalogue=None,
    layout=None,
    band_map=None,
    assume: Assume | None = None,
) -> Sources:
    """Read sharp stamps of galaxies.

    Parameters
    ----------
    sources : path, sequence of path, or iterable of Cutout
        What `lensfinder.data.read_cutouts` reads, or what it gives; or the name of a library that
        every user has (``"hubble"``).
    survey : Survey
        Whose bands and zero points.
    settings : Settings
        With the reference band, whose brightest pixel is the source's centre.
    catalogue : table, path or None
        Columns ``id``, ``z_src``, and ``mag_<band>`` per band of the survey: AB magnitudes to take
        instead of those of the stamps.
    layout : str, path, Layout or None
        How the files are laid out.
    band_map : dict of str to str or None
        Which band of the stamps is lensed into a band of the survey, e.g. ``{"g": "F435W"}``; by
        default the one of the same name.
    assume : Assume or None
        Pixel scale, unit and zero point for files that do not say.

    Returns
    -------
    Sources
        Those that can be used; the others in `refused`.

    Raises
    ------
    MissingBandError
        If a band of the survey has no match in any stamp.
    UnitError
        If no stamp has a zero point, nor the catalogue magnitudes.
    UnknownNameError
        If there is no library of this name, or the survey has no band of `band_map`.
    SimulationError
        If no stamp can be used.
    ArgumentError
        If a library is described as if it were files, or the catalogue is not one or is about other
        sources.
    """
    if isinstance(sources, str) and sources in SOURCE_LIBRARIES:
        told = dict(catalogue=catalogue, layout=layout, band_map=band_map or None)
        told["assume"] = None if assume == Assume() else assume
        if odd := sorted(name for name, value in told.items() if value is not None):
            raise ArgumentError(
                f"The library {sources!r} knows its own bands and scale. Leave out {odd}."
            )
        return hubble_sources(survey, settings, library=sources)
    theirs = bands_taken([band.name for band in survey.bands], band_map)
    names = tuple(f"mag_{band}" for band in theirs)
    table = open_catalogue(catalogue, ("z_src", *names))
    if isinstance(sources, str) or hasattr(sources, "__fspath__") or _paths(sources):
        wanted = tuple(dict.fromkeys(theirs.values()))
        sources = read_cutouts(sources, layout=layout, bands=wanted)
    reference = survey.bands.index(settings.reference(survey))
    kept, refused, problems = [], [], []
    for cutout in sources:
        try:
            one = _one(cutout, survey, theirs, reference, table, assume or Assume())
            kept.append((cutout.id, *one))
        except LensfinderError as error:
            problems.append(error)
            refused.append((cutout.id, getattr(error, "status", "unusable"), str(error)))
    table.check_ids(row[0] for row in (*kept, *refused))
    if not kept:
        if problems and isinstance(problems[0], MissingBandError | UnitError):
            raise problems[0]
        first = f" The first: {refused[0][0]}: {refused[0][2]}" if refused else ""
        raise SimulationError(f"None of {len(refused)} source stamps can be used.{first}")
    ids, stamps, scale, factor, given, z_src = zip(*kept, strict=True)
    # the light of the extracted source, unless the catalogue says how bright it is
    light, given = np.stack([stamp.sum(axis=(0, 1)) for stamp in stamps]), np.stack(given)
    flux = np.where(np.isfinite(given), given, light * np.stack(factor))
    good = (light > 0).all(axis=1) & np.isfinite(flux).all(axis=1)
    for k in np.flatnonzero(~good):
        refused.append((ids[k], "dark", "a band of the source has no positive or no known flux"))
    if not good.any():
        raise SimulationError("No source has flux in all bands. See --source-band-map.")
    rows = np.flatnonzero(good)
    return Sources.from_stamps(
        [ids[k] for k in rows],
        # one channel is enough where one image serves all bands
        [stamps[k][..., :1] if len(set(theirs.values())) == 1 else stamps[k] for k in rows],
        flux[rows],
        [scale[k] for k in rows],
        [z_src[k] for k in rows],
        refused,
    )


def _paths(sources) -> bool:
    if not isinstance(sources, list | tuple):
        return False
    return all(isinstance(x, str) or hasattr(x, "__fspath__") for x in sources)


def _one(cutout, survey, theirs, reference, table, assume):
    """Extracted stamp, pixel scale, factor to electron/s, given fluxes, redshift of a stamp."""
    if cutout.status:
        raise SimulationError(cutout.message, status=STATUS.decode(cutout.status))
    images, scales, factors, given = [], set(), [], []
    for band in survey.bands:
        name = theirs[band.name]
        if name not in cutout.bands:
            raise MissingBandError(
                f"The sources have no band {name} for band {band.name} of {survey.name} (they have "
                f"{', '.join(cutout.bands) or 'none'}). Say which to take: --source-band-map "
                f"{band.name}=THEIRS.",
                status="missing_band",
            )
        scale = cutout.pixel_scales.get(name) or assume.pixel_scale
        if not scale or not 0 < scale < 20:
            raise SimulationError(
                f"The pixel scale of source {cutout.id} is not stated. Give --source-pixel-scale.",
                status="wrong_pixel_scale",
            )
        magnitude = table.plausible(cutout.id, f"mag_{band.name}")
        zero_point = zero_point_of(
            cutout.units.get(name) or assume.unit,
            cutout.zero_points.get(name) or assume.zero_point,
            scale,
        )
        if zero_point is None and not np.isfinite(magnitude):
            raise UnitError(
                f"The zero point of band {name} of source {cutout.id} is not known. State MAGZERO, "
                f"give --source-zero-point, or a column mag_{band.name}.",
                status="wrong_unit",
            )
        images.append(cutout.bands[name])
        scales.add(round(float(scale), 9))
        factors.append(np.nan if zero_point is None else scale_between(zero_point, band.zero_point))
        given.append(band.flux(magnitude))
    if len(scales) > 1 or len({image.shape for image in images}) > 1:
        raise SimulationError(
            "The bands of a source must share one pixel grid. Resample them to one.",
            status="wrong_shape",
        )
    z_src = table.plausible(cutout.id, "z_src")
    stamp = extract_source(np.stack(images, axis=-1), reference)
    return stamp, scales.pop(), np.array(factors), np.array(given), z_src


def hubble_sources(survey, settings, *, library: str = "hubble") -> Sources:
    """The galaxies of the Hubble Deep Field picture as sources; uncalibrated, without redshifts.

    Parameters
    ----------
    survey : Survey
        Whose bands; each is the mean of the two channels beside its wavelength.
    settings : Settings
        With the reference band.
    library : {"hubble", "hubble-odd"}
        All galaxies, or those with odd numbers.

    Returns
    -------
    Sources
        Shown at 0.35 of their size in the picture, at the same surface brightness.
    """
    galaxies = hubble_galaxies()
    shapes = galaxies.stamps()
    number = dict(zip(galaxies.table["id"], galaxies.table["segment"], strict=True))
    reference = survey.bands.index(settings.reference(survey))
    weights = np.stack([channel_weights(band.wavelength) for band in survey.bands])
    scale = PIXEL_SCALE * HUBBLE_SHRINK
    # one white pixel of the shrunken picture has this magnitude
    white = WHITE - 5.0 * np.log10(scale)
    names, stamps, flux = [], [], []
    for name, image in zip(shapes.ids, shapes.images, strict=True):
        if library != "hubble" and not is_odd(name):
            continue
        names.append(name)
        light = galaxies.picture[galaxies.segments == number[name]].sum(axis=0)
        cube = (image * light) @ weights.T
        stamps.append(extract_source(cube, reference))
        flux.append([band.flux(white) * cube[..., b].sum() for b, band in enumerate(survey.bands)])
    return Sources.from_stamps(names, stamps, flux, [scale] * len(stamps))
