"""The verb: a table of lenses in, one row per image out."""

import numpy as np
import pytest
from astropy.cosmology import LambdaCDM
from astropy.table import Table
from numpy.testing import assert_allclose

import lensfinder
from lensfinder.delays import delays, describe
from lensfinder.errors import ArgumentError, OutputExistsError, SpecError
from lensfinder.lensing import (
    Ellipticity,
    Orientation,
    arrival_delays,
    image_positions,
    source_position,
)
from lensfinder.tables import read_table

Z = dict(z_lens=0.5, z_src=1.5)
LENS = {"theta_E": [1.2, 1.0], "q": [0.7, 0.8], "phi": [0.3, -0.5]}


def table(**columns):
    return Table({"id": ["a", "b"], **LENS, "x_src": [0.05, 0.3], "y_src": [0.0, 0.2]} | columns)


def test_images_of_a_given_source_are_those_of_the_solver():
    found = delays(table(), **Z)
    for i, name in enumerate(("a", "b")):
        rows = found[found["id"] == name]
        lens = {key: values[i] for key, values in LENS.items()}
        source = table()["x_src"][i], table()["y_src"][i]
        images = image_positions(*source, **lens)
        n = images.count
        assert len(rows) == n == rows["n_images"][0]
        assert rows["image"].tolist() == list("ABCD"[:n])
        assert_allclose(rows["x_image"], images.x[:n])
        assert_allclose(rows["mu"], images.magnification[:n])
        assert_allclose(rows["delay"], arrival_delays(images, 0.5, 1.5)[:n])
        assert not rows["seen"].any()
        assert set(rows["status"]) == {"ok"}
    assert str(found["delay"].unit) == "d"
    assert found.meta["counts"] == {"ok": 2}
    assert found.meta["draws"] == 0
    assert "p_2" not in found.colnames
    assert found.meta["assumed_zero"] == ["x_lens", "y_lens", "gamma1", "gamma2"]


def test_an_observed_image_gives_the_source():
    lens = {key: values[0] for key, values in LENS.items()}
    images = image_positions(0.05, 0.0, **lens)
    second = 1  # not the first to arrive
    observed = Table({"id": ["a"], **{k: v[:1] for k, v in LENS.items()}})
    observed["x_obs"], observed["y_obs"] = images.x[second], images.y[second]
    found = delays(observed, **Z)
    assert_allclose(found["x_image"], images.x[:4], atol=1e-9)
    assert found["seen"].tolist() == [False, True, False, False]
    # delays count from it
    expected = arrival_delays(images, 0.5, 1.5, reference=second)
    assert_allclose(found["delay"], expected, atol=1e-6)
    assert found["delay"][0] < 0
    assert_allclose(found["x_src"], 0.05, atol=1e-9)


def test_the_posterior_gives_error_bars_and_odds():
    found = delays(table(theta_E_std=[0.05, 0.05], q_std=[0.03, 0.03]), **Z, draws=400)
    assert found.meta["draws"] == 400
    odds = np.stack([found[f"p_{n}"] for n in (1, 2, 3, 4)])
    assert_allclose(odds.sum(axis=0), 1.0)
    for name in ("x_image", "y_image", "mu"):
        assert np.all(found[f"{name}_p16"] <= found[f"{name}_p50"])
        assert np.all(found[f"{name}_p50"] <= found[f"{name}_p84"])
    first = found["image"] == "A"
    assert_allclose(found["delay_p84"][first], 0.0, atol=1e-12)
    wider = delays(table(theta_E_std=[0.1, 0.1], q_std=[0.06, 0.06]), **Z, draws=400)
    last = np.flatnonzero(~first)

    def width(t):
        return np.asarray(t["x_image_p84"] - t["x_image_p16"])[last]

    assert np.median(width(wider) / width(found)) == pytest.approx(2.0, rel=0.3)
    again = delays(table(theta_E_std=[0.05, 0.05], q_std=[0.03, 0.03])[1:], **Z, draws=400)
    alone = found[found["id"] == "b"]
    assert not np.array_equal(again["x_image_p50"], alone["x_image_p50"])  # row 0 of its table


def test_percentiles_are_those_of_solving_draw_by_draw():
    rng = np.random.default_rng(5)
    draws = {"theta_E": rng.normal(1.2, 0.03, (1, 300)), "q": rng.normal(0.75, 0.02, (1, 300))}
    draws["phi"] = rng.normal(0.3, 0.02, (1, 300))
    one = Table({"id": ["a"], "theta_E": [1.2], "q": [0.75], "phi": [0.3]})
    one["x_obs"], one["y_obs"] = 1.3, 0.5
    found = delays(one, **Z, posterior=draws)
    lens = {name: values[0] for name, values in draws.items()}
    source = source_position(1.3, 0.5, **lens)
    images = image_positions(*source, **lens)
    two = images.count == 2
    assert found["n_images"][0] == 2
    assert_allclose(found["p_2"][0], two.mean())
    days = np.abs(arrival_delays(images, np.full(300, 0.5), np.full(300, 1.5))[two, 1])
    low, middle, high = np.percentile(days, (16, 50, 84))
    assert_allclose(
        [found[f"delay_{p}"][1] for p in ("p16", "p50", "p84")], [low, middle, high], rtol=1e-9
    )
    assert_allclose(found["x_image_p50"][1], np.median(images.x[two, 1]), rtol=1e-9)
    assert_allclose(found["x_src_p84"], np.percentile(source[0], 84), rtol=1e-9)


