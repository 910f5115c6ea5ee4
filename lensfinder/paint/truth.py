"""The truth table of painted mocks: everything another code needs to draw the arcs again."""

import numpy as np
from astropy import units as u
from astropy.table import Table

from lensfinder.data.splits import split_of
from lensfinder.lensing.einstein_radius import theta_E_to_barkana
from lensfinder.lensing.ellipticity import Ellipticity
from lensfinder.tables import COLUMNS, ColumnSpec

# Columns that only painted mocks have; ``{band}`` stands for each band of the survey.
PAINTED = {
    "configuration": ColumnSpec("", "double, quad, or none for a galaxy without arcs"),
    "lens_id": ColumnSpec("", "galaxy that was painted on"),
    "source_id": ColumnSpec("", "galaxy that was lensed"),
    "candidate": ColumnSpec("", "number of the candidate: what the random numbers depend on"),
    "rotation": ColumnSpec("", "quarters of a turn of the galaxy's image, counter-clockwise"),
    "use": ColumnSpec("", "the how-manieth time the galaxy is offered"),
    "theta_E_barkana": ColumnSpec(
        "arcsec", "Einstein radius of Schuldt et al. (2021), equation 1: 4 pi (sigma/c)^2 Dds/Ds"
    ),
    "x_light": ColumnSpec("arcsec", "centre of the galaxy's light, along +x"),
    "y_light": ColumnSpec("arcsec", "centre of the galaxy's light, along +y"),
    "q_light": ColumnSpec("", "axis ratio of the galaxy's light, with the PSF"),
    "phi_light": ColumnSpec("rad", "position angle of the galaxy's light, from +x towards +y"),
    "follows_light": ColumnSpec("", "1 where the mass follows the light"),
    "mu_centre": ColumnSpec("", "total magnification of a point at the source's centre"),
    "src_angle": ColumnSpec("rad", "by which the source's stamp is turned, counter-clockwise"),
    "src_flip": ColumnSpec("", "1 where the stamp is mirrored in x before it is turned"),
    "src_size": ColumnSpec("arcsec", "side of the source's stamp"),
    "arcs_peak": ColumnSpec("electron / s", "brightest pixel of the arcs, reference band"),
    "background_rms": ColumnSpec("electron / s", "noise of the sky in a pixel, reference band"),
    "z_lens_from": ColumnSpec("", "catalogue, or drawn"),
    "z_src_from": ColumnSpec("", "catalogue, or drawn"),
    "sigma_v_from": ColumnSpec("", "catalogue, or brightness (Faber-Jackson)"),
    "psf_from": ColumnSpec("", "object, or survey"),
    "src_flux_{band}": ColumnSpec("electron / s", "flux of the source before lensing"),
    "log_brightness_{band}": ColumnSpec("", "log10 of arc over lens brightness"),
}
ORDER = (
    *("id", "label", "class", "configuration", "theta_E", "e1", "e2", "q", "phi"),
    *("x_lens", "y_lens", "gamma1", "gamma2", "x_src", "y_src", "magnification", "n_images"),
    *("snr", "n_pix", "z_lens", "z_src", "sigma_v", "log_brightness"),
)


# Below this many galaxies a split by galaxy would often leave a part without any.
FEWEST_TO_SPLIT = 40


def object_names(numbers, lens_ids, galaxies: int) -> np.ndarray:
    """Ids of painted objects; all objects of one galaxy belong to the same split.

    Which split an object belongs to is a function of its id (`lensfinder.data.splits`). A galaxy is
    painted on several times, and a network that has seen it in training would be tested on it: so
    the last part of the id is the first number that brings the object to the split of the galaxy.

    Parameters
    ----------
    numbers : array of int (N,)
        Numbers of the candidates.
    lens_ids : sequence of str (N,)
        Their galaxies.
    galaxies : int
        How many galaxies there are; below 40 objects are split one by one.

    Returns
    -------
    array of str (N,)
        ``painted-000000012``, or ``painted-000000012-3``.
    """
    plain = [f"painted-{number:09d}" for number in numbers]
    if galaxies < FEWEST_TO_SPLIT:
        return np.array(plain)
    names = []
    for name, wanted in zip(plain, split_of(lens_ids), strict=True):
        tries = (f"{name}-{k}" for k in range(1000))  # each fits with 10 % or more
        names.append(next(other for other in tries if split_of([other])[0] == wanted))
    return np.array(names)


def truth_table(columns, bands) -> Table:
    """The truth of some painted objects.

    Parameters
    ----------
    columns : dict of str to array (N,)
        Values; ellipticity and the paper's Einstein radius are added.
    bands : sequence of str
        Names of the survey's bands.

    Returns
    -------
    astropy.table.Table
        Columns with units and descriptions.
    """
    shape = Ellipticity.from_axis_ratio(columns["q"], columns["phi"])
    columns = columns | {
        "e1": shape.e1,
        "e2": shape.e2,
        "theta_E_barkana": theta_E_to_barkana(columns["theta_E"], columns["q"]),
    }
    known = {**COLUMNS, **PAINTED}
    for name in [name for name in PAINTED if "{band}" in name]:
        known |= {name.format(band=band): PAINTED[name] for band in bands}
    table = Table()
    for name in (*ORDER, *(n for n in known if n in columns and n not in ORDER)):
        table[name] = np.asarray(columns[name])
        table[name].description = known[name].words
        if known[name].unit:
            table[name].unit = u.Unit(known[name].unit)
    return table
