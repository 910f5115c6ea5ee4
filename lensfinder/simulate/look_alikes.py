"""What is mistaken for a lens: rings, spiral arms, mergers with tails."""

import numpy as np
from scipy.special import i0e

from lensfinder.simulate.draw import STREAMS

KINDS = ("ring", "spiral", "merger")


def _between(u, low, high):
    return low + u * (high - low)


def draw_look_alikes(draws, columns) -> dict[str, np.ndarray]:
    """Structure around the lens galaxy that carries about the flux the arcs would have had.

    A merger is a companion with a tail; its companion takes the source's place, unlensed. The
    ranges are ours: radii like those of arcs, arms as tightly wound as those of real spirals.

    Parameters
    ----------
    draws : Draws
        The objects.
    columns : dict of str to array (N,)
        From `draw_parameters`.

    Returns
    -------
    dict of str to array (N,)
        ``structure_<name>`` for the names of `scene.STRUCTURE`, ``structure_kind``,
        ``structure_flux`` (share of the source's flux that it gets, boost included),
        ``structure_area`` (flux over peak, square arcsec), ``x_companion``, ``y_companion`` and
        ``boost``, the factor on the source's flux that stands for the missing magnification.
    """
    u = dict(enumerate(draws.many("look_alike", 12).T))
    kind = np.asarray(KINDS)[np.minimum((u[0] * 3).astype(int), 2)]
    ring, spiral, merger = (kind == name for name in KINDS)
    scale = columns["theta_E"]
    radius = np.where(spiral, _between(u[1], 0.4, 0.9), _between(u[1], 0.7, 1.3)) * scale
    width = radius * np.select(
        [ring, spiral],
        [_between(u[2], 0.06, 0.22), _between(u[2], 0.35, 0.7)],
        _between(u[2], 0.08, 0.2),
    )
    arms = np.select([ring, spiral], [np.where(u[3] < 0.5, 0, 1), np.where(u[3] < 0.75, 2, 3)], 1)
    contrast = np.select(
        [ring, spiral],
        [_between(u[4], 0.0, 1.0), _between(u[4], 1.5, 4.0)],
        _between(u[4], 2.0, 8.0),
    )
    contrast = np.where(arms == 0, 0.0, contrast)
    pitch = np.deg2rad(_between(u[5], 10, 35)) * np.where(u[6] < 0.5, -1, 1)
    winding = np.where(spiral, 1 / np.tan(pitch), np.where(merger, _between(u[5], -1.5, 1.5), 0))
    phase = 2 * np.pi * u[7]
    phi = columns.get("lens_phi", np.zeros_like(radius))
    q = np.where(merger, 1.0, _between(u[8], 0.5, 1.0))
    # flux over peak of a thin ring, with the mean of its modulation in angle
    area = (2 * np.pi) ** 1.5 * radius * width * np.where(arms == 0, 1.0, i0e(contrast))
    angle = phase + phi
    return {
        "structure_kind": kind,
        "structure_x": columns["x_lens"],
        "structure_y": columns["y_lens"],
        "structure_q": q,
        "structure_phi": phi,
        "structure_radius": radius,
        "structure_width": width,
        "structure_arms": arms.astype(float),
        "structure_contrast": contrast,
        "structure_winding": winding,
        "structure_phase": phase,
        "structure_area": area,
        "structure_flux": np.where(merger, _between(u[9], 0.1, 0.5), 1.0),
        "x_companion": columns["x_lens"] + radius * np.cos(angle),
        "y_companion": columns["y_lens"] + radius * np.sin(angle),
        "boost": 10.0 ** _between(u[10], 0.4, 1.2),
    }


assert (
    STREAMS["stamp"] - STREAMS["look_alike"] >= 12
)  # the streams above must not run into the next
