"""What is kept of an audit: one `Round` per fit, and the `History` of a lens, in files.

A round is written in one step when it is complete. An audit that is started again reads the rounds
that are there and goes on with the next; a fit that was cut in the middle goes on from its own
memory of evaluations. So an interrupted audit ends in the same rows as one that was not.
"""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from lensfinder.audit.rules import ACTIONS, CORRECT, Attempt, Step
from lensfinder.errors import CheckpointError
from lensfinder.inversion.lens_fit import Estimate, LensFit, point_estimates
from lensfinder.inversion.mass import MassModel
from lensfinder.inversion.priors import MassPrior
from lensfinder.inversion.relation import SOLUTIONS
from lensfinder.inversion.tops import RIVAL, WIDER
from lensfinder.tables import write_atomically

IDENTITY = "lens.json"
DOUBT = 0.01  # no verdict speaks more against a round than this
OTHER = 0.1  # of theta_E: from here on two rounds have not found the same lens


class Round(BaseModel):
    """One fit of a lens, the verdict on it, and what follows.

    Attributes
    ----------
    number : int
        0 for the first fit.
    prior : MassPrior
        Of this fit.
    mass : MassModel
        The best model.
    parameters : dict of str to dict
        ``mean, std, p16, p50, p84`` of each parameter, with ``q`` and ``phi``.
    log_evidence, reduced_chi2 : float
        Of the best model.
    evaluations : int
        Mass models inverted.
    seconds : float
        Wall time.
    problems : tuple of str
        Names of flags of `lensfinder.errors.FIT_STATUS`.
    probabilities : (float, float, float)
        Of under, correct and over.
    opinion : str
        What `parity_opinion` calls it.
    copy_scale : float
        Scale of the source as a copy of the image.
    action : str
        What follows; see `lensfinder.audit.rules.Step`.
    words : str
        Why.
    restart : (float, float) or None
        Edges of the next prior in theta_E, arcsec.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    prior: MassPrior
    mass: MassModel
    parameters: dict[str, dict[str, float]]
    log_evidence: float
    reduced_chi2: float
    evaluations: int
    seconds: float
    problems: tuple[str, ...]
    probabilities: tuple[float, float, float]
    opinion: str
    copy_scale: float
    action: Literal[ACTIONS]
    words: str
    restart: tuple[float, float] | None

    @classmethod
    def of(cls, number: int, fit: LensFit, probabilities, opinion, step: Step) -> "Round":
        """Put a round together.

        Parameters
        ----------
        number : int
            0 for the first fit.
        fit : LensFit
            The fit.
        probabilities : array (3,)
            Of under, correct and over.
        opinion : Opinion
            The second opinion.
        step : Step
            What follows.

        Returns
        -------
        Round
            The record.
        """
        return cls(
            number=number,
            prior=fit.prior,
            mass=fit.mass,
            parameters={name: asdict(found) for name, found in fit.parameters.items()},
            log_evidence=fit.log_evidence,
            reduced_chi2=fit.reduced_chi2,
            evaluations=fit.evaluations,
            seconds=fit.seconds,
            problems=fit.status,
            probabilities=tuple(float(p) for p in probabilities),
            opinion=opinion.verdict,
            copy_scale=opinion.copy_scale,
            action=step.action,
            words=step.words,
            restart=step.theta_E,
        )

    @property
    def best(self) -> dict[str, float]:
        """Every parameter of the best model, e1 and e2 as well as q and phi."""
        return {name: found.mean for name, found in point_estimates(self.mass).items()}

    @property
    def verdict(self) -> str:
        """The likeliest of under, correct and over."""
        return SOLUTIONS[int(np.argmax(self.probabilities))]

    @property
    def step(self) -> Step:
        """What follows."""
        return Step(self.action, self.words, self.restart)

    @property
    def attempt(self) -> Attempt:
        """What the rules look at."""
        return Attempt(self.mass.theta_E, self.verdict)

    def estimate(self, name: str) -> Estimate:
        """One parameter with its uncertainty."""
        return Estimate(**self.parameters[name])


@dataclass(frozen=True)
class History:
    """The rounds of one lens, and whether a person should look.

    Attributes
    ----------
    rounds : tuple of Round
        In order; empty if the lens could not be fitted.
    reasons : tuple of str
        Why a person should look; empty if none needs to.
    problem : str
        Name of a flag of `lensfinder.errors.FIT_STATUS` if a fit could not be made.
    """

    rounds: tuple[Round, ...]
    reasons: tuple[str, ...]
    problem: str = ""

    @property
    def needs_a_person(self) -> bool:
        """Whether there is a reason."""
        return bool(self.reasons)

    @property
    def last(self) -> Round | None:
        """The last round, if there is one."""
        return self.rounds[-1] if self.rounds else None

    @property
    def answer(self) -> Round | None:
        """The round whose mass stands.

        All rounds explain the same pixels. The solution stands for which the probability of being
        correct times the evidence is largest, the evidence to the power ``1 / WIDER**2`` as in the
        errors of a fit (`lensfinder.inversion.tops`). Of several rounds that found it about as
        well, the first without problems of its own: later ones know less, for their flat priors
        about it have forgotten what the first prior said of shapes and centres.
        """
        best = max(self.rounds, key=_standing, default=None)
        return next((found for found in self.rounds if _confirmed(found, best)), best)


def fingerprint(*arrays, **facts) -> str:
    """A name for all that the rounds of a lens depend on.

    Parameters
    ----------
    *arrays : array or None
        Image, noise and PSF.
    **facts : object
        Plain values.

    Returns
    -------
    str
        Hexadecimal digits of a SHA-256 sum.
    """
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for array in arrays:
        values = np.asarray(np.nan if array is None else array, dtype=np.float64)
        digest.update(repr(values.shape).encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


class Rounds:
    """The rounds of one lens in a folder, or in memory.

    Parameters
    ----------
    folder : path-like or None
        Where to keep them; nowhere when None.
    identity : str
        From `fingerprint`.
    versions : dict of str to int
        Of the code that the rounds depend on, by what it does.

    Raises
    ------
    CheckpointError
        If the folder holds the rounds of another lens or another procedure, or another version of
        the code made them.
    """

    def __init__(self, folder, identity: str, *, versions: dict[str, int]):
        self.folder = None if folder is None else Path(folder)
        if self.folder is None:
            return
        place = self.folder / IDENTITY
        if place.exists():
            held = _read(place)
            _check_versions(self.folder, held.get("versions", {}), versions)
            if held.get("fingerprint") != identity:
                raise CheckpointError(
                    f"{self.folder} holds the rounds of another lens, or made with other settings. "
                    "Choose another output, or start over with --overwrite."
                )
        else:
            _write(place, json.dumps({"fingerprint": identity, "versions": versions}))

    def read(self, number: int) -> Round | None:
        """A round that is complete.

        Parameters
        ----------
        number : int
            Which.

        Returns
        -------
        Round or None
            None if it has not been written.

        Raises
        ------
        CheckpointError
            If the file is not what `write` writes.
        """
        place = None if self.folder is None else self._file(number)
        if place is None or not place.exists():
            return None
        try:
            return Round.model_validate(_read(place))
        except ValidationError as error:
            raise CheckpointError(
                f"{place} is not a round of this version. Start over with --overwrite."
            ) from error

    def write(self, record: Round) -> None:
        """Keep a round; the file is whole or absent.

        Parameters
        ----------
        record : Round
            A complete round.
        """
        if self.folder is not None:
            # not pydantic's JSON: it writes null for the infinite edges of a prior
            _write(self._file(record.number), json.dumps(record.model_dump(), indent=1))
            memory = self.fits(record.number)
            if memory.is_dir():  # of use only until the round was complete
                shutil.rmtree(memory)

    def fits(self, number: int) -> Path | None:
        """Folder in which the fit of a round keeps its evaluations; None without a folder."""
        return None if self.folder is None else self.folder / f"fit-{number}"

    def _file(self, number):
        return self.folder / f"round-{number}.json"


def _check_versions(folder, held, wanted):
    """Refuse rounds that older or newer code would not have made; 0 where none is written."""
    for name, version in wanted.items():
        found = held.get(name, 0)
        if found != version:
            raise CheckpointError(
                f"{folder} was begun by version {found} of the {name}; this is version {version}, "
                "whose results differ. Choose another output, or start over with --overwrite.",
                found=found,
                wanted=version,
            )


def _read(path) -> dict:
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged. Start over with --overwrite.") from error
    return found if isinstance(found, dict) else {}


def _write(path, text):
    write_atomically(path, lambda place: Path(place).write_text(text + "\n", encoding="utf-8"))


def _confirmed(record, best) -> bool:
    """Whether a round found what the best found, called the same, and fitted about as well."""
    same = abs(record.mass.theta_E / best.mass.theta_E - 1.0) <= OTHER
    near = record.log_evidence > best.log_evidence - RIVAL
    alike = record.verdict == best.verdict and {*record.problems} <= {*best.problems}
    return same and near and alike


def _standing(record):
    """How much speaks for a round, as a logarithm; what is compared."""
    correct = record.probabilities[SOLUTIONS.index(CORRECT)]
    score = float(np.log(np.clip(correct, DOUBT, 1.0))) + record.log_evidence / WIDER**2
    return score, record.number  # the later one where they are equal
