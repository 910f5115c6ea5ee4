"""Real galaxies and real sources out of the folder of real images, ready to be painted with."""

import csv

import numpy as np
from astropy.io import fits
from astropy.table import Table
from scipy import ndimage

from lensfinder.data import Cutout, read_cutouts
from lensfinder.simulate.photometry import observed_magnitude
from lensfinder.specs import load_survey

GRIZ = "griz"
SURVEY = "hsc-griz"
DES_SEEING = {"g": 1.12, "r": 0.96, "i": 0.88, "z": 0.84}  # DR1: Abbott et al. 2018, abstract
COSMOS_SCALE, COSMOS_ZERO_POINT, COSMOS_WAVELENGTH = 0.03, 25.94, 804.0


def survey_of(bands):
    """HSC with some of its bands."""
    survey = load_survey(SURVEY)
    group = survey.groups[0]
    kept = tuple(band for band in group.bands if band.name in bands)
    return survey.model_copy(
        update={"name": f"hsc-{bands}", "groups": (group.model_copy(update={"bands": kept}),)}
    )


def _cutout(identity, images, scale, zero_point, unit="adu/s"):
    cutout = Cutout(identity)
    for band, image in images.items():
        cutout.bands[band] = np.asarray(image, np.float32)
        cutout.pixel_scales[band], cutout.units[band] = scale, unit
        cutout.zero_points[band] = zero_point
    return cutout


def holismokes(folder):
    """The 12 galaxies under the painted lenses of HOLISMOKES IX (HSC griz), and their arcs."""
    galaxies, arcs = [], {}
    for path in sorted((folder / "holismokes_ix_hsc_mocks").glob("lens_*.fits")):
        with fits.open(path) as units:
            planes = [np.asarray(unit.data, np.float64) for unit in units[1:9]]
        whole, lensed = planes[::2], planes[1::2]
        images = {b: w - a for b, w, a in zip(GRIZ, whole, lensed, strict=True)}
        galaxies.append(_cutout(path.stem, images, 0.168, 27.0))
        arcs[path.stem] = (images, dict(zip(GRIZ, lensed, strict=True)))
    return galaxies, arcs


def des_early_types(folder):
    """46 early types of DECam quality with a velocity dispersion, and their catalogue.

    Their PSFs are not known: each band gets a Gaussian as wide as the survey's median seeing.
    """
    place = folder / "deeplenstronomy_des_grizY"
    cubes = {band: fits.getdata(place / f"{band}.fits.gz") for band in GRIZ}
    lines = (place / "map.txt").read_text().splitlines()[1:]
    sigma_v = [float(line.split()[0]) for line in lines if line.split()]
    cutouts = [
        _cutout(f"des-{k:02d}", {b: cube[k] for b, cube in cubes.items()}, 0.263, 30.0)
        for k in range(len(sigma_v))
    ]
    axis = np.arange(-12, 13) * 0.263
    for cutout in cutouts:
        for band, fwhm in DES_SEEING.items():
            line = np.exp(-0.5 * (axis / (fwhm / 2.3548)) ** 2)
            cutout.psfs[band] = np.outer(line, line) / line.sum() ** 2
    return cutouts, {"id": [c.id for c in cutouts], "sigma_v": sigma_v}


