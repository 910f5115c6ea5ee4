"""All figures of a finder or a modeller on one sample, as they stand in ``metrics.json``."""

import numpy as np

from lensfinder.posterior import Posterior, has_posterior
from lensfinder.training import metrics
from lensfinder.training.bootstrap import bootstrap
from lensfinder.training.cleaning import validation_psnr
from lensfinder.training.parameters import parameter_differences, parameter_table
from lensfinder.training.rarity import flat_figures, survey_figures
from lensfinder.training.reliability import calibration_figures, flat_calibration
from lensfinder.training.solution_scores import validation_of_solutions

FPRS = (1e-2, 1e-3, 1e-4)
BETA_SQUARED = 0.001  # Bom et al. 2022, section 6
DRAWS = 200  # the scatter of a bootstrap error from 200 draws is 5 %


def finder_figures(label, score, *, rng, draws: int = DRAWS, kinds=None, probability=None) -> dict:
    """Ranking, purity and calibration of a finder.

    Parameters
    ----------
    label : array (N,)
        0 or 1.
    score : array (N,)
        Probabilities.
    rng : numpy.random.Generator
        For error bars.
    draws : int
        Bootstrap samples.
    kinds : array (N,) of str or None
        What each object is, to count false positives per kind of non-lens.
    probability : array (N,) or None
        What calibration is measured on, where that is not the scores, as for those of a
        calibration that was fitted on the same objects
        (`lensfinder.training.calibration.cross_fitted`).

    Returns
    -------
    dict
        Plain data. What this many non-lenses cannot measure is None: a completeness at a
        false-positive rate below one of them, a purity where none of them is a false positive.
        ``surveys``: see `lensfinder.training.rarity.survey_figures`; ``calibration``: see
        `lensfinder.training.reliability.calibration_figures`; ``std``: bootstrap errors of all
        single numbers, those of a survey named as `lensfinder.training.rarity.flat_figures` does.

    Raises
    ------
    MetricError
        If the two cannot be compared.
    """
    label, score = np.asarray(label).astype(int), np.asarray(score, np.float64)
    probability = score if probability is None else np.asarray(probability, np.float64)
    _, threshold = metrics.best_f_beta(label, score, beta_squared=BETA_SQUARED)
    calibration = calibration_figures(label, probability, rng=rng)
    figures = {
        "objects": int(label.size),
        "lenses": int(label.sum()),
        **_ranking(label, score),
        "f_beta_threshold": threshold,
        "brier": calibration["brier"],
        "log_loss": calibration["log_loss"],
        "calibration_error": calibration.pop("error"),
        "calibration_error_null_99": calibration.pop("error_null_99"),
        "calibration": calibration,
        "surveys": survey_figures(label, score),
    }
    spread = bootstrap(_resampled, label, score, probability, rng=rng, draws=draws, strata=label)
    figures["std"] = {name: values["std"] for name, values in spread.items()}
    if kinds is not None:
        figures["non_lenses"] = _by_kind(label, score, np.asarray(kinds))
    return without_nan(figures)


def before_and_after(label, score, figures, *, rng) -> dict:
    """Figures of calibration of scores as they were, and of what they were calibrated to.

    Parameters
    ----------
    label : array (N,)
        0 or 1.
    score : array (N,)
        Without the calibration.
    figures : dict
        From `finder_figures`, with it: they are not measured anew, for the gate is drawn.
    rng : numpy.random.Generator
        For the gate of the scores as they were.

    Returns
    -------
    dict
        ``before`` and ``after``, each as of `lensfinder.training.reliability.calibration_figures`,
        without the curve: that after it stands in `figures`.

    Raises
    ------
    MetricError
        If the two cannot be compared, or scores are no probabilities.
    """
    after = {
        "error": figures["calibration_error"],
        "error_null_99": figures["calibration_error_null_99"],
        **figures["calibration"],
    }
    found = {"before": calibration_figures(label, score, rng=rng), "after": after}
    for values in found.values():
        del values["reliability"], values["top_bin"]
    return without_nan(found)


def modeller_figures(names, truth, predicted, *, rng, draws: int = DRAWS) -> dict:
    """Errors of a modeller's parameters.

    Parameters
    ----------
    names : sequence of str
        Columns.
    truth, predicted : array (N, P)
        In physical units.
    rng : numpy.random.Generator
        For error bars.
    draws : int
        Bootstrap samples.

    Returns
    -------
    dict
        ``objects`` and, per parameter, the figures of `parameter_table`.

    Raises
    ------
    MetricError
        If the two cannot be compared.
    """
    table = parameter_table(
        _columns(names, truth), _columns(names, predicted), rng=rng, draws=draws
    )
    return {"objects": len(truth), "parameters": table}


