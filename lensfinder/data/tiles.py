"""Survey tiles: find the galaxies on a large image, and cut them out.

A simple detector in the manner of SExtractor (Bertin & Arnouts 1996): background and noise on a
mesh, smoothing, a threshold, and a watershed that separates what touches. Fluxes are isophotal, and
stars are told from galaxies by concentration alone: good enough to choose bright galaxies for a
network to look at, and no catalogue for photometry. Near the threshold only the tips of sources
are seen, so faint galaxies count as stars; extended artefacts of the camera count as galaxies.
"""

import numpy as np
from astropy.table import Table

from lensfinder.data.cutout import Cutout
from lensfinder.data.scatter import scatter_of
from lensfinder.data.segments import measure_sources, segment
from lensfinder.errors import DatasetSpecError, StampShapeError

SMOOTHING = 1.2  # sigma of the detection filter, pixels: about the PSF of a sampled survey
SUMMITS = 2.0  # sigma of the image whose maxima are sources, pixels
CONTRAST = 0.3  # a source stands out if the saddle to a higher one is 30 % deep
BRIGHT = 50.0  # sources whose peak is this many sigma define where the stars are
FEWEST_BRIGHT = 20  # fewer of them define nothing
STAR_MARGIN = 1.5  # stars reach up to this times the area where most of them are
COLUMNS = ("x", "y", "area", "flux", "peak", "half_light_radius", "axis_ratio", "contact")


def detect(
    image,
    *,
    pixel_scale=None,
    threshold=5.0,
    min_area=20,
    box=128,
    star_area=None,
    saturation=None,
    keep_stars=False,
    prefix="source-",
) -> Table:
    """Find the sources of an image, brightest first.

    A source counts as a star if its *sharp area*, flux over brightest pixel, is less than 1.5 times
    the one most bright sources share (stars all have the PSF's, whatever their flux; galaxies have
    more), if it reaches `saturation`, or if its light is joined to one that does (spikes, halos,
    and a galaxy that is unlucky).

    Parameters
    ----------
    image : array (H, W)
        One band, any linear unit. Pixels that are not finite are taken as sky.
    pixel_scale : float or None
        Arcsec per pixel; with it the half-light radius is in arcsec, else in pixels.
    threshold : float
        Of the smoothed image, in units of its own local noise.
    min_area : int
        Least area, pixels.
    box : int
        Side of the boxes of the background's mesh, pixels: several times the largest galaxy.
    star_area : float or None
        Sharp area of stars, pixels. None finds it: the mode over sources whose peak is above 50
        sigma. With fewer than 20 of those nothing can be found, and nothing counts as a star.
    saturation : float or None
        Stars that reach it are not sharp any more; in the unit of the image. None: no source does.
    keep_stars : bool
        Whether stars stay in the table.
    prefix : str
        Of the ids, which count by brightness.

    Returns
    -------
    astropy.table.Table
        ``id``, ``x``, ``y`` (pixels from the centre of the lower left one), ``area`` (pixels),
        ``flux`` (isophotal, unit of the image), ``peak``, ``half_light_radius``, ``axis_ratio``,
        ``contact`` (share of the outline that touches another source), ``sharp_area`` (pixels),
        ``star``; in ``meta`` the ``star_area`` in use (NaN if none), ``stars`` and ``noise`` (per
        pixel, median over the mesh). Empty if there is nothing; where most pixels have one and the
        same value there is no noise to compare with, and so no source.

    Raises
    ------
    StampShapeError
        If the image has not two axes.
    DatasetSpecError
        If a parameter cannot be.
    """
    image = np.asarray(image, dtype=np.float64)
    if image.ndim != 2 or min(image.shape, default=0) < 2:
        raise StampShapeError(f"A tile is an image (H, W). Received: shape {image.shape}.")
    for name, value in {"threshold": threshold, "min_area": min_area, "box": box}.items():
        if not value > 0:
            raise DatasetSpecError(f"{name} must be positive. Received: {value}.")
    light, noise = _subtract_background(image, int(box))
    segments, islands = _segments(image, light, threshold, int(box))
    sources = measure_sources(segments, np.maximum(light, 0.0), min_area=min_area)
    sources.sort(key=lambda source: -source["flux"])
    table = Table({name: np.array([s[name] for s in sources], float) for name in COLUMNS})
    table["area"] = table["area"].astype(int)
    table["sharp_area"] = table["flux"] / table["peak"]
    if star_area is None:
        star_area = _star_area(table, BRIGHT * noise, saturation)
    numbers = np.array([s["segment"] for s in sources], int)
    table["star"] = table["sharp_area"] < STAR_MARGIN * star_area  # False for NaN
    if saturation is not None:
        table["star"] |= _joined_to_saturated(image, saturation, segments, islands, numbers)
    if pixel_scale is not None:
        table["half_light_radius"] *= float(pixel_scale)
    table["half_light_radius"].unit = "pix" if pixel_scale is None else "arcsec"
    stars = int(table["star"].sum())
    if not keep_stars:
        table = table[~table["star"]]
    ids = [f"{prefix}{number:05d}" for number in range(1, len(table) + 1)]
    table.add_column(np.array(ids, dtype=str), 0, "id")
    table.meta.update(star_area=float(star_area), stars=stars, noise=float(noise))
    return table


