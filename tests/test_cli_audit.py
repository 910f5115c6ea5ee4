"""`lensfinder audit`: the same as the functions, and errors a person can use."""

from pathlib import Path

import pytest
from astropy.io import fits
from typer.testing import CliRunner

from lensfinder import cli
from lensfinder.audit.elsewhere import rasterise
from lensfinder.tables import read_table
from tests.audit.lenses import inverted, lens
from tests.inversion.systems import SCALE

RESULT = Path(__file__).parent / "audit" / "data" / "pyautolens"


def command(*args):
    """What a command line gives."""
    return CliRunner().invoke(cli.app, ["audit", *(str(arg) for arg in args)])


@pytest.fixture
def images(tmp_path):
    """A source and a residual in FITS."""
    result = inverted(1.0)
    source, scale, _ = rasterise(*result.mesh.nodes.T, result.source)
    for name, image, size in (("s", source, scale), ("r", result.residual, SCALE)):
        header = fits.Header({"PIXSCALE": size})
        fits.PrimaryHDU(image, header).writeto(tmp_path / f"{name}.fits")
    return ["--source", tmp_path / "s.fits", "--residual", tmp_path / "r.fits"]


def test_a_result_of_pyautolens_is_called(tmp_path):
    output = tmp_path / "audit.ecsv"
    done = command(
        "--pyautolens", RESULT, "--classifier", "parity", "--relation", "maresca2021", "-o", output
    )
    assert done.exit_code == 0, done.output
    assert (
        "correct (under 0.00, correct 1.00, over 0.00); next: theta_E 0.75 to 1.25" in done.stdout
    )
    assert "1 lenses: 1 correct; 0 for a person" in done.stdout
    assert read_table(output)["theta_E"][0] == pytest.approx(1.0, abs=0.01)
    assert (tmp_path / "audit.report.html").exists()
    again = command("--pyautolens", RESULT, "--classifier", "parity", "-o", output)
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr


def test_parity_cannot_judge_bare_images(images, tmp_path):
    done = command(
        *images, "--noise", lens().noise, "--classifier", "parity", "-o", tmp_path / "a.ecsv"
    )
    assert done.exit_code == 2
    assert "image and the mass" in done.stderr
    done = command(*images, "--classifier", "parity", "-o", tmp_path / "a.ecsv")
    assert done.exit_code == 2
    assert "--noise" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [[], ["a.fits", "--pyautolens", "b"], ["--source", "a.fits"], ["--coolest", "a.json"]],
    ids=lambda words: " ".join(words) or "nothing",
)
def test_what_is_missing_or_too_much_is_named(arguments, tmp_path):
    done = command(*arguments, "-o", tmp_path / "a.ecsv")
    assert done.exit_code == 2
    assert "Give IMAGES" in done.stderr or "--residual" in done.stderr
    assert not (tmp_path / "a.ecsv").exists()
