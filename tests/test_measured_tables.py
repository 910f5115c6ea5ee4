"""The tables of docs/measured.md are those of the results."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def script():
    path = ROOT / "benchmarks" / "measured_tables.py"
    spec = importlib.util.spec_from_file_location("measured_tables", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_the_tables_that_the_script_writes(script):
    text = script.PAGE.read_text("utf-8")
    assert script.replaced(text, script.results()) == text, (
        "run: python benchmarks/measured_tables.py --write"
    )
    shown = {match["name"] for match in script.MARKED.finditer(text)}
    assert shown == set(script.TABLES)


def test_a_figure_of_a_result_moves_the_table(script):
    found = script.results()
    before = script.real_images(found)
    found["real_images"]["summary"]["all"]["theta_E_rms"] = 0.12345
    after = script.real_images(found)
    (moved,) = [new for old, new in zip(before, after, strict=True) if old != new]
    assert "| 0.12 |" in moved


def test_an_unknown_table_is_refused(script):
    text = "<!-- no-such: begin -->\n<!-- no-such: end -->"
    with pytest.raises(SystemExit, match="no-such: real-images"):
        script.replaced(text, {})
