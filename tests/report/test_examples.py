"""The example of `make find`, end to end with random networks."""

import pytest
from astropy.io import fits

from lensfinder.errors import OutputExistsError
from lensfinder.report import example
from lensfinder.tables import read_table
from tests import tiny


@pytest.mark.slow  # most of it is the simulator's first call
def test_the_example_runs_from_nothing_to_a_page(tmp_path):
    finder = tiny.save(tmp_path / "presets", "finder", stamp=57)
    modeller = tiny.save(tmp_path / "presets", "modeller", stamp=57)
    options = {"preset": finder, "model": modeller, "mocks": 2, "galaxies": 3}
    page = example(tmp_path / "out", **options)
    table = read_table(tmp_path / "out" / "candidates.ecsv")
    names = [str(name) for name in table["id"]]
    assert len(names) == 7
    assert sum(name.startswith("hdf-") for name in names) == 3
    assert {"mock-lens-001", "mock-lens-002", "mock-nonlens-001", "mock-nonlens-002"} < set(names)
    assert set(table["status"]) == {"ok"}
    header = fits.getheader(tmp_path / "out" / "images" / "mock-lens-001.fits")
    assert header["KIND"] == "mock-lens"
    assert 0 < header["TRUE_THETA_E"] < 10
    text = page.read_text("utf-8")
    assert page.name == "report.html"
    assert "This set holds 4 mock images" in text
    with pytest.raises(OutputExistsError):
        example(tmp_path / "out", **options)