@pytest.mark.parametrize(("widths", "honest"), [(1.0, True), (0.5, False)])
def test_intervals_cover_the_truth(rng, widths, honest):
    count, sigma = 400, {"theta_E": 0.05, "e1": 0.05, "e2": 0.05}
    truth = {"theta_E": rng.uniform(0.8, 2.0, count)}
    truth |= {name: rng.normal(0, 0.1, count) for name in ("e1", "e2")}
    # outside the caustic, so that all have two images
    angle = rng.uniform(0, 2 * np.pi, count)
    source = 0.6 * truth["theta_E"] * np.array([np.cos(angle), np.sin(angle)])
    shape = Ellipticity(truth["e1"], truth["e2"])
    lens = dict(theta_E=truth["theta_E"], q=shape.axis_ratio(), phi=shape.position_angle())
    images = image_positions(*source, **lens)
    days = arrival_delays(images, np.full(count, 0.5), np.full(count, 1.5))
    predicted = Table({k: v + sigma[k] * rng.normal(size=count) for k, v in truth.items()})
    for name, size in sigma.items():
        predicted[f"{name}_std"] = np.full(count, widths * size)
    predicted["x_obs"], predicted["y_obs"] = images.x[:, 0], images.y[:, 0]
    found = delays(predicted, **Z, draws=100)
    second = found[(found["image"] == "B") & (found["p_2"] > 0.95)]
    rows = np.asarray(second["id"], dtype=int) - 1
    assert len(rows) > 280
    for true, name in ((days[rows, 1], "delay"), (images.x[rows, 1], "x_image")):
        inside = (second[f"{name}_p16"] <= true) & (true <= second[f"{name}_p84"])
        # five standard errors of a share of 300 are 0.13; half the width covers 0.38
        assert (abs(inside.mean() - 0.68) < 0.13) == honest


def test_the_error_of_an_observed_position_matters():
    # far from the caustic: all draws have two images
    one = Table({"theta_E": [1.2], "q": [0.75], "phi": [0.3], "x_obs": [1.6], "y_obs": [0.7]})
    exact, noisy = delays(one, **Z), delays(one, **Z, position_error=0.02)
    assert "x_image_p16" not in exact.colnames
    width = 0.5 * (noisy["x_image_p84"] - noisy["x_image_p16"])
    assert width[0] == pytest.approx(0.02, rel=0.15)  # 1,000 draws: 4 % of one percentile
    assert width[1] > 0.001


def test_dates_follow_the_delays():
    one = Table({"theta_E": [1.2], "q": [0.75], "phi": [0.3], "x_obs": [1.3], "y_obs": [0.5]})
    found = delays(one, **Z, date="2026-03-01")
    assert found["date"][0] == "2026-03-01T00:00"
    expected = np.datetime64("2026-03-01") + np.timedelta64(round(found["delay"][1] * 1440), "m")
    assert abs(np.datetime64(found["date"][1]) - expected) <= np.timedelta64(1, "m")
    one["date_obs"] = ["2027-01-01T12:00"]
    assert delays(one, **Z, date="2026-03-01")["date"][0] == "2027-01-01T12:00"
    with pytest.raises(ArgumentError, match="A date is written as"):
        delays(one[["theta_E", "q", "phi", "x_obs", "y_obs"]], **Z, date="tomorrow")


def test_east_and_north_are_there_where_the_orientation_is_known():
    with_centre = table(x_lens=[0.1, 0.0], y_lens=[0.0, 0.2])
    assert "east" not in delays(with_centre, **Z).colnames
    found = delays(with_centre, **Z, orientation=Orientation())
    assert_allclose(found["east"], -(found["x_image"] - found["x_lens"]))
    assert_allclose(found["north"], found["y_image"] - found["y_lens"])
    assert found.meta["sky"]["east_left"] is True


