"""How the factors on a modeller's spreads go with its answers: fitted, and kept if they help.

One constant factor per target is right on the whole of the sample that it was fitted on, and so
nowhere in particular. What the truth needs is known for each lens: the factor at which the interval
of some probability just reaches it. That share of the lenses must need less than the factor says,
whatever the network answers: a linear quantile regression of the logarithm of what is needed, with
the same slopes for all probabilities (composite quantile regression, Zou & Yuan 2008).
"""

import numpy as np

from lensfinder.posterior import Posterior
from lensfinder.zoo.doubt import SHAPE
from lensfinder.zoo.layers.spread_scale import SMALLEST, answer_numbers
from lensfinder.zoo.spread_slopes import Slopes

LEVELS = (0.25, 0.5, 0.68, 0.9)  # probabilities of the intervals whose ends are to be right
LARGEST = 5.0  # of a factor over that at the pivots, and its inverse the smallest
SMOOTH = 0.05  # of the corner of the check function: 5 % of a spread is no matter
RIDGE = 1e-3  # a weak pull to zero of the standardised slopes: spreads of e1 and e2 go together
STEEPEST = -0.9  # slope of a spread with itself: at -1 all spreads would come out the same
ENDS = (0.005, 0.995)  # quantiles of the sample beyond which a factor stays what it is
LEAST = 500  # lenses of each population: 250 for the six numbers of a target, 250 to judge them
CLEAR = 2.0  # standard errors by which slopes must win on lenses that they were not fitted on


def needed_factors(posterior: Posterior, truth, levels=LEVELS) -> np.ndarray:
    """By which factor a spread must be multiplied for an interval to end at the truth.

    Parameters
    ----------
    posterior : Posterior
        Of N lenses.
    truth : array (N, P)
        Their true parameters.
    levels : sequence of float
        Probabilities of central intervals.

    Returns
    -------
    array (levels, N, P)
        Logarithms of the factors.
    """
    middle = posterior.mean()
    apart = np.asarray(truth, np.float64) - middle
    found = []
    for level in levels:
        low, high = posterior.quantiles(((1 - level) / 2, (1 + level) / 2))
        reach = np.where(apart > 0, high - middle, middle - low)
        found.append(np.log(np.maximum(np.abs(apart), SMALLEST) / np.maximum(reach, SMALLEST)))
    return np.array(found)


def fit_slopes(posterior: Posterior, truth, groups) -> Slopes | None:
    """Slopes of the targets that are better with them, on lenses that they were not fitted on.

    Each target may have a slope with its own spread, or with all spreads and, where they are among
    the targets, with the predicted theta_E and ellipticity. They are fitted on every other lens of
    each group and judged on the rest, then the other way round. More slopes are kept if the check
    function (the proper score of quantiles) is lower by two standard errors, and lower in each
    group.

    Parameters
    ----------
    posterior : Posterior
        Of N lenses, as the network gives it.
    truth : array (N, P)
        Their true parameters.
    groups : array (N,)
        The population that each lens is of.

    Returns
    -------
    Slopes or None
        None if constants are as good for every target, or a group has fewer than 500 lenses.
    """
    names, groups = posterior.targets, np.asarray(groups)
    if np.unique(groups, return_counts=True)[1].min() < LEAST:
        return None
    shape = tuple(names.index(name) for name in SHAPE) if set(SHAPE) <= set(names) else None
    numbers = answer_numbers(posterior.mean(), posterior.std(), shape, xp=np)
    low, high = np.quantile(numbers, ENDS, axis=0)
    pivots = np.median(numbers, axis=0)
    unit = np.maximum(numbers.std(axis=0), SMALLEST)
    features = (np.clip(numbers, low, high) - pivots) / unit
    needed = needed_factors(posterior, truth)
    halves = _halves(groups)
    weights = np.zeros((len(names), features.shape[1]))
    for k in range(len(names)):
        for chosen in ([k], list(range(features.shape[1]))):
            there = np.flatnonzero(weights[k])
            if _better(needed[..., k], features, there, chosen, k, unit, groups, halves):
                weights[k] = 0.0
                weights[k, chosen] = _fit(needed[..., k], features, chosen, k, unit)[1:]
    if not weights.any():
        return None
    slopes = Slopes(
        weights=(weights / unit).tolist(),
        pivots=pivots.tolist(),
        ranges=np.stack([low, high], axis=1).tolist(),
        shape=shape,
    )
    return slopes if slopes.largest().max() <= np.log(LARGEST) else None


def _halves(groups) -> np.ndarray:
    """True for every other lens of each group."""
    half = np.zeros(len(groups), bool)
    for group in np.unique(groups):
        half[np.flatnonzero(groups == group)[::2]] = True
    return half


def _better(needed, features, before, after, own, unit, groups, halves) -> bool:
    """Whether slopes of the numbers `after` win over those of `before` on what neither has seen."""
    gain = np.empty(len(features))
    for half in (halves, ~halves):
        scores = []
        for chosen in (before, after):
            found = _fit(needed[:, half], features[half], chosen, own, unit)
            scores.append(_score(needed[:, ~half] - _line(features[~half], chosen, found)))
        gain[~half] = scores[0] - scores[1]
    clear = gain.mean() > CLEAR * gain.std() / np.sqrt(gain.size)
    return bool(clear and all(gain[groups == group].mean() > 0 for group in np.unique(groups)))


def _line(features, chosen, found):
    return found[0] + features[:, chosen] @ found[1:]


def _score(apart) -> np.ndarray:
    """The check function, mean over the levels."""
    level = np.array(LEVELS)[:, None]
    return np.where(apart > 0, level * apart, (level - 1) * apart).mean(axis=0)


def _fit(needed, features, chosen, own, unit) -> np.ndarray:
    """Constant and slopes by composite quantile regression; its corner is rounded a little."""
    from scipy.optimize import minimize

    level = np.array(LEVELS)[:, None]
    design = np.concatenate([np.ones((len(features), 1)), features[:, chosen]], axis=1)

    def loss(found):
        apart = needed - design @ found
        low = -apart / SMOOTH
        value = (level * apart + SMOOTH * np.logaddexp(0, low)).mean()
        share = 1 / (1 + np.exp(-np.clip(low, -50, 50)))
        pull = RIDGE * np.concatenate([[0.0], found[1:]])
        slope = design.T @ (share - level).mean(axis=0) / len(design)
        return value + pull @ found / 2, slope + pull

    begin = np.zeros(design.shape[1])
    begin[0] = np.median(needed)
    # a wider spread stays a wider one: bounded where the slope is that of a spread with itself
    ends = [(None, None)] + [(STEEPEST * unit[k] if k == own else None, None) for k in chosen]
    return minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=ends).x
