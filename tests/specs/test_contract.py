"""What a model needs to be fed: one typed error per way to be wrong."""

import numpy as np
import pytest
from pydantic import ValidationError

from lensfinder.errors import (
    InputContractError,
    MissingBandError,
    PixelScaleError,
    StampShapeError,
    UnitError,
)
from lensfinder.specs import InputContract, load_survey, survey_names


@pytest.fixture
def contract():
    return InputContract.from_survey(load_survey("euclid-vis-nisp"))


@pytest.fixture
def images():
    return {"vis": np.zeros((2, 200, 200, 1)), "nisp": np.zeros((2, 66, 66, 3))}


SCALES = {"vis": 0.1, "nisp": 0.3}


def test_what_fits_is_silent(contract, images):
    contract.check(images)
    contract.check(images, SCALES, "electron/s")
    contract.check(images, {"vis": None})
    # headers round: 0.5 % is nothing at the edge of a stamp
    contract.check(images, {"vis": 0.1004, "nisp": 0.2986})


def test_the_contract_says_what_it_wants(contract):
    assert contract.shapes == {"vis": (200, 200, 1), "nisp": (66, 66, 3)}
    assert contract.bands == ("VIS", "H", "J", "Y")
    assert contract.group_of("J").name == "nisp"
    assert contract.group("vis").width == pytest.approx(20.0)
    one = InputContract.from_survey(load_survey("euclid-vis-nisp"), groups=["vis"])
    assert one.shapes == {"vis": (200, 200, 1)}


def test_missing_group(contract, images):
    with pytest.raises(MissingBandError, match=r"needs the groups \['nisp', 'vis'\]") as caught:
        contract.check({"vis": images["vis"]})
    assert caught.value.expected == ["nisp", "vis"]
    assert caught.value.received == ["vis"]


def test_group_too_many(contract, images):
    with pytest.raises(MissingBandError):
        contract.check(images | {"radio": images["vis"]})


def test_an_array_instead_of_a_dictionary(contract, images):
    with pytest.raises(MissingBandError, match="as {group: array}"):
        contract.check(images["vis"])


@pytest.mark.parametrize(
    "shape", [(2, 199, 200, 1), (2, 200, 200, 3), (200, 200, 1), (2, 1, 200, 200), (), (0,)]
)
def test_wrong_shape(contract, images, shape):
    with pytest.raises(StampShapeError, match="Group 'vis' must have shape") as caught:
        contract.check(images | {"vis": np.zeros(shape)})
    assert caught.value.received == shape


def test_groups_of_different_length(contract, images):
    with pytest.raises(StampShapeError, match="the same objects"):
        contract.check(images | {"nisp": images["nisp"][:1]})


@pytest.mark.parametrize("scale", [0.2, 0.1006, -0.1, 0.0, float("nan"), float("inf")])
def test_wrong_pixel_scale(contract, images, scale):
    with pytest.raises(PixelScaleError, match="0.1 arcsec per pixel") as caught:
        contract.check(images, SCALES | {"vis": scale})
    assert caught.value.expected == 0.1


def test_wrong_unit(contract, images):
    with pytest.raises(UnitError, match="electron/s"):
        contract.check(images, SCALES, "adu")


def test_unknown_band_and_group(contract):
    with pytest.raises(MissingBandError, match="VIS, H, J, Y"):
        contract.group_of("r")
    with pytest.raises(InputContractError, match="'radio'"):
        contract.group("radio")


@pytest.mark.parametrize("name", survey_names())
def test_dump_and_load_give_the_same_contract(name):
    contract = InputContract.from_survey(load_survey(name))
    again = InputContract.model_validate_json(contract.model_dump_json())
    assert again == contract
    assert again.shapes == {group.name: group.shape for group in load_survey(name).groups}


def test_a_contract_is_frozen(contract):
    with pytest.raises(ValidationError):
        contract.unit = "adu"
    with pytest.raises(ValidationError):
        contract.groups[0].stamp = 100


@pytest.mark.parametrize(
    "change",
    [
        {"bands": ()},
        {"bands": ("VIS", "H")},  # H stands in the other group
        {"name": "nisp"},
        {"name": "a b"},
        {"stamp": 2},
        {"pixel_scale": float("nan")},
        {"pixel_scale": -0.1},
        {"colour": "red"},
    ],
    ids=str,
)
def test_a_contract_that_cannot_be(contract, change):
    data = contract.model_dump()
    data["groups"] = ({**data["groups"][0], **change}, data["groups"][1])
    with pytest.raises(ValidationError):
        InputContract.model_validate(data)
