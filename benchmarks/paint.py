"""Painted mocks on real galaxies: what the samples are like, and how fast they are made.

    python benchmarks/paint.py [--n 400] [--pictures FOLDER]

Galaxies: 46 early types of DES with a velocity dispersion and the 12 galaxies under the published
mocks of HOLISMOKES IX, brought to HSC griz; sources: COSMOS, and the Hubble Deep Field picture.
Einstein radii as they come and flattened, as Schuldt et al. (2021, sections 4.1 and 4.3); and
apart, ten DES LRGs and nine sources for which everything was measured. The published arcs tell
whether ours are as bright and as large.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _paint_inputs import GRIZ, cosmos, des_early_types, des_lrgs, holismokes, survey_of
from _result import write_result
from astropy.table import Table

from lensfinder.paint import Settings, paint, read_galaxies, read_sources
from lensfinder.paint.painter import Painter
from lensfinder.paint.selection import statistics
from lensfinder.paths import real_images_dir
from lensfinder.tables import read_table

SEED = 4


def arcs_of(image, galaxy):
    """Brightness ratio and extent (arcsec): flux-weighted radius and radius with 90 % of the light.

    Radii are from the middle of the stamp, where the lens is to within a tenth of an arcsec.
    """
    axis = (np.arange(image.shape[0]) - (image.shape[0] - 1) / 2) * 0.168
    radius = np.hypot(axis, axis[:, None]).ravel()
    light = np.maximum(image, 0).ravel()
    order = np.argsort(radius)
    growth = np.cumsum(light[order]) / light.sum()
    ratio = image.sum() / galaxy.sum()
    return (
        float(np.log10(ratio)) if ratio > 0 else np.nan,
        float((light * radius).sum() / light.sum()),
        float(radius[order][np.searchsorted(growth, 0.9)]),
    )


def spread(values):
    """Median and 16-84 %."""
    low, middle, high = np.nanpercentile(values, (16, 50, 84))
    return {"p16": round(low, 3), "median": round(middle, 3), "p84": round(high, 3)}


def extents(rows):
    names = ("log_brightness_i", "mean_radius_arcsec", "radius_90_arcsec")
    return {n: spread(v) for n, v in zip(names, np.transpose(rows), strict=True)}


def rounded(found):
    return {n: {k: round(v, 3) for k, v in row.items()} for n, row in found.items()}


def sample(name, galaxies, sources, survey, n, settings, keep, **options):
    """Paint one sample; its statistics."""
    begin = time.perf_counter(), time.process_time()
    folder = paint(
        galaxies, sources, output=keep / name, survey=survey, n=n, seed=SEED, settings=settings,
        planes=("S1", "S3", "LENS"), overwrite=True, **options,
    )  # fmt: skip
    wall, cpu = time.perf_counter() - begin[0], time.process_time() - begin[1]
    truth, inputs = read_table(folder / "truth.parquet"), read_table(folder / "lenses.ecsv")
    refused = {reason: int(inputs[reason].sum()) for reason in inputs.meta["reasons"]}
    return {
        "objects": len(truth),
        "galaxies": int((np.asarray(inputs["status"], "U") == "ok").sum()),
        "candidates": int(inputs.meta["candidates"]),
        "refused": refused,
        "doubles": int((np.asarray(truth["configuration"], "U") == "double").sum()),
        "quads": int((np.asarray(truth["configuration"], "U") == "quad").sum()),
        "statistics": rounded(statistics(truth)),
        "largest_theta_E_arcsec": round(float(np.max(truth["theta_E"])), 2),
        "with_reading_wall_s": round(wall, 1),
        "with_reading_cpu_s": round(cpu, 1),
    }


def speed(galaxies, sources, survey, settings, count=256):
    """Objects per second of CPU on one core, compiled before."""
    painter = Painter(survey, galaxies, sources, settings, seed=SEED)
    list(painter.outcomes(0, 16))
    begin, wall = time.process_time(), time.perf_counter()
    made = sum(len(o.mocks) for o in painter.outcomes(1000, count) if o.mocks is not None)
    return {
        "objects_per_cpu_s": round(made / (time.process_time() - begin), 1),
        "objects_per_wall_s": round(made / (time.perf_counter() - wall), 1),
    }


def main(n, keep):
    folder = real_images_dir()
    if folder is None:
        sys.exit("The real images are not here: set LENSFINDER_DATA.")
    stamps, source_table, band_map = cosmos(folder)
    hsc, published = holismokes(folder)
    des, des_table = des_early_types(folder)
    sigma_v = [*des_table["sigma_v"], *[np.nan] * len(hsc)]
    table = Table({"id": [*des_table["id"], *(c.id for c in hsc)], "sigma_v": sigma_v})
    survey = survey_of(GRIZ)
    common = {
        "catalogue": table,
        "source_catalogue": source_table,
        "source_reading": {"band_map": band_map},
        "reading": {"resample": True},
    }
    settings = Settings(cosmology="schuldt2021")
    flat = settings.model_copy(update={"theta_E": "flat"})
    figures = {
        "natural": sample("natural", [*des, *hsc], stamps, survey, n, settings, keep, **common),
        "flat": sample("flat", [*des, *hsc], stamps, survey, n, flat, keep, **common)
        | {"per_bin": flat.largest_bin(n)},
    }
    picture = {"catalogue": table, "reading": {"resample": True}}
    figures["natural_hubble_picture"] = sample(
        "natural-hubble", [*des, *hsc], "hubble", survey, n, settings, keep, **picture
    )
    lrgs, lens_table, sharp, sharp_table, _ = des_lrgs(folder)
    all_known = {
        "catalogue": lens_table,
        "source_catalogue": sharp_table,
        "source_reading": {"band_map": dict.fromkeys("gri", "F814W")},
        "reading": {"resample": True},
    }
    figures["all_measured"] = sample(
        "all-measured", lrgs, sharp, survey_of("gri"), min(n, 200), settings, keep, **all_known
    )
    # the published arcs on the same galaxies, and ours on them
    library = read_sources(stamps, survey, settings, catalogue=source_table, band_map=band_map)
    on_hsc = read_galaxies(hsc, survey, settings)
    painter = Painter(survey, on_hsc, library, settings, seed=SEED, planes=("S3", "LENS"))
    ours = []
    for outcome in painter.outcomes(0, 160):
        if outcome.mocks is not None:
            planes = (outcome.mocks.planes[name]["hsc"][..., 2] for name in ("S3", "LENS"))
            ours += [arcs_of(*pair) for pair in zip(*planes, strict=True)]
    theirs = [arcs_of(arcs["i"], galaxy["i"]) for galaxy, arcs in published.values()]
    figures["arcs_on_holismokes_galaxies"] = {
        "published": {"objects": len(theirs)} | extents(theirs),
        "ours": {"objects": len(ours)} | extents(ours),
    }
    figures["speed"] = speed(on_hsc, library, survey, settings)
    write_result("paint", figures, seed=SEED)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=400, help="objects per sample")
    parser.add_argument("--pictures", type=Path, help="keep the samples and their pages here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        main(given.n, given.pictures or Path(place))