def test_bad_rows_keep_their_place():
    bad = Table(
        {
            "id": ["ok", "theta", "shape", "nan", "z", "nowhere", "flagged", "far"],
            "theta_E": [1.0, -1.0, 1.0, np.nan, 1.0, 1.0, 1.0, 1.0],
            "q": [0.8, 0.8, 1.2, 0.8, 0.8, 0.8, 0.8, 0.8],
            "phi": np.zeros(8),
            "x_obs": [1.2, 1.2, 1.2, 1.2, 1.2, np.nan, 1.2, 5.0],
            "y_obs": np.full(8, 0.1),
            "z_lens": [0.5, 0.5, 0.5, 0.5, 2.0, 0.5, 0.5, 0.5],
            "z_src": np.full(8, 1.5),
            "status": ["ok", "ok", "ok", "ok", "ok", "ok", "nan_pixels", "ok"],
            "theta_E_std": np.full(8, 0.01),
        }
    )
    found = delays(bad, draws=30)
    first = {row["id"]: row for row in found[np.isin(found["image"], ["", "A"])]}
    status = {name: row["status"] for name, row in first.items()}
    assert status == {
        "ok": "ok",
        "theta": "bad_theta_E",
        "shape": "bad_ellipticity",
        "nan": "missing_value",
        "z": "bad_redshift",
        "nowhere": "no_source",
        "flagged": "bad_input",
        "far": "single_image",
    }
    assert list(dict.fromkeys(found["id"])) == bad["id"].tolist()
    assert np.isnan(first["theta"]["x_image"])
    assert np.isfinite(first["z"]["x_image"])  # where is known, when is not
    assert np.isnan(found["delay"][found["id"] == "z"]).all()
    assert first["theta"]["message"] == "the Einstein radius is not positive"


def test_a_time_zone_is_brought_to_utc():
    found = delays(table(), **Z, date="2026-03-01T23:30-08:00")
    assert found["date"][0] == "2026-03-02T07:30"
    assert delays(table(), **Z, date="2026-03-01T23:30")["date"][0] == "2026-03-01T23:30"


def test_positions_that_are_no_images_are_said_to_be_none():
    lens = {key: values[0] for key, values in LENS.items()}
    images = image_positions(0.05, 0.0, **lens)
    pairs = {  # two observed positions: right, 0.1 arcsec off, wrong, two of one; and the middle
        "same": (images.x[0], images.y[0], images.x[0] + 0.1, images.y[0] - 0.1),
        "right": (images.x[0], images.y[0], images.x[2], images.y[2]),
        "near": (images.x[0], images.y[0], images.x[2] + 0.1, images.y[2]),
        "wrong": (images.x[0], images.y[0], -0.2, 3.5),
        "middle": (0.0, 0.0, np.nan, np.nan),
        "one": (images.x[1], images.y[1], np.nan, np.nan),
    }
    seen = Table({"id": list(pairs), **{k: np.full(len(pairs), v) for k, v in lens.items()}})
    for k, name in enumerate(("x_obs", "y_obs", "x_obs_2", "y_obs_2")):
        seen[name] = [pair[k] for pair in pairs.values()]
    found = delays(seen, **Z)
    wrong = set(found["id"][found["status"] == "not_an_image"])
    assert wrong == {"wrong", "middle", "same"}
    assert not found["seen"][found["status"] == "not_an_image"].any(), "none was observed"
    assert "the observed one" not in describe(found[found["id"] == "same"])[0]
    assert set(found["status"]) == {"ok", "not_an_image"}


def test_what_cannot_be_computed_is_refused():
    with pytest.raises(ArgumentError, match="both redshifts"):
        delays(table())
    with pytest.raises(ArgumentError, match="No row has a source"):
        delays(Table(LENS), **Z)
    with pytest.raises(ArgumentError, match="cannot be negative"):
        delays(table(), **Z, draws=-1)
    with pytest.raises(ArgumentError, match="seed cannot be negative"):
        delays(table(theta_E_std=[0.1, 0.1]), **Z, seed=-1)
    curved = LambdaCDM(H0=70, Om0=0.3, Ode0=0.5)
    with pytest.raises(SpecError, match="flat"):
        delays(table(), **Z, cosmology=curved)


def test_a_table_of_impossible_lenses_only_has_no_answers():
    found = delays(table(theta_E=[-1.0, -2.0], theta_E_std=[0.1, 0.1]), **Z)
    assert found["status"].tolist() == ["bad_theta_E", "bad_theta_E"]
    empty = delays(table()[:0], **Z)
    assert len(empty) == 0


@pytest.mark.parametrize("suffix", [".ecsv", ".fits", ".parquet"])
def test_the_table_is_written_and_read_back(tmp_path, suffix):
    path = tmp_path / f"delays{suffix}"
    found = delays(table(theta_E_std=[0.05, 0.05]), **Z, draws=50, date="2026-01-01", output=path)
    again = read_table(path)
    assert again.colnames == found.colnames
    assert_allclose(again["x_image"], found["x_image"], rtol=1e-8)
    assert again["date"].tolist() == found["date"].tolist()
    assert again.meta["systems"] == 2
    with pytest.raises(OutputExistsError):
        delays(table(), **Z, output=path)


def test_ours_is_a_room_and_a_function():
    assert callable(lensfinder.delays)
    assert len(lensfinder.delays(table(), **Z)) == len(delays(table(), **Z))
