"""The page of `clean`: images as given and without noise, the sources alone, what was taken off."""

import datetime
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lensfinder.clean import TABLE
from lensfinder.predict import Answers, Run
from lensfinder.report import stamps
from lensfinder.report.cards import compass_arrows, number
from lensfinder.report.page import PROBLEMS, environment, network_box, page_style, problem
from lensfinder.report.truth import Tally, Truth, truth_of
from lensfinder.tables import write_atomically

SHOWN = 24  # objects on the page; the table and the folder have all
MADE = {"S2": "denoised", "S3": "source"}
NOISE = 5.0  # sigma: what was taken off as noise is shown from minus to plus so many
SOFT = 0.05  # of the brightest pixel of a source: its stretch is linear below, logarithmic above
# sigma of the noise: white of a source is no fainter. What a cleaner leaves of noise alone is
# fainter than one, and would look like arcs if every source were brought to white.
FAINTEST_WHITE = 5.0


@dataclass(frozen=True)
class Kept:
    """One object that the page shows, kept while the rest streams by.

    Attributes
    ----------
    row : int
        Its row in the table.
    given : array (h, w, bands)
        What the network was shown; of a tile, a smaller view.
    made : array (planes, h, w, bands)
        What it made of it, the last planes if not all.
    truth : Truth or None
        For mocks.
    wcs : dict
        World coordinate keywords per band.
    width : float
        On the sky, arcsec.
    """

    row: int
    given: np.ndarray
    made: np.ndarray
    truth: Truth | None
    wcs: dict
    width: float


class CleanPage:
    """Follows `clean`, writes its page at the end; memory does not grow with the number of images.

    Parameters
    ----------
    path : path-like
        File to write. Whether it may be replaced is for the caller to check first.
    shown : int
        How many objects the page shows: the first that were cleaned.
    """

    def __init__(self, path, *, shown: int = SHOWN):
        self.path, self.shown = Path(path), int(shown)
        self._run: Run | None = None
        self._kept: list[Kept] = []
        self._problems: list[dict] = []
        self._tally = Tally(None)

    def start(self, run: Run) -> None:
        """The run begins."""
        self._run = run

    def batch(self, first_row: int, cutouts: list, answers: Answers) -> None:
        """Keep of a batch what the page may show."""
        (group,) = self._run.network.contract.groups
        square = answers.extra.get("square", np.ones(len(cutouts)))  # pixels, of a view of a tile
        for i, cutout in enumerate(cutouts):
            truth = truth_of(cutout)
            self._tally.add(truth, None)
            if answers.status[i]:
                if len(self._problems) < PROBLEMS:
                    line = problem(cutout.id, int(answers.status[i]), answers.messages[i])
                    self._problems.append(line)
            elif len(self._kept) < self.shown:
                # copies, so that the batch itself can go
                given = np.array(answers.images[group.name][i])
                made = np.array(answers.values[i])
                width = given.shape[1] * group.pixel_scale * float(square[i])
                item = Kept(first_row + i, given, made, truth, dict(cutout.wcs), width)
                self._kept.append(item)

    def finish(self, table) -> None:
        """Write the page.

        Parameters
        ----------
        table : astropy.table.Table
            The complete table.
        """
        html = environment().get_template("clean.html").render(self._context(table))
        write_atomically(
            self.path, lambda temporary: Path(temporary).write_text(html, encoding="utf-8")
        )

    # --- what the template is given -----------------------------------------------------------
    def _context(self, table) -> dict:
        run, meta = self._run, table.meta
        bad = int(np.sum(np.asarray(table["status"]) != "ok"))
        style, style_hash = page_style()
        bands, planes = run.network.contract.bands, meta["planes"]
        tiled = "masked" in table.colnames
        shown = planes[-1:] if tiled else planes  # the denoised tile is not kept
        cards = [self._card(table, item, shown) for item in self._kept]
        shares = meta["flux_conservation"]
        networks = [] if run.denoiser is None else [_box(run.denoiser, "Denoiser")]
        networks.append(_box(run.network, "Cleaner"))
        return {
            "style": style,
            "style_hash": style_hash,
            "meta": meta,
            "date": datetime.datetime.fromisoformat(meta["date"]).strftime("%d %B %Y, %H:%M %Z"),
            "tiles": [
                {"value": len(table), "words": "images", "kind": ""},
                {"value": len(table) - bad, "words": "cleaned", "kind": "hit"},
                *(
                    {"value": count, "words": name.replace(",", ", "), "kind": "warn"}
                    for name, count in meta["counts"].items()
                    if name != "ok"
                ),
            ],
            "truth": self._tally.summary(),
            "networks": networks,
            "bands": bands,
            "unit": run.network.contract.unit,
            "conservation": [
                {"words": words, "cells": [_share(shares[f"{kind}_{band}"]) for band in bands]}
                for kind, words in _kinds(table, planes)[1:]
            ],
            "images": len(table),
            "cards": cards,
            "more": len(table) - bad - len(cards),
            "colours": cards[0]["pictures"][0]["colours"] if cards else "",
            "denoised": "S2" in shown,
            "source": "S3" in shown,
            "tiled": tiled,
            "noise": f"{NOISE:g}",
            "soft": f"{100 * SOFT:g}",
            "faintest_white": f"{FAINTEST_WHITE:g}",
            "problems": self._problems,
            "more_problems": bad - len(self._problems),
            "table_name": TABLE,
        }

    def _card(self, table, item: Kept, planes) -> dict:
        row = dict(zip(table.colnames, table[item.row], strict=True))
        bands = self._run.network.contract.bands
        lines = []
        for kind, words in _kinds(table, table.meta["planes"]):
            values = [float(row[f"{kind}_{band}"]) for band in bands]
            lines.append({"words": f"flux {words}", "cells": [number(value) for value in values]})
            if kind != "flux_in":
                before = [float(row[f"flux_in_{band}"]) for band in bands]
                shares = [b / a if a > 0 else None for a, b in zip(before, values, strict=True)]
                lines.append({"words": "share kept", "cells": [_share(share) for share in shares]})
        made = dict(zip(planes, item.made, strict=True))
        return {
            "id": row["id"],
            "file": row["file"],
            "mock": item.truth and item.truth.words,
            "masked": number(100 * row["masked"], 1.0, " %") if "masked" in row else "",
            "pictures": [_drawn(panel, item, bands) for panel in panels(item.given, made)],
            "lines": lines,
        }


