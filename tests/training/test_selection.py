"""The selection function: counts that add up, intervals, and a slope that must be seen."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder.errors import MetricError
from lensfinder.tables import read_table, write_table
from lensfinder.training.selection import selection_function


def lenses(rng, n=3000):
    truth = {
        "theta_E": rng.uniform(0.3, 2.5, n),
        "src_mag": rng.uniform(22, 26, n),
        "snr": 10 ** rng.uniform(0.7, 2.5, n),
    }
    # what is found depends on the magnitude alone
    score = np.where(rng.random(n) < (26 - truth["src_mag"]) / 4, 0.9, 0.1)
    return truth, score


def test_every_projection_is_a_sum_of_cells(rng):
    truth, score = lenses(rng)
    found = selection_function(truth, score, threshold=0.5)
    assert found.lenses.shape == (6, 6, 6)
    assert found.lenses.sum() == 3000
    assert found.found.sum() == (score >= 0.5).sum()
    for name in found.axes:
        values = found.along(name)
        assert values["lenses"].sum() == 3000
        inside = np.histogram(truth[name][score >= 0.5], found.edges[name])[0]
        assert_array_equal(values["found"], inside)
    pair, turned = found.along("theta_E", "snr"), found.along("snr", "theta_E")
    assert_array_equal(pair["found"], turned["found"].T)
    assert_array_equal(pair["lenses"].sum(axis=1), found.along("theta_E")["lenses"])


def test_it_sees_the_slope_that_is_there_and_no_other(rng):
    found = selection_function(*lenses(rng), threshold=0.5)
    by_mag, by_size = found.along("src_mag"), found.along("theta_E")
    centre = 0.5 * (found.edges["src_mag"][1:] + found.edges["src_mag"][:-1])
    expected = (26 - centre) / 4
    # 500 lenses a bin: each completeness is known to 0.022
    assert np.abs(by_mag["completeness"] - expected).max() < 4.5 * 0.022
    assert np.abs(by_mag["completeness"] - 0.5).max() > 10 * 0.022
    assert np.abs(by_size["completeness"] - 0.5).max() < 4.5 * 0.022
    for values in (by_mag, by_size):
        assert (values["low"] < values["completeness"]).all()
        assert (values["high"] > values["completeness"]).all()


def test_bins_hold_equal_numbers_and_fewer_lenses_make_fewer_bins(rng):
    truth, score = lenses(rng)
    found = selection_function(truth, score, threshold=0.5)
    # inner edges are rounded for people, which moves a few lenses to the next bin
    assert np.abs(found.along("snr")["lenses"] - 500).max() < 60
    few = {name: values[:40] for name, values in truth.items()}
    assert selection_function(few, score[:40], threshold=0.5).lenses.shape == (2, 2, 2)
    one = {name: values[:1] for name, values in truth.items()}
    assert selection_function(one, score[:1], threshold=0.5).lenses.sum() == 1
    same = {"theta_E": np.ones(50)}
    assert selection_function(same, score[:50], threshold=0.5, axes=["theta_E"]).lenses.sum() == 50


def test_given_edges_are_kept_and_what_is_outside_is_not_counted(rng):
    truth, score = lenses(rng)
    edges = {"theta_E": [0.5, 1.0, 2.0]}
    found = selection_function(truth, score, threshold=0.5, axes=["theta_E"], edges=edges)
    inside = (truth["theta_E"] >= 0.5) & (truth["theta_E"] <= 2.0)
    assert found.lenses.sum() == inside.sum() < 3000
    assert_array_equal(found.edges["theta_E"], edges["theta_E"])


def test_the_table_says_it_all_again(rng, tmp_path):
    truth, score = lenses(rng, 600)
    found = selection_function(truth, score, threshold=0.5)
    write_table(found.table(), tmp_path / "selection.ecsv")
    table = read_table(tmp_path / "selection.ecsv")
    assert len(table) == found.lenses.size
    assert table["lenses"].sum() == 600
    assert table["theta_E_low"].unit == "arcsec"
    assert table["src_mag_high"].unit == "mag"
    assert table.meta["threshold"] == 0.5
    row = table[(table["lenses"] > 1)][0]
    inside = np.ones(600, bool)
    for name in found.axes:
        inside &= (truth[name] >= row[f"{name}_low"]) & (truth[name] < row[f"{name}_high"])
    assert row["lenses"] == inside.sum()
    assert row["found"] == (score[inside] >= 0.5).sum()
    assert_allclose(row["completeness"], row["found"] / row["lenses"], rtol=1e-12, atol=0)
    empty = table[table["lenses"] == 0]
    assert np.isnan(empty["completeness"]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"axes": ["theta_E", "colour"]}, "no column 'colour'"),
        ({"axes": []}, "at least one axis"),
        ({"edges": {"snr": [3, 2]}}, "must rise"),
        ({"score": np.full(50, np.nan)}, "finite scores"),
        (
            {"truth": {"theta_E": np.full(50, np.nan)}, "axes": ["theta_E"]},
            "theta_E must be finite",
        ),
        ({"truth": {"theta_E": np.ones(3)}, "axes": ["theta_E"]}, "theta_E must be finite"),
    ],
    ids=str,
)
def test_what_cannot_be_counted_is_refused(change, words, rng):
    truth, score = lenses(rng, 50)
    given = {"truth": truth, "score": score, "threshold": 0.5} | change
    with pytest.raises(MetricError, match=words):
        selection_function(given.pop("truth"), given.pop("score"), **given)


def test_an_axis_that_is_not_there_is_refused(rng):
    found = selection_function(*lenses(rng, 50), threshold=0.5)
    for axes in (("colour",), ("snr", "snr")):
        with pytest.raises(MetricError, match="has the axes"):
            found.along(*axes)
