"""Images of the systems of a table, and what a posterior makes of them."""

from dataclasses import dataclass

import numpy as np

from lensfinder.lensing.cosmology import time_delay
from lensfinder.lensing.delays import match_images, source_of_images
from lensfinder.lensing.multiplicity import ImagePositions, image_positions
from lensfinder.tables.draws import draw_lenses
from lensfinder.tables.lenses import Lenses, lens_arguments
from lensfinder.tables.redshifts import redshifts_fit

PERCENTILES = (16.0, 50.0, 84.0)
FEWEST = 20  # draws that a percentile rests on
_OTHER = 0.5  # Einstein radii from an observed position to what is another image
_AT_ONCE = 100_000  # draws solved together: about 200 MB


@dataclass(frozen=True)
class Solution:
    """Images of R systems, arrays (R, m) unless said otherwise; m is 4 or more.

    Attributes
    ----------
    images : ImagePositions
        Positions, magnifications, and their number.
    x_src, y_src : numpy.ndarray, (R,)
        The source [arcsec].
    seen : numpy.ndarray of int, (R,)
        Column of the image that was observed; -1 where the source was given, or `elsewhere`.
    delay : numpy.ndarray
        Days after the observed image, or else the first; NaN where a redshift is wrong.
    elsewhere : numpy.ndarray of bool, (R,)
        Whether the lens makes no such images as were observed (`not_images`).
    """

    images: ImagePositions
    x_src: np.ndarray
    y_src: np.ndarray
    seen: np.ndarray
    delay: np.ndarray
    elsewhere: np.ndarray


@dataclass(frozen=True)
class Spread:
    """What the draws of R systems say of the images of a `Solution`.

    Attributes
    ----------
    x, y, mu, delay : numpy.ndarray, (3, R, m)
        16th, 50th and 84th percentile, of the draws with as many images as the solution. NaN where
        these are too few.
    x_src, y_src : numpy.ndarray, (3, R)
        Percentiles of the source position, of all draws.
    counts : numpy.ndarray, (R, 4)
        Share of the draws with 1, 2, 3, and 4 or more images.
    used : numpy.ndarray of int, (R,)
        Draws that a lens can have.
    draws : int
        All draws.
    """

    x: np.ndarray
    y: np.ndarray
    mu: np.ndarray
    delay: np.ndarray
    x_src: np.ndarray
    y_src: np.ndarray
    counts: np.ndarray
    used: np.ndarray
    draws: int


def has_source(lenses: Lenses) -> np.ndarray:
    """Whether a source position, or an observed image, is known.

    Parameters
    ----------
    lenses : Lenses
        The systems.

    Returns
    -------
    numpy.ndarray of bool, (N,)
        Per system.
    """
    known = np.isfinite(lenses.x_obs).any(axis=1)
    if {"x_src", "y_src"} <= set(lenses.values):
        known = known | np.isfinite(lenses.values["x_src"] + lenses.values["y_src"])
    return known


def solve_systems(lenses: Lenses, rows, cosmology) -> Solution:
    """Images of some systems of a table, all of which have a source.

    Parameters
    ----------
    lenses : Lenses
        The systems.
    rows : numpy.ndarray of int, (R,)
        Which of them.
    cosmology : str, astropy.cosmology.FLRW or Distances
        As `time_delay` takes it.

    Returns
    -------
    Solution
        Their images.
    """
    values = {name: column[rows] for name, column in lenses.values.items()}
    x_obs, y_obs = lenses.x_obs[rows], lenses.y_obs[rows]
    x_src, y_src = _sources(values, x_obs, y_obs)
    images = image_positions(x_src, y_src, **lens_arguments(values))
    elsewhere = not_images(images, x_obs, y_obs, _OTHER * values["theta_E"])
    seen = np.where(elsewhere, -1, nearest_image(images, x_obs, y_obs))
    first = np.take_along_axis(images.fermat, np.maximum(seen, 0)[:, None], axis=1)
    delay = _days(images.fermat - first, values, cosmology)
    return Solution(images, x_src, y_src, seen, delay, elsewhere)


