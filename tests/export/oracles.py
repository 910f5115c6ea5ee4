"""Deflections by the packages that we export to, each run where that package is installed.

COOLEST and PyAutoLens need other versions of their dependencies than we do, so the suite compares
with what this script wrote, and with the packages themselves only where they happen to be there.
To write the data anew, with a Python that has the package:

    lensfinder export tests/export/data/systems.ecsv --to coolest --z-lens 0.5 --z-src 1.5 -o FOLDER
    python tests/export/oracles.py coolest FOLDER tests/export/data/coolest.json

and the same with ``pyautolens``, and with ``slopes`` for ``systems`` and ``coolest-slopes.json``.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

PACKAGES = {"coolest": "coolest", "pyautolens": "autolens"}


def positions():
    """Where deflections are compared: 49 points within 3 arcsec of the origin."""
    x, y = np.meshgrid(np.linspace(-3, 3, 7) + 0.11, np.linspace(-3, 3, 7) - 0.07)
    return x.ravel(), y.ravel()


def coolest(path, x, y):
    """Parameters and deflection of a COOLEST file, by the package of that name."""
    from coolest.api.profiles.mass import PEMD, ExternalShear
    from coolest.template.json import JSONSerializer

    file = JSONSerializer(str(Path(path).with_suffix("").resolve()), check_external_files=False)
    model = file.load(skip_jsonpickle=True, validate=True, verbose=False)
    sie, shear = (entity.mass_model[0] for entity in list(model.lensing_entities)[:2])
    values = [
        {name: p.point_estimate.value for name, p in profile.parameters.items()}
        for profile in (sie, shear)
    ]
    # its SIE has a template only; the power law of slope 2 is the same profile
    one = PEMD().deflection(x, y, **({"gamma": 2.0} | values[0]))
    two = ExternalShear().deflection(x, y, **values[1])
    return values[0] | values[1], one[0] + two[0], one[1] + two[1]


def pyautolens(path, x, y):
    """Parameters and deflection of the medians of a PyAutoLens model."""
    import autofit
    import autolens

    model = autofit.AbstractPriorModel.from_json(str(Path(path).resolve()))
    lens = model.instance_from_prior_medians().galaxies.lens
    grid = autolens.Grid2DIrregular(np.stack([y, x], axis=1))
    alpha = np.asarray(lens.deflections_yx_2d_from(grid=grid))
    mass, shear = lens.mass, lens.shear
    values = {
        "centre_0": mass.centre[0],
        "centre_1": mass.centre[1],
        "ell_comps_0": mass.ell_comps[0],
        "ell_comps_1": mass.ell_comps[1],
        "einstein_radius": mass.einstein_radius,
        "gamma_1": shear.gamma_1,
        "gamma_2": shear.gamma_2,
    }
    if type(mass).__name__ == "PowerLaw":
        values["slope"] = mass.slope
    return {name: float(value) for name, value in values.items()}, alpha[:, 1], alpha[:, 0]


def main(target, folder, output):
    """Write what the package says of every file of a folder."""
    x, y = positions()
    lenses = {}
    for path in sorted(Path(folder).glob("*.json")):
        values, alpha_x, alpha_y = globals()[target](path, x, y)
        lenses[path.stem] = {
            "parameters": values,
            "alpha_x": np.round(alpha_x, 12).tolist(),
            "alpha_y": np.round(alpha_y, 12).tolist(),
        }
    content = {
        "package": PACKAGES[target],
        "version": version(PACKAGES[target]),
        "command": f"python tests/export/oracles.py {target} FOLDER {output}",
        "lenses": lenses,
    }
    Path(output).write_text(json.dumps(content, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
