"""Prediction tables: their columns, and files that are whole or absent."""

import csv
import os

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from lensfinder import tables
from lensfinder.errors import DataFormatError, OutputExistsError, UnknownNameError
from lensfinder.tables import COLUMNS, build_table, read_table, write_table

# What a catalogue of somebody else may use for names: each must come back as it was
AWKWARD = [
    "plain",
    "",
    " leading",
    "trailing ",
    "two\nlines",
    "carriage\rreturn",
    "tab\tbed",
    "é日本語",
    'a "quoted" name',
    "comma, semicolon; # hash",
    "=1+1",
    "100%25 sure",
    "nan",
    "--",
    "NULL",
    "9223372036854775807",
    "\u202ereversed",
    "plain",
]


def _table(ids=("a", "b", "c")):
    count = len(ids)
    return build_table(
        {
            "id": list(ids),
            "p_lens": np.linspace(0, 1, count, dtype=np.float32),
            "theta_E": np.full(count, np.float32(1 / 3)),
            "phi": np.full(count, np.nan, np.float32),
            "rank": np.arange(count, dtype=np.int32),
            "status": ["ok"] * count,
            "message": [""] * count,
        },
        {"verb": "find", "contract": {"groups": [{"name": "vis", "bands": ["VIS"]}]}, "n": 3},
    )


def test_columns_carry_units_and_words():
    table = _table()
    assert table["theta_E"].unit == u.arcsec
    assert table["phi"].unit == u.rad
    assert table["p_lens"].unit is None
    assert all(table[name].description == COLUMNS[name].words for name in table.colnames)


def test_every_registered_unit_is_one_astropy_knows():
    for name in COLUMNS:
        u.Unit(COLUMNS[name].unit)


@pytest.mark.parametrize("ending", tables.UNCERTAINTIES)
def test_uncertainties_have_the_unit_of_their_column(ending):
    assert tables.column_spec("theta_E" + ending).unit == "arcsec"


def test_an_unknown_column_is_refused():
    with pytest.raises(UnknownNameError, match="theta_e"):
        build_table({"theta_e": [1.0]})
    with pytest.raises(UnknownNameError):
        tables.column_spec("nothing_std")


@pytest.mark.parametrize("ending", [".ecsv", ".fits", ".parquet"])
@pytest.mark.parametrize("ids", [AWKWARD, ["a", "b"], []], ids=["awkward", "plain", "empty"])
def test_a_table_survives_its_file(tmp_path, ending, ids):
    table = _table(ids)
    path = write_table(table, tmp_path / f"t{ending}")
    back = read_table(path)
    assert list(back["id"]) == list(ids)
    assert back.colnames == table.colnames
    assert back.meta == table.meta
    for name in ("p_lens", "theta_E", "phi", "rank"):
        assert back[name].unit == table[name].unit
        # text keeps nine digits, which is every bit of a float32
        np.testing.assert_array_equal(np.asarray(back[name]), np.asarray(table[name]))
    assert list(back["message"]) == [""] * len(ids)
    assert [p.name for p in tmp_path.iterdir()] == [path.name], "no temporary file is left"


@pytest.mark.parametrize("ending", [".ecsv", ".fits", ".parquet"])
def test_plain_astropy_reads_what_we_write(tmp_path, ending):
    if ending == ".parquet":
        pytest.importorskip("pandas", reason="astropy reads Parquet through pandas")
    path = write_table(_table(), tmp_path / f"t{ending}")
    back = Table.read(path)
    assert [str(name) for name in back["id"].astype(str)] == ["a", "b", "c"]
    assert back["theta_E"].unit == u.arcsec


def test_bit_rot_in_parquet_is_noticed(tmp_path, rng):
    table = _table([f"object {number}" for number in rng.integers(0, 10**9, 500)])
    path = write_table(table, tmp_path / "t.parquet")
    content = path.read_bytes()
    noticed = 0
    for place in rng.integers(4, len(content) // 2, 60):  # the first half holds pages of data
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            back = read_table(path)
        except (OSError, ValueError):
            noticed += 1
            continue
        assert list(back["id"]) == list(table["id"]), f"byte {place}: silently another id"
        np.testing.assert_array_equal(back["p_lens"], table["p_lens"])
    assert noticed > 45, "most flips must hit a page, or this test sees nothing"


def test_an_existing_file_stays_unless_overwriting_is_asked_for(tmp_path):
    path = write_table(_table(), tmp_path / "t.ecsv")
    before = path.read_bytes()
    with pytest.raises(OutputExistsError, match="overwrite"):
        write_table(_table(["x"]), path)
    assert path.read_bytes() == before
    write_table(_table(["x"]), path, overwrite=True)
    assert list(read_table(path)["id"]) == ["x"]
    with pytest.raises(OutputExistsError, match="folder"):
        write_table(_table(), _folder(tmp_path / "dir.ecsv"), overwrite=True)


def _folder(path):
    path.mkdir()
    return path


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = write_table(_table(), tmp_path / "t.ecsv")
    before = path.read_bytes()

    def full_disk(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_table(_table(["x"]), path, overwrite=True)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.ecsv"]


def test_an_unknown_ending_is_refused_before_anything_is_computed(tmp_path):
    with pytest.raises(DataFormatError, match=r"\.ecsv, \.fits, \.parquet"):
        tables.check_output(tmp_path / "t.xlsx")
    with pytest.raises(DataFormatError, match="read from"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(1)", "\t=1", " =1"])
def test_a_name_is_no_formula_in_a_spreadsheet(tmp_path, name):
    path = write_table(_table([name, "harmless"]), tmp_path / "t.csv")
    with open(path, newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    assert rows[1][0] == "'" + name
    assert rows[2][0] == "harmless"
    assert rows[1][2].startswith("0.333"), "numbers are left alone"


def test_messages_are_one_printable_line():
    text = tables.clean_message("first\nsecond\x1b[31m \u202e" + "x" * 500)
    assert text.isprintable()
    assert text.startswith("first second [31m")
    assert len(text) == tables.MESSAGE_LENGTH
