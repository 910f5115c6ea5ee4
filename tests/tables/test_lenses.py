"""Tables of lenses: columns in, checked arrays out."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, Table
from numpy.testing import assert_allclose

from lensfinder.errors import SYSTEM_STATUS, ArgumentError, DataFormatError, UnitError
from lensfinder.lensing.ellipticity import Ellipticity
from lensfinder.tables import build_table, write_table
from lensfinder.tables.lenses import open_table, read_lenses


def lenses(**columns):
    return Table({"theta_E": [1.0, 1.5], "e1": [0.1, -0.2], "e2": [0.0, 0.1]} | columns)


def test_both_descriptions_of_the_shape_are_there():
    found = read_lenses(lenses())
    shape = Ellipticity(np.array([0.1, -0.2]), np.array([0.0, 0.1]))
    assert_allclose(found.values["q"], shape.axis_ratio())
    again = read_lenses(
        Table({"theta_E": [1.0, 1.5], "q": found.values["q"], "phi": found.values["phi"]})
    )
    assert again.shape == ("q", "phi")
    assert_allclose(again.values["e2"], [0.0, 0.1], atol=1e-12)
    assert found.lens()["x0"].tolist() == [0, 0]
    assert found.assumed == ("x_lens", "y_lens", "gamma1", "gamma2")
    assert found.bits.tolist() == [0, 0]
    assert found.ids.tolist() == ["1", "2"]
    assert len(found) == 2


def test_units_are_converted_and_wrong_ones_refused():
    table = Table({"theta_E": [1000.0] * u.mas, "q": [0.5], "phi": [90.0] * u.deg})
    found = read_lenses(table)
    assert_allclose(found.values["theta_E"], 1.0)
    assert_allclose(found.values["phi"], np.pi / 2)
    with pytest.raises(UnitError, match="'theta_E' must be in arcsec. Received kg"):
        read_lenses(lenses(theta_E=[1.0, 2.0] * u.kg))
    with pytest.raises(DataFormatError, match="'e1' must hold numbers"):
        read_lenses(lenses(e1=["a", "b"]))


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ({"theta_E": [-1.0, 1.0]}, "bad_theta_E"),
        ({"theta_E": [0.0, 1.0]}, "bad_theta_E"),
        ({"theta_E": [np.nan, 1.0]}, "missing_value,bad_theta_E"),
        ({"e1": [1.2, 0.0]}, "bad_ellipticity"),
        ({"gamma1": [1.0, 0.0]}, "bad_shear"),
        ({"z_lens": [2.0, 0.5], "z_src": [1.0, 1.0]}, "bad_redshift"),
        ({"z_lens": [np.nan, 0.5], "z_src": [1.0, 1.0]}, "bad_redshift"),
        ({"status": ["nan_pixels", "ok"]}, "bad_input"),
        ({"model_status": ["nan_pixels", "ok"]}, "bad_input"),
    ],
)
def test_a_row_that_cannot_be_gets_a_status(columns, names):
    bits = read_lenses(lenses(**columns)).bits
    found = set(SYSTEM_STATUS.decode(bits[0]).split(","))
    # NaN is missing, and nothing else is said of it
    assert found == {"missing_value"} if "missing" in names else found == {names}
    assert bits[1] == 0


def test_an_axis_ratio_above_one_is_bad():
    table = Table({"theta_E": [1.0] * 3, "q": [1.1, 0.0, 1.0], "phi": [0.0] * 3})
    status = [SYSTEM_STATUS.decode(value) for value in read_lenses(table).bits]
    assert status == ["bad_ellipticity", "bad_ellipticity", "ok"]


def test_missing_columns_are_named():
    with pytest.raises(ArgumentError, match=r"theta_E and e1 and e2 \(or q and phi\)"):
        read_lenses(Table({"id": ["a"]}))
    with pytest.raises(ArgumentError, match="e1 and e2"):
        read_lenses(Table({"theta_E": [1.0], "e1": [0.1], "q": [0.9]}))


def test_uncertainties_from_percentiles_from_the_std_or_given():
    table = lenses(
        theta_E_std=[0.1, 0.2], e1_p16=[0.05, -0.3], e1_p50=[0.11, -0.2], e1_p84=[0.13, 0.0]
    )
    spread = read_lenses(table, sigma={"x_lens": 0.05, "theta_E": 9.0}).spread
    assert set(spread) == {"theta_E", "e1", "x_lens"}
    assert_allclose(spread["theta_E"][1], [0.1, 0.2])  # the table goes before `sigma`
    assert_allclose(spread["e1"], [[0.11, -0.2], [0.06, 0.1], [0.02, 0.2]])
    assert_allclose(spread["x_lens"], [[0, 0], [0.05, 0.05], [0.05, 0.05]])
    for wrong in ({"x": 0.1}, {"x_lens": -0.1}, {"x_lens": np.nan}):
        with pytest.raises(ArgumentError, match="sigma takes"):
            read_lenses(table, sigma=wrong)


def test_a_redshift_for_all_rows_has_no_error():
    """The errors in the table are those of the value that it takes the place of."""
    table = Table({"theta_E": [1.0], "e1": [0.1], "e2": [0.0]})
    table["z_lens"], table["z_lens_std"] = 0.4, 0.1
    table["z_src"], table["z_src_p16"], table["z_src_p50"], table["z_src_p84"] = 2.0, 1.0, 2.0, 3.0
    assert {"z_lens", "z_src"} <= set(read_lenses(table).spread)
    given = read_lenses(table, z_lens=0.5, z_src=1.5)
    assert given.values["z_lens"].tolist() == [0.5]
    assert not {"z_lens", "z_src"} & set(given.spread)
    for z_lens, z_src in ((0.0, None), (np.nan, None), (None, 21.0), (1.0, 1.0)):
        with pytest.raises(ArgumentError, match="redshift|behind"):
            read_lenses(table, z_lens=z_lens, z_src=z_src)


def test_masked_entries_are_missing():
    column = MaskedColumn([1.0, 1.5], mask=[False, True])
    found = read_lenses(lenses(theta_E=column))
    assert found.bits[0] == 0
    assert SYSTEM_STATUS.decode(found.bits[1]) == "missing_value"


def test_observed_images_stand_side_by_side():
    table = lenses(x_obs=[1.0, np.nan], y_obs=[0.2, 0.3], x_obs_2=[-0.5, 0.1], y_obs_2=[0.0, 0.1])
    found = read_lenses(table)
    assert_allclose(found.x_obs, [[1.0, -0.5], [np.nan, 0.1]])
    assert_allclose(found.y_obs, [[0.2, 0.0], [np.nan, 0.1]])  # half a position is none
    assert np.isnan(read_lenses(lenses()).x_obs).all()


@pytest.mark.parametrize("suffix", [".ecsv", ".fits", ".parquet", ".csv"])
def test_every_format_gives_the_same_lenses(tmp_path, suffix):
    table = build_table(
        {"id": ["a", "b"], "theta_E": [1.0, 1.5], "q": [0.5, 0.7], "phi": [0.1, 0.2]}
    )
    path = write_table(table, tmp_path / f"t{suffix}")
    found = read_lenses(path, z_lens=0.5, z_src=1.0)
    assert found.ids.tolist() == ["a", "b"]
    assert_allclose(found.values["phi"], [0.1, 0.2])
    assert found.values["z_src"].tolist() == [1.0, 1.0]
    assert found.bits.tolist() == [0, 0]


def test_a_file_that_is_no_table_is_said_to_be_none(tmp_path):
    with pytest.raises(DataFormatError, match="There is no table"):
        open_table(tmp_path / "absent.ecsv")
    (tmp_path / "a.ecsv").write_text("not a table")
    with pytest.raises(DataFormatError, match="cannot be read"):
        open_table(tmp_path / "a.ecsv")
    (tmp_path / "a.txt").write_text("1")
    with pytest.raises(DataFormatError, match="Tables are read from"):
        open_table(tmp_path / "a.txt")


def test_an_empty_table_has_no_lenses():
    table = Table({"theta_E": np.zeros(0), "q": np.zeros(0), "phi": np.zeros(0)})
    assert len(read_lenses(table)) == 0


def test_names_in_a_csv_file_are_no_numbers(tmp_path):
    path = tmp_path / "lenses.csv"
    path.write_text("id,theta_E,e1,e2\n0007,1.2,0.1,0.0\n12345678901234567890123,1.1,0.1,0.0\n")
    assert read_lenses(path).ids.tolist() == ["0007", "12345678901234567890123"]
    path.write_text("theta_E,e1,e2\n1.2,0.1,0.0\n")
    assert read_lenses(path).ids.tolist() == ["1"]
