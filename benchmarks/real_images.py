"""What the finder and the modeller say about real images, beside what was published about them.

Images: Euclid Q1 (VIS), HST lenses of BDLensing (F140W) and of SLACS (F814W, F555W, three layouts),
JWST lenses of COWLS (F115W), and the 200 brightest galaxies of a KiDS tile (r band). They are
looked for in LENSFINDER_DATA or ../shared/data. Every image is brought to the network's pixel scale
by a step that conserves flux and to its zero point by AB magnitudes, **not** to its wavelength,
PSF, exposure time or noise: no network was trained for those. What does not fill a stamp is padded
with its outermost sky, and up to 5 % of bad pixels are mended; such rows say so. The summary also
shows apart what needed neither, and the lenses near the middle of their image: in training their
centres scatter by one pixel, 0.1 arcsec. Nothing is tuned on these images. The presets must take
one band, VIS.
"""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _on_real_images import measure, parser
from _published import published_of, read_published, sky_of
from _result import preset_label

from lensfinder.data import load_layout, read_cutouts
from lensfinder.data.tiles import cut, detect
from lensfinder.find import FINDER, find
from lensfinder.lensing.ellipticity import Ellipticity
from lensfinder.model import MODELLER, model
from lensfinder.predict import Fitting
from lensfinder.zoo import open_preset

MAX_BAD = 0.05  # mended fraction of a stamp
TILE = "profound_kids_viking_tile"
TILE_SATURATION = 2e-8  # maggies per pixel: above it the tile's stars are broader than the PSF
FAILED = 0.3  # arcsec off in theta_E: a failure, whatever the scatter of the rest
CENTRED = 0.2  # arcsec, twice the scatter of the centres in training
NORTH_UP = (math.pi / 2, True)


@dataclass(frozen=True)
class ImageSet:
    """Files of one folder and layout, the band taken for the network's, and which way is north."""

    name: str
    folder: str
    layout: str
    band: str
    note: str
    sky: tuple[float, bool] | None = None  # where headers do not say


SETS = (
    ImageSet("Euclid Q1 VIS", "euclid_q1", "euclid-q1", "VIS", "candidates without published fit"),
    ImageSet(
        *("BDLensing F140W", "bdlensing_hst_f140w", "bdlensing", "F140W"),
        "near infrared (1.39 um) taken for VIS (0.72 um)",
        NORTH_UP,  # transform_pix2angle is diagonal, x runs west
    ),
    ImageSet(
        *("SLACS F814W (Denzel)", "slacs_hst", "denzel2021", "F814W"),
        "cosmic rays are not cleaned everywhere",
    ),
    ImageSet(
        *("SLACS F814W (PyAutoLens)", "slacs_hst", "slacs-autolens", "F814W"),
        "companions masked in some; north is not stated, so angles are not compared",
    ),
    ImageSet(
        *("SLACS F555W (lenstronomy)", "slacs_hst", "slacs-lenstronomy", "F555W"),
        "two of the images are 5.1 arcsec wide, the stamp 5.7",
        NORTH_UP,
    ),
    ImageSet(
        *("COWLS F115W", "cowls_jwst", "cowls", "F115W"),
        "JWST, 1.15 um; absolute calibration unverified; angles compared in the image",
        NORTH_UP,  # the published angles are from +x of the image, whichever way north is
    ),
)


def main():
    found = parser(__doc__)
    found.add_argument("--finder", default=FINDER, help="preset, or folder of one")
    found.add_argument("--modeller", default=MODELLER, help="preset, or folder of one")
    found.add_argument("--galaxies", type=int, default=200, help="how many of the KiDS tile")
    measure("real_images", found.parse_args(), run, markdown)


