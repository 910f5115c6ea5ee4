"""A cleaner on real images: arcs beside their truth, cleaned pages, and a finder behind it.

**Truth.** HOLISMOKES IX painted twelve lenses on real HSC galaxies and published the arcs alone:
the cleaned image beside them, and beside subtracting an elliptical Sersic profile that was fitted
to the image (arcs outvoted by a robust loss). PSNR alone would not tell: of a dark image it is
higher than of the true arcs with the image's noise, which no subtraction can beat. So both are
rows of the table, and flux and error within the pixels of the arcs stand first. **Pages**: given,
denoised and cleaned i-band images of HSC blends, a lens and a spiral. **Finding**: the same
objects, and the twelve galaxies without their arcs, by a finder of sources, with and without the
circular mask and the second scale, with the categories of failure of Madireddy et al., section
5.1.2. Images are brought to the network's pixels and zero points, not to its PSF, depth or
wavelengths; what does not fill a stamp is padded with its outermost sky. Nothing is tuned here.
"""

from collections import Counter
from pathlib import Path

import numpy as np
from _gallery import write_gallery
from _on_real_images import measure, parser
from _paint_inputs import holismokes
from _real_sets import layout
from _result import preset_label
from scipy import ndimage, optimize

from lensfinder.data import Cutout, assemble
from lensfinder.data.scatter import lower_scatter
from lensfinder.errors import FRONT_STATUS, LensfinderError
from lensfinder.find import THRESHOLD, find
from lensfinder.lensing.sersic import sersic_profile
from lensfinder.predict import Cleaner, Fitting
from lensfinder.predict.cleaner import CLEANER
from lensfinder.predict.cleaning import doubts
from lensfinder.predict.stages import failure_category
from lensfinder.training.image_metrics import image_figures
from lensfinder.zoo import clean_tile

FINDER = "vib-detect/lsst-gri-10yr"
FITTING = Fitting(calibrate=True, pad=True, max_bad_fraction=0.05)
SEED, BRIGHT = 20_220_397, 3.0  # sigma of the sky: above it a pixel is one of the arcs
KEYS = ("arc_error", "arc_flux_over_true", "flux_over_true", "psnr_dB", "psnr_centre_dB")
CENTRE = 45  # pixels: the middle 8 arcsec, which hold the arcs; neighbours are farther out
FRONTS = {
    "plain": {},
    "mask": {"mask_blobs": True},
    "two scales": {"multi_scale": True},
    "mask, two scales": {"mask_blobs": True, "multi_scale": True},
}


def main():
    found = parser(__doc__)
    found.add_argument("--cleaner", default=CLEANER, help="preset, or folder of one")
    found.add_argument("--denoiser", default=None, help="preset or folder, of modular training")
    found.add_argument("--finder", default=FINDER, help="of sources; an empty word for none")
    found.add_argument("--blends", type=int, default=48, help="HSC blends to look at")
    found.add_argument("--pages", default=None, help="folder for the HTML page (default: none)")
    measure("clean_real", found.parse_args(), run, markdown, seed=SEED)


def run(folder, options) -> dict:
    """Arcs beside their truth, the page, and the scores."""
    cleaner = Cleaner(options.cleaner, denoiser=options.denoiser, batch_size=16)
    galaxies, arcs = holismokes(folder)
    bands = cleaner.contract.bands
    missing = [band for band in bands if band not in "griz"]
    if missing:
        raise LensfinderError(f"The real images have griz. The cleaner takes {', '.join(bands)}.")
    figures = {"cleaner": preset_label(options.cleaner), "arcs": arcs_beside_truth(cleaner, arcs)}
    sets = objects(folder, galaxies, arcs, options.blends)
    scores = {}
    if options.finder:
        figures["finder"] = preset_label(options.finder)
        figures["find"], scores = scored(sets, options)
    if options.pages is not None:
        write_page(Path(options.pages) / "clean_real.html", cleaner, sets, scores)
    return figures


