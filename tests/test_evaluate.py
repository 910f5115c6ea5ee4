"""`lensfinder.evaluate` on labelled images, and the folder that it writes."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from lensfinder import cli
from lensfinder.data import write_cutouts
from lensfinder.errors import ArgumentError, DataFormatError, OutputExistsError
from lensfinder.evaluate import evaluate
from lensfinder.find import find
from lensfinder.predict.labelled import read_labels
from lensfinder.specs import load_survey
from lensfinder.tables import build_table, read_table, write_table
from lensfinder.training import metrics, products
from tests import tiny

COUNT = 40
KINDS = ("lens", "ring", "spiral")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of images, a finder, and a table of labels that follow the finder's own ranking."""
    folder = tmp_path_factory.mktemp("evaluate")
    agreed = tiny.contract(stamp=57)
    stamps = tiny.images(COUNT, agreed)
    stamps["vis"][3, 4, 4] = np.nan
    names = [f"{i:04d}" for i in range(COUNT)]  # leading zeros, that a reader of numbers would lose
    write_cutouts(folder / "images", names, stamps, load_survey("euclid-vis"))
    preset = tiny.save(folder / "preset", stamp=57)
    scores = np.array(find(folder / "images", preset=preset)["p_lens"])
    rng = np.random.default_rng(3)
    noisy = np.nan_to_num(scores) + rng.normal(0, np.nanstd(scores), COUNT)
    label = (noisy > np.median(noisy)).astype(int)
    kind = np.where(label == 1, "lens", rng.choice(KINDS[1:], COUNT))
    lines = [f"{n},{y},{k}" for n, y, k in zip(names, label, kind, strict=True)]
    lines[5] = "elsewhere,1,lens"  # image 5 has no label, and one label no image
    (folder / "labels.csv").write_text("\n".join(["id,label,class", *lines]) + "\n")
    return folder, preset, label, scores


def command(*args):
    """What a command line gives."""
    return CliRunner().invoke(cli.app, [str(arg) for arg in args])


def test_labelled_images_give_the_figures_of_their_scores(place):
    folder, preset, label, scores = place
    figures = evaluate(preset, images=folder / "images", labels=folder / "labels.csv")
    used = np.ones(COUNT, bool)
    used[[3, 5]] = False
    assert figures["data"] == {
        "images": "images",
        "labels": "labels.csv",
        "n": COUNT - 2,
        "status": {"ok": COUNT - 2, "nan_pixels": 1},
        "unlabelled_images": 1,
        "labels_without_image": 1,
    }
    found = figures["finder"]
    assert found["objects"] == COUNT - 2
    # the same scores through the same network; float32 of another batch may differ in the last bit
    assert abs(found["roc_auc"] - metrics.roc_auc(label[used], scores[used])) < 1e-6
    assert 0.6 < found["roc_auc"] < 1
    assert set(found["non_lenses"]) - {"threshold"} == {"ring", "spiral"}
    assert "selection" not in found, "nothing is known of these lenses"


