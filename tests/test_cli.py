"""The command line: the same as Python, in one line each, with errors a person can use."""

import importlib
import inspect
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

import lensfinder
from lensfinder import cli
from lensfinder._commands.quiet import quietly
from lensfinder.errors import UnknownNameError
from lensfinder.specs import Survey, load_survey, population_names, survey_names
from tests import tiny

FITTING = {
    "calibrate",
    "band_map",
    "pad",
    "max_bad_fraction",
    "assume_pixel_scale",
    "assume_unit",
    "assume_zero_point",
    "assume_plane",
}


class Door:
    """Where a verb's function lives, and where its options differ from the function's arguments."""

    def __init__(self, module, *, python_only=(), options_only=()):
        self.module = module
        self.python_only, self.options_only = set(python_only), set(options_only)


# `fitting` is spelled out as options; objects that only Python has do not fit on a command line.
DOORS = {
    "find": Door(
        "lensfinder.find",
        python_only={"ids", "watch", "fitting"},
        options_only={"modeller", *FITTING},
    ),
    "model": Door(
        "lensfinder.model", python_only={"ids", "watch", "fitting"}, options_only=FITTING
    ),
    "explain": Door(
        "lensfinder.explain.run", python_only={"ids", "watch", "fitting"}, options_only=FITTING
    ),
    "delays": Door(
        "lensfinder.delays",
        python_only={"orientation"},
        options_only={"north_up", "wcs", "quiet"},
    ),
    "export": Door("lensfinder.export"),
    "evaluate": Door(
        "lensfinder.evaluate",
        python_only={"n", "out", "note", "fitting"},
        options_only={"count", "output", *FITTING},
    ),
    "simulate": Door("lensfinder.simulate", python_only={"progress"}),
    "paint": Door(
        "lensfinder.paint",
        python_only={"settings", "reading", "source_reading", "progress"},
        options_only={
            *("kind", "theta_e", "min_theta_e", "max_theta_e", "per_bin", "band", "poisson"),
            *("centre_scatter", "q_scatter", "angle_scatter", "independent_share", "max_shear"),
            *("non_lenses", "cosmology", "layout", "band_map", "resample", "max_bad_fraction"),
            *("psf_scale", "assume_pixel_scale", "assume_unit", "assume_zero_point"),
            *("source_layout", "source_band_map", "source_pixel_scale", "source_unit"),
            "source_zero_point",
        },
    ),
    "audit": Door(
        "lensfinder.audit.run",
        python_only={"reading", "fitting", "watch"},
        options_only={
            *("method", "lens_light", "light_profile", "shear", "power_law", "rings", "band"),
            *("layout", "psf_fwhm", "exposure", "assume_pixel_scale", "source", "residual"),
            *("noise", "source_scale", "pixel_scale", "image", "theta_e", "pyautolens", "coolest"),
        },
    ),
    "train": Door(
        "lensfinder.training",
        python_only={"out", "source", "validation", "listener"},
        options_only={
            *("output", "folds", "objects", "shards", "procedure", "split_by", "presets"),
            *("zoo", "fit_schedule", "precision", "replace", "calibration"),
        },
    ),
    "adapt": Door(
        "lensfinder.adapt",
        python_only={"view", "tuning", "fitting", "validation", "test", "note"},
        options_only={
            *("field", "resize", "layers", "learning_rate", "batch_norm", "epochs", "augment"),
            *("seed", *FITTING),
        },
    ),
}


def command(*args):
    """What a command line gives: exit code, stdout, stderr."""
    return CliRunner().invoke(cli.app, [str(arg) for arg in args])


def commands(group=None, prefix=()):
    """Every command as a tuple of words."""
    for name, item in (group or get_command(cli.app)).commands.items():
        if hasattr(item, "commands"):
            yield from commands(item, (*prefix, name))
        else:
            yield (*prefix, name)


def options_of(*words):
    """Names of a command's parameters, as Python writes them."""
    item = get_command(cli.app)
    for word in words:
        item = item.commands[word]
    return {parameter.name for parameter in item.params} - {"help"}


