"""Modellers that answer together, and the folds of a cross-validation as such an ensemble."""

import json
import shutil

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from lensfinder import cli, find, model
from lensfinder.errors import CheckpointError, PresetError, RecipeError
from lensfinder.posterior import Posterior
from lensfinder.predict import Ensemble, Network, modeller_of, posterior_of
from lensfinder.tables import read_table
from lensfinder.training import cross_validate, fold_presets
from lensfinder.zoo import open_preset
from lensfinder.zoo.calibration import Spread
from tests import tiny
from tests.training.tiny_training import recipe

TARGETS = ("theta_E", "e1", "e2")


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """Two modellers with posteriors, of one and of two Gaussians."""
    folder = tmp_path_factory.mktemp("members")
    calibration = Spread(scales=(1, 1, 1), limits=(9, 9, 9), objects=200)
    terms = {"targets": TARGETS, "calibration": calibration}
    return [
        tiny.save(folder / name, "modeller", seed=seed, arguments={"components": count}, **terms)
        for name, seed, count in (("one", 1, 1), ("two", 2, 2))
    ]


def test_a_table_of_an_ensemble_has_the_spread_of_all(members, tmp_path):
    cutouts = tiny.cutouts(5)
    cutouts[2].bands["VIS"][3, 3] = np.nan
    table = model(cutouts, preset=members, output=tmp_path / "both.ecsv", batch_size=2)
    images = tiny.images(5)
    expected = posterior_of(members, images)
    good = [0, 1, 3, 4]
    for i, name in enumerate(TARGETS):
        np.testing.assert_allclose(table[name][good], expected.mean()[good, i], atol=1e-5)
        np.testing.assert_allclose(
            table[f"{name}_std"][good], expected.std()[good, i], rtol=1e-4, err_msg=name
        )
    alone = [model(tiny.cutouts(5), preset=each, report=False) for each in members]
    inner = np.mean([each["e1_std"] ** 2 for each in alone], axis=0)
    assert (table["e1_std"][good] ** 2 >= inner[good] * (1 - 1e-4)).all()
    assert table["status"][2] == "nan_pixels"
    assert np.isnan(table["theta_E_std"][2])
    assert "unsure" in alone[0].colnames
    assert "unsure" not in table.colnames
    assert table.meta["preset"] == " + ".join(each.meta["preset"] for each in alone)
    assert table.meta["command"].count("--preset") == 2
    assert (tmp_path / "both.report.html").exists()


def test_the_answer_is_a_posterior_of_all_components(members):
    together = Ensemble(members)
    batch = together.assembled(tiny.cutouts(3))
    values = together.answers(batch).values
    assert values.shape == (3, together.outputs)
    posterior = Posterior.of(values, TARGETS)
    assert posterior.weights.shape == (3, 3)
    np.testing.assert_allclose(posterior.weights.sum(axis=0), 1, rtol=1e-6)
    np.testing.assert_allclose(posterior.weights[0], 0.5, rtol=1e-6)  # the member of one Gaussian
    assert isinstance(modeller_of(members[:1]), Network)


def test_what_cannot_be_mixed_is_refused(members, tmp_path):
    values = tiny.save(tmp_path / "values", "modeller", targets=TARGETS)
    fewer = tiny.save(
        tmp_path / "fewer", "modeller", targets=TARGETS[:1], arguments={"components": 1}
    )
    finder = tiny.save(tmp_path / "finder", "finder")
    for others, words in (
        ([values], "without a posterior"),
        ([fewer], "predict the same targets"),
        ([finder], "Expected a modeller"),
        ([members[0]], "named twice"),
    ):
        with pytest.raises(PresetError, match=words):
            model(tiny.images(2), preset=[members[0], *others], output=tmp_path / "no.ecsv")
    with pytest.raises(PresetError, match="Name a modeller"):
        modeller_of([])
    with pytest.raises(PresetError, match="Name a modeller"):
        find(tiny.images(2), preset=finder, model=[])
    with pytest.raises(PresetError, match="named twice"):
        Ensemble([members[0], open_preset(members[0])])
    # of images in memory the same is refused, by the same rule
    for others, words in (([values], "no posterior"), ([fewer], "ensemble predict the same")):
        with pytest.raises(PresetError, match=words):
            posterior_of([members[0], *others], tiny.images(2))
    with pytest.raises(PresetError, match="Name a modeller"):
        posterior_of([], tiny.images(2))
    assert not (tmp_path / "no.ecsv").exists()