def cut(tile, table, *, stamp=None, size_arcsec=None, bands=None) -> list[Cutout]:
    """Cut sources out of a tile, each in the middle of its stamp to within half a pixel.

    Parameters
    ----------
    tile : Cutout
        The tile: registered bands of one shape.
    table : astropy.table.Table
        With columns ``id``, ``x`` and ``y``, e.g. from `detect`.
    stamp : int or None
        Side of the stamps, pixels. A side is made odd, so that there is a middle pixel.
    size_arcsec : float or None
        Instead of `stamp`: the least side on the sky, of every band.
    bands : sequence of str or None
        The bands to cut; all by default.

    Returns
    -------
    list of Cutout
        One per row, in their order. Those that the tile's border cuts have the status ``edge``, and
        NaN where there is no tile.

    Raises
    ------
    DatasetSpecError
        If not exactly one of `stamp` and `size_arcsec` is given, the tile lacks a band, its bands
        have different shapes, or its pixel scale is needed and not known.
    """
    bands = tuple(tile.bands) if bands is None else tuple(bands)
    shapes = {tile.bands[band].shape for band in bands if band in tile.bands}
    if len(shapes) != 1 or not set(bands) <= set(tile.bands):
        raise DatasetSpecError(
            f"The bands {', '.join(bands) or '(none)'} of one shape are needed. The tile has "
            f"{tile.shapes or 'no bands'}."
        )
    half = _half_side(tile, bands, stamp, size_arcsec)
    return [_cut_one(tile, row, half, bands) for row in table]


def _half_side(tile, bands, stamp, size_arcsec) -> int:
    if (stamp is None) == (size_arcsec is None):
        raise DatasetSpecError("Give either `stamp`, in pixels, or `size_arcsec`.")
    if stamp is None:
        scales = [tile.pixel_scales.get(band) for band in bands]
        if not all(scale and scale > 0 for scale in scales):
            raise DatasetSpecError("The tile does not state its pixel scale. Give `stamp` instead.")
        stamp = np.ceil(size_arcsec / min(scales) - 1e-9)
    if not stamp >= 1:
        raise DatasetSpecError(f"A stamp needs a positive size. Received: {stamp} pixels.")
    return int(stamp) // 2


def _cut_one(tile, row, half, bands) -> Cutout:
    x, y = round(float(row["x"])), round(float(row["y"]))
    cutout = Cutout(str(row["id"]), path=tile.path)
    cutout.meta = {**tile.meta, "tile": tile.id, "x": float(row["x"]), "y": float(row["y"])}
    for band in bands:
        cutout.bands[band], whole = _window(tile.bands[band], x, y, half)
        if band in tile.rms:
            cutout.rms[band] = _window(tile.rms[band], x, y, half)[0]
        for name in ("pixel_scales", "units", "zero_points"):
            getattr(cutout, name)[band] = getattr(tile, name).get(band)
        if band in tile.psfs:
            cutout.psfs[band] = tile.psfs[band]
        if band in tile.wcs:
            cutout.wcs[band] = _moved(tile.wcs[band], x - half, y - half)
    if not whole:
        cutout.flag("edge", f"the stamp at x={x}, y={y} is cut by the border of {tile.id}")
    return cutout


def _window(image, x, y, half):
    """The pixels around one of them, NaN outside the image; and whether it covers them all."""
    height, width = image.shape
    window = np.full((2 * half + 1, 2 * half + 1), np.nan, np.float32)
    bottom, top = max(y - half, 0), min(y + half + 1, height)
    left, right = max(x - half, 0), min(x + half + 1, width)
    if bottom < top and left < right:
        inside = image[bottom:top, left:right]
        window[bottom - y + half : top - y + half, left - x + half : right - x + half] = inside
    whole = (top - bottom, right - left) == window.shape
    return window, whole


