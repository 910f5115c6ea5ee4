"""How good a finder is, in pictures: ranking, purity and calibration."""

import numpy as np

from lensfinder.report import plots
from lensfinder.training.curves import purity_band, roc_band
from lensfinder.training.metrics import PREVALENCES
from lensfinder.training.reliability import reliability_curve

ODDS = 9.0  # scores are drawn on the logit, from -9 to 9: 1e-4 and 1 - 1e-4


def roc_plot(label, score, figures, *, rng):
    """Completeness over false-positive rate, the latter logarithmic.

    Parameters
    ----------
    label, score : array (N,)
        As in `lensfinder.training.metrics`.
    figures : dict
        From `lensfinder.training.scores.finder_figures`.
    rng : numpy.random.Generator
        For the band.

    Returns
    -------
    matplotlib.figure.Figure
        The plot.
    """
    figure, ((axis,),) = plots.canvas()
    curve = roc_band(label, score, rng=rng)
    axis.fill_between(curve.x, curve.low, curve.high, color=plots.LENS, alpha=plots.BAND, lw=0)
    area = plots.number(figures["roc_auc"], figures["std"]["roc_auc"])
    axis.step(curve.x, curve.y, color=plots.LENS, where="post", label=f"AUC {area}")
    axis.plot(curve.x, curve.x, color=plots.QUIET, ls=":", lw=1, label="by chance")
    for fpr in (1e-2, 1e-3, 1e-4):
        value = figures[f"tpr_at_fpr_{fpr:g}"]
        if value is not None:
            axis.plot(fpr, value, "o", color=plots.LENS, ms=4)
            axis.annotate(
                f"{value:.2f}", (fpr, value), (5, -11), textcoords="offset points", fontsize=8
            )
    axis.set(
        xscale="log",
        xlim=(curve.x[0], 1),
        ylim=(0, 1.02),
        xlabel="false-positive rate",
        ylabel="completeness (true-positive rate)",
    )
    count = int(np.sum(np.asarray(label) == 0))
    axis.set_title(f"{count:,} non-lenses: no rate below {1 / count:.1g} is seen", fontsize=8)
    axis.legend(loc="lower right", fontsize=8, frameon=False)
    return figure


def purity_plot(label, score, figures, *, rng):
    """Purity over completeness: in the sample, and where lenses are as rare as they are.

    Parameters
    ----------
    label, score : array (N,)
        As in `lensfinder.training.metrics`.
    figures : dict
        From `lensfinder.training.scores.finder_figures`.
    rng : numpy.random.Generator
        For the bands.

    Returns
    -------
    matplotlib.figure.Figure
        The plot.
    """
    figure, ((sample, survey),) = plots.canvas(1, 2)
    area = plots.number(figures["precision_recall_auc"], figures["std"]["precision_recall_auc"])
    share = figures["lenses"] / figures["objects"]
    _purity_line(sample, label, score, plots.LENS, f"1 in {1 / share:.1f}, area {area}", rng=rng)
    for prevalence, colour in zip(PREVALENCES, plots.COLOURS, strict=False):
        words = f"1 in {1 / prevalence:,.0f}"
        _purity_line(survey, label, score, colour, words, rng=rng, prevalence=prevalence)
    non_lenses = figures["objects"] - figures["lenses"]
    sample.set_title("where lenses are as frequent as in the sample", fontsize=8)
    survey.set_title(
        f"where they are rarer; no line: none of {non_lenses:,} non-lenses passes", fontsize=8
    )
    for axis in (sample, survey):
        axis.set(xlim=(0, 1.01), xlabel="completeness", ylabel="purity")
        axis.legend(loc="lower left", fontsize=8, frameon=False)
    sample.set_ylim(0, 1.02)
    survey.set(yscale="log", ylim=(0.3 * min(PREVALENCES), 1.5))
    return figure


def _purity_line(axis, label, score, colour, words, *, rng, prevalence=None):
    curve = purity_band(label, score, rng=rng, prevalence=prevalence)
    # where no non-lens passes, the sample cannot tell how pure the candidates are
    seen = curve.y < 1 if prevalence else slice(None)
    x, low, high = curve.x[seen], curve.low[seen], curve.high[seen]
    axis.fill_between(x, low, high, color=colour, alpha=plots.BAND, lw=0)
    axis.plot(x, curve.y[seen], color=colour, label=words)


