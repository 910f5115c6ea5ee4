"""Every plot of an evaluation, from objects with known scores."""

import numpy as np
import pytest
from astropy.table import Table

from lensfinder.errors import DatasetSpecError
from lensfinder.report import draw_assessment, plots
from lensfinder.report.coverage_plots import coverage_plot
from lensfinder.report.finder_plots import reliability_plot, score_plot
from lensfinder.training.assessment import assess, table_of
from lensfinder.training.evaluation import Scored
from lensfinder.training.products import FIGURES, names_of, write_folder

TARGETS = ("theta_E", "e1", "e2")


def scored(rng, task, n=400, spread=1.5):
    """Mocks as the simulator describes them, and answers that know something."""
    kind = rng.choice(["lens", "look_alike", "no_source"], n, p=[0.6, 0.25, 0.15])
    n_pix = np.where(kind == "lens", rng.integers(5, 200, n), 0)
    truth = Table({"id": [f"m{i}" for i in range(n)], "class": kind, "n_pix": n_pix})
    truth["label"] = ((kind == "lens") & (n_pix > 20)).astype(int)
    truth["n_groups"] = (n_pix > 0).astype(int)
    truth["magnification"] = np.where(kind == "lens", 3.0, 0.0)
    lens = np.asarray(truth["label"]) == 1
    truth["theta_E"] = np.where(lens, rng.uniform(0.3, 2, n), 0)
    truth["src_mag"] = np.where(lens, rng.uniform(21, 26, n), np.nan)
    truth["snr"] = 10 ** rng.uniform(0.7, 3, n)
    for name in ("e1", "e2"):
        truth[name] = rng.normal(0, 0.2, n)
    if task != "finder":
        output = np.stack([truth[name] + rng.normal(0, 0.1, n) for name in TARGETS], axis=1)
    if task == "posterior":  # one Gaussian of `PosteriorHead`: values, weight, values, widths
        triangle = np.tile([0.1, 0, 0.1, 0, 0, 0.1], (n, 1))
        output = np.concatenate([output, np.ones((n, 1)), output, triangle], axis=1)
    elif task == "finder":
        output = 1 / (1 + np.exp(-(rng.normal(0, spread, n) + 5 * lens - 2.5)))[:, None]
    return Scored(truth, output.astype(np.float32), {"population": "made up", "n": n})


def assessed(rng, task, **options):
    given = scored(rng, task, **options)
    task, targets = ("finder", ("p_lens",)) if task == "finder" else ("modeller", TARGETS)
    return assess(given, preset="x/y", task=task, targets=targets, rng=rng)


def test_without_posteriors_there_is_no_plot_of_their_coverage(tmp_path, rng):
    draw_assessment(assessed(rng, "modeller"), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(FIGURES["modeller"]) - {"coverage.png"}


def test_the_coverage_plot_shows_what_was_found(rng):
    found = assessed(rng, "posterior").figures["modeller"]["posterior"]
    lines = [bar[0].get_xydata() for bar in coverage_plot(found).axes[0].containers]
    for (name, values), points in zip(found["parameters"].items(), lines, strict=True):
        np.testing.assert_allclose(points[:, 1], list(values["coverage"].values()), err_msg=name)
        assert abs(values["coverage"]["0.68"] - 0.68) < 0.1  # of 0.1 said and done, 200 lenses
    table = table_of(assessed(rng, "posterior"))
    np.testing.assert_allclose(table["e1_std"], 0.1, rtol=1e-6)


@pytest.mark.parametrize("task", ["finder", "posterior"])
def test_an_evaluation_writes_every_file_it_names(task, tmp_path, rng):
    found = assessed(rng, task)
    task = found.task
    write_folder(tmp_path / "out", found, draw=draw_assessment)
    assert {p.name for p in (tmp_path / "out").iterdir()} == set(names_of(task))
    for name in FIGURES[task]:
        content = (tmp_path / "out" / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 8000, "an empty plot has 3,000 bytes"
    assert len(table_of(found)) == 400


@pytest.mark.parametrize("task", ["finder", "modeller", "posterior"])
def test_few_objects_and_perfect_answers_are_drawn_too(task, tmp_path, rng):
    found = assessed(rng, task, n=30, spread=0.01)
    draw_assessment(found, tmp_path)
    assert (tmp_path / FIGURES[found.task][0]).is_file()


def test_the_same_data_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        draw_assessment(assessed(np.random.default_rng(1), "finder", n=120), tmp_path / name)
    for name in FIGURES["finder"]:
        if (tmp_path / "one" / name).exists():
            one, two = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
            assert one == two, name


def test_plots_show_the_numbers_they_are_given(rng):
    found = assessed(rng, "finder")
    truth, score = found.measured.truth, found.measured.output[:, 0]
    figure = reliability_plot(truth["label"], score, found.figures["finder"])
    shown = figure.axes[0].lines[1].get_xydata()
    lines = found.figures["finder"]["calibration"]["reliability"]
    expected = [(line["probability"], line["fraction"]) for line in lines]
    np.testing.assert_allclose(shown, expected, rtol=1e-6, atol=0)
    figure = score_plot(truth["label"], score, truth["class"])
    words = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    faint = int(((truth["class"] == "lens") & (truth["label"] == 0)).sum())
    assert f"lenses ({int(truth['label'].sum())})" in words
    assert f"lensed, not visible ({faint})" in words


def test_objects_without_an_answer_are_kept_in_the_table_alone(rng):
    objects = scored(rng, "finder")
    objects.output[:7] = np.nan
    found = assess(objects, preset="x", task="finder", targets=("p_lens",), rng=rng)
    assert found.figures["finder"]["objects"] == 393
    assert len(table_of(found)) == 400
    objects.output[:] = np.nan
    with pytest.raises(DatasetSpecError, match="No object has an answer"):
        assess(objects, preset="x", task="finder", targets=("p_lens",), rng=rng)


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [(0.98885, 0.0012, "0.9889 ± 0.0012"), (0.3, None, "0.3"), (None, 0.1, "not measurable"),
     (float("nan"), None, "not measurable"), (12.3, 4.0, "12.3 ± 4.0"), (0.5, 0.0, "0.5")],
)  # fmt: skip
def test_numbers_are_written_with_their_errors(value, error, words):
    assert plots.number(value, error) == words


def test_axes_say_symbol_and_unit():
    assert plots.axis_label("theta_E").endswith("[arcsec]")
    assert plots.axis_label("orientation") == "orientation [rad]"
    assert plots.axis_label("my_column") == "my column"
