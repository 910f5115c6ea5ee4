"""The real lenses and galaxies of ``../shared/data`` that a finder is shown: how each is read."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import h5py
import numpy as np
from astropy.io import fits

from lensfinder.data import Cutout, cut, detect, load_layout, read_cutouts

TILE_SATURATION = 2e-8  # maggies per pixel: above it the tile's stars are broader than the PSF
SPACE = 0.3  # arcsec: no telescope on the ground has such a PSF
# what is not shown, and why: results repeat it
EXCLUDED = {
    "spacewarps_cfhtls_png": "pictures stretched for display",
    "horseshoe_hst": "a ring wider than the stamp, without its galaxy",
    "des_j0330_grizY": "the faint arc of a cluster, far from any galaxy's middle",
    "samana_lensed_quasars": "lensed quasars",
    "profit_kids_sdss_galaxies": "the files name no pixel scale",
    "legacy_dr_grz_pysersic, three arrays": "the files name no pixel scale",
    "holismokes_ix_hsc_mocks, with their arcs": "painted lenses; their real galaxies are shown",
    "other bands and telescopes": (
        "of objects that are shown in one band already: COWLS F150W to F444W, HSC and HST; AGEL "
        "F140W; dolphin F475X; Ben's Lens and Tea Pot F475W; AEGIS F606W"
    ),
    "KiDS tile": "galaxies beyond the 200 brightest: near the noise in a finder's stamp",
    "cosmos_hst_sources, galsim_tests/test_images.fits": "cut-outs of the galaxies that are shown",
}


@dataclass(frozen=True)
class RealSet:
    """Some images of one kind: how to read them, the band taken for VIS, and what they are."""

    name: str
    folder: str
    kind: str  # lens, or what a non-lens is
    psf_fwhm: float  # arcsec
    read: Callable  # (folder) -> iterable of (Cutout, band)
    note: str = ""

    @property
    def space(self) -> bool:
        """Whether a telescope in space took its images."""
        return self.psf_fwhm < SPACE

    @property
    def lens(self) -> bool:
        """Whether its objects are lenses."""
        return self.kind == "lens"


# --- reading --------------------------------------------------------------------------------------
def layout(name, band, *, only=None):
    """Reader of a folder in one of our layouts; `only` is part of the ids to take."""

    def read(folder):
        for cutout in read_cutouts(folder, layout=name):
            if only is None or only in cutout.id:
                yield cutout, band

    return read


def fits_images(pattern, *, scale, zero_point=None, plane=None, hdus=None):
    """Reader of plain FITS images, one object per file, per plane or per extension."""

    def read(folder):
        for path in sorted(folder.glob(pattern)):
            with fits.open(path) as file:
                chosen = [hdu for hdu in file if hdu.data is not None and hdu.data.ndim >= 2]
                for k, hdu in enumerate(chosen):
                    if hdus is not None and k not in hdus:
                        continue
                    data = np.asarray(hdu.data, np.float32)
                    zero = _hst_zero_point(hdu.header) if zero_point is None else zero_point
                    if data.ndim == 2:
                        planes = [(0, data)]
                    else:
                        planes = [
                            (i, data[i])
                            for i in ([plane] if plane is not None else range(len(data)))
                        ]
                    for i, image in planes:
                        name = f"{path.name.split('.')[0]}-{k}-{i}"
                        yield _cutout(name, image, scale, zero, path), "band"

    return read


def under_painted_arcs(folder):
    """The real HSC galaxies, i band, on which lenses were painted: image less arcs."""
    for path in sorted(folder.glob("lens_*.fits")):
        with fits.open(path) as units:
            galaxy = np.asarray(units[5].data, np.float32) - np.asarray(units[6].data, np.float32)
        yield _cutout(path.stem, galaxy, 0.168, 27.0, path), "band"


def scarlet_hsc(folder):
    """The i bands of scarlet's examples from HSC: two cubes of FITS, two of NumPy."""
    for path in sorted([*folder.glob("Cut_HSC*.fits"), *folder.glob("hsc_cosmos*.npz")]):
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                image = file["images"][2]  # of grizy; other members are not read
        else:
            image = fits.getdata(path)[2]
        yield _cutout(path.stem, np.asarray(image, np.float32), 0.168, 27.0, path), "band"


