"""Specification files from strangers: a typed error in under a second, whatever they hold."""

import time

import pytest

from lensfinder.errors import SpecError
from lensfinder.specs import Survey, load_survey, parse_yaml, read_yaml, validate
from lensfinder.specs._yaml import MAX_BYTES

BOMB = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [*{before}, *{before}]\n" for before, name in zip("abcdefghi", "bcdefghij")
)
HOSTILE = {
    "python tag": ("a: !!python/object/apply:os.system ['true']", "not plain YAML"),
    "unknown tag": ("a: !include other.yaml", "not plain YAML"),
    "alias": ("a: &x 1\nb: *x", "aliases"),
    "alias bomb": (BOMB, "aliases"),
    "merge key": ("a: &x {b: 1}\nc: {<<: *x}", "aliases"),
    "merge without alias": ("a: {<<: {b: 1}}", "not plain YAML"),
    "duplicate key": ("a: 1\na: 2", "'a' stands twice"),
    "duplicate key inside": ("a: {b: 1, b: 2}", "'b' stands twice"),
    "deep flow": ("a: " + "[" * 20_000, "nested deeper"),
    "deep block": ("- " * 20_000, "nested deeper"),
    "list": ("- 1\n- 2", "must hold a mapping"),
    "text": ("hello", "must hold a mapping"),
    "empty": ("", "must hold a mapping"),
    "number as key": ("1: a", "keys must be text"),
    "truth as key": ("a: {yes: 1}", "keys must be text"),
    "list as key": ("? [a, b]\n: 1", "keys must be text"),
    "two documents": ("a: 1\n---\nb: 2", "not plain YAML"),
    "tab": ("a:\n\tb: 1", "not plain YAML"),
    "control character": ("a: \x07", "not plain YAML"),
    "number of many digits": ("a: " + "1" * 60_000, "a number of 60000 characters"),
    "number of many hex digits": ("a: 0x" + "1" * 60_000, "a number of 60002 characters"),
    "number in base 60": ("a: " + "1" + ":1" * 30_000, "a number of 60001 characters"),
    "no such date": ("a: 2001-99-99", "not plain YAML"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_text_is_refused(case):
    text, words = HOSTILE[case]
    start = time.perf_counter()
    with pytest.raises(SpecError, match=words) as caught:
        parse_yaml(text, "theirs.yaml")
    assert time.perf_counter() - start < 1
    assert "theirs.yaml" in str(caught.value)


def test_a_plain_mapping_is_read():
    assert parse_yaml("a: {b: [1, 2.5, x]}\nc: true", "ours") == {
        "a": {"b": [1, 2.5, "x"]},
        "c": True,
    }


@pytest.mark.parametrize("size", [MAX_BYTES + 1, 50_000_000])
def test_a_long_file_is_refused_before_it_is_read(tmp_path, size):
    path = tmp_path / "long.yaml"
    with path.open("wb") as file:
        file.truncate(size)  # a sparse file
    start = time.perf_counter()
    with pytest.raises(SpecError, match=f"{size} bytes is too long"):
        read_yaml(path)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("case", ["missing", "folder", "not UTF-8", "NUL in the path"])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path, case):
    path = tmp_path / "other.yaml"
    if case == "folder":
        path.mkdir()
    if case == "not UTF-8":
        path.write_bytes(b"name: \xff\xfe")
    if case == "NUL in the path":
        path = f"{tmp_path}/\0.yaml"
    with pytest.raises(SpecError, match="cannot be read as text"):
        load_survey(path)


def test_a_message_stays_short_whatever_is_wrong():
    many = {f"key{k}": list(range(1000)) for k in range(3000)}
    start = time.perf_counter()
    with pytest.raises(SpecError, match="more\\.$") as caught:
        validate(Survey, many | {"name": ["long"] * 100_000}, "theirs.yaml")
    assert time.perf_counter() - start < 1
    assert len(str(caught.value)) < 10_000
