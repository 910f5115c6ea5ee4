"""Keyword arguments of lenstronomy's ``LensModel(["SIE", "SHEAR"])``, and of a fit with them.

Where the table has slopes the lens is an ``EPL``, whose gamma is our slope.

lenstronomy's e1, e2 have the magnitude (1 - q) / (1 + q); its theta_E of an SIE is on the
intermediate axis, as ours; its SHEAR has our gamma1, gamma2, zero at (ra_0, dec_0).
"""

import numpy as np

from lensfinder.lensing.ellipticity import Ellipticity

PERIODS: dict[str, float] = {}
SIE = ("theta_E", "e1", "e2", "center_x", "center_y")
EXTRA = ("gamma",)  # of an EPL
SHEAR = ("gamma1", "gamma2")
_LOWER = {"theta_E": 0.01, "e1": -0.7, "e2": -0.7, "gamma1": -0.5, "gamma2": -0.5, "gamma": 1.0}
_UPPER = {"theta_E": 20.0, "e1": 0.7, "e2": 0.7, "gamma1": 0.5, "gamma2": 0.5, "gamma": 3.0}
_FAR = 20.0  # bound on the centre [arcsec]


def convert(values) -> dict[str, np.ndarray]:
    """Parameters of lenstronomy's SIE (EPL where there is a slope) and SHEAR from ours.

    Parameters
    ----------
    values : mapping of str to array
        Columns of the registry.

    Returns
    -------
    dict of str to array
        By lenstronomy's names.
    """
    e1, e2 = Ellipticity(values["e1"], values["e2"]).to_lenstronomy()
    made = {
        "theta_E": values["theta_E"],
        "e1": e1,
        "e2": e2,
        "center_x": values["x_lens"],
        "center_y": values["y_lens"],
        "gamma1": values["gamma1"],
        "gamma2": values["gamma2"],
    }
    return made | ({"gamma": values["slope"]} if "slope" in values else {})


def document(lens) -> dict:
    """One lens as lenstronomy's keyword arguments.

    Parameters
    ----------
    lens : lensfinder.export.run.Handed
        One lens, its parameters in lenstronomy's conventions.

    Returns
    -------
    dict
        ``lens_model_list``, ``kwargs_lens``, redshifts; and ``lens_params``, the five lists of
        ``kwargs_params["lens_model"]`` (start, sigma, fixed, lower, upper), where anything is
        uncertain. What is not uncertain is fixed.
    """
    made = {
        "id": lens.id,
        "lens_model_list": ["EPL" if "gamma" in lens.parameters else "SIE", "SHEAR"],
        "kwargs_lens": _kwargs(lens, lambda name, found: found.value),
        "z_lens": lens.z_lens,
        "z_source": lens.z_src,
    }
    made["kwargs_lens"][1] |= {"ra_0": 0.0, "dec_0": 0.0}
    if any(found.free for found in lens.parameters.values()):
        free = {name for name, found in lens.parameters.items() if found.free}
        start = _kwargs(lens, lambda name, found: found.value, free)
        fixed = _kwargs(lens, lambda name, found: found.value, set(lens.parameters) - free)
        fixed[1] |= {"ra_0": 0.0, "dec_0": 0.0}
        sigma = _kwargs(lens, lambda name, found: found.std, free)
        lower = _kwargs(lens, lambda name, found: _LOWER.get(name, -_FAR), free)
        upper = _kwargs(lens, lambda name, found: _UPPER.get(name, _FAR), free)
        made["lens_params"] = [start, sigma, fixed, lower, upper]
    return made


def _kwargs(lens, value, names=None):
    """``[kwargs of the SIE or EPL, kwargs of the SHEAR]``."""
    groups = (SIE + EXTRA if "gamma" in lens.parameters else SIE, SHEAR)
    return [
        {
            name: value(name, lens.parameters[name])
            for name in group
            if names is None or name in names
        }
        for group in groups
    ]
