import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder.errors import ArchitectureError
from lensfinder.zoo.layers import JointAugment
from lensfinder.zoo.layers.joint_augment import warp


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(keras.ops.copy(tensor))


def blobs(size, scale, spots):
    """Images (N, size, size, 1) of Gaussians at positions (x, y) on the sky."""
    offset = (np.arange(size) - (size - 1) / 2) * scale
    squares = [(offset[None, :] - x) ** 2 + (offset[:, None] - y) ** 2 for x, y in spots]
    return np.exp(-0.5 * np.array(squares) / 0.3**2)[..., None].astype(np.float32)


def centroid(images, scale):
    offset = (np.arange(images.shape[1]) - (images.shape[1] - 1) / 2) * scale
    total = images.sum(axis=(1, 2, 3))
    x = (images[..., 0] * offset[None, None, :]).sum(axis=(1, 2)) / total
    y = (images[..., 0] * offset[None, :, None]).sum(axis=(1, 2)) / total
    return np.stack([x, y], axis=-1)


def test_groups_of_an_object_move_together_and_objects_apart():
    spots = [(1.0, 0.4)] * 16
    images = {"fine": blobs(61, 0.1, spots), "coarse": blobs(21, 0.3, spots)}
    # zeros outside: mirrored light would pull the centroids
    moved = JointAugment(fill="zero", seed=3)(images, training=True)
    fine = centroid(numpy_of(moved["fine"]), 0.1)
    coarse = centroid(numpy_of(moved["coarse"]), 0.3)
    # bilinear resampling on the 0.3" grid moves a 0.3" blob by less than a tenth of its pixel
    assert_allclose(fine, coarse, atol=0.03)
    distance = np.linalg.norm(fine[:, None] - fine[None, :], axis=-1)
    assert distance[np.triu_indices(16, 1)].min() > 1e-3  # no two objects alike
    radius = np.linalg.norm(fine, axis=-1) / np.hypot(1.0, 0.4)
    assert np.all((radius > 0.79) & (radius < 1.21))  # zoom 0.8-1.2, and 1 % for the centroid
    assert radius.std() > 0.05


def test_inference_changes_nothing_and_needs_no_random_numbers(rng):
    x = rng.normal(size=(2, 9, 9, 1)).astype(np.float32)
    layer = JointAugment(seed=1)
    state = numpy_of(layer.generator.state)
    assert_array_equal(numpy_of(layer({"vis": x})["vis"]), x)
    assert_array_equal(numpy_of(layer(x)), x)
    assert_array_equal(numpy_of(layer.generator.state), state)


@pytest.mark.parametrize("size", [8, 9])
def test_quarter_turns_and_mirrors_only_permute_pixels(rng, size):
    x = rng.normal(size=(64, size, size, 2)).astype(np.float32)
    layer = JointAugment("quarter", zoom=(1.0, 1.0), seed=5)
    moved = numpy_of(layer(x, training=True))
    seen = set()
    for before, after in zip(x, moved, strict=True):
        candidates = [np.rot90(turned, k) for turned in (before, before[:, ::-1]) for k in range(4)]
        errors = [np.abs(after - candidate).max() for candidate in candidates]
        # float32 coordinates of up to 8 carry an error of 1e-6, times a gradient of a few
        assert min(errors) < 2e-5
        seen.add(int(np.argmin(errors)))
    assert seen == set(range(8))  # all eight symmetries of a square; 64 draws miss one in 1e-3


def test_a_known_rotation_goes_the_right_way():
    image = blobs(41, 0.1, [(1.0, 0.0)])
    # output offset (x, y) is read from input offset (y, -x): a turn by +90 degrees
    matrix = np.array([[[0.0, 1.0], [-1.0, 0.0]]], np.float32)
    assert_allclose(
        centroid(numpy_of(warp(image, matrix)), 0.1), [[0.0, 1.0]], atol=1e-3
    )  # cut at 3.5 sigma


@pytest.mark.parametrize("fill", ["reflect", "edge", "zero"])
def test_fill_modes(fill):
    ramp = np.tile(np.arange(5, dtype=np.float32), (5, 1))[None, :, :, None] + 1
    matrix = np.array([[[2.0, 0.0], [0.0, 2.0]]], np.float32)  # zoom out: offsets -4 ... 4
    row = numpy_of(warp(ramp, matrix, fill))[0, 2, :, 0]
    expected = {"reflect": [3, 1, 3, 5, 3], "edge": [1, 1, 3, 5, 5], "zero": [0, 1, 3, 5, 0]}
    assert_allclose(row, expected[fill], atol=1e-5)  # float32 coordinates


def test_flux_of_a_contained_object_scales_with_the_zoom():
    image = blobs(61, 0.1, [(0.0, 0.0)] * 4)
    zoom = np.array([0.8, 1.0, 1.1, 1.2], np.float32)
    moved = numpy_of(warp(image, np.eye(2, dtype=np.float32) / zoom[:, None, None]))
    ratio = moved.sum(axis=(1, 2, 3)) / image.sum(axis=(1, 2, 3))
    assert_allclose(ratio, zoom**2, rtol=1e-2)  # bilinear aliasing: 0.6 % at a zoom of 1.1


def test_the_same_seed_gives_the_same_images(rng):
    x = rng.normal(size=(3, 12, 12, 1)).astype(np.float32)
    first, second = (JointAugment(seed=9) for _ in range(2))
    assert_array_equal(numpy_of(first(x, training=True)), numpy_of(second(x, training=True)))
    other = JointAugment(seed=10)
    assert (
        np.abs(numpy_of(other(x, training=True)) - numpy_of(second(x, training=True))).max() > 0.1
    )


def test_config_round_trip_and_refusals():
    layer = JointAugment("quarter", mirror=False, zoom=(0.9, 1.1), fill="edge", seed=2, name="a")
    assert JointAugment.from_config(layer.get_config()).get_config() == layer.get_config()
    for wrong in (
        dict(rotation="some"),
        dict(fill="wrap"),
        dict(zoom=(1.2, 0.8)),
        dict(zoom=(0, 1)),
    ):
        with pytest.raises(ArchitectureError, match="Expected"):
            JointAugment(**wrong)
