"""``lensfinder clean``: the same as in Python."""

import numpy as np
from typer.testing import CliRunner

from lensfinder import cli
from lensfinder.clean import clean
from lensfinder.data import write_cutouts
from lensfinder.find import find
from lensfinder.model import model
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
    words = [tmp_path / "in", "-o", tmp_path / "out", "--preset", preset, "--intermediate"]
    done = command("clean", *words, "--resample")
    assert done.exit_code == 0, done.output
    assert "3 images: 3 ok" in done.output
    assert "flux_denoised_VIS: 1.000 of the flux given" in done.output
    page = tmp_path / "out" / "cleaned.report.html"
    assert f"page   {page}" in done.output
    assert "taken off: lens light" in page.read_text("utf-8")
    words = [tmp_path / "in", "-o", tmp_path / "quiet", "--preset", preset, "--resample"]
    quiet = command("clean", *words, "--no-report")
    assert quiet.exit_code == 0, quiet.output
    assert "page " not in quiet.output
    assert not list((tmp_path / "quiet").glob("*.html"))
    assert (tmp_path / "quiet" / "cleaned.ecsv").exists()
    table = clean(str(tmp_path / "in"), tmp_path / "py", preset=preset, resample=True)
    told = read_table(tmp_path / "out" / "cleaned.ecsv")
    np.testing.assert_allclose(told["flux_out_VIS"], table["flux_out_VIS"], rtol=1e-6)
    assert list(told["file"]) == list(table["file"])
    assert (tmp_path / "out" / "denoised" / "b.fits").exists()
    again = told.meta["command"].split()[1:]  # what the table says was done can be done again
    done = command(*again, "--overwrite")
    assert done.exit_code == 0, done.output


def test_without_a_trained_cleaner_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("lensfinder.predict.cleaner.preset_table", dict)
    done = command("clean", tmp_path, "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "does not come with this installation" in done.stderr


def test_find_and_model_clean_on_the_command_line_as_in_python(tmp_path):
    cleaner, finder = save(tmp_path, "cleaner"), tiny.save(tmp_path, "finder")
    modeller = tiny.save(tmp_path, "modeller", targets=("theta_E", "e1", "e2"))
    np.savez(tmp_path / "in.npz", **_arrays(tiny.images(3)["vis"]))
    stages = ["--clean", cleaner, "--cleaned", tmp_path / "kept", "--mask-blobs"]
    out = tmp_path / "found.ecsv"
    done = command(
        "find", tmp_path / "in.npz", "-o", out, "--preset", finder, *stages, "--multi-scale"
    )
    assert done.exit_code == 0, done.output
    table, shown = read_table(out), str(tmp_path / "in.npz")
    options = {"clean": cleaner, "mask_blobs": True}
    wanted = find(shown, preset=finder, multi_scale=True, **options)
    for name in ("p_lens", "p_lens_zoom", "scale_agreement", "mask_radius"):
        np.testing.assert_allclose(table[name], wanted[name], rtol=1e-6)
    assert list(table["front_status"]) == list(wanted["front_status"])
    assert len(list((tmp_path / "kept" / "denoised").glob("*.fits"))) == 3
    assert "<svg" in (tmp_path / "found.report.html").read_text()
    stages[3] = tmp_path / "kept again"
    out = tmp_path / "modelled.ecsv"
    done = command("model", tmp_path / "in.npz", "-o", out, "--preset", modeller, *stages)
    assert done.exit_code == 0, done.output
    wanted = model(shown, preset=modeller, **options)
    np.testing.assert_allclose(read_table(out)["theta_E"], wanted["theta_E"], rtol=1e-6)
    done = command("find", tmp_path / "in.npz", "-o", tmp_path / "x.ecsv", "--cleaned", tmp_path)
    assert done.exit_code == 2
    assert "need a cleaner" in done.stderr


def _arrays(stack):
    return {
        "ids": np.array(["a", "b", "c"]),
        "images": stack,
        "bands": np.array(["VIS"]),
        "pixel_scale": np.array(0.1),
        "unit": np.array("electron/s"),
    }
