"""The page of `explain`: one HTML file with a figure and the regions' numbers per object."""

import base64
import datetime
from pathlib import Path

import numpy as np

from lensfinder.explain.run import FIGURES
from lensfinder.report.cards import number
from lensfinder.report.explanations import explanation_png
from lensfinder.report.page import environment, page_style
from lensfinder.tables import write_atomically

SHOWN = 40
METHOD_WORDS = {
    "lime": "LIME: random halves of the regions are switched off, and a linear model of p is "
    "fitted around the object",
    "occlusion": "occlusion: a patch slides over the sky, and p without it is compared",
    "gradients": "integrated gradients from the object with all of its sky switched off",
}
FILL_WORDS = {"galaxy": "what a smooth galaxy would show there", "sky": "bare sky"}


class ExplainPage:
    """Follows `explain`; writes a PNG per object beside the page, and the page at the end.

    Parameters
    ----------
    path : path-like
        File to write.
    shown : int
        How many objects the page shows; the rest have their figures and their rows.
    """

    def __init__(self, path, *, shown: int = SHOWN):
        self.path, self.shown = Path(path), int(shown)
        self._cards = []

    def start(self, network, method: str) -> None:
        """The run begins."""
        self._network, self._method = network, method

    def explained(self, row: int, cutout, images, p_lens: float, explanation) -> None:
        """Draw one object."""
        network = self._network
        png = explanation_png(
            explanation,
            images,
            network=network.keras_model,
            contract=network.contract,
            p_lens=p_lens,
            title=cutout.id,
        )
        place = self.path.parent / FIGURES / f"{row:05d}.png"
        write_atomically(place, lambda temporary: Path(temporary).write_bytes(png))
        if len(self._cards) < self.shown:
            uri = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
            card = {"id": cutout.id, "png": uri, "p": f"{p_lens:.3f}", "lines": _lines(explanation)}
            self._cards.append(card)

    def finish(self, table) -> None:
        """Write the page.

        Parameters
        ----------
        table : astropy.table.Table
            The complete table.
        """
        style, style_hash = page_style()
        meta = table.meta
        bad = np.asarray(table["status"]) != "ok"
        context = {
            "style": style,
            "style_hash": style_hash,
            "meta": meta,
            "date": datetime.datetime.fromisoformat(meta["date"]).strftime("%d %B %Y, %H:%M %Z"),
            "method": METHOD_WORDS[self._method],
            "fill": FILL_WORDS[meta["settings"]["fill"]],
            "tiles": [
                {"value": len(table), "words": "images", "kind": ""},
                {"value": int((~bad).sum()), "words": "explained", "kind": "hit"},
                *(
                    {"value": count, "words": name.replace(",", ", "), "kind": "warn"}
                    for name, count in meta["counts"].items()
                    if name != "ok"
                ),
            ],
            "cards": self._cards,
            "more": int((~bad).sum()) - len(self._cards),
            "problems": [
                {"id": row["id"], "status": row["status"], "message": row["message"]}
                for row in table[bad]
            ],
        }
        html = environment().get_template("explain.html").render(context)
        write_atomically(
            self.path, lambda temporary: Path(temporary).write_text(html, encoding="utf-8")
        )


def _lines(explanation) -> list[dict]:
    """The regions that count, as lines of a table."""
    lines = []
    for side, words in (("lens", "for a lens"), ("against", "against")):
        for region in explanation.top(side):
            x, y = explanation.regions.centres[region]
            lines.append(
                {
                    "words": words,
                    "kind": side,
                    "number": region + 1,
                    "weight": number(explanation.weights[region]),
                    "area": number(explanation.regions.areas[region]),
                    "place": f"{number(x)}, {number(y)}",
                }
            )
    return lines