# --- arcs -----------------------------------------------------------------------------------------
def arcs_beside_truth(cleaner, arcs) -> dict:
    """Error and flux within the arcs, PSNR (peak: range of the true arcs), of every lens."""
    rows, refused = {}, {}
    rng = np.random.default_rng(SEED)
    for name, (galaxy, lensed) in arcs.items():
        truth, given = small_stamps(cleaner.contract, name, lensed, galaxy)
        scale = cleaner.contract.groups[0].pixel_scale
        noise = np.array([lower_scatter(given[..., band]) for band in range(given.shape[-1])])
        cleaned = cleaned_whole(cleaner, given)
        refused[name] = doubts(given, cleaned)[0]
        ways = {
            "as given": given,
            "nothing": np.zeros_like(given),
            "the truth, and noise": truth + noise * rng.normal(size=truth.shape),
            "Sersic subtracted": given - sersic_light(given, scale),
            "cleaned": cleaned,
        }
        rows[name] = {way: figures_of(truth, image, noise) for way, image in ways.items()}
    medians = {
        way: {key: median([row[way][key] for row in rows.values()]) for key in KEYS}
        for way in next(iter(rows.values()))
    }
    handed_on = [name for name, status in refused.items() if not status]
    medians["cleaned, not refused"] = {
        key: median([rows[name]["cleaned"][key] for name in handed_on]) for key in KEYS
    }
    medians["Sersic subtracted, of those"] = {
        key: median([rows[name]["Sersic subtracted"][key] for name in handed_on]) for key in KEYS
    }
    ahead = [r["cleaned"]["arc_error"] < r["Sersic subtracted"]["arc_error"] for r in rows.values()]
    return {
        "median": medians,
        "cleaned_ahead_of_sersic_within_the_arcs": int(sum(ahead)),
        "refused": {name: status for name, status in refused.items() if status},
        "lenses": rows,
    }


def figures_of(truth, image, noise) -> dict:
    """Of one image: within the arcs, pixels that stand out of the noise, and over all of it."""
    arcs = truth > BRIGHT * noise
    found = (
        np.abs(image - truth)[arcs].sum() / truth[arcs].sum(),
        image[arcs].sum() / truth[arcs].sum(),
        image.sum() / truth.sum(),
    )
    values = (
        *(round(float(value), 3) for value in found),
        psnr_of(truth, image),
        psnr_of(*(crop_centre(x) for x in (truth, image))),
    )
    return dict(zip(KEYS, values, strict=True))


def median(values) -> float | None:
    """None of no values."""
    return round(float(np.median(values)), 3) if values else None


def psnr_of(truth, image) -> float:
    """Of one image, decibels."""
    return round(float(image_figures(truth[None], image[None])["psnr"][0]), 2)


def crop_centre(image):
    """The middle of an image (H, W, bands)."""
    start = (image.shape[0] - CENTRE) // 2
    return image[start : start + CENTRE, start : start + CENTRE]


def small_stamps(contract, name, lensed, galaxy):
    """Arcs alone, and on their galaxy, in the network's pixels and unit; no pixel is padded."""
    (group,) = contract.groups
    side = min(image.shape[0] for image in lensed.values())
    stamp = int(side * 0.168 / group.pixel_scale)
    small = contract.model_copy(update={"groups": (group.model_copy(update={"stamp": stamp}),)})
    whole = {band: galaxy[band] + lensed[band] for band in lensed}
    pair = [hsc_cutout(name, images) for images in (lensed, whole)]
    made = assemble(pair, small, resample=True, calibrate=True)
    if made.status.any():
        raise LensfinderError(f"{name} cannot be used: {made.messages}.")
    return made.images[group.name]


