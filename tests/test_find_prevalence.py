"""Finding with the prevalence of a survey: probabilities change, ranks do not."""

import numpy as np
import pytest
from typer.testing import CliRunner

from lensfinder import cli, zoo
from lensfinder.errors import ArgumentError, PresetError
from lensfinder.find import find
from lensfinder.training.calibrate import calibrate
from lensfinder.training.calibration import unchanged
from lensfinder.zoo.calibration import Temperature, at_prevalence
from tests import tiny

CALIBRATION = Temperature(temperature=0.1, bias=0.2, prevalence=0.4, objects=1000)


@pytest.fixture(scope="module")
def finders(tmp_path_factory):
    """A finder without calibration, and the same with one."""
    folder = tmp_path_factory.mktemp("finders")
    plain = zoo.open_preset(tiny.save(folder))
    config = plain.config
    zoo.save_preset(
        folder / "calibrated",
        plain.load(),
        builder=config.builder,
        arguments=config.arguments,
        task="finder",
        targets=None,
        contract=plain.contract,
        metrics=plain.metrics,
        card=plain.card,
        calibration=CALIBRATION,
    )
    return str(plain.folder), str(folder / "calibrated")


def test_the_posterior_is_bayes_and_the_ranks_stay(finders):
    plain, calibrated = finders
    images = tiny.images(20)
    images["vis"][4, 3, 3] = np.nan
    raw = find(images, preset=plain)
    found = find(images, preset=calibrated)
    rare = find(images, preset=calibrated, prevalence=1e-3)
    # float32 of a probability, and of the logit it was made from
    np.testing.assert_allclose(found["p_lens"], CALIBRATION.apply(raw["p_lens"]), rtol=2e-5, atol=0)
    expected = at_prevalence(found["p_lens"], trained=0.4, wanted=1e-3)
    np.testing.assert_allclose(rare["p_lens"], expected, rtol=1e-6, atol=0)
    np.testing.assert_array_equal(rare["rank"], found["rank"])
    assert np.isnan(rare["p_lens"][4])
    assert rare["status"][4] == "nan_pixels"
    good = np.isfinite(found["p_lens"])
    assert (rare["p_lens"][good] < 0.5 * found["p_lens"][good]).all()
    assert "--prevalence 0.001" in rare.meta["command"]
    same = find(images, preset=calibrated, prevalence=0.4)
    np.testing.assert_allclose(same["p_lens"], found["p_lens"], rtol=1e-6, atol=0)


def test_the_command_line_takes_it_too(finders, tmp_path):
    from lensfinder.data import write_cutouts
    from lensfinder.specs import load_survey

    survey, agreed = load_survey("euclid-vis"), tiny.contract(stamp=57)
    stamps = tiny.images(2, agreed)
    write_cutouts(tmp_path / "images", ["a", "b"], stamps, survey)
    options = ["--preset", finders[0], "--prevalence", "0.001", "-o", str(tmp_path / "c.ecsv")]
    done = CliRunner().invoke(cli.app, ["find", str(tmp_path / "images"), *options])
    assert done.exit_code == 2
    assert "is not calibrated" in done.stderr
    assert not (tmp_path / "c.ecsv").exists()


def test_what_cannot_be_shifted_is_refused_before_anything_is_read(finders):
    plain, calibrated = finders
    with pytest.raises(PresetError, match="is not calibrated.*leave the prevalence away"):
        find(tiny.images(1), preset=plain, prevalence=1e-3)
    for wrong in (0, 1, 1000):
        with pytest.raises(ArgumentError, match="between 0 and 1"):
            find(tiny.images(1), preset=calibrated, prevalence=wrong)


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        (
            {"adapted_from": {"name": "x/y"}, "uncalibrated": "there were answers to 8 lenses"},
            ["there were answers to 8 lenses", "`lensfinder adapt`", "20 lenses and 20 others"],
        ),
        ({"adapted_from": {"name": "x/y"}}, ["`lensfinder adapt`"]),
        (
            {"training": {"recipe": {"validation": {"seed": 1}}}, "data": {"n": 9}},
            ["python -m lensfinder.training.zoo {folder} --calibrate"],
        ),
        ({"finder": {"roc_auc": 0.5}}, ["training.calibration.fit", "save_preset"]),
    ],
)
def test_the_remedy_is_one_that_works_for_the_preset(tmp_path, metrics, words):
    folder = tiny.save(tmp_path, metrics=metrics)
    with pytest.raises(PresetError, match="leave the prevalence away") as caught:
        find(tiny.images(1), preset=folder, prevalence=1e-3)
    for each in words:
        assert each.format(folder=folder) in str(caught.value)
    works = "data" in metrics
    assert ("--calibrate" in str(caught.value)) == works
    if "adapted_from" in metrics:
        with pytest.raises(PresetError, match="Adapt its base again"):
            calibrate(folder)


def test_scores_that_are_right_already_can_be_shifted_too(tmp_path):
    plain = tiny.save(tmp_path)
    left = unchanged([0, 1, 1, 0, 0])
    same = tiny.save(tmp_path / "calibrated", calibration=left)
    raw, found = (find(tiny.images(20), preset=preset) for preset in (plain, same))
    # float32 of a probability, and of the logit it was made from
    np.testing.assert_allclose(found["p_lens"], raw["p_lens"], rtol=2e-5, atol=0)
    rare = find(tiny.images(20), preset=same, prevalence=1e-3)
    expected = at_prevalence(found["p_lens"], trained=0.4, wanted=1e-3)
    np.testing.assert_allclose(rare["p_lens"], expected, rtol=1e-6, atol=0)
