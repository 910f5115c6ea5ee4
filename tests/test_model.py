"""Modelling lenses: units, derived columns, rows without an answer."""

import numpy as np
import pytest
from astropy import units as u

from lensfinder.errors import PresetError
from lensfinder.lensing import Ellipticity
from lensfinder.model import model, parameter_columns
from lensfinder.tables import read_table
from tests import tiny


@pytest.fixture(scope="module")
def modeller(tmp_path_factory):
    targets = ("theta_E", "e1", "e2", "x_lens", "y_lens")
    return tiny.save(tmp_path_factory.mktemp("modeller"), "modeller", targets=targets)


def test_columns_units_and_derived_parameters(modeller, tmp_path):
    table = model(tiny.images(6), preset=modeller, output=tmp_path / "t.fits", report=False)
    assert table.colnames == [
        *("id", "theta_E", "e1", "e2", "x_lens", "y_lens", "q", "phi", "status", "message")
    ]
    assert table["theta_E"].unit == table["x_lens"].unit == u.arcsec
    assert table["phi"].unit == u.rad
    again = Ellipticity.from_axis_ratio(
        np.asarray(table["q"], float), np.asarray(table["phi"], float)
    )
    # there and back in float32
    np.testing.assert_allclose(again.e1, table["e1"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(again.e2, table["e2"], rtol=0, atol=1e-6)
    assert read_table(tmp_path / "t.fits")["theta_E"].unit == u.arcsec


def test_bad_rows_keep_their_place(modeller):
    cutouts = tiny.cutouts(5)
    cutouts[2].bands["VIS"][3, 3] = np.nan
    table = model(cutouts, preset=modeller, batch_size=2)
    good = model(tiny.cutouts(5), preset=modeller, batch_size=5)
    assert list(table["status"]) == ["ok", "ok", "nan_pixels", "ok", "ok"]
    assert all(np.isnan(table[name][2]) for name in ("theta_E", "e1", "q", "phi", "x_lens"))
    others = [0, 1, 3, 4]
    np.testing.assert_allclose(table["theta_E"][others], good["theta_E"][others], rtol=0, atol=1e-6)


def test_unphysical_answers_are_kept_and_said():
    values = np.array([[1.0, 0.3, 0.4], [-0.2, 0.9, 0.8], [np.nan] * 3], np.float32)
    columns, remarks = parameter_columns(("theta_E", "e1", "e2"), values)
    assert columns["q"][0] == pytest.approx(np.sqrt(0.5 / 1.5), abs=1e-6)  # e = 0.5
    assert columns["phi"][0] == pytest.approx(0.5 * np.arctan2(0.4, 0.3), abs=1e-6)
    assert columns["theta_E"][1] == np.float32(-0.2)
    assert np.isnan(columns["q"][1:]).all()
    assert np.isnan(columns["phi"][1:]).all()
    assert remarks[0] == remarks[2] == ""
    assert "not positive" in remarks[1]
    assert "beyond 1" in remarks[1]


def test_a_finder_cannot_model(tmp_path):
    finder = tiny.save(tmp_path, "finder")
    with pytest.raises(PresetError, match="Expected a modeller"):
        model(tiny.images(2), preset=finder)
