"""The paper's comparison: what errors of the lens do to the images that follow."""

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose

from lensfinder.delays import compare_delays, summarise
from lensfinder.errors import ArgumentError
from lensfinder.lensing import arrival_delays, image_positions, source_position


@pytest.fixture
def truth(rng):
    """400 lenses with sources and redshifts."""
    n = 400
    return Table(
        {
            "id": [f"lens {i}" for i in range(n)],
            "theta_E": rng.uniform(0.5, 2.5, n),
            "q": rng.uniform(0.5, 1.0, n),
            "phi": rng.uniform(0, np.pi, n),
            "x_lens": rng.normal(0, 0.05, n),
            "y_lens": rng.normal(0, 0.05, n),
            "x_src": rng.normal(0, 0.15, n),
            "y_src": rng.normal(0, 0.15, n),
            "z_lens": np.full(n, 0.5),
            "z_src": np.full(n, 1.6),
        }
    )


def guess(truth, rng, size=0.03):
    predicted = truth["id", "theta_E", "q", "phi", "x_lens", "y_lens"].copy()
    predicted["theta_E"] += rng.normal(0, size, len(truth))
    predicted["q"] = np.minimum(predicted["q"] + rng.normal(0, size, len(truth)), 1.0)
    predicted["phi"] += rng.normal(0, 3 * size, len(truth))
    return predicted


def test_a_perfect_prediction_has_no_errors(truth):
    figures = compare_delays(truth, truth[::-1]).meta["figures"]
    assert figures["count_differs"] == 0
    assert figures["systems"] > 350
    for name in ("dx", "dy", "d_delay", "f_delay"):
        assert abs(figures["all"][name]["median"]) < 1e-9
        assert figures["all"][name]["plus"] < 1e-9


def test_one_system_step_by_step(truth, rng):
    predicted = guess(truth, rng)
    found = compare_delays(truth, predicted)
    lens = ("theta_E", "q", "phi")
    checked = 0
    for i in range(100):
        true = {k: truth[k][i] for k in lens}
        true |= dict(x0=truth["x_lens"][i], y0=truth["y_lens"][i])
        other = {k: predicted[k][i] for k in lens}
        other |= dict(x0=predicted["x_lens"][i], y0=predicted["y_lens"][i])
        images = image_positions(truth["x_src"][i], truth["y_src"][i], **true)
        source = source_position(images.x[0], images.y[0], **other)
        theirs = image_positions(*source, **other)
        rows = found[found["id"] == truth["id"][i]]
        if images.count != theirs.count:
            assert rows["status"].tolist() == ["count_differs"]
            assert np.isnan(rows["dx"][0])
            continue
        if images.count == 2:
            # the other image is the one that is not where the first is
            gap = np.hypot(theirs.x[:2] - images.x[0], theirs.y[:2] - images.y[0])
            k = int(np.argmax(gap))
            assert_allclose(rows["dx"], theirs.x[k] - images.x[1], atol=1e-9)
            assert_allclose(rows["dy"], theirs.y[k] - images.y[1], atol=1e-9)
            days = arrival_delays(theirs, 0.5, 1.6, "schuldt2021", reference=1 - k)[k]
            assert_allclose(rows["delay"], days, rtol=1e-6, atol=1e-6)
            true_days = arrival_delays(images, 0.5, 1.6, "schuldt2021")[1]
            assert_allclose(rows["delay_true"], true_days)
            assert_allclose(rows["f_delay"], (days - true_days) / abs(true_days), rtol=1e-4)
            checked += 1
        else:
            assert len(rows) == images.count - 1
            assert rows["image"].tolist() == list("BCD"[: images.count - 1])
    assert checked > 20


def test_errors_grow_with_the_errors_of_the_lens(truth, rng):
    small = compare_delays(truth, guess(truth, rng, 0.01)).meta["figures"]
    large = compare_delays(truth, guess(truth, rng, 0.1)).meta["figures"]
    assert small["count_differs"] < large["count_differs"]
    assert small["all"]["dx"]["plus"] < 0.3 * large["all"]["dx"]["plus"]
    assert small["all"]["d_delay"]["minus"] < 0.5 * large["all"]["d_delay"]["minus"]


def test_pairs_by_arrival_can_be_wrong_and_are_never_closer(truth, rng):
    predicted = guess(truth, rng, 0.1)
    near, order = (
        compare_delays(truth, predicted),
        compare_delays(truth, predicted, match="arrival"),
    )
    assert near["id"].tolist() == order["id"].tolist()
    squares = [
        np.nansum(np.asarray(t["dx"]) ** 2 + np.asarray(t["dy"]) ** 2) for t in (near, order)
    ]
    assert squares[0] < squares[1]


def test_figures_leave_small_lenses_out(truth, rng):
    table = compare_delays(truth, guess(truth, rng))
    figures = summarise(table, theta_E_min=0.8)
    assert 0 < figures["systems"] < table.meta["figures"]["systems"]
    assert figures["doubles"]["images"] + figures["quads"]["images"] <= figures["all"]["images"]
    quads = table[(table["n_images_true"] == 4) & (table["status"] == "ok")]
    assert table.meta["figures"]["quads"]["images"] == len(quads)
    none = summarise(table, theta_E_min=9.0)
    assert none["systems"] == 0
    assert none["all"] == {"images": 0}


def test_rows_without_a_partner_or_a_source_get_a_status(truth, rng):
    predicted = guess(truth, rng)[5:]
    truth["x_src"][7] = np.nan
    truth["z_src"][8] = 0.1
    predicted["theta_E"][4] = -1.0
    table = compare_delays(truth, predicted)
    status = dict(zip(table["id"], table["status"], strict=True))
    assert status["lens 0"] == "no_partner"
    assert status["lens 7"] == "no_source"
    assert status["lens 8"] == "bad_redshift"
    assert status["lens 9"] == "bad_theta_E"
    assert list(dict.fromkeys(table["id"])) == truth["id"].tolist()


def test_what_cannot_be_compared_is_refused(truth):
    with pytest.raises(ArgumentError, match="x_src, y_src, z_lens, z_src"):
        compare_delays(truth["id", "theta_E", "q", "phi"], truth)
    truth["id"][1] = truth["id"][0]
    with pytest.raises(ArgumentError, match="ids must be unique"):
        compare_delays(truth, truth)
    with pytest.raises(ArgumentError, match="'position' or 'arrival'"):
        compare_delays(truth[2:], truth[2:], match="name")