@dataclass(frozen=True)
class Panel:
    """One picture of a row of them, before it is drawn.

    Attributes
    ----------
    words : str
        What it shows.
    pixels : array (h, w, bands)
        Stretched; NaN where there is no answer.
    low, high : float or array (bands,)
        Values shown black and white.
    """

    words: str
    pixels: np.ndarray
    low: object
    high: object


def panels(given, made: dict) -> list[Panel]:
    """The pictures of an object, from left to right: what was taken off stands in between.

    Given, denoised and the lens light share one stretch (`stamps.FaintStretch` of the image given),
    so that they can be compared. The noise is linear around zero. A source has a stretch of its
    own, since it is fainter than its lens.

    Parameters
    ----------
    given : array (h, w, bands)
        The image.
    made : dict of str to array (h, w, bands)
        The planes S2 (denoised) and S3 (the source), or one of them.

    Returns
    -------
    list of Panel
        Three of one plane, five of both.
    """
    stretch = stamps.FaintStretch.of(given)
    faint = {"low": np.zeros_like(stretch.high), "high": stretch.high}
    found = [Panel("given", stretch(given), **faint)]
    before, off = given, "taken off: noise and lens light"
    if "S2" in made:
        noise = (given - made["S2"]) / stretch.sigma
        found += [
            Panel("taken off: noise", noise, -NOISE, NOISE),
            Panel("denoised", stretch(made["S2"]), **faint),
        ]
        before, off = made["S2"], "taken off: lens light"
    if "S3" in made:
        source = made["S3"] / stretch.sigma
        bright = source[np.isfinite(source)].max(initial=FAINTEST_WHITE)
        softened = np.arcsinh(source / (SOFT * bright))
        found += [
            Panel(off, stretch(before - made["S3"]), **faint),
            Panel("source", softened, 0.0, float(np.arcsinh(1 / SOFT))),
        ]
    return found


def _drawn(panel: Panel, item: Kept, bands) -> dict:
    filled = np.where(np.isfinite(panel.pixels), panel.pixels, panel.low)
    pic = stamps.picture(filled, bands, item.width, low=panel.low, high=panel.high)
    bar = stamps.scale_bar(item.width)
    return {
        "png": pic.png,
        "colours": pic.words,
        "words": panel.words,
        "height": round(100 * filled.shape[0] / filled.shape[1], 2),
        "bar": f"{bar:g}",
        "bar_length": 100 * bar / item.width,
        "compass": compass_arrows(item.wcs, bands),
    }


def _box(network, heading) -> dict:
    box = network_box(network, heading)
    planes = [f"{MADE[name]} ({name})" for name in network.preset.targets]
    return box | {"facts": [*box["facts"][:-1], ("makes", ", ".join(planes))]}


def _kinds(table, planes) -> list[tuple[str, str]]:
    """Columns of fluxes, without their bands, and what they are of."""
    denoised = any(name.startswith("flux_denoised_") for name in table.colnames)
    return [
        ("flux_in", "given"),
        *([("flux_denoised", MADE["S2"])] if denoised else []),
        ("flux_out", MADE[planes[-1]]),
    ]


def _share(share) -> str:
    return "–" if share is None or not np.isfinite(share) else f"{share:.3f}".replace("-", "−")
