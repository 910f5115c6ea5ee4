"""How well the solutions of an inversion are told apart: per class, as Maresca et al. 2021 do."""

import numpy as np

from lensfinder.errors import MetricError
from lensfinder.inversion.relation import SOLUTIONS
from lensfinder.training.bootstrap import bootstrap
from lensfinder.training.reliability import calibration_figures

# Maresca et al. 2021, section 4.1: without retraining on real sources, in the order of SOLUTIONS
PAPER_RECALL_REAL = (0.87, 0.87, 0.93)
PAPER_SERSIC = 0.999  # precision and recall of every class exceed it


def confusion(label, predicted) -> np.ndarray:
    """How often each class was taken for each.

    Parameters
    ----------
    label, predicted : int array (N,)
        Positions in `SOLUTIONS`.

    Returns
    -------
    int array (3, 3)
        Rows are the truth, columns the answer.

    Raises
    ------
    MetricError
        If the two differ in length, are empty, or hold another class.
    """
    label, predicted = np.asarray(label), np.asarray(predicted)
    count = len(SOLUTIONS)
    if label.ndim != 1 or label.shape != predicted.shape or not label.size:
        raise MetricError(
            "Labels and answers must be two vectors of one length. "
            f"Received: shapes {label.shape} and {predicted.shape}."
        )
    if not (np.isin(label, range(count)).all() and np.isin(predicted, range(count)).all()):
        raise MetricError(f"Labels and answers must be 0 to {count - 1}, as in SOLUTIONS.")
    flat = label.astype(int) * count + predicted.astype(int)
    return np.bincount(flat, minlength=count**2).reshape(count, count)


def solution_figures(label, probability, *, lens=None, rng=None) -> dict:
    """Precision and recall of every solution, and how far its probability can be believed.

    Parameters
    ----------
    label : int array (N,)
        Positions in `SOLUTIONS`.
    probability : array (N, 3)
        The largest is the answer.
    lens : array (N,) or None
        Which lens each is of: those of a lens are resampled together. Each by itself by default.
    rng : numpy.random.Generator or None
        For the error of the accuracy and the gate of the calibration, which are left out without
        it.

    Returns
    -------
    dict
        ``objects``, ``accuracy`` with ``accuracy_std`` (bootstrap over lenses; None of a single
        one), ``log_loss``, ``confusion`` (rows are the truth) with its ``labels``, and per solution
        ``precision`` and ``recall`` with binomial errors; None where nothing was answered so, or
        nothing is so. ``calibration`` per solution, of its probability against whether it is the
        true one: see `lensfinder.training.reliability.calibration_figures`; None where all or none
        are of it.

    Raises
    ------
    MetricError
        If the two cannot be compared.
    """
    label, probability = np.asarray(label).astype(int), np.asarray(probability, np.float64)
    if probability.shape != (label.size, len(SOLUTIONS)) or not np.isfinite(probability).all():
        raise MetricError(
            f"Probabilities must be finite, of shape {(label.size, len(SOLUTIONS))}. "
            f"Received: {probability.shape}."
        )
    table = confusion(label, probability.argmax(axis=1))
    right = np.diagonal(table)
    chosen = np.take_along_axis(probability, label[:, None], axis=1)[:, 0]
    figures = {
        "objects": int(label.size),
        "accuracy": float(right.sum() / label.size),
        "log_loss": float(-np.log(np.maximum(chosen, 1e-12)).mean()),
        "labels": list(SOLUTIONS),
        "confusion": table.tolist(),
    }
    if rng is not None:
        hits = probability.argmax(axis=1) == label
        figures["accuracy_std"] = _accuracy_std(hits, lens, rng)
        figures["calibration"] = {
            name: _calibration(label == k, probability[:, k], rng)
            for k, name in enumerate(SOLUTIONS)
        }
    for k, name in enumerate(SOLUTIONS):
        precision, precision_std = _share(right[k], table[:, k].sum())
        recall, recall_std = _share(right[k], table[k].sum())
        figures[name] = {
            "precision": precision,
            "precision_std": precision_std,
            "recall": recall,
            "recall_std": recall_std,
        }
    return figures


def labels_of(truth) -> np.ndarray:
    """True solutions of an auditor's objects.

    Parameters
    ----------
    truth : astropy.table.Table
        With a column ``verdict``.

    Returns
    -------
    int array (N,)
        Positions in `SOLUTIONS`.
    """
    return np.array([SOLUTIONS.index(str(name)) for name in truth["verdict"]])


def lenses_of_pairs(truth) -> np.ndarray:
    """Which lens each reconstruction is of.

    Parameters
    ----------
    truth : astropy.table.Table
        With a column ``id``, number of the lens, hyphen, solution.

    Returns
    -------
    array (N,) of str
        Names that the pairs of a lens share.
    """
    return np.array([str(name).rpartition("-")[0] for name in truth["id"]])


def validation_of_solutions(truth, predicted) -> dict[str, float]:
    """The few figures that are followed during training.

    Parameters
    ----------
    truth, predicted : array (N, 3)
        Labels, one-hot, and outputs.

    Returns
    -------
    dict of str to float
        Accuracy and recall per solution; one that cannot be measured is left out.
    """
    table = confusion(np.argmax(truth, axis=1), np.argmax(predicted, axis=1))
    found = {"val_accuracy": float(np.trace(table) / table.sum())}
    for k, name in enumerate(SOLUTIONS):
        if table[k].sum():
            found[f"val_recall_{name}"] = float(table[k, k] / table[k].sum())
    return found


def solution_words(figures: dict, what: str) -> str:
    """A table for the model card.

    Parameters
    ----------
    figures : dict
        From `solution_figures`.
    what : str
        What was classified.

    Returns
    -------
    str
        Markdown.
    """
    std = figures.get("accuracy_std")
    error = "" if std is None else f" ± {100 * std:.2f}"
    lines = [f"{figures['objects']:,} {what}: {100 * figures['accuracy']:.2f}{error} % right.", ""]
    lines += ["| solution | precision | recall |", "|---|---|---|"]
    for name in SOLUTIONS:
        shown = (
            "-"
            if figures[name][key] is None
            else f"{figures[name][key]:.4f} ± {figures[name][f'{key}_std']:.4f}"
            for key in ("precision", "recall")
        )
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _accuracy_std(hits, lens, rng):
    """Scatter of the share of right answers over resampled lenses."""
    _, which = np.unique(np.arange(hits.size) if lens is None else lens, return_inverse=True)
    right, number = np.bincount(which, weights=hits), np.bincount(which)
    if number.size < 2:
        return None
    found = bootstrap(lambda one, two: float(one.sum() / two.sum()), right, number, rng=rng)
    return found["std"]


def _calibration(true, probability, rng):
    if true.all() or not true.any():
        return None
    found = calibration_figures(true, probability, rng=rng)
    del found["top_bin"]
    return found


def _share(hits, total):
    """A share and its binomial error."""
    if not total:
        return None, None
    share = float(hits / total)
    return share, float(np.sqrt(share * (1 - share) / total))
