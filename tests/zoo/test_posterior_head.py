"""The head that says how sure a modeller is, and what eight views make of it."""

import keras
import numpy as np
import pytest
from toys import ONE, images

from lensfinder import zoo
from lensfinder.errors import ArchitectureError
from lensfinder.zoo.layers import DihedralMean, PosteriorHead
from lensfinder.zoo.layers.dihedral import VIEWS, turned_back, view
from lensfinder.zoo.layers.posterior_head import SMALLEST, outputs_of, pack, unpack

TARGETS = ("theta_E", "e1", "e2", "x_lens", "y_lens")
PLAIN = {"widths": (4,), "units": 4, "stretch": "none"}


def moments(answers, count):
    """Mean (N, P) and covariance (N, P, P) of the mixtures in a head's answers, in float64."""
    weight, mean, factor = (np.asarray(part, np.float64) for part in unpack(answers, count))
    middle = np.einsum("nk,nkp->np", weight, mean)
    apart = mean - middle[:, None]
    return middle, np.einsum("nk,nkpq->npq", weight, factor @ np.swapaxes(factor, -1, -2)) + (
        np.einsum("nk,nkp,nkq->npq", weight, apart, apart)
    )


def modeller(seed=1, **arguments):
    """A modeller whose Gaussians differ: its last layer has random biases."""
    keras.utils.set_random_seed(seed)
    model = zoo.build("compact_modeller", ONE, "modeller", **PLAIN, **arguments)
    bias = model.get_layer("raw").bias
    bias.assign(np.random.default_rng(seed).normal(0, 1, bias.shape))
    return model


def test_any_raw_numbers_are_a_mixture_in_the_units_of_the_targets(rng):
    low, high = (0.0, -1.0, -1.0), (3.0, 1.0, 1.0)
    head = PosteriorHead(low, high, 2)
    raw = rng.normal(0, 3, (200, head.raw_size)).astype("f4")
    answers = np.asarray(head(raw))
    assert (
        answers.shape == (200, outputs_of(3, 2)) == (200, *head.compute_output_shape(raw.shape)[1:])
    )
    weight, mean, factor = (np.asarray(part) for part in unpack(answers, 3))
    np.testing.assert_allclose(weight.sum(axis=1), 1, rtol=0, atol=1e-6)  # float32
    np.testing.assert_allclose(
        answers[:, :3], np.einsum("nk,nkp->np", weight, mean), rtol=0, atol=1e-5
    )
    assert (np.triu(factor, 1) == 0).all()
    assert (np.diagonal(factor, axis1=-2, axis2=-1) > 0).all()
    size = np.linalg.norm(factor, axis=-1)
    unit = np.subtract(high, low) / 10
    expected = np.log1p(
        np.exp(raw.reshape(200, 2, -1)[:, :, 4:7] + np.log(np.expm1([[1 / 3], [3]])))
    )
    np.testing.assert_allclose(size, (expected + SMALLEST) * unit, rtol=1e-4, atol=0)
    np.testing.assert_array_equal(pack(*unpack(answers, 3))[:, 3:], answers[:, 3:])


def test_raw_zeros_are_independent_targets_in_the_middle_of_their_ranges():
    head = PosteriorHead((0, -1), (3, 1))
    weight, mean, factor = (np.asarray(part) for part in unpack(head(np.zeros((1, 6), "f4")), 2))
    assert weight.item() == 1
    np.testing.assert_allclose(mean[0, 0], (1.5, 0), atol=1e-7)
    np.testing.assert_allclose(factor[0, 0], np.diag([0.3, 0.2]) * (1 + SMALLEST), atol=1e-6)


def test_one_target_and_many_gaussians():
    model = modeller(targets=("theta_E",), components=4, symmetric=True)
    mean, covariance = moments(np.asarray(model(images(ONE))), 1)
    assert np.isfinite(mean).all()
    assert (covariance > 0).all()


@pytest.mark.parametrize("components", [1, 3])
def test_the_posterior_turns_with_the_image(components):
    x = images(ONE)
    for symmetric, largest in ((True, 2e-5), (False, None)):  # float32 of order 1, factorised
        model = modeller(targets=TARGETS, components=components, symmetric=symmetric)
        mean, covariance = moments(np.asarray(model(x)), len(TARGETS))
        apart = []
        for which in VIEWS:
            back = turned_back(TARGETS, *which)
            seen = {group: view(image, *which) for group, image in x.items()}
            turned_mean, turned_covariance = moments(np.asarray(model(seen)), len(TARGETS))
            apart.append(np.abs(turned_mean @ back.T - mean).max())
            apart.append(np.abs(back @ turned_covariance @ back.T - covariance).max())
        assert max(apart) < largest if symmetric else max(apart) > 2e-3


