"""The parametric fit on real lenses, beside what was published about them.

SIE and external shear, the lens light fitted together with the source. The masks are discs about
the middle of the image whose radius was chosen by eye so that the arcs are inside and neighbours
are not. Every lens is fitted twice: with theta_E flat within a fifth of the mean radius of the arcs
by eye, and with theta_E anywhere inside the mask. None of this is blind: masks and radii were set
after the published values had been read. Each reconstruction is shown to the classifier of
`lensfinder audit` and to the opinion by parity, which were not told what is published.

Published are, by lens, an SIE from the same kind of data (Bolton et al. 2008; COWLS) or a power law
with shear, whose slope need not be isothermal (Shajib et al. 2021, BDLensing). Images are looked
for in LENSFINDER_DATA or ../shared/data.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from _on_real_images import measure, parser
from _published import published_of, read_published

from lensfinder.audit import Opinion, classifier_of
from lensfinder.audit.loop import doubts, judge
from lensfinder.data import read_cutouts
from lensfinder.fit import fit
from lensfinder.inversion import MassPrior, load_relation

NORTH_UP = (math.pi / 2, True)
SEED = 0
BLIND = (
    "not blind: masks, radii of the arcs and with them the priors in theta_E were set after the "
    "published values had been read"
)
NARROW, WIDE = "0.8 to 1.2 of the radius of the arcs by eye", "flat to the edge of the mask"


@dataclass(frozen=True)
class Set:
    """Lenses of one folder: {part of the id: (radius of the mask, of the arcs) in arcsec}."""

    folder: str
    layout: str
    band: str
    masks: dict[str, tuple[float, float]]
    sky: tuple[float, bool] | None = None  # direction of north; None where nothing says


SETS = (
    Set("slacs_hst", "slacs-autolens", "F814W", {"J0946": (1.8, 1.35), "J1430": (2.3, 1.5)}),
    Set(
        *("slacs_hst", "slacs-lenstronomy", "F555W"),
        {"J0959": (1.9, 1.0), "J1250": (1.9, 1.2), "J1630": (2.5, 1.8)},
        NORTH_UP,
    ),
    Set(
        *("bdlensing_hst_f140w", "bdlensing", "F140W"),
        {"J0132": (2.4, 1.4), "J0618": (3.4, 2.3), "J1554": (2.4, 1.6)},
        NORTH_UP,
    ),
    Set(
        *("cowls_jwst", "cowls", "F150W"),
        {"COSJ100024+015334": (1.3, 0.8), "COSJ100012": (1.5, 0.8)},
        NORTH_UP,  # its published angles are from the image's axes
    ),
)


def main():
    found = parser(__doc__)
    found.add_argument("--only", default="", help="fit lenses whose id contains this")
    found.add_argument("--light", default="fitted", help="none, subtracted or fitted")
    found.add_argument("--no-shear", action="store_true")
    found.add_argument("--no-wide", action="store_true", help="theta_E near the arcs only")
    found.add_argument("--classifier", default="forked/euclid-vis", help="or parity")
    found.add_argument("--pages", help="folder for a page per lens and for the evaluations")
    measure("fit_real", found.parse_args(), run, markdown, seed=SEED)


def run(folder, options) -> dict | None:
    """Every lens with both priors; None if there is no lens."""
    known = read_published(folder / "known_lens_parameters.csv")
    priors = (NARROW,) if options.no_wide else (NARROW, WIDE)
    judges = classifier_of(options.classifier), load_relation()
    rows = []
    for images in SETS:
        if not (folder / images.folder).is_dir():
            print(f"Skipped: there is no folder {images.folder}.")
            continue
        for cutout in read_cutouts(folder / images.folder, layout=images.layout):
            radii = next((r for part, r in images.masks.items() if part in cutout.id), None)
            if radii is None or options.only not in cutout.id:
                continue
            exposed(cutout, images.band)
            entry = published_of(Path(cutout.path), folder, known)
            for prior in priors:
                found = one(cutout, images, radii, prior, options, judges)
                rows.append(found | published(entry, images.sky))
                show(rows[-1])
    if not rows:
        return None
    return {
        "fits": rows,
        "summary": {
            prior: summarise([row for row in rows if row["theta_E_prior"] == prior])
            for prior in priors
        },
        "lens_light": options.light,
        "shear": not options.no_shear,
        "blind": BLIND,
        "classifier": options.classifier,
    }


class Judge:
    """Follows a fit and calls its reconstruction."""

    def __init__(self, classifier, relation):
        self.classifier, self.relation, self.verdict = classifier, relation, {}

    def progress(self, name, progress):
        """Nothing."""

    def fitted(self, fitted):
        """Verdict, probabilities, opinion by parity, and what a person is told."""
        if fitted.fit is None:
            return
        record, _ = judge(0, fitted.fit, [], self.classifier, self.relation)
        self.verdict = {
            "verdict": record.verdict,
            **{
                f"p_{kind}": rounded(p)
                for kind, p in zip(("under", "correct", "over"), record.probabilities, strict=True)
            },
            "opinion_by_parity": record.opinion,
            "copy_scale": rounded(record.copy_scale),
            "doubts": doubts(record.probabilities, Opinion(record.opinion, record.copy_scale)),
        }

    def finish(self, table):
        """Nothing."""


def one(cutout, images, radii, prior, options, judges) -> dict:
    """Fit one lens."""
    outer, arcs = radii
    name = f"{cutout.id}-{images.band}" + ("-wide" if prior == WIDE else "")
    pages = None if options.pages is None else Path(options.pages)
    judged = Judge(*judges)
    started, busy = time.perf_counter(), time.process_time()
    table = fit(
        [cutout],
        lens_light=options.light,
        prior=None if prior == WIDE else MassPrior().uniform("theta_E", 0.8 * arcs, 1.2 * arcs),
        shear=not options.no_shear,
        rings=(0.0, outer),
        band=images.band,
        seed=SEED,
        report=False if pages is None else pages / f"{name}.html",
        state=None if pages is None else pages / f"{name}.state",
        overwrite=True,
        watch=[judged],
    )
    row = table[0]
    result = {
        "id": f"{cutout.id}-{images.band}",
        "theta_E_prior": prior,
        "status": str(row["status"]),
        "message": str(row["message"]),
        "mask_radius_arcsec": outer,
        "arc_radius_by_eye_arcsec": arcs,
        "pixels": int(row["n_pix"]),
        "models": int(row["evaluations"]),
        "wall_s": round(time.perf_counter() - started, 1),
        "cpu_s": round(time.process_time() - busy, 1),
        **judged.verdict,
    }
    for column in ("theta_E", "q", "phi", "gamma1", "gamma2"):
        for ending in ("", "_std"):
            result[column + ending] = rounded(row[column + ending])
    for column in ("reduced_chi2", "magnification", "log_evidence"):
        result[column] = rounded(row[column])
    return result


def published(entry, sky) -> dict:
    """What is published of a lens, in our convention and on the axes of the image."""
    if entry is None:
        return {}
    shape = entry.shape(sky)
    return {
        "published_theta_E": rounded(entry.theta_E),
        "published_q": rounded(entry.q),
        "published_phi": None if shape is None else rounded(shape.position_angle()),
        "reference": entry.reference,
    }


def exposed(cutout, band) -> None:
    """Noise of the lenstronomy files: their sky's scatter and exposure map."""
    if band in cutout.rms or not cutout.path.endswith(".h5"):
        return
    with h5py.File(cutout.path) as file:
        sky, exposure = np.asarray(file["background_rms"]), np.asarray(file["exposure_time"])
    photons = np.maximum(cutout.bands[band], 0.0) / np.maximum(exposure, 1e-6)
    cutout.rms[band] = np.sqrt(sky**2 + photons).astype(np.float32)


