"""Draws from the uncertainties of a table: moments, correlations, and where physics ends."""

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose

from lensfinder.errors import ArgumentError
from lensfinder.tables.draws import Covariance, draw_lenses, read_posterior
from lensfinder.tables.lenses import read_lenses

N = 20_000


def lenses(**columns):
    table = {"theta_E": [1.0, 1.5], "e1": [0.1, -0.2], "e2": [0.0, 0.1]} | columns
    return read_lenses(Table(table))


def test_draws_have_the_widths_of_the_table():
    found = lenses(
        theta_E_std=[0.05, 0.1], e1_p16=[0.0, -0.25], e1_p50=[0.1, -0.2], e1_p84=[0.3, -0.1]
    )
    values, good = draw_lenses(found, [0, 1], n=N, seed=3)
    assert good.mean() > 0.999
    for i in (0, 1):
        # five standard errors of a median and of a std
        width = (0.05, 0.1)[i]
        assert abs(values["theta_E"][i].std() - width) < 5 * width / np.sqrt(2 * N)
        low, middle, high = np.percentile(values["e1"][i], (16, 50, 84))
        assert_allclose([low, middle, high], [(0.0, 0.1, 0.3), (-0.25, -0.2, -0.1)][i], atol=0.01)
    correlation = np.corrcoef(values["theta_E"][0], values["e1"][0])[0, 1]
    assert abs(correlation) < 5 / np.sqrt(N)
    assert np.ptp(values["e2"], axis=1).tolist() == [0, 0]  # no uncertainty, no spread


def test_a_row_draws_the_same_whatever_the_others():
    found = lenses(theta_E_std=[0.05, 0.1])
    both, _ = draw_lenses(found, [0, 1], n=50, seed=3)
    one, _ = draw_lenses(found, [1], n=50, seed=3)
    assert np.array_equal(both["theta_E"][1], one["theta_E"][0])
    other, _ = draw_lenses(found, [1], n=50, seed=4)
    assert not np.array_equal(one["theta_E"], other["theta_E"])


def test_a_covariance_is_kept():
    wanted = np.array([[0.04, 0.018], [0.018, 0.01]])
    posterior = Covariance(("theta_E", "x_lens"), np.stack([wanted, 0.25 * wanted]))
    values, good = draw_lenses(lenses(), [1, 0], n=N, posterior=posterior)
    assert good.mean() > 0.999
    for i, factor in ((0, 0.25), (1, 1.0)):
        measured = np.cov(values["theta_E"][i], values["x_lens"][i])
        assert_allclose(measured, factor * wanted, rtol=0.06)  # 5 sigma of a variance: 0.05
    assert np.abs(measured[0, 1] - 0) > 0.01  # negative control: they are correlated


def test_given_draws_are_taken_as_they_are(tmp_path):
    draws = {"q": np.full((2, 40), 0.6), "phi": np.linspace(0, 1, 80).reshape(2, 40)}
    path = tmp_path / "posterior.npz"
    np.savez(path, **draws)
    for posterior in (draws, path, str(path)):
        values, good = draw_lenses(lenses(), [1], n=7, posterior=posterior)
        assert good.all()
        assert np.array_equal(values["phi"][0], draws["phi"][1])
        assert values["theta_E"].shape == (1, 40)
        # e1 and e2 follow
        assert_allclose(np.hypot(values["e1"], values["e2"]), (1 - 0.36) / (1 + 0.36))
    np.savez(path, names=["theta_E"], covariance=np.full((2, 1, 1), 0.01))
    assert isinstance(read_posterior(path), Covariance)


def test_impossible_draws_are_marked():
    values, good = draw_lenses(lenses(theta_E_std=[1.0, 0.01]), [0, 1], n=N)
    assert abs(good[0].mean() - 0.8413) < 0.015  # the share of a normal above -1 sigma
    assert good[1].all()
    assert np.all(values["theta_E"] > 0)
    assert np.all(values["theta_E"][0][~good[0]] == 1.0)
    far = lenses(z_lens=[0.5, 0.5], z_src=[1.0, 1.0], z_src_std=[0.5, 0.0])
    _, good = draw_lenses(far, [0, 1], n=N)
    assert abs(good[0].mean() - 0.8413) < 0.015
    # redshifts that are wrong in the table do not spoil the draws of the lens
    wrong = lenses(z_lens=[2.0, np.nan], z_src=[1.0, 1.0], theta_E_std=[0.01, 0.01])
    assert draw_lenses(wrong, [0, 1], n=10)[1].all()


@pytest.mark.parametrize(
    ("posterior", "words"),
    [
        ({"theta": np.zeros((2, 5))}, "Received: theta"),
        ({"q": np.zeros((2, 5))}, "q and phi"),
        ({"theta_E": np.zeros((3, 5))}, r"\(2, draws\)"),
        ({"theta_E": np.zeros((2, 5)), "x_lens": np.zeros((2, 4))}, r"\(2, draws\)"),
        ({}, "none"),
        (Covariance(("theta_E",), np.zeros((2, 2, 2))), r"\(2, 1, 1\)"),
        (Covariance(("theta_E", "x_lens"), np.arange(8.0).reshape(2, 2, 2)), "symmetric"),
    ],
)
def test_a_posterior_that_does_not_fit_is_refused(posterior, words):
    with pytest.raises(ArgumentError, match=words):
        draw_lenses(lenses(), [0], posterior=posterior)


def test_a_file_that_is_no_posterior_is_refused(tmp_path):
    (tmp_path / "a.npz").write_text("nothing")
    with pytest.raises(ArgumentError, match="no .npz file"):
        read_posterior(tmp_path / "a.npz")
