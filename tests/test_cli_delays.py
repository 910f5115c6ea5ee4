"""`delays`, `compare-delays` and `export` on the command line: the same as in Python."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from typer.testing import CliRunner

import lensfinder
from lensfinder import cli
from lensfinder.lensing import Orientation
from lensfinder.tables import read_table


def command(*args):
    """What a command line gives: exit code, stdout, stderr."""
    return CliRunner().invoke(cli.app, [str(arg) for arg in args])


@pytest.fixture
def lenses(tmp_path):
    """Three lenses in a CSV file, one of them impossible."""
    table = Table({"id": ["a", "b", "c"], "theta_E": [1.2, 1.0, -1.0], "theta_E_std": [0.05] * 3})
    table["e1"], table["e2"] = [0.2, 0.1, 0.0], [0.1, 0.0, 0.0]
    table["x_obs"], table["y_obs"] = [1.5, 0.9, 1.0], [0.3, 0.4, 0.0]
    table.write(tmp_path / "lenses.csv")
    return tmp_path / "lenses.csv"


def same(one, other):
    """Whether two tables hold the same, to the digits that are written."""
    assert one.colnames == other.colnames
    for name in one.colnames:
        if one[name].dtype.kind == "f":
            np.testing.assert_allclose(one[name], other[name], rtol=1e-7, atol=1e-9, err_msg=name)
        else:
            assert one[name].tolist() == other[name].tolist(), name


def test_delays_says_the_same_in_python_and_on_the_command_line(lenses, tmp_path):
    done = command(
        "delays", lenses, "-o", tmp_path / "d.ecsv", "--z-lens", 0.5, "--z-src", 1.5,
        "--north-up", "--date", "2026-03-01", "--draws", 60, "--seed", 3,
        "--sigma", "x_lens=0.02,y_lens=0.02", "--cosmology", "schuldt2021",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "Next: image B" in done.stdout
    assert "c: no answer (bad_theta_E)" in done.stdout
    assert "3 lenses: 1 bad_theta_E, 2 ok" in done.stdout
    assert "taken as zero, not in the table: x_lens, y_lens, gamma1, gamma2" in done.stdout
    table = lensfinder.delays(
        lenses, z_lens=0.5, z_src=1.5, orientation=Orientation(), date="2026-03-01", draws=60,
        seed=3, sigma={"x_lens": 0.02, "y_lens": 0.02}, cosmology="schuldt2021",
    )  # fmt: skip
    same(read_table(tmp_path / "d.ecsv"), table)
    again = command("delays", lenses, "-o", tmp_path / "d.ecsv", "--z-lens", 0.5, "--z-src", 1.5)
    assert again.exit_code == 2
    assert "d.ecsv exists" in again.stderr


def test_the_sky_comes_from_an_image(lenses, tmp_path):
    degrees = 0.1 / 3600
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0})
    header.update(CRVAL2=20.0, CRPIX1=3.0, CRPIX2=3.0, CD1_1=degrees, CD1_2=0.0)
    header.update(CD2_1=0.0, CD2_2=degrees)  # east is right
    fits.PrimaryHDU(np.zeros((5, 5), np.float32), header).writeto(tmp_path / "i.fits")
    words = ["delays", lenses, "--z-lens", 0.5, "--z-src", 1.5, "--draws", 0, "--quiet"]
    done = command(*words, "-o", tmp_path / "d.ecsv", "--wcs", tmp_path / "i.fits")
    assert done.exit_code == 0, done.stderr
    found = read_table(tmp_path / "d.ecsv")
    np.testing.assert_allclose(found["east"], found["x_image"], atol=1e-6)
    assert "image B" not in done.stdout
    both = command(*words, "-o", tmp_path / "e.ecsv", "--wcs", tmp_path / "i.fits", "--north-up")
    assert both.exit_code == 2
    assert "not both" in both.stderr


def test_errors_are_one_line(lenses, tmp_path):
    done = command("delays", lenses, "-o", tmp_path / "d.ecsv")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: Delays need both redshifts.")
    assert not (tmp_path / "d.ecsv").exists()
    for redshifts, words in (((-1, 1.5), "z_lens is a redshift"), ((1.5, 0.5), "lies behind")):
        told = ("--z-lens", redshifts[0], "--z-src", redshifts[1])
        done = command("delays", lenses, "-o", tmp_path / "d.ecsv", *told)
        assert done.exit_code == 2
        assert words in done.stderr
        assert not (tmp_path / "d.ecsv").exists()
    wrong = command("delays", lenses, "-o", tmp_path / "d.ecsv", "--sigma", "x_lens=wide")
    assert wrong.exit_code == 2
    assert "NAME=NUMBER" in wrong.stderr


def test_compare_delays_writes_a_table_and_a_figure(tmp_path):
    rng = np.random.default_rng(2)
    truth = Table({"id": [str(i) for i in range(60)], "theta_E": rng.uniform(0.6, 2, 60)})
    truth["q"], truth["phi"] = rng.uniform(0.6, 1, 60), rng.uniform(0, 3, 60)
    truth["x_src"], truth["y_src"] = rng.normal(0, 0.15, 60), rng.normal(0, 0.15, 60)
    truth["z_lens"], truth["z_src"] = 0.5, 1.6
    truth.write(tmp_path / "truth.ecsv")
    predicted = truth["id", "theta_E", "q", "phi"].copy()
    predicted["theta_E"] += rng.normal(0, 0.05, 60)
    predicted.write(tmp_path / "predicted.ecsv")
    words = ["compare-delays", tmp_path / "truth.ecsv", tmp_path / "predicted.ecsv"]
    done = command(*words, "-o", tmp_path / "errors.ecsv", "--theta-E-min", 0.8)
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "errors.png").is_file()
    assert '"count_differs"' in done.stdout
    same(read_table(tmp_path / "errors.ecsv"), lensfinder.compare_delays(truth, predicted))
    again = command(*words, "-o", tmp_path / "errors.ecsv")
    assert again.exit_code == 2
    # nobody is left to compare: the table says why, and no figure of another table stays
    predicted["theta_E"] = -1.0
    predicted.write(tmp_path / "predicted.ecsv", overwrite=True)
    none = command(*words, "-o", tmp_path / "errors.ecsv", "--overwrite")
    assert none.exit_code == 0, none.stderr
    assert "figure none" in none.stdout
    assert not (tmp_path / "errors.png").exists()
    assert set(read_table(tmp_path / "errors.ecsv")["status"]) == {"bad_theta_E"}


@pytest.mark.parametrize("target", ["coolest", "lenstronomy", "pyautolens"])
def test_export_says_the_same_in_python_and_on_the_command_line(lenses, tmp_path, target):
    done = command(
        "export", lenses, "--to", target, "-o", tmp_path / "a", "--sigma", "gamma1=0.02",
        "--draws", 50, "--z-lens", 0.5,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert f"2 of 3 lenses for {target}" in done.stdout
    assert "c: not written (bad_theta_E)" in done.stderr
    lensfinder.export(
        lenses, to=target, output=tmp_path / "b", sigma={"gamma1": 0.02}, draws=50, z_lens=0.5
    )
    files = sorted(path.name for path in (tmp_path / "b").iterdir())
    assert files == ["a.json", "b.json"]
    for name in files:
        assert (tmp_path / "a" / name).read_text() == (tmp_path / "b" / name).read_text()
