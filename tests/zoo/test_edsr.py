"""EDSR and whole tiles: answers in the unit of the input, and no seams."""

import keras
import numpy as np
import pytest
from toys import TWO, contract

from lensfinder import zoo
from lensfinder.errors import ArchitectureError, ArgumentError, StampShapeError
from lensfinder.testing import check_network
from lensfinder.zoo.edsr import receptive_radius, resized
from lensfinder.zoo.layers import BandScale
from lensfinder.zoo.tiled import clean_tile

TWO_BANDS = contract(lsst=("gr", 24))


def network(seed=3, **arguments):
    """A small pair whose weights are large enough for every pixel to matter."""
    keras.utils.set_random_seed(seed)
    model = zoo.build("edsr", TWO_BANDS, "cleaner", **{"blocks": 1, "channels": 4, **arguments})
    for weight in model.trainable_weights:
        if "tail" in weight.path and "kernel" in weight.path:
            weight.assign(weight * 10)
    return model


def image(height, width, seed=1):
    return np.random.default_rng(seed).normal(size=(height, width, 2)).astype(np.float32)


def test_one_plane_keeps_the_contract_too():
    arguments = {"blocks": 1, "channels": 4, "residual_scale": 0.1, "skip": "features"}
    check_network("edsr", TWO_BANDS, "cleaner", targets=("S3",), arguments=arguments)


def test_a_stretched_network_keeps_the_contract_too():
    arguments = {"blocks": 1, "channels": 4, "scaling": "arcsinh"}
    check_network("edsr", TWO_BANDS, "cleaner", arguments=arguments)


def test_a_bounded_source_is_no_brighter_than_the_denoised_image():
    arguments = {"blocks": 1, "channels": 4, "bounded": True}
    check_network("edsr", TWO_BANDS, "cleaner", arguments=arguments)
    shown = np.stack([image(24, 24, seed) for seed in range(3)])
    free, bound = network(), network(bounded=True)
    bound.set_weights(free.get_weights())
    before, after = (np.asarray(model({"lsst": shown})) for model in (free, bound))
    np.testing.assert_array_equal(before[:, 0], after[:, 0])
    light = np.maximum(before[:, 0], 0)
    np.testing.assert_array_equal(after[:, 1], np.minimum(before[:, 1], light))
    assert (before[:, 1] > light).any(), "nothing was to be bounded"
    tile = image(40, 30)
    np.testing.assert_allclose(
        clean_tile(bound, tile, piece=24)[1],
        np.minimum(clean_tile(free, tile)[1], np.maximum(clean_tile(free, tile)[0], 0)),
        atol=1e-5,
    )
    for targets in (("S2",), ("S3",)):
        with pytest.raises(ArchitectureError, match="bounded"):
            zoo.build("edsr", TWO_BANDS, "cleaner", targets=targets, bounded=True)


def test_a_stretched_denoiser_takes_steps_of_the_size_of_the_noise():
    """However bright the light, float32 loses none of it, and a step is as large as anywhere."""
    shown = np.stack([image(24, 24, seed) for seed in range(4)])
    model = network(scaling="arcsinh")
    layer = model.get_layer("lsst_scale")
    layer.adapt(shown)
    given = shown[0].copy()
    given[10:14, 10:14] = 2000.0
    step = keras.ops.convert_to_numpy(model({"lsst": given[None]}))[0, 0] - given
    limit = 50 * keras.ops.convert_to_numpy(layer.sigma * 1.0)
    assert 0 < np.abs(step).max() < limit.max()
    there = keras.ops.convert_to_numpy(layer(given[None]))
    np.testing.assert_allclose(layer(there, inverse=True)[0], given, rtol=1e-4, atol=1e-4)
    beyond = keras.ops.convert_to_numpy(layer(np.full((1, 2, 2, 2), 1e3, "f4"), inverse=True))
    assert np.isfinite(beyond).all()


