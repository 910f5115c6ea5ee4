"""What is mistaken for a lens: rings, spiral arms, mergers, and the other morphologies."""

import numpy as np

from lensfinder.simulate.draw import STREAMS
from lensfinder.simulate.morphologies import MORE_KINDS, NUMBERS, PARTS, Parts, between, ring_area
from lensfinder.simulate.scene import STRUCTURE
from lensfinder.specs.population import CLASSIC_LOOK_ALIKES, LOOK_ALIKES

KINDS = CLASSIC_LOOK_ALIKES  # each of one part


def draw_look_alikes(draws, columns, kinds=None) -> dict[str, np.ndarray]:
    """Structure around the lens galaxy that carries about the flux the arcs would have had.

    A merger is a companion with a tail; its companion takes the source's place, unlensed. The
    ranges are ours: radii like those of arcs, arms as tightly wound as those of real spirals.

    Parameters
    ----------
    draws : Draws
        The objects.
    columns : dict of str to array (N,)
        From `draw_parameters`.
    kinds : dict of str to float or None
        Fractions of the kinds of `specs.population.LOOK_ALIKES`. None: rings, spirals and mergers,
        equally many.

    Returns
    -------
    dict of str to array (N,)
        ``structure_<name>`` for the names of `scene.STRUCTURE`, ``structure_kind``,
        ``structure_flux`` (share of the source's flux that it gets),
        ``structure_area`` (flux over peak, square arcsec), ``x_companion``, ``y_companion`` and
        ``boost``, the factor on the source's flux that stands for the missing magnification. With
        `kinds` also ``structure1_<name>`` and so on, one set for each further part.
    """
    u = dict(enumerate(draws.many("look_alike", 12).T))
    kind = _classic_kind(u[0]) if kinds is None else _choose(u[0], kinds)
    found = _one_part(u, kind, columns)
    found["structure_kind"] = kind
    if kinds is not None:
        _add_parts(draws, columns, kind, found)
    return found


def _classic_kind(u):
    return np.asarray(KINDS)[np.minimum((u * 3).astype(int), 2)]


def _choose(u, kinds):
    """Kinds in the order of the registry, whatever the order of the file."""
    names = [name for name in LOOK_ALIKES if kinds.get(name, 0) > 0]
    edges = np.cumsum([kinds[name] for name in names])
    which = np.searchsorted(edges / edges[-1], u, side="right")
    return np.asarray(names)[np.minimum(which, len(names) - 1)]


def _one_part(u, kind, columns):
    """Rings, spirals and mergers, and the numbers that every kind shares."""
    ring, spiral, merger = (kind == name for name in KINDS)
    scale = columns["theta_E"]
    radius = np.where(spiral, between(u[1], 0.4, 0.9), between(u[1], 0.7, 1.3)) * scale
    width = radius * np.select(
        [ring, spiral],
        [between(u[2], 0.06, 0.22), between(u[2], 0.35, 0.7)],
        between(u[2], 0.08, 0.2),
    )
    arms = np.select([ring, spiral], [np.where(u[3] < 0.5, 0, 1), np.where(u[3] < 0.75, 2, 3)], 1)
    contrast = np.select(
        [ring, spiral],
        [between(u[4], 0.0, 1.0), between(u[4], 1.5, 4.0)],
        between(u[4], 2.0, 8.0),
    )
    contrast = np.where(arms == 0, 0.0, contrast)
    pitch = np.deg2rad(between(u[5], 10, 35)) * np.where(u[6] < 0.5, -1, 1)
    winding = np.where(spiral, 1 / np.tan(pitch), np.where(merger, between(u[5], -1.5, 1.5), 0))
    phase = 2 * np.pi * u[7]
    phi = columns.get("lens_phi", np.zeros_like(radius))
    angle = phase + phi
    return {
        "structure_x": columns["x_lens"],
        "structure_y": columns["y_lens"],
        "structure_q": np.where(merger, 1.0, between(u[8], 0.5, 1.0)),
        "structure_phi": phi,
        "structure_radius": radius,
        "structure_width": width,
        "structure_arms": arms.astype(float),
        "structure_contrast": contrast,
        "structure_winding": winding,
        "structure_phase": phase,
        "structure_area": ring_area(radius, width, arms, contrast),
        "structure_flux": np.where(merger, between(u[9], 0.1, 0.5), 1.0),
        "x_companion": columns["x_lens"] + radius * np.cos(angle),
        "y_companion": columns["y_lens"] + radius * np.sin(angle),
        "boost": 10.0 ** between(u[10], 0.4, 1.2),
    }


def _add_parts(draws, columns, kind, found):
    """Overwrite the first part of the objects of `MORE_KINDS`, and add the others to all."""
    n = len(kind)
    for k in range(1, PARTS):
        for name in STRUCTURE:
            found[f"structure{k}_{name}"] = np.full(n, float(name in ("q", "radius", "width")))
        found[f"structure{k}_flux"] = np.zeros(n)
        found[f"structure{k}_area"] = np.ones(n)
    u = draws.many("look_alike_parts", (PARTS + 1) * NUMBERS).reshape(n, PARTS + 1, NUMBERS)
    for name, fill in MORE_KINDS.items():
        rows = np.flatnonzero(kind == name)
        where = (columns["x_lens"], columns["y_lens"], found["structure_phi"])
        parts = Parts(u[rows], columns["theta_E"][rows], *(values[rows] for values in where))
        fill(parts)
        for k, (values, share, area) in enumerate(
            zip(parts.columns, parts.shares(), parts.area, strict=True)
        ):
            prefix = part_name(k)
            for column, value in zip(STRUCTURE, values, strict=True):
                found[f"{prefix}_{column}"] = _replaced(found[f"{prefix}_{column}"], rows, value)
            found[f"{prefix}_flux"] = _replaced(found[f"{prefix}_flux"], rows, share)
            found[f"{prefix}_area"] = _replaced(found[f"{prefix}_area"], rows, area)


def _replaced(values, rows, new):
    values = np.array(values, float)  # a copy: some columns are those of the lens
    values[rows] = new
    return values


def part_name(k: int) -> str:
    """Prefix of the columns of a part.

    Parameters
    ----------
    k : int
        Its number, from 0.

    Returns
    -------
    str
        ``structure``, ``structure1``, ...
    """
    return f"structure{k or ''}"


if set(LOOK_ALIKES) != {*KINDS, *MORE_KINDS}:
    raise AssertionError("the kinds that populations may name are not those that can be drawn")
# the streams above must not run into the next
assert STREAMS["stamp"] - STREAMS["look_alike"] >= 12
assert STREAMS["neighbours"] - STREAMS["look_alike_parts"] >= (PARTS + 1) * NUMBERS
