"""Whether a network that was just trained is better than the preset it would replace.

Both are judged by one figure, on the same mocks: `FIGURES` says which. If the old preset was
measured on other mocks than the new one's test sample, it is measured on that sample first.
"""

from dataclasses import dataclass

from lensfinder.errors import PresetError

# of a finder, if so many mocks cannot show the first: as in `lensfinder.training.metrics`
RARE, RANKING = "completeness at FPR 1e-3", "ROC AUC"
FIGURES = {
    "finder": RARE,
    "modeller": "mean over parameters of RMS / RMS of always answering the mean",
    "cleaner": "mean PSNR over planes (dB)",
    "auditor": "accuracy",
}
LOWER_IS_BETTER = ("modeller",)
DERIVED = ("ellipticity", "orientation")  # follow from e1 and e2, and are not counted again


@dataclass(frozen=True)
class Verdict:
    """A comparison of two presets.

    Attributes
    ----------
    figure : str
        What they are judged by.
    new, old : float
        Its values.
    better : bool
        Whether the new one is better; a draw is not.
    measured_again : bool
        Whether the old one had been measured on other objects, and was measured again.
    """

    figure: str
    new: float
    old: float
    better: bool
    measured_again: bool

    def words(self) -> str:
        """The comparison in a sentence.

        Returns
        -------
        str
            With both numbers.
        """
        again = ", measured again on the same objects" if self.measured_again else ""
        result = "better" if self.better else "not better"
        return f"{result}: {self.figure} {self.new:.5g}, before {self.old:.5g}{again}"


def compare(new: dict, old: dict, *, measured_again: bool = False) -> Verdict:
    """Compare what was measured on two networks on the same objects.

    Parameters
    ----------
    new, old : dict
        Figures, as in ``metrics.json``.
    measured_again : bool
        For the verdict.

    Returns
    -------
    Verdict
        Modellers are compared by the parameters that both predict.

    Raises
    ------
    PresetError
        If they are networks of different tasks, or have no parameter in common.
    """
    tasks = [next((task for task in FIGURES if task in figures), None) for figures in (new, old)]
    task = tasks[0]
    if task is None or tasks[1] != task:
        raise PresetError(
            f"What was measured is of a {task} and of a {tasks[1]}. Give one of the same task."
        )
    figure, one, two = _JUDGES[task](new[task], old[task])
    better = one < two if task in LOWER_IS_BETTER else one > two
    return Verdict(figure, one, two, better, measured_again)


def _finder(new, old):
    rare = "tpr_at_fpr_0.001"
    if new[rare] is not None and old[rare] is not None:
        return RARE, new[rare], old[rare]
    return RANKING, new["roc_auc"], old["roc_auc"]


def _modeller(new, old):
    both = [name for name in new["parameters"] if name in old["parameters"]]
    if {"e1", "e2"} <= set(both):
        both = [name for name in both if name not in DERIVED]
    if not both:
        raise PresetError(
            "The two modellers have no parameter in common. Give one with the same targets."
        )

    def mean(figures):
        rows = [figures["parameters"][name] for name in both]
        return sum(row["rms"] / row["rms_constant"] for row in rows) / len(rows)

    return FIGURES["modeller"], mean(new), mean(old)


def _cleaner(new, old):
    planes = [name for name in new if name != "objects" and name in old]
    if not planes:
        raise PresetError("The two cleaners make no plane in common. Give one of the same planes.")

    def mean(figures):
        return sum(figures[name]["psnr"] for name in planes) / len(planes)

    return FIGURES["cleaner"], mean(new), mean(old)


def _auditor(new, old):
    return FIGURES["auditor"], new["accuracy"], old["accuracy"]


_JUDGES = {"finder": _finder, "modeller": _modeller, "cleaner": _cleaner, "auditor": _auditor}


def against(candidate, old, *, remeasure) -> Verdict:
    """Compare a candidate with the preset in its place.

    Parameters
    ----------
    candidate, old : Preset
        The new one and the one that is there.
    remeasure : callable
        ``remeasure(old)`` measures a preset on the objects that the candidate was measured on;
        called only if the old one's own figures are of others.

    Returns
    -------
    Verdict
        What came out.

    Raises
    ------
    PresetError
        If the two cannot be compared.
    """
    if old.task != candidate.task:
        raise PresetError(
            f"{old.name} is a {old.task}, the new one a {candidate.task}. Give one of its task."
        )
    again = not same_sample(candidate.metrics, old.metrics)
    figures = remeasure(old) if again else old.metrics
    return compare(candidate.metrics, figures, measured_again=again)


def same_sample(one: dict, other: dict) -> bool:
    """Whether two presets were measured on the same objects.

    Parameters
    ----------
    one, other : dict
        As in ``metrics.json``.

    Returns
    -------
    bool
        False in case of doubt: a preset without a digest of survey and population may have been
        measured before one of them was edited.
    """
    if "auditor" in one:  # stored pairs: their specification is the whole of them
        return one["data"] == other.get("data")
    digest = one.get("sample_sha256")
    return digest is not None and digest == other.get("sample_sha256")
