"""Fit the mass of one lens: mask, lens light, grids and priors, then the search."""

from dataclasses import dataclass, replace

import numpy as np

from lensfinder import __version__
from lensfinder.errors import ArgumentError, MaskError, NoiseMapError, UnknownNameError
from lensfinder.inversion.engine import Inverter
from lensfinder.inversion.grids import AdaptiveGrid, RectangularGrid
from lensfinder.inversion.lens_fit import LensFit
from lensfinder.inversion.light import PROFILES, fit_light, refitted
from lensfinder.inversion.memory import Memory, fingerprint
from lensfinder.inversion.observation import trimmed_psf
from lensfinder.inversion.parametric import METHODS, check_free
from lensfinder.inversion.pixels import annulus, pixel_centres
from lensfinder.inversion.priors import MassPrior
from lensfinder.inversion.regularisation import Regularisation
from lensfinder.inversion.search import Target
from lensfinder.inversion.tops import refined_maxima

# Raise it when the same image and settings give other numbers: what an interrupted fit or audit has
# kept is then not gone on with.
FIT_VERSION = 6
# Of the source, an eighth of the fitted ones. With twice as many the log evidence of true masses is
# the same within 1 and scatters half as much, but a model takes 2.3 times as long
# (benchmarks/source_grid.py).
MOST_PIXELS, FEWEST_PIXELS = 300, 120
SEARCHED_PIXELS = 100  # at least, in the search, which has half of them
# How the source pixels and their smoothness follow the light of the arcs. At half of that the log
# evidence of true masses is lower by 43 in the median, without by 220, and scatters more when the
# number of pixels is changed by some percent.
BRIGHT, RELIEF = 1.0, 2.0
SUB = 2  # rays along a side; four of them moved the log evidence of a mock lens by 0.3
LENS_LIGHT = ("none", "subtracted", "fitted")
LIGHT_RADIUS = 5.0  # arcsec, largest disc in which the lens light is looked at
CORE = 3.0  # pixels about the lens in which what the light leaves over is not an arc
EDGE = 3.0  # pixels beyond the annulus: wings of arcs that the light of the lens had covered
OFFSET, LOOSE = 0.05, 0.1  # arcsec, scatter of the mass about the centre of the light
SEARCHED_PSF = 0.9  # of the light of the PSF, in the search
BLIND = 1e6  # times the noise of pixels that are not usable
PASSES = 2  # searches after which the light of the lens is fitted again without the arcs found
FAINT = 0.3  # lens light over that of the arcs, below which a mock's radius was off by five sigma
NEGATIVE = 0.05  # of the lens light, above which the fit says so