def reliability_plot(label, score, figures):
    """Fraction of lenses over predicted probability, and how many objects have which.

    Parameters
    ----------
    label, score : array (N,)
        As in `lensfinder.training.metrics`; probabilities.
    figures : dict
        From `lensfinder.training.scores.finder_figures`.

    Returns
    -------
    matplotlib.figure.Figure
        The plot.
    """
    figure, axes = plots.canvas(1, 2)
    lines = reliability_curve(label, score)
    p, fraction, low, high = (
        np.array([line[name] for line in lines])
        for name in ("probability", "fraction", "low", "high")
    )
    straight, odds = axes[0]
    ends = np.array([1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999])
    for axis, style in ((straight, "o-"), (odds, "o")):
        axis.plot(ends, ends, color=plots.QUIET, ls=":", lw=1, label="calibrated")
        axis.errorbar(
            p, fraction, (fraction - low, high - fraction), fmt=style, ms=3.5, lw=1,
            color=plots.LENS, label=f"{lines[0]['objects']:,} objects each",
        )  # fmt: skip
        axis.set(xlabel="predicted probability", ylabel="fraction of lenses")
    straight.set(xlim=(0, 1), ylim=(0, 1))
    straight.legend(loc="upper left", fontsize=8, frameon=False)
    error, gate = figures["calibration_error"], figures["calibration_error_null_99"]
    verdict = "calibrated" if error <= gate else "not calibrated"
    straight.set_title(
        f"calibration error {error:.4f}, by chance below {gate:.4f}: {verdict}", fontsize=8
    )
    odds.set(xscale="logit", yscale="logit", xlim=ends[[0, -1]], ylim=ends[[0, -1]])
    odds.minorticks_off()
    words = [f"{value:g}" for value in ends]
    odds.set_xticks(ends, words, rotation=45, fontsize=8)
    odds.set_yticks(ends, words, fontsize=8)
    odds.set_title("the same on the log odds; bins of one class alone have no point", fontsize=8)
    return figure


def score_plot(label, score, kinds=None):
    """Histograms of the score, by kind of object, on the log odds.

    Parameters
    ----------
    label, score : array (N,)
        As in `lensfinder.training.metrics`; probabilities.
    kinds : array (N,) of str or None
        What each object is.

    Returns
    -------
    matplotlib.figure.Figure
        The plot.
    """
    from lensfinder.zoo.calibration import logit

    label, score = np.asarray(label), np.asarray(score)
    kinds = np.where(label == 1, "lens", "non-lens") if kinds is None else np.asarray(kinds)
    parts = [("lenses", label == 1, plots.LENS)]
    others = np.unique(kinds[label == 0]).tolist()
    colours = [plots.COLOURS[i % len(plots.COLOURS)] for i in range(len(others))]
    for kind, colour in zip(others, colours, strict=True):
        # an object of the class of lenses that is no lens by the label shows too little of an arc
        name = "lensed, not visible" if kind == "lens" else str(kind).replace("_", " ")
        parts.append((name, (label == 0) & (kinds == kind), colour))
    figure, ((axis,),) = plots.canvas(size=(6.4, 3.7))
    edges = np.linspace(-ODDS, ODDS, 37)
    x = np.clip(logit(score), -ODDS + 1e-6, ODDS - 1e-6)
    for name, rows, colour in parts:
        options = {"histtype": "stepfilled", "alpha": 0.18} if name == "lenses" else {}
        for extra in ({"histtype": "step", "lw": 1.4}, options):
            words = f"{name} ({int(rows.sum()):,})" if extra.get("lw") else None
            if extra:
                axis.hist(x[rows], edges, color=colour, label=words, **extra)
    ticks = np.array([1e-3, 1e-2, 0.1, 0.5, 0.9, 0.99, 0.999])
    axis.set_xticks(logit(ticks), [f"{value:g}" for value in ticks])
    axis.axvline(0, color=plots.QUIET, ls=":", lw=1)
    axis.set(yscale="log", xlabel="predicted probability (log odds)", ylabel="objects")
    axis.set_title("the outermost bins hold everything beyond", fontsize=8)
    axis.legend(fontsize=8, framealpha=0.8, edgecolor="none")
    return figure
