"""``lensfinder clean``: the same as in Python."""

import numpy as np
from typer.testing import CliRunner

from lensfinder import cli
from lensfinder.clean import clean
from lensfinder.data import write_cutouts
from lensfinder.specs import load_survey
from lensfinder.tables import read_table
from tests import tiny
from tests.test_clean import save


def command(*words):
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def test_clean_says_the_same_in_python_and_on_the_command_line(tmp_path):
    preset = save(tmp_path, "cleaner")
    survey = load_survey("euclid-vis")
    images = np.pad(tiny.images(3)["vis"], ((0, 0), (21, 20), (21, 20), (0, 0)), mode="edge")
    write_cutouts(tmp_path / "in", ["a", "b", "c"], {"vis": images}, survey)
    words = [tmp_path / "in", "-o", tmp_path / "out", "--model", preset, "--intermediate"]
    done = command("clean", *words, "--resample")
    assert done.exit_code == 0, done.output
    assert "3 images: 3 ok" in done.output
    assert "flux_denoised_VIS: 1.000 of the flux given" in done.output
    table = clean(str(tmp_path / "in"), tmp_path / "py", preset=preset, resample=True)
    told = read_table(tmp_path / "out" / "cleaned.ecsv")
    np.testing.assert_allclose(told["flux_out_VIS"], table["flux_out_VIS"], rtol=1e-6)
    assert list(told["file"]) == list(table["file"])
    assert (tmp_path / "out" / "denoised" / "b.fits").exists()


def test_without_a_trained_cleaner_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("lensfinder.clean.preset_table", dict)
    done = command("clean", tmp_path, "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "No trained cleaner comes with lensfinder yet" in done.stderr