def fit_lens(
    image,
    noise,
    *,
    psf,
    pixel_scale,
    prior: MassPrior | None = None,
    shear: bool = False,
    power_law: bool = False,
    mask=None,
    usable=None,
    grid=None,
    method: str = "maximise",
    lens_light: str = "none",
    light_profile: str = "mge",
    seed: int = 0,
    tolerance: float = 0.1,
    folder=None,
    overwrite: bool = False,
    progress=None,
) -> LensFit:
    """Fit the mass of one lens by reconstructing its source.

    Parameters
    ----------
    image : array (H, W)
        Image, in any unit of brightness per pixel.
    noise : array (H, W) or float
        Standard deviation per pixel, in the same unit.
    psf : array (h, w) or None
        Point spread function on the pixels of the image, sides odd.
    pixel_scale : float
        Arcsec per pixel.
    prior : MassPrior, optional
        Priors; when absent wide ones, with theta_E up to the edge of the mask. Where they leave the
        centre as it is by default, it is expected near that of the lens light, if there is any.
    shear : bool
        Whether an external shear is fitted where the priors fix it.
    power_law : bool
        Whether the slope of the mass is fitted where the priors fix it, at 2 unless they say
        otherwise.
    mask : bool array (H, W) or AnnularMask, optional
        True where a pixel is to be fitted. When absent an annulus about the arcs, found by
        `annular_mask`; with fitted lens light the whole disc inside it.
    usable : bool array (H, W), optional
        False where a pixel is known to be bad and is left out of the mask that is found; its value
        must be finite and its noise positive.
    grid : RectangularGrid or AdaptiveGrid, optional
        How to divide the source; by the number of fitted pixels when absent.
    method : str
        ``maximise`` (evidence maximised, errors from its curvature, widened) or ``nested``
        (sampling).
    lens_light : str
        ``none`` if the image holds none; ``subtracted`` to fit it first and take it off;
        ``fitted`` to solve for its amplitudes together with the source. Its shape is then fitted
        three times: with the arcs clipped away, and with the arcs of two searches taken off.
    light_profile : str
        ``mge`` (Gaussians of one shape, of ten widths) or ``sersic`` (one profile).
    seed : int
        Of what is random: the sampler, and the draws behind percentiles.
    tolerance : float
        How exactly the maximum is found, in log evidence.
    folder : path-like, optional
        Where to remember evaluations: a fit that was interrupted goes on from there to the same
        result.
    overwrite : bool
        Whether what another fit has left in `folder` is replaced, not refused.
    progress : callable, optional
        Told a `lensfinder.inversion.Progress` whenever the fit improves.

    Returns
    -------
    LensFit
        Mass with errors, reconstruction and evidence; `status` says what is doubtful.

    Raises
    ------
    InversionError
        One of its kinds, if the input cannot be fitted; `FitError` if no model fits it.
    CheckpointError
        If the folder holds another fit, or one of another version of this code.
    UnknownNameError
        If there is no such method, or way with the lens light.
    """
    if method not in METHODS:
        raise UnknownNameError("method of fitting", method, METHODS)
    if lens_light not in LENS_LIGHT:
        raise UnknownNameError("way with the lens light", lens_light, LENS_LIGHT)
    if light_profile not in PROFILES:
        raise UnknownNameError("profile of the lens light", light_profile, PROFILES)
    if not (np.isfinite(tolerance) and tolerance > 0):
        raise ArgumentError(f"The tolerance must be positive. Received: {tolerance}. Try 0.1.")
    image = np.asarray(image, dtype=np.float64)
    if usable is not None:  # neither the light of the lens nor the arcs are looked for there
        noise = np.where(usable, noise, BLIND * np.asarray(noise, dtype=np.float64))
    given = None if mask is None else np.asarray(getattr(mask, "pixels", mask))
    job = _Job(image, noise, psf, pixel_scale, given, usable, grid, lens_light == "fitted")
    light = None
    if lens_light != "none":
        known = dict(psf=psf, pixel_scale=pixel_scale, profile=light_profile)
        light = _light(image, noise, given, **known)
    setup = job.setup(light)
    asked = prior or wide_prior(setup.inverter.observation)
    check_free(_completed(asked, light, shear, power_law))
    memory = Memory(
        folder,
        version=FIT_VERSION,
        replace=overwrite,
        fingerprint=fingerprint(
            *(image, np.asarray(noise, np.float64), psf, setup.mask, str(pixel_scale)),
            *(_completed(asked, light, shear, power_law).model_dump_json(),),
            *(setup.grid.model_dump_json(), method, lens_light, light_profile),
            *(str(seed), str(tolerance), __version__),
        ),
    )
    try:
        for turn in range(PASSES if job.joint else 0):
            loose = _completed(asked, light, shear, power_law, sigma=LOOSE)
            arcs = _first_arcs(setup, loose, memory, progress, turn=turn)
            light = _light(image - arcs, noise, given, **known)
            setup = job.setup(light, mask=setup.mask, held=turn < PASSES - 1)
        found = METHODS[method](
            setup.inverter,
            _completed(asked, light, shear, power_law),
            coarse=setup.coarse,
            seed=seed,
            tolerance=tolerance,
            memory=memory,
            progress=progress,
        )
    finally:
        memory.close()
    if light is None:
        return found
    if job.joint:
        light = refitted(light, found.inversion.light, setup.inverter.observation)
    remarks = ("faint_light",) if job.joint and _faint(light, found.inversion) else ()
    remarks += ("negative_light",) if job.joint and light.negative > NEGATIVE else ()
    remarks += () if light.centred else ("light_off_centre",)
    return replace(found, light=light, status=found.status + remarks)


@dataclass(frozen=True, eq=False)
class _Setup:
    """What a search needs: the lens on a grid, and on a coarser and faster one."""

    inverter: Inverter
    coarse: Inverter
    mask: np.ndarray
    grid: AdaptiveGrid | RectangularGrid


@dataclass(frozen=True, eq=False)
class _Job:
    """One lens as it was given, from which the light of the lens is yet to be told apart."""

    image: np.ndarray
    noise: np.ndarray
    psf: np.ndarray
    pixel_scale: float
    given: np.ndarray | None
    usable: np.ndarray | None
    grid: AdaptiveGrid | RectangularGrid | None
    joint: bool

    def setup(self, light, *, mask=None, held=True) -> _Setup:
        """Mask, source grid and inverters, once the light of the lens is known.

        The shape of a light that is to be fitted again is `held`: it may have been taken from the
        arcs. While there is no mask, too, the source is smooth all over.
        """
        first, components = self.joint and mask is None, None
        if self.joint:
            components = light.rigid if held else light.components
        rest = self.image if light is None else self.image - light.image
        mask = self.given if mask is None else mask
        if mask is None:
            mask = _arcs(rest, self.noise, light, self.pixel_scale, whole=self.joint)
            mask = mask if self.usable is None else mask & self.usable
        relief = 0.0 if first else RELIEF
        chosen = self.grid or _grid(int(np.count_nonzero(mask)), relief)
        # `gradient` is smooth in the mass: see `search`.
        words = dict(pixel_scale=self.pixel_scale, mask=mask, arcs=rest)
        words |= dict(regularisation=Regularisation(kind="gradient"))
        words |= dict(light=components)
        shown = self.image if self.joint else rest
        # The search uses the core of the PSF: its wings are most of its pixels, and of the time.
        core = None if self.psf is None else trimmed_psf(self.psf, kept=SEARCHED_PSF)
        return _Setup(
            Inverter(shown, self.noise, psf=self.psf, source=chosen, **words),
            Inverter(shown, self.noise, psf=core, source=_coarser(chosen), **words),
            mask,
            chosen,
        )


