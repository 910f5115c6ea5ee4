"""Figures of merit of a finder: pure functions of labels and scores, in numpy.

Every function takes ``label`` (N,), 0 or 1, and ``score`` (N,), higher means more lens-like, and
raises `MetricError` when they cannot be compared. No score is ever interpolated between two
objects: a rate is one that some threshold really reaches on these objects.
"""

import numpy as np

from lensfinder.errors import MetricError
from lensfinder.training.chance import chance_counts

CALIBRATION_BINS = 15
PREVALENCES = (1e-3, 1e-4, 1e-5)  # lenses per galaxy that a survey really meets
NULL_DRAWS = 5_000  # the 99 % quantile of so many scatters by 1 %; of 200, as it was once, by 5 %


def checked(label, score):
    """Labels and scores, once it is certain that they can be compared.

    Parameters
    ----------
    label, score : array (N,)
        See the module.

    Returns
    -------
    label : bool array (N,)
        Whether it is a lens.
    score : float array (N,)
        The scores.

    Raises
    ------
    MetricError
        If they differ in length, a label is not 0 or 1, a score is not finite, or a class is
        missing.
    """
    label, score = np.asarray(label), np.asarray(score, dtype=np.float64)
    if label.ndim != 1 or label.shape != score.shape:
        raise MetricError(
            "Labels and scores must be two vectors of one length. "
            f"Received: shapes {label.shape} and {score.shape}."
        )
    if not np.isin(label, (0, 1)).all():
        raise MetricError("Labels must be 0 or 1. Drop the objects without a label first.")
    if not np.isfinite(score).all():
        bad = int((~np.isfinite(score)).sum())
        raise MetricError(f"{bad} of {score.size} scores are not finite. Drop the flagged rows.")
    label = label.astype(bool)
    if label.all() or not label.any():
        raise MetricError(
            f"Both classes must be present. Received: {int(label.sum())} lenses among {label.size}."
        )
    return label, score


def counts_by_threshold(label, score):
    """True and false positives at every threshold that separates two scores.

    Parameters
    ----------
    label : array (N,)
        0 or 1.
    score : array (N,)
        Higher is more lens-like.

    Returns
    -------
    true_positives, false_positives : int array (T + 1,)
        Objects with ``score >= threshold``; both start at 0 (threshold infinity).
    thresholds : float array (T + 1,)
        Descending; the first is infinite.

    Raises
    ------
    MetricError
        If the two cannot be compared.
    """
    label, score = checked(label, score)
    order = np.argsort(-score, kind="stable")
    label, score = label[order], score[order]
    last = np.append(np.flatnonzero(np.diff(score)), score.size - 1)  # ties share a threshold
    true = np.cumsum(label)[last]
    return (
        np.append(0, true),
        np.append(0, last + 1 - true),
        np.append(np.inf, score[last]),
    )


def roc_curve(label, score):
    """Receiver operating characteristic, one point per distinct score.

    Parameters
    ----------
    label, score : array (N,)
        See the module.

    Returns
    -------
    fpr, tpr, thresholds : float array (T + 1,)
        False and true positive rate at each threshold.

    Raises
    ------
    MetricError
        If the two cannot be compared.
    """
    true, false, thresholds = counts_by_threshold(label, score)
    return false / false[-1], true / true[-1], thresholds


def roc_auc(label, score) -> float:
    """Area under the ROC curve: the chance that a lens outscores a non-lens, ties counting half.

    Parameters
    ----------
    label, score : array (N,)
        See the module.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    MetricError
        If the two cannot be compared.
    """
    fpr, tpr, _ = roc_curve(label, score)
    return float(np.trapezoid(tpr, fpr))


def precision_recall_auc(label, score) -> float:
    """Area under the precision-recall curve as a step function (average precision).

    Parameters
    ----------
    label, score : array (N,)
        See the module.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    MetricError
        If the two cannot be compared.
    """
    true, false, _ = counts_by_threshold(label, score)
    precision = true[1:] / (true[1:] + false[1:])
    return float(np.sum(np.diff(true) / true[-1] * precision))


def best_f_beta(label, score, *, beta_squared: float = 0.001) -> tuple[float, float]:
    """Largest F_beta over all thresholds, and the threshold that reaches it.

    ``F = (1 + beta^2) P R / (beta^2 P + R)``; the default weighs purity P far above completeness R,
    as the second lens-finding challenge does (Bom et al. 2022, section 6).

    Parameters
    ----------
    label, score : array (N,)
        See the module.
    beta_squared : float
        Weight of completeness.

    Returns
    -------
    f_beta, threshold : float
        The maximum and where it is.

    Raises
    ------
    MetricError
        If the two cannot be compared.
    """
    true, false, thresholds = (part[1:] for part in counts_by_threshold(label, score))
    # P = t/(t+f), R = t/T turn F into (1 + b) t / (b T + t + f): no division by zero anywhere
    f_beta = (1 + beta_squared) * true / (beta_squared * true[-1] + true + false)
    best = int(np.argmax(f_beta))
    return float(f_beta[best]), float(thresholds[best])


