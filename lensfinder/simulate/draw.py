"""Drawing objects from a population: every parameter from its own random stream.

A parameter of object i at its attempt a comes from (seed, i, a, stream of the parameter), so adding
a parameter to a population leaves all others as they were.
"""

import numpy as np

from lensfinder.lensing.cosmology import sigma_v_sis, theta_E_sis
from lensfinder.simulate import galaxies
from lensfinder.simulate.placing import place_source
from lensfinder.simulate.random import uniforms
from lensfinder.specs.population import CLASSES

# One number per parameter, for ever: changing one changes every mock ever made with it.
STREAMS = {
    "class": 0,
    "z_lens": 1,
    "z_src": 2,
    "strength": 3,
    "q": 4,
    "phi": 5,
    "x_lens": 6,
    "y_lens": 7,
    "shear": 8,
    "shear_angle": 9,
    "axis_ratio_factor": 10,
    "angle_offset": 11,
    "independent": 12,
    "independent_q": 13,
    "independent_phi": 14,
    "place_a": 20,
    "place_b": 21,
    "unlensed_x": 22,
    "unlensed_y": 23,
    "lens": 40,
    "source": 60,
    "look_alike": 80,
    "stamp": 100,
    "neighbour_count": 120,
    "look_alike_parts": 130,
    "neighbours": 200,
}
_TABLE = STREAMS["look_alike"]
FIRST_CLASS = 0  # the class does not depend on the attempt, so that its fractions are kept


class Draws:
    """Uniform numbers of some objects at some attempts.

    Parameters
    ----------
    seed : int
        Seed of the run.
    index, attempt : array of int (N,)
        Which objects, and for the how-many-th time.
    """

    def __init__(self, seed: int, index, attempt):
        self.seed = seed
        self.index = np.asarray(index, dtype=np.int64)
        self.attempt = np.asarray(attempt, dtype=np.int64)
        self._table = None  # the streams that every object needs, drawn together

    def __len__(self):
        return len(self.index)

    def __call__(self, stream: str, offset: int = 0):
        """Uniform numbers (N,) of one stream."""
        k = STREAMS[stream] + offset
        if k >= _TABLE:
            return uniforms(self.seed, self.index, self.attempt, k)
        if self._table is None:
            streams = np.arange(_TABLE)
            self._table = uniforms(
                self.seed, self.index[:, None], self.attempt[:, None], streams
            ).T.copy()
        return self._table[k]

    def many(self, stream: str, count: int):
        """Uniform numbers (N, count) of consecutive streams."""
        streams = STREAMS[stream] + np.arange(count)
        return uniforms(self.seed, self.index[:, None], self.attempt[:, None], streams)

    def first(self, stream: str):
        """Uniform numbers (N,) that do not depend on the attempt."""
        return uniforms(self.seed, self.index, FIRST_CLASS, STREAMS[stream])

    def take(self, rows) -> "Draws":
        """The same objects, some of them."""
        return Draws(self.seed, self.index[rows], self.attempt[rows])


def draw_parameters(population, survey, draws: Draws) -> dict[str, np.ndarray]:
    """Draw lens, source and position of some objects; all are drawn as lenses.

    Parameters
    ----------
    population : Population
        From what.
    survey : Survey
        For what; magnitudes become fluxes in its bands.
    draws : Draws
        The objects.

    Returns
    -------
    dict of str to array
        Columns of the truth table of length N: arcsec, radians, electron/s.
    """
    pixel = survey.finest.pixel_scale
    columns = {"class": _classes(population, draws)}
    columns |= _redshifts(population, draws)
    columns |= _mass(population, draws, columns, pixel)
    columns |= _lens_light(population, survey, draws, columns)
    columns |= galaxies.draw_galaxy(
        "src", population.source, survey, draws, "source", columns["z_src"], population.cosmology
    )
    columns |= place_source(population.source_position, draws, columns)
    return columns


def _classes(population, draws):
    names = [name for name in CLASSES if population.classes.get(name, 0) > 0]
    edges = np.cumsum([population.classes[name] for name in names])
    edges /= edges[-1]
    which = np.minimum(np.searchsorted(edges, draws.first("class"), side="right"), len(names) - 1)
    return np.asarray(names)[which]


def _redshifts(population, draws):
    """Lens redshift from its prior, source redshift from the part of its prior behind the lens."""
    z_lens = population.lens_redshift.draw(draws("z_lens"))
    # the prior of the source, given that it lies behind: invert its quantiles by bisection
    u = draws("z_src")
    low, high = np.zeros_like(u), np.ones_like(u)
    for _ in range(30):
        middle = (low + high) / 2
        behind = population.source_redshift.draw(middle) > z_lens + population.minimum_redshift_gap
        high, low = np.where(behind, middle, high), np.where(behind, low, middle)
    z_src = population.source_redshift.draw(high + u * (1 - high))
    return {"z_lens": z_lens, "z_src": z_src}


def _mass(population, draws, columns, pixel):
    mass = population.mass
    z_lens, z_src, cosmology = columns["z_lens"], columns["z_src"], population.cosmology
    if mass.einstein_radius is not None:
        theta_E = mass.einstein_radius.draw(draws("strength"), "arcsec")
        sigma_v = sigma_v_sis(theta_E, z_lens, z_src, cosmology)
    else:
        sigma_v = mass.velocity_dispersion.draw(draws("strength"), "km/s")
        theta_E = theta_E_sis(sigma_v, z_lens, z_src, cosmology)
    shear = mass.shear.draw(draws("shear"), "")
    angle = mass.shear_angle.draw(draws("shear_angle"), "rad")
    return {
        "theta_E": theta_E,
        "sigma_v": sigma_v,
        "q": _axis_ratio(mass, draws("q")),
        "phi": mass.position_angle.draw(draws("phi"), "rad"),
        "x_lens": mass.centre.draw(draws("x_lens"), "arcsec", pixel=pixel),
        "y_lens": mass.centre.draw(draws("y_lens"), "arcsec", pixel=pixel),
        "gamma1": shear * np.cos(2 * angle),
        "gamma2": shear * np.sin(2 * angle),
    }


def _axis_ratio(mass, u):
    return np.clip(mass.axis_ratio.draw(u, ""), mass.minimum_axis_ratio, 1.0)


def _lens_light(population, survey, draws, columns):
    """Light of the lens: it follows the mass with scatter, or for some objects not at all.

    The light's shape is derived from the drawn q and phi; where the mass is independent of the
    light, the mass gets a shape of its own afterwards.
    """
    light = population.lens_light
    if light is None:
        return {}
    mass = population.mass
    factor = light.axis_ratio_factor.draw(draws("axis_ratio_factor"), "")
    offset = light.angle_offset.draw(draws("angle_offset"), "rad")
    shape = {
        "q": np.clip(columns["q"] / factor, mass.minimum_axis_ratio, 1.0),
        "phi": columns["phi"] - offset,
    }
    alone = draws("independent") < light.independent
    q_alone = _axis_ratio(mass, draws("independent_q"))
    phi_alone = mass.position_angle.draw(draws("independent_phi"), "rad")
    columns["q"] = np.where(alone, q_alone, columns["q"])
    columns["phi"] = np.where(alone, phi_alone, columns["phi"])
    return galaxies.draw_galaxy(
        "lens",
        light,
        survey,
        draws,
        "lens",
        columns["z_lens"],
        population.cosmology,
        sigma_v=columns["sigma_v"],
        shape=shape,
    ) | {"light_independent": alone}