def hsc_cutout(name, images) -> Cutout:
    """Bands of HSC as a cutout."""
    facts = ((0.168, "pixel_scales"), ("adu/s", "units"), (27.0, "zero_points"))
    about_bands = {attribute: dict.fromkeys(images, value) for value, attribute in facts}
    bands = {band: np.asarray(image, np.float32) for band, image in images.items()}
    return Cutout(name, bands, **about_bands)


def cleaned_whole(cleaner, image) -> np.ndarray:
    """The source plane of an image of any size."""
    first, last = cleaner.first.keras_model, cleaner.network.keras_model
    planes = clean_tile(first, image)
    return planes[-1] if first is last else clean_tile(last, planes[-1])[-1]


def sersic_light(image, scale) -> np.ndarray:
    """An elliptical Sersic profile, seen through the PSF, and a sky: fitted to all bands.

    Shape, place and width of the PSF, which is not known, are those of the brightest band;
    amplitude and sky are of each band.
    """
    side = image.shape[0]
    axis = (np.arange(side) - (side - 1) / 2) * scale
    x, y = np.meshgrid(axis, axis)
    noise = np.array([lower_scatter(image[..., band]) for band in range(image.shape[-1])])
    main = int(np.argmax((image / noise).sum(axis=(0, 1))))

    def shape(p):
        profile = sersic_profile(
            x, y, flux=1.0, R_e=np.exp(p[0]), n=p[1], q=p[2], phi=p[3], x0=p[4], y0=p[5]
        )
        return ndimage.gaussian_filter(profile, p[6] / 2.3548 / scale, mode="nearest")

    def robust(model, band):
        """Amplitude and sky that the arcs do not move: least squares, outliers weighed down."""
        columns = np.stack([model.ravel(), np.ones(model.size)], axis=1)
        pixels, weight = image[..., band].ravel() / noise[band], np.ones(model.size)
        for _ in range(10):
            solution = np.linalg.lstsq(columns * weight[:, None], pixels * weight, rcond=None)[0]
            weight = (1 + np.square((pixels - columns @ solution) / 2.0)) ** -0.5
        return (columns @ solution).reshape(model.shape) * noise[band]

    def residual(p):
        return ((image[..., main] - robust(shape(p), main)) / noise[main]).ravel()

    found = optimize.least_squares(
        residual,
        (np.log(0.8), 3.0, 0.8, 0.5, 0.0, 0.0, 0.7),
        bounds=(
            (np.log(0.1), 0.5, 0.2, -4, -0.6, -0.6, 0.4),
            (np.log(6), 8.0, 1.0, 4, 0.6, 0.6, 1.1),
        ),
        loss="soft_l1",
        max_nfev=60,
    )
    model = shape(found.x)
    return np.stack([robust(model, band) for band in range(image.shape[-1])], axis=-1)


# --- finding --------------------------------------------------------------------------------------
def objects(folder, galaxies, arcs, blends) -> dict:
    """Cutouts per set, and whether they are lenses."""
    painted = [
        hsc_cutout(name, {b: galaxy[b] + lensed[b] for b in lensed})
        for name, (galaxy, lensed) in arcs.items()
    ]
    sets = {"painted lenses": (painted, True), "their galaxies": (galaxies, False)}
    for name, place, kind, chosen in (
        ("SL2S lens", "sl2s_ground", "hsc-scivarpsf", "220506"),
        ("spiral", "sl2s_ground", "hsc-scivarpsf", "42305780052942573"),
        ("HSC blends", "hsc_cosmos_blends", "hsc-blends", None),
    ):
        if (folder / place).is_dir():
            read = layout(kind, "i", only=chosen)(folder / place)
            found = [cutout for _, (cutout, _) in zip(range(blends), read)]
            sets[name] = (found, name == "SL2S lens")
    return sets


