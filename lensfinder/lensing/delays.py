"""What an observer makes of images: their kind, their delays in days, and which is which.

An SIE with a shear smaller than 1 has no maxima beside the central one. Its Jacobian is
``M - 2 kappa t t^T`` with M positive definite, and taking a matrix of rank one away makes at most
one eigenvalue negative: an image is a minimum (positive parity) or a saddle point (negative).
"""

import itertools

import numpy as np

from lensfinder.errors import ArgumentError
from lensfinder.lensing.cosmology import time_delay
from lensfinder.lensing.lens_equation import lens_jacobian, source_position

MINIMUM, SADDLE = "minimum", "saddle"
_MOST = 6  # images of one source that `match_images` pairs: 720 orders
_NEVER = 1e6  # cost of a pair that must not be, arcsec^2


def image_kinds(magnification):
    """Kind of each image, from the sign of its magnification.

    Parameters
    ----------
    magnification : array_like, (...)
        Signed magnification, as in `ImagePositions`.

    Returns
    -------
    numpy.ndarray of str, (...)
        ``"minimum"``, ``"saddle"``, or ``""`` where there is no image.
    """
    magnification = np.asarray(magnification, dtype=np.float64)
    kinds = np.where(magnification > 0, MINIMUM, SADDLE)
    return np.where(np.isnan(magnification), "", kinds)


def arrival_delays(images, z_lens, z_src, cosmology="planck18", *, reference=None):
    """Days by which each image arrives after a reference image.

    Parameters
    ----------
    images : ImagePositions
        Images of N sources, arrays (..., 4).
    z_lens, z_src : array_like, (...)
        Redshifts of lens and source.
    cosmology : str, astropy.cosmology.FLRW or Distances
        A name of `cosmology_names`, or a flat cosmology.
    reference : array_like of int or None, (...)
        Column of the image that delays count from; the first to arrive by default.

    Returns
    -------
    numpy.ndarray, (..., 4)
        Delay [day], negative for images that arrived before the reference; NaN beyond the count.

    Raises
    ------
    SpecError
        If a source is not behind its lens.
    """
    reference = 0 if reference is None else reference
    column = np.broadcast_to(np.asarray(reference, dtype=np.int64), images.count.shape)
    zero = np.take_along_axis(images.fermat, column[..., None], axis=-1)
    z_lens, z_src = np.asarray(z_lens, float)[..., None], np.asarray(z_src, float)[..., None]
    return time_delay(images.fermat - zero, z_lens, z_src, cosmology)


def source_of_images(x, y, **lens):
    """The source that best explains observed positions of its images.

    Each position is traced back. With one image that is the source, as in Schuldt et al. (2021),
    section 6. With more, it is the weighted mean that minimises the offsets of the images in the
    image plane, to first order: weights ``(A A^T)^-1``, with A the Jacobian at each image.

    Parameters
    ----------
    x, y : array_like, (..., n)
        Observed positions [arcsec]; NaN for those not seen.
    **lens : array_like, (...)
        ``theta_E, q, phi, x0, y0, gamma1, gamma2`` of `source_position`.

    Returns
    -------
    x_src, y_src : numpy.ndarray, (...)
        Source position [arcsec]; NaN without any image.
    """
    lens = {name: np.asarray(value, dtype=np.float64)[..., None] for name, value in lens.items()}
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    back_x, back_y = source_position(x, y, **lens)
    a, b, d = lens_jacobian(x, y, **lens)
    # The inverse square of a symmetric matrix. Its scale cancels for one image, whose Jacobian may
    # be singular, so the square of the determinant is kept from zero only.
    det2 = np.maximum((a * d - b * b) ** 2, 1e-8)
    w_xx, w_xy, w_yy = (d * d + b * b) / det2, -b * (a + d) / det2, (a * a + b * b) / det2
    seen = np.isfinite(back_x + back_y)
    w_xx, w_xy, w_yy = (np.where(seen, w, 0.0) for w in (w_xx, w_xy, w_yy))
    bx, by = np.where(seen, back_x, 0.0), np.where(seen, back_y, 0.0)
    sum_xx, sum_xy, sum_yy = w_xx.sum(-1), w_xy.sum(-1), w_yy.sum(-1)
    right_x, right_y = (w_xx * bx + w_xy * by).sum(-1), (w_xy * bx + w_yy * by).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        det = sum_xx * sum_yy - sum_xy * sum_xy
        x_src = (sum_yy * right_x - sum_xy * right_y) / det
        y_src = (sum_xx * right_y - sum_xy * right_x) / det
    one = seen.sum(-1) == 1
    first = np.argmax(seen, axis=-1)[..., None]
    x_one = np.take_along_axis(np.broadcast_to(back_x, seen.shape), first, -1)[..., 0]
    y_one = np.take_along_axis(np.broadcast_to(back_y, seen.shape), first, -1)[..., 0]
    return np.where(one, x_one, x_src), np.where(one, y_one, y_src)


def match_images(images, like, *, by="position"):
    """For every image of `like`, the column of the same image in `images`.

    Parameters
    ----------
    images, like : ImagePositions
        Images of the same N systems, arrays (..., m), under two models.
    by : {"position", "arrival"}
        ``"position"``: the pairing of least summed squared distance in which minima are paired with
        minima and saddle points with saddle points. ``"arrival"``: first with first, and so on.

    Returns
    -------
    numpy.ndarray of int, (..., m of `like`)
        Columns of `images`; -1 where there is no image, and everywhere in systems whose numbers of
        images differ.

    Raises
    ------
    ArgumentError
        If `by` is neither, or a system has more than six images.
    """
    if by not in ("position", "arrival"):
        raise ArgumentError(f"Images are matched by 'position' or 'arrival'. Received: {by!r}.")
    width = like.x.shape[-1]
    most = int(max(like.count.max(initial=0), images.count.max(initial=0)))
    there = np.arange(width) < like.count[..., None]
    there = there & (images.count == like.count)[..., None]
    if by == "arrival":
        return np.where(there, np.arange(width), -1)
    if most > _MOST:
        raise ArgumentError(
            f"Images are matched by position up to {_MOST} per source. Received: {most}. "
            "Match them by arrival."
        )
    dx = images.x[..., None, :most] - like.x[..., :most, None]
    dy = images.y[..., None, :most] - like.y[..., :most, None]
    cost = dx * dx + dy * dy
    parity = np.sign(images.magnification)[..., None, :most], np.sign(like.magnification)
    cost = cost + np.where(parity[0] != parity[1][..., :most, None], _NEVER, 0.0)
    # Places without an image on both sides pair with each other at no cost.
    empty = np.isnan(images.x)[..., None, :most] & np.isnan(like.x)[..., :most, None]
    cost = np.where(empty, 0.0, np.where(np.isnan(cost), 2.0 * _NEVER, cost))
    orders = np.array(list(itertools.permutations(range(most))), dtype=np.int64)
    totals = [cost[..., np.arange(most), order].sum(axis=-1) for order in orders]
    best = orders[np.argmin(np.stack(totals, axis=-1), axis=-1)]
    columns = np.full((*best.shape[:-1], width), -1)
    columns[..., :most] = best
    return np.where(there, columns, -1)
