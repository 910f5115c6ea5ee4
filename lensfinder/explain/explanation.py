"""What an explanation holds: weights of regions, which of them count, and how sure that is."""

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from scipy.stats import spearmanr

from lensfinder.explain.regions import Regions

TOP = 2  # regions per class, as in Bom et al. 2022, figure 9
# Standard errors of the mean over the seeds: of 250 objects without a reason one has one
SIGNIFICANT = 4.0
SMALLEST = 1e-6  # change of p_lens that float32 probabilities resolve
SIDES = ("lens", "against")


@dataclass(frozen=True)
class Explanation:
    """Why a network gave one object its score.

    Attributes
    ----------
    regions : Regions
        Division of the sky.
    per_seed : array (seeds, count)
        Change of p_lens by each region; positive speaks for a lens.
    density : array (side, side)
        Change of p_lens per arcsec^2 of the sky; its sum over a region is the region's weight.
    fit_r2 : float
        R^2 of LIME's linear model, the mean over the seeds; NaN for other methods.
    completeness : float
        Of integrated gradients: sum of the attributions minus the change of p_lens, the worst of
        the seeds; NaN for other methods.
    checks : dict of str to float
        Agreement with other methods: ``rank_<method>``, Spearman's rank correlation of the regions'
        weights, and ``shared_<method>``, the Jaccard index of the top regions for a lens on the
        sky. Most regions hold empty sky and have weights near zero, whose order is chance; so the
        rank correlation is low even where the methods agree about what matters.
    """

    regions: Regions
    per_seed: np.ndarray
    density: np.ndarray = field(repr=False)
    fit_r2: float = float("nan")
    completeness: float = float("nan")
    checks: dict[str, float] = field(default_factory=dict)

    @property
    def weights(self) -> np.ndarray:
        """Mean weight (count,) over the seeds."""
        return self.per_seed.mean(axis=0)

    @property
    def significant(self) -> np.ndarray:
        """Which regions' weights (count,) differ from zero by more than the seeds scatter.

        The scatter of a region is taken to be at least the root mean square of all of them: few
        seeds may agree by chance. With a single seed nothing is known, and any change counts.
        """
        count = len(self.per_seed)
        scatter = self.per_seed.std(axis=0, ddof=1) if count > 1 else np.zeros(1)
        error = np.maximum(scatter, np.sqrt(np.mean(scatter**2))) / np.sqrt(count)
        return np.abs(self.weights) > np.maximum(SIGNIFICANT * error, SMALLEST)

    def top(self, side: str) -> list[int]:
        """The most important regions of a class.

        Parameters
        ----------
        side : {"lens", "against"}
            What they speak for.

        Returns
        -------
        list of int
            Positions in `weights`, at most two, the most important first; only significant ones.
        """
        return top_regions(np.where(self.significant, self.weights, 0.0), side)

    def top_share(self, side: str) -> np.ndarray:
        """How often each region is among the top ones of a single seed.

        Parameters
        ----------
        side : {"lens", "against"}
            What they speak for.

        Returns
        -------
        array (count,)
            Share of the seeds.
        """
        share = np.zeros(self.regions.count)
        for weights in self.per_seed:
            share[top_regions(weights, side)] += 1 / len(self.per_seed)
        return share

    def stability(self, side: str) -> float:
        """Agreement of the top regions over the seeds.

        Parameters
        ----------
        side : {"lens", "against"}
            What they speak for.

        Returns
        -------
        float
            Jaccard index of their areas on the sky, the mean over all pairs of seeds: 1 if all
            agree, 0 if none do. NaN with one seed, or where no seed has such a region.
        """
        chosen = [top_regions(weights, side) for weights in self.per_seed]
        pairs = [pair for pair in combinations(chosen, 2) if pair[0] or pair[1]]
        if not pairs:
            return float("nan")
        return float(np.mean([shared_area(a, b, areas=self.regions.areas) for a, b in pairs]))

    def maps(self) -> dict[str, np.ndarray]:
        """Importance per group.

        Returns
        -------
        dict of str to array (stamp, stamp)
            Change of p_lens per arcsec^2.
        """
        sky = self.regions.sky
        return {group.name: sky.to_group(self.density, group.name) for group in sky.contract.groups}


def top_regions(weights, side: str, *, count: int = TOP) -> list[int]:
    """Regions of the largest weights on one side.

    Parameters
    ----------
    weights : array (K,)
        Change of p_lens.
    side : {"lens", "against"}
        Positive or negative weights.
    count : int
        How many.

    Returns
    -------
    list of int
        Positions, the most important first.
    """
    signed = np.asarray(weights) * {"lens": 1.0, "against": -1.0}[side]
    order = np.argsort(-signed, kind="stable")[:count]
    return [int(region) for region in order if signed[region] > SMALLEST]


def shared_area(first, second, *, areas) -> float:
    """Jaccard index of two sets of regions on the sky.

    Parameters
    ----------
    first, second : sequence of int
        Positions of the regions.
    areas : array (K,)
        Their areas, arcsec^2.

    Returns
    -------
    float
        Area of the regions in both over that of the regions in either; NaN if both are empty.
    """
    both, either = set(first) & set(second), set(first) | set(second)
    return float(areas[list(both)].sum() / areas[list(either)].sum()) if either else float("nan")


def rank_correlation(first, second) -> float:
    """Spearman's rank correlation.

    Parameters
    ----------
    first, second : array (K,)
        Weights of the same regions.

    Returns
    -------
    float
        From -1 to 1; NaN where one of them is constant.
    """
    if np.ptp(first) <= SMALLEST or np.ptp(second) <= SMALLEST:
        return float("nan")
    return float(spearmanr(first, second).statistic)
