"""The cards of a page: one object each, its pictures, its numbers, what is drawn over it."""

import math
from dataclasses import dataclass

import numpy as np

from lensfinder.lensing import Ellipticity, compass, critical_curve
from lensfinder.predict import Answers
from lensfinder.report import stamps
from lensfinder.report.truth import Truth, with_parameters

# Lines of a card: column, symbol, its index, factor, unit
LINES = (
    ("p_lens", "p", "lens", 1.0, ""),
    ("theta_E", "θ", "E", 1.0, "″"),
    ("q", "q", "", 1.0, ""),
    ("phi", "φ", "", 180.0 / math.pi, "°"),
    ("e1", "e", "1", 1.0, ""),
    ("e2", "e", "2", 1.0, ""),
    ("x_lens", "x", "lens", 1.0, "″"),
    ("y_lens", "y", "lens", 1.0, "″"),
    ("gamma1", "γ", "1", 1.0, ""),
    ("gamma2", "γ", "2", 1.0, ""),
)


@dataclass(frozen=True)
class Kept:
    """One object that the page shows, kept while the rest streams by.

    Attributes
    ----------
    row : int
        Its row in the table.
    images : dict of str to array (H, W, bands)
        What the network was shown.
    truth : Truth or None
        For mocks.
    wcs : dict
        World coordinate keywords per band.
    """

    row: int
    images: dict[str, np.ndarray]
    truth: Truth | None
    wcs: dict

    @classmethod
    def of(cls, row: int, i: int, cutout, answers: Answers, truth) -> "Kept":
        """Row `i` of a batch, copied so that the batch itself can go."""
        images = {group: np.array(stack[i]) for group, stack in answers.images.items()}
        truth = truth and with_parameters(truth, cutout)
        return cls(row, images, truth, dict(cutout.wcs))


def number(value, factor=1.0, unit="") -> str:
    """A number for people: three significant digits, a dash where there is none."""
    if value is None or not np.isfinite(value):
        return "–"
    value = float(value) * factor
    digits = 0 if unit == "°" else 3 if abs(value) < 10 else 1
    return f"{value:.{digits}f}".replace("-", "−") + unit


def seen_pictures(contract, view, i: int, limits) -> list[stamps.Picture]:
    """Pictures of one object as the network sees it, one per group.

    Parameters
    ----------
    contract : InputContract
        Bands and pixel scales.
    view : View
        The network's view of all objects of the page.
    i : int
        Which of them.
    limits : dict of str to (low, high)
        Levels per group.

    Returns
    -------
    list of Picture
        In the order of the groups.
    """
    return [
        stamps.picture(
            view.images[group.name][i],
            group.bands,
            group.width,
            low=limits[group.name][0],
            high=limits[group.name][1],
        )
        for group in contract.groups
    ]


def faint_pictures(contract, kept: Kept) -> list[dict]:
    """Pictures that bring out faint light, with scale bar and compass.

    Parameters
    ----------
    contract : InputContract
        Bands and pixel scales.
    kept : Kept
        The object.

    Returns
    -------
    list of dict
        png, words, bar, bar_length (per cent of the side), compass; in the order of the groups.
    """
    pictures = []
    for group in contract.groups:
        stretched, low, high = stamps.faint_light(kept.images[group.name])
        pic = stamps.picture(stretched, group.bands, group.width, low=low, high=high)
        bar = stamps.scale_bar(group.width)
        pictures.append(
            {
                "png": pic.png,
                "words": f"{pic.words}, stretched for the eye",
                "bar": f"{bar:g}",
                "bar_length": 100 * bar / group.width,
                "compass": compass_arrows(kept.wcs, group.bands),
            }
        )
    return pictures


def compass_arrows(wcs, bands) -> list[dict] | None:
    """Arrows to north and east, in a view box of 0..100 with y downwards.

    Parameters
    ----------
    wcs : dict
        World coordinate keywords per band.
    bands : sequence of str
        Whose keywords count; the first that has any.

    Returns
    -------
    list of dict or None
        ``name``, where it ends (``x``, ``y``) and the place of its letter (``tx``, ``ty``); None
        where no header says.
    """
    known = next((wcs[band] for band in bands if wcs.get(band)), None)
    directions = compass(known)
    if directions is None:
        return None
    arrows = []
    for name, (x, y) in zip("NE", directions, strict=True):
        ends = {"x": 88 + 8 * x, "y": 86 - 8 * y, "tx": 88 + 11.5 * x, "ty": 88 - 11.5 * y}
        arrows.append({"name": name, **{key: round(float(end), 2) for key, end in ends.items()}})
    return arrows


def curves(contract, row: dict, truth: Truth | None) -> list[list[dict]]:
    """Critical curves to draw over each group: the predicted and, for mock lenses, the true one.

    Parameters
    ----------
    contract : InputContract
        For the sizes of the stamps.
    row : dict of str to value
        The row of the table.
    truth : Truth or None
        For mocks.

    Returns
    -------
    list of list of dict
        Per group: ``kind`` (a class of the style sheet) and ``d`` (an SVG path).
    """
    lines = [("fitline", _curve(row))]
    if truth is not None and truth.label != 0:
        lines.append(("trueline", _curve(truth.parameters)))
    return [
        [
            {"kind": kind, "d": stamps.path_data(points, group.width)}
            for kind, points in lines
            if points is not None
        ]
        for group in contract.groups
    ]


def _curve(values):
    """Vertices (n, 2) of the tangential critical curve, arcsec; None where there is no model."""
    wanted = {"theta_E": None, "q": None, "phi": None, "x_lens": 0.0, "y_lens": 0.0}
    wanted |= {"gamma1": 0.0, "gamma2": 0.0}
    found = {name: float(values.get(name, default) or 0.0) for name, default in wanted.items()}
    if {"e1", "e2"} <= set(values) and "q" not in values:
        shape = Ellipticity(float(values["e1"]), float(values["e2"]))
        found["q"], found["phi"] = float(shape.axis_ratio()), float(shape.position_angle())
    if not all(np.isfinite(list(found.values()))) or found["theta_E"] <= 0 or found["q"] <= 0:
        return None
    points = critical_curve(
        theta_E=found["theta_E"],
        q=found["q"],
        phi=found["phi"],
        x0=found["x_lens"],
        y0=found["y_lens"],
        gamma1=found["gamma1"],
        gamma2=found["gamma2"],
        n_points=96,
    )
    return np.asarray(points)


def number_lines(row: dict, truth: Truth | None) -> list[dict]:
    """Name, predicted value and mock truth, for the columns that the table has.

    Parameters
    ----------
    row : dict of str to value
        The row of the table.
    truth : Truth or None
        For mocks.

    Returns
    -------
    list of dict
        ``name``, its index ``sub``, ``value`` and ``truth`` as text.
    """
    known = {} if truth is None else dict(truth.parameters)
    if truth is not None and truth.label is not None:
        known["p_lens"] = None
    lines = []
    for column, symbol, index, factor, unit in LINES:
        if column not in row:
            continue
        true = number(known.get(column), factor, unit)
        if column == "p_lens" and truth is not None and truth.label is not None:
            true = "lens" if truth.label else "not a lens"
        elif truth is not None and truth.label == 0:
            true = "–"  # the parameters of a non-lens describe no lensing
        value = number(row[column], factor, unit)
        if np.isfinite(std := row.get(f"{column}_std", np.nan)):
            value += f" ± {number(std, factor, unit)}"
        lines.append({"name": symbol, "sub": index, "value": value, "truth": true})
    return lines
