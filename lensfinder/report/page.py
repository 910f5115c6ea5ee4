"""The page of a run: one HTML file with its candidates, their parameters and what went wrong."""

import base64
import datetime
import hashlib
import heapq
import math
from functools import cache
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup

from lensfinder.errors import STATUS
from lensfinder.predict import Answers, Run
from lensfinder.report import cards
from lensfinder.report.figures import preset_figures
from lensfinder.report.stamps import page_limits
from lensfinder.report.truth import Tally, truth_of
from lensfinder.report.view import network_view
from lensfinder.tables import write_atomically

GALLERY, DETAILS, PROBLEMS = 60, 24, 200  # what a page shows at most; the table has everything
BINS = 20

REMEDIES: dict[str, str] = {
    "nan_pixels": "Fill or mask bad pixels before, or allow a few of them to be mended.",
    "wrong_shape": "Cut stamps of the size above, or let --resample cut them.",
    "missing_band": "Give the band, choose a preset for yours, or name another with --band-map.",
    "wrong_pixel_scale": "Add --resample, or put PIXSCALE (arcsec) or a WCS into the header.",
    "constant_image": "The band holds no image: cut it again from its tile.",
    "unreadable": "Is it an image file? Other layouts are read with --layout.",
    "truncated": "The file is cut short: copy or download it again.",
    "wrong_unit": "Convert to the unit above, or state BUNIT and MAGZERO and add --calibrate.",
    "edge": "Cut a larger stamp, or let --pad fill it with its sky.",
    "extreme_pixels": "Check the calibration (BUNIT, MAGZERO) and saturated pixels.",
    "no_score": "Check the pixel values; if they are sound, this is a fault of the preset.",
    "saturated": "Use a shorter exposure: what the core hides cannot be cleaned.",
    "invented_light": "The image is unlike those the cleaner was trained on: clean it otherwise.",
    "not_cleaned": "Clean it first (find, model, explain: --clean); if it is: --assume-plane S3.",
    "nothing_left": "Nothing to judge: noise, or a galaxy without a source to be seen behind it.",
    "already_cleaned": "Leave the cleaner away, or give the images as they were observed.",
}


