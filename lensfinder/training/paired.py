"""Two networks that answered about the same objects: how much better one is, and how surely.

What two networks get wrong is mostly the same objects, so the difference of their figures scatters
far less than the error bars of each would say. Both are therefore measured on the same resampled
objects, and the difference is taken within each draw.
"""

from dataclasses import dataclass

import numpy as np

from lensfinder.errors import PresetError
from lensfinder.training import metrics
from lensfinder.training.bootstrap import resampled_rows

DRAWS = 1_000  # the scatter of a share near 0.95 is then 0.007
SEED = 20_950  # of the resampled objects
FPR = 1e-3
# of a finder, if so many objects cannot show the first: as in `lensfinder.training.metrics`
RARE, RANKING = "completeness at FPR 1e-3", "ROC AUC"
FIGURES = {
    "finder": RARE,
    "modeller": "mean over parameters of RMS / RMS of always answering the mean",
    "cleaner": "mean PSNR over planes (dB)",
    "auditor": "accuracy",
}
LOWER_IS_BETTER = ("modeller",)


@dataclass(frozen=True)
class Answers:
    """What the figure of a network is made of, a row per object.

    Attributes
    ----------
    task : {"finder", "modeller", "cleaner", "auditor"}
        What was answered.
    values : dict of str to array (N,)
        Of a finder ``score``; of a modeller the predicted minus the true value of each parameter;
        of a cleaner the PSNR of each plane (dB); of an auditor ``right`` (1 or 0).
    truth : dict of str to array (N,)
        Of a finder ``label`` (1 or 0), of a modeller the true parameters; empty of others.
    """

    task: str
    values: dict[str, np.ndarray]
    truth: dict[str, np.ndarray]

    @property
    def size(self) -> int:
        """Number of objects."""
        return len(next(iter(self.values.values())))


@dataclass(frozen=True)
class Difference:
    """Two networks on the same objects.

    Attributes
    ----------
    figure : str
        What they are judged by.
    new, old : float
        Its values on all objects.
    error : float
        Standard deviation of new - old over the resampled objects.
    probability : float
        Share of the draws in which the new one is better, a draw without a difference counting
        half.
    """

    figure: str
    new: float
    old: float
    error: float
    probability: float


def paired_difference(new: Answers, old: Answers, *, rng=None, draws: int = DRAWS) -> Difference:
    """Bootstrap the difference of two networks' figures over the objects that both answered.

    Parameters
    ----------
    new, old : Answers
        About the same objects, in the same order.
    rng : numpy.random.Generator or None
        For the resampled objects; by default always the same.
    draws : int
        Number of resampled sets.

    Returns
    -------
    Difference
        Modellers are compared by the parameters that both predict, cleaners by the planes that
        both make, and finders by the ROC AUC where there are too few non-lenses for a
        false-positive rate of 1e-3.

    Raises
    ------
    PresetError
        If they are networks of different tasks, have nothing in common, or answered about other
        objects.
    MetricError
        If there are fewer than two objects, or a finder's are of one class.
    """
    if new.task != old.task:
        raise PresetError(
            f"The answers are of a {new.task} and of a {old.task}. Give one of the same task."
        )
    known = [name for name in new.truth if name in old.truth]
    same = new.size == old.size and all(
        np.array_equal(new.truth[name], old.truth[name]) for name in known
    )
    if not same:
        raise PresetError("The two were asked about different objects. Measure both on one sample.")
    names = [name for name in new.values if name in old.values]
    if not names:
        raise PresetError(
            f"The two {new.task}s answer nothing in common. Give one with the same answers."
        )
    figure, function = _FIGURES[new.task](names, new)
    both = [np.stack([answers.values[name] for name in names], axis=1) for answers in (new, old)]
    truth = [np.asarray(new.truth[name]) for name in known]
    one, two = (function(rows, *truth) for rows in both)
    strata = new.truth["label"] if new.task == "finder" else None
    rng = np.random.default_rng(SEED) if rng is None else rng
    gaps = np.empty(draws)
    for i, rows in enumerate(resampled_rows(new.size, rng=rng, draws=draws, strata=strata)):
        drawn = [array[rows] for array in truth]
        gaps[i] = function(both[0][rows], *drawn) - function(both[1][rows], *drawn)
    sign = -1 if new.task in LOWER_IS_BETTER else 1
    probability = np.mean(sign * gaps > 0) + 0.5 * np.mean(gaps == 0)
    return Difference(figure, one, two, float(gaps.std(ddof=1)), float(probability))


def _finder(names, answers):
    if np.isfinite(metrics.tpr_at_fpr(answers.truth["label"], answers.values["score"], FPR)):
        return RARE, lambda score, label: metrics.tpr_at_fpr(label, score[:, 0], FPR)
    return RANKING, lambda score, label: metrics.roc_auc(label, score[:, 0])


def _modeller(names, answers):
    columns = [list(answers.truth).index(name) for name in names]

    def mean(errors, *truth):
        rms = np.sqrt(np.mean(errors**2, axis=0))
        constant = np.std([truth[column] for column in columns], axis=1)
        return float(np.mean(rms / constant))

    return FIGURES["modeller"], mean


def _mean(task):
    return lambda names, answers: (FIGURES[task], lambda values: float(np.mean(values)))


_FIGURES = {
    "finder": _finder,
    "modeller": _modeller,
    "cleaner": _mean("cleaner"),
    "auditor": _mean("auditor"),
}
