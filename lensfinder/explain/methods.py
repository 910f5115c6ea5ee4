"""The ways to explain a score: one table, and what they share."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lensfinder.errors import ArgumentError, UnknownNameError
from lensfinder.explain.background import Fill
from lensfinder.explain.explanation import (
    Explanation,
    rank_correlation,
    shared_area,
    top_regions,
)
from lensfinder.explain.gradients import InputGradient, complete_attributions
from lensfinder.explain.local_linear import SAMPLES, lime_weights
from lensfinder.explain.occlusion import PATCH, occlusion_map
from lensfinder.explain.regions import REGIONS, check_count, segment
from lensfinder.explain.sky import Sky
from lensfinder.explain.switches import Switches
from lensfinder.zoo import fixed_predict
from lensfinder.zoo.predict import BATCH_SIZE

SEEDS = 5


@dataclass(frozen=True)
class Found:
    """What one method says about one object with one seed.

    Attributes
    ----------
    weights : array (count,)
        Change of p_lens by each region.
    density : array (side, side)
        Change of p_lens per arcsec^2.
    fit_r2, completeness : float
        See `Explanation`; NaN where they do not apply.
    """

    weights: np.ndarray
    density: np.ndarray
    fit_r2: float = float("nan")
    completeness: float = float("nan")


class Explainer:
    """Explains the scores of one network.

    Parameters
    ----------
    network : keras.Model
        A finder of the zoo; it is not changed.
    contract : InputContract
        What it is fed.
    samples : int
        Perturbed objects per seed of LIME; largest number of patches of the occlusion.
    regions : int
        How many regions to aim at.
    fill : {"galaxy", "sky"}
        What is put where the sky is switched off, see `lensfinder.explain.background`.
    patch : float
        Side of the occlusion's patch, arcsec.
    batch_size : int
        Objects per step; the result depends on it no more than scores do.

    Raises
    ------
    ArgumentError
        If the number of regions cannot be, or there are too few samples for a linear model.
    UnknownNameError
        If the fill is unknown.
    """

    def __init__(
        self,
        network,
        contract,
        *,
        samples: int = SAMPLES,
        regions: int = REGIONS,
        fill: str = Fill.GALAXY,
        patch: float = PATCH,
        batch_size: int = BATCH_SIZE,
    ):
        check_count(regions)
        if samples < 2 * regions:
            raise ArgumentError(
                f"{regions} regions need at least {2 * regions} samples. Received: {samples}."
            )
        if fill not in tuple(Fill):
            raise UnknownNameError("fill", fill, tuple(Fill))
        self.sky = Sky.of(contract)
        self.samples, self.wanted, self.patch = int(samples), int(regions), float(patch)
        self.fill = Fill(fill)
        self.predict = fixed_predict(network, batch_size=batch_size)
        self._network, self._gradient = network, None

    @property
    def gradient(self) -> InputGradient:
        """The network's gradient, compiled when it is first asked for."""
        if self._gradient is None:
            self._gradient = InputGradient(self._network)
        return self._gradient

    def __call__(self, images, *, method: str = "lime", seeds=SEEDS, seed: int = 0, compare=()):
        """Explain one object.

        Parameters
        ----------
        images : dict of str to array (H, W, bands)
            The object, e-/s.
        method : {"lime", "occlusion", "gradients"}
            How.
        seeds : int
            How many seeds, for the mean and for the stability.
        seed : int
            The first of them.
        compare : sequence of str
            Other methods, run with the first seed, to correlate the regions' weights with.

        Returns
        -------
        Explanation
            The same for the same seed, on the same machine to the last bit.
        """
        run = method_of(method)
        switches = self.switches(images)
        found = [run(self, switches, seed + i) for i in range(seeds)]
        explanation = Explanation(
            regions=switches.regions,
            per_seed=np.stack([one.weights for one in found]),
            density=np.mean([one.density for one in found], axis=0),
            fit_r2=float(np.mean([one.fit_r2 for one in found])),
            completeness=max((one.completeness for one in found), key=abs),
        )
        checks = {}
        for name in compare:
            if name != method:
                other = method_of(name)(self, switches, seed).weights
                tops = explanation.top("lens"), top_regions(other, "lens")
                checks[f"rank_{name}"] = rank_correlation(explanation.weights, other)
                checks[f"shared_{name}"] = shared_area(*tops, areas=explanation.regions.areas)
        return replace(explanation, checks=checks)

    def switches(self, images) -> Switches:
        """One object, its sky divided.

        Parameters
        ----------
        images : dict of str to array (H, W, bands)
            The object, e-/s.

        Returns
        -------
        Switches
            What the methods work on.
        """
        images = {name: np.asarray(image, np.float32) for name, image in images.items()}
        divided = segment(images, self.sky, regions=self.wanted)
        return Switches(self.predict, images, divided, self.fill)


def by_lime(explainer: Explainer, switches: Switches, seed: int) -> Found:
    """LIME; the density is that of a region's weight, even over the region."""
    weights, r2 = lime_weights(switches, samples=explainer.samples, seed=seed)
    regions = switches.regions
    return Found(weights, regions.paint(weights / regions.areas), fit_r2=r2)


def by_occlusion(explainer: Explainer, switches: Switches, seed: int) -> Found:
    """Occlusion; a region's weight is the loss that falls on it."""
    density = occlusion_map(switches, patch=explainer.patch, most=explainer.samples, seed=seed)
    return Found(switches.regions.sums(density * explainer.sky.pixel_area), density)


def by_gradients(explainer: Explainer, switches: Switches, seed: int) -> Found:
    """Integrated gradients; a region's weight is the sum over its pixels, in all groups."""
    found, error = complete_attributions(switches, explainer.gradient, seed=seed)
    amounts = sum(explainer.sky.from_group(values.sum(axis=-1), g) for g, values in found.items())
    weights = switches.regions.sums(amounts)
    return Found(weights, amounts / explainer.sky.pixel_area, completeness=error)


METHODS: dict[str, Callable[[Explainer, Switches, int], Found]] = {
    "lime": by_lime,
    "occlusion": by_occlusion,
    "gradients": by_gradients,
}


def method_of(name: str) -> Callable[[Explainer, Switches, int], Found]:
    """The method of this name.

    Parameters
    ----------
    name : str
        One of `METHODS`.

    Returns
    -------
    callable
        ``method(explainer, switches, seed) -> Found``.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    try:
        return METHODS[name]
    except (KeyError, TypeError):
        raise UnknownNameError("method", name, METHODS) from None
