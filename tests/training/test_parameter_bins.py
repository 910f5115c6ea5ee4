"""Errors of a modeller over the kind of lens."""

import json

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose

from lensfinder.errors import MetricError
from lensfinder.training import evaluation
from lensfinder.training.parameter_bins import errors_in_bins, running_quantiles
from lensfinder.training.parameters import parameter_table


def lenses(rng, n=1200):
    truth = {"theta_E": rng.uniform(0.3, 2, n), "e1": rng.normal(0, 0.2, n)}
    truth["e2"] = rng.normal(0, 0.2, n)
    snr = 10 ** rng.uniform(1, 2, n)
    predicted = {name: values + rng.normal(0, 2 / snr, n) for name, values in truth.items()}
    return truth, predicted, snr


def test_it_sees_that_bright_lenses_are_modelled_better(rng):
    truth, predicted, snr = lenses(rng)
    lines = errors_in_bins(truth, predicted, snr, rng=rng)
    assert [line["objects"] for line in lines] == [200] * 6
    for line in lines:
        inside = (snr >= line["low"]) & (snr <= line["high"])
        assert inside.sum() == 200
        values = line["parameters"]["theta_E"]
        error = (predicted["theta_E"] - truth["theta_E"])[inside]
        assert_allclose(values["rms"], np.sqrt(np.mean(error**2)), rtol=1e-12, atol=0)
        # 200 objects: an RMS is known to 5 %, that knowledge from 100 draws to 7 %
        assert 0.03 < values["rms_std"] / values["rms"] < 0.08
    rms = [line["parameters"]["theta_E"]["rms"] for line in lines]
    assert rms[0] > 4 * rms[-1]
    by_size = errors_in_bins(truth, predicted, truth["theta_E"], rng=rng)
    rms = [line["parameters"]["theta_E"]["rms"] for line in by_size]
    assert max(rms) < 1.6 * min(rms), "there is no such trend with the Einstein radius"
    json.dumps(lines, allow_nan=False)


def test_one_bin_is_the_table_of_all(rng):
    truth, predicted, snr = lenses(rng)
    (line,) = errors_in_bins(truth, predicted, snr, rng=rng, bins=1)
    table = parameter_table(truth, predicted, rng=rng)
    assert (
        set(line["parameters"])
        == set(table)
        == {"theta_E", "e1", "e2", "ellipticity", "orientation"}
    )
    for name, values in table.items():
        assert_allclose(line["parameters"][name]["rms"], values["rms"], rtol=1e-12, atol=0)


def test_few_lenses_make_few_bins(rng):
    few = [{n: v[:45] for n, v in part.items()} for part in lenses(rng)[:2]]
    assert len(errors_in_bins(*few, np.arange(45.0), rng=rng)) == 2
    one = [{n: v[:1] for n, v in part.items()} for part in few]
    (line,) = errors_in_bins(*one, np.arange(1.0), rng=rng)
    assert np.isnan(line["parameters"]["e1"]["rms_std"])


def test_running_quantiles_follow_a_line_and_its_scatter(rng):
    x = rng.uniform(0, 10, 4000)
    centre, (low, middle, high) = running_quantiles(x, 2 * x + rng.normal(0, 1, 4000))
    assert centre.shape == (12,)
    # 615 of a run of width 1.5: median known to 0.08, and the run's own slope adds sigma 0.9
    assert np.abs(middle - 2 * centre).max() < 0.4
    assert np.abs(0.5 * (high - low) - np.hypot(1, 2 * 1.54 / np.sqrt(12))).max() < 0.25
    assert np.abs(middle - centre).max() > 5
    centre, values = running_quantiles([1, 2], [3, 4])
    assert np.isfinite(values).all()


def test_what_cannot_be_binned_is_refused(rng):
    truth, predicted, snr = lenses(rng, 50)
    for by in (snr[:5], snr * np.nan):
        with pytest.raises(MetricError, match="finite for each"):
            errors_in_bins(truth, predicted, by, rng=rng)
    with pytest.raises(MetricError, match="one length"):
        running_quantiles([1, 2], [1])


def test_figures_of_a_modeller_hold_them_and_no_other_figure_is_changed_by_them(rng, monkeypatch):
    count = 60
    table = Table({"id": np.arange(count), "theta_E": rng.uniform(0.5, 2, count)})
    table["snr"] = rng.uniform(10, 90, count)
    answers = np.stack([table["theta_E"] + rng.normal(0, 0.1, count)], axis=1)

    def figures(**columns):
        truth = Table({**dict(table.items()), **columns})
        scored = evaluation.Scored(truth, answers, {"population": "toy"})
        again = np.random.default_rng(1)
        options = {"task": "modeller", "targets": ("theta_E",), "rng": again}
        return evaluation.figures_of(scored, **options)["modeller"]

    found = figures()
    assert {axis: len(lines) for axis, lines in found["bins"].items()} == {"theta_E": 3, "snr": 3}
    assert set(found["bins"]["snr"][0]["parameters"]) == {"theta_E"}
    squares = [line["parameters"]["theta_E"]["rms"] ** 2 for line in found["bins"]["snr"]]
    whole = found["parameters"]["theta_E"]["rms"]
    assert_allclose(np.mean(squares), whole**2, rtol=1e-6)  # 20 lenses in each
    # an axis that is not known of all lenses is left out
    unknown = np.where(np.arange(count) == 7, np.nan, table["snr"])
    assert set(figures(snr=unknown)["bins"]) == {"theta_E"}
    # they are drawn last: without them every other error bar is the same
    monkeypatch.setattr(evaluation, "bins_along", lambda *args, **options: {})
    without = figures()
    assert without.pop("bins") == {}
    found.pop("bins")
    assert without == found
