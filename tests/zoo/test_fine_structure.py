"""What stands out of smooth light: halos leave nothing, arcs on them what arcs in the dark do."""

import keras
import numpy as np
import pytest
from toys import THREE

from lensfinder.errors import ArchitectureError
from lensfinder.zoo import build
from lensfinder.zoo.layers import FineStructure, adapt

SIDE = 57
Y, X = np.mgrid[:SIDE, :SIDE] - SIDE // 2.0
R = np.hypot(X, Y)


def seen(image, **words):
    layer = FineStructure(**words)
    answer = layer(np.asarray(image, np.float32)[None, :, :, None])
    return keras.ops.convert_to_numpy(answer)[0, :, :, 0]


# the steepest leaves 0.107 sigma between 8 and 9 pixels, so it is looked at from 9 on
@pytest.mark.parametrize(("slope", "inner"), [(-1.0, 8), (-2.0, 8), (-3.0, 9)])
def test_a_halo_that_is_a_power_of_the_radius_leaves_nothing(slope, inner):
    halo = 1e7 * np.maximum(R, 1.0) ** slope
    ring = (inner < R) & (R < 20)
    assert halo[ring].min() > 10, "light, not noise, so that arcsinh is a logarithm"
    # grid, truncated kernels and the last of the arcsinh leave less than a tenth of one sigma
    assert np.abs(seen(halo))[ring].max() < 0.1 * np.arcsinh(1.0) / 3.0
    # where the light is not logarithmic the same filter sees it: the layer is not blind
    assert np.abs(seen(halo))[R < 2].max() > 0.3


def test_an_arc_of_some_percent_on_a_bright_halo_looks_like_one_of_some_sigma_in_the_dark():
    arc = np.exp(-0.5 * ((X - 12) ** 2 + (Y / 2.0) ** 2) / 1.2**2)
    at = (SIDE // 2, SIDE // 2 + 12)
    halo = 1e6 * np.maximum(R, 1.0) ** -1.0
    bright = seen(halo * (1.0 + 0.1 * arc))[at]
    dark = seen(5.0 * arc)[at]
    assert min(bright, dark) > 0.3
    assert bright == pytest.approx(dark, rel=0.5)
    assert abs(seen(halo)[at]) < 0.05 * bright


def test_a_constant_image_leaves_nothing_anywhere_and_an_infinite_one_no_nan():
    assert np.abs(seen(np.full((SIDE, SIDE), 7.0))).max() < 1e-5
    assert np.isfinite(seen(np.full((SIDE, SIDE), 1e30))).all()


def test_adapt_sets_sky_and_sigma(rng):
    layer = FineStructure()
    layer.adapt(rng.normal(3.0, 0.2, (16, SIDE, SIDE, 1)).astype(np.float32))
    assert float(layer.sky[0]) == pytest.approx(3.0, abs=0.01)
    assert float(layer.sigma[0]) == pytest.approx(0.2, rel=0.05)


def test_it_is_saved_with_its_arguments():
    layer = FineStructure(0.5, 3.0, floor=0.05, group="vis")
    assert FineStructure.from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize("wrong", [{"narrow": 3.0}, {"wide": 20.0}, {"floor": 0.0}])
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ArchitectureError, match="narrow < wide"):
        FineStructure(**wrong)


def test_a_finder_sees_it_as_further_bands(rng):
    model = build("compact_finder", THREE, "finder", fine_structure=True, widths=[4])
    (group,) = THREE.groups
    images = {group.name: rng.normal(0, 0.1, (8, *group.shape)).astype(np.float32)}
    assert adapt(model, [images]) == 8
    assert model.get_layer(f"{group.name}_shown").output.shape[-1] == 2 * len(group.bands)
    plain = build("compact_finder", THREE, "finder", widths=[4])
    assert model.count_params() > plain.count_params()
    assert np.isfinite(keras.ops.convert_to_numpy(model(images))).all()