class Page:
    """Follows a run and writes its page at the end; memory does not grow with the number of images.

    Parameters
    ----------
    path : path-like
        File to write. Whether it may be replaced is for the caller to check first.
    gallery : int
        How many objects the mosaic shows: the highest scores, or the first of a run without scores.
    details : int
        How many of them get a card with numbers.
    """

    def __init__(self, path, *, gallery: int = GALLERY, details: int = DETAILS):
        self.path = Path(path)
        self.gallery, self.details = int(gallery), int(details)
        self._run: Run | None = None
        self._kept: list[
            tuple[float, int, cards.Kept]
        ] = []  # a heap: the lowest score leaves first
        self._problems: list[dict] = []
        self._bins = np.zeros(BINS, np.int64)
        self._tally = Tally(None)

    def start(self, run: Run) -> None:
        """The run begins."""
        self._run, self._tally = run, Tally(run.threshold)

    def batch(self, first_row: int, cutouts: list, answers: Answers) -> None:
        """Keep of a batch what the page may show."""
        scored = self._run.task == "find"
        for i, cutout in enumerate(cutouts):
            row, truth = first_row + i, truth_of(cutout)
            score = float(answers.values[i, 0]) if scored else None
            self._tally.add(truth, score)
            if answers.status[i]:
                self._keep_problem(cutout.id, int(answers.status[i]), answers.messages[i])
                continue
            # without scores the first rows are kept, so earlier is "higher"
            key = (score if scored else 0.0, -row)
            if len(self._kept) == self.gallery and key <= self._kept[0][:2]:
                continue
            item = (*key, cards.Kept.of(row, i, cutout, answers, truth))
            push = heapq.heappush if len(self._kept) < self.gallery else heapq.heappushpop
            push(self._kept, item)
        if scored:
            values = answers.values[:, 0]
            self._bins += np.histogram(values[np.isfinite(values)], BINS, (0.0, 1.0))[0]

    def finish(self, table) -> None:
        """Write the page.

        Parameters
        ----------
        table : astropy.table.Table
            The complete table.
        """
        html = environment().get_template("page.html").render(self._context(table))
        write_atomically(
            self.path, lambda temporary: Path(temporary).write_text(html, encoding="utf-8")
        )

    # --- what the template is given -----------------------------------------------------------
    def _keep_problem(self, identity, bits, message):
        if len(self._problems) < PROBLEMS:
            self._problems.append(problem(identity, bits, message))

    def _context(self, table) -> dict:
        run, meta = self._run, table.meta
        kept = [item[2] for item in sorted(self._kept, key=lambda item: item[:2], reverse=True)]
        bad = int(np.sum(np.asarray(table["status"]) != "ok"))
        networks = [network_box(run.network, "Finder" if run.task == "find" else "Modeller")]
        if run.modeller is not None:
            networks.append(network_box(run.modeller, "Modeller"))
        style, style_hash = page_style()
        context = {
            "style": style,
            "style_hash": style_hash,
            "title": "Lens candidates" if run.task == "find" else "Lens models",
            "meta": meta,
            "date": datetime.datetime.fromisoformat(meta["date"]).strftime("%d %B %Y, %H:%M %Z"),
            "table_name": _option(meta["command"], "-o"),
            "threshold": None if run.threshold is None else f"{run.threshold:g}",
            "truth": self._tally.summary(),
            "networks": networks,
            "problems": self._problems,
            "more_problems": bad - len(self._problems),
            "tiles": self._tiles(table, bad),
            "plot": _histogram(self._bins, run.threshold) if run.task == "find" else None,
        }
        return {**context, **self._objects(table, kept)}

    def _tiles(self, table, bad):
        tiles = [{"value": len(table), "words": "images", "kind": ""}]
        if self._run.task == "find":
            scores = np.asarray(table["p_lens"])
            count = int(np.sum(scores >= self._run.threshold))
            words = f"candidates, p ≥ {self._run.threshold:g}"
            tiles.append({"value": count, "words": words, "kind": "hit"})
            tiles.append({"value": len(table) - bad, "words": "scored", "kind": ""})
        else:
            tiles.append({"value": len(table) - bad, "words": "modelled", "kind": "hit"})
        for name, count in table.meta["counts"].items():
            if name != "ok":
                tiles.append({"value": count, "words": name.replace(",", ", "), "kind": "warn"})
        return tiles

    def _objects(self, table, kept) -> dict:
        run = self._run
        finds = run.task == "find"
        contract = run.network.contract
        empty = {"cards": [], "details": [], "any_fit": True, "any_compass": False}
        if not kept:
            return empty
        groups = {name: np.stack([item.images[name] for item in kept]) for name in contract.shapes}
        view = network_view(run.network.keras_model, groups)
        limits = {name: page_limits(images) for name, images in view.images.items()}
        shown, detailed = [], []
        for i, item in enumerate(kept):
            row = dict(zip(table.colnames, table[item.row], strict=True))
            hit = not finds or float(row["p_lens"]) >= run.threshold
            card = {
                "id": row["id"],
                "rank": int(row["rank"]) if finds else None,
                "score": f"{float(row['p_lens']):.3f}" if finds else _radius(row),
                "kind": "hit" if hit else "under",
                "mock": item.truth and item.truth.words,
                "seen": cards.seen_pictures(contract, view, i, limits),
            }
            shown.append(card)
            if hit and len(detailed) < self.details:
                detailed.append(card | self._detail(contract, item, row))
        words = "highest scores" if finds else "first images"
        note = (
            f"The {len(shown)} {words}. Every stamp as the network sees it, after its own "
            f"preprocessing ({view.words}), all with one grey scale."
        )
        return {
            "cards": shown,
            "mosaic_title": "Ranked by score" if finds else "The images",
            "mosaic_note": note,
            "details": detailed,
            "details_title": "Candidates" if finds else "Parameters",
            "any_fit": any(
                line["kind"] == "fitline"
                for item in detailed
                for group in item["shapes"]
                for line in group
            )
            or run.modeller is not None
            or not finds,
            "any_compass": any(pic["compass"] for item in detailed for pic in item["faint"]),
        }

    def _detail(self, contract, item, row) -> dict:
        return {
            "faint": cards.faint_pictures(contract, item),
            "shapes": cards.curves(contract, row, item.truth),
            "lines": cards.number_lines(row, item.truth),
            "has_truth": item.truth is not None,
            "remark": str(row["message"]),
        }