def validation_figures(recipe, truth, predicted) -> dict[str, float]:
    """The few figures that are followed during training.

    Parameters
    ----------
    recipe : Recipe
        Task and targets.
    truth, predicted : array (N, P)
        In physical units, or labels and probabilities; answers may hold a posterior. Planes of
        images, of a cleaner.

    Returns
    -------
    dict of str to float
        ``val_...`` figures; one that cannot be measured on this sample is left out. Of answers with
        a posterior also the mean negative log likelihood, and per parameter how often the truth
        lies within its 68 % interval.
    """
    if recipe.task == "finder":
        label, score = truth[:, 0], predicted[:, 0]
        if label.min() == label.max():
            return {}
        figures = {
            "val_auc": metrics.roc_auc(label, score),
            "val_tpr_fpr_0.01": metrics.tpr_at_fpr(label, score, 1e-2),
            "val_tpr_fpr_0.001": metrics.tpr_at_fpr(label, score, 1e-3),
        }
        return {name: value for name, value in figures.items() if np.isfinite(value)}
    names = recipe.truth_columns
    if recipe.task == "cleaner":
        return validation_psnr(names, truth, predicted)
    if recipe.task == "auditor":
        return validation_of_solutions(truth, predicted)
    found = parameter_differences(_columns(names, truth), _columns(names, predicted))
    figures = {f"val_rms_{name}": float(np.sqrt(np.mean(v**2))) for name, v in found.items()}
    if has_posterior(predicted, names):
        posterior = Posterior.of(predicted, names)
        inside = np.abs(posterior.cdf(truth) - 0.5) < 0.34
        figures["val_nll"] = float(-posterior.log_prob(truth).mean())
        figures |= {f"val_in68_{name}": float(inside[:, i].mean()) for i, name in enumerate(names)}
    return figures


def _ranking(label, score) -> dict[str, float]:
    found = {
        "roc_auc": metrics.roc_auc(label, score),
        "precision_recall_auc": metrics.precision_recall_auc(label, score),
        "f_beta": metrics.best_f_beta(label, score, beta_squared=BETA_SQUARED)[0],
        "tpr0": metrics.tpr_before(label, score, 1),
        "tpr10": metrics.tpr_before(label, score, 10),
    }
    return found | {f"tpr_at_fpr_{fpr:g}": metrics.tpr_at_fpr(label, score, fpr) for fpr in FPRS}


def threshold_at_fpr(label, score, fpr: float) -> float:
    """The lowest threshold whose false-positive rate is at most `fpr` on this sample.

    Parameters
    ----------
    label : array (N,)
        0 or 1.
    score : array (N,)
        Higher is more lens-like.
    fpr : float
        Allowed false-positive rate.

    Returns
    -------
    float
        Infinite if already the highest score belongs to too many non-lenses.

    Raises
    ------
    MetricError
        If the two cannot be compared.
    """
    rate, _, thresholds = metrics.roc_curve(label, score)
    return float(thresholds[np.flatnonzero(rate <= fpr)[-1]])


def _resampled(label, score, probability) -> dict[str, float]:
    """Every single number that gets an error bar."""
    calibration = flat_calibration(label, probability)
    return _ranking(label, score) | flat_figures(label, score) | calibration


def _by_kind(label, score, kinds) -> dict:
    """How often each kind of non-lens passes the threshold of a false-positive rate of 1e-2."""
    threshold = threshold_at_fpr(label, score, FPRS[0])
    found = {"threshold": float(threshold) if np.isfinite(threshold) else None}
    for kind in np.unique(kinds[label == 0]):
        passed = score[(kinds == kind) & (label == 0)] >= threshold
        found[str(kind)] = {
            "objects": int(passed.size),
            "false_positive_rate": float(passed.mean()),
            "fpr_upper": metrics.upper_limit(int(passed.sum()), passed.size),
        }
    return found


def _columns(names, array):
    array = np.asarray(array)
    return {name: array[:, index] for index, name in enumerate(names)}


def without_nan(data):
    """Plain data with None for every number that is not finite, as JSON needs it.

    Parameters
    ----------
    data : dict, list or value
        Nested.

    Returns
    -------
    dict, list or value
        A copy.
    """
    if isinstance(data, dict):
        return {key: without_nan(value) for key, value in data.items()}
    if isinstance(data, list):
        return [without_nan(value) for value in data]
    return None if isinstance(data, float) and not np.isfinite(data) else data