def h5_image(name, *, zero_point):
    """Reader of a lenstronomy HDF5 image."""

    def read(folder):
        path = folder / name
        with h5py.File(path) as file:
            image = np.asarray(file["image_data"], np.float32)
            scale = math.sqrt(abs(np.linalg.det(np.asarray(file["transform_pix2angle"]))))
        yield _cutout(path.stem, image, scale, zero_point, path), "band"

    return read


def tile(folder):
    """The 200 brightest galaxies of the KiDS tile, r band."""
    chosen = load_layout("kids-viking-tile")
    chosen = chosen.model_copy(update={"bands": {"r": chosen.bands["r"]}})
    (image,) = read_cutouts(folder, layout=chosen)
    scale = image.pixel_scales["r"]
    table = detect(
        image.bands["r"], pixel_scale=scale, saturation=TILE_SATURATION, prefix="kids-r-"
    )
    for cutout in cut(image, table[:200], size_arcsec=9.0):
        yield cutout, "r"


def spirals(folder):
    """Six large spirals, shrunk to three sizes, two brightnesses.

    Their own scale would fill a hundred stamps; what they lend is their shape. The side of the
    image becomes 4, 6 and 8 arcsec, the total magnitude 19 and 20.5.
    """
    files = {
        "nearby_spirals_tdlmc/NGC3982_fix.fits": None,
        "nearby_spirals_tdlmc/NGC3259_fix.fits": None,
        "nearby_spirals_tdlmc/ESO498G5_fix.fits": None,
        "slit/source.fits": None,
        "a2744_3band/Cube.fits": 1,
        "slsim/COSMOSWeb_galaxy_6701_image.fits": None,
    }
    for name, plane in files.items():
        path = folder / name
        with fits.open(path) as file:
            data = next(hdu.data for hdu in file if hdu.data is not None and hdu.data.ndim >= 2)
        image = np.asarray(data if plane is None else data[plane], np.float32)
        for width in (4.0, 6.0, 8.0):
            for magnitude in (19.0, 20.5):
                zero = magnitude + 2.5 * math.log10(float(image.sum()))
                label = f"{path.stem}-{width:g}arcsec-{magnitude:g}mag"
                yield _cutout(label, image, width / max(image.shape), zero, path), "band"


def _cutout(name, image, scale, zero_point, path):
    if not image.dtype.isnative:
        image = image.astype(image.dtype.newbyteorder("="))
    return Cutout(
        id=name,
        bands={"band": image},
        pixel_scales={"band": float(scale)},
        units={"band": "adu/s"},
        zero_points={"band": float(zero_point)},
        path=str(path),
    )


def _hst_zero_point(header):
    """AB zero point of an HST image (ACS Data Handbook): from PHOTFLAM and PHOTPLAM."""
    flam, pivot = header["PHOTFLAM"], header.get("PHOTPLAM", 8045.0)  # ACS F814W
    return -2.5 * math.log10(flam) - 5.0 * math.log10(pivot) - 2.408


