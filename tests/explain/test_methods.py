"""LIME, occlusion and integrated gradients find what was planted, and nothing in a constant."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder.errors import ArgumentError, UnknownNameError
from lensfinder.explain import METHODS, Explainer
from lensfinder.explain.explanation import rank_correlation, shared_area, top_regions
from lensfinder.explain.gradients import InputGradient, attributions
from lensfinder.explain.local_linear import draw_states
from lensfinder.explain.occlusion import covered, patch_starts
from tests.explain import planted

ONE, TWO = planted.contract(), planted.contract(two=True)


def explainer(of=ONE, gain=8.0, **terms):
    return Explainer(planted.network(of, gain=gain), of, **{"samples": 200, **terms})


@pytest.fixture(scope="module")
def finders():
    """Networks that look at the planted place, of one group and of two."""
    return {len(of.groups): explainer(of) for of in (ONE, TWO)}


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_the_planted_region_is_found(method, groups, finders):
    of = {1: ONE, 2: TWO}[groups]
    found = finders[groups](planted.images(of), method=method, seeds=3)
    k = planted.planted_region(found.regions)
    assert found.top("lens")[0] == k
    # the other blob is as bright and does not matter, so it is not among the regions that count
    x, y = found.regions.centres.T
    other = int(np.argmin(np.hypot(x + 1.3, y - 1.1)))
    assert other not in found.top("lens") + found.top("against")
    density = found.density
    row, column = np.unravel_index(np.argmax(density), density.shape)
    axis = (np.arange(found.regions.sky.side) - (found.regions.sky.side - 1) / 2) * 0.1
    assert np.hypot(axis[column] - planted.PLACE[0], axis[row] - planted.PLACE[1]) < 0.6
    assert set(found.maps()) == set(of.shapes)


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_network_has_no_regions_that_count(method):
    found = explainer(TWO, gain=0.0)(planted.images(TWO), method=method, seeds=3)
    assert not found.significant.any()
    assert found.top("lens") == found.top("against") == []
    assert np.isnan(found.stability("lens"))
    assert not found.density.any() or np.abs(found.density).max() < 1e-7


def test_what_speaks_against_is_found_with_its_sign():
    found = explainer(gain=-8.0)(planted.images(ONE), seeds=2)
    k = planted.planted_region(found.regions)
    assert found.top("against")[0] == k
    assert k not in found.top("lens")


def test_the_methods_agree_about_the_planted_region(finders):
    found = finders[1](planted.images(ONE), seeds=2, compare=METHODS)
    assert set(found.checks) == {
        f"{kind}_{name}" for kind in ("rank", "shared") for name in ("occlusion", "gradients")
    }
    assert found.checks["shared_gradients"] > 0.2  # one of two regions at least is the same
    assert found.fit_r2 > 0.5


@pytest.mark.parametrize("method", METHODS)
def test_seeds_reproduce_bytes_and_matter(method, finders):
    images = planted.images(ONE)
    first, again, other = (
        finders[1](images, method=method, seeds=2, seed=seed).per_seed for seed in (5, 5, 7)
    )
    assert first.tobytes() == again.tobytes()
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("method", METHODS)
def test_the_batch_size_does_not_matter(method):
    images = planted.images(TWO)
    results = [explainer(TWO, batch_size=size)(images, method=method, seeds=1) for size in (7, 64)]
    # sums of a dense layer in float32, in another order
    assert_allclose(results[0].per_seed, results[1].per_seed, atol=1e-5)
    assert_array_equal(results[0].regions.labels, results[1].regions.labels)


def test_the_result_does_not_depend_on_what_was_explained_before(finders):
    fresh = finders[1](planted.images(ONE), seeds=1).per_seed
    finders[1](planted.images(ONE, seed=9), method="gradients", seeds=1)
    assert fresh.tobytes() == finders[1](planted.images(ONE), seeds=1).per_seed.tobytes()


# --- gradients ------------------------------------------------------------------------------------
def test_gradients_are_those_of_the_formula():
    network = planted.network(TWO)
    images = {name: stack[None] for name, stack in planted.images(TWO).items()}
    found = InputGradient(network, batch_size=2)(images, [1.0])
    p = float(network({k: np.asarray(v) for k, v in images.items()})[0, 0])
    for i, group in enumerate(TWO.groups):
        start = sum(np.prod(g.shape) for g in TWO.groups[:i])
        kernel = network.layers[-1].get_weights()[0][start : start + np.prod(group.shape), 0]
        # float32 of a sigmoid and its product
        assert_allclose(found[group.name].ravel(), p * (1 - p) * kernel, rtol=2e-5, atol=1e-9)


def test_gradients_of_a_network_with_dropout_and_norms_leave_it_as_it_is():
    keras.utils.set_random_seed(2)
    inputs = {"vis": keras.Input((48, 48, 1), name="vis")}
    x = keras.layers.Conv2D(4, 5, strides=3)(inputs["vis"])
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.5)(keras.layers.ReLU()(x))
    network = keras.Model(
        inputs, keras.layers.Dense(1, activation="sigmoid")(keras.layers.Flatten()(x))
    )
    before = [np.array(v) for v in network.get_weights()]
    flags = [layer.trainable for layer in network.layers]
    gradient = InputGradient(network, batch_size=4)
    images = {name: stack[None] for name, stack in planted.images(ONE).items()}
    first, again = gradient(images, [1.0])["vis"], gradient(images, [1.0])["vis"]
    assert first.tobytes() == again.tobytes()  # no dropout, no running mean
    assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))
    assert flags == [layer.trainable for layer in network.layers]
    bump = np.zeros((1, 48, 48, 1), np.float32)
    bump[0, 20, 20] = 1e-2
    up, down = (float(network({"vis": images["vis"] + s * bump})[0, 0]) for s in (1, -1))
    # central difference in float32: 1e-7 / 2e-2
    assert first[20, 20, 0] == pytest.approx((up - down) / 2e-2, abs=3e-5)


@pytest.mark.parametrize("of", [ONE, TWO], ids=["one", "two"])
def test_integrated_gradients_are_complete(of):
    network = planted.network(of)
    images = planted.images(of)
    baseline = {name: np.zeros_like(stack) for name, stack in images.items()}
    found = attributions(InputGradient(network), images, baseline=baseline, steps=32)
    ends = [
        float(network({k: v[None] for k, v in end.items()})[0, 0]) for end in (images, baseline)
    ]
    total = sum(values.sum() for values in found.values())
    assert ends[0] - ends[1] > 0.3
    # float32 sums; Gauss-Legendre with 32 points is exact to 1e-9 for this sigmoid
    assert total == pytest.approx(ends[0] - ends[1], abs=1e-5)
    rough = attributions(InputGradient(network), images, baseline=baseline, steps=1)
    one = sum(values.sum() for values in rough.values())
    assert abs(one - (ends[0] - ends[1])) > 1e-3  # the test can see a bad sum


def test_attributions_of_regions_add_up_to_the_change(finders):
    found = finders[2](planted.images(TWO), method="gradients", seeds=1)
    switches = finders[2].switches(planted.images(TWO))
    ends = [finders[2].predict({k: v[None] for k, v in end.items()})[0, 0]
            for end in (switches.images, switches.filling(0))]  # fmt: skip
    change = float(ends[0] - ends[1])
    assert abs(found.completeness) <= 0.01 * abs(change)
    assert found.weights.sum() == pytest.approx(change, abs=0.011 * abs(change))


# --- parts ----------------------------------------------------------------------------------------
def test_switching_nothing_or_all_off_gives_the_two_ends(finders):
    switches = finders[2].switches(planted.images(TWO))
    filling = switches.filling(3)
    count = switches.regions.count
    scores = switches.score_states(np.stack([np.ones(count), np.zeros(count)]), filling)
    for score, end in zip(scores, (switches.images, filling), strict=True):
        expected = finders[2].predict({name: stack[None] for name, stack in end.items()})[0, 0]
        assert score == pytest.approx(float(expected), abs=1e-5)  # float32 fractions of pixels


def test_states_are_halves_of_the_regions_and_the_whole_first():
    states = draw_states(60, 1_000, seed=3)
    assert states[0].all()
    assert abs(states[1:].mean() - 0.5) < 5 * 0.5 / np.sqrt(999 * 60)
    assert_array_equal(states, draw_states(60, 1_000, seed=3))
    assert (states != draw_states(60, 1_000, seed=4)).any()


def test_patches_reach_from_edge_to_edge():
    starts = patch_starts(5.7, 0.8, most=1_000)
    assert starts[0] == -2.85
    assert starts[-1] + 0.8 == pytest.approx(2.85)
    assert len(patch_starts(20.0, 0.8, most=400)) == 20
    parts = covered(starts, 0.8, side=57, scale=0.1)
    assert_allclose(parts.sum(axis=1) * 0.1, 0.8, rtol=1e-5)  # float32
    with pytest.raises(ArgumentError, match="smaller than the sky"):
        patch_starts(5.7, 6.0, most=100)


def test_top_regions_and_their_agreement():
    weights = np.array([0.1, -0.4, 0.3, 0.0, -0.1])
    assert top_regions(weights, "lens") == [2, 0]
    assert top_regions(weights, "against") == [1, 4]
    areas = np.array([1.0, 2.0, 3.0])
    assert shared_area([0, 1], [1, 2], areas=areas) == pytest.approx(2 / 6)
    assert np.isnan(shared_area([], [], areas=areas))
    assert shared_area([0], [], areas=areas) == 0.0
    assert rank_correlation([1.0, 2.0, 3.0], [1.0, 4.0, 9.0]) == 1.0
    assert np.isnan(rank_correlation([1.0, 1.0], [0.0, 1.0]))


@pytest.mark.parametrize(
    ("terms", "error", "match"),
    [
        ({"samples": 50}, ArgumentError, "at least 120 samples"),
        ({"regions": 2}, ArgumentError, "4 to 400 regions"),
        ({"fill": "zeros"}, UnknownNameError, "galaxy, sky"),
    ],
)
def test_what_cannot_be_is_refused(terms, error, match):
    with pytest.raises(error, match=match):
        explainer(**terms)


def test_an_unknown_method_is_refused(finders):
    with pytest.raises(UnknownNameError, match="gradients, lime, occlusion"):
        finders[1](planted.images(ONE), method="shap")
