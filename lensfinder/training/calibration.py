"""Fitting what turns a finder's scores into probabilities, on a sample kept for that.

`fit` chooses between the two kinds of `lensfinder.zoo.calibration` and none by cross-validation;
the result is stored in a preset. Never fit on the sample that the preset is measured on.
"""

import numpy as np

from lensfinder.errors import MetricError, UnknownNameError
from lensfinder.training.metrics import checked
from lensfinder.zoo.calibration import MAX_KNOTS, MIN_STEP, Isotonic, Temperature, logit

FOLDS = 5


def fit(label, score, *, method: str = "best", rng=None):
    """Fit a calibration.

    Parameters
    ----------
    label : array (N,)
        0 or 1.
    score : array (N,)
        Probabilities as the network gives them.
    method : {"best", "temperature", "isotonic"}
        "best" takes what has the lowest log loss over five folds of this sample: nothing, a
        temperature, or isotonic regression. In this order each has to win over what is there by
        more than one standard error of the difference, for it has more parameters.
    rng : numpy.random.Generator or None
        Deals the folds; needed by "best".

    Returns
    -------
    Temperature or Isotonic
        Its ``apply`` gives probabilities, its ``layer`` does so inside a model. Where nothing is
        best, a temperature of 1 without bias (`unchanged`): it still says for which prevalence the
        scores are probabilities.

    Raises
    ------
    UnknownNameError
        If there is no such method.
    MetricError
        If the sample cannot be calibrated on; see `fit_temperature` and `fit_isotonic`.
    """
    if method != "best":
        if method not in METHODS:
            raise UnknownNameError("calibration", method, ("best", *METHODS))
        return METHODS[method](label, score)
    if rng is None:
        raise MetricError("The folds are dealt at random. Give rng=numpy.random.default_rng(seed).")
    label, score = checked(label, score)
    losses = {"none": log_losses(label, score)}
    fold = _dealt(label, rng)
    for name, method_of in METHODS.items():
        losses[name] = log_losses(label, _held_out(method_of, label, score, fold))
    chosen = "none"
    for name in METHODS:  # the fewer parameters, the earlier
        gain = losses[chosen] - losses[name]
        if gain.mean() > gain.std(ddof=1) / np.sqrt(gain.size):
            chosen = name
    return unchanged(label) if chosen == "none" else METHODS[chosen](label, score)


def cross_fitted(label, score, *, method: str = "temperature", rng) -> np.ndarray:
    """Probabilities of objects, each from a calibration fitted without it.

    For a sample too small to keep a part for the calibration: what is measured on these is what a
    calibration fitted on as many other objects does.

    Parameters
    ----------
    label, score : array (N,)
        As in `fit`.
    method : {"temperature", "isotonic"}
        Which calibration.
    rng : numpy.random.Generator
        Deals the five folds.

    Returns
    -------
    array (N,)
        Probabilities.

    Raises
    ------
    MetricError
        If it cannot be fitted without one of the folds.
    """
    label, score = checked(label, score)
    return _held_out(METHODS[method], label, score, _dealt(label, rng))


def _dealt(label, rng) -> np.ndarray:
    fold = np.empty(label.size, int)
    for kind in (True, False):  # each class dealt on its own: no fold lacks one
        rows = rng.permutation(np.flatnonzero(label == kind))
        fold[rows] = np.arange(rows.size) % FOLDS
    return fold


def _held_out(method_of, label, score, fold) -> np.ndarray:
    found = np.empty(label.size)
    for held in (fold == k for k in range(FOLDS)):
        found[held] = method_of(label[~held], score[~held]).apply(score[held])
    return found


def unchanged(label) -> Temperature:
    """The calibration that leaves scores as they are, for a sample that they are right for.

    Parameters
    ----------
    label : array (N,)
        0 or 1.

    Returns
    -------
    Temperature
        Of 1, without bias, with the sample's prevalence and size.
    """
    label = np.asarray(label)
    return Temperature(
        temperature=1, bias=0, prevalence=float(label.mean()), objects=int(label.size)
    )


