"""The same scenes drawn by lenstronomy, through the converters of `lensfinder.lensing`."""

import numpy as np

from lensfinder.lensing.ellipticity import Ellipticity
from lensfinder.lensing.sersic import sersic_to_lenstronomy
from lensfinder.simulate.scene import LIGHT, MASS

# lenstronomy convolves what lies inside its stamp: a wider one brings in what its neighbourhood
# scatters. 2 arcsec are four standard deviations of the widest PSF here.
MARGIN = 2.0


def shapes(q, phi):
    """lenstronomy's e1, e2."""
    e1, e2 = Ellipticity.from_axis_ratio(q, phi).to_lenstronomy()
    return {"e1": float(e1), "e2": float(e2)}


def mass(row):
    """SIE and SHEAR from a row of `scene.MASS`; the former's theta_E has our convention."""
    p = dict(zip(MASS, map(float, row), strict=True))
    sie = {"theta_E": p["theta_E"], "center_x": p["x"], "center_y": p["y"]}
    return [sie | shapes(p["q"], p["phi"]), {"gamma1": p["gamma1"], "gamma2": p["gamma2"]}]


def light(rows, fluxes):
    """SERSIC_ELLIPSE from rows of `scene.LIGHT`."""
    found = []
    for row, flux in zip(rows, fluxes, strict=True):
        p = dict(zip(LIGHT, map(float, row), strict=True))
        amp, radius = sersic_to_lenstronomy(float(flux), p["R_e"], p["n"])
        terms = {"amp": amp, "R_sersic": radius, "n_sersic": p["n"]}
        found.append(terms | {"center_x": p["x"], "center_y": p["y"]} | shapes(p["q"], p["phi"]))
    return found


def draw(
    group,
    fwhm,
    mass_row,
    *,
    source=(),
    source_flux=(),
    stamps=(),
    rest=(),
    rest_flux=(),
    factor=10,
):
    """One noiseless image of one band, (stamp, stamp), electron/s per pixel.

    `stamps` are arguments of lenstronomy's INTERPOL for sources given as images.
    """
    from lenstronomy.Data.imaging_data import ImageData
    from lenstronomy.Data.psf import PSF
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LightModel.light_model import LightModel

    extra, scale = int(np.ceil(MARGIN / group.pixel_scale)), group.pixel_scale
    n = group.stamp + 2 * extra
    corner = -(n - 1) / 2 * scale
    data = ImageData(
        image_data=np.zeros((n, n)),
        ra_at_xy_0=corner,
        dec_at_xy_0=corner,
        transform_pix2angle=scale * np.eye(2),
    )
    model = ImageModel(
        data,
        PSF("GAUSSIAN", fwhm=fwhm, pixel_size=scale, truncation=6),
        LensModel(["SIE", "SHEAR"]),
        LightModel(["SERSIC_ELLIPSE"] * len(source) + ["INTERPOL"] * len(stamps)),
        LightModel(["SERSIC_ELLIPSE"] * len(rest)),
        kwargs_numerics={"supersampling_factor": factor, "supersampling_convolution": True},
    )
    sources = [*light(source, source_flux), *stamps]
    image = model.image(mass(mass_row), sources, light(rest, rest_flux))
    return image[extra:-extra, extra:-extra]


def of_scene(survey, scene, k, *, factor=10):
    """Object k of a scene of Sérsic profiles, (H, W, bands) per group."""
    drawn, at = {}, 0
    for group in survey.groups:
        bands = []
        for band in group.bands:
            terms = {"source": scene.source[k], "source_flux": scene.source_flux[k, :, at]}
            terms["rest"] = np.concatenate([scene.lens[k], scene.field[k]])
            terms["rest_flux"] = np.concatenate([scene.lens_flux[k], scene.field_flux[k]])[:, at]
            bands.append(draw(group, band.psf_fwhm, scene.mass[k], factor=factor, **terms))
            at += 1
        drawn[group.name] = np.stack(bands, axis=-1)
    return drawn
