"""Whether a network that was just trained is better than the preset it would replace.

Both answer about the same mocks, and the difference of one figure (`FIGURES` says which) is
bootstrapped over these (`lensfinder.training.paired`): the new one replaces the old one if it is
better in 95 % of the draws, so that no luck of a few mocks decides. Where the old one cannot be
measured on them any more, the figures that were written when each was made are compared as they
are, if they are of the same mocks; any difference counts then, and the verdict says so.
"""

from dataclasses import dataclass

from lensfinder.errors import LensfinderError, PresetError
from lensfinder.training.paired import (
    FIGURES,
    LOWER_IS_BETTER,
    RANKING,
    RARE,
    Answers,
    paired_difference,
)

SURE = 0.95  # probability from which on a new preset takes the place of the old one
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
        Whether the new one may replace the old one: if paired, whether `probability` is 0.95 or
        more, else whether its figure is better; a draw is not.
    error : float or None
        Standard deviation of new - old over resampled objects; None if the comparison is not
        paired.
    probability : float or None
        That the new one is better, by the same draws.
    """

    figure: str
    new: float
    old: float
    better: bool
    error: float | None = None
    probability: float | None = None

    @property
    def difference(self) -> float:
        """New minus old."""
        return self.new - self.old

    def facts(self) -> dict:
        """The comparison as plain data.

        Returns
        -------
        dict
            The attributes, ``difference``, and the ``threshold`` of the probability.
        """
        facts = {name: getattr(self, name) for name in ("figure", "new", "old", "difference")}
        facts |= {"error": self.error, "probability": self.probability}
        return {**facts, "threshold": SURE, "better": self.better}

    def words(self) -> str:
        """The comparison in a sentence.

        Returns
        -------
        str
            With both numbers, and how sure the difference is.
        """
        numbers = f"{self.figure} {self.new:.5g}, before {self.old:.5g}"
        if self.probability is None:
            result = "better" if self.better else "not better"
            return f"{result}: {numbers}, as written when each was measured, without an error"
        result = "better beyond chance" if self.better else "not better beyond chance"
        return (
            f"{result}: {numbers}, difference {self.difference:+.2g} ± {self.error:.2g} on the "
            f"same objects, better with probability {self.probability:.3f} ({SURE:g} is asked for)"
        )


def compare(new: dict, old: dict) -> Verdict:
    """Compare what was written about two networks, measured on the same objects.

    Parameters
    ----------
    new, old : dict
        Figures, as in ``metrics.json``.

    Returns
    -------
    Verdict
        Not paired. Modellers are compared by the parameters that both predict.

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
    return Verdict(figure, one, two, better)


def compare_answers(new: Answers, old: Answers) -> Verdict:
    """Compare two networks by their answers about the same objects.

    Parameters
    ----------
    new, old : Answers
        Of the two.

    Returns
    -------
    Verdict
        Paired.

    Raises
    ------
    PresetError
        If the answers cannot be compared.
    """
    found = paired_difference(new, old)
    return Verdict(
        found.figure,
        found.new,
        found.old,
        better=found.probability >= SURE,
        error=found.error,
        probability=found.probability,
    )


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


def against(candidate, old, *, answers=None) -> Verdict:
    """Compare a candidate with the preset in its place.

    Parameters
    ----------
    candidate, old : Preset
        The new one and the one that is there.
    answers : callable or None
        ``answers(preset) -> Answers`` about the objects that the candidate was measured on; None
        if these cannot be had any more.

    Returns
    -------
    Verdict
        What came out: paired, unless the old preset cannot answer.

    Raises
    ------
    PresetError
        If the two cannot be compared.
    LensfinderError
        As the old preset raises it, if it cannot answer, as with another input contract, and what
        was written about it is of other objects.
    """
    if old.task != candidate.task:
        raise PresetError(
            f"{old.name} is a {old.task}, the new one a {candidate.task}. Give one of its task."
        )
    same = same_sample(candidate.metrics, old.metrics)
    if answers is None:
        if not same:
            raise PresetError(
                f"{old.name} was measured on other objects, and these are not at hand. Compare "
                "the two where the candidate was trained."
            )
        return compare(candidate.metrics, old.metrics)
    new = answers(candidate)
    try:
        before = answers(old)
    except LensfinderError:
        if not same:
            raise
        return compare(candidate.metrics, old.metrics)
    return compare_answers(new, before)


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
