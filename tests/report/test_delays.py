"""The figure of delay errors: drawn, whole, and only where there is something to draw."""

import numpy as np
import pytest
from astropy.table import Table

from lensfinder.delays import compare_delays
from lensfinder.errors import ArgumentError
from lensfinder.report.delays import plot_delay_errors


@pytest.fixture
def truth(rng):
    """200 lenses with sources and redshifts."""
    n = 200
    return Table(
        {
            "id": np.arange(n).astype(str),
            "theta_E": rng.uniform(0.5, 2.5, n),
            "q": rng.uniform(0.5, 1.0, n),
            "phi": rng.uniform(0, np.pi, n),
            "x_src": rng.normal(0, 0.15, n),
            "y_src": rng.normal(0, 0.15, n),
            "z_lens": np.full(n, 0.5),
            "z_src": np.full(n, 1.6),
        }
    )


@pytest.mark.parametrize("brightness", [False, True])
def test_a_figure_is_drawn(truth, rng, tmp_path, brightness):
    predicted = truth["id", "theta_E", "q", "phi"].copy()
    predicted["theta_E"] += rng.normal(0, 0.05, 200)
    if brightness:
        truth["log_brightness"] = rng.uniform(-3, -1, 200)
    table = compare_delays(truth, predicted)
    path = plot_delay_errors(table, tmp_path / "a" / "errors.png", theta_E_min=0.8)
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    text = plot_delay_errors(table, tmp_path / "errors.svg").read_text("utf-8")
    assert text.rstrip().endswith("</svg>")


def test_errors_of_zero_are_drawn_too(truth, tmp_path):
    assert plot_delay_errors(compare_delays(truth, truth), tmp_path / "a.png").is_file()


def test_nothing_to_draw_is_an_error(truth, tmp_path):
    table = compare_delays(truth, truth)
    with pytest.raises(ArgumentError, match="nothing to draw"):
        plot_delay_errors(table, tmp_path / "a.png", theta_E_min=9.0)
    assert not (tmp_path / "a.png").exists()