def fit_temperature(label, score) -> Temperature:
    """Temperature and bias of lowest log loss.

    Parameters
    ----------
    label, score : array (N,)
        As in `fit`.

    Returns
    -------
    Temperature
        The fit.

    Raises
    ------
    MetricError
        If the two cannot be compared, the scores separate the classes entirely (then any
        temperature is too high), or they rank lenses below non-lenses.
    """
    from scipy.optimize import minimize

    label, x = _scored(label, score)
    sign = np.where(label, 1.0, -1.0)

    def loss(parameters):
        slope, bias = parameters
        margin = sign * (slope * x + bias)
        wrong = -sign * _expit(-margin)  # d loss / d (slope x + bias)
        return np.logaddexp(0, -margin).mean(), np.array([(wrong * x).mean(), wrong.mean()])

    if x[label].min() > x[~label].max():
        raise MetricError(
            "The scores separate lenses from non-lenses entirely, so no temperature is best. "
            "Calibrate on more objects, or harder ones."
        )
    (slope, bias), *_ = _solution(minimize(loss, (1.0, 0.0), jac=True, method="BFGS"))
    if not 1e-3 < slope < 1e3:
        raise MetricError(
            f"Lenses do not score higher than non-lenses (slope {slope:.3g}). "
            'Such scores cannot be calibrated: train longer, or calibrate with "none".'
        )
    prevalence, objects = float(label.mean()), int(label.size)
    return Temperature(
        temperature=float(1 / slope), bias=float(bias), prevalence=prevalence, objects=objects
    )


def fit_isotonic(label, score) -> Isotonic:
    """Isotonic regression through the centres of its blocks, so that the ranking stays.

    A block without any lens is given half a lens (at most half the probability of the next block),
    one without any non-lens likewise: this many objects cannot say "never".

    Parameters
    ----------
    label, score : array (N,)
        As in `fit`.

    Returns
    -------
    Isotonic
        The fit.

    Raises
    ------
    MetricError
        If the two cannot be compared, or all objects fall into one block: the scores say nothing.
    """
    from scipy.optimize import isotonic_regression

    label, x = _scored(label, score)
    x, place = np.unique(x, return_inverse=True)  # equal scores get one probability
    weight = np.bincount(place)
    fraction = np.bincount(place, weights=label) / weight
    found = isotonic_regression(fraction, weights=weight)
    ends = found.blocks
    size = np.add.reduceat(weight, ends[:-1]).astype(float)
    centre = np.add.reduceat(weight * x, ends[:-1]) / size
    value = found.x[ends[:-1]]
    if value.size < 2:
        raise MetricError(
            "Lenses do not score higher than non-lenses: all objects fall into one block. "
            'Such scores cannot be calibrated: train longer, or calibrate with "none".'
        )
    if value[0] <= 0:
        value[0] = min(0.5 / (size[0] + 1), value[1] / 2)
    if value[-1] >= 1:
        value[-1] = 1 - min(0.5 / (size[-1] + 1), (1 - value[-2]) / 2)
    centre, value = _thinned(centre, value, size)
    return Isotonic(
        logits=tuple(centre.tolist()),
        values=tuple((np.log(value) - np.log1p(-value)).tolist()),
        prevalence=float(label.mean()),
        objects=int(label.size),
    )


METHODS = {"temperature": fit_temperature, "isotonic": fit_isotonic}


def log_losses(label, probability) -> np.ndarray:
    """Minus the logarithm of the probability given to what is true, per object.

    Parameters
    ----------
    label : array (N,)
        0 or 1.
    probability : array (N,)
        Of being 1.

    Returns
    -------
    array (N,)
        At least 0; finite, for scores of exactly 0 and 1 see `lensfinder.zoo.calibration.logit`.
    """
    return np.logaddexp(0, np.where(np.asarray(label, bool), -1.0, 1.0) * logit(probability))


def _scored(label, score):
    label, score = checked(label, score)
    if score.min() < 0 or score.max() > 1:
        raise MetricError("Calibration needs scores in [0, 1]. Give the network's output.")
    return label, logit(score)


def _thinned(centre, value, size):
    """Merge neighbours until all are far enough apart, and few enough."""
    while centre.size > 1:
        gap = np.diff(centre)
        tight = int(np.argmin(gap))
        if gap[tight] >= 2 * MIN_STEP and centre.size <= MAX_KNOTS:
            break
        pair, weight = slice(tight, tight + 2), size[tight : tight + 2]
        for array in (centre, value):
            array[tight] = np.average(array[pair], weights=weight)
        size[tight] = weight.sum()
        centre, value, size = (np.delete(array, tight + 1) for array in (centre, value, size))
    return centre, value


def _solution(result):
    if not np.isfinite(result.x).all() or np.abs(result.jac).max() > 1e-4:
        raise MetricError(
            f"No temperature was found ({result.message}). Calibrate on more objects."
        )
    return result.x, result.fun


def _expit(x):
    from scipy.special import expit

    return expit(x)
