"""The page of `paint`: the first objects with their planes, the sample, what was refused."""

import base64
import io
from pathlib import Path

import numpy as np
from matplotlib.image import imsave

from lensfinder import __version__
from lensfinder.paint.candidates import REASONS
from lensfinder.paint.words import drawn
from lensfinder.report.page import environment, page_style
from lensfinder.report.stamps import faint_light, rgb
from lensfinder.tables import write_atomically

SHOWN, REFUSED = 24, 100  # objects and refused inputs on the page; the tables have all
ZOOM = 3  # screen pixels per image pixel
_WORDS = {
    "theta_E": ("Einstein radius (arcsec)", "{:.2f}"),
    "z_lens": ("redshift of the lens", "{:.2f}"),
    "z_src": ("redshift of the source", "{:.2f}"),
    "sigma_v": ("velocity dispersion (km/s)", "{:.0f}"),
    "q": ("axis ratio of the mass", "{:.2f}"),
    "log_brightness": ("log10 of arc over lens brightness", "{:.2f}"),
    "magnification": ("magnification", "{:.1f}"),
}


class PaintPage:
    """Follows `paint`; writes its page at the end.

    Parameters
    ----------
    path : path-like
        File to write.
    shown : int
        How many objects the page shows.
    """

    def __init__(self, path, *, shown: int = SHOWN):
        self.path, self.shown = Path(path), int(shown)
        self._cards = []

    def add(self, mocks, job) -> None:
        """Draw what the page shows of some objects.

        Parameters
        ----------
        mocks : Mocks
            With the planes S1, LENS and S3.
        job : object
            With ``survey``, ``galaxies``, ``sources``, ``settings`` and ``seed`` of the run.
        """
        self._job = job
        group = job.survey.finest
        for row in range(min(len(mocks), self.shown - len(self._cards))):
            images = [mocks.planes[plane][group.name][row] for plane in ("S1", "LENS", "S3")]
            pixels, words = triple(images, group.band_names)
            uri = "data:image/png;base64," + base64.b64encode(_png(pixels)).decode("ascii")
            size = {"width": ZOOM * pixels.shape[1], "height": ZOOM * pixels.shape[0]}
            self._cards.append({"png": uri, "bands": words, **size, **_text(mocks.truth[row])})

    def finish(self, truth, selection, statistics) -> None:
        """Write the page.

        Parameters
        ----------
        truth : astropy.table.Table
            The complete truth table.
        selection : Selection
            What became of the candidates.
        statistics : dict
            Percentiles of the sample.
        """
        job = self._job
        style, style_hash = page_style()
        refused = [*job.galaxies.refused, *job.sources.refused]
        settings = job.settings.model_dump(exclude={"name"})
        html = (
            environment()
            .get_template("paint.html")
            .render(
                style=style,
                style_hash=style_hash,
                version=__version__,
                survey=job.survey.name,
                seed=job.seed,
                tiles=_tiles(truth, job),
                warnings=drawn(truth),
                statistics=[
                    {"words": _WORDS[name][0]}
                    | {key: _WORDS[name][1].format(value) for key, value in found.items()}
                    for name, found in statistics.items()
                ],
                candidates=f"{selection.seen:,}",
                kept=f"{selection.kept:,}",
                reasons=[
                    {"words": REASONS[name], "count": f"{count:,}"}
                    for name, count in selection.counts().items()
                ],
                settings=[(name, str(value)) for name, value in settings.items()],
                bands=self._cards[0]["bands"] if self._cards else "",
                cards=self._cards,
                refused=refused[:REFUSED],
                more_refused=max(0, len(refused) - REFUSED),
            )
        )
        write_atomically(self.path, lambda place: Path(place).write_text(html, encoding="utf-8"))


def triple(images, bands) -> tuple[np.ndarray, str]:
    """Painted image, galaxy and arcs side by side.

    Parameters
    ----------
    images : sequence of three arrays (H, W, bands)
        In this order.
    bands : sequence of str
        Names of the bands.

    Returns
    -------
    pixels : array (H, 3 W + 4, 3)
        Red, green and blue from 0 to 1, row 0 at the bottom.
    words : str
        What is shown.
    """
    painted, galaxy, arcs = (np.asarray(image, np.float64) for image in images)
    # the galaxy as in the painted image: both through one stretch
    both, low_both, high_both = faint_light(np.concatenate([painted, galaxy], axis=1))
    width = painted.shape[1]
    first, words = rgb(both[:, :width], bands, low=low_both, high=high_both)
    second, _ = rgb(both[:, width:], bands, low=low_both, high=high_both)
    peak = max(float(arcs.max()), 1e-30)
    third, _ = rgb(np.arcsinh(arcs / (0.05 * peak)), bands, low=0.0, high=np.arcsinh(20.0))
    gap = np.ones((painted.shape[0], 2, 3))
    return np.concatenate([first, gap, second, gap, third], axis=1), words


def _png(pixels) -> bytes:
    buffer = io.BytesIO()
    imsave(buffer, pixels, origin="lower", format="png", metadata={"Software": None})
    return buffer.getvalue()


def _tiles(truth, job):
    count = {name: int((np.asarray(truth["class"], "U") == name).sum()) for name in ("lens",)}
    quads = int((np.asarray(truth["configuration"], "U") == "quad").sum())
    return [
        {"value": f"{count['lens']:,}", "words": "lenses", "kind": "hit"},
        {"value": f"{quads:,}", "words": "of them quads", "kind": ""},
        {"value": f"{len(truth) - count['lens']:,}", "words": "galaxies without arcs", "kind": ""},
        {"value": f"{len(job.galaxies):,}", "words": "galaxies painted on", "kind": ""},
        {"value": f"{len(job.sources):,}", "words": "sources", "kind": ""},
        {
            "value": f"{len(job.galaxies.refused) + len(job.sources.refused):,}",
            "words": "inputs refused",
            "kind": "warn",
        },
    ]


def _text(row) -> dict:
    what = str(row["configuration"])
    if int(row["label"]):
        theta_E, ratio = float(row["theta_E"]), float(row["log_brightness"])
        what += f", θE = {theta_E:.2f}″, log Is/Il = {ratio:.2f}"
    else:
        what = str(row["class"]).replace("_", " ")
    words = (
        f"{row['lens_id']} at z = {float(row['z_lens']):.2f}, {float(row['sigma_v']):.0f} km/s, "
        f"turned {int(row['rotation'])} x 90°; {row['source_id']} at z = {float(row['z_src']):.2f}"
    )
    return {"id": str(row["id"]), "what": what, "words": words}