def show(row):
    """One line per lens."""
    words = [f"{row['id']:32}", row["theta_E_prior"]]
    for name in ("theta_E", "q", "phi"):
        here, there = row[name], row.get(f"published_{name}")
        words.append(f"{name} {text(here)} ± {text(row[name + '_std'])} ({text(there)})")
    words.append(f"chi2 {text(row['reduced_chi2'])}, {row['cpu_s']} s, {row['status']}")
    words.append(f"{row.get('verdict', '-')} (parity: {row.get('opinion_by_parity', '-')})")
    print(", ".join(words), flush=True)


def summarise(rows) -> dict:
    """How far the fits are from what was published."""
    pairs = [
        (row["theta_E"], row["published_theta_E"])
        for row in rows
        if None not in (row["theta_E"], row.get("published_theta_E"))
    ]
    shapes = [
        (row["q"], row["published_q"])
        for row in rows
        if None not in (row["q"], row.get("published_q"))
    ]
    ratio = np.array([a / b - 1.0 for a, b in pairs])
    turns = [
        abs((row["phi"] - row["published_phi"] + math.pi / 2) % math.pi - math.pi / 2)
        for row in rows
        if None not in (row["phi"], row.get("published_phi")) and row["published_q"] < 0.9
    ]
    return {
        "lenses": len(rows),
        "with_fit": sum(row["theta_E"] is not None for row in rows),
        "status_ok": sum(row["status"] == "ok" for row in rows),
        "called_correct": sum(row.get("verdict") == "correct" for row in rows),
        "called_correct_and_within_5_percent": sum(
            row.get("verdict") == "correct" and near(row) for row in rows
        ),
        "called_correct_but_not_within_5_percent": sum(
            row.get("verdict") == "correct" and not near(row) for row in rows
        ),
        "theta_E_median_relative_difference": rounded(np.median(np.abs(ratio))) if pairs else None,
        "theta_E_within_5_percent": int((np.abs(ratio) < 0.05).sum()),
        "q_rms_difference": rounded(np.sqrt(np.mean([(a - b) ** 2 for a, b in shapes])))
        if shapes
        else None,
        "phi_median_difference_deg": rounded(math.degrees(float(np.median(turns))))
        if turns
        else None,
        "median_cpu_s": rounded(np.median([row["cpu_s"] for row in rows])),
    }


def near(row) -> bool:
    """Whether the Einstein radius is within 5 % of the published one."""
    here, there = row["theta_E"], row.get("published_theta_E")
    return None not in (here, there) and abs(here / there - 1.0) < 0.05


def markdown(figures) -> str:
    """The comparison as a table for a README."""
    lines = [
        "| lens | prior | theta_E (published) | q (published) | phi, deg (published) | chi2 "
        "| audit (parity) | status |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in figures["fits"]:
        cells = [row["id"], "wide" if row["theta_E_prior"] == WIDE else "arcs"]
        for name, factor in (("theta_E", 1.0), ("q", 1.0), ("phi", math.degrees(1.0))):
            parts = [row[name], row[name + "_std"], row.get(f"published_{name}")]
            here, error, there = (None if part is None else part * factor for part in parts)
            cells.append(f"{text(here)} ± {text(error)} ({text(there)})")
        verdict = f"{row.get('verdict', '-')} ({row.get('opinion_by_parity', '-')})"
        cells += [text(row["reduced_chi2"]), verdict, row["status"]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def rounded(value, digits=4):
    """A number for JSON; None where there is none."""
    return None if value is None or not np.isfinite(value) else round(float(value), digits)


def text(value):
    """A number for people."""
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
