"""What else looks at cleaned images: labels are compared, scores explained, none cleaned twice."""

import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from lensfinder import cli, zoo
from lensfinder.clean import clean
from lensfinder.data import Assume
from lensfinder.errors import ArgumentError, PresetError
from lensfinder.evaluate import evaluate
from lensfinder.explain import explain
from lensfinder.find import find
from lensfinder.predict import Fitting, OwnNetwork
from tests import tiny
from tests.test_clean import save
from tests.test_front_end import own_cleaner


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    place = tmp_path_factory.mktemp("stages")
    return {
        "cleaner": save(place, "cleaner"),
        "denoiser": save(place, "denoiser", targets=("S2",)),
        "deblender": save(place, "deblender", targets=("S3",)),
        "finder": tiny.save(place, "finder"),
        "modeller": tiny.save(place, "modeller", targets=("theta_E", "e1", "e2")),
    }


@pytest.fixture(scope="module")
def dimmer():
    """A cleaner whose images are not those it was given, so that it matters who sees what."""
    agreed = tiny.contract()
    return OwnNetwork(own_cleaner(), "cleaner", agreed, targets=("S2", "S3"), name="dimmer")


def test_labelled_images_are_measured_behind_a_cleaner(presets, dimmer, tmp_path):
    shown, finder = tiny.images(12), presets["finder"]
    labels = tmp_path / "labels.csv"
    labels.write_text("id,label\n" + "".join(f"{i},{i % 2}\n" for i in range(12)))
    given = {"images": shown, "labels": labels}
    found = evaluate(finder, clean=dimmer, **given)
    assert found["data"]["cleaner"] == "dimmer"
    scores = np.array(find(shown, preset=finder, clean=dimmer)["p_lens"], float)
    expected = -np.nanmean(np.log(np.where(np.arange(12) % 2, scores, 1 - scores)))
    assert found["finder"]["log_loss"] == pytest.approx(expected, rel=1e-4)
    bare = evaluate(finder, **given)
    assert "cleaner" not in bare["data"]
    assert bare["finder"]["log_loss"] != pytest.approx(expected, rel=1e-3)
    assert evaluate(finder, clean=False, **given)["finder"] == bare["finder"]
    with pytest.raises(PresetError, match="modeller"):
        evaluate(finder, clean=presets["modeller"], **given)
    with pytest.raises(ArgumentError, match="Mocks are cleaned by a preset"):
        evaluate(finder, 20, population="finder-test", clean=dimmer)


def test_what_a_finder_sees_in_a_cleaned_image_is_explained(presets, dimmer, tmp_path):
    shown, finder = tiny.images(2), presets["finder"]
    shown["vis"][1, 3, 3] = np.nan
    given = {"samples": 60, "regions": 20, "seeds": 1, "check": False}
    table = explain(shown, preset=finder, clean=dimmer, output=tmp_path / "out", **given)
    assert table.meta["settings"]["fill"] == "sky", "there is no galaxy to fill with"
    assert explain(shown, preset=finder, **given).meta["settings"]["fill"] == "galaxy"
    given["fill"] = "sky"
    scores = find(shown, preset=finder, clean=dimmer)
    assert list(table["status"]) == list(scores["status"]) == ["ok", "nan_pixels"]
    np.testing.assert_allclose(table["p_lens"], scores["p_lens"], rtol=1e-5)
    assert "--clean '<dimmer>'" in table.meta["command"]
    assert (tmp_path / "out" / "report.html").is_file()
    dimmed = explain({"vis": 0.5 * shown["vis"]}, preset=finder, **given)
    bare = explain(shown, preset=finder, **given)
    np.testing.assert_allclose(table["lens1_weight"], dimmed["lens1_weight"], rtol=1e-3)
    assert abs(table["lens1_weight"][0] / bare["lens1_weight"][0] - 1) > 1e-2
    with pytest.raises(PresetError, match="one input contract"):
        explain(shown, preset=finder, clean=True, output=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_cleaned_image_is_not_cleaned_again(presets, tmp_path):
    shown, finder, cleaner = tiny.images(3), presets["finder"], presets["cleaner"]
    clean(shown, tmp_path / "once", preset=cleaner)
    files = sorted((tmp_path / "once").glob("*.fits"))
    table = clean(files, tmp_path / "twice", preset=cleaner)
    assert set(table["status"]) == {"already_cleaned"}
    assert not list((tmp_path / "twice").glob("*.fits"))
    for verb in (find, explain):
        again = verb(files, preset=finder, clean=cleaner)
        assert set(again["status"]) == {"already_cleaned"}
        assert np.isnan(again["p_lens"]).all()
    assumed = find(shown, preset=finder, clean=cleaner, fitting=Fitting(assume=Assume(plane="S3")))
    assert set(assumed["status"]) == {"already_cleaned"}


def test_a_deblender_of_noiseless_images_needs_its_denoiser(presets, tmp_path):
    whole = zoo.open_preset(presets["deblender"])
    place = tmp_path / "deblender"
    zoo.save_preset(
        place,
        whole.load(),
        builder=whole.config.builder,
        arguments=whole.config.arguments,
        task="cleaner",
        targets=whole.targets,
        contract=whole.contract,
        metrics={},
        card="For tests.",
        plane="S2",
    )
    shown = tiny.images(2)
    with pytest.raises(PresetError, match="noiseless images"):
        clean(shown, tmp_path / "out", preset=str(place))
    table = clean(shown, tmp_path / "out", preset=str(place), denoiser=presets["denoiser"])
    assert set(table["status"]) == {"ok"}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(["--clean", "none"], {"clean": False}), (["--clean", "x/y"], {"clean": "x/y"}), ([], {})],
)
def test_the_command_line_says_which_cleaner_or_none(typed, meant, monkeypatch):
    seen = []

    def noted(preset, **given):
        seen.append({name: value for name, value in given.items() if name == "clean"})
        return {}

    monkeypatch.setattr(sys.modules["lensfinder.evaluate"], "evaluate", noted)
    done = CliRunner().invoke(cli.app, ["evaluate", "vib-detect/lsst-gri-10yr", *typed])
    assert done.exit_code == 0, done.output
    assert seen == [meant]
