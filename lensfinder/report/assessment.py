"""All figures of an evaluation, into one folder."""

from pathlib import Path

import numpy as np

from lensfinder.report import plots
from lensfinder.report.coverage_plots import coverage_plot
from lensfinder.report.finder_plots import purity_plot, reliability_plot, roc_plot, score_plot
from lensfinder.report.limits_plots import detection_plot, selection_plot
from lensfinder.report.modeller_plots import error_plot, parameter_plot
from lensfinder.report.solution_plots import confusion_plot, solution_reliability_plot
from lensfinder.training.assessment import Assessment, parameters_of


def draw_assessment(assessment: Assessment, folder) -> list[Path]:
    """Draw what `lensfinder.evaluate` found.

    Parameters
    ----------
    assessment : Assessment
        From `lensfinder.training.assessment.assess`.
    folder : str or Path
        Where the PNG files go.

    Returns
    -------
    list of Path
        The files: ``roc``, ``purity``, ``reliability``, ``scores`` and, where the truth says
        enough, ``selection`` and ``detection_limit`` of a finder; ``parameters`` and
        ``parameter_errors`` of a modeller, with posteriors also ``coverage``; ``confusion`` and
        ``reliability`` of an auditor.
    """
    draw = {"finder": _finder, "modeller": _modeller, "auditor": _auditor}[assessment.task]
    return [
        plots.save(figure, Path(folder) / f"{name}.png")
        for name, figure in draw(assessment).items()
    ]


def _finder(assessment):
    truth, rng = assessment.measured.truth, assessment.rng
    label, score = np.asarray(truth["label"]), assessment.measured.output[:, 0]
    figures = assessment.figures["finder"]
    kinds = np.asarray(truth["class"]).astype(str) if "class" in truth.colnames else None
    found = {
        "roc": roc_plot(label, score, figures, rng=rng),
        "purity": purity_plot(label, score, figures, rng=rng),
        "reliability": reliability_plot(label, score, figures),
        "scores": score_plot(label, score, kinds),
    }
    if assessment.selection is not None:
        found["selection"] = selection_plot(assessment.selection)
    if assessment.detection:
        found["detection_limit"] = detection_plot(assessment.detection, figures)
    return found


def _modeller(assessment):
    figures = assessment.figures["modeller"]
    truth, predicted = parameters_of(assessment.measured, assessment.targets)
    found = {"parameters": parameter_plot(truth, predicted, figures)}
    if figures["bins"]:
        found["parameter_errors"] = error_plot(figures["bins"], figures)
    if "posterior" in figures:
        found["coverage"] = coverage_plot(figures["posterior"])
    return found


def _auditor(assessment):
    figures = assessment.figures["auditor"]
    return {
        "confusion": confusion_plot(figures),
        "reliability": solution_reliability_plot(figures),
    }
