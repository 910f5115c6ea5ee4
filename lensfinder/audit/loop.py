"""Fit, classify, start again: the rounds of one lens (Maresca, Dye & Li 2021, section 3.5)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lensfinder.audit.opinion import Opinion, parity_opinion
from lensfinder.audit.record import OTHER, History, Round, Rounds, fingerprint
from lensfinder.audit.rules import CORRECT, Attempt, next_prior, next_step
from lensfinder.errors import FIT_STATUS, FitError, InversionError, MaskError
from lensfinder.inversion.one_lens import FIT_VERSION, fit_lens
from lensfinder.inversion.priors import MassPrior
from lensfinder.inversion.relation import SOLUTIONS, Relation, load_relation

# Raise AUDIT_VERSION when the same fits get other verdicts by parity, or lead to other priors.
AUDIT_VERSION = 4
ROUNDS = 3  # refits after the first fit, as in the paper
SURE = 0.8  # probability of the verdict below which a person should look
VAGUE = 0.033  # of theta_E: with a larger error, +-10 % (the paper's "correct") is not three sigma
TIGHTER = 0.1  # of the tolerance, for a fit around an accepted solution
# Flags of FIT_STATUS that make an accepted fit one for a person.
GRAVE = (
    *("no_errors", "not_settled", "poor_fit", "prior_edge"),
    *("strength_at_limit", "negative_light", "light_off_centre", "faint_light"),
    *("rival", "faint_arcs"),
)


class Procedure(BaseModel):
    """How lenses are audited.

    Attributes
    ----------
    rounds : int
        Most refits after the first fit.
    relation : Relation
        Where the unphysical solutions lie.
    method, lens_light, light_profile : str
        Of fitting, what is done with the light of the lens, and its profile; see
        `lensfinder.fit.fit_lens`.
    shear, power_law : bool
        Whether an external shear is fitted, and the slope of the mass.
    tolerance : float
        Of the evidence in a fit; a tenth of it when a solution is fitted again.
    seed : int
        Round k of lens i draws from (seed, i, k).
    sure : float
        Probability of the verdict below which a person should look.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    rounds: int = Field(default=ROUNDS, ge=0, le=20)
    relation: Relation = Field(default_factory=load_relation)
    method: str = "maximise"
    lens_light: str = "none"
    light_profile: str = "mge"
    shear: bool = False
    power_law: bool = False
    tolerance: float = Field(default=0.1, gt=0)
    seed: int = Field(default=0, ge=0)
    sure: float = Field(default=SURE, ge=0, le=1)


@dataclass(frozen=True, eq=False)
class Lens:
    """One lens to be fitted.

    Attributes
    ----------
    row : int
        Its number in the run.
    image : array (H, W)
        Image.
    noise : array (H, W) or float
        Standard deviation per pixel, in the same unit.
    psf : array (h, w) or None
        Point spread function on the pixels of the image.
    pixel_scale : float
        Arcsec per pixel.
    prior : MassPrior or None
        Of the first fit; wide when None.
    usable : bool array (H, W) or None
        False where a pixel is known to be bad.
    mask : bool array (H, W) or None
        True where a pixel is to be fitted; found from the arcs when None.
    """

    row: int
    image: np.ndarray
    noise: np.ndarray | float
    psf: np.ndarray | None
    pixel_scale: float
    prior: MassPrior | None = None
    usable: np.ndarray | None = None
    mask: np.ndarray | None = None


def audit_lens(
    lens: Lens,
    procedure: Procedure,
    *,
    classifier,
    folder=None,
    fit: Callable = fit_lens,
    watch: Callable | None = None,
) -> History:
    """Fit a lens and start again until the reconstruction is correct or no rule leads on.

    Parameters
    ----------
    lens : Lens
        Image and prior.
    procedure : Procedure
        Rules and their limits.
    classifier : Classifier
        Calls a reconstruction under-magnified, correct or over-magnified.
    folder : path-like or None
        Where rounds are kept; an audit that was interrupted goes on from there.
    fit : callable
        What fits, with the arguments of `lensfinder.fit.fit_lens`.
    watch : callable, optional
        Called with each new `Round`, its `LensFit` and the images that the classifier was shown,
        before the round is kept.

    Returns
    -------
    History
        The rounds, and why a person should look. A lens that cannot be fitted has a `problem`.

    Raises
    ------
    CheckpointError
        If the folder holds another audit, or one by another version of the fit or the rules.
    """
    versions = {"fit": FIT_VERSION, "audit": AUDIT_VERSION}
    rounds = Rounds(folder, _identity(lens, procedure, classifier), versions=versions)
    prior, tolerance, done = lens.prior, procedure.tolerance, []
    start = None
    for number in range(procedure.rounds + 1):
        record = rounds.read(number)
        if record is None:
            try:
                found = fit(
                    lens.image,
                    lens.noise,
                    psf=lens.psf,
                    pixel_scale=lens.pixel_scale,
                    prior=prior,
                    mask=lens.mask,
                    usable=lens.usable,
                    shear=procedure.shear,
                    power_law=procedure.power_law,
                    lens_light=procedure.lens_light,
                    light_profile=procedure.light_profile,
                    method=procedure.method,
                    tolerance=tolerance,
                    seed=_seed(procedure.seed, lens.row, number),
                    folder=rounds.fits(number),
                )
            except InversionError as error:
                return _unfitted(done, number, error)
            record, images = judge(number, found, done, classifier, procedure.relation)
            if watch is not None:
                watch(record, found, images)
            rounds.write(record)
        done.append(record)
        step = record.step
        if step.ends or number == procedure.rounds:
            break
        start = start or record.prior
        errors = {name: value["std"] for name, value in record.parameters.items()}
        prior = next_prior(step, start=start, found=record.best, errors=errors)
        tolerance = procedure.tolerance * (TIGHTER if step.action == "refine" else 1.0)
    return History(tuple(done), reasons(done, procedure.sure))


