"""Bands of one survey for the branches of a network made for another."""

import cv2
import keras
import numpy as np
import pytest
from toys import TWO, contract

from lensfinder import zoo
from lensfinder.errors import ArchitectureError, DatasetSpecError
from lensfinder.specs import GroupContract, InputContract, View
from lensfinder.testing import check_network, random_images
from lensfinder.zoo.layers import ToBranches

UGRI = InputContract(
    survey="ground",
    groups=(GroupContract(name="kids", bands=tuple("ugri"), stamp=41, pixel_scale=0.2),),
)
BANDS = {"V": "r", "H": "i", "J": "g", "Y": "u"}
ADAPTED = View(bands=BANDS, field="stamp").contract(TWO, UGRI)


def numpy_of(tensors):
    return {name: keras.ops.convert_to_numpy(x) for name, x in tensors.items()}


@pytest.mark.parametrize("field", ["sky", "stamp"])
def test_the_layer_is_crop_and_opencv_resize_of_the_right_bands(field):
    adapted = View(bands=BANDS, field=field).contract(TWO, UGRI)
    images = random_images(UGRI, 2, seed=1)
    found = numpy_of(ToBranches.of(adapted)(images))
    for name, bands in (("vis", "r"), ("nisp", "igu")):
        branch = next(b for b in adapted.branches if b.name == name)
        side = branch.crop["kids"]
        low = (41 - side) // 2
        for channel, band in enumerate(bands):
            cut = images["kids"][0, low : low + side, low : low + side, "ugri".index(band)]
            want = cv2.resize(cut, (branch.stamp, branch.stamp), interpolation=cv2.INTER_LINEAR)
            # float32, two orders of the same sums
            np.testing.assert_allclose(found[name][0, ..., channel], want, rtol=0, atol=1e-5)
    assert (side < 41) == (field == "sky")


def test_bands_of_two_grids_meet_in_one_branch():
    base = contract(gri=("gri", 32))
    adapted = View(bands={"g": "V", "r": "J", "i": "H"}).contract(base, TWO)
    images = random_images(TWO, 2, seed=1)
    found = numpy_of(ToBranches.of(adapted)(images))["gri"]
    low = (48 - adapted.branches[0].crop["vis"]) // 2
    cut = images["vis"][0, low : 48 - low, low : 48 - low, 0]
    np.testing.assert_allclose(found[0, ..., 0], cv2.resize(cut, (32, 32)), atol=1e-5)  # float32
    np.testing.assert_array_equal(
        found[0, ..., 1:], images["nisp"][0, ..., [1, 0]].transpose(1, 2, 0)
    )


@pytest.mark.parametrize(
    ("name", "task"),
    [("compact_finder", "finder"), ("compact_modeller", "modeller"), ("six_layer_cnn", "modeller")],
)
def test_adapted_networks_keep_the_contract_of_the_zoo(name, task):
    small = {"widths": (4, 6), "units": 8} if "compact" in name else {}
    check_network(name, ADAPTED, task, arguments=small)


@pytest.mark.slow
def test_so_does_the_two_branch_network():
    check_network("two_branch_efficientnet", ADAPTED, "finder", arguments={"variant": "B0"})


def test_preprocessing_is_adapted_to_what_the_branches_see():
    model = zoo.build("compact_finder", ADAPTED, "finder", widths=(4,), units=4, stretch="clip")
    images = random_images(UGRI, 8, seed=1)
    images["kids"] *= np.array([1, 10, 100, 1000], np.float32)  # u, g, r, i
    assert zoo.adapt(model, [images]) == 8
    upper = keras.ops.convert_to_numpy(keras.ops.copy(model.get_layer("nisp_clip").upper))
    assert (upper[:-1] / upper[1:] > 5).all()  # i, g, u
    with pytest.raises(DatasetSpecError):
        zoo.adapt(model, [{"vis": images["kids"]}])


def test_sizes_that_no_network_takes_are_refused():
    huge = ADAPTED.model_dump()
    huge["branches"][0]["stamp"] = 4000
    with pytest.raises(ArchitectureError, match="Branch 'vis'"):
        zoo.build("compact_finder", InputContract.model_validate(huge), "finder")
    # a group that bears the name of a branch is checked, too
    wide = {"name": "vis", "bands": ["r"], "stamp": 4000, "pixel_scale": 0.1}
    branch = {"name": "vis", "bands": ["r"], "stamp": 32, "crop": {"vis": 32}}
    of = InputContract.model_validate({"survey": "s", "groups": [wide], "branches": [branch]})
    with pytest.raises(ArchitectureError, match="Group 'vis'"):
        zoo.build("compact_finder", of, "finder")
