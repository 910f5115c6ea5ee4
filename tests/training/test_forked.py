"""The classifier of reconstructions through the training loop, on pairs that are easy."""

import json

import numpy as np
import pytest

from lensfinder.errors import ArgumentError, DatasetSpecError
from lensfinder.evaluate import evaluate
from lensfinder.tables import read_table
from lensfinder.training import auditing, forked, reconstructions
from lensfinder.training.pairs import Pairs, PairSpec, Systems
from lensfinder.training.publish import put_in_place
from lensfinder.training.recipe import load_recipe
from lensfinder.training.reconstructions import load_pairs, make_pairs
from lensfinder.training.solutions import Scan
from lensfinder.zoo import open_preset

SIZE, LENSES = 16, 60


class Drawn(Systems):
    """Sources of three widths: what tells the solutions apart, and nothing else."""

    def pairs(self, index):
        rng = np.random.default_rng((self.spec.seed, index))
        axis = np.arange(SIZE) - (SIZE - 1) / 2
        r = np.hypot(axis[:, None], axis)
        source = np.stack([np.exp(-0.5 * ((r - peak) / 1.0) ** 2) for peak in (4.0, 0.0, 7.0)])
        noise = rng.normal(size=(3, SIZE, SIZE))
        images = {"source": source + 0.05 * noise, "residual": rng.normal(size=noise.shape)}
        images = {name: array[..., None].astype(np.float16) for name, array in images.items()}
        radius = np.ones(3, np.float32)
        return Pairs(images, np.arange(3), np.full(3, index), radius, radius, radius)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(reconstructions, "Systems", Drawn)
    monkeypatch.setattr(auditing, "Systems", Drawn)
    spec = PairSpec(seed=1, scan=Scan(size=SIZE))
    return make_pairs(spec, tmp_path / "pairs", n=LENSES)


@pytest.fixture
def recipe_file(tmp_path):
    import yaml

    data = load_recipe("forked-euclid-vis").model_dump(mode="json", exclude_none=True)
    data["network"]["arguments"] = {"filters": [8, 8, 8], "dense_units": 16, "dropout": 0.0}
    data |= dict(frame=SIZE, batch_size=16, epochs=12, steps_per_epoch=50)
    data["schedule"] = {"kind": "constant", "learning_rate": 5e-3}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data))
    return str(path)


def test_training_measuring_and_reading_back(folder, recipe_file, tmp_path, capsys):
    out = tmp_path / "run"
    words = [recipe_file, "--pairs", str(folder), "--out", str(out)]
    assert forked.main([*words, "--minutes", "0.0001"]) == 3  # to be continued
    assert forked.main(words) == 0
    preset = open_preset(out / "preset")
    assert (preset.task, preset.targets) == ("auditor", ("under", "correct", "over"))
    figures = json.loads((out / "preset" / "metrics.json").read_text())
    # 9 test lenses; the widths differ by several pixels
    assert figures["auditor"]["objects"] == 27
    assert figures["auditor"]["accuracy"] > 0.9
    assert figures["training"]["pairs"] == 3 * 48
    assert "22,151,680" in preset.card
    assert "val_recall_over" in figures["training"]["validation"]
    pairs = load_pairs(folder)
    probability = forked.classify(preset.load(), pairs)
    assert probability.shape == (3 * LENSES, 3)
    assert (probability.argmax(axis=1) == pairs.label).mean() > 0.9
    # the residual alone does not tell: with the sources exchanged the answers are wrong
    wrong = Pairs(**{**vars(pairs), "images": {n: a[::-1] for n, a in pairs.images.items()}})
    assert (forked.classify(preset.load(), wrong).argmax(axis=1) == pairs.label).mean() < 0.7
    # put in place where nothing is, and not again where it is no better than itself
    assert put_in_place(preset, tmp_path / "placed", answers=None)
    assert open_preset(tmp_path / "placed").metrics == preset.metrics
    assert not put_in_place(preset, tmp_path / "placed", answers=None)
    assert "without an error" in capsys.readouterr().out

    # measured again: the kept lenses of the same seed give the same figures, to the last digit
    again = evaluate(preset, 9, seed=1, out=tmp_path / "again")
    assert again["auditor"] == figures["auditor"]
    assert again["data"] == figures["data"]
    assert {file.name for file in (tmp_path / "again").iterdir()} == {
        *("metrics.json", "solutions.ecsv", "confusion.png", "reliability.png"),
    }
    table = read_table(tmp_path / "again" / "solutions.ecsv")
    assert (table["verdict"] == table["true_verdict"]).mean() == figures["auditor"]["accuracy"]
    np.testing.assert_allclose(table["p_under"] + table["p_correct"] + table["p_over"], 1)
    stored = evaluate(preset, pairs=folder, seed=1)
    assert stored["auditor"] == figures["auditor"], "of stored pairs those that were kept apart"
    # the control: by default other lenses, of a seed that nothing was trained on
    fresh = evaluate(preset, 9)
    assert fresh["data"]["pairs"]["seed"] != 1
    assert fresh["auditor"]["log_loss"] != figures["auditor"]["log_loss"]
    assert set(fresh["auditor"]["calibration"]) == {"under", "correct", "over"}
    for given in ({"labels": "x.csv"}, {"population": "x"}, {"threshold": 0.5}):
        with pytest.raises(ArgumentError, match=f"{next(iter(given))}: An auditor is measured"):
            evaluate(preset, **given)
    with pytest.raises(ArgumentError, match="n: Stored pairs"):
        evaluate(preset, 9, pairs=folder)


def test_all_pairs_of_a_lens_go_together():
    lens = np.arange(4000)
    parts = {name: forked.split_of(lens, name) for name in ("train", "validation", "test")}
    assert (sum(part.astype(int) for part in parts.values()) == 1).all()
    assert [part.mean() for part in parts.values()] == [0.8, 0.05, 0.15]


def test_a_recipe_of_another_frame_is_refused(folder):
    with pytest.raises(DatasetSpecError, match="Make pairs with --size 64"):
        forked.sources(load_recipe("forked-euclid-vis"), folder)


def test_an_epoch_is_no_longer_than_the_data(folder, recipe_file):
    recipe = load_recipe(recipe_file)
    source, validation = forked.sources(recipe, folder, lenses=40)
    assert forked.fitting_epochs(recipe, source).steps_per_epoch == 3 * 32 // 16
    assert len(validation.y) == 3 * 2
    assert validation.y.sum() == len(validation.y)


def test_hardly_a_lens_that_can_be_used_ends_the_search(monkeypatch):
    class Dark(Systems):
        def pairs(self, index):
            return None

    monkeypatch.setattr(auditing, "Systems", Dark)
    with pytest.raises(DatasetSpecError, match="Of 40 lenses of maresca2021"):
        auditing.draw_pairs(PairSpec(seed=1), 2)