def _moved(keywords, left, bottom) -> dict:
    """World coordinates of a window whose lower left pixel is (left, bottom)."""
    moved = dict(keywords)
    for keyword, shift in (("CRPIX1", left), ("CRPIX2", bottom)):
        if keyword in moved:
            moved[keyword] = moved[keyword] - shift
    return moved


# --- detection ------------------------------------------------------------------------------------
def _segments(image, light, threshold, box):
    from skimage import filters, measure

    smooth = filters.gaussian(light, SMOOTHING)
    # noise of the smoothed image, where it is: pixels of a coadd are correlated, so no theory
    level, sigma = _mesh(np.where(np.isfinite(image), smooth, np.nan), box)
    mask = smooth - level > threshold * sigma
    mask &= sigma > 0
    summits = filters.gaussian(light, SUMMITS)
    return segment(smooth, mask, summits, contrast=CONTRAST), measure.label(mask)


def _subtract_background(image, box):
    """The image less its background, 0 where it is not finite; and its median noise."""
    finite = np.isfinite(image)
    light = image - _mesh(image, box)[0]
    noise = float(np.median(_mesh(light, box)[1]))  # not that of a sky that slopes within a box
    return np.where(finite, light, 0.0), noise


def _mesh(image, box):
    """Clipped median and scatter in boxes, smoothed over 3x3 of them, interpolated to pixels."""
    from scipy import ndimage

    count = [max(1, round(side / box)) for side in image.shape]
    edges = [
        np.linspace(0, side, n + 1).round().astype(int)
        for side, n in zip(image.shape, count, strict=True)
    ]
    maps = np.full((2, *count), np.nan)
    for i in range(count[0]):
        for j in range(count[1]):
            part = image[edges[0][i] : edges[0][i + 1], edges[1][j] : edges[1][j + 1]]
            maps[:, i, j] = _clipped(part)
    known = np.isfinite(maps[0])
    if not known.any():
        return np.zeros(image.shape), np.zeros(image.shape)
    if not known.all():  # boxes without a pixel take those of the nearest box with some
        nearest = ndimage.distance_transform_edt(~known, return_indices=True)[1]
        maps = maps[:, nearest[0], nearest[1]]
    rows, columns = (_between(side, n) for side, n in zip(image.shape, count, strict=True))
    return [rows @ ndimage.median_filter(values, 3) @ columns.T for values in maps]


def _between(side, count):
    """Matrix (side, count) that interpolates linearly between the middles of boxes."""
    place = np.clip((np.arange(side) + 0.5) * count / side - 0.5, 0, count - 1)
    return np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(count)))


def _clipped(part):
    """Median and scatter of the pixels within 3 sigma of it; NaN without a finite pixel."""
    values = part[np.isfinite(part)]
    if not values.size:
        return np.nan, np.nan
    for _ in range(5):
        level, scatter = scatter_of(values)
        kept = values[np.abs(values - level) <= 3.0 * scatter]
        if kept.size in (values.size, 0):
            break
        values = kept
    return level, scatter


# --- stars ----------------------------------------------------------------------------------------
def _star_area(table, bright, saturation) -> float:
    usable = table["peak"] > bright
    if saturation is not None:
        usable &= table["peak"] < saturation
    areas = np.log(np.asarray(table["sharp_area"])[usable])
    return float(np.exp(half_sample_mode(areas))) if len(areas) >= FEWEST_BRIGHT else np.nan


def half_sample_mode(values) -> float:
    """Where values are densest: the half-sample mode (Robertson & Cryer 1974).

    Parameters
    ----------
    values : array (N,)
        At least one number.

    Returns
    -------
    float
        The shortest interval with half of the values is taken, again and again, until two or fewer
        are left; their mean.
    """
    values = np.sort(np.asarray(values, dtype=float))
    while len(values) > 2:
        half = (len(values) + 1) // 2
        widths = values[half - 1 :] - values[: len(values) - half + 1]
        start = int(np.argmin(widths))
        values = values[start : start + half]
    return float(values.mean())


def _joined_to_saturated(image, saturation, segments, islands, numbers):
    with np.errstate(invalid="ignore"):
        affected = np.unique(islands[(image >= saturation) & (islands > 0)])
    joined = np.unique(segments[np.isin(islands, affected)])
    return np.isin(numbers, joined)
