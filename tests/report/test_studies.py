"""Plots of studies: a column per parameter, a row per quantity, a line per training."""

import numpy as np
import pytest

from lensfinder.report.studies import SHOWN, study_plot


def point(x, rms):
    values = {"rms": rms, "rms_std": float("nan") if x == 3 else 0.1}
    return {"x": x, "parameters": dict.fromkeys(SHOWN, values)}


def test_lines_stand_where_the_points_are():
    lines = {"a": [point(1, 0.5), point(3, 0.2)], "b": [point(2, 0.4)]}
    row = {"x_label": "visits", "lines": lines}
    figure = study_plot([row, {**row, "y_labels": {"theta_E": "fraction"}}], title="words")
    above = study_plot([{**row, "bottom": 0.1}])
    assert {axis.get_ylim()[0] for axis in above.axes} == {0.1}
    labels = [axis.get_ylabel() for axis in figure.axes]
    assert labels[1] == labels[4] == "RMS of orientation [rad]"
    assert labels[0] != labels[3] == "fraction"
    assert len(figure.axes) == 2 * len(SHOWN)
    for axis in figure.axes:
        assert axis.get_xlabel() == "visits"
        first, second = (bar.lines[0] for bar in axis.containers)
        assert np.array_equal(first.get_xydata(), [(1, 0.5), (3, 0.2)])
        assert np.array_equal(second.get_xydata(), [(2, 0.4)])
        assert axis.get_ylim()[0] == 0
    # the same lines are named once
    assert sum(axis.get_legend() is not None for axis in figure.axes) == 1


def test_words_along_x_keep_their_order():
    lines = {"a": [point("r", 0.5), point("gri", 0.2)], "b": [point("gri", 0.4)]}
    axis = study_plot([{"x_label": "bands", "lines": lines}]).axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["r", "gri"]
    assert np.array_equal(axis.containers[1].lines[0].get_xydata(), [(1, 0.4)])


@pytest.mark.parametrize(
    ("values", "scale"),
    [((1, 2, 7), "linear"), ((1, 4, 10, 100), "log"), ((0.2, 0.9, 1.6, 2.3, 3.0), "linear")],
)
def test_an_axis_that_crowds_the_lower_values_is_logarithmic(values, scale):
    lines = {"a": [point(value, 0.5) for value in values]}
    axis = study_plot([{"x_label": "visits", "lines": lines}]).axes[0]
    assert axis.get_xscale() == scale
