"""Which drawn lenses are kept, and what an image of the source alone says about them."""

import numpy as np
from scipy import ndimage

from lensfinder.errors import UnknownNameError
from lensfinder.lensing.multiplicity import image_count
from lensfinder.simulate.placing import lens_of

PROBE_MARGIN = 0.8  # the quick look at few nodes may be this wrong; the final image decides


def worth_drawing(population, survey, columns) -> np.ndarray:
    """The criteria that need no image (Pearson 2019, section 2.1, i and ii).

    Parameters
    ----------
    population : Population
        With its `acceptance`.
    survey : Survey
        For the seeing.
    columns : dict of str to array (N,)
        From `draw_parameters`.

    Returns
    -------
    array of bool (N,)
        Which may go on.
    """
    rule = population.acceptance
    keep = columns["placed"] & (columns["theta_E"] > 0)
    if rule.resolved:
        seeing = min(_seeing(band) for band in survey.bands)
        keep &= columns["theta_E"] ** 2 > columns["src_R_e"] ** 2 + (seeing / 2) ** 2
    if rule.minimum_dispersion is not None:
        keep &= columns["sigma_v"] >= rule.minimum_dispersion
    if rule.maximum_dispersion is not None:
        keep &= columns["sigma_v"] <= rule.maximum_dispersion
    if rule.images_inside_stamp:
        half = survey.finest.width / 2
        keep &= columns["theta_E"] < 0.9 * half
    if rule.multiple_images:
        rows = np.flatnonzero(keep)
        some = {key: columns[key][rows] for key in columns}
        count = image_count(some["x_src"], some["y_src"], **lens_of(some), n_points=64)
        keep[rows[count < 2]] = False
    return keep


def measure(survey, source, intrinsic) -> dict[str, np.ndarray]:
    """What the noiseless image of the source alone says, band by band.

    Parameters
    ----------
    survey : Survey
        For the background noise.
    source : dict of str to array (N, H, W, bands)
        Source plane S3 per group, electron/s.
    intrinsic : array (N, bands)
        Unlensed flux of the source, electron/s.

    Returns
    -------
    dict of str to array (N, bands)
        ``magnification`` (flux in the stamp over intrinsic flux), ``snr`` (Collett 2015:
        S / (sigma sqrt(N_pix)) over the pixels above sigma) and ``n_pix``, their number.
    """
    found = {"magnification": [], "snr": [], "n_pix": []}
    at = 0
    for group in survey.groups:
        for b, band in enumerate(group.bands):
            image = np.asarray(source[group.name][..., b], np.float64)
            sigma = band.background_sigma
            above = image > sigma
            n_pix = above.sum(axis=(1, 2))
            signal = np.where(above, image, 0.0).sum(axis=(1, 2))
            total = image.sum(axis=(1, 2))
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.where(intrinsic[:, at] > 0, total / intrinsic[:, at], 0.0)
            found["magnification"].append(ratio)
            found["snr"].append(signal / (sigma * np.sqrt(np.maximum(n_pix, 1))))
            found["n_pix"].append(n_pix)
            at += 1
    return {key: np.stack(value, axis=1) for key, value in found.items()}


def accepted(population, survey, columns, measured, margin=1.0) -> np.ndarray:
    """The criteria that need an image (Pearson 2019, section 2.1, iii and iv).

    Parameters
    ----------
    population : Population
        With its `acceptance`.
    survey : Survey
        For the seeing.
    columns : dict of str to array (N,)
        From `draw_parameters`.
    measured : dict
        From `measure`.
    margin : float
        Factor on the thresholds; below 1 for a quick look.

    Returns
    -------
    array of bool (N,)
        Which are kept.
    """
    rule = population.acceptance
    keep = np.ones(len(measured["snr"]), bool)
    magnification = measured["magnification"]
    if rule.minimum_magnification is not None:
        keep &= (magnification > margin * rule.minimum_magnification).any(axis=1)
    if rule.sheared:
        seeing = np.array([_seeing(band) for band in survey.bands])
        keep &= (magnification * columns["src_R_e"][:, None] > margin * seeing).any(axis=1)
    if rule.minimum_snr is not None:
        keep &= (measured["snr"] > margin * rule.minimum_snr).any(axis=1)
    return keep


def label(population, survey, columns, measured, source) -> tuple[np.ndarray, np.ndarray]:
    """Which objects are lenses, and in how many groups of pixels the source appears.

    The rule ``visible`` is that of Bom 2022, section 2.1, (i) to (iii).

    Parameters
    ----------
    population : Population
        With its `label` rule.
    survey : Survey
        For the background noise.
    columns : dict of str to array (N,)
        With ``class``.
    measured : dict
        From `measure`.
    source : dict of str to array (N, H, W, bands)
        Source plane S3 per group.

    Returns
    -------
    label, n_groups : arrays of int (N,)
        1 for a lens; and the number of groups in the band in which pixels are counted.

    Raises
    ------
    UnknownNameError
        If the rule counts pixels in a band that the survey has not got.
    """
    group, channel = counting_band(population, survey)
    band = group.bands[channel]
    above = source[group.name][..., channel] > band.background_sigma
    n_groups = np.array([ndimage.label(mask)[1] for mask in above], dtype=np.int64)
    is_lens = columns["class"] == "lens"
    rule = population.label
    if rule.rule == "visible":
        at = survey.bands.index(band)
        is_lens &= n_groups > 0
        is_lens &= (measured["magnification"] > rule.minimum_magnification).all(axis=1)
        is_lens &= measured["n_pix"][:, at] > rule.minimum_pixels
    return is_lens.astype(np.int64), n_groups


def counting_band(population, survey):
    """The band in which source pixels are counted.

    Parameters
    ----------
    population : Population
        With its `label` rule.
    survey : Survey
        Whose bands.

    Returns
    -------
    group : Group
        The group of the survey that holds it.
    channel : int
        Its place in the group.

    Raises
    ------
    UnknownNameError
        If the survey has not got the band of the rule.
    """
    wanted = population.label.band
    if wanted is None:
        return survey.finest, 0
    for group in survey.groups:
        names = [band.name for band in group.bands]
        if wanted in names:
            return group, names.index(wanted)
    raise UnknownNameError("band", wanted, [band.name for band in survey.bands])


def catalogue(population, survey, measured) -> dict[str, np.ndarray]:
    """What the truth table says about the visibility of the source.

    Parameters
    ----------
    population : Population
        With its `label` rule.
    survey : Survey
        Whose bands.
    measured : dict
        From `measure`.

    Returns
    -------
    dict of str to array (N,)
        ``magnification``, ``snr`` and ``n_pix`` of the band with the highest S/N. Under the rule
        ``visible`` the first and the last are those of its criteria, so that other thresholds can
        be tried on the table: the lowest magnification of all bands, and the number of pixels in
        the band that counts.
    """
    best = measured["snr"].argmax(axis=1)
    rows = np.arange(len(best))
    found = {name: measured[name][rows, best] for name in ("magnification", "snr", "n_pix")}
    if population.label.rule == "visible":
        group, channel = counting_band(population, survey)
        at = survey.bands.index(group.bands[channel])
        found["magnification"] = measured["magnification"].min(axis=1)
        found["n_pix"] = measured["n_pix"][:, at]
    return found


def _seeing(band) -> float:
    """Full width at half maximum of a band's PSF, arcsec."""
    if band.psf_fwhm is not None:
        return band.psf_fwhm
    from lensfinder.simulate.psf import SeparablePsf

    return SeparablePsf.of_band(band).fwhm