def scored(sets, options):
    """How many of each set are called lenses, and why the others are wrong; and all scores."""
    together = [cutout for cutouts, _ in sets.values() for cutout in cutouts]
    ends = np.cumsum([len(cutouts) for cutouts, _ in sets.values()])
    stages = {"clean": options.cleaner, "denoiser": options.denoiser}
    how = {"preset": options.finder, "resample": True, "fitting": FITTING, **stages}
    result = {name: {"objects": len(c), "lenses": lens} for name, (c, lens) in sets.items()}
    scores = {}
    for front, options_of_front in FRONTS.items():
        table = find(together, **how, **options_of_front)
        for (name, (_, lens)), end in zip(sets.items(), ends, strict=True):
            part = table[end - result[name]["objects"] : end]
            result[name][front] = about(part, lens)
            scores[name, front] = np.asarray(part["p_lens"])
    return result, scores


def about(table, lens) -> dict:
    """Counts of one set, and at two scales the categories of its failures."""
    p = np.asarray(table["p_lens"])
    facts = {
        "called_lenses": int((p >= THRESHOLD).sum()),
        "median_p_lens": round(float(np.nanmedian(p)), 4) if np.isfinite(p).any() else None,
        "status": dict(Counter(table["status"].tolist())),
        "front_status": dict(Counter(table["front_status"].tolist())),
    }
    if "p_lens_zoom" in table.colnames:
        bits = [_bits(words) for words in table["front_status"]]
        first, second = table["p_lens_stamp"], table["p_lens_zoom"]
        why = failure_category(np.full(len(p), lens), first, second, bits)
        facts["failures"] = {str(kind): int((why == kind).sum()) for kind in range(1, 6)}
    return facts


def _bits(words) -> int:
    return 0 if words in ("", "ok") else sum(FRONT_STATUS[word] for word in words.split(","))


# --- pages ----------------------------------------------------------------------------------------
def write_page(path, cleaner, sets, scores):
    """Given, denoised and cleaned stamps of one band, with what was said about them."""
    (group,) = cleaner.contract.groups
    band = group.bands.index("i") if "i" in group.bands else 0
    sections = []
    for name, (cutouts, lens) in sets.items():
        rows = []
        for start in range(0, len(cutouts), 16):
            chunk = cutouts[start : start + 16]
            answers = cleaner(chunk, resample=True, fitting=FITTING)
            for row, cutout in enumerate(chunk):
                if answers.status[row]:
                    continue
                stamps = [answers.images[group.name][row, ..., band]]
                stamps += [plane[..., band] for plane in answers.values[row]]
                said = [
                    f"{front} {values[start + row]:.2f}"
                    for (of, front), values in scores.items()
                    if of == name
                ]
                rows.append((stamps, f"{cutout.id}: {', '.join(said)}", lens))
        sections.append((f"{name}: {len(rows)} of {len(cutouts)} cleaned", rows))
    words = f"Given, then {', '.join(cleaner.planes)}; band {group.bands[band]}; p_lens below."
    print(write_gallery(path, "Cleaned", sections, width=group.width, words=words))


def markdown(figures) -> str:
    """The summary as tables for a README."""
    lines = [
        "| 12 lenses | error within the arcs | flux there | flux | PSNR, dB | of the centre |",
        "|---" * 6 + "|",
    ]
    for way, found in figures["arcs"]["median"].items():
        numbers = ("-" if found[key] is None else f"{found[key]:.2f}" for key in KEYS)
        lines.append(f"| {way} | {' | '.join(numbers)} |")
    lines += ["", f"Refused by `clean`: {figures['arcs']['refused'] or 'none'}."]
    if "find" in figures:
        lines += ["", f"| called lenses | {' | '.join(FRONTS)} |", "|---" * (1 + len(FRONTS)) + "|"]
        for name, found in figures["find"].items():
            cells = " | ".join(str(found[front]["called_lenses"]) for front in FRONTS)
            kind = "lenses" if found["lenses"] else "no lenses"
            lines.append(f"| {name} ({found['objects']} {kind}) | {cells} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
