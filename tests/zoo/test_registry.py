import pytest
from toys import ONE, TWO, contract, images

from lensfinder import zoo
from lensfinder.errors import ArchitectureError, MissingBandError, UnknownNameError
from lensfinder.testing import ContractViolation, check_interface, check_network
from lensfinder.zoo import registry

# The smallest arguments of each architecture that still show all of it
CONTRACT_CASES = {
    ("compact_finder", "finder"): {},
    ("compact_modeller", "modeller"): {},
    ("edsr", "cleaner"): {"blocks": 1, "channels": 4},
    ("forked_classifier", "auditor"): {"filters": (4, 4, 8), "dense_units": 16},
    ("holismokes", "modeller"): {},
    ("resnet", "finder"): {"depth": 8, "width": 4},
    ("resnet", "modeller"): {"depth": 8, "width": 4},
    ("resnet101_flipout", "finder"): {"depth": 8, "width": 4},
    ("resnet101_flipout", "modeller"): {"depth": 8, "width": 4},
    ("six_layer_cnn", "finder"): {},
    ("six_layer_cnn", "modeller"): {},
    ("two_branch_efficientnet", "finder"): {"variant": "B0"},
    ("vib", "finder"): {"filters": (4,) * 5, "units": 8, "flow_steps": 4},
    ("vib", "modeller"): {"filters": (4,) * 5, "units": 8, "flow_steps": 4},
}
SMALL = contract(vis=("V", 32))


@pytest.mark.parametrize(("name", "task"), CONTRACT_CASES)
def test_zoo_contract(name, task):
    check_network(name, SMALL, task, arguments=CONTRACT_CASES[name, task])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "task"), [case for case in CONTRACT_CASES if case[1] != "cleaner"]
)
def test_zoo_contract_with_two_groups(name, task):
    check_network(name, TWO, task, arguments=CONTRACT_CASES[name, task])


def test_no_entry_escapes_the_contract():
    assert set(CONTRACT_CASES) == {(name, task) for name in zoo.names() for task in zoo.tasks(name)}


def test_the_contract_check_can_fail():
    model = zoo.build("compact_finder", ONE, "finder")
    with pytest.raises(ContractViolation, match="Expected outputs"):
        check_interface(model, ONE, 2, images(ONE))
    with pytest.raises(ContractViolation, match="Expected inputs"):
        check_interface(model, SMALL, 1, images(SMALL))


@pytest.mark.parametrize("name", zoo.names())
def test_an_unknown_argument_lists_the_known_ones(name):
    with pytest.raises(UnknownNameError) as caught:
        zoo.build(name, ONE, zoo.tasks(name)[0], no_such_argument=7)
    assert set(caught.value.known) == set(registry.ENTRIES[name].arguments.model_fields)
    for known in caught.value.known:
        assert known in str(caught.value)


@pytest.mark.parametrize("name", zoo.names())
def test_stamps_that_are_too_small_are_refused(name):
    with pytest.raises(ArchitectureError, match="must have a stamp"):
        zoo.build(name, contract(vis=("V", 12)), zoo.tasks(name)[0])


def test_unknown_names_and_impossible_values():
    with pytest.raises(UnknownNameError, match="architecture named 'vgg'"):
        zoo.build("vgg", ONE, "finder")
    with pytest.raises(UnknownNameError, match="task named 'find'"):
        zoo.build("compact_finder", ONE, "find")
    with pytest.raises(ArchitectureError, match="take one of compact_modeller, "):
        zoo.build("compact_finder", ONE, "modeller")
    with pytest.raises(ArchitectureError, match="widths.0"):
        zoo.build("compact_finder", ONE, "finder", widths=(0,))
    with pytest.raises(ArchitectureError, match="dropout"):
        zoo.build("compact_finder", ONE, "finder", dropout=float("nan"))
    with pytest.raises(ArchitectureError, match="p_lens alone"):
        zoo.build("compact_finder", ONE, "finder", targets=("theta_E",))
    with pytest.raises(ArchitectureError, match="distinct"):
        zoo.build("compact_modeller", ONE, "modeller", targets=("e1", "e1"))


def test_select_makes_the_variants_of_the_paper():
    reduced = zoo.select(TWO, {"vis": ("V",), "nisp": ("Y",)})
    assert reduced.shapes == {"vis": (48, 48, 1), "nisp": (32, 32, 1)}
    assert list(zoo.select(TWO, {"nisp": ("J", "H")}).groups[0].bands) == ["J", "H"]
    with pytest.raises(MissingBandError):
        zoo.select(TWO, {"vis": ("K",)})
    with pytest.raises(UnknownNameError, match="band of group vis"):
        zoo.select(TWO, {"vis": ("H",)})
