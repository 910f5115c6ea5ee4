"""What to do after a verdict: table 1 and the history rules of Maresca, Dye & Li (2021).

A history is the Einstein radii that were found and what the classifier called them, oldest first.
The paper's rules look at the last verdict and the one before (section 3.5): `RULES` is that table.
What the paper leaves open is decided here: two values that bracket the truth stay in force in later
rounds, and a wrong verdict next to a solution that was called correct goes to a person.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lensfinder.errors import ArgumentError
from lensfinder.inversion.priors import MassPrior
from lensfinder.inversion.relation import SOLUTIONS, Relation

UNDER, CORRECT, OVER = SOLUTIONS
ACTIONS = ("refit", "refine", "done", "person")
# Half-widths of the updated priors in theta_E, arcsec: table 1 of the paper.
HALF_WIDTHS = {UNDER: 0.25, CORRECT: 0.25, OVER: 0.5}
# A solution takes this share of the way to its neighbour: the paper makes the unphysical ones with
# priors that end at 0.9 and 1.1 times the truth (section 3.2).
MARGIN = 0.1
# Half-widths about an accepted solution of what table 1 does not list; the paper gives none. At
# least these, and where a fit knows less of a parameter so many of its errors: a prior that the
# same data have narrowed would make the next errors too small.
NARROW = {"e1": 0.15, "e2": 0.15, "x": 0.1, "y": 0.1, "gamma1": 0.05, "gamma2": 0.05, "slope": 0.2}
ERRORS, LOOSEST = 4.0, 3.0  # and at most so many times `NARROW`
SMALLEST = 0.05  # arcsec: no lens of a galaxy is smaller


@dataclass(frozen=True)
class Attempt:
    """One fit and what the classifier called it.

    Attributes
    ----------
    theta_E : float
        Einstein radius found, arcsec.
    verdict : str
        ``under``, ``correct`` or ``over``.
    """

    theta_E: float
    verdict: str

    def __post_init__(self):
        if self.verdict not in SOLUTIONS or not (np.isfinite(self.theta_E) and self.theta_E > 0):
            raise ArgumentError(
                f"A verdict is one of {', '.join(SOLUTIONS)}, about a positive Einstein radius. "
                f"Received: {self.verdict!r}, {self.theta_E}. Correct it."
            )


@dataclass(frozen=True)
class Step:
    """What comes after a history.

    Attributes
    ----------
    action : str
        ``refit`` with another prior in theta_E; ``refine``: fit again around the solution;
        ``done``; or ``person``: no rule leads on.
    words : str
        Why, for a person.
    theta_E : (float, float) or None
        Edges of the uniform prior of the next fit, arcsec.
    """

    action: str
    words: str
    theta_E: tuple[float, float] | None = None

    @property
    def ends(self) -> bool:
        """Whether no fit follows."""
        return self.action in ("done", "person")


def next_step(history: Sequence[Attempt], relation: Relation) -> Step:
    """What to do after some fits of a lens.

    Parameters
    ----------
    history : sequence of Attempt
        All fits so far, the last one last.
    relation : Relation
        Where the unphysical solutions lie (`lensfinder.inversion.relation.load_relation`).

    Returns
    -------
    Step
        By `RULES`.

    Raises
    ------
    ArgumentError
        If there was no fit.
    """
    if not history:
        raise ArgumentError("A history needs at least one fit. Fit the lens first.")
    previous = history[-2].verdict if len(history) > 1 else None
    return RULES[previous, history[-1].verdict](tuple(history), relation)


# --- the rules ------------------------------------------------------------------------------------
def _from_under(history, relation):
    theta = float(relation.correct_from_under(history[-1].theta_E))
    return _about(theta, UNDER, "refit", "under-magnified: a larger radius, by table 1")


def _from_over(history, relation):
    theta = float(relation.correct_from_over(history[-1].theta_E))
    return _about(theta, OVER, "refit", "over-magnified: a smaller radius, by table 1")


def _refine(history, relation):
    words = "correct: fit again around it, more tightly"
    return _about(history[-1].theta_E, CORRECT, "refine", words)


def _done(history, relation):
    return Step("done", "correct twice")


def _stuck(history, relation):
    return Step("person", f"{history[-1].verdict}-magnified again: the prior did not move the fit")


def _between(history, relation):
    """A prior between the largest radius that was too small and the smallest that was too large."""
    low = max(attempt.theta_E for attempt in history if attempt.verdict == UNDER)
    high = min(attempt.theta_E for attempt in history if attempt.verdict == OVER)
    if low >= high:
        return Step("person", "the larger radius was called under-magnified, the smaller one over")
    edge = MARGIN * (high - low)
    words = "overshot: a radius between the under- and the over-magnified one"
    return Step("refit", words, (low + edge, high - edge))


def _contradiction(history, relation):
    return Step(
        "person", f"called correct before, and {history[-1].verdict}-magnified when refined"
    )


# (previous verdict, None after the first fit; this verdict): what follows.
RULES: dict[tuple[str | None, str], Callable] = {
    (None, UNDER): _from_under,
    (None, CORRECT): _refine,
    (None, OVER): _from_over,
    (UNDER, UNDER): _stuck,
    (UNDER, CORRECT): _refine,
    (UNDER, OVER): _between,
    (CORRECT, UNDER): _contradiction,
    (CORRECT, CORRECT): _done,
    (CORRECT, OVER): _contradiction,
    (OVER, UNDER): _between,
    (OVER, CORRECT): _refine,
    (OVER, OVER): _stuck,
}


def _about(theta, verdict, action, words):
    """Table 1's prior about a radius; cut at the smallest lens."""
    half = HALF_WIDTHS[verdict]
    theta = max(theta, SMALLEST)
    return Step(action, words, (max(theta - half, SMALLEST), theta + half))


# --- from a step to a prior -----------------------------------------------------------------------
def next_prior(step: Step, *, start: MassPrior, found, errors=None) -> MassPrior:
    """The prior of the next fit.

    Parameters
    ----------
    step : Step
        What follows; not an end.
    start : MassPrior
        The prior of the first fit: a refit keeps it but for theta_E ("whilst leaving everything
        else unchanged").
    found : mapping of str to float
        ``e1, e2, x, y, gamma1, gamma2, slope`` of the last fit: what a refinement narrows about.
    errors : mapping of str to float, optional
        Their standard deviations, in the same units; NaN where a fit has none.

    Returns
    -------
    MassPrior
        Uniform in theta_E; for a refinement uniform and narrow in every parameter that is fitted.

    Raises
    ------
    ArgumentError
        If no fit follows the step.
    """
    if step.theta_E is None:
        raise ArgumentError(f"No fit follows {step.action!r}. Ask `Step.ends` first.")
    prior = start.uniform("theta_E", *step.theta_E)
    if step.action == "refine":
        for name in set(start.free) & set(NARROW):
            half = _half_width(name, (errors or {}).get(name, 0.0))
            prior = prior.uniform(name, found[name] - half, found[name] + half)
    return prior


def _half_width(name, error):
    """Half-width of a refinement's prior, from the error of the fit before."""
    wanted = ERRORS * error if np.isfinite(error) else np.inf  # a fit without errors knows least
    return float(np.clip(wanted, NARROW[name], LOOSEST * NARROW[name]))
