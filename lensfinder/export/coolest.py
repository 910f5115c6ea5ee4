"""COOLEST templates (Galan et al. 2023, JOSS 8, 5567), written by us: no package is needed.

Lens and shear are a galaxy and a mass field in front of a source. Positions are in arcsec from the
stamp centre, +x right and +y up; angles in degrees, from +y towards -x, in (-90, 90]. The Einstein
radius is on the intermediate axis, as ours. COOLEST's ExternalShear is zero at the origin, as ours.
Where the table has slopes the lens is a PEMD, whose gamma is our slope.
"""

import numpy as np

from lensfinder.lensing.ellipticity import Ellipticity

PERIODS = {"phi": 180.0, "phi_ext": 180.0}
# Order of a template -> what we call it
SIE = ("theta_E", "q", "phi", "center_x", "center_y")
PEMD = ("gamma", *SIE)
SHEAR = ("gamma_ext", "phi_ext")


def convert(values) -> dict[str, np.ndarray]:
    """Parameters of COOLEST's SIE (PEMD where there is a slope) and ExternalShear from ours.

    Parameters
    ----------
    values : mapping of str to array
        Columns of the registry.

    Returns
    -------
    dict of str to array
        By COOLEST's names.
    """
    q, phi = Ellipticity(values["e1"], values["e2"]).to_coolest()
    gamma1, gamma2 = (np.asarray(values[name], dtype=float) for name in ("gamma1", "gamma2"))
    # A shear has an orientation like an ellipse: half the angle of (gamma1, gamma2).
    _, phi_ext = Ellipticity(gamma1, gamma2).to_coolest()
    made = {
        "theta_E": values["theta_E"],
        "q": q,
        "phi": phi,
        "center_x": values["x_lens"],
        "center_y": values["y_lens"],
        "gamma_ext": np.hypot(gamma1, gamma2),
        "phi_ext": phi_ext,
    }
    return made | ({"gamma": values["slope"]} if "slope" in values else {})


def document(lens) -> dict:
    """A COOLEST template.

    Parameters
    ----------
    lens : lensfinder.export.run.Handed
        One lens, its parameters in COOLEST's conventions.

    Returns
    -------
    dict
        Ready for JSON.
    """
    kind, names = ("PEMD", PEMD) if "gamma" in lens.parameters else ("SIE", SIE)
    galaxy = _entity("Galaxy", "lens", lens.z_lens, [_profile("0-galaxy", kind, names, lens)])
    shear = _profile("1-massfield", "ExternalShear", SHEAR, lens)
    entities = [galaxy, _entity("MassField", "external shear", lens.z_lens, [shear])]
    entities.append(_entity("Galaxy", "source", lens.z_src, []))
    scale = lens.facts["pixel_scale"]
    placeholder = {} if scale else {"lensfinder.pixel_size": "a placeholder: the table has none"}
    return {
        "standard": "COOLEST",
        "mode": "MAP",
        "coordinates_origin": {"ra": "00h00m00s", "dec": "+00d00m00s"},
        "cosmology": {
            "H0": lens.facts["H0"],
            "Om0": lens.facts["Om0"],
            "astropy_name": "FlatLambdaCDM",
        },
        "instrument": {
            "band": "",
            "name": "",
            "pixel_size": scale or 1.0,
            "psf": {"description": None, "type": None},
            "readout_noise": 0.0,
        },
        "lensing_entities": entities,
        "likelihoods": None,
        "observation": {
            "exposure_time": None,
            "mag_sky_brightness": None,
            "mag_zero_point": None,
            "noise": {"type": None},
            "pixels": {
                "field_of_view_x": [0, 0],
                "field_of_view_y": [0, 0],
                "fits_file": {"path": None},
                "num_pix_x": 0,
                "num_pix_y": 0,
            },
        },
        "meta": {
            "lensfinder.version": lens.facts["version"],
            "lensfinder.id": lens.id,
            "lensfinder.origin": "the centre of the stamp; its sky position is not known here",
            **placeholder,
        },
    }


def _entity(kind, name, redshift, profiles):
    entity = {"type": kind, "name": name, "redshift": redshift, "mass_model": profiles}
    return entity | ({"light_model": []} if kind == "Galaxy" else {})


def _profile(place, kind, names, lens):
    label = f"{place}-mass-0-{kind}"
    parameters = {name: _parameter(f"{label}-{name}", lens.parameters[name]) for name in names}
    return {"type": kind, "id": label, "parameters": parameters}


def _parameter(label, found):
    return {
        "id": label,
        "fixed": not found.free,
        "point_estimate": {"value": found.value},
        "posterior_stats": {
            "mean": found.mean,
            "median": found.p50,
            "percentile_16th": found.p16,
            "percentile_84th": found.p84,
        },
        "prior": {"type": None},
    }
