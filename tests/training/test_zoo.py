"""The script that trains presets: publishes what is better, keeps what is not, and says which."""

import json
from pathlib import Path

import pytest
import yaml
from test_evaluation import HELD, FakeSimulator
from tiny_training import recipe
from typer.testing import CliRunner

from lensfinder import cli
from lensfinder.errors import CheckpointError
from lensfinder.training import zoo
from lensfinder.training.recipe import load_recipe
from lensfinder.zoo import open_preset

MOCKS = {"kind": "simulator", "population": "pearson2019-train", "seed": 1}


@pytest.fixture(autouse=True)
def _fake(monkeypatch):
    import lensfinder.simulate

    monkeypatch.setattr(lensfinder.simulate, "Simulator", FakeSimulator)


def written(folder, **changes):
    """A tiny recipe as a file; its network is no more than a few hundred weights."""
    held = {"validation": {**HELD, "seed": 8, "size": 64}, "test": HELD}
    plain = recipe(folder, data=MOCKS, **{**held, **changes}).model_dump(mode="json")
    file = Path(folder) / "mine.yaml"
    file.write_text(yaml.safe_dump({k: v for k, v in plain.items() if v is not None}))
    return file


def run(file, out, *words):
    place = file.parent / "preset"
    line = [file, "--out", file.parent / out, "--preset", place, "--calibration", "none"]
    return zoo.main([str(word) for word in (*line, *words)]), place


def test_a_preset_is_replaced_by_a_better_one_alone(tmp_path, capsys):
    asleep = {"schedule": {"kind": "constant", "learning_rate": 1e-9}, "epochs": 1}
    code, place = run(written(tmp_path, **asleep), "asleep")
    assert code == zoo.COMPLETE
    first = open_preset(place)
    assert "before" not in first.metrics, "nothing was there to compare with"
    assert "schedule" not in first.metrics["training"]

    code, _ = run(written(tmp_path, epochs=12), "trained")
    assert code == zoo.COMPLETE
    better = open_preset(place)
    verdict = better.metrics["before"]
    assert verdict["new"] < verdict["old"]
    assert (verdict["better"], verdict["threshold"]) == (True, 0.95)
    assert verdict["probability"] > 0.95
    # the control: what is compared is what was measured and written, and the error is of the pairs
    rows = [better.metrics["modeller"]["parameters"][name] for name in ("theta_E", "e1", "e2")]
    written_down = sum(row["rms"] / row["rms_constant"] for row in rows) / 3
    assert verdict["new"] == pytest.approx(written_down, rel=1e-5)
    assert 0 < verdict["error"] < abs(verdict["difference"])
    assert better.metrics["sample_sha256"] == first.metrics["sample_sha256"]

    # the old one again: not better, stays in its run folder; both numbers are said
    capsys.readouterr()
    code, _ = run(written(tmp_path, **asleep), "asleep")
    assert code == zoo.NOT_BETTER
    assert open_preset(place).metrics == better.metrics
    assert open_preset(tmp_path / "asleep" / "candidate").metrics == first.metrics
    said = capsys.readouterr().out
    assert "tiny/tiny is not better beyond chance" in said
    assert "better with probability 0.000 (0.95 is asked for)" in said
    for number in (verdict["new"], verdict["old"]):
        assert f"{number:.5g}" in said
    kept = json.loads((tmp_path / "asleep" / "comparison.json").read_text())
    assert (kept["new"], kept["old"]) == (verdict["old"], verdict["new"])

    # another test sample: what is there is measured on it before anything is compared
    elsewhere = {**asleep, "test": {**HELD, "seed": 10}}
    code, _ = run(written(tmp_path, **elsewhere), "elsewhere")
    assert code == zoo.NOT_BETTER
    again = json.loads((tmp_path / "elsewhere" / "comparison.json").read_text())
    assert again["old"] != kept["old"]
    assert abs(again["old"] / kept["old"] - 1) < 0.5, "other objects of the same kind"

    code, _ = run(written(tmp_path, **asleep), "asleep", "--replace")
    assert code == zoo.COMPLETE
    assert open_preset(place).metrics["before"]["better"] is False

    # a folder from elsewhere is judged alike: by the sample that its own figures are of
    folder = tmp_path / "trained" / "candidate"
    adopt = ["x", "--preset", str(place), "--adopt"]
    assert zoo.main([*adopt, str(folder)]) == zoo.COMPLETE
    assert open_preset(place).metrics["before"]["new"] == pytest.approx(verdict["new"])
    worse = tmp_path / "asleep" / "candidate"
    capsys.readouterr()
    assert zoo.main([*adopt, str(worse)]) == zoo.NOT_BETTER
    assert "not better beyond chance" in capsys.readouterr().out
    assert zoo.main([*adopt, str(worse), "--replace"]) == zoo.COMPLETE
    assert open_preset(place).metrics["modeller"] == first.metrics["modeller"]