def test_the_command_writes_what_python_gives(place, tmp_path):
    folder, preset, _, scores = place
    options = ["--images", folder / "images", "--labels", folder / "labels.csv"]
    done = command("evaluate", preset, *options, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    assert figures == json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert figures == evaluate(preset, images=folder / "images", labels=folder / "labels.csv")
    written = {file.name for file in (tmp_path / "out").iterdir()}
    assert written == {
        *("metrics.json", "scores.ecsv", "roc.png", "purity.png", "reliability.png", "scores.png")
    }
    table = read_table(tmp_path / "out" / "scores.ecsv")
    assert len(table) == COUNT - 1
    assert list(table.colnames[:2]) == ["id", "p_lens"]
    assert table["id"][0] == "0000"
    np.testing.assert_allclose(table["p_lens"], np.delete(scores, 5), rtol=0, atol=1e-6)
    assert table["status"][3] == "nan_pixels"
    again = command("evaluate", preset, *options, "-o", tmp_path / "out")
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr
    more = command(
        "evaluate", preset, *options, "-o", tmp_path / "out", "--overwrite", "--table", "parquet"
    )
    assert more.exit_code == 0, more.output
    assert len(read_table(tmp_path / "out" / "scores.parquet")) == COUNT - 1


def test_a_modeller_is_measured_on_images_of_known_lenses(place, tmp_path):
    folder, *_ = place
    preset = tiny.save(tmp_path / "preset", "modeller", stamp=57, targets=("theta_E", "e1", "e2"))
    rng = np.random.default_rng(5)
    truth = build_table(
        {
            "id": [f"{i:04d}" for i in range(COUNT)],
            "theta_E": rng.uniform(0.5, 2, COUNT),
            "snr": rng.uniform(10, 90, COUNT),
        }
    )
    write_table(truth, tmp_path / "truth.ecsv")
    out = tmp_path / "out"
    figures = evaluate(preset, images=folder / "images", labels=tmp_path / "truth.ecsv", out=out)
    assert set(figures["modeller"]["parameters"]) == {"theta_E"}
    assert set(figures["modeller"]["bins"]) == {"theta_E", "snr"}
    assert {file.name for file in out.iterdir()} == {
        *("metrics.json", "parameters.ecsv", "parameters.png", "parameter_errors.png")
    }
    table = read_table(out / "parameters.ecsv")
    error = (table["theta_E"] - table["true_theta_E"])[table["status"] == "ok"]
    rms = figures["modeller"]["parameters"]["theta_E"]["rms"]
    np.testing.assert_allclose(rms, np.sqrt(np.mean(error**2)), rtol=1e-6, atol=0)  # float32
    assert table["true_theta_E"].unit == "arcsec"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,label\na,1\n", "needs the column id"),
        ("id,theta_E\na,1\n", "needs the column id and one of label"),
        ("id,label\na,1\na,0\n", "'a' twice"),
        ("id,label\na,2\n", "0 or 1"),
        ("id,label\na,\n", "empty cells"),
        ("id,label\na,1,2,3\n", "no comma-separated table"),
        ("", "no comma-separated table|needs the column"),
    ],
)
def test_a_table_that_is_none_of_labels_is_refused(text, words, tmp_path):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataFormatError, match=words):
        read_labels(tmp_path / "labels.csv", required=("label",))


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataFormatError, match="not a file"):
        read_labels(tmp_path / "labels.csv", required=("label",))


def test_what_does_not_go_together_is_refused(place, tmp_path):
    folder, preset, *_ = place
    given = {"images": folder / "images", "labels": folder / "labels.csv"}
    with pytest.raises(ArgumentError, match="go together"):
        evaluate(preset, images=given["images"])
    with pytest.raises(ArgumentError, match="those of mocks"):
        evaluate(preset, 100, **given)
    with pytest.raises(ArgumentError, match="mocks fit as they are"):
        evaluate(preset, resample=True)
    for none in (0, -5):
        with pytest.raises(ArgumentError, match="Ask for 1 or more"):
            evaluate(preset, none, population="no-such-population")
    with pytest.raises(DataFormatError, match="Tables are written as"):
        evaluate(preset, **given, out=tmp_path / "out", table="xlsx")
    (tmp_path / "other.csv").write_text("id,label\nx,1\ny,0\n")
    with pytest.raises(ArgumentError, match="None of the 40 images"):
        evaluate(preset, images=given["images"], labels=tmp_path / "other.csv", out=tmp_path / "o")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "o").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputExistsError, match="Name a folder"):
        evaluate(preset, **given, out=tmp_path / "file")


def test_an_evaluation_is_whole_or_absent(place, tmp_path, monkeypatch):
    folder, preset, *_ = place
    given = {"images": folder / "images", "labels": folder / "labels.csv"}
    out = tmp_path / "deep" / "out"
    real = products.write_table

    def broken(table, path, **options):
        real(table, path, **options)
        raise OSError("disk full")

    monkeypatch.setattr(products, "write_table", broken)
    with pytest.raises(OSError, match="disk full"):
        evaluate(preset, **given, out=out)
    assert list(out.parent.iterdir()) == []
    monkeypatch.undo()
    evaluate(preset, **given, out=out)
    (out / "selection.ecsv").write_text("of an earlier evaluation")
    (out / "notes.txt").write_text("mine")
    evaluate(preset, **given, out=out, overwrite=True)
    assert not (out / "selection.ecsv").exists(), "it would not go with the new figures"
    assert (out / "notes.txt").read_text() == "mine"
    assert [p for p in out.parent.iterdir() if p.name.startswith(".")] == []
