"""``lensfinder grid`` and ``lensfinder train --procedure``: the same as in Python."""

import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from lensfinder import cli
from lensfinder.tables import read_table

sys.path.append(str(Path(__file__).parent / "training"))


def command(*words):
    return CliRunner().invoke(cli.app, [str(word) for word in words])


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A tiny recipe on shards, as a file."""
    from test_crossval import prepared

    folder = tmp_path_factory.mktemp("grid")
    plain = prepared(folder).model_dump(mode="json")
    plain |= {"epochs": 1, "schedule": {"kind": "constant", "learning_rate": 0.01}}
    plain = {key: value for key, value in plain.items() if value is not None}
    (folder / "mine.yaml").write_text(yaml.safe_dump(plain))
    (folder / "grid.yaml").write_text("seed: [1, 2]\n")
    return folder


def test_grid_writes_a_table_and_names_the_best(given):
    words = ["grid", given / "mine.yaml", given / "grid.yaml", "-o", given / "run"]
    part = command(*words, "--minutes", "0")
    assert part.exit_code == 0, part.output
    assert "to be resumed" in part.stdout
    done = command(*words)
    assert done.exit_code == 0, done.output
    assert "2 done" in done.stdout
    assert "best seed=" in done.stdout
    assert read_table(given / "run" / "grid.ecsv")["status"].tolist() == ["done", "done"]


def test_train_with_a_procedure(given):
    words = ["train", given / "mine.yaml", "-o", given / "folds", "--folds", "2"]
    done = command(*words, "--procedure", "mean-curve")
    assert done.exit_code == 0, done.output
    assert "trained on all folds to epoch 1" in done.stdout


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["grid", "mine.yaml", "absent"], "schuldt2021"),
        (["grid", "mine.yaml", "grid.yaml", "--shards", "x"], "number of folds"),
        (["train", "mine.yaml", "--procedure", "mean-curve"], "go with --folds"),
        (["train", "mine.yaml", "--folds", "2", "--procedure", "best"], "per-fold"),
    ],
)
def test_mistakes_end_in_one_line_with_the_remedy(given, tmp_path, words, remedy):
    words = [given / word if str(word).endswith(".yaml") else word for word in words]
    done = command(*words, "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert remedy in done.output
    assert "Traceback" not in done.output
