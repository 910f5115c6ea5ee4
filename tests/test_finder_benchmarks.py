"""What the benchmarks of finders compute, on answers that are known; and that they run."""

import hashlib
import importlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lensfinder.data import Labelled
from lensfinder.errors import ArgumentError
from lensfinder.training.network import build_network
from lensfinder.training.starting import begin_from
from lensfinder.zoo import open_preset
from tests import tiny

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """A benchmark by its name, imported as it is run."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


# --- table 1 of Bom et al. 2022 -------------------------------------------------------------------
def fold(folder, losses, area):
    folder.mkdir(parents=True)
    history = [
        {"val_loss": loss, "seconds": 2.0, "objects_per_second": 50.0, "epoch": k + 1}
        for k, loss in enumerate(losses)
    ]
    (folder / "history.json").write_text(json.dumps(history))
    figures = {"roc_auc": area, "precision_recall_auc": 0.5, "f_beta": 0.5}
    figures |= {"tpr_at_fpr_0.01": 0.1, "tpr_at_fpr_0.001": None}
    (folder / "blind.json").write_text(json.dumps(figures))
    return folder


def test_a_cell_is_mean_and_deviation_over_folds_of_their_best_epochs(script, tmp_path):
    bench = script("bom2022")
    folds = [
        fold(tmp_path / "0", [0.7, 0.6, 0.65], 0.8),
        fold(tmp_path / "1", [0.7, 0.69], 0.9),
    ]
    found = bench.cell(folds, blind=None)
    assert found["roc_auc"] == 0.85
    assert found["roc_auc_std"] == pytest.approx(0.0707, abs=1e-4)
    assert found["tpr_at_fpr_0.001"] is None  # too few non-lenses: not a number, and not zero
    assert (found["epochs"], found["best_epochs"]) == ([3, 2], [2, 2])
    assert (found["train_s"], found["objects_seen"]) == (10.0, 500)
    assert found["fall_of_validation_loss"] == pytest.approx((0.1 + 0.01) / 2)


def test_every_cell_has_its_published_figures(script):
    bench = script("bom2022")
    scale = bench.SCALES["paper"]
    cells = [f"{variant}-{clip}" for variant in scale.variants for clip in scale.clippings]
    assert len(cells) == 18
    best = bench.published("hjy-vis-repeated-alternative")  # the abstract's 0.8295 +- 0.0088
    assert (best["roc_auc"], best["roc_auc_std"], best["f_beta"]) == (0.8295, 0.0088, 0.99207)
    found = {**dict.fromkeys(bench.FIGURES, 0.5), "objects_seen": 10, "train_s": 3.0}
    figures = {"table_1": {c: {**found, "published": bench.published(c)} for c in cells}}
    text = bench.markdown({**figures, "ours": {"ours": found}})
    assert "| hjy-none | 0.500 | 0.499 +- 0.001 |" in text
    assert text.count("| ours |") == 1


def test_each_ablation_takes_one_choice_back(script):
    bench = script("bom2022")
    scale = bench.SCALES["cpu"]
    plain = {
        name: bench.our_recipe(taken, scale).model_dump(mode="json")
        for name, taken in bench.ABLATIONS.items()
    }
    changed = {
        name: {key for key in recipe if recipe[key] != plain[bench.FRESH][key]}
        for name, recipe in plain.items()
    }
    assert changed == {
        bench.FRESH: set(),
        bench.SMOOTH: {"network"},
        bench.THEIRS: {"network", "steps_per_epoch"},
        bench.STORED: {"network", "epochs", "steps_per_epoch"},  # which augments
        bench.CLIPPED: {"network"},
        bench.STEADY: {"schedule"},
        bench.STARTED: {"network", "epochs", "steps_per_epoch", "groups", "start", "schedule"},
    }
    started = plain[bench.STARTED]
    assert started["groups"] == ["vis"]
    base = open_preset(started["start"])
    own = plain[bench.STORED]["network"]["arguments"]
    assert started["network"]["arguments"] == {**own, "observing": True}
    given = bench.our_recipe(bench.ABLATIONS[bench.STARTED], scale)
    assert base.fingerprint in begin_from(build_network(given), given)  # the weights fit
    assert base.contract.groups[0].bands == ("VIS",)
    paper = bench.paper_recipe(bench.BEST, scale).model_dump(mode="json")
    theirs = plain[bench.THEIRS]["network"]
    assert theirs["name"] == paper["network"]["name"]
    differ = {k for k, v in theirs["arguments"].items() if v != paper["network"]["arguments"][k]}
    assert differ == {"clip", "upper_percentiles"}  # of which arcsinh has none
    assert paper["schedule"] == plain[bench.STEADY]["schedule"]
    arguments = {name: plain[name]["network"]["arguments"] for name in (bench.FRESH, bench.CLIPPED)}
    assert [arguments[name]["stretch"] for name in arguments] == ["arcsinh", "clip"]
    # no more passes for the paper's network than for the paper's recipe, if that has no early end
    assert scale.fresh_for_theirs <= bench.training_objects(scale) * scale.epochs
    passes = [
        bench.SCALES["cpu"].batch_size * plain[name]["steps_per_epoch"] * plain[name]["epochs"]
        for name in (bench.FRESH, bench.STORED, bench.STARTED)
    ]
    assert passes == pytest.approx([scale.fresh] * 3, rel=0.01)


def test_cells_grow_into_a_result_of_the_same_mocks_alone(script, tmp_path):
    bench = script("bom2022")
    options = SimpleNamespace(scale="cpu", folder=tmp_path)
    facts = {"mocks": {"objects": 10}, "folds": 2}
    first = {**facts, "table_1": {"hjy-none": {"roc_auc": 0.5}}, "ours": {}}
    assert bench.merged(options, first) == first  # nothing is there yet
    (tmp_path / "bom2022.json").write_text(json.dumps({"figures": {**first, "scale": "cpu"}}))
    second = {**facts, "table_1": {}, "ours": {"ours": {"roc_auc": 0.7}}}
    found = bench.merged(options, second)
    assert found == {**facts, "table_1": first["table_1"], "ours": second["ours"]}
    with pytest.raises(ArgumentError, match="folds"):
        bench.merged(options, {**second, "folds": 3})


def test_what_the_papers_branches_start_from_is_said(script, tmp_path):
    bench = script("bom2022")
    file = tmp_path / "lite0.safetensors"
    file.write_bytes(b"weights")
    assert bench.start(None) == "random weights (the paper: ImageNet)"
    assert bench.start(file) == f"ImageNet, SHA-256 {hashlib.sha256(b'weights').hexdigest()}"
    recipe = bench.paper_recipe("hjy-none", bench.SCALES["cpu"], file)
    assert recipe.network.arguments["imagenet_weights"] == str(file)
    assert recipe.network.arguments["variant"] == "Lite0"


# --- real images ----------------------------------------------------------------------------------
def real_objects(bench, sets):
    """Objects without images: (set, lens, from space, how many) each."""
    real = importlib.import_module("_real_objects").RealObject
    return [
        real(name, f"{name}-{k}", "lens" if lens else "galaxy", np.zeros((2, 2)), "", space=space)
        for name, lens, space, count in sets
        for k in range(count)
    ]


def test_the_gap_to_mocks_has_its_limit(script):
    bench = script("finder_real")
    sets = [("lenses", True, True, 2), ("KiDS tile r", False, False, 50), ("HST", False, True, 50)]
    objects = real_objects(bench, sets)
    scores = np.array([0.9, 0.2] + [0.95] + [0.1] * 49 + [0.05] * 50)
    known = {"thresholds": {"0.01": {"threshold": 0.5, "completeness": 0.8}}}
    found = bench.judge(objects, scores, known)
    assert found["auc"] == pytest.approx(0.99)  # one non-lens above both lenses
    assert found["auc_space"] == 1.0
    assert found["auc_ground"] is None  # no lens there
    tile, everything = (found["gap"][name]["0.01"] for name in ("KiDS tile r", bench.ALL))
    assert (tile["times"], tile["hits"], tile["objects"]) == (2.0, 1, 50)
    assert (everything["times"], everything["objects"]) == (1.0, 100)
    assert tile["upper_95"] > 9  # one of fifty: a rate of up to 9 %
    assert "HSC blends i" not in found["gap"]
    assert found["scores_of_others"] == {"KiDS tile r": [0.95] + [0.1] * 49, "HST": [0.05] * 50}
    assert found["completeness"] == {"0.01": 0.5}


# --- rates at few false positives -----------------------------------------------------------------
def test_finders_are_compared_on_the_same_mocks(script, tmp_path):
    bench = script("finder_rates")
    places = [tiny.save(tmp_path, seed=seed, stamp=57) for seed in (1, 2)]
    figures = bench.measure(places, "finder-test", 250)
    first, second = figures["finders"].values()
    assert first["lenses"] == second["lenses"]
    assert figures["mocks"] == 250
    assert first["roc_auc"] != second["roc_auc"]
    assert first["tpr_at_fpr_0.0001"] is None  # too few non-lenses: not a number, and not zero
    kinds = {kind: line for kind, line in first["non_lenses"].items() if kind != "threshold"}
    assert sum(line["objects"] for line in kinds.values()) == 250 - first["lenses"]
    assert bench.markdown(figures).count("| - | - |") == 2


def test_finders_of_two_surveys_are_refused(script):
    bench = script("finder_rates")
    with pytest.raises(SystemExit, match="euclid-vis, euclid-wide-vis"):
        bench.measure(["compact-finder/euclid-vis", "compact-finder/euclid-wide-vis"], "x", 10)


@pytest.mark.slow
def test_table_1_runs_from_mocks_to_numbers(script, monkeypatch, tmp_path):
    bench = script("bom2022")
    small = bench.Scale(
        *("euclid-vis-nisp-central", 32, 20, 2, 1, 8, "B0-half", ("hjy",), ("none",), (1, 1), 1),
        *((bench.FRESH,), 16, 16),
    )
    monkeypatch.setitem(bench.SCALES, "ci", small)
    options = SimpleNamespace(
        scale="ci", minutes=None, workers=1, imagenet=None, cells=None, merge=False
    )
    found = bench.run(tmp_path, options)
    assert list(found["table_1"]) == ["hjy-none"]
    assert list(found["ours"]) == [bench.FRESH]
    for figures in (*found["table_1"].values(), *found["ours"].values()):
        assert 0 <= figures["roc_auc"] <= 1
        assert figures["epochs"] == [1, 1]
    assert found["ours"][bench.FRESH]["objects_seen"] == pytest.approx(32, abs=1)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*/fold-*/best.safetensors")}
    assert len(before) == 4
    assert bench.run(tmp_path, options) == found  # all of it was done
    assert before == {p: p.stat().st_mtime_ns for p in before}


# --- figure 12: adaptation ------------------------------------------------------------------------
def test_images_to_train_on_and_to_stop_by_are_apart_and_even(script):
    bench = script("adaptation")
    label = np.array([1.0] * 30 + [0.0] * 50, np.float32)[:, None]
    ids = tuple(f"{i}" for i in range(80))
    pool = Labelled(tiny.contract(), ids, tiny.images(80), label)
    train, stop = bench.chosen(pool, 20, np.random.default_rng(0))
    assert not set(train.ids) & set(stop.ids)
    for part in (train, stop):
        assert len(part) == 20
        assert part.y.sum() == 10
    again = bench.chosen(pool, 20, np.random.default_rng(0))[0]
    assert again.ids == train.ids


def test_the_curve_is_mean_and_deviation_over_repeats(script):
    bench = script("adaptation")
    rows = [dict.fromkeys(bench.FIGURES, value) for value in (0.5, 0.7)]
    found = bench.summary(rows)
    assert (found["roc_auc_mean"], found["roc_auc_std"]) == (0.6, 0.1414)
    figures = bench.figures_of(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4]))
    assert figures == {"roc_auc": 1.0, "precision_recall_auc": 1.0, "f_beta": 1.0}


def test_figure_12_has_its_points_in_order(script, monkeypatch, tmp_path):
    from lensfinder.report import studies

    bench = script("adaptation")
    row = bench.summary([dict.fromkeys(bench.FIGURES, value) for value in (0.6, 0.7)])
    figures = {
        **{"curves": {start: {"100": row, "20": row} for start in bench.STARTS}},
        **{"base_as_it_is": dict.fromkeys(bench.FIGURES, 0.65), "base": "mine/here"},
        **{"survey": "there", "repeats": 2},
    }
    result = tmp_path / "adaptation.json"
    result.write_text(json.dumps({"figures": figures}, sort_keys=True))
    seen, plain = [], studies.study_plot
    monkeypatch.setattr(
        studies, "study_plot", lambda rows, **o: seen.append(rows) or plain(rows, **o)
    )
    assert bench.draw(result).stat().st_size > 1000
    lines = seen[0][0]["lines"]
    words = {name: [point["x"] for point in points] for name, points in lines.items()}
    assert list(words) == ["adapted", "from random weights", "base as it is"]
    assert set(map(tuple, words.values())) == {("20", "100")}


# --- figure 11: the detection limit ---------------------------------------------------------------
def test_the_curve_of_figure_11_is_summed_up_lens_by_lens(script):
    bench = script("detection_limit")
    lines = [
        {"low": 10, "high": 20, "lenses": 30, "roc_auc": 0.5, "roc_auc_std": 0.1},
        {"low": 20, "high": 30, "lenses": 10, "roc_auc": 0.7, "roc_auc_std": 0.1},
        {"low": 30, "high": 40, "lenses": 5, "roc_auc": 0.8, "roc_auc_std": 0.1},
        {"low": 70, "high": 80, "lenses": 4, "roc_auc": float("nan"), "roc_auc_std": float("nan")},
    ]
    assert bench.summary(lines) == {"below 30": 0.55, "30 to 70": 0.8, "above 70": None}
    assert "| 30-40 | 5 | 0.800 +- 0.100 |" in bench.markdown({"below": lines, "non_lenses": lines})


# --- figure 9: explanations -----------------------------------------------------------------------
def test_the_top_region_is_measured_against_the_arc_and_against_chance(script):
    bench = script("explain")
    labels = np.repeat(np.arange(1, 5).reshape(2, 2), 4, axis=0).repeat(4, axis=1)  # four squares
    regions = SimpleNamespace(
        labels=labels,
        sums=lambda values: np.bincount(labels.ravel(), values.ravel().astype(float))[1:],
    )
    arc, other = labels == 2, labels == 3
    arc[:, 7] = False  # three quarters of the region
    row, missed = (
        bench.on_the_arc(
            SimpleNamespace(
                regions=regions, top=lambda kind, k=k: [k], stability=lambda kind: 1.0, fit_r2=0.9
            ),
            arc,
            other,
        )
        for k in (1, 0)
    )
    assert row["touches"]
    assert row["most_is_arc"]
    assert row["share_of_the_region"] == 0.75
    assert row["chance_any_region"] == row["chance_by_area"] == 0.25
    assert not row["touches_the_arc_of_another"]
    assert not missed["touches"]
    found = bench.summary([row, missed])
    assert (found["touches"], found["touches_std"]) == (0.5, 0.3536)