def problem(identity: str, bits: int, message: str) -> dict:
    """A line about an object without an answer.

    Parameters
    ----------
    identity : str
        Its id.
    bits : int
        Its status.
    message : str
        What is wrong, in words.

    Returns
    -------
    dict
        ``id``, ``status``, ``message`` and ``remedy``.
    """
    names = STATUS.decode(bits)
    remedies = dict.fromkeys(REMEDIES[name] for name in names.split(","))
    return {"id": identity, "status": names, "message": message, "remedy": " ".join(remedies)}


def _radius(row) -> str:
    return "θ_E " + cards.number(row["theta_E"], 1.0, "″") if "theta_E" in row else ""


def _option(command: str, name: str) -> str:
    """The word after an option of a command line."""
    import shlex

    words = shlex.split(command)
    return Path(words[words.index(name) + 1]).name if name in words else ""


def network_box(network, heading: str) -> dict:
    """What a page says about a network.

    Parameters
    ----------
    network : Network
        The network.
    heading : str
        What it is in this run.

    Returns
    -------
    dict
        ``heading``; ``facts`` and ``figures``, pairs of name and value.
    """
    contract = network.contract
    facts = [("preset", network.preset.name), ("survey", contract.survey)]
    for group in contract.groups:
        what = (
            f"{' '.join(group.bands)}: {group.stamp} × {group.stamp} px of {group.pixel_scale:g}″ "
            f"({group.width:.1f}″ wide)"
        )
        facts.append((f"images “{group.name}”" if len(contract.groups) > 1 else "images", what))
    # the answers come last: a page of other answers than numbers has its own words for them
    facts += [("unit", contract.unit), ("answers", ", ".join(network.preset.targets))]
    return {
        "heading": heading,
        "facts": facts,
        "figures": preset_figures(network.preset.metrics or {}),
    }


def _histogram(bins, threshold) -> dict:
    """Positions of a histogram in a picture of 400 x 236, counts on a logarithmic axis."""
    left, right, top, base = 48.0, 390.0, 12.0, 192.0
    decades = max(1, math.ceil(math.log10(max(int(bins.max()), 1) + 1)))

    def height(count):
        return (base - top) * math.log10(1 + count) / math.log10(1 + 10**decades)

    step = (right - left) / len(bins)
    bars = []
    for i, count in enumerate(bins):
        low = i / len(bins)
        bars.append(
            {
                "x": round(left + i * step + 1, 2),
                "w": round(step - 2, 2),
                "y": round(base - height(int(count)), 2),
                "h": round(height(int(count)), 2),
                "kind": "high" if low >= threshold - 1e-9 else "low",
                "words": f"{low:.2f}–{low + 1 / len(bins):.2f}: {int(count)}",
            }
        )
    counts = [0, *(10**k for k in range(decades + 1))]
    return {
        "bars": bars,
        "yticks": [{"y": round(base - height(n), 2), "text": f"{n:,}"} for n in counts],
        "xticks": [
            {"x": round(left + (right - left) * t, 2), "text": f"{t:.2g}"}
            for t in (0, 0.25, 0.5, 0.75, 1)
        ],
        "left": left,
        "right": right,
        "top": top,
        "base": base,
        "cut": round(left + (right - left) * threshold, 2),
    }


# --- the template ---------------------------------------------------------------------------------
def plain(text) -> str:
    """Text without characters that print nothing or turn the writing direction; escaped later."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))


@cache
def environment() -> jinja2.Environment:
    """Templates of this room; everything that is put into them is escaped."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    made = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["plain"] = plain
    return made


@cache
def page_style() -> tuple[Markup, str]:
    """The style sheet, ours and so not escaped, and the hash that lets a browser apply no other."""
    css = (Path(__file__).parent / "templates" / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return Markup(css), f"sha256-{digest}"
