"""Options that several verbs share: what becomes of them, and that each verb has them."""

import inspect
from typing import Annotated

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from lensfinder import cli
from lensfinder._commands import options
from lensfinder.data import Assume
from lensfinder.errors import UnknownNameError
from lensfinder.predict import Fitting
from lensfinder.specs import InputContract, load_survey
from tests import tiny


def command(*args):
    """What a command line gives: exit code, stdout, stderr."""
    return CliRunner().invoke(cli.app, [str(arg) for arg in args])


def test_a_block_of_options_becomes_one_argument():
    def reader(low: Annotated[int, typer.Option()] = 1, high: Annotated[int, typer.Option()] = 9):
        return low, high

    app, seen = typer.Typer(), []

    @app.command()
    @options.block("ends", reader)
    def verb(name: str, ends=None, loud: bool = False):
        seen.append((name, ends, loud))

    assert list(inspect.signature(verb).parameters) == ["name", "low", "high", "loud"]
    assert CliRunner().invoke(app, ["a", "--high", "5", "--loud"]).exit_code == 0
    assert seen == [("a", (1, 5), True)]
    few = options.block("ends", reader, without=["high"])(lambda ends=None: ends)
    assert list(inspect.signature(few).parameters) == ["low"]
    assert few(low=3) == (3, 9)


def test_the_options_become_one_fitting():
    made = options.fitting(True, "VIS=F814W,H=F160W", True, 0.1, 0.05, "adu", None)
    assert made == Fitting(
        calibrate=True,
        band_map={"VIS": "F814W", "H": "F160W"},
        pad=True,
        max_bad_fraction=0.1,
        assume=Assume(pixel_scale=0.05, unit="adu"),
    )
    assert options.fitting() == Fitting()


@pytest.mark.parametrize("text", ["VIS", "VIS=", "=F814W", "VIS=a=b", "VIS=a,"])
def test_a_band_map_that_is_none_is_refused(text):
    done = command("find", "a.fits", "--band-map", text)
    assert done.exit_code == 2
    assert "OURS=THEIRS" in done.stderr


def test_a_band_that_no_network_has_is_named(tmp_path):
    np.savez(tmp_path / "in.npz", VIS=tiny.images(1)["vis"][..., 0])
    finder = tiny.save(tmp_path)
    modeller = tiny.save(tmp_path, "modeller", targets=("theta_E", "e1", "e2"))
    for words in (
        ["find", "--preset", finder, "--modeller", modeller],
        ["model", "--preset", modeller],
    ):
        words += [tmp_path / "in.npz", "-o", tmp_path / "t.ecsv", "--no-report"]
        done = command(*words, "--band-map", "F814W=VIS")  # the wrong way round
        assert done.exit_code == 2
        assert "no band named 'F814W'. Known: VIS" in done.stderr
    assert not (tmp_path / "t.ecsv").exists()


def test_a_band_of_either_network_may_be_mapped():
    one, other = (
        InputContract.from_survey(load_survey(name)) for name in ("euclid-vis", "hsc-griz")
    )
    fitting = Fitting(band_map={"VIS": "r", "g": "G"})
    assert fitting.bands_of(one, other) == ("r", "G", "i", "z")
    with pytest.raises(UnknownNameError, match="'g'"):
        fitting.bands_of(one)


def test_the_fit_of_a_mass_is_told_in_three_parts():
    given = options.mass_fit(
        method="nested", sigma="theta_E=0.1", rings="0.5,2", power_law=True, seed=3, band="VIS"
    )
    assert given == (
        {"sigma": {"theta_E": 0.1}, "seed": 3},
        {"method": "nested", "shear": False, "power_law": True},
        {"rings": (0.5, 2.0), "band": "VIS"},
    )
    for verb in ("fit", "audit"):
        shown = command(verb, "--help").stdout
        for option in ("--power-law", "--light-profile", "--rings", "--prior", "--exposure"):
            assert option in shown, (verb, option)
    done = command("audit", "a.fits", "--rings", "2")
    assert done.exit_code == 2
    assert "INNER,OUTER" in done.stderr
