"""Table 1 and the studies of Pearson et al. 2019 beside ours, on the same mocks at equal compute.

Without --study, the table: RMS of the parameters for Euclid VIS, LSST r and LSST gri, with and
without lens light; the paper's recipe and ours, each with the same number of core seconds, tested
on the same mocks. With --study one of section 3's studies: bands, lens-light, scatter (of light
about mass), snr, visits (stacks), parameters; with --study all everything. Each writes a JSON and a
figure. What table and studies have in common is trained once.

Scales: ``ci`` shows that the machinery runs, and its numbers mean nothing; ``cpu`` takes under four
hours of one core; ``paper`` gives the paper's recipe its 150 passes over 50,000 images. Whatever is
done stays in --work: call it again to go on, after a kill or after --minutes. With --cells only the
networks of these cells are trained: several processes, each with its own cells, may share --work.
"""

import argparse
from pathlib import Path

import numpy as np
from _pearson_networks import CLOCKS, RECIPES, SEED, TARGETS, Mocks, Networks, OutOfTime, Scale
from _pearson_studies import SHOWN, STUDIES, WORDS, errors
from _result import RESULTS, write_result

from lensfinder.errors import LensfinderError
from lensfinder.report import plots
from lensfinder.report.studies import study_plot
from lensfinder.training.card import PEARSON_ROWS, PEARSON_TABLE_1
from lensfinder.training.scores import without_nan

SURVEYS = ("euclid-vis", "lsst-r", "lsst-gri")
LIGHTS = ("subtracted", "present")
ALL = "all"


def steps(*multiples, unit=(0.12, 10.0)):
    """Scatters that are multiples of those of SLACS."""
    return tuple((unit[0] * m, unit[1] * m) for m in multiples)


SCALES = {
    "ci": Scale(
        *(("euclid-vis",), ("subtracted",)),
        **{"fixed": 64, "held": 16, "test": 64, "batch": 16, "visits": (1, 4)},
        **{"passes": 1, "probe": False, "epochs": 2},
        scatter={"figure 12": (steps(0), steps(0, 1))},
    ),
    # 12 trainings of the table, 3 more for visits and 6 shorter ones for scatter: 11,200 core
    # seconds; mocks, validation and tests take about 2,500 more
    "cpu": Scale(
        *(SURVEYS, LIGHTS),
        **{"fixed": 20_000, "held": 512, "test": 3000, "batch": 64, "visits": (1, 4, 10, 100)},
        **{"seconds": 600.0, "study_seconds": 360.0},
        scatter={
            "figure 10": (((0, 0), (0, 60)), ((0, 0), (0, 10), (0, 20), (0, 40), (0, 60))),
            "figure 11": (((0, 0), (0.24, 0)), ((0, 0), (0.06, 0), (0.12, 0), (0.24, 0))),
            "figure 12": (steps(0, 1, 2), steps(0, 1, 2, 3)),
        },
    ),
    "paper": Scale(
        *(SURVEYS, LIGHTS),
        **{"fixed": 50_000, "held": 5000, "test": 10_000, "batch": 64, "visits": (1, 4, 10, 100)},
        **{"passes": 150, "epochs": 50},
        scatter={
            "figure 10": (
                ((0, 0), (0, 10), (0, 20), (0, 60)),
                ((0, 0), (0, 5), (0, 10), (0, 20), (0, 30), (0, 40), (0, 50), (0, 60)),
            ),
            "figure 11": (
                ((0, 0), (0.12, 0), (0.24, 0), (0.48, 0)),
                ((0, 0), (0.06, 0), (0.12, 0), (0.24, 0), (0.36, 0), (0.48, 0)),
            ),
            "figure 12": (steps(0, 1, 2, 4), steps(0, 0.5, 1, 2, 3, 4)),
        },
    ),
}


def main(arguments=None) -> int:
    """Run the benchmark; 0 when it is complete, 3 when it is to be continued."""
    given = parser().parse_args(arguments)
    place = Path(given.work) / given.scale
    limits = (given.minutes, given.workers, given.clock)
    networks = Networks(place, SCALES[given.scale], *limits)
    wanted = ["table", *STUDIES] if given.study == ALL else [given.study or "table"]
    try:
        if given.cells:
            if given.study or given.recipe != "ours":
                raise SystemExit("--cells trains the networks of the table, both recipes of them.")
            return train_cells(networks, given.cells)
        for name in wanted:
            report(name, networks, given)
    except OutOfTime:
        print("\nOut of time. Call again to go on.")
        return 3
    except LensfinderError as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error
    return 0


def parser() -> argparse.ArgumentParser:
    """The script's arguments."""
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    found.add_argument("--scale", choices=SCALES, default="ci")
    found.add_argument("--study", choices=(*STUDIES, ALL), help="instead of the table")
    found.add_argument("--recipe", choices=RECIPES, default="ours", help="of the studies")
    found.add_argument("--cells", nargs="+", default=None, help="train these alone: SURVEY-LIGHT")
    found.add_argument("--work", default="runs/pearson2019", help="mocks and trainings; resumed")
    found.add_argument("--minutes", type=float, default=None, help="stop then; call again")
    found.add_argument("--workers", type=int, default=1, help="processes that make mocks")
    found.add_argument("--clock", choices=CLOCKS, default="cpu", help="wall: with a GPU")
    found.add_argument("--folder", type=Path, default=None, help="where results and figures go")
    return found


