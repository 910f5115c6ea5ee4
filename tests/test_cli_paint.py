"""`lensfinder paint` on the command line: the same as in Python, from files."""

import numpy as np
import pytest
from astropy.table import Table
from typer.testing import CliRunner

from lensfinder import cli
from lensfinder.data import write_cutouts
from lensfinder.tables import read_table
from tests.paint import skies


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A survey, two galaxies with a catalogue, and a source, as files."""
    folder = tmp_path_factory.mktemp("inputs")
    survey = skies.survey(folder)
    wide = survey.groups[0].model_copy(update={"stamp": 80})
    both = [skies.galaxy(k) for k in range(2)]
    images = np.stack([np.stack([c.bands["g"], c.bands["i"]], axis=-1) for c in both])
    write_cutouts(
        folder / "galaxies",
        [c.id for c in both],
        {"cam": images},
        survey.model_copy(update={"groups": (wide,)}),
    )
    catalogue = skies.catalogue(2)
    catalogue["sigma_v"].unit = "km / s"
    catalogue.write(folder / "galaxies.ecsv")
    sharp = wide.model_copy(update={"stamp": 81, "pixel_scale": 0.03})
    stamp = skies.source(0)
    cube = np.stack([stamp.bands["g"], stamp.bands["i"]], axis=-1)[None] * 5.0
    write_cutouts(
        folder / "sources", ["s"], {"cam": cube}, survey.model_copy(update={"groups": (sharp,)})
    )
    Table({"id": ["s"], "z_src": [2.0]}).write(folder / "sources.csv")
    return folder


def command(inputs, *more):
    words = ["paint", inputs / "galaxies", inputs / "sources", "--survey", inputs / "small.yaml"]
    return CliRunner().invoke(cli.app, [str(word) for word in (*words, *more)])


def test_paint(inputs, tmp_path):
    options = ("-o", tmp_path / "out", "-n", 6, "--seed", 2, "--kind", "doubles", "--poisson")
    options += ("--min-theta-e", 0.4, "--angle-scatter", 5, "--planes", "S1,S3")
    options += ("--catalogue", inputs / "galaxies.ecsv", "--format", "fits")
    done = command(inputs, *options, "--source-catalogue", inputs / "sources.csv")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("theta_E: median ")
    assert lines[2].split()[1] == "candidates;"
    assert (
        "6 of 6 objects have the PSF of the survey in place of their own (column psf_from)" in lines
    )
    assert not any("redshift" in line for line in lines)
    truth = read_table(tmp_path / "out" / "truth.ecsv")
    assert set(truth["configuration"]) == {"double"}
    assert (truth["z_src"] == 2.0).all()
    settings = truth.meta["settings"]
    assert settings["angle_scatter"] == pytest.approx(np.radians(5))
    assert settings["poisson"]
    assert (tmp_path / "out" / "report.html").is_file()
    again = command(inputs, *options)
    assert again.exit_code == 2
    assert "exists" in again.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--kind", "triples"), "kind: Input should be"),
        (("--source-band-map", "i=F814W"), "no band F814W for band i"),
        (("--band", "z"), "There is no band named 'z'"),
        (("--min-theta-e", "4.9"), "candidates in a row gave no object"),
    ],
)
def test_mistakes_are_one_line(inputs, tmp_path, words, message, monkeypatch):
    from lensfinder.paint import selection

    monkeypatch.setattr(selection, "PATIENCE", 300)
    done = command(inputs, "-o", tmp_path / "out", "-n", 2, *words)
    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
