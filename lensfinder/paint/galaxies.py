"""Real galaxies to paint on: their stamps, light moments, noise, PSFs, redshifts, dispersions."""

from dataclasses import dataclass, field

import numpy as np

from lensfinder.data.assembly import Assume, assemble, bands_taken
from lensfinder.data.readers import read_cutouts
from lensfinder.data.resampling import crop
from lensfinder.errors import STATUS, LensfinderError, SimulationError
from lensfinder.paint.catalogue import open_catalogue, read_psf_file
from lensfinder.paint.moments import Moments, adaptive_moments, corner_noise
from lensfinder.paint.psf import object_psf
from lensfinder.specs import InputContract
from lensfinder.specs.contract import PIXEL_SCALE_RTOL

COLUMNS = ("z_lens", "sigma_v", "psf_scale")
APERTURE_ARCSEC = 3.0  # radius in which the magnitude for the fallback of sigma_v is measured


@dataclass
class Galaxies:
    """Galaxies that arcs can be painted on, in the order they were read.

    Attributes
    ----------
    ids : list of str
        Their names.
    images : dict of str to list of array (stamp, stamp, bands)
        Per group, in the survey's units: electron/s at the survey's zero points.
    moments : list of Moments
        Of the reference band.
    noise : array (N, bands)
        RMS of the background, electron/s.
    magnitude : array (N,)
        AB, within 3 arcsec, in the reference band; NaN where the sky is brighter.
    z_lens, sigma_v : array (N,)
        From the catalogue; NaN where it has none.
    psfs : list of dict of str to (array, float)
        PSF image and its pixel scale, by band; empty where there is none.
    refused : list of (str, str, str)
        Objects that could not be taken: id, status, why.
    """

    ids: list[str] = field(default_factory=list)
    images: dict[str, list[np.ndarray]] = field(default_factory=dict)
    moments: list[Moments] = field(default_factory=list)
    noise: np.ndarray | list = field(default_factory=list)
    magnitude: np.ndarray | list = field(default_factory=list)
    z_lens: np.ndarray | list = field(default_factory=list)
    sigma_v: np.ndarray | list = field(default_factory=list)
    psfs: list[dict] = field(default_factory=list)
    refused: list[tuple[str, str, str]] = field(default_factory=list)

    def __len__(self):
        return len(self.ids)


def read_galaxies(
    lenses,
    survey,
    settings,
    *,
    catalogue=None,
    layout=None,
    band_map=None,
    assume: Assume | None = None,
    resample: bool = False,
    max_bad_fraction: float = 0.0,
    psf_scale: float | None = None,
) -> Galaxies:
    """Read the galaxies to paint on.

    Cutouts may be larger than the survey's stamps, and should: the sky's noise is measured in
    their corners (Schuldt et al. 2021 take 40 arcsec). They are cut to the stamps afterwards.

    Parameters
    ----------
    lenses : path, sequence of path, or iterable of Cutout
        What `lensfinder.data.read_cutouts` reads, or what it gives.
    survey : Survey
        Bands, pixel scale, stamp and zero points to make them fit.
    settings : Settings
        With the reference band.
    catalogue : table, path or None
        Columns ``id``, ``z_lens``, ``sigma_v`` (km/s), ``psf`` (a FITS file), ``psf_scale``
        (arcsec); any of them but the first may lack, for all rows or for some.
    layout : str, path, Layout or None
        How the files are laid out.
    band_map : dict of str to str or None
        Which band of the files to take for a band of the survey.
    assume : Assume or None
        Pixel scale, unit, zero point for files that do not say.
    resample : bool
        Whether other pixel scales are resampled; flux is conserved.
    max_bad_fraction : float
        Up to this fraction of bad pixels is mended.
    psf_scale : float or None
        Arcsec per pixel of PSF images that do not say. None: that of the galaxy's image.

    Returns
    -------
    Galaxies
        Those that can be used; the others in `refused`.

    Raises
    ------
    SimulationError
        If none can be used.
    UnknownNameError
        If the survey has no band of `band_map`.
    ArgumentError
        If the catalogue is not one, or is about other galaxies.
    """
    table = open_catalogue(catalogue, COLUMNS)
    theirs = bands_taken([band.name for band in survey.bands], band_map)
    if _are_paths(lenses):
        lenses = read_cutouts(lenses, layout=layout, bands=tuple(dict.fromkeys(theirs.values())))
    fit = _Fit(survey, settings, theirs, assume or Assume(), resample, max_bad_fraction, psf_scale)
    found = Galaxies(images={group.name: [] for group in survey.groups})
    taken = {}  # in order
    for cutout in lenses:
        if cutout.id in taken:
            found.refused.append((cutout.id, "twice", "another cutout has the same id"))
            continue
        taken[cutout.id] = True
        try:
            fit.add(found, cutout, table)
        except LensfinderError as error:
            found.refused.append((cutout.id, getattr(error, "status", "unusable"), str(error)))
    table.check_ids(taken)
    if not len(found):
        first = f" The first: {found.refused[0][0]}: {found.refused[0][2]}" if found.refused else ""
        raise SimulationError(
            f"None of {len(found.refused)} galaxies can be painted on.{first} "
            "See the options --layout, --band-map, --resample and --assume-...."
        )
    for name in ("noise", "magnitude", "z_lens", "sigma_v"):
        setattr(found, name, np.array(getattr(found, name), np.float64))
    return found


