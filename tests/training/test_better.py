"""Which of two networks is better, by which figure, and on which objects."""

import copy
from types import SimpleNamespace

import pytest

from lensfinder.errors import PresetError
from lensfinder.training.better import against, compare, same_sample


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


@pytest.mark.parametrize("digest", ["other", None])
def test_an_old_preset_measured_elsewhere_is_measured_again(digest):
    asked = []

    def remeasure(old):
        asked.append(old)
        return finder(0.8)

    old = preset(finder(0.6), digest)
    found = against(preset(finder(0.7), "mine"), old, remeasure=remeasure)
    assert asked == [old]
    assert (found.old, found.better, found.measured_again) == (0.8, False, True)
    assert "measured again" in found.words()
    # the control: on the same objects its own figures count
    found = against(preset(finder(0.7), "mine"), preset(finder(0.6), "mine"), remeasure=remeasure)
    assert asked == [old]
    assert (found.old, found.better, found.measured_again) == (0.6, True, False)
    with pytest.raises(PresetError, match="is a modeller, the new one a finder"):
        against(preset(finder(0.7), "mine"), preset({}, None, "modeller"), remeasure=remeasure)


def test_pairs_are_the_same_if_their_specification_is():
    one = {**auditor(0.9), "data": {"pairs": {"seed": 1}, "n": 5}}
    other = copy.deepcopy(one)
    assert same_sample(one, other)
    other["data"]["pairs"]["seed"] = 2
    assert not same_sample(one, other)