def spread_systems(
    lenses: Lenses,
    rows,
    solution: Solution,
    *,
    cosmology,
    draws: int,
    seed: int,
    posterior=None,
    position_error: float = 0.0,
) -> Spread:
    """What the posterior of the lenses makes of their images.

    In every draw the source is found anew from the observed images, as Schuldt et al. (2021) do
    for a point estimate, so its error is that of the lens, not one more.

    Parameters
    ----------
    lenses : Lenses
        The systems.
    rows : numpy.ndarray of int, (R,)
        Which of them.
    solution : Solution
        Their images at the parameters of the table.
    cosmology : str, astropy.cosmology.FLRW or Distances
        As `time_delay` takes it.
    draws, seed : int
        Draws per system, and what they come from; see `draw_lenses`.
    posterior : None, mapping or Covariance
        See `draw_lenses`.
    position_error : float
        Standard deviation of observed positions, per axis [arcsec].

    Returns
    -------
    Spread
        Percentiles and probabilities.
    """
    step = max(1, _AT_ONCE // max(draws, 1))
    parts = [
        _spread_some(
            lenses,
            rows[first : first + step],
            _some(solution, slice(first, first + step)),
            cosmology,
            draws,
            seed,
            posterior,
            position_error,
        )
        for first in range(0, max(len(rows), 1), step)
    ]
    arrays = [
        np.concatenate([getattr(part, name) for part in parts], axis=axis)
        for name, axis in (
            *(("x", 1), ("y", 1), ("mu", 1), ("delay", 1), ("x_src", 1), ("y_src", 1)),
            *(("counts", 0), ("used", 0)),
        )
    ]
    return Spread(*arrays, draws=parts[0].draws)


def nearest_image(images: ImagePositions, x_obs, y_obs) -> np.ndarray:
    """Which image was observed.

    Parameters
    ----------
    images : ImagePositions
        Images of R systems.
    x_obs, y_obs : numpy.ndarray, (R, n)
        Observed positions [arcsec]; the first of them counts.

    Returns
    -------
    numpy.ndarray of int, (R,)
        Column of the nearest image; -1 where nothing was observed.
    """
    first = np.argmax(np.isfinite(x_obs), axis=1)[:, None]
    x, y = np.take_along_axis(x_obs, first, 1), np.take_along_axis(y_obs, first, 1)
    gap = np.where(np.isnan(images.x), np.inf, np.hypot(images.x - x, images.y - y))
    return np.where(np.isfinite(x_obs).any(axis=1), np.argmin(gap, axis=1), -1)


def not_images(images: ImagePositions, x_obs, y_obs, far) -> np.ndarray:
    """Whether the observed positions are no images of the lens.

    One position is an image of any lens, but for the middle of the lens; several are images of one
    source in a lens that fits them, each another image.

    Parameters
    ----------
    images : ImagePositions
        Images of R systems.
    x_obs, y_obs : numpy.ndarray, (R, n)
        Observed positions [arcsec]; NaN where there is none.
    far : numpy.ndarray, (R,)
        Distance [arcsec] from which on an image is another one.

    Returns
    -------
    numpy.ndarray of bool, (R,)
        Whether one or more of them have no image so near, or two of them the same.
    """
    gap = np.hypot(x_obs[:, :, None] - images.x[:, None], y_obs[:, :, None] - images.y[:, None])
    gap = np.where(np.isfinite(gap), gap, np.inf)
    observed = np.isfinite(x_obs + y_obs)
    alone = observed & ~(gap < np.asarray(far)[:, None, None]).any(axis=2)
    nearest = np.argmin(gap, axis=2)[:, :, None] == np.arange(gap.shape[2])
    twice = (nearest & observed[:, :, None]).sum(axis=1) > 1
    return alone.any(axis=1) | twice.any(axis=1)


def _sources(values, x_obs, y_obs):
    """The source of each system: from its observed images, or as given."""
    x_src, y_src = source_of_images(x_obs, y_obs, **lens_arguments(values))
    if {"x_src", "y_src"} <= set(values):
        given = ~np.isfinite(x_obs).any(axis=-1)
        x_src = np.where(given, values["x_src"], x_src)
        y_src = np.where(given, values["y_src"], y_src)
    return x_src, y_src


def _some(solution, rows):
    images = ImagePositions(*(part[rows] for part in solution.images))
    rest = (solution.x_src, solution.y_src, solution.seen, solution.delay, solution.elsewhere)
    return Solution(images, *(part[rows] for part in rest))


def _spread_some(lenses, rows, solution, cosmology, draws, seed, posterior, position_error):
    values, good = draw_lenses(lenses, rows, n=draws, seed=seed, posterior=posterior)
    draws = good.shape[1]
    x_obs = np.repeat(lenses.x_obs[rows][:, None], draws, axis=1)
    y_obs = np.repeat(lenses.y_obs[rows][:, None], draws, axis=1)
    if position_error > 0.0:
        for i, row in enumerate(rows):  # a stream of its own: (seed, row, 1)
            noise = np.random.default_rng([seed, int(row), 1]).standard_normal(
                (2, *x_obs.shape[1:])
            )
            x_obs[i] += position_error * noise[0]
            y_obs[i] += position_error * noise[1]
    x_src, y_src = _sources(values, x_obs, y_obs)
    good &= np.isfinite(x_src + y_src)
    x_src = np.where(good, x_src, solution.x_src[:, None])
    y_src = np.where(good, y_src, solution.y_src[:, None])
    images = image_positions(x_src, y_src, **lens_arguments(values))

    width = solution.images.x.shape[-1]
    like = ImagePositions(*(np.repeat(part[:, None], draws, axis=1) for part in solution.images))
    column = match_images(images, like)
    same = good & (images.count == like.count)
    taken = np.maximum(column, 0)
    picked = [
        np.where(column >= 0, np.take_along_axis(part, taken, axis=-1), np.nan)
        for part in (images.x, images.y, images.magnification, images.fermat)
    ]
    anchor = np.broadcast_to(np.maximum(solution.seen, 0)[:, None, None], (*good.shape, 1))
    fermat = picked[3] - np.take_along_axis(picked[3], anchor, axis=-1)
    picked[3] = _days(fermat, values, cosmology)
    enough = same.sum(axis=1) >= FEWEST
    usable = (same & enough[:, None])[..., None]
    percentiles = [
        _percentiles(np.where(usable, part, np.nan).reshape(*good.shape, width)) for part in picked
    ]
    used = good.sum(axis=1)
    counts = (
        np.stack(
            [
                (good & (images.count == n if n < 4 else images.count >= 4)).sum(axis=1)
                for n in (1, 2, 3, 4)
            ],
            axis=1,
        )
        / np.maximum(used, 1)[:, None]
    )
    source = [
        _percentiles(np.where(good & (used >= FEWEST)[:, None], part, np.nan)[..., None])[..., 0]
        for part in (x_src, y_src)
    ]
    return Spread(*percentiles, *source, counts, used, draws)


def _days(fermat, values, cosmology):
    """Days of differences (..., m) of the Fermat potential; NaN where a redshift is wrong."""
    days = np.full(fermat.shape, np.nan)
    if {"z_lens", "z_src"} <= set(values):
        near, far = (np.broadcast_to(values[n], fermat.shape[:-1]) for n in ("z_lens", "z_src"))
        ok = redshifts_fit(near, far)
        days[ok] = time_delay(fermat[ok], near[ok][:, None], far[ok][:, None], cosmology)
    return days


def _percentiles(values):
    """Percentiles over axis 1; NaN where there is nothing, without a warning."""
    result = np.full((len(PERCENTILES), values.shape[0], values.shape[2]), np.nan)
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.isfinite(values).sum(axis=1)
    rows, columns = np.nonzero(count)
    last = count[rows, columns] - 1
    for k, percentile in enumerate(PERCENTILES):
        position = percentile / 100.0 * last
        below = position.astype(np.int64)
        above = np.minimum(below + 1, last)
        t = position - below
        low, high = ordered[rows, below, columns], ordered[rows, above, columns]
        result[k, rows, columns] = low + t * (high - low)
    return result
