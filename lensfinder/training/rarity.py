"""Purity and completeness where lenses are as rare as they are: one in 1,000 to 100,000.

A sample of mocks holds as many lenses as non-lenses, a survey does not. The rates of the sample
are kept and the purity is worked out for another prevalence. How rare a false positive can be
claimed to be is bounded by the number of non-lenses: with none among n, a rate of 3 / n is not
excluded at 95 %. Every figure therefore comes with what this sample can support.
"""

import numpy as np

from lensfinder.errors import MetricError
from lensfinder.training.metrics import PREVALENCES, counts_by_threshold, purity_at_prevalence

PURITIES = (0.5, 0.9)
COMPLETENESSES = (0.5, 0.9)
CONFIDENCE = 0.95


def purities(true, false, *, prevalence: float) -> np.ndarray:
    """Purity at every threshold, were lenses as rare as `prevalence`.

    Parameters
    ----------
    true, false : array (T,)
        True- and false-positive rate at each threshold.
    prevalence : float
        Lenses per object.

    Returns
    -------
    array (T,)
        Between 0 and 1; NaN where nothing passes.
    """
    found, wrong = prevalence * np.asarray(true), (1 - prevalence) * np.asarray(false)
    with np.errstate(invalid="ignore"):
        return found / (found + wrong)


def upper_rates(hits, total: int, *, confidence: float = CONFIDENCE) -> np.ndarray:
    """One-sided Clopper-Pearson limits of many rates.

    Parameters
    ----------
    hits : int array (T,)
        Events, each among `total` trials.
    total : int
        Trials.
    confidence : float
        Of each limit.

    Returns
    -------
    array (T,)
        The rates are below these; see `lensfinder.training.metrics.upper_limit`.
    """
    from scipy.stats import beta

    hits, place = np.unique(np.asarray(hits), return_inverse=True)
    limit = np.ones(hits.size)
    some = hits < total
    limit[some] = beta.ppf(confidence, hits[some] + 1, total - hits[some])
    return limit[place]


def completeness_at_purity(label, score, *, purity: float, prevalence: float) -> dict:
    """The largest share of the lenses that candidates of such a purity can hold.

    Parameters
    ----------
    label, score : array (N,)
        As in `lensfinder.training.metrics`.
    purity : float
        Lenses among the candidates, at least.
    prevalence : float
        Lenses per object in the survey.

    Returns
    -------
    dict
        ``completeness`` and ``threshold`` by the rates of this sample (0 and infinity if no
        threshold is pure enough), ``false_positives`` in the sample there. The completeness is NaN
        where not one false positive would be allowed among so many non-lenses: it would be TPR0
        under another name. ``completeness_supported`` is the largest for which the purity holds
        even at the 95 % upper limit of the false-positive rate, ``non_lenses_needed`` how many
        must be rejected for any to be supported.

    Raises
    ------
    MetricError
        If the two cannot be compared, or the purity is not a fraction.
    """
    if not 0 < purity < 1:
        raise MetricError(f"A purity lies between 0 and 1, e.g. 0.9. Received: {purity}.")
    true, false, thresholds = counts_by_threshold(label, score)
    tpr = true / true[-1]
    by_rate = _largest(tpr, purities(tpr, false / false[-1], prevalence=prevalence), purity)
    limits = upper_rates(false, int(false[-1]))
    supported = _largest(tpr, purities(tpr, limits, prevalence=prevalence), purity)
    return {
        "completeness": _measurable(tpr[by_rate], false[-1], purity, prevalence),
        "completeness_supported": float(tpr[supported]),
        "threshold": float(thresholds[by_rate]),
        "false_positives": int(false[by_rate]),
        "non_lenses_needed": needed(purity=purity, prevalence=prevalence),
    }


def needed(*, purity: float, prevalence: float, completeness: float = 1.0) -> int:
    """Non-lenses, all rejected, that support a purity at 95 % confidence (the rule of three).

    Parameters
    ----------
    purity : float
        What is to be claimed.
    prevalence : float
        Lenses per object in the survey.
    completeness : float
        At which completeness.

    Returns
    -------
    int
        The smallest number.
    """
    rate = prevalence * completeness * (1 / purity - 1) / (1 - prevalence)
    return int(np.ceil(np.log(1 - CONFIDENCE) / np.log1p(-rate)))


def _measurable(completeness, non_lenses, purity, prevalence) -> float:
    """A completeness, or NaN if one false positive is too many already at completeness 1."""
    one = purities(1.0, 1 / non_lenses, prevalence=prevalence)
    return float(completeness) if one >= purity else float("nan")


def _largest(tpr, purity, least) -> int:
    """Index of the largest completeness of at least this purity; 0 (nothing passes) if none."""
    enough = np.flatnonzero(purity >= least)  # NaN compares false
    return int(enough[-1]) if enough.size else 0


def survey_figures(label, score, *, prevalences=PREVALENCES) -> dict[str, dict]:
    """Purity and completeness for surveys of several prevalences.

    Parameters
    ----------
    label, score : array (N,)
        As in `lensfinder.training.metrics`.
    prevalences : sequence of float
        Lenses per object.

    Returns
    -------
    dict of str to dict
        Per prevalence: ``purity_at_completeness`` (of `purity_at_prevalence`) and
        ``completeness_at_purity`` (of `completeness_at_purity`), each by the value asked for.

    Raises
    ------
    MetricError
        If the two cannot be compared.
    """
    return {
        f"{prevalence:g}": {
            "purity_at_completeness": {
                f"{share:g}": purity_at_prevalence(
                    label, score, completeness=share, prevalence=prevalence
                )
                for share in COMPLETENESSES
            },
            "completeness_at_purity": {
                f"{share:g}": completeness_at_purity(
                    label, score, purity=share, prevalence=prevalence
                )
                for share in PURITIES
            },
        }
        for prevalence in prevalences
    }


def flat_figures(label, score, *, prevalences=PREVALENCES) -> dict[str, float]:
    """The same as one number each, without limits: what a bootstrap resamples.

    Parameters
    ----------
    label, score : array (N,)
        As in `lensfinder.training.metrics`.
    prevalences : sequence of float
        Lenses per object.

    Returns
    -------
    dict of str to float
        ``purity_<completeness>_<prevalence>`` and ``completeness_<purity>_<prevalence>``, the
        numbers as ``0.5`` and ``0.001``. NaN where the table has it, so that a purity for which
        some resampled set has no false positive left gets no error bar.

    Raises
    ------
    MetricError
        If the two cannot be compared.
    """
    true, false, _ = counts_by_threshold(label, score)
    tpr, fpr = true / true[-1], false / false[-1]
    found = {}
    for prevalence in prevalences:
        pure = purities(tpr, fpr, prevalence=prevalence)
        for share in COMPLETENESSES:
            at = int(np.argmax(true >= share * true[-1]))
            found[f"purity_{share:g}_{prevalence:g}"] = float(pure[at] if false[at] else np.nan)
        for share in PURITIES:
            at = _largest(tpr, pure, share)
            value = _measurable(tpr[at], false[-1], share, prevalence)
            found[f"completeness_{share:g}_{prevalence:g}"] = value
    return found