def test_the_command_line_takes_a_preset_more_than_once(members, tmp_path):
    images = tmp_path / "images.npz"
    np.savez(
        images, images=tiny.images(3)["vis"], bands=["VIS"], pixel_scale=0.1, unit="electron/s"
    )
    finder = tiny.save(tmp_path / "finder", "finder")
    words = ["model", str(images), "-o", str(tmp_path / "t.ecsv"), "--no-report"]
    done = CliRunner().invoke(cli.app, [*words, *(f"--preset={each}" for each in members)])
    assert done.exit_code == 0, done.output
    direct = model(str(images), preset=members, report=False)
    np.testing.assert_array_equal(read_table(tmp_path / "t.ecsv")["e2_p84"], direct["e2_p84"])
    words = ["find", str(images), "-o", str(tmp_path / "f.ecsv"), f"--preset={finder}"]
    words += ["--threshold", "0", *(f"--modeller={each}" for each in members)]
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 0, done.output
    found = read_table(tmp_path / "f.ecsv")
    np.testing.assert_allclose(found["theta_E_std"], direct["theta_E_std"], rtol=1e-5)
    again = find(str(images), preset=finder, threshold=0, model=members, report=False)
    np.testing.assert_array_equal(again["theta_E_std"], found["theta_E_std"])


# --- folds ----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    """A cross-validation of a modeller with posteriors, on mocks."""
    folder = tmp_path_factory.mktemp("folds")
    network = {"widths": [4, 4], "units": 8, "components": 1, "symmetric": True}
    given = recipe(
        folder,
        network={"name": "compact_modeller", "arguments": network},
        loss={"name": "posterior_nll"},
        data={"kind": "simulator", "population": "pearson2019-test", "seed": 1},
        validation={"population": "pearson2019-test", "seed": 8, "size": 8},
        test={"population": "pearson2019-test", "seed": 9, "size": 110},
        epochs=1,
    )
    return given, cross_validate(given, folder / "run", folds=2, objects=320)


def test_folds_become_presets_that_answer_together(folds):
    given, result = folds
    assert result.finished
    said = []
    presets = fold_presets(result.folder, note=said.append)
    assert [p.name for p in presets] == ["tiny-fold-00/tiny", "tiny-fold-01/tiny"]
    assert len(said) == 2
    for preset in presets:
        assert preset.config.calibration.objects >= 100  # what its fold was validated on
        assert preset.metrics["data"]["n"] == 110
    before = {p: p.stat().st_mtime_ns for p in (result.folder / "presets").rglob("*")}
    fold_presets(result.folder)
    assert before == {p: p.stat().st_mtime_ns for p in (result.folder / "presets").rglob("*")}
    images = np.random.default_rng(0).normal(0, 1, (3, 16, 16, 1)).astype(np.float32)
    table = model({"vis": images}, preset=presets, report=False)
    assert str(presets[1].folder) in table.meta["command"]
    assert np.isfinite(table["e1_std"]).all()
    assert given.preset == "tiny/tiny"


def test_folds_are_published_without_a_calibration_where_none_is_asked(folds, tmp_path):
    given, result = folds
    place, presets = result.folder, result.folder / "presets"
    shutil.rmtree(presets, ignore_errors=True)  # those of another test
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(given.model_dump(mode="json")))
    words = ["train", str(tmp_path / "recipe.yaml"), "-o", str(place), "--folds", "2"]
    words += ["--objects", "320"]
    done = CliRunner().invoke(cli.app, [*words, "--presets", "--calibration", "none"])
    assert done.exit_code == 0, done.output
    found = [open_preset(folder) for folder in sorted(presets.iterdir())]
    shutil.rmtree(presets)
    assert [preset.config.calibration for preset in found] == [None, None]
    done = CliRunner().invoke(cli.app, [*words, "--calibration", "none"])
    assert done.exit_code == 2
    assert "--presets or --zoo" in " ".join(done.output.replace("│", " ").split())
    done = CliRunner().invoke(cli.app, [*words, "--presets", "--calibration", "all"])
    assert done.exit_code != 0
    assert "isotonic" in done.output, "the calibrations that there are"


def test_folds_that_are_not_done_are_no_presets(folds, tmp_path):
    with pytest.raises(CheckpointError, match="no cross-validation"):
        fold_presets(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"folds": 2}))
    with pytest.raises(CheckpointError, match="fold-00, fold-01"):
        fold_presets(tmp_path)


def test_folds_without_a_test_sample_are_refused_before_they_are_trained(folds, tmp_path):
    given = folds[0].model_copy(update={"test": None})
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(given.model_dump(mode="json")))
    words = ["train", str(tmp_path / "recipe.yaml"), "-o", str(tmp_path / "run")]
    done = CliRunner().invoke(cli.app, [*words, "--folds", "2", "--presets"])
    assert done.exit_code != 0
    assert not (tmp_path / "run").exists()
    with pytest.raises(RecipeError, match="without folds"):
        cross_validate(recipe(tmp_path, task="cleaner"), tmp_path / "run", folds=2)
