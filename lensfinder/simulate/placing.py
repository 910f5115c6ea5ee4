"""Where the source lies behind the lens."""

import numpy as np

from lensfinder.lensing.critical import caustic, critical_curve, cut
from lensfinder.lensing.multiplicity import image_positions, winding_number
from lensfinder.lensing.shear import shear_deflection

_TRIES = 64  # points per object; where all of them miss, the object is drawn again
_ROUND = 4
_POLYGON = 128
# powers of the inverse of the plastic number: the best additive recurrence in two dimensions
_GOLDEN_A, _GOLDEN_B = 0.7548776662466927, 0.5698402909980532


def lens_of(columns):
    """The lens parameters of `lensing` functions from the columns of a truth table."""
    return {
        "theta_E": columns["theta_E"],
        "q": columns["q"],
        "phi": columns["phi"],
        "x0": columns["x_lens"],
        "y0": columns["y_lens"],
        "gamma1": columns["gamma1"],
        "gamma2": columns["gamma2"],
    }


def place_source(rule, draws, columns):
    """Draw the source's centre and, should it turn out not to be lensed, its place beside the lens.

    Parameters
    ----------
    rule : SourcePosition
        Where.
    draws : Draws
        The objects.
    columns : dict of str to array (N,)
        With the lens parameters.

    Returns
    -------
    dict of str to array (N,)
        ``x_src``, ``y_src``, ``placed`` (False where no point was found: the object is to be drawn
        again), ``x_unlensed``, ``y_unlensed``; arcsec.
    """
    lens = lens_of(columns)
    u, v = draws("place_a"), draws("place_b")
    placed = np.ones(len(draws), bool)
    if rule.region == "einstein_radius":
        radius, angle = columns["theta_E"] * np.sqrt(u), 2 * np.pi * v
        x, y = lens["x0"] + radius * np.cos(angle), lens["y0"] + radius * np.sin(angle)
    elif rule.region == "critical_curve":
        x, y = _inside_star(critical_curve(**lens, n_points=_POLYGON), lens, u, v)
    else:
        x, y, placed = _by_rejection(rule, lens, u, v)
    if rule.region in ("einstein_radius", "critical_curve"):
        # the shear, which acts about the stamp's centre, moves the whole source plane
        dx, dy = shear_deflection(
            lens["x0"], lens["y0"], gamma1=lens["gamma1"], gamma2=lens["gamma2"]
        )
        x, y = x - dx, y - dy
    half = rule.unlensed_half_width
    return {
        "x_src": x,
        "y_src": y,
        "placed": placed,
        "x_unlensed": lens["x0"] + half * (2 * draws("unlensed_x") - 1),
        "y_unlensed": lens["y0"] + half * (2 * draws("unlensed_y") - 1),
    }


def _inside_star(points, lens, u, v):
    """Uniform points in a polygon seen whole from the lens: pick a triangle by area, then inside.

    Two numbers suffice: the first picks the triangle and, by what is left of it, the first
    coordinate in it.
    """
    centre = np.stack([lens["x0"], lens["y0"]], axis=-1)[:, None, :]
    a = points - centre
    b = np.roll(a, -1, axis=1)
    area = np.abs(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])
    edges = np.cumsum(area, axis=1)
    target = u * edges[:, -1]
    k = np.minimum((edges <= target[:, None]).sum(1), points.shape[1] - 1)
    rows = np.arange(len(u))
    s = np.sqrt(np.clip((target - (edges[rows, k] - area[rows, k])) / area[rows, k], 0, 1))
    inside = s[:, None] * ((1 - v)[:, None] * a[rows, k] + v[:, None] * b[rows, k])
    return inside[:, 0] + lens["x0"], inside[:, 1] + lens["y0"]


def _by_rejection(rule, lens, u, v):
    """Uniform points in a region known by a test: the first of a quasi-random sequence inside."""
    outline = np.concatenate(
        [caustic(**lens, n_points=_POLYGON), cut(**lens, n_points=_POLYGON)], axis=1
    )
    low, high = outline.min(axis=1), outline.max(axis=1)
    x, y, placed = np.zeros_like(u), np.zeros_like(u), np.zeros(len(u), bool)
    for start in range(0, _TRIES, _ROUND):
        rows = np.flatnonzero(~placed)
        if not rows.size:
            break
        k = np.arange(start, start + _ROUND)
        # an additive recurrence started at a random point: uniform for each object
        a = (u[rows, None] + k * _GOLDEN_A) % 1
        b = (v[rows, None] + k * _GOLDEN_B) % 1
        some = {key: value[rows] for key, value in lens.items()}
        px = low[rows, :1] + a * (high - low)[rows, :1]
        py = low[rows, 1:] + b * (high - low)[rows, 1:]
        if rule.region == "caustic":
            inside = _in_caustic_or_cut(some, px, py)
        else:
            inside = _magnified(some, px, py, rule.minimum_magnification)
        first, found = inside.argmax(axis=1), inside.any(axis=1)
        hit, at = rows[found], first[found]
        x[hit], y[hit], placed[hit] = px[found, at], py[found, at], True
    return x, y, placed


def _in_caustic_or_cut(lens, x, y):
    inside = np.zeros(x.shape, bool)
    for outline in (caustic, cut):
        points = outline(**lens, n_points=_POLYGON)[:, None]
        inside |= winding_number(points, x, y) != 0
    return inside


def _magnified(lens, x, y, minimum):
    """Where the images of a point source together are magnified enough."""
    broadcast = {key: np.broadcast_to(value[:, None], x.shape) for key, value in lens.items()}
    images = image_positions(x, y, **broadcast)
    return np.nansum(np.abs(images.magnification), axis=-1) > minimum