def _are_paths(lenses) -> bool:
    from os import PathLike

    if isinstance(lenses, str | PathLike):
        return True
    return isinstance(lenses, list | tuple) and all(isinstance(x, str | PathLike) for x in lenses)


class _Fit:
    """One galaxy after the other, made to fit the survey and measured."""

    def __init__(self, survey, settings, theirs, assume, resample, max_bad_fraction, psf_scale):
        self.survey, self.theirs, self.psf_scale = survey, theirs, psf_scale
        self.assume = assume
        self.options = {
            "resample": True,  # cuts; whether pixel scales may change is checked before
            "calibrate": True,
            "survey": survey,
            "band_map": theirs,
            "assume": assume,
            "max_bad_fraction": max_bad_fraction,
        }
        self.resample = resample
        self.contract = InputContract.from_survey(survey)
        self.reference = settings.reference(survey)
        self.home = next(g for g in survey.groups if self.reference in g.bands)

    def add(self, found, cutout, table):
        known = {name: table.plausible(cutout.id, name) for name in ("z_lens", "sigma_v")}
        wide = self._images(cutout)
        stamps = {
            group.name: np.stack(
                [crop(wide[group.name][..., b], group.stamp) for b in range(len(group.bands))],
                axis=-1,
            )
            for group in self.survey.groups
        }
        channel = self.home.bands.index(self.reference)
        light = stamps[self.home.name][..., channel]
        moments = adaptive_moments(light, self.home.pixel_scale)
        noise = [
            corner_noise(wide[group.name][..., b])
            for group in self.survey.groups
            for b in range(len(group.bands))
        ]
        if not min(noise) > 0:
            raise SimulationError("A corner of the image has no noise at all. Leave it out.")
        psfs = self._psfs(cutout, table)
        for name, stamp in stamps.items():
            found.images[name].append(np.ascontiguousarray(stamp, np.float32))
        found.ids.append(cutout.id)
        found.moments.append(moments)
        found.noise.append(noise)
        found.magnitude.append(self._magnitude(light, moments))
        for name, value in known.items():
            getattr(found, name).append(value)
        found.psfs.append(psfs)

    def _images(self, cutout):
        """The whole cutout per group, on the survey's pixels and in its unit."""
        groups = []
        for group in self.contract.groups:
            side = group.stamp
            for band in group.bands:
                image = cutout.bands.get(self.theirs[band])
                scale = cutout.pixel_scales.get(self.theirs[band]) or self.assume.pixel_scale
                if image is None or not scale or image.ndim != 2:
                    continue  # `assemble` says what is wrong
                same = abs(scale / group.pixel_scale - 1.0) <= PIXEL_SCALE_RTOL
                if not same and not self.resample:
                    raise SimulationError(
                        f'Band {band} has {scale:.4g}"/pixel instead of {group.pixel_scale:g}. '
                        "Add --resample, or choose another survey.",
                        status="wrong_pixel_scale",
                    )
                fits = min(image.shape) * (1.0 if same else scale / group.pixel_scale)
                # of the same parity, so that the middle stays where it is
                room = max(0, int(fits + 1e-6) - group.stamp) // 2 * 2
                side = group.stamp + room if side == group.stamp else min(side, group.stamp + room)
            groups.append(group.model_copy(update={"stamp": side}))
        contract = self.contract.model_copy(update={"groups": tuple(groups)})
        batch = assemble([cutout], contract, **self.options)
        if batch.status[0]:
            status = STATUS.decode(int(batch.status[0]))
            raise SimulationError(batch.messages[0] or status, status=status)
        return {name: images[0] for name, images in batch.images.items()}

    def _magnitude(self, light, moments) -> float:
        axis = (np.arange(light.shape[0]) - (light.shape[0] - 1) / 2) * self.home.pixel_scale
        radius = np.hypot(axis[None, :] - moments.x, axis[:, None] - moments.y)
        flux = float(light[radius < APERTURE_ARCSEC].sum())
        return self.reference.zero_point - 2.5 * np.log10(flux) if flux > 0 else float("nan")

    def _psfs(self, cutout, table):
        """PSF image and pixel scale by band of the survey; checked, so that none fails later."""
        images, scale = dict(cutout.psfs), None
        path = table.file(cutout.id)
        if path is not None:
            images, scale = read_psf_file(path, tuple(self.theirs.values()))
        stated = table.value(cutout.id, "psf_scale")
        scale = stated if stated > 0 else scale
        found = {}
        for group in self.survey.groups:
            for band in group.bands:
                image = images.get(self.theirs[band.name])
                if image is None:
                    continue
                own = cutout.pixel_scales.get(self.theirs[band.name]) or self.assume.pixel_scale
                found[band.name] = (
                    np.asarray(image, np.float32),
                    float(scale or self.psf_scale or own or group.pixel_scale),
                )
                object_psf(*found[band.name])
        return found