def train_cells(networks, names) -> int:
    """Train both recipes on some cells' mocks; 3, since the table is to be made."""
    scale = networks.scale
    cells = [Mocks(survey, light) for survey in scale.surveys for light in scale.lights]
    known = {mocks.name: mocks for mocks in cells}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"There is no cell {unknown[0]} at this scale: {', '.join(known)}.")
    for name in names:
        for kind in RECIPES:
            networks.train(kind, known[name])
    print("\nTrained. Call again without --cells for the table.")
    return 3


def report(name, networks, given) -> None:
    """Do the table or one study; write its JSON and its figure."""
    if name == "table":
        figures, rows = table(networks)
        print(f"\n{markdown(figures)}\n")
    else:
        figures, rows = STUDIES[name](networks, given.recipe)
        figures["recipe"] = given.recipe
    figures |= {"scale": given.scale, "differences": DIFFERENCES}
    ending = "" if name == "table" else f"-{name}"
    ending += "" if given.scale != "ci" else "-ci"
    ending += "" if given.recipe == "ours" or name == "table" else f"-{given.recipe}"
    parameters = PEARSON_ROWS if name == "table" else SHOWN
    plot = study_plot(rows, parameters=parameters, title=f"Pearson et al. 2019: {name}")
    # first the result: a new figure beside it would be a change of the commit that it names
    write_result(f"pearson2019{ending}", without_nan(figures), seed=SEED, folder=given.folder)
    plots.save(plot, (given.folder or RESULTS) / f"pearson2019{ending}.png")


DIFFERENCES = (
    "Mocks of the same kind, not the same mocks; luminosity function, templates and sizes as the "
    "populations pearson2019-train and pearson2019-test say. At the scales ci and cpu also fewer "
    "images and a shorter training. The paper's fixed set is not counted in core seconds; ours "
    "learns from that set, turned, or pays for fresh mocks (`ours_learns_from`). Validation is not "
    "counted; ours answers as the mean over eight views of an image."
)


def table(networks):
    """Table 1: every survey with and without lens light, both recipes."""
    cells, rows = {}, []
    for light in networks.scale.lights:
        lines = {f"{kind} recipe" if kind == "paper" else kind: [] for kind in RECIPES}
        lines["the paper's figures"] = []
        for survey in networks.scale.surveys:
            mocks = Mocks(survey, light)
            truth, answers = networks.answers([(kind, mocks) for kind in RECIPES], mocks)
            found = {kind: errors(truth, a) for kind, a in zip(RECIPES, answers, strict=True)}
            paper = dict(
                zip(PEARSON_ROWS, PEARSON_TABLE_1[survey, light != "present"], strict=True)
            )
            cells[mocks.name] = {
                "published": paper,
                **{f"{kind}_recipe": found[kind] for kind in RECIPES},
                "always the mean": constant(truth),
                "spent": {kind: networks.spent(kind, mocks) for kind in RECIPES},
                "ours_learns_from": networks.source("ours", mocks),
            }
            paper = {name: {"rms": value, "rms_std": 0.0} for name, value in paper.items()}
            for line, parameters in zip(lines.values(), (*found.values(), paper), strict=True):
                line.append({"x": survey, "parameters": parameters})
        rows.append({"x_label": WORDS[light], "lines": lines})
    recipes, published = [], []
    for cell in cells.values():
        for name in PEARSON_ROWS:
            ours = cell["ours_recipe"][name]["rms"]
            recipes.append(ours / cell["paper_recipe"][name]["rms"])
            published.append(ours / cell["published"][name])
    return {
        "cells": cells,
        "ours_over_papers_recipe": ratios(recipes),
        "ours_over_published": ratios(published),
        "test_objects": networks.scale.test,
    }, rows


def ratios(values) -> dict:
    """Mean and worst of our errors over others', and in how many cells ours are smaller."""
    return {
        **{"mean": round(float(np.mean(values)), 4), "worst": round(float(max(values)), 4)},
        "cells_ahead": f"{sum(value < 1 for value in values)} of {len(values)}",
    }


def constant(truth) -> dict:
    """RMS of always answering the sample's mean, which a useful network must beat."""
    rows = np.broadcast_to(0.0, len(truth["theta_E"]))
    mean = {name: rows + truth[name].mean() for name in TARGETS}
    return {name: values["rms"] for name, values in errors(truth, mean).items()}


def markdown(figures) -> str:
    """The table for a README."""
    lines = [f"| | | {' | '.join(PEARSON_ROWS)} |", "|---" * (2 + len(PEARSON_ROWS)) + "|"]
    for name, cell in figures["cells"].items():
        paper = " | ".join(f"{value:.3f}" for value in cell["published"].values())
        lines.append(f"| {name} | paper, its own mocks | {paper} |")
        for kind, words in (("paper", "paper's recipe, our mocks"), ("ours", "ours")):
            values = cell[f"{kind}_recipe"]
            shown = " | ".join(f"{values[column]['rms']:.3f}" for column in PEARSON_ROWS)
            lines.append(f"| | {words} | {shown} |")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
