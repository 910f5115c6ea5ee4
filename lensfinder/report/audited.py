"""The page of `audit`: one HTML file with the rounds of each lens, a picture per round."""

import base64
import datetime
from pathlib import Path

from lensfinder.report.cards import number
from lensfinder.report.page import environment, page_style
from lensfinder.report.verdicts import Panels, verdict_png
from lensfinder.tables import write_atomically

SHOWN = 40
WORDS = {"under": "under-magnified", "correct": "correct", "over": "over-magnified", "": "none"}
ACTIONS = {
    "refit": "fit again",
    "refine": "fit again, tightly",
    "done": "done",
    "person": "a person should look",
    "": "–",
}


class AuditPage:
    """Follows `audit` and `audit_given`; a PNG per round as it goes, and the page at the end.

    Parameters
    ----------
    shown : int
        How many lenses the page shows; the rest have their pictures and their rows.
    """

    def __init__(self, *, shown: int = SHOWN):
        self.shown, self._cards = int(shown), []

    def start(self, classifier, places) -> None:
        """The run begins."""
        self._places = places

    def fitted(self, row: int, identity: str, record, fit, images) -> None:
        """Draw one round."""
        self._draw(row, record.number, Panels.of_fit(fit, images))

    def audited(self, row: int, identity: str, history, message: str) -> None:
        """Keep what the page says of a lens."""
        if history is None or not history.rounds or len(self._cards) == self.shown:
            return
        self._cards.append(
            {
                "id": identity,
                "verdict": WORDS[history.answer.verdict],
                "kind": "warn" if history.needs_a_person else "hit",
                "reasons": list(history.reasons),
                "rounds": [self._round(row, record) for record in history.rounds],
            }
        )

    def given(self, row: int, reconstruction, images, columns: dict) -> None:
        """Draw and keep a reconstruction made elsewhere."""
        self._draw(row, 0, Panels.of_given(reconstruction, images))
        if len(self._cards) == self.shown:
            return
        chances = [columns[f"p_{kind}"] for kind in ("under", "correct", "over")]
        self._cards.append(
            {
                "id": columns["id"],
                "verdict": WORDS[columns["verdict"]],
                "kind": "warn" if columns["needs_a_person"] else "hit",
                "reasons": [columns["message"]] if columns["needs_a_person"] else [],
                "rounds": [
                    {
                        "number": None,
                        "png": self._uri(row, 0),
                        "verdict": WORDS[columns["verdict"]],
                        "kind": columns["verdict"],
                        "p": [f"{p:.2f}" for p in chances],
                        "theta_E": number(columns["theta_E"], 1.0, "″"),
                        "copy_scale": number(columns["copy_scale"]),
                        "fit": [],
                        "action": ACTIONS[columns["action"]],
                        "restart": _range((columns["restart_low"], columns["restart_high"])),
                    }
                ],
            }
        )

    def finish(self, table) -> None:
        """Write the page.

        Parameters
        ----------
        table : astropy.table.Table
            The complete table.
        """
        style, style_hash = page_style()
        meta = table.meta
        counts = meta["counts"]
        tiles = [{"value": len(table), "words": "lenses", "kind": ""}]
        for kind, words in WORDS.items():
            if counts.get(kind or "none"):
                tone = {"correct": "hit", "": "warn"}.get(kind, "")
                named = words if kind else "without a fit"
                tiles.append({"value": counts[kind or "none"], "words": named, "kind": tone})
        tone = "warn" if meta["needs_a_person"] else ""
        tiles.append({"value": meta["needs_a_person"], "words": "for a person", "kind": tone})
        shown = {card["id"] for card in self._cards}
        problems = [
            {"id": row["id"], "status": row["status"], "message": row["message"]}
            for row in table
            if "status" in table.colnames and row["status"] != "ok" and row["id"] not in shown
        ]
        context = {
            "style": style,
            "style_hash": style_hash,
            "meta": meta,
            "date": datetime.datetime.fromisoformat(meta["date"]).strftime("%d %B %Y, %H:%M %Z"),
            "tiles": tiles,
            "after": meta.get("after_round", []),
            "cards": self._cards,
            "more": len(table) - len(self._cards) - len(problems),
            "problems": problems,
        }
        html = environment().get_template("audit.html").render(context)
        write_atomically(
            self._places.page, lambda place: Path(place).write_text(html, encoding="utf-8")
        )

    def _draw(self, row, which, panels):
        png = verdict_png(panels)
        write_atomically(self._file(row, which), lambda place: Path(place).write_bytes(png))

    def _file(self, row, which) -> Path:
        return self._places.lens(row) / f"round-{which}.png"

    def _uri(self, row, which) -> str:
        data = base64.b64encode(self._file(row, which).read_bytes()).decode("ascii")
        return f"data:image/png;base64,{data}"

    def _round(self, row, record) -> dict:
        best, spread = record.best, record.parameters
        said = {
            name: f"{number(best[name], 1.0, unit)}{_error(spread[name]['std'], unit)}"
            for name, unit in (("theta_E", "″"), ("q", ""), ("phi", " rad"))
        }
        return {
            "number": record.number,
            "png": self._uri(row, record.number),
            "verdict": WORDS[record.verdict],
            "kind": record.verdict,
            "p": [f"{p:.2f}" for p in record.probabilities],
            "theta_E": said["theta_E"],
            "copy_scale": number(record.copy_scale),
            "fit": [
                ("axis ratio", said["q"]),
                ("angle", said["phi"]),
                ("χ² per degree of freedom", number(record.reduced_chi2)),
                ("log evidence", f"{record.log_evidence:,.1f}".replace("-", "−")),
                ("mass models tried", f"{record.evaluations:,} in {record.seconds:,.0f} s"),
                *(("doubt", problem.replace("_", " ")) for problem in record.problems),
            ],
            "action": f"{ACTIONS[record.action]}: {record.words}",
            "restart": _range(record.restart),
        }


def _error(std, unit) -> str:
    return f" ± {number(std, 1.0, unit)}" if std == std else ""


def _range(edges) -> str:
    if edges is None or edges[0] != edges[0]:
        return ""
    return f"θ_E from {number(edges[0])} to {number(edges[1])}″"