def judge(number, found, before, classifier, relation) -> tuple[Round, dict]:
    """The verdict on a fit, and what follows.

    Parameters
    ----------
    number : int
        Of the round.
    found : LensFit
        The fit.
    before : sequence of Round
        Earlier rounds of this lens.
    classifier : Classifier
        Calls the reconstruction.
    relation : Relation
        Where the unphysical solutions lie.

    Returns
    -------
    record : Round
        The round.
    images : dict of str to array (size, size, 1)
        What the classifier was shown.
    """
    seen, light = found.inversion.observation, found.inversion.light
    arcs = seen.data if light is None else seen.data - light
    opinion = parity_opinion(found.mass, seen.x, seen.y, image=arcs, noise=seen.noise)
    images = classifier.images(found.inversion)
    probabilities = classifier(images, opinion)
    verdict = SOLUTIONS[int(np.argmax(probabilities))]
    attempts = [record.attempt for record in before] + [Attempt(found.mass.theta_E, verdict)]
    step = next_step(attempts, relation)
    return Round.of(number, found, probabilities, opinion, step), images


def reasons(rounds, sure: float) -> tuple[str, ...]:
    """Why a person should look at a lens.

    Parameters
    ----------
    rounds : sequence of Round
        At least one.
    sure : float
        Probability that a verdict must have.

    Returns
    -------
    tuple of str
        Empty if nobody needs to.
    """
    last, stands, found = rounds[-1], History(tuple(rounds), ()).answer, []
    if last.action == "person":
        found.append(last.words)
    elif last.verdict != CORRECT:
        found.append(f"still {last.verdict}-magnified after {last.number} refits")
    if stands is not last:
        found += _another(stands, last)
    found += doubts(stands.probabilities, Opinion(stands.opinion, stands.copy_scale), sure)
    error = stands.parameters["theta_E"]["std"]  # NaN where there is none, which has its own flag
    if error > VAGUE * stands.mass.theta_E:
        found.append(f"theta_E is vague: {stands.mass.theta_E:.2f} +- {error:.2f} arcsec")
    grave = [name for name in stands.problems if name in GRAVE]
    found += [FIT_STATUS.explain(FIT_STATUS[name]) for name in grave]
    return tuple(found)


def doubts(probabilities, opinion: Opinion | None, sure: float = SURE) -> list[str]:
    """What speaks against a verdict.

    Parameters
    ----------
    probabilities : array (3,)
        Of under, correct and over.
    opinion : Opinion or None
        The second opinion.
    sure : float
        Probability that a verdict must have.

    Returns
    -------
    list of str
        A second opinion that differs from "correct", and a classifier that is not sure.
    """
    found, best = [], int(np.argmax(probabilities))
    if SOLUTIONS[best] == CORRECT and opinion is not None and opinion.verdict != CORRECT:
        found.append(
            f"the light is traced to a copy of the image of scale {opinion.copy_scale:.2f}, as if "
            f"{opinion.verdict}-magnified"
        )
    if probabilities[best] < sure:
        found.append(f"the classifier is not sure: p = {probabilities[best]:.2f}")
    return found


def _another(stands, last):
    """Reasons, where another round than the last stands: it is called wrong, or another lens."""
    found, radius = [], stands.mass.theta_E
    if stands.verdict != CORRECT:
        found.append(f"round {stands.number} stands, though called {stands.verdict}-magnified")
    if abs(radius / last.mass.theta_E - 1.0) > OTHER:
        found.append(
            f"round {stands.number} with {radius:.2f} arcsec stands, by evidence and classifier "
            f"together, and not the last with {last.mass.theta_E:.2f}"
        )
    return found


def _unfitted(done, number, error) -> History:
    kind = {FitError: "no_model", MaskError: "no_arc"}.get(type(error), "bad_input")
    return History(tuple(done), (f"the fit of round {number} failed: {error}",), kind)


def _seed(seed, row, number) -> int:
    return int(np.random.SeedSequence([seed, row, number]).generate_state(1)[0])


def _identity(lens, procedure, classifier) -> str:
    from lensfinder import __version__

    return fingerprint(
        *(lens.image, lens.noise, lens.psf, lens.usable, lens.mask),
        pixel_scale=float(lens.pixel_scale),
        prior=None if lens.prior is None else lens.prior.model_dump(),
        # more rounds than before go on where fewer ended
        procedure=procedure.model_dump(exclude={"rounds", "sure"}),
        classifier=[classifier.name, classifier.fingerprint],
        row=lens.row,
        version=__version__,
    )
