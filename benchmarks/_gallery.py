"""A page of stamps with captions: what a benchmark's numbers look like."""

import html
from pathlib import Path

import numpy as np

from lensfinder.report.stamps import faint_light, picture
from lensfinder.tables import write_atomically

STYLE = """
body { background: #111; color: #ddd; font: 13px sans-serif; margin: 1.5em; }
.row { display: inline-block; margin: 0 .8em .9em 0; vertical-align: top; }
img { width: 110px; height: 110px; image-rendering: pixelated; margin-right: 2px; }
.lens { border-bottom: 3px solid #5c5; } .other { border-bottom: 3px solid #555; }
p { margin: .1em 0 0 0; max-width: 230px; color: #aaa; } h2 { font-size: 15px; }
"""


def write_gallery(path, title, sections, *, width, words="") -> Path:
    """Write one HTML file that needs no other.

    Parameters
    ----------
    path : path-like
        The file.
    title, words : str
        Heading, and a paragraph below it.
    sections : sequence of (str, list)
        Heading and rows; a row is (list of stamps (H, W), caption, whether it is a lens).
    width : float
        Side of the stamps, arcsec.

    Returns
    -------
    pathlib.Path
        The file. Stamps are stretched to show faint light, which networks do not see so.
    """
    parts = [
        f"<!doctype html><meta charset='utf-8'><title>{html.escape(title)}</title>",
        f"<style>{STYLE}</style><h1>{html.escape(title)}</h1><div>{html.escape(words)}</div>",
    ]
    for heading, rows in sections:
        parts.append(f"<h2>{html.escape(heading)}</h2>")
        for stamps, caption, lens in rows:
            images = "".join(f"<img alt='' src='{_png(stamp, width)}'>" for stamp in stamps)
            kind = "lens" if lens else "other"
            parts.append(
                f"<div class='row'><div class='{kind}'>{images}</div>"
                f"<p>{html.escape(caption)}</p></div>"
            )
    text = "\n".join(parts) + "\n"
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda place: Path(place).write_text(text, encoding="utf-8"))
    return path


def _png(stamp, width):
    stretched, low, high = faint_light(np.asarray(stamp, np.float64)[..., None])
    return picture(stretched, ("VIS",), width, low=low, high=high).png
