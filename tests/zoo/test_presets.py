import json

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from toys import TWO, contract, images

import lensfinder
from lensfinder import zoo
from lensfinder.errors import (
    OutputExistsError,
    PresetError,
    UnknownNameError,
    UntrustedArtefactError,
)
from lensfinder.zoo import presets, weights
from lensfinder.zoo.layers.posterior_head import outputs_of
from lensfinder.zoo.preset_files import read_config
from lensfinder.zoo.weights import array_of, weight_table

SMALL = contract(vis=("V", 16))
ARGUMENTS = dict(widths=(4, 6), units=5, augment="quarter", dropout=0.1)


def make(of=SMALL, seed=1, name="compact_finder", task="finder", **arguments):
    keras.utils.set_random_seed(seed)
    model = zoo.build(name, of, task, **arguments)
    zoo.adapt(model, [images(of, rows=4)])
    return model


def save(place, model, **changes):
    given = dict(
        builder="compact_finder",
        arguments=ARGUMENTS,
        task="finder",
        targets=None,
        contract=SMALL,
        metrics={"auc": 0.5},
        card="# Toy\n",
    )
    return zoo.save_preset(place, model, **{**given, **changes})


@pytest.fixture
def model():
    return make(**ARGUMENTS)


def outputs(model, of=SMALL):
    return np.asarray(model(images(of), training=False))


def test_a_named_preset_goes_round(tmp_path, model):
    save("compact-toy/toy", model, root=tmp_path, headline={"AUC": 0.5})
    assert zoo.preset_names(tmp_path) == ("compact-toy/toy",)
    preset = zoo.open_preset("compact-toy/toy", root=tmp_path)
    assert (preset.name, preset.task, preset.targets) == ("compact-toy/toy", "finder", ("p_lens",))
    assert preset.pinned
    assert preset.contract == SMALL
    assert preset.metrics == {"auc": 0.5}
    assert preset.card == "# Toy\n"
    assert preset.config.versions["lensfinder"] == lensfinder.__version__
    assert_array_equal(outputs(preset.load()), outputs(model))
    line = presets.preset_table(tmp_path)["compact-toy/toy"]
    assert line["headline"] == {"AUC": 0.5}
    folder = tmp_path / "compact-toy" / "toy"
    assert line["size"] == sum(
        p.stat().st_size for p in folder.iterdir() if p.name != "weights.json"
    )
    assert sorted(p.name for p in tmp_path.rglob("*") if p.name.startswith(".")) == []


def test_a_folder_works_and_says_that_it_is_not_pinned(tmp_path, model, caplog):
    save(tmp_path / "run 1", model)
    preset = zoo.open_preset(tmp_path / "run 1")
    assert not preset.pinned
    assert "not pinned" in repr(preset)
    assert preset.name == "run-1/toy"
    with caplog.at_level("WARNING"):
        loaded = preset.load()
    assert "no pinned hash" in caplog.text
    assert_array_equal(outputs(loaded), outputs(model))
    assert_array_equal(outputs(lensfinder.load(str(tmp_path / "run 1"))), outputs(model))


