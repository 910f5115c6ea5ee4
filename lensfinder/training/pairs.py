"""Lenses and their three reconstructions as training pairs; lens i depends on (seed, i) alone."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from lensfinder.errors import InversionError
from lensfinder.inversion.mass import MassModel
from lensfinder.inversion.relation import SOLUTIONS
from lensfinder.specs.population import SOURCE_LIBRARIES
from lensfinder.training.solutions import Scan, make_inverter, observed, three_solutions

_NOISE, _DIMMING = 11, 12  # purposes of random numbers


class PairSpec(BaseModel):
    """What pairs are made of.

    Attributes
    ----------
    survey, population : str
        What is simulated; the first band of the survey is inverted.
    seed : int
        Lens i depends on it and on i alone.
    sources : str or None
        Real galaxies to lense instead of Sérsic profiles.
    dimming : (float, float)
        Sources are made fainter by a factor that is log-uniform between these. (1, 1) is the
        paper, whose arcs have a signal to noise of hundreds per pixel; surveys see fainter ones.
    scan : Scan
        How the three solutions are looked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    survey: str = "euclid-vis-maresca2021"
    population: str = "maresca2021"
    seed: int = Field(ge=0, lt=2**31)
    sources: Literal[SOURCE_LIBRARIES] | None = None
    dimming: tuple[float, float] = (1.0, 1.0)
    scan: Scan = Scan()

    @model_validator(mode="after")
    def _is_a_range(self):
        low, high = self.dimming
        if not 0 < low <= high < np.inf:
            raise ValueError("dimming must be 0 < low <= high.")
        return self


@dataclass(frozen=True)
class Pairs:
    """Reconstructions with their labels.

    Attributes
    ----------
    images : dict of str to array (N, size, size, 1)
        ``source`` and ``residual``, as `classifier_inputs` gives them.
    label : int array (N,)
        Position in `SOLUTIONS`.
    lens : int array (N,)
        Number of the lens; its pairs share it.
    theta_E, true_theta_E : array (N,)
        Of the reconstruction and of the lens, arcsec.
    reduced_chi2 : array (N,)
        chi^2 per fitted pixel.
    """

    images: dict[str, np.ndarray]
    label: np.ndarray
    lens: np.ndarray
    theta_E: np.ndarray
    true_theta_E: np.ndarray
    reduced_chi2: np.ndarray

    def __len__(self):
        return len(self.label)

    def take(self, rows) -> "Pairs":
        """Some of the pairs.

        Parameters
        ----------
        rows : array of int or bool
            Which.

        Returns
        -------
        Pairs
            A new set.
        """
        images = {name: image[rows] for name, image in self.images.items()}
        return Pairs(images, **{name: getattr(self, name)[rows] for name in COLUMNS})

    @property
    def one_hot(self) -> np.ndarray:
        """Labels as float32 (N, 3)."""
        return np.eye(len(SOLUTIONS), dtype=np.float32)[self.label]

    @classmethod
    def join(cls, parts) -> "Pairs":
        """Several sets, one after the other.

        Parameters
        ----------
        parts : sequence of Pairs
            At least one.

        Returns
        -------
        Pairs
            All of them.
        """
        images = {
            name: np.concatenate([part.images[name] for part in parts]) for name in parts[0].images
        }
        columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in COLUMNS}
        return cls(images, **columns)


COLUMNS = tuple(name for name in Pairs.__dataclass_fields__ if name != "images")


class Systems:
    """The lenses of a specification, one by one.

    Parameters
    ----------
    spec : PairSpec
        What they are.
    sources : SourceLibrary or None
        Galaxies of your own to lense, instead of those that `spec` names.
    """

    def __init__(self, spec: PairSpec, *, sources=None):
        self.spec, self._sources = spec, sources

    @cached_property
    def _simulator(self):
        from lensfinder.simulate import Simulator

        spec = self.spec
        return Simulator(
            spec.survey,
            spec.population,
            seed=spec.seed,
            sources=self._sources or spec.sources,
            planes=("S2",),
        )

    @property
    def survey(self):
        """The `Survey` that sees them."""
        return self._simulator.survey

    def image(self, index):
        """The image of a lens, and its true mass.

        Parameters
        ----------
        index : int
            Its number.

        Returns
        -------
        image : array (H, W)
            Electron/s, with noise, without lens light.
        mass : MassModel
            The truth.
        """
        mocks, group = self._simulator.objects([index]), self.survey.groups[0]
        truth = mocks.truth[0]
        clean = np.asarray(mocks.planes["S2"][group.name][0, ..., 0], np.float64)
        low, high = np.log(self.spec.dimming)
        factor = np.exp(np.random.default_rng((self.spec.seed, index, _DIMMING)).uniform(low, high))
        rng = np.random.default_rng((self.spec.seed, index, _NOISE))
        image = observed(factor * clean, group.bands[0], rng)
        names = {"theta_E": "theta_E", "q": "q", "phi": "phi", "x": "x_lens", "y": "y_lens"}
        return image, MassModel(**{ours: float(truth[name]) for ours, name in names.items()})

    def inverter(self, index):
        """A lens as it is seen, masked and ready to be inverted, and its true mass.

        Parameters
        ----------
        index : int
            Its number.

        Returns
        -------
        inverter : Inverter
            Masked, ready to be inverted.
        mass : MassModel
            The truth.

        Raises
        ------
        InversionError
            If the lens cannot be used, see `make_inverter`.
        """
        image, mass = self.image(index)
        group = self.survey.groups[0]
        scan = self.spec.scan
        inverter = make_inverter(
            image, band=group.bands[0], pixel_scale=group.pixel_scale, scan=scan
        )
        return inverter, mass

    def pairs(self, index) -> Pairs | None:
        """The three solutions of a lens.

        Parameters
        ----------
        index : int
            Its number.

        Returns
        -------
        Pairs or None
            Three pairs; None if the lens cannot be used.
        """
        try:
            inverter, mass = self.inverter(index)
            found = three_solutions(inverter, mass, scan=self.spec.scan)
        except InversionError:
            return None
        return Pairs(
            images={
                name: np.stack([solution.inputs[name] for solution in found]).astype(np.float16)
                for name in found[0].inputs
            },
            label=np.arange(len(found), dtype=np.int8),
            lens=np.full(len(found), index, np.int64),
            theta_E=np.array([solution.theta_E for solution in found], np.float32),
            true_theta_E=np.full(len(found), mass.theta_E, np.float32),
            reduced_chi2=np.array([solution.reduced_chi2 for solution in found], np.float32),
        )

    def some(self, start, stop) -> Pairs | None:
        """The pairs of lenses `start` to `stop` (excluded).

        Parameters
        ----------
        start, stop : int
            Numbers of lenses.

        Returns
        -------
        Pairs or None
            None if none of them can be used.
        """
        parts = [part for i in range(start, stop) if (part := self.pairs(i)) is not None]
        return Pairs.join(parts) if parts else None