def test_light_is_kept_in_half_precision():
    """What is put back onto the image is not rounded with it; a step of training works."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = network(scaling="arcsinh")
        assert model.get_layer("lsst_scale").compute_dtype == "float32"
        for weight in model.get_layer("s2_tail_conv").weights:
            weight.assign(0 * weight)  # no step
        given = np.full((1, 24, 24, 2), 2003.125, np.float32)  # bfloat16 knows 2000 and 2008
        planes = keras.ops.convert_to_numpy(model({"lsst": given}))
        np.testing.assert_array_equal(planes[:, 0], given)
        model.compile("sgd", "mse", jit_compile=False)
        model.train_on_batch({"lsst": given}, np.stack([given, given], axis=1))
    finally:
        keras.config.set_dtype_policy("float32")


def test_planes_are_those_asked_for():
    model = zoo.build("edsr", TWO_BANDS, "cleaner", targets=("S2",), blocks=1, channels=4)
    assert model.output_shape == (None, 1, 24, 24, 2)
    assert network().output_shape == (None, 2, 24, 24, 2)
    for targets in (("S1",), ("S3", "S2"), ("S2", "S2"), ()):
        with pytest.raises(ArchitectureError, match="makes S2, S3 or both"):
            zoo.build("edsr", TWO_BANDS, "cleaner", targets=targets)


def test_several_groups_need_a_network_each():
    with pytest.raises(ArchitectureError, match="one group"):
        zoo.build("edsr", TWO, "cleaner")


def test_the_size_of_the_paper():
    """Lim et al. 2017: 3x3 convolutions, two per block, one before, one after, one to the image."""
    large = zoo.build(
        "edsr", contract(lsst=("gri", 111)), "cleaner", targets=("S3",), blocks=16, channels=256
    )
    inner = 33 * (9 * 256 * 256 + 256)
    assert large.count_params() == inner + (9 * 3 * 256 + 256) + (9 * 256 * 3 + 3) + 6
    assert receptive_radius(large) == 35


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e4])
def test_answers_are_in_the_unit_of_the_input(unit):
    """Images in another unit, adapted to: the same answers in that unit."""
    shown = 3.0 + np.stack([image(24, 24, seed) for seed in range(4)])
    model = network()
    model.get_layer("lsst_scale").adapt(shown)
    expected = model({"lsst": shown})
    other = network()
    other.get_layer("lsst_scale").adapt(shown * unit)
    # float32, and percentiles known to 1e-3 of a pixel value; measured 3e-3
    np.testing.assert_allclose(other({"lsst": shown * unit}) / unit, expected, rtol=0, atol=2e-2)
    assert np.ptp(expected) > 1, "the test could not see a wrong scale"


def test_the_scale_can_be_undone():
    shown = 40 + 7 * np.stack([image(24, 24, seed) for seed in range(4)])
    layer = BandScale()
    layer.adapt(shown)
    there = keras.ops.convert_to_numpy(layer(shown))
    np.testing.assert_allclose(layer(there, inverse=True), shown, rtol=1e-5, atol=0)  # float32
    assert abs(np.median(there)) < 0.01
    assert 0.9 < np.percentile(there, 99.9) < 1.1
    flat = BandScale()
    flat.adapt(np.full((1, 8, 8, 1), 5.0, np.float32))
    assert float(flat.span[0]) == 1.0


def test_an_untrained_module_hands_on_what_it_is_given():
    keras.utils.set_random_seed(1)
    model = zoo.build("edsr", TWO_BANDS, "cleaner", blocks=1, channels=4)
    shown = image(24, 24)[None]
    planes = keras.ops.convert_to_numpy(model({"lsst": shown}))
    assert np.abs(planes - shown[:, None]).mean() < 0.2 * np.abs(shown).mean()


def test_another_size_shares_the_weights():
    model = network()
    other = resized(model, 40, 30)
    assert all(a is b for a, b in zip(model.weights, other.weights, strict=True))
    shown = image(40, 30)
    before = other({"lsst": shown[None]})
    model.get_layer("s2_head_conv").bias.assign([1.0] * 4)
    assert not np.allclose(before, other({"lsst": shown[None]}))


@pytest.mark.parametrize(("height", "width", "piece"), [(70, 53, 32), (24, 90, 24), (30, 20, 64)])
def test_a_tile_in_pieces_is_the_tile_as_a_whole(height, width, piece):
    model, tile = network(), image(height, width)
    whole = keras.ops.convert_to_numpy(resized(model)({"lsst": tile[None]}))[0]
    pieces = clean_tile(model, tile, piece=piece, batch_size=3)
    # float32 convolutions of other shapes add in another order; measured 0
    np.testing.assert_allclose(pieces, whole, rtol=0, atol=1e-5)
    assert np.ptp(whole) > 1, "the test could not see a seam"


def test_a_smaller_overlap_would_leave_seams(monkeypatch):
    """The negative control of the test above."""
    model, tile = network(), image(70, 53)
    whole = keras.ops.convert_to_numpy(resized(model)({"lsst": tile[None]}))[0]
    assert receptive_radius(model) == 10
    monkeypatch.setattr("lensfinder.zoo.tiled.receptive_radius", lambda model: 1)
    assert np.abs(clean_tile(model, tile, piece=32) - whole).max() > 1e-2


def test_a_pixel_reaches_no_farther_than_the_receptive_radius():
    model = network()
    one, other = image(61, 61), image(61, 61)
    other[30, 30] += 100
    whole = resized(model)
    change = np.abs(whole({"lsst": other[None]}) - whole({"lsst": one[None]})).max(axis=(0, 1, 4))
    rows, columns = np.nonzero(change)
    reach = max(np.abs(rows - 30).max(), np.abs(columns - 30).max())
    assert reach == receptive_radius(model)


def test_what_cannot_be_tiled_is_refused():
    model = network()
    with pytest.raises(ArgumentError, match="larger than twice the 10 pixels"):
        clean_tile(model, image(70, 70), piece=20)
    with pytest.raises(StampShapeError, match=r"shape \(H, W, 2\)"):
        clean_tile(model, image(70, 70)[..., :1])
    bad = image(70, 70)
    bad[3, 4, 0] = np.nan
    with pytest.raises(ArgumentError, match="finite everywhere"):
        clean_tile(model, bad)
    finder = zoo.build("compact_finder", TWO_BANDS, "finder")
    with pytest.raises(ArchitectureError, match="changes the size"):
        clean_tile(finder, image(70, 70))
    finder = zoo.build("vib", TWO_BANDS, "finder", scaling="image")
    with pytest.raises(ArchitectureError, match="Tile networks of convolutions"):
        receptive_radius(finder)
