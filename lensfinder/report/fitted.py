"""The page of `fit`: one HTML file with the reconstruction and the parameters of every lens."""

import base64
import datetime
from pathlib import Path

import numpy as np

from lensfinder.report.cards import number
from lensfinder.report.inversion import draw_inversion
from lensfinder.report.page import environment, page_style
from lensfinder.tables import write_atomically

SHOWN = 40
NAMES = {
    "theta_E": ("Einstein radius", "″"),
    "q": ("axis ratio", ""),
    "phi": ("angle of the major axis", "°"),
    "x": ("centre x", "″"),
    "y": ("centre y", "″"),
    "gamma1": ("shear γ₁", ""),
    "gamma2": ("shear γ₂", ""),
    "slope": ("slope of the mass", ""),
}
LIGHT = {
    "none": "taken to be absent",
    "subtracted": "fitted with the arcs clipped, and subtracted",
    "fitted": "fitted together with the source",
}


class FitPage:
    """Follows `fit`; draws a picture per lens as it goes, and writes the page at the end.

    Parameters
    ----------
    path : path-like
        File to write; the pictures go into the folder of the same name ending in ``.figures``.
    shown : int
        How many lenses the page shows; the rest have their pictures and their rows.
    """

    def __init__(self, path, *, shown: int = SHOWN):
        self.path, self.shown = Path(path), int(shown)
        self.figures = self.path.with_suffix("").with_suffix(".figures")
        self._cards, self._fits = [], 0

    def progress(self, name: str, progress) -> None:
        """Nothing: the page is written at the end."""

    def fitted(self, fitted) -> None:
        """Draw one lens."""
        if fitted.fit is None:
            return
        self._fits += 1
        place = self.figures / f"{fitted.row:05d}.png"
        draw_inversion(fitted.fit.inversion, place)
        if len(self._cards) == self.shown:
            return
        uri = "data:image/png;base64," + base64.b64encode(place.read_bytes()).decode("ascii")
        self._cards.append(
            {
                "id": fitted.id,
                "png": uri,
                "status": fitted.status,
                "message": fitted.message,
                "chi2": number(fitted.fit.reduced_chi2),
                "lines": _lines(fitted.fit),
                "noise": fitted.noise_from,
                "psf": fitted.psf_from,
                "evaluations": fitted.fit.evaluations,
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
        without = np.asarray(table["n_pix"]) == 0
        context = {
            "style": style,
            "style_hash": style_hash,
            "meta": meta,
            "date": datetime.datetime.fromisoformat(meta["date"]).strftime("%d %B %Y, %H:%M %Z"),
            "light": LIGHT[meta["lens_light"]],
            "tiles": [
                {"value": len(table), "words": "images", "kind": ""},
                {"value": int(meta["counts"].get("ok", 0)), "words": "fitted", "kind": "hit"},
                *(
                    {"value": count, "words": name.replace(",", ", "), "kind": "warn"}
                    for name, count in meta["counts"].items()
                    if name != "ok"
                ),
            ],
            "cards": self._cards,
            "more": self._fits - len(self._cards),
            "figures": self.figures.name,
            "problems": [
                {"id": row["id"], "status": row["status"], "message": row["message"]}
                for row in table[without]
            ],
        }
        html = environment().get_template("fit.html").render(context)
        write_atomically(
            self.path, lambda temporary: Path(temporary).write_text(html, encoding="utf-8")
        )


def _lines(fit) -> list[dict]:
    """Parameters as lines of a table."""
    lines = []
    for name, (words, unit) in NAMES.items():
        value, found = fit.best[name], fit.parameters[name]
        if found.std == 0:
            continue
        factor = float(np.degrees(1.0)) if unit == "°" else 1.0
        lines.append(
            {
                "words": words,
                "value": f"{factor * value:.4f}{unit}",
                "error": f"{factor * found.std:.4f}" if np.isfinite(found.std) else "none",
                "range": f"{factor * found.p16:.4f} to {factor * found.p84:.4f}"
                if np.isfinite(found.p16)
                else "",
            }
        )
    return lines