def des_lrgs(folder):
    """Ten DES LRGs with redshift, dispersion and PSF; nine HST sources with redshift; the pairs."""
    place = folder / "krojas_des_lrg_hst_sources"
    with open(place / "sim.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    galaxies, sources = [], []
    for name in dict.fromkeys(row["lens_id"] for row in rows):
        with fits.open(place / f"DES_{name}.fits") as units:
            cutout = _cutout(
                name, {b: u.data for b, u in zip("gri", units[:3], strict=True)}, 0.263, 30.0
            )
        with fits.open(place / f"DES_PSF{name}.fits") as units:
            cutout.psfs = {b: np.array(u.data, float) for b, u in zip("gri", units, strict=False)}
        galaxies.append(cutout)
    for name in dict.fromkeys(row["Source_ID"] for row in rows):
        image = fits.getdata(place / f"SOURCE{name}.fits.gz")
        sources.append(_cutout(name, {"F814W": image}, 0.03, None, unit="electron/s"))
    by_lens = {row["lens_id"]: row for row in rows}
    by_source = {row["Source_ID"]: row for row in rows}
    lens_table = Table({"id": list(by_lens)})
    for ours, theirs in (("z_lens", "lens_z"), ("sigma_v", "lens_vdisp")):
        lens_table[ours] = [float(row[theirs]) for row in by_lens.values()]
    source_table = Table({"id": list(by_source)})
    source_table["z_src"] = [float(row["source_z"]) for row in by_source.values()]
    for band in "gri":
        values = [float(row[f"source_mag_{band}"]) for row in by_source.values()]
        source_table[f"mag_{band}"] = values
    return galaxies, lens_table, sources, source_table, rows


def cosmos(folder):
    """100 faint and 10 bright galaxies of COSMOS in F814W, with redshifts and HSC magnitudes.

    The bright ones have no magnitudes in HSC's bands: a star-forming spectrum gives their colours.
    """
    place = folder / "cosmos_hst_sources"
    faint, bright = place / "btk_extension100", place / "paltas10"
    stamps, columns = [], {name: [] for name in ("id", "z_src", *(f"mag_{b}" for b in GRIZ))}
    survey = load_survey(SURVEY)
    for kind, catalogue, more, images in (
        ("faint", "real_galaxy_catalog_26_extension_example", "fits", faint),
        ("bright", "real_galaxy_catalog_23.5", "fits", bright),
    ):
        table = Table.read(images / f"{catalogue}.fits")
        fitted = Table.read(images / f"{catalogue}_{more}.fits")
        name = next(path for path in images.glob("real_galaxy_images*"))
        with fits.open(name) as units:
            for row, fit in zip(table, fitted, strict=True):
                # GalSim's numbers: HDU in file
                image = np.asarray(units[int(row["GAL_HDU"])].data, np.float64)
                identity = f"cosmos-{kind}-{int(row['IDENT'])}"
                stamps.append(_cutout(identity, {"F814W": image}, COSMOS_SCALE, COSMOS_ZERO_POINT))
                z = float(fit["ZPHOT" if kind == "faint" else "zphot"])
                columns["id"].append(identity)
                columns["z_src"].append(z if z > 0 else np.nan)
                for band in survey.bands:
                    if kind == "faint":
                        magnitude = float(fit[f"HSC_{band.name}"])
                        magnitude = magnitude if 15 < magnitude < 30 else float(row["MAG"])
                    else:
                        magnitude = observed_magnitude(
                            "star_forming", float(row["MAG"]), COSMOS_WAVELENGTH, band.wavelength, z
                        )
                    columns[f"mag_{band.name}"].append(float(magnitude))
    return stamps, Table(columns), dict.fromkeys(GRIZ, "F814W")


def hsc_blends(folder, stamp=64, faintest=20.0):
    """Galaxies of HSC's COSMOS images (UltraDeep) that are bright enough to be lenses, with PSF.

    The files are blends; a stamp is cut about the brightest galaxy that a whole stamp fits around,
    wherever it is brighter than `faintest` within 3 arcsec in i.
    """
    found = []
    for cutout in read_cutouts(folder / "hsc_cosmos_blends", layout="hsc-blends"):
        image = cutout.bands["i"]
        half = stamp // 2
        # where the middle of a stamp may be: its four central pixels are half - 1 and half
        rows, columns = (slice(half, side - half) for side in image.shape)
        smooth = ndimage.gaussian_filter(image, 1.5)
        inner = np.where(smooth == ndimage.maximum_filter(smooth, 3), smooth, 0.0)[rows, columns]
        if not inner.size or not inner.max() > 0:
            continue
        y, x = np.add(np.unravel_index(np.argmax(inner), inner.shape), half)
        cut = {b: cutout.bands[b][y - half : y + half, x - half : x + half] for b in GRIZ}
        axis = np.arange(stamp) - (stamp - 1) / 2
        light = cut["i"][np.hypot(axis, axis[:, None]) * 0.168 < 3.0].sum()
        if not light > 10 ** (0.4 * (27.0 - faintest)):
            continue
        one = _cutout(f"hsc-{cutout.id}", cut, 0.168, 27.0)
        one.psfs = {band: np.asarray(cutout.psfs[band]) for band in GRIZ}
        found.append(one)
    return found
