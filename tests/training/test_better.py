"""Which of two networks is better, by which figure, and on which objects."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest

from lensfinder.errors import InputContractError, PresetError
from lensfinder.training.better import against, compare, compare_answers, same_sample
from lensfinder.training.bootstrap import bootstrap
from lensfinder.training.metrics import tpr_at_fpr
from lensfinder.training.paired import Answers, paired_difference


def finder(rare, auc=0.9):
    return {"finder": {"tpr_at_fpr_0.001": rare, "roc_auc": auc}}


def modeller(**rms):
    rms |= {"ellipticity": 0.3, "orientation": 0.3} if "e2" in rms else {}
    rows = {name: {"rms": value, "rms_constant": 0.5} for name, value in rms.items()}
    return {"modeller": {"objects": 5, "parameters": rows}}


def cleaner(**psnr):
    planes = {name: {"psnr": value} for name, value in psnr.items()}
    return {"cleaner": {"objects": 5, **planes}}


def auditor(accuracy):
    return {"auditor": {"accuracy": accuracy}}


@pytest.mark.parametrize(
    ("new", "old", "figure", "values", "better"),
    [
        (finder(0.7), finder(0.6, auc=0.99), "FPR 1e-3", (0.7, 0.6), True),
        (finder(None, 0.91), finder(0.6, 0.9), "ROC AUC", (0.91, 0.9), True),
        (finder(0.6), finder(0.6), "FPR 1e-3", (0.6, 0.6), False),
        (modeller(theta_E=0.1, e1=0.2), modeller(theta_E=0.3, e1=0.1), "RMS", (0.3, 0.4), True),
        (modeller(e1=0.1, e2=0.1), modeller(e1=0.2, e2=0.2), "RMS", (0.2, 0.4), True),
        (modeller(theta_E=0.2), modeller(theta_E=0.1, q=0.4), "RMS", (0.4, 0.2), False),
        (cleaner(S2=60.0, S3=20.0), cleaner(S2=50.0, S3=25.0), "PSNR", (40.0, 37.5), True),
        (auditor(0.98), auditor(0.99), "accuracy", (0.98, 0.99), False),
    ],
)
def test_each_task_has_its_figure(new, old, figure, values, better):
    found = compare(new, old)
    assert figure in found.figure
    assert (found.new, found.old) == pytest.approx(values)
    assert found.better is better
    assert compare(old, new).better is (not better and found.new != found.old)
    assert f"{values[0]:.5g}" in found.words()
    assert f"before {values[1]:.5g}" in found.words()


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (finder(0.7), modeller(theta_E=0.1)),
        (modeller(theta_E=0.1), modeller(q=0.1)),
        (cleaner(S2=1.0), cleaner(S3=1.0)),
    ],
)
def test_what_cannot_be_compared_says_what_to_do(new, old):
    with pytest.raises(PresetError, match="Give one"):
        compare(new, old)


def preset(figures, digest, task="finder"):
    metrics = {**figures, "data": {"n": 5}, **({"sample_sha256": digest} if digest else {})}
    return SimpleNamespace(name="a/b", task=task, metrics=metrics)


def scores(seed, sharpness, noise=0.0):
    """A finder's answers about the same 4,000 objects, half lenses; with noise of its own."""
    rng = np.random.default_rng(1)
    label = np.arange(4000) % 2
    score = sharpness * label + rng.normal(size=4000)
    score += noise * np.random.default_rng(seed).normal(size=4000)
    return Answers("finder", {"score": score}, {"label": label})


@pytest.mark.parametrize("digest", ["other", None, "mine"])
def test_both_answer_about_the_new_ones_objects(digest):
    asked = []
    new, old = preset(finder(0.7), "mine"), preset(finder(0.9), digest)

    def answers(which):
        asked.append(which)
        return scores(0, 3.0 if which is new else 2.0)

    found = against(new, old, answers=answers)
    assert asked == [new, old]
    assert found.better, "whatever was written about the old one"
    assert found.probability == 1.0
    assert f"± {found.error:.2g} on the same objects" in found.words()
    assert found.facts()["difference"] == found.new - found.old > 2 * found.error
    with pytest.raises(PresetError, match="is a modeller, the new one a finder"):
        against(new, preset({}, None, "modeller"), answers=answers)


