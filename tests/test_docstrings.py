"""Docstrings are numpydoc, and say the same as the signatures below them."""

import dataclasses
import importlib
import inspect
from pathlib import Path

import pytest
from numpydoc.validate import validate
from pydantic import BaseModel

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lensfinder"

# numpydoc's codes; what a rule is about stands in its message.
HELPER_RULES = {"GL08", "SS01", "PR02", "PR03"}  # may be short; what it says must be true
EXPORTED_RULES = HELPER_RULES | {"PR01", "PR04", "RT01", "YD01"}  # what a room offers to others
COMMANDS = "lensfinder.cli"  # its docstrings are the texts of --help


def module_names():
    """Dotted names of all modules a user may read about."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part.startswith("_") for part in parts):
            yield ".".join(parts)


MODULES = list(module_names())


def is_record(thing):
    """Whether the signature of a class is its fields."""
    return inspect.isclass(thing) and (
        dataclasses.is_dataclass(thing)
        or issubclass(thing, BaseModel)
        or (issubclass(thing, tuple) and hasattr(thing, "_fields"))
    )


def exported():
    """Everything that a room lists in its __all__."""
    rooms = [importlib.import_module(name) for name in MODULES if "." in name]
    return {
        id(getattr(room, name)): name for room in rooms for name in getattr(room, "__all__", ())
    }


def rules_for(thing, offered):
    """The rules that a function or class must follow."""
    if not offered:
        return HELPER_RULES
    if inspect.isclass(thing):
        by_fields = is_record(thing) or "Attributes\n----" in inspect.getdoc(thing)
        made_elsewhere = issubclass(thing, BaseException) or getattr(thing, "_is_protocol", False)
        return HELPER_RULES if by_fields or made_elsewhere else HELPER_RULES | {"PR01", "PR04"}
    return EXPORTED_RULES


def public(module, offered):
    """(dotted name, object, rules) of everything public that a module defines."""
    for name, thing in vars(module).items():
        plain = inspect.isfunction(thing) or inspect.isclass(thing)
        if name.startswith("_") or not plain or thing.__module__ != module.__name__:
            continue
        dotted = f"{module.__name__}.{name}"
        yield dotted, thing, rules_for(thing, id(thing) in offered)
        if inspect.isclass(thing):
            yield from _methods(dotted, thing)


def _methods(dotted, thing):
    for name, member in vars(thing).items():
        function = getattr(member, "__func__", getattr(member, "fget", member))
        inherited = any(name in vars(base) for base in thing.__mro__[1:])
        if name.startswith("_") or inherited or not inspect.isfunction(function):
            continue
        yield f"{dotted}.{name}", member, HELPER_RULES


def offences(dotted, rules):
    """Sentences on each rule that a docstring breaks."""
    found = validate(dotted)["errors"]
    return [f"{dotted}: {code} {text}" for code, text in found if code in rules]


@pytest.fixture(scope="module")
def offered():
    """Everything that a room offers to others."""
    return exported()


@pytest.mark.parametrize("name", MODULES)
def test_public_docstrings_match_their_signatures(name, offered):
    module = importlib.import_module(name)
    assert inspect.getdoc(module), f"{name} does not say what it is for"
    if name == COMMANDS:
        return
    found = [s for dotted, _, rules in public(module, offered) for s in offences(dotted, rules)]
    assert found == []


def test_every_room_says_what_it_offers():
    rooms = [name for name in MODULES[1:] if (ROOT / name.replace(".", "/")).is_dir()]
    silent = [name for name in rooms if not getattr(importlib.import_module(name), "__all__", ())]
    assert silent == []


@pytest.mark.parametrize("name", MODULES)
def test_records_explain_their_fields(name, offered):
    for dotted, thing, _ in public(importlib.import_module(name), offered):
        if not is_record(thing) or id(thing) not in offered:
            continue
        fields = getattr(thing, "model_fields", None) or getattr(thing, "_fields", None)
        fields = fields or {field.name for field in dataclasses.fields(thing)}
        own = set(fields) & set(inspect.get_annotations(thing))
        text = inspect.getdoc(thing)
        unsaid = sorted(name for name in own if not name.startswith("_") and name not in text)
        assert not unsaid, f"{dotted} does not explain {unsaid}"


def example(image, *, scale=1.0):
    """Do a thing.

    Parameters
    ----------
    image : array
        What to do it to.
    size : float
        No such argument.

    """
    return image * scale


def test_the_rules_can_see_a_bad_docstring():
    assert rules_for(example, offered=True) == EXPORTED_RULES
    sentences = " ".join(offences(f"{__name__}.example", EXPORTED_RULES))
    assert all(code in sentences for code in ("PR01", "PR02", "RT01"))
    assert "PR02" in " ".join(offences(f"{__name__}.example", HELPER_RULES))
