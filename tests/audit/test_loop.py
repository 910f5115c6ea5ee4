"""The rounds of one lens: where they lead, when a person is asked, and that they can be resumed."""

from dataclasses import replace

import numpy as np
import pytest

from lensfinder.audit import Classifier, Procedure, audit_lens, classifier_of, loop
from lensfinder.audit.loop import GRAVE, Opinion, doubts
from lensfinder.errors import CheckpointError, FitError, MaskError
from lensfinder.inversion import MassPrior, load_relation
from tests.audit.lenses import TRUTH, Fitter, fitted, to_audit

PARITY = classifier_of("parity")


def procedure(**terms):
    """The paper's relation, and some terms."""
    return Procedure(relation=load_relation("maresca2021"), **terms)


def always(verdict):
    """A classifier that never changes its mind."""
    answer = np.eye(3)[["under", "correct", "over"].index(verdict)][None]
    return Classifier(f"always {verdict}", 16, lambda images: answer)


def test_a_radius_that_the_data_leave_open_is_for_a_person():
    def loose(*args, **kwargs):
        found = fitted(1.0, MassPrior())
        wide = replace(found.parameters["theta_E"], std=0.06 * found.mass.theta_E)
        object.__setattr__(found, "parameters", found.parameters | {"theta_E": wide})
        return found

    history = audit_lens(to_audit(), procedure(), classifier=PARITY, fit=loose)
    assert history.last.verdict == "correct"
    assert history.reasons == (f"theta_E is vague: {TRUTH.theta_E:.2f} +- 0.06 arcsec",)


@pytest.mark.parametrize(
    ("start", "first"), [(0.42, "under"), (1.0, "correct"), (2.3, "over")], ids=str
)
def test_every_solution_ends_at_the_true_one(start, first):
    history = audit_lens(to_audit(), procedure(), classifier=PARITY, fit=Fitter(start))
    verdicts = [record.verdict for record in history.rounds]
    assert verdicts[0] == first
    assert verdicts[-2:] == ["correct", "correct"]
    assert history.last.action == "done"
    assert not history.needs_a_person
    assert history.last.mass.theta_E == TRUTH.theta_E


def test_a_fit_that_does_not_move_is_for_a_person():
    fitter = Fitter(0.42)
    history = audit_lens(to_audit(), procedure(), classifier=always("under"), fit=fitter)
    assert len(fitter.calls) == 2
    assert history.last.action == "person"
    assert "under-magnified again" in history.reasons[0]


def test_rounds_run_out():
    history = audit_lens(to_audit(), procedure(rounds=0), classifier=PARITY, fit=Fitter(0.42))
    assert len(history.rounds) == 1
    assert history.needs_a_person
    assert "still under-magnified after 0 refits" in history.reasons


def test_a_verdict_that_the_second_opinion_denies_is_for_a_person():
    history = audit_lens(
        to_audit(), procedure(rounds=0), classifier=always("correct"), fit=Fitter(0.42)
    )
    assert history.last.verdict == "correct"
    assert history.last.opinion == "under"
    assert any("copy of the image" in reason for reason in history.reasons)
    calm = audit_lens(to_audit(), procedure(), classifier=always("correct"), fit=Fitter(1.0))
    assert not calm.needs_a_person


def test_doubts_about_a_probability():
    assert doubts([0.2, 0.5, 0.3], None) == ["the classifier is not sure: p = 0.50"]
    assert doubts([0.0, 1.0, 0.0], Opinion("correct", 0.3)) == []


def test_a_correct_fit_is_made_again_more_tightly_and_seeds_differ():
    fitter = Fitter(0.42)
    audit_lens(to_audit(row=4), procedure(seed=7), classifier=PARITY, fit=fitter)
    first, second, third = fitter.calls
    assert first["prior"] is None
    assert second["tolerance"] == first["tolerance"] > third["tolerance"]
    assert third["prior"].e1.prior == "uniform"
    assert second["prior"].e1.prior == "normal"
    assert len({call["seed"] for call in fitter.calls}) == 3
    again = Fitter(0.42)
    audit_lens(to_audit(row=4), procedure(seed=7), classifier=PARITY, fit=again)
    assert [c["seed"] for c in again.calls] == [c["seed"] for c in fitter.calls]
    other = Fitter(0.42)
    audit_lens(to_audit(row=5), procedure(seed=7), classifier=PARITY, fit=other)
    assert other.calls[0]["seed"] != fitter.calls[0]["seed"]


