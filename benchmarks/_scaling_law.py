"""A power law through errors over the number of mocks, and how well the test mocks fix it."""

import numpy as np

from lensfinder.training import metrics
from lensfinder.training.bootstrap import bootstrap
from lensfinder.training.evaluation import Scored, lenses_of
from lensfinder.training.parameters import parameter_differences

FITTED = 3  # budgets at the end that the power law goes through
DRAWS = 200
SHOWN = ("slope", "at_ten_times")


def power_law(seen, errors) -> dict | None:
    """error = c N^slope through the last points, and what it gives at ten times the most.

    Parameters
    ----------
    seen : sequence of int
        Mocks seen, N.
    errors : sequence of float or None
        Errors; those that are None, not finite or 0 are left out.

    Returns
    -------
    dict or None
        ``slope``, ``at_ten_times`` and ``budgets`` (how many it goes through); None if there are
        fewer than two.
    """
    known = [(n, e) for n, e in zip(seen, errors, strict=True) if e and np.isfinite(e)]
    kept = known[-FITTED:]
    if len(kept) < 2:
        return None
    x, y = np.log(np.array(kept, dtype=float)).T
    slope, constant = np.polyfit(x, y, 1)
    ten = float(np.exp(constant + slope * np.log(10 * seen[-1])))
    return {"slope": float(slope), "at_ten_times": ten, "budgets": len(kept)}


def with_scatter(laws, task, scored, outputs, seen, targets, *, rng, draws=DRAWS) -> dict:
    """Power laws with the errors that the choice of test mocks leaves on them.

    The same resampled mocks are answered by the networks of all budgets, as the mocks are. That
    another training of the same budget, from other weights and on other mocks, would lie elsewhere
    is not in it.

    Parameters
    ----------
    laws : dict of str to dict or None
        From `power_law`, by the name of the error.
    task : {"finder", "modeller"}
        What was predicted.
    scored : Scored
        Truth of the test mocks.
    outputs : sequence of array (N, outputs)
        Answers, per budget.
    seen : sequence of int
        Mocks of the budgets.
    targets : sequence of str
        Of a modeller.
    rng : numpy.random.Generator
        For the bootstrap.
    draws : int
        Resampled samples.

    Returns
    -------
    dict of str to dict or None
        The laws, with ``slope_std`` and ``at_ten_times_std``; NaN where a sample has no law.
    """
    errors, arrays, strata = _ERRORS[task](scored, outputs, targets)

    def refitted(*rows):
        found = {}
        for name, values in errors(*rows).items():
            law = power_law(seen, values) or dict.fromkeys(SHOWN, np.nan)
            found |= {(name, key): law[key] for key in SHOWN}
        return found

    spread = bootstrap(refitted, *arrays, rng=rng, draws=draws, strata=strata)
    return {
        name: law and {**law, **{f"{key}_std": spread[name, key]["std"] for key in SHOWN}}
        for name, law in laws.items()
    }


def _finder(scored, outputs, targets):
    """Function of (label, scores) to errors per budget, these two, and the classes."""
    label = np.asarray(scored.truth["label"])

    def errors(label, scores):
        both = [(label, score) for score in scores.T]
        found = {"1 - AUC": [1 - metrics.roc_auc(*one) for one in both]}
        for rate in (1e-2, 1e-3):
            missed = [1 - metrics.tpr_at_fpr(*one, rate) for one in both]
            found[f"missed at FPR {rate:g}"] = missed
        return found

    return errors, (label, np.stack([output[:, 0] for output in outputs], axis=1)), label


def _modeller(scored, outputs, targets):
    """Function of differences to errors per budget, and these, of the lenses."""
    differences = []
    for output in outputs:
        truth, answers = lenses_of(Scored(scored.truth, output, scored.data))
        true = {name: np.asarray(truth[name]) for name in targets}
        ours = {name: answers[:, k] for k, name in enumerate(targets)}
        differences.append(parameter_differences(true, ours))
    names = list(differences[0])
    stacked = np.stack([[each[name] for name in names] for each in differences])  # (B, P, N)

    def errors(rows):
        root = np.sqrt(np.mean(rows**2, axis=0))  # (P, B)
        return {f"RMS of {name}": root[k] for k, name in enumerate(names)}

    return errors, (stacked.transpose(2, 1, 0),), None


_ERRORS = {"finder": _finder, "modeller": _modeller}