def test_from_the_main_command_line_with_a_schedule_that_fits(tmp_path, monkeypatch):
    """`lensfinder train --zoo`: the schedule is fitted, kept, and written into the preset."""
    from lensfinder.training import pacing, publish

    pace = pacing.Pace(seconds_per_step=0.5, seconds_per_epoch=0.5, seconds_before=1)
    monkeypatch.setattr(pacing, "measure_pace", lambda *args, **options: pace)
    placed = []
    monkeypatch.setattr(
        publish, "put_in_place", lambda candidate, *args, **options: placed.append(candidate)
    )
    line = ["train", "--zoo", written(tmp_path, epochs=50), "-o", tmp_path / "run"]
    line += ["--precision", "float32"]

    def command(*words):
        return CliRunner().invoke(cli.app, [str(word) for word in (*line, *words)])

    # 0.95 x 12 s less a second are four epochs of 2.5 s; a call of no time at all trains a step
    begun = command("--minutes", "0.2", "--fit-schedule")
    assert begun.exit_code in (zoo.CONTINUE, zoo.NOT_BETTER), begun.output
    done = command()  # neither minutes nor the flag: the schedule stays
    assert done.exit_code == zoo.NOT_BETTER, done.output
    assert "4 epochs, fitted to 0.2 minutes" in done.output
    training = placed[-1].metrics["training"]
    assert (training["epochs"], training["steps"]) == (4, 16)
    assert training["schedule"]["minutes"] == 0.2
    assert training["recipe"]["epochs"] == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["x", "--zoo", "--folds", "5"], "knows no folds"),
        (["x", "--zoo", "--no-resume"], "goes on with what is there"),
        (["x"], "-o FOLDER"),
        (["x", "-o", "y", "--precision", "auto"], "--zoo only"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words, said):
    done = CliRunner().invoke(cli.app, ["train", *words])
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())


def test_fitting_needs_minutes(capsys):
    with pytest.raises(SystemExit) as raised:
        zoo.main(["x", "--fit-schedule"])
    assert raised.value.code == 2
    assert "--fit-schedule needs --minutes" in capsys.readouterr().err


def test_every_recipe_has_a_run_folder_of_its_own_under_all_of_its_names():
    stored = zoo.run_name("shards/compact-finder-euclid-vis")
    assert stored == "shards-compact-finder-euclid-vis"
    fresh = {zoo.run_name(f"compact-finder{mark}euclid-vis") for mark in "-/"}
    assert fresh == {"compact-finder-euclid-vis"}
    assert zoo.run_name("edsr-small/lsst-gri-10yr") == "madireddy-joint-small-arcsinh"
    assert zoo.run_name("/somewhere/else/mine.yaml") == "mine"


def test_the_schedule_of_another_recipe_is_refused(tmp_path, monkeypatch):
    from lensfinder.training import pacing

    pace = pacing.Pace(seconds_per_step=0.5, seconds_per_epoch=0.5, seconds_before=1)
    monkeypatch.setattr(pacing, "measure_pace", lambda *args, **options: pace)
    file = written(tmp_path, epochs=50)
    pacing.fit_schedule(load_recipe(file), tmp_path / "run", minutes=0.2)
    other = written(tmp_path, epochs=50, seed=6)  # nothing but schedule.json is there to tell
    with pytest.raises(CheckpointError, match="fitted to another recipe"):
        run(other, "run")
