"""The page of columns says what the registries say."""

from pathlib import Path

import pytest

from lensfinder.errors import FIT_STATUS, STATUS, ArgumentError
from lensfinder.report.columns_page import columns_page, main
from lensfinder.report.page import REMEDIES
from lensfinder.tables.columns import COLUMNS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "columns.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text("utf-8") == columns_page(), (
        "run: python -m lensfinder.report.columns_page docs/columns.md"
    )


def test_every_column_and_every_status_has_a_line():
    lines = columns_page().splitlines()
    for name, spec in COLUMNS.items():
        start = f"| `{name}` | {spec.unit} | "
        assert start + spec.words.replace("|", "\\|") + " |" in lines
    for flag in (*STATUS.flags, *FIT_STATUS.flags):
        assert any(f"| `{flag.name}` | {flag.words} |" in line for line in lines)
    assert set(REMEDIES) == {flag.name for flag in STATUS.flags}


def test_the_page_is_written_where_asked(tmp_path):
    assert main([str(tmp_path / "columns.md")]) == 0
    assert (tmp_path / "columns.md").read_text("utf-8") == columns_page()
    with pytest.raises(ArgumentError, match="Name the file"):
        main([])
