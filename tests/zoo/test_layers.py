import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder.errors import ArchitectureError, DatasetSpecError
from lensfinder.zoo import adapt
from lensfinder.zoo.layers import ArcsinhStretch, ContrastClip, ImageScale, TargetScale


@pytest.fixture
def band(rng):
    """Images (40, 30, 30, 2): noise and a few bright pixels, two decades apart in the bands."""
    pixels = rng.normal(0, 1, (40, 30, 30, 2))
    pixels += np.where(rng.random(pixels.shape) < 0.05, rng.exponential(300, pixels.shape), 0)
    return (pixels * [1.0, 100.0]).astype(np.float32)


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(keras.ops.copy(tensor))


@pytest.mark.parametrize(("scheme", "upper"), [("challenge", 98), ("alternative", 99)])
def test_contrast_clip_takes_the_bounds_of_the_paper(band, scheme, upper):
    layer = ContrastClip(scheme)
    layer.adapt(band)
    # Bom et al. 2022, section 2.2: -1 x the 99.9 percentile of the inverted image
    low = -np.percentile(-band.astype(float), 99.9, axis=(0, 1, 2))
    high = np.percentile(band.astype(float), upper, axis=(0, 1, 2))
    # 0.1 % by the sketch; 0.5 % between neighbouring ranks of 36,000 pixels, measured 0.3 %
    assert_allclose(numpy_of(layer.lower), low, rtol=6e-3)
    assert_allclose(numpy_of(layer.upper), high, rtol=6e-3)
    assert not np.allclose(low, np.percentile(band, 1, axis=(0, 1, 2)), rtol=6e-3)


@pytest.mark.parametrize("scheme", ["challenge", "alternative"])
def test_contrast_clip_maps_onto_zero_to_one(band, scheme):
    layer = ContrastClip(scheme)
    layer.adapt(band)
    out = numpy_of(layer(band))
    low, high = numpy_of(layer.lower), numpy_of(layer.upper)
    assert_allclose(out, (np.clip(band, low, high) - low) / (high - low), atol=1e-6)  # float32
    assert out.min() == 0.0
    assert_allclose(out.max(), 1.0, rtol=1e-6)


def test_contrast_clip_none_changes_nothing(band):
    layer = ContrastClip("none")
    layer.adapt(band)
    assert_array_equal(numpy_of(layer(band)), band)
    assert layer.weights == []


def test_adapt_takes_arrays_and_streams_alike(band):
    whole, stream = ContrastClip(), ContrastClip()
    whole.adapt(band)
    stream.adapt(keras.ops.convert_to_tensor(part) for part in (band[25:], band[:25]))
    assert_array_equal(numpy_of(whole.upper), numpy_of(stream.upper))
    assert_array_equal(numpy_of(whole.lower), numpy_of(stream.lower))


@pytest.mark.parametrize("layer_type", [ContrastClip, ArcsinhStretch])
def test_adapted_layers_stay_finite_on_constant_and_extreme_images(layer_type):
    layer = layer_type()
    layer.adapt(np.full((2, 8, 8, 1), 3.0, np.float32))
    for value in (0.0, 3.0, 1e6, -1e6):
        out = numpy_of(layer(np.full((1, 8, 8, 1), value, np.float32)))
        assert np.all(np.isfinite(out))


@pytest.mark.parametrize("layer_type", [ContrastClip, ArcsinhStretch])
def test_adapt_without_images_is_an_error(layer_type):
    with pytest.raises(DatasetSpecError, match="at least one image"):
        layer_type().adapt(iter(()))


@pytest.mark.parametrize("layer_type", [ContrastClip, ArcsinhStretch])
def test_bounds_are_saved_weights_and_not_trainable(band, layer_type):
    layer = layer_type()
    layer.adapt(band)
    assert len(layer.weights) >= 2
    assert layer.trainable_weights == []
    rebuilt = layer_type.from_config(layer.get_config())
    rebuilt.build(band.shape)
    rebuilt.set_weights(layer.get_weights())
    assert_array_equal(numpy_of(layer(band)), numpy_of(rebuilt(band)))


def test_arcsinh_stretch_measures_the_sky_and_keeps_faint_light(band):
    layer = ArcsinhStretch()
    layer.adapt(band)
    # noise of 1 and 100 e-/s with 5 % of light on top: 10 % room for the light
    assert_allclose(numpy_of(layer.sigma), [1, 100], rtol=0.1)
    assert np.all(np.abs(numpy_of(layer.sky)) < 0.1 * numpy_of(layer.sigma))
    out = numpy_of(layer(band))
    assert_allclose(np.percentile(out, 99.9, axis=(0, 1, 2)), 1.0, rtol=2e-3)  # error of the sketch
    arc, core = numpy_of(layer(np.array([[[[10.0, 1000.0]]], [[[1e4, 1e6]]]], np.float32)))[:, 0, 0]
    assert np.all(arc / core > 0.2)  # a linear scale leaves 0.001


def test_image_scale_maps_each_image_onto_zero_to_one(rng):
    x = rng.normal(5, 3, (4, 9, 9, 3)).astype(np.float32) * [[[1.0, 10.0, 100.0]]]
    x[2] = 7.0
    out = numpy_of(ImageScale()(x))
    assert_allclose(out[[0, 1, 3]].min(axis=(1, 2, 3)), 0, atol=1e-7)
    assert_allclose(out[[0, 1, 3]].max(axis=(1, 2, 3)), 1, rtol=1e-6)
    assert np.all(out[2] == 0)
    # one scale for all bands: ratios between them survive
    assert out[0, :, :, 0].max() < 0.2
    per_band = numpy_of(ImageScale(per_band=True)(x))
    assert_allclose(per_band[0].max(axis=(0, 1)), 1, rtol=1e-6)


def test_target_scale_is_linear_and_inverts():
    layer = TargetScale((0.0, -1.0), (3.0, 1.0))
    assert_allclose(numpy_of(layer(np.array([[0.0, 0.0], [10.0, 10.0]]))), [[0, -1], [3, 1]])
    physical = np.array([[1.2, 0.3], [-2.0, 4.0]], np.float32)
    # float32 in and out, values up to 20
    assert_allclose(numpy_of(layer(layer.to_network(physical))), physical, rtol=1e-5)
    assert layer.weights == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: ContrastClip("median"),
        lambda: ArcsinhStretch(0.0),
        lambda: TargetScale((0.0, 1.0), (1.0, 1.0)),
        lambda: TargetScale((0.0,), (1.0, 2.0)),
    ],
)
def test_impossible_arguments_are_refused(make):
    with pytest.raises(ArchitectureError, match="Received"):
        make()


def test_a_model_is_adapted_in_one_pass(band):
    inputs = {"a": keras.Input((30, 30, 2), name="a"), "b": keras.Input((30, 30, 1), name="b")}
    clip = ContrastClip(group="a", name="a_clip")
    stretch = ArcsinhStretch(group="b", name="b_stretch")
    model = keras.Model(inputs, [clip(inputs["a"]), stretch(inputs["b"])])
    batches = [({"a": band[i : i + 10], "b": band[i : i + 10, ..., 1:]}, None) for i in (0, 10, 20)]
    assert adapt(model, batches) == 30
    alone = ContrastClip()
    alone.adapt(band[:30])
    assert_array_equal(numpy_of(clip.upper), numpy_of(alone.upper))
    assert adapt(model, batches, limit=20) == 20
    with pytest.raises(DatasetSpecError, match="must hold the groups"):
        adapt(model, [{"a": band}])
    with pytest.raises(DatasetSpecError, match="Received no batch"):
        adapt(model, [])
