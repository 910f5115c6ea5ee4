"""Whether posteriors mean what they say: coverage, ranks, a joint test, and wrong controls.

Three tests of one truth: if a truth is a draw from its posterior, then (1) intervals of 68 % hold
it 68 times in 100, (2) its rank among draws of the posterior is uniform (simulation-based
calibration, Talts et al. 2018), and (3) so is the share of draws that lie nearer to a random point
than it does (TARP, Lemos et al. 2023, algorithm 2), which tests all parameters together.
"""

import numpy as np

from lensfinder.errors import MetricError
from lensfinder.posterior import Posterior
from lensfinder.training.parameter_bins import LEAST

LEVELS = (0.5, 0.68, 0.95)
DRAWS = 99  # ranks 0 to 99: a hundred places, twenty bins of five
RANK_BINS = 20
BINS = 5  # of S/N; the 68 % coverage of 2,000 lenses is known to 1 %
ALPHA = 0.01  # a test that rejects a right posterior so often
SHRINK, STRETCH = 0.8, 1.25  # of the controls with too small and too large spreads
SHIFT = 0.3  # standard deviations, of the control with a bias


def posterior_figures(posterior: Posterior, truth, *, rng, by=None, controls: bool = True) -> dict:
    """All tests of the posteriors of one sample.

    Parameters
    ----------
    posterior : Posterior
        Of N lenses.
    truth : array (N, P)
        Their true parameters.
    rng : numpy.random.Generator
        For draws, reference points and controls.
    by : array (N,) or None
        What coverage is binned by as well, such as S/N.
    controls : bool
        Whether the same is done to posteriors that are wrong on purpose: each spread times 0.8, a
        bias of 0.3 standard deviations, the posteriors of other lenses, and each spread times
        1.25. Tests that do not reject these have no power.

    Returns
    -------
    dict
        ``objects``; ``nll``, the mean negative log likelihood; ``parameters``: per target
        ``coverage`` and ``coverage_std`` (binomial) by level, ``ranks_p`` (chi squared of ranks in
        twenty bins), ``pit_p`` (Kolmogorov-Smirnov) and ``std_median``; ``tarp``: ``p``, ``alpha``
        and ``coverage``; ``bins`` of `by`, if given; ``controls``: of each wrong posterior the
        68 % coverage, smallest p of the ranks, p of TARP, and whether a test ``rejects`` it.

    Raises
    ------
    MetricError
        If truth and posteriors are not of the same finite numbers.
    """
    truth = _checked(posterior, truth)
    found = {
        "objects": len(posterior),
        "nll": float(-posterior.log_prob(truth).mean()),
        **_tests(posterior, truth, rng),
    }
    median = np.median(posterior.std(), axis=0)
    for i, name in enumerate(posterior.targets):
        found["parameters"][name]["std_median"] = float(median[i])
    if by is not None:
        found["bins"] = coverage_in_bins(posterior, truth, by)
    if controls:
        found["controls"] = {
            name: _control(wrong, truth, rng) for name, wrong in _wrong(posterior, rng)
        }
    return found


def coverage(posterior: Posterior, truth, levels=LEVELS) -> np.ndarray:
    """How often central intervals hold the truth.

    Parameters
    ----------
    posterior : Posterior
        Of N lenses.
    truth : array (N, P)
        Their true parameters.
    levels : sequence of float
        Probabilities of the intervals, each from quantile (1 - level) / 2 to (1 + level) / 2.

    Returns
    -------
    array (levels, P)
        Fractions.
    """
    distance = np.abs(posterior.cdf(truth) - 0.5)
    return np.stack([(distance < level / 2).mean(axis=0) for level in levels])