def run_command(*args):
    """A command in its own process."""
    return subprocess.run(
        [sys.executable, "-m", "lensfinder.cli", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=120,
        env={name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"},
    )


# --- help -----------------------------------------------------------------------------------------
def test_help_names_every_verb():
    text = command("--help").stdout
    for words in commands():
        assert words[0] in text


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_explains_itself(words):
    done = command(*words, "--help")
    assert done.exit_code == 0
    text = " ".join(done.stdout.split())
    assert f"lensfinder {' '.join(words)}" in text or f"{' '.join(words)} [" in text
    item = get_command(cli.app)
    for word in words:
        item = item.commands[word]
    assert item.help
    options = [p for p in item.params if p.param_type_name == "option" and p.name != "help"]
    assert [p.name for p in options if not p.help] == []


def test_version():
    assert command("--version").stdout == f"lensfinder {lensfinder.__version__}\n"


@pytest.mark.parametrize("verb", sorted(DOORS))
def test_a_verb_offers_what_its_function_takes(verb):
    door = DOORS[verb]
    function = getattr(importlib.import_module(door.module), verb)
    arguments = set(inspect.signature(function).parameters)
    assert door.python_only <= arguments, "the table above names an argument that is gone"
    assert options_of(verb) - door.options_only == arguments - door.python_only


# --- what comes with the package ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "names"), [("surveys", survey_names), ("populations", population_names)]
)
def test_lists_hold_every_name(kind, names):
    assert command(kind, "list").stdout.split() == names()


@pytest.mark.parametrize("name", survey_names())
def test_a_survey_is_shown_as_it_is_understood(name):
    shown = yaml.safe_load(command("surveys", "show", name).stdout)
    assert Survey.model_validate(shown) == load_survey(name)


def test_a_preset_that_was_tampered_with_is_refused(tmp_path):
    folder = tiny.save(tmp_path)
    assert command("models", "show", folder).stdout.strip() == "For tests."
    assert "parameters, all as pinned" in command("models", "verify", folder).stdout
    (weights,) = list((tmp_path / "finder-1").glob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    done = command("models", "verify", folder)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")


# --- errors ---------------------------------------------------------------------------------------
def test_our_errors_are_one_line_and_exit_code_2():
    done = command("surveys", "show", "euclid")
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: There is no survey named 'euclid'. Known: euclid-vis,")
    assert len(done.stderr.splitlines()) == 1


def test_debug_shows_where_an_error_came_from():
    done = command("--debug", "surveys", "show", "euclid")
    assert isinstance(done.exception, UnknownNameError)


def test_other_errors_are_not_hidden(monkeypatch):
    monkeypatch.setattr(lensfinder.specs, "survey_names", lambda: 1 / 0)
    assert isinstance(command("surveys", "list").exception, ZeroDivisionError)


def test_an_unknown_verb_or_option_is_named():
    for args, word in ((["fnid"], "fnid"), (["surveys", "list", "--all"], "--all")):
        done = command(*args)
        assert done.exit_code == 2
        assert word in done.stderr


# --- quiet ----------------------------------------------------------------------------------------
def test_tensorflow_does_not_talk_over_a_command(tmp_path):
    done = run_command("models", "verify", tiny.save(tmp_path))
    assert done.returncode == 0
    assert "as pinned" in done.stdout
    # the warning about hashes is ours; nothing of TensorFlow's start-up may come with it
    assert [line for line in done.stderr.splitlines() if "no pinned hash" not in line] == []
    talk = subprocess.run(
        [sys.executable, "-c", "import tensorflow"], capture_output=True, text=True, timeout=120
    )
    assert talk.stderr, "TensorFlow has learned to be quiet: `quietly` can go"


def test_what_was_held_back_is_shown_when_an_import_fails(capfd):
    def fail():
        with quietly():
            os.write(2, b"the reason")
            raise ImportError("broken")

    with pytest.raises(ImportError):
        fail()
    assert "the reason" in capfd.readouterr().err
    with quietly():
        os.write(2, b"chatter")
    assert capfd.readouterr().err == ""


# --- two doors to one room ------------------------------------------------------------------------
@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A folder with two tiny presets and some images, one of them broken."""
    import numpy as np

    folder = tmp_path_factory.mktemp("room")
    images = tiny.images(5)["vis"]
    images[3, 4, 4] = np.nan
    for i, image in enumerate(images):
        write_fits(folder / f"object-{i}.fits", image[:, :, 0])
    return (
        folder,
        tiny.save(folder / "presets"),
        tiny.save(folder / "presets", "modeller", targets=("theta_E", "e1", "e2")),
    )


def write_fits(path, image):
    """One image the way DESIGN's cutouts are written."""
    from astropy.io import fits

    header = fits.Header([("EXTNAME", "VIS"), ("PIXSCALE", 0.1), ("BUNIT", "electron/s")])
    primary = fits.PrimaryHDU(header=fits.Header([("OBJECT", path.stem), ("SURVEY", "euclid-vis")]))
    fits.HDUList([primary, fits.ImageHDU(image, header)]).writeto(path)


def rows(table):
    """A table as plain lists; NaN as None so that equal tables compare equal."""
    return {
        name: [None if value != value else value for value in table[name].tolist()]
        for name in table.colnames
    }


def test_find_says_the_same_in_python_and_on_the_command_line(room, tmp_path):
    folder, finder, modeller = room
    images = sorted(map(str, folder.glob("*.fits")))
    done = command(
        "find", *images, "-o", tmp_path / "a.ecsv", "--preset", finder, "--threshold", 0,
        "--modeller", modeller, "--no-report",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "5 images: " in done.stdout
    assert "4 candidates with p_lens >= 0" in done.stdout
    assert f"table  {tmp_path / 'a.ecsv'}" in done.stdout
    table = lensfinder.find(images, preset=finder, threshold=0, model=modeller, report=False)
    assert rows(read(tmp_path / "a.ecsv")) == rows(table)
    again = command("find", *images, "-o", tmp_path / "a.ecsv", "--preset", finder)
    assert again.exit_code == 2
    assert "a.ecsv" in again.stderr


def test_model_says_the_same_in_python_and_on_the_command_line(room, tmp_path):
    folder, _, modeller = room
    images = sorted(map(str, folder.glob("*.fits")))
    path = tmp_path / "a.ecsv"
    done = command("model", *images, "-o", path, "--preset", modeller, "--no-report")
    assert done.exit_code == 0, done.stderr
    assert rows(read(path)) == rows(lensfinder.model(images, preset=modeller, report=False))


@pytest.mark.parametrize(("format", "visits"), [("fits", 1), ("npz", 4)])
def test_simulate_says_the_same_in_python_and_on_the_command_line(tmp_path, format, visits):
    words = ["simulate", "euclid-vis", "pearson2019-test", "-n", 3, "--seed", 4]
    words += ["--visits", visits] if visits > 1 else []
    done = command(*words, "-o", tmp_path / "a", "--format", format, "--planes", "S1,S2")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"3 objects  {tmp_path / 'a'}\n"
    lensfinder.simulate(
        "euclid-vis",
        "pearson2019-test",
        n=3,
        seed=4,
        output=tmp_path / "b",
        format=format,
        visits=visits,
        planes=("S1", "S2"),
    )
    files = {file.relative_to(tmp_path / "b") for file in (tmp_path / "b").rglob("*.*")}
    assert {file.parts[0] for file in files} == {"S1", "S2", "truth.ecsv"}
    for file in files - {Path("truth.ecsv")}:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    assert rows(read(tmp_path / "a/truth.ecsv")) == rows(read(tmp_path / "b/truth.ecsv"))
    again = command(*words, "-o", tmp_path / "a", "--format", format)
    assert again.exit_code == 2
    assert "truth.ecsv" in again.stderr


@pytest.mark.parametrize("verb", ["find", "model"])
def test_the_command_in_a_table_makes_the_same_table(room, tmp_path, verb):
    folder, finder, modeller = room
    images = sorted(map(str, folder.glob("*.fits")))
    more = {"threshold": 0.0, "model": modeller} if verb == "find" else {}
    preset = finder if verb == "find" else modeller
    run = getattr(lensfinder, verb)
    output = tmp_path / "a.ecsv"
    table = run(images, preset=preset, output=output, report=False, batch_size=2, **more)
    program, *words = shlex.split(table.meta["command"])
    assert program == "lensfinder"
    done = command(*words, "--overwrite")
    assert done.exit_code == 0, done.stderr
    assert rows(read(output)) == rows(table)


def read(path):
    """The table in a file."""
    from lensfinder.tables import read_table

    return read_table(path)
