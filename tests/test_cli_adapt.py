"""``lensfinder adapt`` and ``lensfinder train --folds``: the same as in Python."""

import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lensfinder import cli, zoo
from lensfinder.data import write_cutouts
from lensfinder.specs import load_survey
from tests import tiny

sys.path.append(str(Path(__file__).parent / "training"))


def command(*words):
    return CliRunner().invoke(cli.app, [str(word) for word in words])


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A tiny preset, a folder of labelled images and its table."""
    place = tmp_path_factory.mktemp("adapt")
    base = tiny.save(place / "base")
    rng = np.random.default_rng(0)
    ids = [f"{i:03d}" for i in range(8)]
    images = {"kids": rng.normal(0, 1, (8, 101, 101, 4)).astype(np.float32)}
    write_cutouts(place / "images", ids, images, load_survey("kids-ugri"))
    rows = "".join(f"{name},{i % 2}\n" for i, name in enumerate(ids))
    (place / "mine.csv").write_text("id,label\n" + rows)
    return base, place / "images", place / "mine.csv"


def test_adapt_writes_a_preset_and_says_how_good_it_is(given, tmp_path):
    base, images, table = given
    options = ["--labels", table, "--band-map", "VIS=r", "--layers", "2", "--epochs", "1"]
    done = command("adapt", base, images, "-o", tmp_path / "new", *options, "--seed", "3")
    assert done.exit_code == 0, done.output
    assert "ROC AUC" in done.stdout
    assert "cross-validation" in done.stdout
    made = zoo.open_preset(tmp_path / "new")
    assert made.contract.branches[0].crop == {"kids": 9}
    assert made.metrics["training"]["layers"] == 2
    assert made.metrics["training"]["seed"] == 3
    found = command("find", images, "--preset", tmp_path / "new", "-o", tmp_path / "t.ecsv")
    assert found.exit_code == 0, found.output
    assert "8 ok" in found.stdout
    again = command("adapt", base, images, "-o", tmp_path / "new", *options)
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--band-map", "VIS=z"], "'z'"),
        ([], "--band-map VIS=u"),
        (["--band-map", "VIS=r", "--layers", "tail"], "layers"),
        (["--band-map", "VIS=r", "--field", "moon"], "field"),
        (["--band-map", "VIS=r", "--labels", "absent.csv"], "absent.csv"),
    ],
)
def test_mistakes_end_in_one_line_with_the_remedy(given, tmp_path, options, words):
    base, images, table = given
    labels = [] if "--labels" in options else ["--labels", table]
    done = command("adapt", base, images, "-o", tmp_path / "new", *labels, *options)
    assert done.exit_code == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "new").exists()


def test_train_with_folds_is_cross_validation(tmp_path):
    import yaml
    from test_crossval import prepared

    given = prepared(tmp_path)
    recipe = tmp_path / "mine.yaml"
    plain = given.model_dump(mode="json")
    plain = {key: value for key, value in plain.items() if value is not None}
    recipe.write_text(yaml.safe_dump(plain))
    run = ["train", recipe, "-o", tmp_path / "run", "--folds", "2"]
    part = command(*run, "--minutes", "0")
    assert part.exit_code == 0, part.output
    assert "to be resumed (0 of 2 folds)" in part.stdout
    done = command(*run)
    assert done.exit_code == 0, done.output
    assert "roc_auc" in done.stdout
    assert "over 2 folds, on the test sample" in done.stdout
    assert command("train", recipe, "-o", tmp_path / "b", "--objects", "9").exit_code == 2
