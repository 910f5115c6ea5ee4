"""`lensfinder fit`: the same as the function, goes on after an interruption, says what is wrong."""

import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent / "inversion"))

from systems import Source, a_lens

from lensfinder import cli
from lensfinder.data import write_cutouts
from lensfinder.fit import fit
from lensfinder.inversion import MassModel
from lensfinder.specs import load_survey
from lensfinder.tables import read_table

PRIOR = """\
theta_E: {prior: uniform, low: 0.6, high: 1.0, unit: arcsec, source: a test}
x: {prior: constant, value: 0, unit: arcsec, source: a test}
y: {prior: constant, value: 0, unit: arcsec, source: a test}
"""


def command(*args):
    """What a command line gives."""
    return CliRunner().invoke(cli.app, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with an image of a lens and one of nothing, and a file of priors."""
    folder = tmp_path_factory.mktemp("cli")
    mass, source = MassModel(theta_E=0.8, q=0.75, phi=0.4), Source(R_e=0.12, x=0.05, y=0.02)
    lens = a_lens(seed=3, mass=mass, source=source, side=57, snr=15.0)
    stamps = np.stack([lens.image, np.full_like(lens.image, np.nan)])[..., None]
    noise = np.full((*stamps.shape[:3],), lens.noise, np.float32)
    write_cutouts(
        folder / "images",
        ["lens", "nothing"],
        {"vis": stamps.astype(np.float32)},
        load_survey("euclid-vis"),
        psf={"VIS": lens.psf.astype(np.float32)},
        rms={"VIS": noise},
    )
    (folder / "prior.yaml").write_text(PRIOR)
    return folder


def test_the_command_line_and_python_agree(place, tmp_path):
    words = [*("--prior", place / "prior.yaml"), *("--rings", "0.3,1.4")]
    out = tmp_path / "fits.ecsv"
    done = command("fit", place / "images", "-o", out, *words)
    assert done.exit_code == 0, done.output
    assert "2 images: 1 bad_input, 1 ok" in done.stdout
    assert "fits.report.html" in done.stdout
    here = read_table(out)
    there = fit(
        place / "images",
        prior=place / "prior.yaml",
        rings=(0.3, 1.4),
        state=tmp_path / "fits.state",  # what the command has kept: nothing is computed again
    )
    assert here.colnames == there.colnames
    for name in there.colnames:
        if there[name].dtype.kind == "f":
            np.testing.assert_allclose(here[name], there[name], rtol=1e-8)
        else:
            np.testing.assert_array_equal(here[name], there[name])
    again = command("fit", place / "images", "-o", out, *words)
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr
    out.unlink()  # as if it had been interrupted
    (tmp_path / "fits.report.html").unlink()
    narrow = [*words[:3], "0.3,1.3"]
    other = command("fit", place / "images", "-o", out, *narrow)
    assert other.exit_code == 2
    assert "holds another fit" in other.stderr
    assert "--overwrite" in other.stderr
    replaced = command("fit", place / "images", "-o", out, *narrow, "--overwrite")
    assert replaced.exit_code == 0, replaced.output
    assert read_table(out)["n_pix"][0] < here["n_pix"][0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--method", "guess"], "maximise, nested"),
        (["--lens-light", "some"], "fitted, none, subtracted"),
        (["--lens-light", "fitted", "--light-profile", "king"], "mge, sersic"),
        (["--rings", "2"], "INNER,OUTER"),
        (["--rings", "a,b"], "number"),
        (["--prior", "nowhere.yaml"], "nowhere.yaml"),
        (["--power-law", "--prior", "nowhere.yaml"], "nowhere.yaml"),
        (["--sigma", "theta_E=0.1"], "table of parameters"),
    ],
)
def test_a_wrong_word_is_named(place, tmp_path, words, says):
    done = command("fit", place / "images", "-o", tmp_path / "x.ecsv", *words)
    assert done.exit_code == 2
    assert says in done.stderr
    assert not (tmp_path / "x.ecsv").exists()