def test_eight_views_are_the_mixture_of_what_each_says():
    plain = modeller(targets=TARGETS, components=2)
    both = modeller(targets=TARGETS, components=2, symmetric=True)
    both.set_weights(plain.get_weights())
    x = images(ONE)
    answers = np.asarray(both(x))
    assert answers.shape[1] == both.output_shape[1] == outputs_of(5, 2 * len(VIEWS))
    parts = []
    for which in VIEWS:
        back = turned_back(TARGETS, *which)
        seen = np.asarray(plain({g: view(image, *which) for g, image in x.items()}))
        mean, covariance = moments(seen, 5)
        parts.append((mean @ back.T, back @ covariance @ back.T))
    means, inner = (np.stack(part) for part in zip(*parts, strict=True))
    apart = means - means.mean(axis=0)
    scatter = np.einsum("gnp,gnq->npq", apart, apart) / len(VIEWS)
    mean, covariance = moments(answers, 5)
    np.testing.assert_allclose(mean, means.mean(axis=0), rtol=0, atol=2e-5)
    np.testing.assert_allclose(covariance, inner.mean(axis=0) + scatter, rtol=0, atol=2e-5)
    # the views disagree, and that is part of the spread
    assert np.trace(scatter.mean(axis=0)) > 1e-3
    np.testing.assert_array_equal(both(x, training=True), plain(x, training=True))


@pytest.mark.parametrize("builder", ["compact_modeller", "six_layer_cnn"])
def test_the_values_of_a_modeller_without_a_posterior_are_unchanged(builder):
    some = {"targets": ("theta_E", "e1", "e2")}
    plain, asked = (
        zoo.build(builder, ONE, "modeller", **some, **o) for o in ({}, {"components": 2})
    )
    assert plain.output_shape == (None, 3)
    assert plain.layers[-1].name == "target_scale"
    assert asked.output_shape == (None, outputs_of(3, 2))
    assert type(DihedralMean.from_config(DihedralMean(TARGETS).get_config())) is DihedralMean


def test_a_posterior_preset_is_read_back_bit_for_bit(tmp_path):
    arguments = {**PLAIN, "components": 2, "symmetric": True}
    model = modeller(targets=TARGETS, components=2, symmetric=True)
    zoo.save_preset(
        tmp_path / "p",
        model,
        builder="compact_modeller",
        arguments=arguments,
        task="modeller",
        targets=TARGETS,
        contract=ONE,
        metrics={},
        card="For tests.",
    )
    again = zoo.load(tmp_path / "p")
    np.testing.assert_array_equal(again(images(ONE)), model(images(ONE)))


@pytest.mark.parametrize("components", [-1, 17, 1.5])
def test_impossible_numbers_of_gaussians_are_refused(components):
    with pytest.raises(ArchitectureError, match="components"):
        zoo.build("compact_modeller", ONE, "modeller", components=components)


def test_a_finder_has_no_posterior():
    with pytest.raises(ArchitectureError, match="one probability"):
        zoo.build("compact_finder", ONE, "finder", components=1)
    with pytest.raises(ArchitectureError, match="1 Gaussian at least"):
        PosteriorHead((0,), (1,), 0)


@pytest.mark.parametrize("targets", [TARGETS[:3], TARGETS], ids=["signs", "swaps"])
def test_one_impossible_object_does_not_spoil_the_others(rng, targets):
    # nearly singular, beyond what float32 can factorise, and no number at all
    head = PosteriorHead([0.0] * len(targets), [3.0] * len(targets), 2)
    raw = rng.normal(0, 1, (4, head.raw_size)).astype("f4")
    raw[1, -3:] = 1e5
    raw[2] = np.nan
    views = np.tile(np.asarray(head(raw)), (len(VIEWS), 1))
    mean = DihedralMean(targets)
    found = np.asarray(mean(views))
    assert np.isfinite(found[[0, 1, 3]]).all()
    assert np.isnan(found[2]).all()
    alone = np.asarray(mean(np.tile(np.asarray(head(raw[[0, 3]])), (len(VIEWS), 1))))
    np.testing.assert_allclose(found[[0, 3]], alone, rtol=1e-6, atol=1e-6)
