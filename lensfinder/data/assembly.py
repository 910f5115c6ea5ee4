"""Cutouts, as they were read, made into the arrays a model takes; or a status that says why not."""

from dataclasses import dataclass, field

import numpy as np

from lensfinder.data import resampling as grids
from lensfinder.data.units import canonical_unit, scale_between, zero_point_of
from lensfinder.errors import STATUS, ArgumentError, UnitError, UnknownNameError
from lensfinder.specs import InputContract, load_survey
from lensfinder.specs.contract import PIXEL_SCALE_RTOL

EXTREME = 1e9
"""Largest credible |pixel| in e-/s: a star of magnitude 3 in a Euclid pixel is below it."""


@dataclass(frozen=True)
class Assume:
    """What to take for cutouts that do not say; never used against what a file says.

    Attributes
    ----------
    pixel_scale : float or None
        Arcsec per pixel.
    unit : str or None
        Pixel unit.
    zero_point : float or None
        AB magnitude of one unit.
    plane : str or None
        ``S3`` for images of sources alone, as a cleaner leaves them; ``S2`` without noise.
    """

    pixel_scale: float | None = None
    unit: str | None = None
    zero_point: float | None = None
    plane: str | None = None

    def __post_init__(self):
        if self.plane not in (None, "S1", "S2", "S3"):
            raise ArgumentError(
                f"A plane is S1 (noisy), S2 (without noise) or S3 (the source alone). Received: "
                f"{self.plane!r}."
            )


@dataclass
class CutoutBatch:
    """Objects in the order they came in, as arrays.

    Attributes
    ----------
    ids : list of str
        One per row.
    images : dict of str to array (N, stamp, stamp, bands) float32
        One per group. Rows with a status are zero.
    status : array (N,) int64
        Bits of `STATUS`; 0 is good.
    messages : list of str
        What is wrong with a row; notes (e.g. mended pixels) on good ones.
    paths : list of str
        Where each object was read.
    """

    ids: list[str]
    images: dict[str, np.ndarray]
    status: np.ndarray
    messages: list[str]
    paths: list[str] = field(default_factory=list)

    @property
    def ok(self) -> np.ndarray:
        """Rows that can be used."""
        return self.status == 0

    def __len__(self):
        return len(self.ids)


def assemble(
    cutouts,
    contract: InputContract,
    *,
    resample=False,
    calibrate=False,
    survey=None,
    band_map=None,
    assume=None,
    pad=False,
    max_bad_fraction=0.0,
) -> CutoutBatch:
    """Make cutouts fit an input contract, one by one; no row influences another.

    Parameters
    ----------
    cutouts : iterable of Cutout
        The objects.
    contract : InputContract
        Groups, bands, stamp sizes, pixel scales and unit a model needs.
    resample : bool
        False: stamps must have the right size and pixel scale. True: they are brought to it about
        their centre, by cutting where the pixel scale is right and else by resampling that
        conserves flux (`lensfinder.data.resampling`).
    calibrate : bool
        False: pixels must be in the contract's unit, and are taken as they are. True: pixels with
        an AB zero point are multiplied by 10^(0.4 (ZP_survey - ZP_image)), so that they are what
        the survey would have counted per second; those in the contract's unit whose zero point is
        not known are taken as they are. Exposure time, PSF and noise stay those of the image.
    survey : Survey, str or None
        Whose zero points to calibrate to; by default the contract's survey.
    band_map : dict of str to str, optional
        Which band of the cutouts to take for a band of the contract, e.g. ``{"VIS": "F814W"}``.
    assume : Assume, optional
        Pixel scale, unit and zero point for cutouts that do not say.
    pad : bool
        With `resample`: fill what the image does not cover with the median of its outermost
        pixels, instead of raising the status ``edge``. A padded border is no sky, and networks see
        it.
    max_bad_fraction : float
        Up to this fraction of not finite pixels of a stamp is replaced by the mean of their finite
        neighbours, and noted in the message; more of them raise ``nan_pixels``. 0 mends nothing.

    Returns
    -------
    CutoutBatch
        One row per cutout, in their order.

    Raises
    ------
    UnknownNameError
        If `calibrate` is asked for and the survey does not know a band of the contract.
    """
    fitter = Fitter(
        contract,
        resample,
        zero_points_of(contract, survey) if calibrate else None,
        {band: (band_map or {}).get(band, band) for band in contract.bands},
        assume or Assume(),
        pad,
        max_bad_fraction,
    )
    ids, status, messages, paths = [], [], [], []
    stacks = {name: [] for name in contract.shapes}
    for cutout in cutouts:
        images, bits, message = fitter.fit(cutout)
        for name, image in images.items():
            stacks[name].append(image)
        ids.append(cutout.id)
        status.append(bits)
        messages.append(message)
        paths.append(cutout.path)
    arrays = {
        name: np.stack(stack) if stack else np.zeros((0, *contract.shapes[name]), np.float32)
        for name, stack in stacks.items()
    }
    return CutoutBatch(ids, arrays, np.array(status, np.int64), messages, paths)