HST, NIR, HSC = 0.10, 0.16, 0.65  # FWHM, arcsec: F814W and bluer; F140W; HSC i
SETS = (
    RealSet("Euclid Q1 VIS", "euclid_q1", "lens", 0.17, layout("euclid-q1", "VIS"), "candidates"),
    RealSet(
        *("BDLensing F140W", "bdlensing_hst_f140w", "lens", NIR),
        layout("bdlensing", "F140W"),
        "near infrared (1.39 um) taken for VIS (0.72 um)",
    ),
    RealSet("SLACS F814W (Denzel)", "slacs_hst", "lens", HST, layout("denzel2021", "F814W")),
    RealSet(
        "SLACS F814W (PyAutoLens)", "slacs_hst", "lens", HST, layout("slacs-autolens", "F814W")
    ),
    RealSet(
        "SLACS F555W (lenstronomy)", "slacs_hst", "lens", HST, layout("slacs-lenstronomy", "F555W")
    ),
    RealSet(
        *("COWLS F115W", "cowls_jwst", "lens", 0.05),
        layout("cowls", "F115W"),
        "JWST, 1.15 um; absolute calibration unverified",
    ),
    RealSet(
        *("AGEL F200LP", "agel_dcls0353_hst", "lens", HST),
        fits_images("DCLS0353-1706_F200LP.fits", scale=0.05, zero_point=27.3),
        "zero point from memory, to 0.1 mag",
    ),
    RealSet(
        *("Ben's Lens and Tea Pot F814W", "dspl_hst_f475w_f814w", "lens", HST),
        fits_images("*/f814w_lens_cutout_*x[12]?0.fits", scale=0.0396),
    ),
    RealSet(
        *("dolphin F600LP", "dolphin_examples_hst", "lens", HST),
        h5_image("image_lens_system3_F600LP.h5", zero_point=25.9),
        "zero point from memory, to 0.1 mag",
    ),
    RealSet(
        *("dolphin F390W", "dolphin_examples_hst", "lens", HST),
        h5_image("image_lens_system1_F390W.h5", zero_point=25.4),
        "near ultraviolet; zero point from memory, to 0.1 mag",
    ),
    RealSet(
        *("SL2S HSC i", "sl2s_ground", "lens", HSC),
        layout("hsc-scivarpsf", "i", only="220506"),
        "from the ground",
    ),
    RealSet(
        *("SW05 CFHTLS r", "sl2s_ground", "lens", 0.7),
        fits_images("SW05_CFHTLS_ugri/*.R.*.fits", scale=0.186, zero_point=30.0),
        "from the ground",
    ),
    # --- no lenses
    RealSet(
        *("KiDS tile r", "profound_kids_viking_tile", "ground-based galaxy", 0.78),
        tile,
        "200 brightest galaxies; nobody has checked them; by eye about 3 are artefacts",
    ),
    RealSet(*("HSC blends i", "hsc_cosmos_blends", "blend", HSC), layout("hsc-blends", "i")),
    RealSet(
        *("scarlet F814W", "scarlet_hsc_hst", "blend", HST),
        fits_images("Cut_HST*.fits", scale=0.03, zero_point=25.94),
        "two cuts of one COSMOS field",
    ),
    RealSet(
        *("scarlet HSC i", "scarlet_hsc_hst", "blend", HSC),
        scarlet_hsc,
        "four cuts of the COSMOS field, in part of one place",
    ),
    RealSet(
        *("HOLISMOKES galaxies i", "holismokes_ix_hsc_mocks", "ground-based galaxy", HSC),
        under_painted_arcs,
        "early types that lenses were painted on, without the arcs",
    ),
    RealSet(
        *("Legacy Surveys r", "legacy_dr_grz_pysersic", "blend", 1.2),
        fits_images("cutout_*.fits.gz", scale=0.262, zero_point=22.5, hdus=(2,)),
        "two ellipticals; PSF from the survey's median",
    ),
    RealSet(
        *("HSC spiral i", "sl2s_ground", "spiral", HSC),
        layout("hsc-scivarpsf", "i", only="42305780052942573"),
    ),
    RealSet(
        *("DES early types i", "deeplenstronomy_des_grizY", "ground-based galaxy", 0.95),
        fits_images("i.fits*", scale=0.263, zero_point=30.0),
    ),
    RealSet(
        *("DES red galaxies i", "krojas_des_lrg_hst_sources", "ground-based galaxy", 0.95),
        fits_images("DES_[0-9]*.fits", scale=0.263, zero_point=30.0, hdus=(2,)),
    ),
    RealSet(
        *("COSMOS 23.5 F814W", "cosmos_hst_sources", "COSMOS stamp", HST),
        fits_images("paltas10/real_galaxy_images_*.fits", scale=0.03, zero_point=25.94),
        "ten galaxies of 21 to 23.5 mag, some large spirals",
    ),
    RealSet(
        *("COSMOS 25 F814W", "cosmos_hst_sources", "COSMOS stamp", HST),
        fits_images("btk_extension100/real_galaxy_images_*.fits.gz", scale=0.03, zero_point=25.94),
        "small and faint",
    ),
    RealSet(
        *("COSMOS bright F814W", "cosmos_hst_sources", "COSMOS stamp", HST),
        fits_images("slsim/test_galaxy_images_23.5.fits", scale=0.03, zero_point=25.94),
    ),
    RealSet(
        *("AEGIS F814W", "cosmos_hst_sources", "COSMOS stamp", HST),
        fits_images("galsim_tests/AEGIS_F814w_images_*.fits", scale=0.03, zero_point=25.94),
    ),
    RealSet(
        *("nearby spirals", "cosmos_hst_sources", "spiral", 0.02),
        spirals,
        "six galaxies, each at 3 sizes and 2 magnitudes: views, not independent objects",
    ),
)
