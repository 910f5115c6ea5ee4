"""Everything that `lensfinder.evaluate` says of a preset, from the answers on one sample."""

from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from lensfinder.errors import DatasetSpecError
from lensfinder.posterior import Posterior, has_posterior
from lensfinder.training.detection import AGAINST, detection_limit, other_criteria
from lensfinder.training.evaluation import Scored, figures_of, lenses_of
from lensfinder.training.scores import FPRS, threshold_at_fpr, without_nan
from lensfinder.training.selection import AXES as SELECTION_AXES
from lensfinder.training.selection import Selection, selection_function


@dataclass(frozen=True)
class Assessment:
    """Figures of a preset, and what they and the plots are made of.

    Attributes
    ----------
    task : str
        "finder", "modeller" or "auditor".
    targets : tuple of str
        What it predicts.
    scored : Scored
        All objects, those without an answer included.
    measured : Scored
        Those the figures are of: with an answer; for a modeller, the lenses.
    figures : dict
        Plain data, the content of ``metrics.json``.
    selection : Selection or None
        Of a finder, where the lenses' properties are known.
    detection : dict of str to list of dict
        The detection limit by what lenses are compared with; empty where N_pix is not known.
    rng : numpy.random.Generator
        For the bands of the plots.
    """

    task: str
    targets: tuple[str, ...]
    scored: Scored
    measured: Scored
    figures: dict
    selection: Selection | None
    detection: dict[str, list[dict]]
    rng: np.random.Generator


def assess(scored: Scored, *, preset: str, task: str, targets, rng, threshold=None) -> Assessment:
    """Work out all figures on one sample.

    Parameters
    ----------
    scored : Scored
        Objects with answers; rows with an answer that is not finite are left out.
    preset : str
        Name of what answered.
    task : {"finder", "modeller", "auditor"}
        What it predicts.
    targets : sequence of str
        Columns of a modeller, solutions of an auditor.
    rng : numpy.random.Generator
        For all error bars.
    threshold : float or None
        Of the selection function; where 1 % of the non-lenses pass by default.

    Returns
    -------
    Assessment
        Its ``figures`` hold, beside those of `lensfinder.training.evaluation.figures_of`: for a
        finder ``selection`` (completeness along each axis) and ``detection_limit`` where the truth
        says enough.

    Raises
    ------
    DatasetSpecError
        If no object has an answer, or a modeller's sample holds no lens.
    MetricError
        If a finder's sample holds one class only.
    """
    good = np.isfinite(scored.output).all(axis=1)
    if not good.any():
        statuses = scored.data.get("status", {})
        found = ", ".join(f"{count} {name}" for name, count in statuses.items())
        raise DatasetSpecError(
            f"No object has an answer{f': {found}' if found else ''}. `find` and `model` say what "
            "is to be done about each (`message`)."
        )
    measured = Scored(scored.truth[good], scored.output[good], scored.data)
    figures = {"preset": preset, **figures_of(measured, task=task, targets=targets, rng=rng)}
    selection, detection = None, {}
    if task == "finder":
        label = np.asarray(measured.truth["label"])
        score = measured.output[:, 0]
        if threshold is None:
            threshold = threshold_at_fpr(label, score, FPRS[0])
        selection = _selection(measured.truth, label, score, threshold)
        detection = _detection(measured.truth, label, score, rng)
        if selection is not None:
            figures[task]["selection"] = _along(selection)
        if detection:
            figures[task]["detection_limit"] = detection
    elif task == "modeller":
        measured = Scored(*lenses_of(measured), scored.data)
    figures = without_nan(figures)
    return Assessment(task, tuple(targets), scored, measured, figures, selection, detection, rng)


def _selection(truth, label, score, threshold) -> Selection | None:
    lens = label == 1
    axes = [
        name
        for name in SELECTION_AXES
        if name in truth.colnames and np.isfinite(np.asarray(truth[name][lens], float)).all()
    ]
    if not axes or not np.isfinite(threshold):
        return None
    return selection_function(truth[lens], score[lens], threshold=threshold, axes=axes)


def _along(selection: Selection) -> dict:
    found = {"threshold": selection.threshold}
    for name in selection.axes:
        values = selection.along(name)
        found[name] = {"edges": selection.edges[name].tolist()}
        found[name] |= {key: np.asarray(value).tolist() for key, value in values.items()}
    return found


def _detection(truth, label, score, rng) -> dict[str, list[dict]]:
    if not {"n_pix", "class", "n_groups", "magnification"} <= set(truth.colnames):
        return {}
    lens = other_criteria(truth, label)
    n_pix = np.asarray(truth["n_pix"])
    return {
        against: detection_limit(n_pix, lens, label, score, rng=rng, against=against)
        for against in AGAINST
    }


def parameters_of(measured: Scored, targets):
    """True and predicted parameters, of the targets whose truth is known.

    Parameters
    ----------
    measured : Scored
        Lenses with a modeller's answers.
    targets : sequence of str
        Its columns.

    Returns
    -------
    truth, predicted : dict of str to array (N,)
        The same columns in both.
    """
    known = [(i, name) for i, name in enumerate(targets) if name in measured.truth.colnames]
    return (
        {name: np.asarray(measured.truth[name], np.float64) for _, name in known},
        {name: np.asarray(measured.output[:, i], np.float64) for i, name in known},
    )


def table_of(assessment: Assessment) -> Table:
    """All objects: what was predicted, then what is true.

    Parameters
    ----------
    assessment : Assessment
        The figures' objects.

    Returns
    -------
    astropy.table.Table
        ``id``, ``p_lens`` or the parameters with the spreads of their posteriors, of an auditor
        the probabilities of the solutions and the ``verdict``, ``status`` if there is one,
        ``label``, ``class``, and the truth as ``true_<column>``; units and descriptions of the
        registry.
    """
    from lensfinder.tables import build_table

    truth = assessment.scored.truth
    plain = [name for name in ("status", "label", "class") if name in truth.colnames]
    columns = {"id": np.asarray(truth["id"]).astype(str)}
    auditor = assessment.task == "auditor"
    for i, name in enumerate(assessment.targets):
        columns[f"p_{name}" if auditor else name] = assessment.scored.output[:, i]
    if auditor:
        answer = assessment.scored.output.argmax(axis=1)
        columns["verdict"] = np.asarray(assessment.targets)[answer]
    if assessment.task == "modeller" and has_posterior(
        assessment.scored.output, assessment.targets
    ):
        columns |= Posterior.of(assessment.scored.output, assessment.targets).columns()
    columns |= {name: np.asarray(truth[name]) for name in plain}
    meta = {"preset": assessment.figures["preset"], "data": assessment.figures["data"]}
    table = build_table(columns, meta)
    others = [name for name in truth.colnames if name not in (*plain, "id")]
    known = build_table({name: np.asarray(truth[name]) for name in others})
    for name in others:
        table[f"true_{name}"] = known[name]
    return table