def coverage_in_bins(posterior: Posterior, truth, by, *, bins: int = BINS, level=0.68) -> list:
    """Coverage in bins of equal numbers of lenses.

    Parameters
    ----------
    posterior : Posterior
        Of N lenses.
    truth : array (N, P)
        Their true parameters.
    by : array (N,)
        What to bin by.
    bins : int
        Number of bins; fewer if one would hold fewer than 20 lenses.
    level : float
        Probability of the intervals.

    Returns
    -------
    list of dict
        Per bin ``low``, ``high`` and ``median`` of `by`, ``objects``, and per parameter
        ``coverage``, its binomial ``coverage_std``, and ``std_median``.

    Raises
    ------
    MetricError
        If `by` is not finite, or of another length.
    """
    truth, by = _checked(posterior, truth), np.asarray(by, np.float64)
    if by.shape != (len(posterior),) or not np.isfinite(by).all():
        raise MetricError(
            f"What to bin by must be finite for each of {len(posterior)} lenses. "
            f"Received: shape {by.shape}."
        )
    inside = np.abs(posterior.cdf(truth) - 0.5) < level / 2
    size = posterior.std()
    lines = []
    count = int(np.clip(by.size // LEAST, 1, bins))
    for part in np.array_split(np.argsort(by, kind="stable"), count):
        held = inside[part].mean(axis=0)
        error = np.sqrt(held * (1 - held) / part.size)
        lines.append(
            {
                "low": float(by[part].min()),
                "high": float(by[part].max()),
                "median": float(np.median(by[part])),
                "objects": int(part.size),
                "parameters": {
                    name: {
                        "coverage": float(held[i]),
                        "coverage_std": float(error[i]),
                        "std_median": float(np.median(size[part, i])),
                    }
                    for i, name in enumerate(posterior.targets)
                },
            }
        )
    return lines


def ranks(posterior: Posterior, truth, *, rng, draws: int = DRAWS) -> np.ndarray:
    """Rank of the truth among draws, per parameter and jointly.

    Parameters
    ----------
    posterior : Posterior
        Of N lenses.
    truth : array (N, P)
        Their true parameters.
    rng : numpy.random.Generator
        For the draws, and for the reference points of TARP: uniform over the range of the truths,
        distances in units of their scatter.
    draws : int
        Draws per lens.

    Returns
    -------
    array (N, P + 1) of int
        0 to `draws`. The first P columns count the draws below the truth; the last counts the draws
        that lie nearer to the reference point than the truth does.
    """
    truth = np.asarray(truth, np.float64)
    low, high, size = truth.min(axis=0), truth.max(axis=0), truth.std(axis=0)
    size = np.where(size > 0, size, 1.0)
    points = rng.uniform(low, high, truth.shape)
    found = np.empty((len(truth), truth.shape[1] + 1), int)
    for part, few in posterior.chunks():
        drawn = few.sample(draws, rng=rng)
        found[part, :-1] = (drawn < truth[part]).sum(axis=0)
        near = (((drawn - points[part]) / size) ** 2).sum(axis=-1)
        found[part, -1] = (near < (((truth - points)[part] / size) ** 2).sum(axis=-1)).sum(axis=0)
    return found


def uniform_p(found, draws: int = DRAWS, bins: int = RANK_BINS) -> float:
    """Probability that ranks so uneven come from a right posterior (chi squared).

    Parameters
    ----------
    found : array (N,) of int
        Ranks, 0 to `draws`.
    draws : int
        The highest rank.
    bins : int
        Bins of equal width; their number divides ``draws + 1``.

    Returns
    -------
    float
        p-value.
    """
    from scipy.stats import chisquare

    counts = np.bincount(np.asarray(found) * bins // (draws + 1), minlength=bins)
    return float(chisquare(counts).pvalue)


def expected_coverage(found, draws: int = DRAWS):
    """The curve of TARP: how often the truth lies within the credible region of each level.

    Parameters
    ----------
    found : array (N,) of int
        Ranks of the joint test.
    draws : int
        The highest rank.

    Returns
    -------
    alpha, fraction : array (21,)
        Credibility levels, and the fraction of truths within; equal for right posteriors.
    """
    alpha = np.linspace(0, 1, 21)
    share = np.sort((np.asarray(found) + 0.5) / (draws + 1))
    return alpha, np.searchsorted(share, alpha) / share.size


def _tests(posterior, truth, rng) -> dict:
    from scipy.stats import kstest

    held = coverage(posterior, truth)
    error = np.sqrt(held * (1 - held) / len(truth))
    pit, order = posterior.cdf(truth), ranks(posterior, truth, rng=rng)
    parameters = {
        name: {
            "coverage": {f"{level:g}": float(held[k, i]) for k, level in enumerate(LEVELS)},
            "coverage_std": {f"{level:g}": float(error[k, i]) for k, level in enumerate(LEVELS)},
            "ranks_p": uniform_p(order[:, i]),
            "pit_p": float(kstest(pit[:, i], "uniform").pvalue),
        }
        for i, name in enumerate(posterior.targets)
    }
    alpha, fraction = expected_coverage(order[:, -1])
    curve = {"alpha": alpha.tolist(), "coverage": fraction.tolist()}
    return {"parameters": parameters, "tarp": {"p": uniform_p(order[:, -1]), **curve}}


def _wrong(posterior, rng):
    """Posteriors that a test must tell from right ones."""
    yield f"spread x {SHRINK:g}", posterior.stretched(np.full(len(posterior.targets), SHRINK))
    shift = SHIFT * posterior.std()
    yield (
        f"bias of {SHIFT:g} std",
        Posterior(posterior.targets, posterior.weights, posterior.means + shift, posterior.factors),
    )
    yield "of another lens", posterior.rows(rng.permutation(len(posterior)))
    yield f"spread x {STRETCH:g}", posterior.stretched(np.full(len(posterior.targets), STRETCH))


def _control(wrong, truth, rng) -> dict:
    found = _tests(wrong, truth, rng)
    lines = found["parameters"]
    worst = {name: min(v["ranks_p"], v["pit_p"]) for name, v in lines.items()}
    return {
        "coverage": {name: v["coverage"]["0.68"] for name, v in lines.items()},
        "p": worst,
        "tarp_p": found["tarp"]["p"],
        # every parameter by itself is found to be wrong; one test more per parameter, so half alpha
        "rejects": bool(max(worst.values()) < ALPHA / 2),
    }


def _checked(posterior, truth):
    truth = np.asarray(truth, np.float64)
    if truth.shape != posterior.means.shape[1:] or not len(truth):
        raise MetricError(
            f"Posteriors of {posterior.means.shape[1:]} lenses and parameters need a truth of this "
            f"shape. Received: {truth.shape}."
        )
    if not (np.isfinite(truth).all() and np.isfinite(posterior.means).all()):
        raise MetricError("Truth or posteriors are not finite. Drop the flagged rows first.")
    return truth