def _faint(light, inversion):
    """Whether the arcs hold much more light than the lens, where both are fitted."""
    sky = light.amplitudes[-1] * light.components[-1]
    lens = float((light.image - sky)[inversion.fitted].sum())
    return lens < FAINT * float(inversion.model.sum())


def _first_arcs(setup, prior, memory, progress, *, turn):
    """Image of the arcs for the best model of a coarse search, 0 outside the mask."""
    search = Target(setup.coarse, prior, memory, grid=f"first {turn}", progress=progress)
    # any solution that explains the arcs will do
    tops = refined_maxima(search, stretches=3, starts=1)
    inversion = setup.inverter.invert(prior.mass(tops[0][1]))
    return setup.inverter.observation.image(inversion.model)


def wide_prior(observation) -> MassPrior:
    """The default priors: theta_E anywhere from a pixel to the edge of what is fitted.

    Parameters
    ----------
    observation : Observation
        The fitted pixels.

    Returns
    -------
    MassPrior
        The priors.
    """
    farthest = float(np.hypot(observation.x, observation.y).max())
    low = observation.pixel_scale
    return MassPrior().uniform("theta_E", low, max(farthest, 2.0 * low))


def _completed(prior, light, shear, power_law, *, sigma=OFFSET):
    """Where a prior says nothing of its own: centre at the lens light, and what is asked for."""
    silent = (prior.x, prior.y) == (MassPrior().x, MassPrior().y)
    if light is not None and silent and light.centred:
        prior = prior.centred(light.x, light.y, sigma=sigma)
    prior = prior.sheared() if shear else prior
    return prior.power_law() if power_law else prior


def _light(image, noise, mask, *, psf, pixel_scale, profile):
    """The lens light in a disc: one that holds the given mask, or a wide one."""
    sigma = np.broadcast_to(np.asarray(noise, dtype=np.float64), image.shape)
    radius = min(LIGHT_RADIUS, 0.5 * min(image.shape) * pixel_scale)
    if mask is not None and mask.any():
        x, y = np.broadcast_arrays(*pixel_centres(image.shape, pixel_scale))
        radius = float(np.hypot(x, y)[mask].max())
    disc = annulus(image.shape, pixel_scale=pixel_scale, inner=0.0, outer=radius)
    good = np.isfinite(image) & np.isfinite(sigma) & (sigma > 0)
    bad = disc & ~good if mask is None else mask & ~good
    if bad.any():
        raise NoiseMapError(
            f"{int(bad.sum())} pixels have no finite value or no positive noise. Take them out of "
            "the mask."
        )
    known = dict(psf=psf, pixel_scale=pixel_scale, profile=profile)
    return fit_light(image, sigma, mask=disc & good, **known)


def _arcs(rest, noise, light, pixel_scale, *, whole):
    """Mask about the arcs; `whole` for the disc instead of the annulus."""
    from lensfinder.inversion.mask import annular_mask  # scikit-image takes a while to import

    if light is None:
        return annular_mask(rest, noise, pixel_scale=pixel_scale).pixels
    x, y = np.broadcast_arrays(*pixel_centres(rest.shape, pixel_scale))
    distance = np.hypot(x - light.x, y - light.y)
    outside = (distance < CORE * pixel_scale) | (np.hypot(x, y) > LIGHT_RADIUS)
    arcs = annular_mask(np.where(outside, 0.0, rest), noise, pixel_scale=pixel_scale).arc
    seen = distance[arcs]
    if not seen.size:
        raise MaskError("No arc is left beside the lens light. Give a mask.")
    inner = 0.0 if whole else max(0.9 * float(seen.min()), CORE * pixel_scale)
    outer = 1.1 * float(seen.max()) + EDGE * pixel_scale
    return (distance >= inner) & (distance <= outer)


def _grid(pixels, relief):
    """Source pixels for a number of fitted ones: an eighth, for small masks up to a quarter."""
    count = int(np.clip(pixels // 8, min(FEWEST_PIXELS, max(pixels // 4, 4)), MOST_PIXELS))
    return AdaptiveGrid(pixels=count, sub=SUB, bright=BRIGHT, relief=relief)


def _coarser(grid):
    """The grid that a search begins on."""
    if grid.kind == "adaptive":
        pixels = max(grid.pixels // 2, min(grid.pixels, SEARCHED_PIXELS))
        # Smooth all over, so that the peaks which are climbed to are broad.
        words = {"pixels": pixels, "sub": min(grid.sub, 2), "relief": 0.0}
        return grid.model_copy(update=words)
    shape = tuple(max(side // 2, 3) for side in grid.shape)
    return grid.model_copy(update={"shape": shape, "sub": min(grid.sub, 2)})