def test_a_loaded_model_is_plain_keras(tmp_path, model):
    save(tmp_path / "p", model)
    loaded = zoo.load(tmp_path / "p")
    loaded.compile("adam", "binary_crossentropy", jit_compile=False)
    history = loaded.fit(images(SMALL, rows=8), np.ones((8, 1)), epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    assert np.abs(outputs(loaded) - outputs(model)).max() > 0


def test_half_precision_halves_the_kernels_only(tmp_path):
    model = make(name="compact_modeller", task="modeller")
    given = dict(builder="compact_modeller", arguments={}, task="modeller")
    full = save(tmp_path / "full", model, **given)
    half = save(tmp_path / "half", model, dtype="float16", **given)
    a, b = (sum(f.stat().st_size for f in p.folder.glob("*.safetensors")) for p in (full, half))
    assert 0.5 < b / a < 0.6
    # 11 bits of mantissa in about ten layers, outputs around 1.5; measured 1e-3
    assert_allclose(outputs(half.load()), outputs(model), atol=5e-3)
    stretch = {n: array_of(v) for n, v in weight_table(half.load()).items() if "stretch" in n}
    for name, value in stretch.items():
        assert_array_equal(value, array_of(weight_table(model)[name]))


def test_a_weight_beyond_half_precision_is_not_stored(tmp_path, model):
    weight_table(model)["dense/kernel"].assign_add(np.full((12, 5), 1e6, np.float32))
    with pytest.raises(PresetError, match="dense/kernel holds values"):
        save(tmp_path / "p", model, dtype="float16")
    assert list(tmp_path.iterdir()) == []
    save(tmp_path / "p", model)


def test_shards_stay_below_their_limit(tmp_path, model, monkeypatch):
    limit = 8000
    monkeypatch.setattr(weights, "SHARD_BYTES", limit)
    preset = save(tmp_path / "p", model)
    shards = sorted(preset.folder.glob("*.safetensors"))
    assert len(shards) > 1
    assert max(shard.stat().st_size for shard in shards) < limit
    assert_array_equal(outputs(preset.load()), outputs(model))
    monkeypatch.setattr(weights, "SHARD_BYTES", 4500)
    with pytest.raises(PresetError, match="more than a shard"):
        save(tmp_path / "q", model)


def test_random_number_states_are_not_part_of_a_preset(tmp_path, model):
    states = [v for v in model.variables if "seed" in v.path]
    assert states  # augmentation and dropout have them
    assert not [name for name in weight_table(model) if "seed" in name]
    loaded = save(tmp_path / "p", model).load()
    assert len([v for v in loaded.variables if "seed" in v.path]) == len(states)


def test_arguments_that_are_not_the_models_are_refused(tmp_path, model):
    with pytest.raises(PresetError, match="first differences"):
        save(tmp_path / "p", model, arguments={**ARGUMENTS, "units": 6})
    with pytest.raises(UnknownNameError, match="argument of compact_finder"):
        save(tmp_path / "p", model, arguments={"depth": 3})
    with pytest.raises(PresetError, match="finite numbers"):
        save(tmp_path / "p", model, metrics={"auc": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_an_existing_preset_is_replaced_only_when_asked(tmp_path, model):
    save("toy/toy", model, root=tmp_path)
    other = make(seed=2, **ARGUMENTS)
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        save("toy/toy", other, root=tmp_path)
    assert_array_equal(outputs(zoo.open_preset("toy/toy", root=tmp_path).load()), outputs(model))
    save("toy/toy", other, root=tmp_path, overwrite=True)
    assert_array_equal(outputs(zoo.open_preset("toy/toy", root=tmp_path).load()), outputs(other))
    assert sorted(p.name for p in (tmp_path / "toy").iterdir()) == ["toy"]


def test_where_training_started_is_not_stored(tmp_path):
    line = zoo.registry.entry("two_branch_efficientnet")
    assert line.starting == ("imagenet_weights", "imagenet_sha256")
    stored = read_config(
        json.dumps(config_of("two_branch_efficientnet", {"variant": "B0"}, TWO)).encode()
    )
    assert stored.arguments == {"variant": "B0"}
    bad = config_of("two_branch_efficientnet", {"imagenet_weights": "/etc/passwd"}, TWO)
    with pytest.raises(UntrustedArtefactError, match="imagenet_weights"):
        read_config(json.dumps(bad).encode())


def config_of(builder, arguments, of):
    return dict(
        format=1,
        name="toy/toy",
        builder=builder,
        arguments=arguments,
        task="finder",
        targets=["p_lens"],
        contract=of.model_dump(mode="json"),
        parameters=1,
        versions={},
    )


def test_unknown_presets_list_the_known_ones(tmp_path, model):
    save("toy/toy", model, root=tmp_path)
    for name in ("toy/other", "nothing", tmp_path / "nowhere"):
        with pytest.raises(UnknownNameError, match="Known: toy/toy"):
            zoo.open_preset(name, root=tmp_path)


@pytest.mark.parametrize("name", zoo.preset_names())
def test_shipped_presets_load_and_answer(name):
    preset = zoo.open_preset(name)
    result = outputs(preset.load(), preset.contract)
    if preset.config.task == "cleaner":
        assert result.shape == (3, len(preset.targets), *preset.contract.shapes["lsst"])
        return
    # with a posterior: the means, and a mixture of Gaussians, of the symmetric for each of 8 views
    views = 8 if preset.config.arguments.get("symmetric") else 1
    gaussians = views * preset.config.arguments.get("components", 0)
    assert result.shape == (3, outputs_of(len(preset.targets), gaussians))
    assert np.all(np.isfinite(result))
    assert all(p.stat().st_size < 15_000_000 for p in preset.folder.iterdir())
