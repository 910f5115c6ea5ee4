"""Published lens parameters, each in our convention and in the frame of the image at hand.

The list is ``known_lens_parameters.csv`` beside the images. What its sources mean:

* BDLensing and Shajib et al. 2021 fit lenstronomy's EPL, whose theta_E is on the intermediate axis
  for every slope (kappa = (3-g)/2 (theta_E / sqrt(q x^2 + y^2/q))^(g-1)): ours as it stands. Their
  angle is from +RA (east) through north, so the position angle on the sky is 90 deg minus it; for
  Shajib et al. that agrees within 8 deg with the light's angles of Bolton et al. 2008 in four
  lenses.
* b of Bolton et al. 2008 is on the intermediate axis, too. Position angles are east of north.
* Denzel et al. 2021 give the radius of the circle with mean convergence 1; the list pairs it with
  the axis ratio and the position angle of the SIE of Shu et al. 2017.
* COWLS uses PyAutoLens' Isothermal, and angles from +x of the image.
"""

import csv
import math
from dataclasses import dataclass

import numpy as np

from lensfinder.lensing.einstein_radius import (
    theta_E_from_circular_aperture,
    theta_E_from_pyautolens,
)
from lensfinder.lensing.ellipticity import Ellipticity

BOLTON = {
    "SDSSJ0737+3216"
}  # of the images of Denzel et al., the one that the list takes from there
INTERMEDIATE, CIRCLE, PYAUTOLENS = "intermediate axis", "circle", "PyAutoLens"
SKY, EAST, IMAGE = "east of north", "north of east", "from +x"
CONVENTIONS = (  # what the list's column `convention` begins with -> theta_E, angle
    ("EPL+shear, lenstronomy", INTERMEDIATE, EAST),
    ("EPL+shear; also kwargs", INTERMEDIATE, EAST),
    ("SIE b (intermediate axis)", INTERMEDIATE, SKY),
    ("SIE b from Bolton 2008 (Etherington table) if present, else free-form", CIRCLE, SKY),
    ("SIE+shear, PyAutoLens conv.", PYAUTOLENS, IMAGE),
    ("theta_E only", INTERMEDIATE, SKY),
)


@dataclass(frozen=True)
class Published:
    """One lens of the list: theta_E in our convention [arcsec], q, and its angle [deg] as named."""

    name: str
    path: str
    theta_E: float
    q: float | None
    angle: float | None
    angle_from: str
    reference: str

    def shape(self, sky) -> Ellipticity | None:
        """Our ellipticity in the image; None if that needs a direction of north nobody knows."""
        if self.q is None or self.angle is None:
            return None
        if self.angle_from == IMAGE:
            return Ellipticity.from_axis_ratio(self.q, math.radians(self.angle))
        if sky is None:
            return None
        north, east_left = sky
        angle = 90.0 - self.angle if self.angle_from == EAST else self.angle
        return Ellipticity.from_east_of_north(self.q, angle, north=north, east_left=east_left)


def read_published(path) -> list[Published]:
    """The list, converted; ValueError for a convention that is not in `CONVENTIONS`."""
    with open(path, newline="", encoding="utf-8") as lines:
        return [_published(row) for row in csv.DictReader(lines)]


def _published(row) -> Published:
    known = [c for c in CONVENTIONS if row["convention"].startswith(c[0])]
    if len(known) != 1:
        raise ValueError(f"The convention {row['convention']!r} of {row['name']} is not known.")
    _, radius, angle_from = known[0]
    theta, q, angle = (
        float(row[name]) if row[name] else None
        for name in ("theta_E_arcsec", "q_mass", "pa_or_phi_mass_deg")
    )
    if radius == CIRCLE and row["name"] not in BOLTON:
        theta = theta_E_from_circular_aperture(theta, q)
    elif radius == PYAUTOLENS:
        theta = theta_E_from_pyautolens(theta, q)
    return Published(row["name"], row["path"], float(theta), q, angle, angle_from, row["reference"])


def published_of(path, folder, known) -> Published | None:
    """The entry for a file, by its place below the folder of the images."""
    place = path.relative_to(folder).as_posix()
    for entry in known:
        if place == entry.path or place.startswith(entry.path + "/"):
            return entry
    return None


def sky_of(wcs) -> tuple[float, bool] | None:
    """Direction of north from +x [rad], and whether east is left of it; None without a CD matrix.

    CD maps pixels to (east, north) offsets (Greisen & Calabretta 2002), so its inverse maps the
    unit vectors of the sky to the image.
    """
    if "CD1_1" not in wcs or "CD2_2" not in wcs:
        return None
    matrix = [[wcs.get(f"CD{i}_{j}", 0.0) for j in (1, 2)] for i in (1, 2)]
    (east_x, north_x), (east_y, north_y) = np.linalg.inv(matrix)
    return math.atan2(north_y, north_x), north_x * east_y - north_y * east_x > 0
