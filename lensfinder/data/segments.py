"""Cut an image into sources, and measure them: what the picture and the survey tiles share."""

import numpy as np


def segment(smooth, mask, summits, *, min_distance=4, contrast=0.0) -> np.ndarray:
    """Cut what is above the sky into sources, by a watershed from the local maxima.

    Parameters
    ----------
    smooth : array (H, W)
        Image whose valleys separate the sources.
    mask : array (H, W) of bool
        Where there is a source at all.
    summits : array (H, W)
        Image whose local maxima are sources; smoother than `smooth`, so that noise makes none.
    min_distance : int
        Between two maxima, pixels.
    contrast : float
        A maximum counts only if one has to go down to less than ``1 - contrast`` of it to reach a
        higher one. 0 counts all.

    Returns
    -------
    array (H, W) of int32
        Number of the source each pixel belongs to, from 1; 0 for sky.
    """
    from skimage import feature, measure, segmentation

    islands = measure.label(mask)
    peaks = feature.peak_local_max(summits, min_distance=min_distance, labels=islands)
    if contrast > 0 and len(peaks):
        peaks = peaks[_stands_out(summits, mask, peaks, contrast)]
    markers = np.zeros(smooth.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return segmentation.watershed(-smooth, markers, mask=mask)


def _stands_out(summits, mask, peaks, contrast):
    """Whether each peak is higher than its surroundings, flooded to (1 - contrast) of their maxima.

    Reconstruction by dilation (Vincent 1993) raises the lowered image until it meets the image
    itself: on a maximum that stands out it stays at the lowered height.
    """
    from skimage import morphology

    ground = np.where(mask & (summits > 0), summits, 0.0)
    flooded = morphology.reconstruction((1.0 - contrast) * ground, ground)
    place = tuple(peaks.T)
    return flooded[place] <= (1.0 - contrast) * ground[place] * (1 + 1e-9)


def measure_sources(segments, light, *, min_area=1) -> list[dict]:
    """Place, size and brightness of the sources of a segmented image.

    Parameters
    ----------
    segments : array (H, W) of int
        Result of `segment`.
    light : array (H, W)
        The image itself, without its sky.
    min_area : int
        Smaller sources are left out, pixels.

    Returns
    -------
    list of dict
        In the order of their numbers: ``segment``, ``x``, ``y`` (centre of light, pixels from the
        centre of the lower left one), ``x_middle``, ``y_middle`` (centre of area), ``area``
        (pixels), ``flux`` (sum of the positive pixels), ``peak`` (brightest pixel),
        ``half_light_radius`` (pixels), ``axis_ratio``, ``contact`` (share of the outline that
        touches another source).
    """
    from skimage import measure

    touching = contact(segments)
    rows = []
    for region in measure.regionprops(segments, intensity_image=light):
        if region.area < min_area:
            continue
        inside = np.where(region.image, np.maximum(region.image_intensity, 0.0), 0.0)
        if not inside.any():
            continue  # light of a neighbour, smeared: it has no centre of its own
        y, x = region.centroid_weighted
        y_middle, x_middle = region.centroid
        rows.append(
            {
                "segment": region.label,
                "x": x,
                "y": y,
                "x_middle": x_middle,
                "y_middle": y_middle,
                "area": int(region.area),
                "flux": float(inside.sum()),
                "peak": float(inside.max()),
                "half_light_radius": half_light_radius(inside, region.bbox, x, y),
                "axis_ratio": region.axis_minor_length / max(region.axis_major_length, 1e-9),
                "contact": touching[region.label],
            }
        )
    return rows


def half_light_radius(light, box, x, y) -> float:
    """Radius of the circle that holds half of the light.

    Parameters
    ----------
    light : array (h, w)
        A source, cut out; nowhere negative.
    box : tuple of int
        Row and column of its first pixel, then whatever (the ``bbox`` of scikit-image).
    x, y : float
        Centre of the circle.

    Returns
    -------
    float
        Radius, pixels.
    """
    rows, columns = np.indices(light.shape)
    radius = np.hypot(rows + box[0] - y, columns + box[1] - x).ravel()
    order = np.argsort(radius)
    growth = np.cumsum(light.ravel()[order])
    return float(radius[order][np.searchsorted(growth, 0.5 * growth[-1])])


def contact(segments) -> np.ndarray:
    """Share of every source's outline (counted in pixel sides) that faces another source.

    Parameters
    ----------
    segments : array (H, W) of int
        Result of `segment`.

    Returns
    -------
    array (largest number + 1,)
        Indexed by the source's number.
    """
    outline = np.zeros(segments.max() + 1)
    shared = np.zeros_like(outline)
    for first, second in (
        (segments[:, :-1], segments[:, 1:]),
        (segments[:-1], segments[1:]),
    ):
        differ = first != second
        for here, there in ((first, second), (second, first)):
            outline += np.bincount(here[differ], minlength=len(outline))
            shared += np.bincount(here[differ & (there > 0)], minlength=len(outline))
    return shared / np.maximum(outline, 1)
