"""The README's table of presets says what was measured, and nothing else."""

import copy
import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("zoo_table", ROOT / "benchmarks" / "zoo_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def found(script):
    return script.presets(ROOT / "models")


def test_the_readme_has_the_table_that_the_script_writes(script, found):
    text = (ROOT / "README.md").read_text("utf-8")
    if script.BEGIN not in text:
        pytest.skip("README.md has no markers for the table of presets")
    table = script.table(found, script.results(ROOT / "benchmarks" / "results"))
    assert script.replaced(text, table) == text, "run: python benchmarks/zoo_table.py --write"


def test_every_preset_has_a_line(script, found):
    pinned = json.loads((ROOT / "models" / "presets.json").read_text("utf-8"))
    assert set(found) == set(pinned)
    lines = script.table(found, {}).splitlines()
    assert len(lines) == 2 + len(found)
    assert {line.count("|") for line in lines} == {len(script.HEAD) + 1}
    for name, line in zip(found, lines[2:], strict=True):
        assert line.startswith(f"| `{name}`: ")


def test_figures_are_those_of_the_files(script, found):
    name = "compact-finder/euclid-vis"
    metrics = copy.deepcopy(found[name])
    metrics["finder"] |= {"tpr_at_fpr_0.01": 0.1234, "tpr_at_fpr_0.001": None}
    metrics["training"] |= {"seconds": 660.0, "device": "1 GPU", "objects": 1_234_567}
    [*_, line] = script.table({name: metrics}, {}).splitlines()
    assert "completeness 0.123 at FPR 1e-2; AUC" in line
    assert "| 1,234,567 |" in line
    assert "| 11 min, 1 GPU |" in line
    assert line.endswith("| - | - |")


def test_results_go_with_the_preset_that_they_name(script, found):
    name = "compact-finder/euclid-vis"
    facts = {"auc": 0.91, "lenses": 3, "objects": 40, "median_rank_of_lenses": 2.0}
    figures = {"as they are": facts, "as the survey": {**facts, "auc": 0.81}, "finder": name}
    speeds = {name: {"one view": {"objects_per_cpu_s": 1234.4}}}
    speeds[name]["eight views"] = {"objects_per_cpu_s": 200.0}
    measured = {"finder_real-today": figures, "views": speeds}
    table = script.table(found, measured).splitlines()
    lines = {line.split("`")[1]: line for line in table[2:]}
    assert "AUC 0.91, made like the survey 0.81; median rank 2 of 3 lenses among 40" in lines[name]
    assert "(benchmarks/results/finder_real-today.json)" in lines[name]
    assert lines[name].endswith("| 1,234 |")
    assert lines[f"{name}-symmetric"].endswith("| - | 200 |")
    others = {key: line for key, line in lines.items() if not key.startswith(name)}
    assert all(line.endswith("| - | - |") for line in others.values())


def test_the_speed_is_that_of_the_network_as_it_is(script, found):
    """Whether it answers eight views is told by its arguments, not by its name."""
    both = {"one view": {"objects_per_cpu_s": 1541.0}, "eight views": {"objects_per_cpu_s": 227.4}}
    views = dict.fromkeys(("compact-modeller/euclid-vis", "compact-finder/euclid-vis"), both)

    def shown(name, **measured):
        return script.table({name: found[name]}, measured).splitlines()[-1].split(" | ")[-1]

    assert shown("compact-modeller/euclid-vis", views=views) == "227 |"
    assert shown("compact-finder/euclid-vis", views=views) == "1,541 |"
    assert shown("compact-finder/euclid-vis-symmetric", views=views) == "227 |"
    # what was measured of the preset itself goes first
    of_itself = {"batch_256": {"images_per_cpu_s": 321.4}, "batch_1": {"images_per_cpu_s": 9.0}}
    speed = {"presets": {"compact-modeller/euclid-vis": of_itself}}
    assert shown("compact-modeller/euclid-vis", views=views, speed=speed) == "321 |"
    assert shown("compact-finder/euclid-vis", views=views, speed=speed) == "1,541 |"


def test_only_what_was_trained_on_counts_as_seen(script):
    def seen(data, **facts):
        return script.seen({"objects": 640_000, "recipe": {"data": data}, **facts})

    stored = {"kind": "shards", "rows": 100_352}
    assert seen(stored) == "640,000 (about 80,000 different)"
    assert seen({**stored, "training_rows": 80_211}) == "640,000 (80,211 different)"
    parts = [{"objects": 64, "data": {**stored, "training_rows": rows}} for rows in (80_211, 9)]
    assert seen({"kind": "mixture", "parts": parts}) == "640,000 (80,220 different)"
    parts[0]["data"] = stored
    assert seen({"kind": "mixture", "parts": parts}) == "640,000 (about 161,000 different)"
    parts[0]["data"] = {"kind": "simulator"}
    assert seen({"kind": "mixture", "parts": parts}) == "640,000"
    assert seen({"kind": "simulator"}) == "640,000"
    assert seen({"kind": "arrays"}, pairs=21_240) == "640,000 (21,240 different)"
    begun = {"data": {"kind": "simulator"}, "start": "another/preset"}
    assert script.seen({"objects": 5_000, "recipe": begun}) == "5,000, after `another/preset`"


def test_only_what_is_between_the_markers_changes(script):
    document = f"before\n{script.BEGIN}\nold\n{script.END}\nafter\n"
    text = script.replaced(document, "| new |")
    assert text == f"before\n{script.BEGIN}\n\n| new |\n\n{script.END}\nafter\n"
    assert script.replaced(text, "| new |") == text
    with pytest.raises(SystemExit, match="README.md needs"):
        script.replaced("no markers", "| new |")


def test_mocks_that_were_not_shown_as_they_are_are_named(script):
    data = {"survey": "lsst-gri-10yr", "n": 9}
    assert script.shown("finder", {"data": data}) == ""
    assert "true sources" in script.shown("finder", {"data": {**data, "plane": "S3"}})
    behind = {**data, "plane": "S3", "cleaner": "edsr-small/lsst-gri-10yr"}
    assert script.shown("finder", {"data": behind}) == " behind `edsr-small/lsst-gri-10yr`"