def bands_taken(ours, band_map) -> dict[str, str]:
    """Which band of the files is taken for each band that is needed.

    Parameters
    ----------
    ours : sequence of str
        Bands of a survey, or that a network needs.
    band_map : dict of str to str or None
        Some of them, and the bands of the files to take; the others have the same name.

    Returns
    -------
    dict of str to str
        One entry per band of `ours`.

    Raises
    ------
    UnknownNameError
        If a band that is not needed is mapped.
    """
    given = band_map or {}
    if unknown := set(given) - set(ours):
        raise UnknownNameError("band", min(unknown), ours)
    return {name: given.get(name, name) for name in ours}


def zero_points_of(contract, survey) -> dict[str, float]:
    """Zero point per band of a contract, of a survey or of the one it was made for."""
    survey = load_survey(contract.survey if survey is None else survey)
    return {band: survey.band(band).zero_point for band in contract.bands}


@dataclass(frozen=True)
class Fitter:
    """Makes cutouts fit one by one; see `assemble` for what its attributes are."""

    contract: InputContract
    resample: bool
    zero_points: dict[str, float] | None
    band_map: dict[str, str]
    assume: Assume
    pad: bool
    max_bad_fraction: float

    def fit(self, cutout):
        """Arrays per group, status bits and message of one cutout."""
        problems = Problems(cutout.status, [cutout.message] if cutout.message else [])
        images = {name: np.zeros(s, np.float32) for name, s in self.contract.shapes.items()}
        if not cutout.status:
            for group in self.contract.groups:
                for channel, band in enumerate(group.bands):
                    stamp = self._band(cutout, group, band, problems)
                    if stamp is not None:
                        images[group.name][..., channel] = stamp
        if problems.status:
            images = {name: np.zeros_like(image) for name, image in images.items()}
        return images, problems.status, "; ".join(problems.words)

    def image(self, cutout, band, problems):
        """Name that the file gives to a band, and its image."""
        source = self.band_map[band]
        image = cutout.bands.get(source)
        if image is None:
            held = ", ".join(name or "(unnamed)" for name in cutout.bands) or "none"
            # FITS writers make names of extensions upper case; names of bands are not the same then
            alike = [name for name in cutout.bands if name.lower() == source.lower()]
            hint = f"; is it {alike[0]}? Then add --band-map {band}={alike[0]}" if alike else ""
            words = f"band {source} is missing (bands of the file: {held}){hint}"
            problems.add("missing_band", words)
        return source, image

    def _band(self, cutout, group, band, problems):
        source, image = self.image(cutout, band, problems)
        if image is None:
            return None
        scale = cutout.pixel_scales.get(source) or self.assume.pixel_scale
        factor = self.factor(cutout, source, band, scale, problems)
        stamp = self._stamp(image, scale, group, band, problems)
        if factor is None or stamp is None:
            return None
        stamp = self._mend(stamp, band, problems)
        if stamp is None:
            return None
        with np.errstate(over="ignore"):  # what overflows is flagged as extreme next
            stamp = stamp * np.float32(factor)
        peak = float(np.max(np.abs(stamp)))
        if not peak <= EXTREME:
            problems.add("extreme_pixels", f"band {band} reaches {peak:.3g} {self.contract.unit}")
            return None
        if stamp.min() == stamp.max():
            problems.add("constant_image", f"every pixel of band {band} is {stamp.flat[0]:g}")
            return None
        return stamp

    def factor(self, cutout, source, band, scale, problems) -> float | None:
        """What brings the pixels of a band to the contract's unit."""
        unit = cutout.units.get(source) or canonical_unit(self.assume.unit)
        if self.zero_points is None:
            if unit == self.contract.unit:
                return 1.0
            problems.add(
                "wrong_unit",
                f"band {band} is in {unit or 'an unstated unit'}, not {self.contract.unit}; "
                "--calibrate (calibrate=True) converts units with a zero point",
            )
            return None
        stated = cutout.zero_points.get(source)
        stated = self.assume.zero_point if stated is None else stated
        zero_point = zero_point_of(unit, stated, scale)
        if zero_point is None:
            if unit == self.contract.unit:
                return 1.0
            problems.add(
                "wrong_unit",
                f"band {band} is in {unit or 'an unstated unit'} without a known zero point",
            )
            return None
        try:
            return scale_between(zero_point, self.zero_points[band])
        except (UnitError, OverflowError):
            problems.add("wrong_unit", f"band {band} has the zero point {zero_point}")
            return None

    def _stamp(self, image, scale, group, band, problems):
        if image.ndim != 2 or min(image.shape) < 2:
            problems.add("wrong_shape", f"band {band} has shape {image.shape}")
            return None
        if scale is None:
            problems.add(
                "wrong_pixel_scale",
                f"the pixel scale of band {band} is not stated (PIXSCALE or WCS)",
            )
            return None
        if not np.isfinite(scale) or scale <= 0:
            problems.add("wrong_pixel_scale", f"band {band} has the pixel scale {scale}")
            return None
        same_scale = abs(scale / group.pixel_scale - 1.0) <= PIXEL_SCALE_RTOL
        if not self.resample:
            if not same_scale:
                problems.add(
                    "wrong_pixel_scale",
                    f'band {band} has {scale:.4g}"/pixel instead of {group.pixel_scale:g}; '
                    "--resample (resample=True) changes it",
                )
            if image.shape != (group.stamp, group.stamp):
                problems.add(
                    "wrong_shape",
                    f"band {band} has {image.shape[0]}x{image.shape[1]} pixels instead of "
                    f"{group.stamp}x{group.stamp}; --resample (resample=True) cuts it to size",
                )
            return image if same_scale and image.shape == (group.stamp, group.stamp) else None
        return self._fit_to_grid(image, scale, same_scale, group, band, problems)

    def _fit_to_grid(self, image, scale, same_scale, group, band, problems):
        target = scale if same_scale else group.pixel_scale
        if not grids.covers(image.shape, scale, target, group.stamp):
            width = min(image.shape) * scale
            words = f'band {band} is {width:.3g}" wide, the stamp {group.stamp * target:.3g}"'
            if not self.pad:
                problems.add("edge", words)
                return None
            problems.note(words + ", padded")
            # a stamp of a few pixels at a coarse scale may ask for a gigantic border: bounded
            short = int(np.ceil((group.stamp * target / scale - min(image.shape)) / 2)) + 1
            if short > 50 * group.stamp:
                problems.add("wrong_pixel_scale", f"band {band} has {scale:.4g} arcsec per pixel")
                return None
            image = _pad(image, short)
        if same_scale:
            return grids.crop(image, group.stamp)
        return grids.resample(image, scale, target, group.stamp)

    def _mend(self, stamp, band, problems):
        bad = ~np.isfinite(stamp)
        count = int(bad.sum())
        if not count:
            return stamp
        if count > self.max_bad_fraction * stamp.size or count == stamp.size:
            problems.add("nan_pixels", f"{count} of {stamp.size} pixels of band {band} are bad")
            return None
        problems.note(f"{count} bad pixels of band {band} were replaced by their neighbours' mean")
        return _fill(stamp, bad)


@dataclass
class Problems:
    """What is wrong with an object, or worth a note."""

    status: int
    words: list[str]

    def add(self, flag, words):
        """Raise a flag of `STATUS`, and say why."""
        self.status |= STATUS[flag]
        self.words.append(words)

    def note(self, words):
        """Say what was done, where nothing is wrong."""
        self.words.append(words)


def _pad(image, width):
    frame = np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])
    finite = frame[np.isfinite(frame)]
    level = np.median(finite) if finite.size else 0.0
    return np.pad(image, width, constant_values=np.float32(level))


def _fill(stamp, bad):
    """Replace bad pixels by the mean of their finite neighbours, growing inwards."""
    stamp, bad = np.where(bad, 0.0, stamp).astype(np.float64), bad.copy()
    while bad.any():
        total, count = _neighbours(stamp), _neighbours((~bad).astype(float))
        reached = bad & (count > 0)
        stamp[reached] = total[reached] / count[reached]
        bad &= ~reached
    return stamp.astype(np.float32)


def _neighbours(array):
    """Sum over the 3x3 block around each pixel."""
    rows = np.pad(array, 1)
    rows = rows[:-2] + rows[1:-1] + rows[2:]
    return rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
