"""How many images a point source has, and where: SIE lenses with external shear."""

from typing import NamedTuple

import numpy as np

from lensfinder.lensing._array import to_arrays
from lensfinder.lensing.angle_equation import AngleEquation, solve
from lensfinder.lensing.critical import N_POINTS, caustic, cut, shear_in_frame
from lensfinder.lensing.lens_equation import fermat_potential

N_SCAN = 128
_CHUNK = 4096  # systems scanned at once: 50 MB, and measured fastest (1.5 times 16,384)


class ImagePositions(NamedTuple):
    """Images of point sources, the first to arrive first.

    Attributes
    ----------
    x, y : numpy.ndarray, (..., 4)
        Position [arcsec], NaN beyond `count`.
    magnification : numpy.ndarray, (..., 4)
        Signed, negative for a saddle point; NaN beyond `count`.
    fermat : numpy.ndarray, (..., 4)
        Fermat potential [arcsec^2], which `time_delay` turns into days; NaN beyond `count`.
    count : numpy.ndarray of int, (...)
        Number of images.
    """

    x: np.ndarray
    y: np.ndarray
    magnification: np.ndarray
    fermat: np.ndarray
    count: np.ndarray


def winding_number(points, x, y):
    """How often closed polygons wind around positions.

    Parameters
    ----------
    points : array_like or tensor, (..., n, 2)
        Vertices.
    x, y : array_like or tensor, (...)
        Positions; they broadcast with the polygons.

    Returns
    -------
    array or tensor, (...), integer
        Counter-clockwise turns.
    """
    xp, (points, x, y) = to_arrays(points, x, y)
    dx, dy = points[..., 0] - x[..., None], points[..., 1] - y[..., None]
    next_dx, next_dy = xp.roll(dx, -1, axis=-1), xp.roll(dy, -1, axis=-1)
    left = dx * next_dy - next_dx * dy > 0
    up = xp.logical_and(xp.logical_and(dy <= 0, next_dy > 0), left)
    down = xp.logical_and(xp.logical_and(dy > 0, next_dy <= 0), xp.logical_not(left))
    turns = xp.where(up, 1, 0) - xp.where(down, 1, 0)
    return xp.sum(turns, axis=-1)


def image_count(
    x_src,
    y_src,
    *,
    theta_E,
    q,
    phi,
    x0=0.0,
    y0=0.0,
    gamma1=0.0,
    gamma2=0.0,
    n_points=N_POINTS,
):
    """Number of images of point sources, without the central one of infinite demagnification.

    The lens maps the inside of the critical curve with negative parity. Its boundary, the caustic
    less the cut, winds around a source once per saddle point; with one more turn at infinity,
    ``count = 1 + winding(cut) - 2 winding(caustic)``. No case of a naked cusp needs a rule.

    Parameters
    ----------
    x_src, y_src : array_like or tensor, (...)
        Source position [arcsec]; everything broadcasts.
    theta_E : array_like or tensor, (...)
        Einstein radius on the intermediate axis [arcsec].
    q, phi : array_like or tensor, (...)
        Axis ratio, and position angle of the major axis from +x [rad].
    x0, y0 : array_like or tensor, (...)
        Centre of the lens [arcsec].
    gamma1, gamma2 : array_like or tensor, (...)
        External shear, which deflects by nothing at the origin.
    n_points : int
        Vertices of caustic and cut; a source nearer to them than their polygon is may be miscounted
        (about 1e-3 theta_E near a cusp with the default). `image_positions` is exact.

    Returns
    -------
    array or tensor, (...), integer
        Images per source.
    """
    lens = dict(theta_E=theta_E, q=q, phi=phi, x0=x0, y0=y0, gamma1=gamma1, gamma2=gamma2)
    _, arrays = to_arrays(x_src, y_src, *lens.values())
    x_src, y_src, *parameters = arrays
    lens = dict(zip(lens, parameters, strict=True))
    in_cut = winding_number(cut(**lens, n_points=n_points), x_src, y_src)
    in_caustic = winding_number(caustic(**lens, n_points=n_points), x_src, y_src)
    return 1 + in_cut - 2 * in_caustic


def image_positions(
    x_src,
    y_src,
    *,
    theta_E,
    q,
    phi,
    x0=0.0,
    y0=0.0,
    gamma1=0.0,
    gamma2=0.0,
    n_scan=N_SCAN,
):
    """Images of point sources behind SIE lenses with external shear.

    NumPy at float64; the equation of one angle that is solved is in `angle_equation`.

    Parameters
    ----------
    x_src, y_src : array_like, (...)
        Source position [arcsec]; everything broadcasts.
    theta_E : array_like, (...)
        Einstein radius on the intermediate axis [arcsec].
    q, phi : array_like, (...)
        Axis ratio, and position angle of the major axis from +x [rad].
    x0, y0 : array_like, (...)
        Centre of the lens [arcsec].
    gamma1, gamma2 : array_like, (...)
        External shear, which deflects by nothing at the origin.
    n_scan : int
        Angles of the scan.

    Returns
    -------
    ImagePositions
        Without the central image. The last axis has length 4, or the largest number of images
        where strong shear makes more.

    Notes
    -----
    A source exactly behind a circular lens without shear has a ring, not images: its count means
    nothing.
    """
    inputs = np.broadcast_arrays(
        *(
            np.asarray(value, dtype=np.float64)
            for value in (x_src, y_src, theta_E, q, phi, x0, y0, gamma1, gamma2)
        )
    )
    shape = inputs[0].shape
    x_src, y_src, theta_E, q, phi, x0, y0, gamma1, gamma2 = (v.ravel() for v in inputs)

    # The source as seen from the lens centre, in the frame of the major axis.
    bx = x_src - (1.0 - gamma1) * x0 + gamma2 * y0
    by = y_src - (1.0 + gamma1) * y0 + gamma2 * x0
    cos_phi, sin_phi = np.cos(phi), np.sin(phi)
    g1, g2 = shear_in_frame(np, gamma1, gamma2, phi)
    problem = AngleEquation(
        cos_phi * bx + sin_phi * by, cos_phi * by - sin_phi * bx, theta_E, q, g1, g2
    )
    chunks = np.split(np.arange(x_src.size), range(_CHUNK, x_src.size, _CHUNK))
    parts = [solve(problem, rows, n_scan) for rows in chunks]
    row, c, s, r, r_c = (np.concatenate(part) for part in zip(*parts, strict=True))

    # Back to the image.
    cp, sp = cos_phi[row], sin_phi[row]
    x = x0[row] + r * (cp * c - sp * s)
    y = y0[row] + r * (sp * c + cp * s)
    with np.errstate(divide="ignore"):
        magnification = 1.0 / (problem.determinant[row] * (1.0 - r_c / r))
    fermat = fermat_potential(
        x,
        y,
        x_src[row],
        y_src[row],
        theta_E=theta_E[row],
        q=q[row],
        phi=phi[row],
        x0=x0[row],
        y0=y0[row],
        gamma1=gamma1[row],
        gamma2=gamma2[row],
    )

    # One row per source, the images in order of arrival.
    order = np.lexsort((fermat, row))
    row = row[order]
    count = np.bincount(row, minlength=x_src.size)
    column = np.arange(row.size) - (np.cumsum(count) - count)[row]
    width = max(4, int(count.max(initial=0)))
    table = np.full((4, x_src.size, width), np.nan)
    table[:, row, column] = np.stack([x, y, magnification, fermat])[:, order]
    return ImagePositions(*table.reshape(4, *shape, width), count.reshape(shape))
