"""`lensfinder explain`: the same as the function, and errors a person can use."""

import numpy as np
import pytest
from typer.testing import CliRunner

from lensfinder import cli
from lensfinder.data import write_cutouts
from lensfinder.explain import explain
from lensfinder.specs import load_survey
from lensfinder.tables import read_table
from tests import tiny

QUICK = ["--samples", "60", "--regions", "20", "--seeds", "2", "--no-check"]


def command(*args):
    """What a command line gives."""
    return CliRunner().invoke(cli.app, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of images and a preset."""
    folder = tmp_path_factory.mktemp("cli")
    agreed = tiny.contract(stamp=57)
    stamps = tiny.images(2, agreed)
    stamps["vis"][1, 4, 4] = np.nan
    write_cutouts(folder / "images", ["a", "b"], stamps, load_survey("euclid-vis"))
    return folder, tiny.save(folder / "preset", stamp=57)


def test_the_command_line_and_python_agree(place, tmp_path):
    folder, preset = place
    done = command("explain", folder / "images", "--preset", preset, "-o", tmp_path / "out", *QUICK)
    assert done.exit_code == 0, done.output
    assert "2 images: 1 nan_pixels, 1 ok" in done.stdout
    assert "report.html" in done.stdout
    here = read_table(tmp_path / "out" / "explanations.ecsv")
    there = explain(folder / "images", preset=preset, samples=60, regions=20, seeds=2, check=False)
    for name in there.colnames:
        np.testing.assert_array_equal(here[name], there[name])
    assert (tmp_path / "out" / "figures" / "00000.png").read_bytes()[:4] == b"\x89PNG"
    again = command("explain", folder / "images", "--preset", preset, "-o", tmp_path / "out")
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr


def test_a_method_that_is_not_there_is_named(place, tmp_path):
    folder, preset = place
    done = command(
        "explain", folder / "images", "--preset", preset, "--method", "shap", "-o", tmp_path / "x"
    )
    assert done.exit_code == 2
    assert "gradients, lime, occlusion" in done.stderr
    assert not (tmp_path / "x").exists()
