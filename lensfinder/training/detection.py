"""Detection limit: figures of a finder for lenses of so many visible pixels (Bom 2022, figure 11).

In each range of N_pix the positives are lenses in it. The paper sets an equal number of objects
below the range against them, lenses too faint for it included: "is there more of an arc than
this?". Against true non-lenses the same curve says how faint a lens may be to be found.
"""

import itertools

import numpy as np

from lensfinder.errors import MetricError, UnknownNameError
from lensfinder.training import metrics

EDGES = tuple(range(10, 170, 10))  # "from 10 to 150 in steps of 10", section 5.3; the last to 160
AGAINST = ("below", "non_lenses")
LEAST = 10  # of each kind, or the range has no figures
MAGNIFICATION = 1.6  # Bom 2022, section 2.1, criterion ii


def detection_limit(
    n_pix, lens, label, score, *, rng, against: str = "below", edges=EDGES, draws: int = 100
) -> list[dict]:
    """Ranking figures per range of N_pix.

    Parameters
    ----------
    n_pix : array (N,)
        Pixels of the lensed source above the noise.
    lens : bool array (N,)
        Which objects fulfil the criteria of a lens other than N_pix.
    label : array (N,)
        1 for lenses by all criteria.
    score : array (N,)
        Higher is more lens-like.
    rng : numpy.random.Generator
        Draws the equal number, and the bootstrap.
    against : {"below", "non_lenses"}
        What lenses are compared with: all objects of fewer pixels, as in the paper, or objects
        of label 0.
    edges : sequence of int
        Edges of the ranges; a range includes its lower edge.
    draws : int
        Bootstrap samples, each with its own draw of the equal number.

    Returns
    -------
    list of dict
        Per range: ``low``, ``high``, ``lenses``, ``others``, and ``roc_auc``,
        ``precision_recall_auc`` and ``f_beta`` with ``<name>_std``; NaN where there are fewer than
        ten of either kind. Where others are fewer than lenses, so many lenses are drawn.

    Raises
    ------
    UnknownNameError
        If `against` is neither.
    MetricError
        If lengths differ, a score is not finite, or edges do not rise.
    """
    if against not in AGAINST:
        raise UnknownNameError("comparison", against, AGAINST)
    n_pix, lens, label, score = (np.asarray(part) for part in (n_pix, lens, label, score))
    if len({part.shape for part in (n_pix, lens, label, score)}) != 1 or score.ndim != 1:
        raise MetricError("N_pix, lens, label and score must be vectors of one length.")
    if not np.isfinite(score).all() or not (np.diff(edges) > 0).all():
        raise MetricError("Scores must be finite, and edges must rise.")
    lines = []
    for low, high in itertools.pairwise(edges):
        yes = np.flatnonzero(lens.astype(bool) & (n_pix >= low) & (n_pix < high))
        no = np.flatnonzero(n_pix < low if against == "below" else label == 0)
        no = np.setdiff1d(no, yes)
        line = {"low": int(low), "high": int(high), "lenses": int(yes.size), "others": int(no.size)}
        lines.append(line | _figures(score, yes, no, rng, draws))
    return lines


def _figures(score, yes, no, rng, draws) -> dict[str, float]:
    names = ("roc_auc", "precision_recall_auc", "f_beta")
    size = min(yes.size, no.size)
    if size < LEAST:
        return {f"{name}{end}": float("nan") for name in names for end in ("", "_std")}
    label = np.repeat([1, 0], size)

    def ranked(rows):
        values = score[rows]
        return {
            "roc_auc": metrics.roc_auc(label, values),
            "precision_recall_auc": metrics.precision_recall_auc(label, values),
            "f_beta": metrics.best_f_beta(label, values)[0],
        }

    def pick():
        parts = [rng.choice(part, size, replace=False) for part in (yes, no)]
        return np.concatenate(parts)

    # the mean over picks, for one pick of the equal number is as good as another
    picked = [ranked(pick()) for _ in range(20 if max(yes.size, no.size) > size else 1)]
    resampled = [
        ranked(np.concatenate([rng.choice(part, size) for part in (yes, no)])) for _ in range(draws)
    ]
    found = {}
    for name in names:
        found[name] = float(np.mean([values[name] for values in picked]))
        found[f"{name}_std"] = float(np.std([values[name] for values in resampled], ddof=1))
    return found


def other_criteria(truth, label) -> np.ndarray:
    """Which mocks are lenses but for their number of pixels (Bom 2022, section 2.1, i and ii).

    Parameters
    ----------
    truth : mapping of str to array (N,)
        With ``class``, ``n_groups`` and ``magnification``, as the simulator gives them.
    label : array (N,)
        1 for lenses by all criteria; they are kept whatever their magnification.

    Returns
    -------
    bool array (N,)
        True for those.
    """
    found = np.asarray(truth["class"]).astype(str) == "lens"
    found &= np.asarray(truth["n_groups"]) > 0
    found &= np.asarray(truth["magnification"]) > MAGNIFICATION
    return found | (np.asarray(label) == 1)