def run(folder, options) -> dict:
    """Every set and the tile; absent folders are skipped, and named."""
    presets = {"finder": options.finder, "modeller": options.modeller}
    known = read_published(folder / "known_lens_parameters.csv")
    lenses, skipped = [], []
    for images in SETS:
        if not (folder / images.folder).is_dir():
            skipped.append(images.name)
            print(f"Skipped {images.name}: there is no folder {images.folder}.")
            continue
        rows = look_at(images, folder, presets, known)
        show(images, rows)
        lenses += rows
    summary = {"all": summarise(lenses)}
    summary["neither padded nor mended"] = summarise([r for r in lenses if not r["message"]])
    near = [row for row in lenses if (row["offset_arcsec"] or math.inf) <= CENTRED]
    summary[f"centred within {CENTRED} arcsec"] = summarise(near)
    for images in SETS:
        summary[images.name] = summarise([row for row in lenses if row["set"] == images.name])
    for name, numbers in summary.items():
        print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in numbers.items()))
    tile = None
    if (folder / TILE).is_dir():
        tile = look_at_tile(folder / TILE, presets, options.galaxies)
    else:
        skipped.append(TILE)
        print(f"Skipped the KiDS tile: there is no folder {TILE}.")
    return {
        **{task: preset_label(preset) for task, preset in presets.items()},
        "notes": {images.name: images.note for images in SETS},
        "lenses": lenses,
        "summary": summary,
        "kids_tile": tile,
        "skipped": skipped,
    }