def test_a_difference_by_chance_replaces_nothing():
    """Two networks that are as good as each other, apart from noise: one of them has luck."""
    pairs = [(scores(seed, 2.0, 0.3), scores(seed + 100, 2.0, 0.3)) for seed in range(12)]
    luck = [compare_answers(new, old) for new, old in pairs]
    ahead = [verdict for verdict in luck if verdict.new > verdict.old]
    assert len(ahead) >= 3, "a bare comparison would have replaced these"
    assert sum(verdict.better for verdict in ahead) <= 2  # 12 x 0.05 are expected
    lucky = next(verdict for verdict in ahead if not verdict.better)
    assert "not better beyond chance" in lucky.words()
    assert "(0.95 is asked for)" in lucky.words()
    # the control: a network that is better by as little as this is told from chance, being paired
    new, old = scores(0, 2.1), scores(0, 2.0)
    verdict = compare_answers(new, old)
    assert verdict.better
    assert verdict.figure == "completeness at FPR 1e-3"
    label = old.truth["label"]
    alone = bootstrap(
        lambda label, score: tpr_at_fpr(label, score, 1e-3),
        label, old.values["score"], rng=np.random.default_rng(2), strata=label,
    )  # fmt: skip
    assert verdict.error < 0.7 * alone["std"]
    assert verdict == compare_answers(new, old), "seeded"


def test_an_old_preset_that_cannot_answer_is_judged_by_what_was_written():
    def answers(which):
        if which.metrics["finder"]["tpr_at_fpr_0.001"] == 0.6:
            raise InputContractError("other bands")
        return scores(0, 2.0)

    new = preset(finder(0.7), "mine")
    found = against(new, preset(finder(0.6), "mine"), answers=answers)
    assert (found.better, found.probability, found.error) == (True, None, None)
    assert "without an error" in found.words()
    with pytest.raises(InputContractError, match="other bands"):
        against(new, preset(finder(0.6), "other"), answers=answers)
    # and so it is where the objects cannot be had
    assert against(new, preset(finder(0.6), "mine"), answers=None).better
    with pytest.raises(PresetError, match="other objects"):
        against(new, preset(finder(0.6), "other"), answers=None)


def test_every_task_has_its_figure_of_answers():
    rng = np.random.default_rng(3)
    truth = {name: rng.normal(size=200) for name in ("theta_E", "e1")}
    errors = {name: 0.1 * rng.normal(size=200) for name in truth}
    good = Answers("modeller", errors, truth)
    bad = Answers("modeller", {"theta_E": 3 * errors["theta_E"]}, {"theta_E": truth["theta_E"]})
    found = paired_difference(good, bad)
    rms = np.sqrt(np.mean(errors["theta_E"] ** 2)) / truth["theta_E"].std()
    assert (found.new, found.old) == pytest.approx((rms, 3 * rms)), "of what both predict"
    assert found.probability == 1.0
    assert paired_difference(bad, good).probability == 0.0
    assert paired_difference(good, good).probability == 0.5, "no difference in any draw"

    psnr = {"S2": 40 + rng.normal(size=200), "S3": 20 + rng.normal(size=200)}
    worse = {"S2": psnr["S2"] - 0.1, "S3": psnr["S3"]}
    found = paired_difference(Answers("cleaner", psnr, {}), Answers("cleaner", worse, {}))
    assert found.new - found.old == pytest.approx(0.05)
    assert found.probability == 1.0
    assert found.error < 1e-9, "the same step at every object"

    right = np.r_[np.ones(190), np.zeros(10)]
    one = right.copy()
    one[:1] = 0
    found = paired_difference(
        Answers("auditor", {"right": right}, {}), Answers("auditor", {"right": one}, {})
    )
    assert found.new == pytest.approx(0.95)
    assert 0.5 < found.probability < 0.95, "one object in 200"


def test_few_non_lenses_are_compared_by_their_ranking():
    label = np.arange(100) % 2
    score = label + np.random.default_rng(4).normal(size=100)
    answers = Answers("finder", {"score": score}, {"label": label})
    assert paired_difference(answers, answers).figure == "ROC AUC"


@pytest.mark.parametrize(
    ("old", "words"),
    [
        (Answers("cleaner", {"S2": np.ones(4)}, {}), "of a finder and of a cleaner"),
        (Answers("finder", {"score": np.ones(3)}, {"label": np.array([0, 1, 0])}), "different obj"),
        (Answers("finder", {"score": np.ones(4)}, {"label": np.ones(4)}), "different objects"),
        (Answers("finder", {"other": np.ones(4)}, {"label": np.arange(4) % 2}), "in common"),
    ],
)
def test_answers_that_cannot_be_compared_say_what_to_do(old, words):
    new = Answers("finder", {"score": np.arange(4.0)}, {"label": np.arange(4) % 2})
    with pytest.raises(PresetError, match=words):
        paired_difference(new, old)


def test_pairs_are_the_same_if_their_specification_is():
    one = {**auditor(0.9), "data": {"pairs": {"seed": 1}, "n": 5}}
    other = copy.deepcopy(one)
    assert same_sample(one, other)
    other["data"]["pairs"]["seed"] = 2
    assert not same_sample(one, other)