def test_doubtful_fits_are_for_a_person():
    def poor(*args, **kwargs):
        found = fitted(1.0, MassPrior())
        object.__setattr__(found, "status", ("poor_fit", "strength_at_limit"))
        return found

    history = audit_lens(to_audit(), procedure(), classifier=PARITY, fit=poor)
    assert history.reasons == (
        "chi^2 per degree of freedom exceeds 1.3",
        "the data do not tell how smooth the source is",
    )


@pytest.mark.parametrize(
    ("error", "problem"), [(FitError("no"), "no_model"), (MaskError("no arc"), "no_arc")]
)
def test_a_lens_that_cannot_be_fitted_is_for_a_person(error, problem):
    def fails(*args, **kwargs):
        raise error

    history = audit_lens(to_audit(), procedure(), classifier=PARITY, fit=fails)
    assert history.rounds == ()
    assert history.problem == problem
    assert history.needs_a_person


@pytest.mark.slow
def test_a_real_fit_goes_round(tmp_path):
    # theta_E below 0.48: the under-magnified solution is all that the first fit can find
    prior = MassPrior().uniform("theta_E", 0.2, 0.48).fixed(x=0.0, y=0.0)
    history = audit_lens(
        to_audit(prior=prior), procedure(rounds=1), classifier=PARITY, folder=tmp_path
    )
    first, second = history.rounds
    assert (first.verdict, second.verdict) == ("under", "correct")
    assert second.mass.theta_E == pytest.approx(TRUTH.theta_E, abs=0.02)


@pytest.mark.slow
def test_a_fit_pressed_against_its_prior_is_for_a_person(tmp_path):
    # the truth lies outside: the state of the fit tells
    prior = MassPrior().uniform("theta_E", 0.8, 0.95).fixed(x=0.0, y=0.0)
    history = audit_lens(
        to_audit(prior=prior), procedure(rounds=0), classifier=PARITY, folder=tmp_path
    )
    assert history.last.mass.theta_E < 0.95 < TRUTH.theta_E
    assert set(history.last.problems) & set(GRAVE)
    assert history.needs_a_person


class Killed(BaseException):
    """The process ends."""


def test_a_killed_audit_goes_on_to_the_same_result(tmp_path):
    whole = audit_lens(
        to_audit(), procedure(), classifier=PARITY, fit=Fitter(0.42), folder=tmp_path / "whole"
    )

    def kill(record, fit, images):
        if record.number == 1:
            raise Killed

    fitter = Fitter(0.42)
    with pytest.raises(Killed):
        audit_lens(
            to_audit(),
            procedure(),
            classifier=PARITY,
            fit=fitter,
            folder=tmp_path / "killed",
            watch=kill,
        )
    assert len(fitter.calls) == 2
    told = []
    resumed = audit_lens(
        to_audit(),
        procedure(),
        classifier=PARITY,
        fit=fitter,
        folder=tmp_path / "killed",
        watch=lambda record, fit, images: told.append(record.number),
    )
    assert told == [1, 2]  # round 0 was kept, round 1 was not
    assert resumed.reasons == whole.reasons
    for mine, other in zip(resumed.rounds, whole.rounds, strict=True):
        assert repr(mine) == repr(other)
    names = sorted(path.name for path in (tmp_path / "killed").iterdir())
    assert names == ["lens.json", "round-0.json", "round-1.json", "round-2.json"]
    untouched = Fitter(0.42)
    audit_lens(
        to_audit(), procedure(), classifier=PARITY, fit=untouched, folder=tmp_path / "killed"
    )
    assert untouched.calls == []


def test_a_folder_of_another_audit_is_refused(tmp_path):
    audit_lens(to_audit(), procedure(rounds=0), classifier=PARITY, fit=Fitter(1.0), folder=tmp_path)
    for lens, terms, classifier in (
        (to_audit(prior=MassPrior()), procedure(), PARITY),
        (to_audit(), procedure(seed=1), PARITY),
        (to_audit(), procedure(power_law=True), PARITY),
        (to_audit(), procedure(), always("correct")),
    ):
        with pytest.raises(CheckpointError, match="--overwrite"):
            audit_lens(lens, terms, classifier=classifier, fit=Fitter(1.0), folder=tmp_path)
    more = audit_lens(
        to_audit(), procedure(rounds=3), classifier=PARITY, fit=Fitter(1.0), folder=tmp_path
    )
    assert len(more.rounds) == 2  # more rounds go on from there


@pytest.mark.parametrize("name", ["FIT_VERSION", "AUDIT_VERSION"])
def test_rounds_of_another_version_are_refused(tmp_path, monkeypatch, name):
    known = dict(classifier=PARITY, fit=Fitter(1.0), folder=tmp_path)
    audit_lens(to_audit(), procedure(rounds=0), **known)
    before = getattr(loop, name)
    monkeypatch.setattr(loop, name, before + 1)
    with pytest.raises(CheckpointError, match=rf"begun by version {before} of the .*--overwrite"):
        audit_lens(to_audit(), procedure(), **known)
    (tmp_path / "lens.json").write_text('{"fingerprint": "of old"}')
    with pytest.raises(CheckpointError, match="version 0"):
        audit_lens(to_audit(), procedure(), **known)


