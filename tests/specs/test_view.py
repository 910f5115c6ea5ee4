"""Which bands stand in for which, and how much of a stamp a branch sees."""

import pytest

from lensfinder.errors import InputContractError, MissingBandError, UnknownNameError
from lensfinder.specs import BranchContract, GroupContract, InputContract, View, load_survey

VIS = InputContract.from_survey(load_survey("euclid-vis"))
BOTH = InputContract.from_survey(load_survey("euclid-vis-nisp"))
KIDS = InputContract.from_survey(load_survey("kids-ugri"))
BOM = {"VIS": "r", "H": "i", "J": "g", "Y": "u"}


def test_one_band_on_the_same_sky():
    found = View(bands={"VIS": "r"}).contract(VIS, KIDS)
    assert found.groups == (GroupContract(name="kids", bands=("r",), stamp=101, pixel_scale=0.2),)
    (branch,) = found.branches
    # 57 pixels of 0.1 arcsec are 28.5 of 0.2; an odd number keeps the centre of 101 pixels
    assert branch == BranchContract(name="vis", bands=("r",), stamp=57, crop={"kids": 29})
    assert found.branch_shapes == {"vis": (57, 57, 1)}
    assert found.survey == "kids-ugri"


def test_two_branches_of_whole_stamps_as_in_the_paper():
    found = View(bands=BOM, field="stamp", resize="area").contract(BOTH, KIDS)
    assert found.bands == ("u", "g", "r", "i")
    assert [(b.name, b.bands, b.stamp, b.crop, b.resize) for b in found.branches] == [
        ("vis", ("r",), 200, {"kids": 101}, "area"),
        ("nisp", ("i", "g", "u"), 66, {"kids": 101}, "area"),
    ]
    assert found.branch_shapes == BOTH.shapes


def test_bands_of_two_grids_may_meet_in_one_branch():
    found = View(bands={"u": "VIS", "g": "Y", "r": "J", "i": "H"}).contract(KIDS, BOTH)
    (branch,) = found.branches
    # KIDS sees 20.2 arcsec; the stamps are 20 and 19.8
    assert branch.crop == {"vis": 200, "nisp": 66}
    assert branch.bands == ("VIS", "Y", "J", "H")
    assert found.shapes == BOTH.shapes


def test_a_survey_that_fits_needs_no_branches():
    assert View().contract(VIS, VIS) == VIS
    part = BOTH.select({"vis": ["VIS"]})
    assert View().contract(part, BOTH) == part  # of the same name, and there is more


def test_an_adapted_network_can_be_adapted_again():
    first = View(bands={"VIS": "r"}).contract(VIS, KIDS)
    back = View(bands={"r": "VIS"}).contract(first, VIS)
    assert back.branches[0].crop == {"vis": 57}  # 5.8 arcsec: the whole stamp
    assert back.branch_shapes == {"vis": (57, 57, 1)}


@pytest.mark.parametrize(
    ("bands", "base", "error", "words"),
    [
        (None, VIS, MissingBandError, "--band-map VIS=u"),
        ({"VIS": "z"}, VIS, MissingBandError, "'z'"),
        ({"VIS": "r", "H": "i"}, BOTH, MissingBandError, "'J'"),
        ({"vis": "r"}, VIS, UnknownNameError, "VIS"),
    ],
)
def test_what_is_not_clear_is_an_error_with_the_remedy(bands, base, error, words):
    with pytest.raises(error, match=words):
        View(bands=bands).contract(base, KIDS)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bands": ["z"]}, "no group holds"),
        ({"crop": {"kids": 102}}, "4 to 101"),
        ({"crop": {}}, "crop"),
        ({"crop": {"kids": 29, "vis": 3}}, "crop for each"),
        ({"resize": "lanczos"}, "linear"),
    ],
)
def test_branches_that_cannot_be_are_refused(change, words):
    good = View(bands={"VIS": "r"}).contract(VIS, KIDS).model_dump()
    assert InputContract.model_validate(good).model_dump() == good
    good["branches"][0].update(change)
    with pytest.raises(ValueError, match=words):
        InputContract.model_validate(good)


def test_contracts_without_branches_are_written_as_before():
    assert set(VIS.model_dump(mode="json")) == {"survey", "groups", "unit"}


def test_channels_say_where_bands_stand():
    part = BOTH.select({"nisp": ["Y", "H"]})
    assert part.channels(load_survey("euclid-vis-nisp")) == {"nisp": (2, 0)}
    assert part.channels({"nisp": ("H", "Y")}) == {"nisp": (1, 0)}
    with pytest.raises(MissingBandError, match="Y"):
        part.channels({"nisp": ("H", "J")})
    with pytest.raises(InputContractError, match="no such group"):
        part.channels(load_survey("kids-ugri"))
