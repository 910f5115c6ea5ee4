"""Tiny data packs in the layouts of the challenges, as their archives unpack."""

import numpy as np
from astropy.io import fits

GROUND = {"r": ("Band1", "R"), "i": ("Band2", "I"), "g": ("Band3", "G"), "u": ("Band4", "U")}
TWO = "x_crit y_crit source_ID z_source z_lens mag_source ein_area n_crit r_source crit_area"
TWO = [
    *("", "ID", *TWO.split(), "n_pix_source", "source_flux", "n_pix_lens", "lens_flux"),
    *("n_source_im", "mag_eff", "sb_contrast", "color_diff", "n_gal_3", "n_gal_5", "n_gal_10"),
    *("halo_mass", "star_mass", "mag_lens", "n_sources"),
]


def image(rng, side, scale=1.0):
    """Noise with a bright middle."""
    axis = np.arange(side) - (side - 1) / 2
    blob = np.exp(-(axis[:, None] ** 2 + axis**2) / 20)
    return (scale * (blob + rng.normal(0, 0.05, (side, side)))).astype(np.float32)


def save(path, array):
    """A FITS file that holds the image in its primary unit, and says nothing about it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(array).writeto(path)


def space(root, rng, ids=(100001, 100002, 100003), side=101):
    """First challenge, space; returns images by id."""
    arrays = {str(i): image(rng, side) for i in ids}
    for name, array in arrays.items():
        save(root / "Data_EuclidBig.0" / "Public" / "Band1" / f"imageEUC_VIS-{name}.fits", array)
    return arrays


def ground(root, rng, ids=(100001, 100002), side=101):
    """First challenge, ground; returns images by id and band."""
    arrays = {}
    for name in map(str, ids):
        for band, (folder, letter) in GROUND.items():
            arrays[name, band] = image(rng, side)
            path = root / "Data_KiDS_Big.0" / "Public" / folder / f"imageSDSS_{letter}-{name}.fits"
            save(path, arrays[name, band])
    return arrays


def second(root, rng, ids=(200000, 200001, 200002, 200003), sides=(200, 66)):
    """Second challenge; returns images by id and band. Pixels are of the size of the real ones."""
    arrays = {}
    for name in map(str, ids):
        for band in ("VIS", "H", "J", "Y"):
            side = sides[0] if band == "VIS" else sides[1]
            arrays[name, band] = image(rng, side, 1e-11)
            save(
                root / "Public" / f"EUC_{band}" / f"imageEUC_{band}-{name}.fits", arrays[name, band]
            )
    return arrays


def lsst(root, rng, names, side=41, extra=()):
    """LSST challenge; returns images by id and band."""
    arrays = {}
    root.mkdir(parents=True, exist_ok=True)
    for name in names:
        for band in "grizy":
            arrays[name, band] = image(rng, side)
            columns = [
                fits.Column("id", "24A", array=[name]),
                fits.Column(f"band_{band}", f"{side * side}D", array=[arrays[name, band].ravel()]),
                *extra,
            ]
            table = fits.BinTableHDU.from_columns(columns)
            fits.HDUList([fits.PrimaryHDU(), table]).writeto(root / f"{name}_{band}.fits")
    return arrays


def first_key(path, labels):
    """Catalogue of the first challenge."""
    lines = ["ID,is_lens,Einstein_area,numb_pix_lensed_image,flux_lensed_image_in_sigma"]
    lines += [
        f"{i},{label},{1e-11 * label},{50 * label},{300 * label}" for i, label in labels.items()
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def second_log(path, rows):
    """Catalogue of the second challenge: comments, a header whose first name is empty, blanks."""
    lines = ["# Log of lens properties", "# ID : number in the names of the files", ",".join(TWO)]
    for number, row in enumerate(rows):
        values = dict.fromkeys(TWO, "0.5") | {"": str(number)} | row
        lines.append(",".join(str(values[name]) for name in TWO))
    path.write_text("\n".join(lines) + "\n")
    return path
