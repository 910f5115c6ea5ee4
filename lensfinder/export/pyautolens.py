"""Priors for PyAutoLens: a model of ``autofit``, as ``af.AbstractPriorModel.from_json`` reads it.

PyAutoLens orders pairs (y, x). Its ell_comps are (sin, cos) of twice the position angle times
(1 - q) / (1 + q), that is lenstronomy's (e2, e1), and its einstein_radius is Barkana's,
theta_E (1 + q) / (2 sqrt(q)) for an Isothermal profile; that of its PowerLaw is
theta_E ((1 + q) / 2)^(1 / (slope - 1)) / sqrt(q).
"""

import math

import numpy as np

from lensfinder.lensing.einstein_radius import theta_E_to_pyautolens
from lensfinder.lensing.ellipticity import Ellipticity

PERIODS: dict[str, float] = {}
_GALAXY = "autogalaxy.galaxy.galaxy.Galaxy"
_ISOTHERMAL = "autogalaxy.profiles.mass.total.isothermal.Isothermal"
_POWER_LAW = "autogalaxy.profiles.mass.total.power_law.PowerLaw"
_SHEAR = "autogalaxy.profiles.mass.sheets.external_shear.ExternalShear"
# Beyond these PyAutoLens has no such profile.
_LIMITS = {
    "ell_comps_0": (-1.0, 1.0),
    "ell_comps_1": (-1.0, 1.0),
    "einstein_radius": (0.0, 50.0),
    "slope": (1.0, 3.0),
}


def convert(values) -> dict[str, np.ndarray]:
    """Parameters of PyAutoLens' Isothermal (PowerLaw where there is a slope) and ExternalShear.

    Parameters
    ----------
    values : mapping of str to array
        Columns of the registry.

    Returns
    -------
    dict of str to array
        By the names that priors have in a model.
    """
    shape = Ellipticity(values["e1"], values["e2"])
    cosine, sine = shape.to_lenstronomy()
    q = shape.axis_ratio()
    radius = theta_E_to_pyautolens(values["theta_E"], q)
    if "slope" in values:
        radius = values["theta_E"] / np.sqrt(q) * (0.5 * (1 + q)) ** (1 / (values["slope"] - 1))
    made = {
        "centre_0": values["y_lens"],
        "centre_1": values["x_lens"],
        "ell_comps_0": sine,
        "ell_comps_1": cosine,
        "einstein_radius": radius,
        "gamma_1": values["gamma1"],
        "gamma_2": values["gamma2"],
    }
    return made | ({"slope": values["slope"]} if "slope" in values else {})


def document(lens) -> dict:
    """A model of ``autofit`` with one lens and its source galaxy.

    Parameters
    ----------
    lens : lensfinder.export.run.Handed
        One lens, its parameters in PyAutoLens' conventions.

    Returns
    -------
    dict
        Ready for JSON. The source galaxy has a redshift and no light: add the profile of your fit.
        A redshift that is not known is half that of the source or twice that of the lens, else 0.5
        and 1.
    """
    numbers = {name: i for i, name in enumerate(lens.parameters)}

    def prior(name):
        found = lens.parameters[name]
        if not found.free:
            return {"type": "Constant", "value": found.value}
        # About the table's value, so that the medians of the priors are the predicted lens.
        sigma = math.hypot(found.std, found.mean - found.value)
        made = {"type": "Gaussian", "id": numbers[name], "mean": found.value, "sigma": sigma}
        if name in _LIMITS:
            made["type"] = "TruncatedGaussian"
            made["lower_limit"], made["upper_limit"] = _LIMITS[name]
        return made

    def pair(name):
        return {
            "type": "tuple_prior",
            "arguments": {f"{name}_{i}": prior(f"{name}_{i}") for i in (0, 1)},
        }

    mass = {
        "centre": pair("centre"),
        "ell_comps": pair("ell_comps"),
        "einstein_radius": prior("einstein_radius"),
    }
    profile = _ISOTHERMAL
    if "slope" in lens.parameters:
        profile, mass["slope"] = _POWER_LAW, prior("slope")
    shear = {"gamma_1": prior("gamma_1"), "gamma_2": prior("gamma_2")}
    near, far = _planes(lens.z_lens, lens.z_src)
    galaxies = {
        "lens": _model(
            _GALAXY,
            {
                "redshift": _redshift(near),
                "mass": _model(profile, mass),
                "shear": _model(_SHEAR, shear),
            },
        ),
        "source": _model(_GALAXY, {"redshift": _redshift(far)}, kind="instance"),
    }
    return _collection({"galaxies": _collection(galaxies)})


def _planes(near, far):
    # PyAutoLens needs both to order the planes; the deflection does not depend on them, as long as
    # the source is behind the lens.
    near = 0.5 * (1.0 if far is None else far) if near is None else near
    return near, max(1.0, 2.0 * near) if far is None else far


def _redshift(value):
    return {"type": "Constant", "value": value}


def _model(path, arguments, kind="model"):
    return {"class_path": path, "type": kind, "arguments": arguments}


def _collection(arguments):
    return {"type": "collection", "arguments": arguments}
