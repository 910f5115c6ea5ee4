"""Modelling lenses: units, derived columns, rows without an answer."""

import numpy as np
import pytest
from astropy import units as u

import lensfinder
from lensfinder.errors import PresetError
from lensfinder.lensing import Ellipticity
from lensfinder.model import model, parameter_columns
from lensfinder.posterior import Posterior, spread_names
from lensfinder.predict import posterior_of
from lensfinder.predict.readout import Limits
from lensfinder.tables import read_table
from lensfinder.zoo.calibration import Doubt, Spread, sigmoid
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


def test_quantiles_of_an_angle_lie_beside_it():
    names = ("theta_E", "e1", "e2", "phi_std", "phi_p16", "phi_p50", "phi_p84")
    values = np.array([[1.0, -0.4, -1e-6, 0.1, 1.47, 1.57, 1.67]], np.float32)
    columns, _ = parameter_columns(names, values)
    assert columns["phi"][0] == pytest.approx(-np.pi / 2, abs=1e-5)
    found = [columns[f"phi_{name}"][0] for name in ("p16", "p50", "p84")]
    np.testing.assert_allclose(found, values[0, -3:] - np.pi, rtol=1e-5)
    assert columns["phi_p84"].dtype == np.float32


def test_a_finder_cannot_model(tmp_path):
    finder = tiny.save(tmp_path, "finder")
    with pytest.raises(PresetError, match="Expected a modeller"):
        model(tiny.images(2), preset=finder)


@pytest.fixture(scope="module")
def unsure(tmp_path_factory):
    """A modeller with posteriors, calibrated so that its spread of e1 is beyond its limit."""
    return tiny.save(
        tmp_path_factory.mktemp("unsure"),
        "modeller",
        targets=("theta_E", "e1", "e2"),
        arguments={"components": 2, "symmetric": True},
        calibration=Spread(scales=(2, 1, 1), limits=(100, 1e-3, 100), objects=200),
    )


def test_posteriors_fill_columns_and_say_where_nothing_is_known(unsure, tmp_path):
    cutouts = tiny.cutouts(5)
    cutouts[2].bands["VIS"][3, 3] = np.nan
    table = model(cutouts, preset=unsure, batch_size=2, output=tmp_path / "t.ecsv", report=True)
    spreads = spread_names(("theta_E", "e1", "e2"))
    assert table.colnames == [
        *("id", "theta_E", "e1", "e2", "q", "phi"), *spreads, *("unsure", "status", "message")
    ]  # fmt: skip
    assert table["theta_E_p84"].unit == u.arcsec
    good = [0, 1, 3, 4]
    assert all(np.isnan(table[name][2]) for name in spreads)
    assert table["status"][2] == "nan_pixels"
    answers = np.asarray(lensfinder.load(unsure)(tiny.images(5)))
    expected = Posterior.of(answers, ("theta_E", "e1", "e2"))
    for i, name in enumerate(("theta_E", "e1", "e2")):
        # float32, and padded batches of two instead of five
        np.testing.assert_allclose(
            table[name][good], expected.mean()[good, i], rtol=0, atol=1e-5, err_msg=name
        )
        np.testing.assert_allclose(
            table[f"{name}_std"][good], expected.std()[good, i], rtol=1e-4, err_msg=name
        )
        assert (table[f"{name}_p16"][good] < table[f"{name}_p84"][good]).all()
    assert list(table["unsure"]) == [1, 1, 0, 1, 1]
    assert "spread of e1 is larger" in table["message"][0]
    assert "theta_E" not in table["message"][0]
    assert " ± " in (tmp_path / "t.report.html").read_text(encoding="utf-8")


def test_an_answer_like_those_to_no_lens_is_marked():
    doubt = Doubt(weights=(0, 0, 0, 2, 0), limit=3.0, lenses=2, others=2)  # twice theta_E
    values = np.array([[1.0, 0, 0], [2.0, 0, 0], [np.nan] * 3])
    names = ("theta_E", "e1", "e2", "theta_E_std", "e1_std", "e2_std", "p_no_lens")
    p = sigmoid(2 * values[:, :1])  # as `Readout` gives it
    values = np.concatenate([values, 0 * values + [[0.1, 0.1, 0.1]], p], axis=1)
    std = dict.fromkeys(("theta_E", "e1", "e2"), 1.0)
    columns, remarks = parameter_columns(names, values, limits=Limits(std, doubt))
    assert list(columns["unsure"]) == [0, 1, 0]
    assert ["takes the image for no lens" in remark for remark in remarks] == [False, True, False]
    columns, _ = parameter_columns(names, values, limits=Limits(std))
    assert not columns["unsure"].any()


def test_an_ensemble_knows_less_where_its_members_disagree(unsure, tmp_path):
    targets = ("theta_E", "e1", "e2")
    other = tiny.save(tmp_path, "modeller", seed=2, targets=targets, arguments={"components": 1})
    one, two, both = (
        posterior_of(given, tiny.images(4)) for given in (unsure, other, [unsure, other])
    )
    assert len(both.weights) == len(one.weights) + len(two.weights)
    np.testing.assert_allclose(both.mean(), (one.mean() + two.mean()) / 2, rtol=0, atol=1e-9)
    inner = (one.std() ** 2 + two.std() ** 2) / 2
    apart = ((one.mean() - two.mean()) / 2) ** 2
    np.testing.assert_allclose(both.std() ** 2, inner + apart, rtol=1e-9)
    assert apart.max() > 0
    values = tiny.save(tmp_path, "modeller", seed=3, targets=targets)
    with pytest.raises(PresetError, match="no posterior"):
        posterior_of(values, tiny.images(4))
    fewer = tiny.save(
        tmp_path, "modeller", seed=4, targets=("theta_E",), arguments={"components": 1}
    )
    with pytest.raises(PresetError, match="same targets"):
        posterior_of([unsure, fewer], tiny.images(4))


def test_a_search_fills_the_same_columns(unsure, tmp_path):
    finder = tiny.save(tmp_path, "finder")
    found = lensfinder.find(
        tiny.images(6), preset=finder, model=unsure, threshold=0.0, report=False
    )
    alone = model(tiny.images(6), preset=unsure, report=False)
    for name in ("theta_E", "q_p16", "phi_std", "unsure"):
        np.testing.assert_array_equal(found[name], alone[name], err_msg=name)
