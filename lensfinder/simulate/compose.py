"""From the columns of the truth table to the scene that the renderer draws."""

import numpy as np

from lensfinder.simulate.galaxies import STREAMS_PER_GALAXY, draw_galaxy
from lensfinder.simulate.look_alikes import draw_look_alikes, part_name
from lensfinder.simulate.morphologies import PARTS
from lensfinder.simulate.scene import LIGHT, MASS, STAMP, STRUCTURE, Scene

_MASS_COLUMNS = dict(
    zip(MASS, ("theta_E", "q", "phi", "x_lens", "y_lens", "gamma1", "gamma2"), strict=True)
)


class Composer:
    """Turns columns into scenes for one population and survey.

    Parameters
    ----------
    population : Population
        Which components there are.
    survey : Survey
        Which bands.
    sources : SourceLibrary or None
        Real sources instead of Sérsic ones.
    """

    def __init__(self, population, survey, sources=None):
        self.population, self.survey, self.sources = population, survey, sources
        self.bands = [band.name for band in survey.bands]
        light = population.lens_light
        self.lens_parts = [] if light is None else _parts("lens", light)
        self.source_parts = _parts("src", population.source)
        self.structures = 1 if population.look_alikes is None else PARTS
        self.neighbours = 0 if population.neighbours is None else population.neighbours.maximum

    def complete(self, draws, columns) -> dict[str, np.ndarray]:
        """Add what the object's class and its field bring: truth as it will be drawn.

        Parameters
        ----------
        draws : Draws
            The objects.
        columns : dict of str to array (N,)
            From `draw_parameters`.

        Returns
        -------
        dict of str to array
            All columns of the truth table that describe the object.
        """
        columns = dict(columns)
        if self.sources is not None:
            columns |= self.real_sources(draws, columns)
        if self.population.classes.keys() - {"lens"}:
            columns |= self._non_lenses(draws, columns)
        if self.neighbours:
            columns |= self._field(draws, columns)
        return columns

    def real_sources(self, draws, columns) -> dict[str, np.ndarray]:
        """Which real galaxy an object gets as its source, and how it is turned.

        Parameters
        ----------
        draws : Draws
            The objects.
        columns : dict of str to array (N,)
            From `draw_parameters`.

        Returns
        -------
        dict of str to array (N,)
            ``stamp`` (number in the library), ``stamp_size`` (arcsec), ``stamp_angle`` (rad) and
            ``stamp_flip`` (1 for a mirrored one).
        """
        u = draws.many("stamp", 3)
        which = np.minimum((u[:, 0] * len(self.sources)).astype(int), len(self.sources) - 1)
        return {
            "stamp": which,
            # the real galaxy gets the drawn half-light radius
            "stamp_size": columns["src_R_e"] / self.sources.half_light[which],
            "stamp_angle": 2 * np.pi * u[:, 1],
            "stamp_flip": np.floor(2 * u[:, 2]),
        }

    def _non_lenses(self, draws, columns):
        """The same lens galaxy without lensing, and what else its class shows."""
        kind = columns["class"]
        lens = kind == "lens"
        new = {}
        for name, neutral in (
            ("theta_E", 0.0),
            ("gamma1", 0.0),
            ("gamma2", 0.0),
            ("q", 1.0),
            ("phi", 0.0),
        ):
            new[name] = np.where(lens, columns[name], neutral)
        extra = draw_look_alikes(draws, columns, self.population.look_alikes)
        structures = [part_name(k) for k in range(self.structures)]
        like = kind == "look_alike"
        beside = kind == "unlensed_source"
        merger = like & (extra["structure_kind"] == "merger")
        new["x_src"] = np.select(
            [beside, merger], [columns["x_unlensed"], extra["x_companion"]], columns["x_src"]
        )
        new["y_src"] = np.select(
            [beside, merger], [columns["y_unlensed"], extra["y_companion"]], columns["y_src"]
        )
        factor = np.select([lens, beside, merger], [1.0, extra["boost"], extra["boost"]], 0.0)
        for band in self.bands:
            total = sum(columns[f"{part}_flux_{band}"] for part in self.source_parts)
            for part in structures:
                peak = total * extra["boost"] * extra[f"{part}_flux"] / extra[f"{part}_area"]
                new[f"{part}_peak_{band}"] = np.where(like, peak, 0.0)
            for part in self.source_parts:
                new[f"{part}_flux_{band}"] = columns[f"{part}_flux_{band}"] * factor
        new["structure_kind"] = np.where(like, extra["structure_kind"], "none")
        for part in structures:
            new |= {f"{part}_{name}": extra[f"{part}_{name}"] for name in STRUCTURE}
        return new

    def _field(self, draws, columns):
        """Unrelated galaxies: how many, where, and what they look like."""
        rule = self.population.neighbours
        count = np.minimum(_poisson(draws("neighbour_count"), rule.mean), rule.maximum)
        half = self.survey.finest.width / 2
        new = {"n_neighbours": count}
        for k in range(rule.maximum):
            offset = k * (STREAMS_PER_GALAXY + 4)
            ux, uy, uz = (
                draws("neighbours", offset + STREAMS_PER_GALAXY + step) for step in range(3)
            )
            x, y = half * (2 * ux - 1), half * (2 * uy - 1)
            near = np.hypot(x - columns["x_lens"], y - columns["y_lens"]) < rule.avoid_radius
            galaxy = draw_galaxy(
                f"near{k}",
                rule.galaxy,
                self.survey,
                draws,
                "neighbours",
                rule.redshift.draw(uz, ""),
                self.population.cosmology,
                offset=offset,
            )
            present = (k < count) & ~near
            for band in self.bands:
                galaxy[f"near{k}_flux_{band}"] = galaxy[f"near{k}_flux_{band}"] * present
            new |= galaxy | {f"near{k}_x": x, f"near{k}_y": y}
        return new

    def scene(self, columns, *, structure=False) -> Scene:
        """The scene of some objects.

        Parameters
        ----------
        columns : dict of str to array (N,)
            From `draw_parameters`, or completed.
        structure : bool
            Whether to make room for look-alikes.

        Returns
        -------
        Scene
            Ready to be drawn.
        """
        n = len(columns["theta_E"])
        side = (0, 0) if self.sources is None else self.sources.images.shape[2:]
        scene = Scene.empty(
            n,
            len(self.bands),
            lens=len(self.lens_parts),
            source=0 if self.sources is not None else len(self.source_parts),
            field=self.neighbours if "near0_x" in columns else 0,
            structure=self.structures * bool(structure),
            stamp=side,
        )
        for k, name in enumerate(MASS):
            scene.mass[:, k] = columns[_MASS_COLUMNS[name]]
        for c, part in enumerate(self.lens_parts):
            self._light(scene.lens, scene.lens_flux, c, part, columns, ("x_lens", "y_lens"))
        for c, part in enumerate(self.source_parts if self.sources is None else ()):
            self._light(scene.source, scene.source_flux, c, part, columns, ("x_src", "y_src"))
        for c in range(scene.field.shape[1]):
            near = f"near{c}"
            self._light(scene.field, scene.field_flux, c, near, columns, (f"{near}_x", f"{near}_y"))
        for c in range(scene.structure.shape[1]):
            part = part_name(c)
            for k, name in enumerate(STRUCTURE):
                scene.structure[:, c, k] = columns[f"{part}_{name}"]
            for b, band in enumerate(self.bands):
                scene.structure_peak[:, c, b] = columns[f"{part}_peak_{band}"]
        if self.sources is not None:
            stamp = ("x_src", "y_src", "stamp_size", "stamp_angle", "stamp_flip")
            for k in range(len(STAMP)):
                scene.stamp[:, k] = columns[stamp[k]]
            scene.stamp_image[:] = self.sources.images[columns["stamp"]]
            scene.stamp_flux[:] = self.intrinsic(columns)
        return scene

    def intrinsic(self, columns) -> np.ndarray:
        """Unlensed flux of the source per band, (N, bands), electron/s.

        Parameters
        ----------
        columns : dict of str to array (N,)
            From `draw_parameters`.

        Returns
        -------
        array (N, bands)
            Sum of the source's components.
        """
        return np.stack(
            [
                sum(columns[f"{part}_flux_{band}"] for part in self.source_parts)
                for band in self.bands
            ],
            axis=1,
        )

    def _light(self, shapes, fluxes, c, part, columns, centre):
        values = (*centre, f"{part}_R_e", f"{part}_n", f"{part}_q", f"{part}_phi")
        for k in range(len(LIGHT)):
            shapes[:, c, k] = columns[values[k]]
        for b, band in enumerate(self.bands):
            fluxes[:, c, b] = columns[f"{part}_flux_{band}"]


def _parts(name, galaxy):
    return [name] if galaxy.bulge is None else [name, f"{name}_bulge"]


def _poisson(u, mean):
    """Poisson numbers by inversion; `mean` is at most 50."""
    from scipy.stats import poisson

    return poisson.ppf(u, mean).astype(int) if mean > 0 else np.zeros(len(u), int)