def test_a_damaged_round_is_named(tmp_path):
    audit_lens(to_audit(), procedure(rounds=0), classifier=PARITY, fit=Fitter(1.0), folder=tmp_path)
    (tmp_path / "round-0.json").write_text("{}")
    with pytest.raises(CheckpointError, match="round-0"):
        audit_lens(
            to_audit(), procedure(rounds=0), classifier=PARITY, fit=Fitter(1.0), folder=tmp_path
        )


def test_of_rounds_that_ended_badly_the_best_stands():
    history = audit_lens(to_audit(), procedure(), classifier=PARITY, fit=Fitter(1.0))
    (right, *_) = history.rounds
    wrong = right.model_copy(update={"probabilities": (0.0, 0.0, 1.0), "number": 1})

    def after(*rounds):
        return replace(history, rounds=rounds)

    assert after(right, wrong).answer is right, "the last one that was called correct"
    again = right.model_copy(update={"log_evidence": right.log_evidence + 3.0, "number": 1})
    assert after(right, again).answer is right, "a refit confirms it, and forgets the first prior"
    moved = again.mass.model_copy(update={"theta_E": 1.2})
    other = again.model_copy(update={"mass": moved})
    near = right.mass.model_copy(update={"theta_E": 1.08 * right.mass.theta_E})
    found = {"log_evidence": right.log_evidence + 100.0, "number": 1, "mass": near}
    climbed = right.model_copy(update=found)
    assert after(right, climbed).answer is climbed, "near it, and far higher"
    assert after(right, other).answer is other, "another radius"
    worse = right.model_copy(update={"problems": ("not_settled",)})
    assert after(worse, again).answer is again, "the first did not settle"
    words = {"log_evidence": wrong.log_evidence + 1.0, "number": 2, "mass": moved}
    better = wrong.model_copy(update=words)
    assert after(wrong, better, wrong).answer is better, "none was: the largest evidence"
    assert after(better, right, wrong).answer is right, "called correct, though of less evidence"
    best = wrong.model_copy(update={"log_evidence": wrong.log_evidence + 50.0, "number": 3})
    assert after(best, right).answer is best, "the evidence is surer than any classifier"
    assert after().answer is None


def test_rounds_by_other_weights_are_not_gone_on_with(tmp_path):
    before = Classifier("net", predict=lambda images: [[0.1, 0.8, 0.1]], fingerprint="1")
    after = Classifier("net", predict=lambda images: [[0.1, 0.8, 0.1]], fingerprint="2")
    known = dict(fit=Fitter(0.42), folder=tmp_path)
    audit_lens(to_audit(), procedure(rounds=0), classifier=before, **known)
    with pytest.raises(CheckpointError):
        audit_lens(to_audit(), procedure(rounds=0), classifier=after, **known)


def test_a_person_is_told_that_another_round_stands():
    class Worse(Fitter):
        """Every fit explains the image worse than the one before."""

        def __call__(self, *args, **kwargs):
            found = super().__call__(*args, **kwargs)
            return replace(found, log_evidence=-100.0 * len(self.calls))

    history = audit_lens(to_audit(), procedure(), classifier=always("correct"), fit=Worse(1.0))
    assert history.answer.number == 0
    same = [reason for reason in history.reasons if "stands" in reason]
    assert not same, "the radius is the same"
    moved = audit_lens(to_audit(), procedure(), classifier=always("under"), fit=Worse(0.42))
    assert moved.answer.number == 0
    assert moved.last.mass.theta_E > 1.1 * moved.answer.mass.theta_E
    assert any("round 0 with 0.42 arcsec stands" in reason for reason in moved.reasons)


def test_the_doubts_are_those_about_the_round_that_stands():
    history = audit_lens(to_audit(), procedure(), classifier=PARITY, fit=Fitter(1.0))
    good = history.rounds[-1]
    assert loop.reasons((good, good), 0.8) == ()
    higher = {"log_evidence": good.log_evidence + 50.0, "number": 0}
    poor = good.model_copy(update=higher | {"problems": ("poor_fit",)})
    assert any("chi" in reason for reason in loop.reasons((poor, good), 0.8))
    wrong = good.model_copy(update=higher | {"probabilities": (0.9, 0.1, 0.0)})
    told = loop.reasons((wrong, good), 0.8)
    assert any("round 0 stands, though called under-magnified" in reason for reason in told)