def tpr_at_fpr(label, score, fpr: float) -> float:
    """Completeness at the lowest threshold whose false-positive rate is at most `fpr`.

    Parameters
    ----------
    label, score : array (N,)
        See the module.
    fpr : float
        Allowed false-positive rate.

    Returns
    -------
    float
        True-positive rate; NaN when there are fewer than 1 / `fpr` non-lenses, for then not one
        false positive fits under `fpr` and the figure would be TPR0 under another name.

    Raises
    ------
    MetricError
        If the two cannot be compared.
    """
    true, false, _ = counts_by_threshold(label, score)
    if false[-1] * fpr < 1:
        return float("nan")
    return float(true[false <= fpr * false[-1]].max() / true[-1])


def tpr_before(label, score, false_positives: int) -> float:
    """Completeness with fewer than so many false positives in this sample.

    TPR0 of Metcalf et al. (2019) is ``false_positives=1``, TPR10 is ``false_positives=10``. Both
    fall as the number of non-lenses grows, so state it beside them.

    Parameters
    ----------
    label, score : array (N,)
        See the module.
    false_positives : int
        The first number of false positives that is too many.

    Returns
    -------
    float
        True-positive rate.

    Raises
    ------
    MetricError
        If the two cannot be compared.
    """
    true, false, _ = counts_by_threshold(label, score)
    return float(true[false < false_positives].max() / true[-1])


def purity_at_prevalence(label, score, *, completeness: float = 0.5, prevalence: float) -> dict:
    """Purity of the candidates of a survey in which lenses are as rare as they are.

    Parameters
    ----------
    label, score : array (N,)
        See the module.
    completeness : float
        The threshold is the highest one that finds at least this fraction of the lenses.
    prevalence : float
        Lenses per object in the survey.

    Returns
    -------
    dict
        ``purity``, ``false_positive_rate`` and ``fpr_upper`` (one-sided 95 % Clopper-Pearson
        limit), ``purity_lower`` (purity at that limit: all that can be claimed), ``threshold``. The
        purity is NaN where not one false positive was seen: it would be 1 however rare lenses are.

    Raises
    ------
    MetricError
        If the two cannot be compared.
    """
    true, false, thresholds = counts_by_threshold(label, score)
    at = int(np.argmax(true >= completeness * true[-1]))
    tpr, hits, total = true[at] / true[-1], int(false[at]), int(false[-1])
    upper = upper_limit(hits, total)

    def purity(rate):
        return float(prevalence * tpr / (prevalence * tpr + (1 - prevalence) * rate))

    return {
        "purity": purity(hits / total) if hits else float("nan"),
        "purity_lower": purity(upper),
        "false_positive_rate": hits / total,
        "fpr_upper": upper,
        "threshold": float(thresholds[at]),
    }


def upper_limit(hits: int, total: int, *, confidence: float = 0.95) -> float:
    """One-sided Clopper-Pearson limit of a rate; 3 / `total` for no hits in many (rule of three).

    Parameters
    ----------
    hits, total : int
        Events among trials.
    confidence : float
        Of the limit.

    Returns
    -------
    float
        The rate is below this.
    """
    from scipy.stats import beta

    return 1.0 if hits >= total else float(beta.ppf(confidence, hits + 1, total - hits))


def calibration_error(label, score, *, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error over bins of equal numbers of objects.

    Parameters
    ----------
    label : array (N,)
        0 or 1.
    score : array (N,)
        Probabilities.
    bins : int
        Number of bins.

    Returns
    -------
    float
        Mean over objects of abs(mean probability - fraction of lenses) in the object's bin.

    Raises
    ------
    MetricError
        If the two cannot be compared, or scores are no probabilities.
    """
    label, score = checked(label, score)
    if score.min() < 0 or score.max() > 1:
        raise MetricError("Calibration needs probabilities in [0, 1].")
    order = np.argsort(score, kind="stable")
    parts = [part for part in np.array_split(order, bins) if part.size]
    gaps = [abs(score[part].mean() - label[part].mean()) * part.size for part in parts]
    return float(np.sum(gaps) / label.size)


def null_calibration_error(
    score, *, rng, quantile=0.99, draws=NULL_DRAWS, bins=CALIBRATION_BINS
) -> float:
    """What `calibration_error` a perfectly calibrated model shows by chance on these scores.

    Parameters
    ----------
    score : array (N,)
        Probabilities.
    rng : numpy.random.Generator
        Source of randomness.
    quantile : float
        Which quantile of the chance values.
    draws : int
        How many labellings to draw.
    bins : int
        Number of bins.

    Returns
    -------
    float
        The gate: a model below it cannot be told from a calibrated one. Another `rng` gives
        another one by a little, so say one value per sample everywhere.
    """
    score = np.asarray(score, dtype=np.float64)
    parts = np.array_split(np.argsort(score, kind="stable"), bins)
    errors = np.zeros(draws)
    for part in (part for part in parts if part.size):
        hits = chance_counts(score[part], draws=draws, rng=rng)
        errors += np.abs(hits - score[part].sum()) / score.size
    return float(np.quantile(errors, quantile))


def brier_score(label, score) -> float:
    """Mean squared difference between probability and label.

    Parameters
    ----------
    label, score : array (N,)
        See the module.

    Returns
    -------
    float
        0 is perfect.

    Raises
    ------
    MetricError
        If the two cannot be compared.
    """
    label, score = checked(label, score)
    return float(np.mean((score - label) ** 2))