def markdown(figures) -> str:
    """The summary as a table for a README."""
    names = {
        "images": "images",
        "with_score": "scored",
        "fraction_above_0.5": "p_lens > 0.5",
        "with_published_theta_E": "with published theta_E",
        "theta_E_rms": 'RMS (")',
        "theta_E_bias": 'bias (")',
        "theta_E_nmad": 'NMAD (")',
        "theta_E_failures": 'off by > 0.3"',
        "theta_E_within_30_percent": "within 30 %",
        "theta_E_rms_of_their_mean": 'RMS of a constant (")',
    }
    rows = [["", *names.values()], ["---"] * (len(names) + 1)]
    for title, numbers in figures["summary"].items():
        rows.append([title, *(_text(numbers.get(name)) for name in names)])
    if tile := figures["kids_tile"]:
        tile = {**tile, "images": tile["galaxies"]}
        rows.append(["KiDS galaxies (no lenses)", *(_text(tile.get(name)) for name in names)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


# --- lenses ---------------------------------------------------------------------------------------
def look_at(images, folder, presets, known) -> list[dict]:
    """One row per image of a set: score, answers, and what was published."""
    cutouts = list(read_cutouts(folder / images.folder, layout=images.layout))
    answers = ask(cutouts, presets, images.band)
    rows = []
    for cutout, (score, fit) in zip(cutouts, answers, strict=True):
        sky = images.sky or sky_of(cutout.wcs.get(images.band, {}))
        row = {
            "set": images.name,
            "id": cutout.id,
            "status": score["status"],
            "message": score["message"],
            "p_lens": _rounded(score["p_lens"]),
            "theta_E": _rounded(fit["theta_E"]),
            "q": _rounded(fit["q"]),
            "pa_deg": _angle(fit, sky),
            "offset_arcsec": offset_of(cutout, images.band),
        }
        for name in ("theta_E", "q"):
            if f"{name}_p16" in fit.colnames:  # of a modeller with a posterior
                row[f"{name}_68"] = [_rounded(fit[f"{name}_{end}"]) for end in ("p16", "p84")]
        if None not in (row["pa_deg"], row.get("q_68", [None])[0]):
            row["pa_68_about_it_deg"] = _about_angle(fit, sky)
        entry = published_of(Path(cutout.path), folder, known)
        if entry is not None:
            shape = entry.shape(sky or NORTH_UP)
            row["published_theta_E"] = _rounded(entry.theta_E)
            row["published_q"] = _rounded(entry.q)
            row["published_pa_deg"] = shape and _position_angle(shape, sky or NORTH_UP)
            row["reference"] = entry.reference
        rows.append(row)
    return rows


def offset_of(cutout, band) -> float | None:
    """How far the source nearest to the middle of the image is from it, arcsec.

    The stamp is cut about the middle, where the lenses of the training were, give or take a pixel.
    """
    image = cutout.bands[band]
    sources = detect(image, keep_stars=True)
    middle_y, middle_x = ((side - 1) / 2 for side in image.shape)
    distance = np.hypot(sources["x"] - middle_x, sources["y"] - middle_y)
    return _rounded(np.min(distance) * cutout.pixel_scales[band], 2) if len(sources) else None


def ask(cutouts, presets, band):
    """Rows of `find` and of `model` for the same cutouts, pairwise."""
    how = {
        "resample": True,
        "fitting": Fitting(
            calibrate=True, band_map={"VIS": band}, pad=True, max_bad_fraction=MAX_BAD
        ),
        "report": False,
    }
    scores = find(cutouts, preset=presets["finder"], **how)
    fits = model(cutouts, preset=presets["modeller"], **how)
    for table in (scores, fits):
        if list(table["id"]) != [cutout.id for cutout in cutouts]:
            raise AssertionError("rows and images do not go together")
    return zip(scores, fits, strict=True)


def _angle(fit, sky):
    """Predicted position angle east of north [deg], where north is known."""
    if sky is None or not np.isfinite(fit["q"]):
        return None
    return _position_angle(Ellipticity(float(fit["e1"]), float(fit["e2"])), sky)


def _about_angle(fit, sky):
    """Bounds of 68 % about the predicted position angle [deg], below and above it."""
    phi = float(fit["phi"])
    sense = 1 if sky[1] else -1  # where east is right, position angles run backwards
    return sorted(
        _rounded(sense * np.rad2deg(float(fit[f"phi_{end}"]) - phi), 1) for end in ("p16", "p84")
    )


def _turn(degrees):
    """Difference of two orientations, -90 to 90 degrees."""
    return (degrees + 90.0) % 180.0 - 90.0


def _position_angle(shape, sky):
    return _rounded(shape.east_of_north(north=sky[0], east_left=sky[1]) % 180.0, 1)


def _rounded(value, digits=3):
    return None if value is None or not np.isfinite(value) else round(float(value), digits)


def show(images, rows):
    """One line per image."""
    print(f"\n{images.name}: {images.note}")
    title = f"{'id':34}{'p_lens':>8}{'theta_E':>16}{'q':>13}{'PA':>14}{'off':>7}"
    print(f"{title}  status (predicted published)")
    for row in rows:
        numbers = f"{row['id'][:33]:34}{_text(row['p_lens']):>8}  "
        for name in ("theta_E", "q", "pa_deg"):
            numbers += f"{_text(row[name]):>7}{_text(row.get('published_' + name)):>7}"
        words = ": ".join(filter(None, (row["status"], row["message"])))
        print(f"{numbers}{_text(row['offset_arcsec']):>7}  {words}")


def _text(value):
    return "-" if value is None else f"{value:.4g}"


def summarise(rows) -> dict:
    """How far the answers are from the published ones; theta_E in arcsec."""
    scores = [row["p_lens"] for row in rows if row["p_lens"] is not None]
    pairs = _pairs(rows, "theta_E")
    result = {
        "images": len(rows),
        "with_score": len(scores),
        "fraction_above_0.5": _rounded(np.mean(np.array(scores) > 0.5)) if scores else None,
        "with_published_theta_E": len(pairs),
    }
    if len(pairs) < 2:
        return result
    predicted, published = np.array(pairs).T
    error = predicted - published
    result["theta_E_rms"] = _rounded(np.sqrt(np.mean(error**2)))
    result["theta_E_bias"] = _rounded(np.mean(error))
    result["theta_E_nmad"] = _rounded(_nmad(error))
    result["theta_E_failures"] = int(np.sum(np.abs(error) > FAILED))
    result["theta_E_within_30_percent"] = _rounded(np.mean(np.abs(error) <= 0.3 * published))
    # what the best constant would reach: an answer that does not beat it has learnt nothing here
    result["theta_E_rms_of_their_mean"] = _rounded(np.std(published))
    result["theta_E_correlation"] = (
        _rounded(np.corrcoef(predicted, published)[0, 1]) if np.std(predicted) > 0 else None
    )
    q = np.array([a - b for a, b in _pairs(rows, "q")])
    if len(q):
        result["q_rms"] = _rounded(np.sqrt(np.mean(q**2)))
        result["q_bias"] = _rounded(np.mean(q))
        result["q_nmad"] = _rounded(_nmad(q))
    elongated = [row for row in rows if (row.get("published_q") or 1.0) < 0.9]
    turns = np.array([_turn(a - b) for a, b in _pairs(elongated, "pa_deg")])
    result["pa_median_difference_deg"] = (
        _rounded(np.median(np.abs(turns)), 1) if len(turns) else None
    )
    result["pa_bias_deg"] = _rounded(np.median(turns), 1) if len(turns) else None
    result["pa_nmad_deg"] = _rounded(_nmad(turns), 1) if len(turns) else None
    result["pa_rms_deg"] = _rounded(np.sqrt(np.mean(turns**2)), 1) if len(turns) else None
    known = [
        (_turn(row["published_pa_deg"] - row["pa_deg"]), *row["pa_68_about_it_deg"])
        for row in elongated
        if row.get("published_pa_deg") is not None and "pa_68_about_it_deg" in row
    ]
    if known:
        held = [low <= turn <= high for turn, low, high in known]
        result["pa_within_68_percent_interval"] = _rounded(np.mean(held))
    for name in ("theta_E", "q"):
        known = [
            (row[f"published_{name}"], *row[f"{name}_68"])
            for row in rows
            if row.get(f"published_{name}") is not None
            and None not in row.get(f"{name}_68", [None])
        ]
        if known:
            held = [low <= value <= high for value, low, high in known]
            result[f"{name}_within_68_percent_interval"] = _rounded(np.mean(held))
    return result


def _nmad(values):
    """1.4826 times the median absolute deviation."""
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def _pairs(rows, name):
    both = [(row[name], row.get(f"published_{name}")) for row in rows]
    return [pair for pair in both if None not in pair]


# --- the tile -------------------------------------------------------------------------------------
def look_at_tile(folder, presets, count) -> dict:
    """Scores of a tile's brightest galaxies, none of which is known to be a lens."""
    layout = load_layout("kids-viking-tile")
    layout = layout.model_copy(update={"bands": {"r": layout.bands["r"]}})
    (tile,) = read_cutouts(folder, layout=layout)
    scale = tile.pixel_scales["r"]
    table = detect(tile.bands["r"], pixel_scale=scale, saturation=TILE_SATURATION, prefix="kids-r-")
    width = stamp_width(presets)
    galaxies = cut(tile, table[:count], size_arcsec=width)
    pairs = list(ask(galaxies, presets, "r"))
    scores = np.array([score["p_lens"] for score, _ in pairs], float)
    radii = np.array([fit["theta_E"] for _, fit in pairs], float)
    scored = scores[np.isfinite(scores)]
    counts, edges = np.histogram(scored, np.linspace(0, 1, 11))
    note = (
        f"r band at {scale} arcsec and a seeing of 0.8, resampled to the network's pixels of 0.1: "
        "this oversamples 3.4 times and adds no detail, and the PSF is more than four times as "
        "wide as the one of the networks' training. Maggies to electron/s through the AB zero "
        "points 0 and that of VIS. All count as galaxies without lenses, though nobody has "
        "checked (the tile has no coordinates); by eye, about 3 of the 200 are artefacts."
    )
    result = {
        "note": note,
        "sources": len(table),
        "stars_left_out": table.meta["stars"],
        "galaxies": len(galaxies),
        "magnitude_r_brightest_and_faintest": [
            _rounded(-2.5 * math.log10(flux), 2) for flux in table["flux"][[0, len(galaxies) - 1]]
        ],
        "status": dict(Counter(str(score["status"]) for score, _ in pairs)),
        "with_score": len(scored),
        "fraction_above_0.5": _rounded(np.mean(scored > 0.5)),
        "fraction_above_0.9": _rounded(np.mean(scored > 0.9)),
        "score_histogram": {
            "edges": [round(float(e), 1) for e in edges],
            "counts": counts.tolist(),
        },
        "score_median": _rounded(np.median(scored)),
        "theta_E_median_if_modelled": _rounded(np.nanmedian(radii)),
    }
    print(f"\nKiDS tile, {len(galaxies)} brightest galaxies: {note}")
    print(f"score histogram from 0 to 1 in steps of 0.1: {counts.tolist()}")
    print(f"fraction above 0.5: {result['fraction_above_0.5']}; status: {result['status']}")
    return result


def stamp_width(presets) -> float:
    """Widest stamp of the two networks on the sky, arcsec."""
    contracts = [open_preset(name).contract for name in presets.values()]
    return max(group.width for contract in contracts for group in contract.groups)


if __name__ == "__main__":
    main()
