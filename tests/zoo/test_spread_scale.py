"""The layer behind a modeller's head: what its configuration says, for any mixture and policy."""

import json

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pydantic import ValidationError

from lensfinder.errors import ArchitectureError
from lensfinder.paths import models_dir
from lensfinder.posterior import Posterior
from lensfinder.zoo.calibration import Spread
from lensfinder.zoo.layers import SpreadScale
from lensfinder.zoo.layers.posterior_head import outputs_of, unpack

TARGETS = ("theta_E", "e1", "e2")
SLOPES = {
    "weights": [[0.5, 0, 0, 0.2, 0], [0.1, -0.4, 0.1, 0, 0.6], [0, 0, 0, 0, 0]],
    "pivots": [-2.5, -2, -2, 1, 0.2],
    "ranges": [[-4, -1], [-3, -1], [-3, -1], [0.3, 2.2], [0, 0.7]],
    "shape": [0, 1, 2],
}
SLOPED = {"kind": "spread", "scales": [0.6, 1.2, 2], "limits": [1, 1, 1], "objects": 9}
SLOPED |= {"slopes": SLOPES}


def answers(rng, components, rows=40):
    """Raw answers with full covariances, some spreads beyond the ranges of the slopes."""
    lower = np.tril_indices(3)
    factor = np.tril(rng.normal(0, 0.1, (rows, components, 3, 3)), -1)
    size = np.exp(rng.uniform(-6, 0, (rows, 1, 3, 1)))
    factor = (factor + np.eye(3) * rng.uniform(0.1, 1, (rows, components, 3, 1))) * size
    mean = rng.normal(0.4, 0.3, (rows, components, 3))
    weight = rng.dirichlet(np.ones(components), rows)
    parts = np.concatenate([weight[..., None], mean, factor[..., lower[0], lower[1]]], axis=-1)
    middle = np.einsum("nk,nkp->np", weight, mean)
    return np.concatenate([middle, parts.reshape(rows, -1)], axis=1).astype("f4")


def run(layer, given):
    return keras.ops.convert_to_numpy(layer(given))


def traced(layer, given):
    """Through the graph of a model, as in a preset, whose batch size is not known."""
    inputs = keras.Input(given.shape[1:])
    return keras.Model(inputs, layer(inputs)).predict(given, batch_size=32, verbose=0)


@pytest.mark.parametrize("components", [1, 3, 16])
def test_the_layer_does_what_the_configuration_says(components, rng):
    found = Spread.model_validate(SLOPED)
    given = answers(rng, components)
    before = Posterior.of(given, TARGETS)
    factors = found.factors(before.mean(), before.std())
    assert np.ptp(factors[:, :2], axis=0).min() > 0.3, "they differ from lens to lens"
    assert np.ptp(factors[:, 2]) == 0
    answered = run(found.layer(), given)
    assert_allclose(traced(found.layer(), given), answered, rtol=1e-5, atol=1e-7)
    after, expected = Posterior.of(answered, TARGETS), before.stretched(factors)
    assert_allclose(after.mean(), before.mean(), rtol=0, atol=1e-6)  # float32 sums
    assert_allclose(after.std(), before.std() * factors, rtol=2e-5)
    assert_allclose(after.factors, expected.factors, rtol=1e-4, atol=1e-7)
    assert_allclose(after.means, expected.means, rtol=0, atol=5e-6)


def test_rows_that_are_not_finite_stay_so_and_touch_no_other(rng):
    given = answers(rng, 2)
    layer = Spread.model_validate(SLOPED).layer()
    clean = run(layer, given)
    given[3] = np.nan
    found = run(layer, given)
    assert np.isnan(found[3]).all()
    assert_array_equal(np.delete(found, 3, axis=0), np.delete(clean, 3, axis=0))


def test_a_round_trip_through_json_keeps_the_answers(rng):
    given = answers(rng, 3)
    for content in (SLOPED, {key: v for key, v in SLOPED.items() if key != "slopes"}):
        found = Spread.model_validate(content)
        again = Spread.model_validate_json(found.model_dump_json())
        assert again == found
        config = json.loads(json.dumps(found.layer().get_config()))
        assert ("slopes" in config) == (found.slopes is not None)
        twin = SpreadScale.from_config(config)
        assert_array_equal(run(twin, given), run(found.layer(), given))


@pytest.mark.parametrize("policy", ["mixed_float16", "float16"])
def test_logarithms_of_spreads_are_float32_whatever_the_policy(policy, rng):
    given = answers(rng, 3)
    found = Spread.model_validate(SLOPED)
    expected = run(found.layer(), given)
    keras.config.set_dtype_policy(policy)
    try:
        layer = found.layer()
        assert_array_equal(run(layer, given), expected)
    finally:
        keras.config.set_dtype_policy("float32")


def old_layer(scales, given):
    """What the layer did before factors could go with the answer, and must do to old presets."""
    scales = keras.ops.convert_to_tensor(scales, "float32")
    weight, mean, factor = unpack(keras.ops.convert_to_tensor(given), 3)
    middle = given[:, None, :3]
    return weight, middle + scales * (mean - middle), scales[:, None] * factor


def test_old_configurations_are_read_and_answer_as_they_did(rng):
    old = []
    for path in sorted(models_dir().glob("*/*/config.json")):
        content = json.loads(path.read_text("utf-8")).get("calibration", {})
        if content.get("kind") == "spread" and "slopes" not in content:
            old.append(content)
    old.append({key: v for key, v in SLOPED.items() if key != "slopes"})
    assert len(old) >= 3
    given = answers(rng, 3)
    assert given.shape[1] == outputs_of(3, 3)
    for content in old:
        found = Spread.model_validate(content)
        assert found.model_dump(mode="json") == content, "it would be written the same"
        assert set(found.layer().get_config()) & {"slopes", "pivots", "ranges", "shape"} == set()
        assert_array_equal(found.factors(given[:, :3], given[:, :3]), found.scales)
        parts = unpack(keras.ops.convert_to_tensor(run(found.layer(), given)), 3)
        for one, other in zip(parts, old_layer(found.scales, given), strict=True):
            assert_array_equal(*(keras.ops.convert_to_numpy(each) for each in (one, other)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weights": [[-1.0, 0, 0, 0, 0]] * 3}, "with itself is above -1"),
        ({"weights": [[5.0, 0, 0, 0, 0]] + [[0] * 5] * 2}, "beyond 100"),
        ({"weights": [[0.1, 0, 0, 0, 0]] * 2}, "2 targets go with"),
        ({"shape": None}, "3 targets go with 3 numbers"),
        ({"shape": [0, 1, 1]}, "three places"),
        ({"shape": [0, 1, 3]}, "three places"),
        ({"pivots": [9, -2, -2, 1, 0.2]}, "in its range"),
        ({"pivots": [float("nan"), -2, -2, 1, 0.2]}, "finite"),
    ],
)
def test_slopes_that_cannot_be_are_refused(change, said):
    with pytest.raises(ValidationError, match=said):
        Spread.model_validate({**SLOPED, "slopes": {**SLOPES, **change}})


def test_a_layer_of_shapes_that_do_not_pair_up_is_refused():
    with pytest.raises(ArchitectureError, match="pivots of 2 targets"):
        SpreadScale((1, 1), [[0, 0], [0, 0]], [0], [[0, 1], [0, 1]])
    with pytest.raises(ArchitectureError, match="> 0"):
        SpreadScale((1, -1))
