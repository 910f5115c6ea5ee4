"""Pearson's studies of section 3: each gives its figures and the rows of its plot.

A study trains what it needs and shares it with the table and the other studies (`Networks`). A row
is {"x_label", "lines": {label: points}}; a point has ``x`` and per parameter ``rms`` and
``rms_std``.
"""

from itertools import pairwise

import numpy as np
from _pearson_networks import SEED, TARGETS, Mocks

from lensfinder.training.parameter_bins import errors_in_bins
from lensfinder.training.parameters import parameter_table

SHOWN = ("theta_E", "orientation", "ellipticity")  # the three the paper averages over
SNR_EDGES = (20, 30, 50, 75, 100, 150, 200, 400, np.inf)  # figure 13 ends with 400 and more
LEAST = 20  # lenses in a bin
TAKEN_OFF, PRESENT = "subtracted", "present"
FRACTION = r"RMS of $\Delta\theta_\mathrm{E}/\theta_\mathrm{E}$"
WORDS = {TAKEN_OFF: "lens light taken off", PRESENT: "with lens light"}


def errors(truth, predicted) -> dict:
    """RMS of every parameter with its error."""
    true = {name: truth[name] for name in TARGETS}
    table = parameter_table(true, predicted, rng=np.random.default_rng(SEED), draws=100)
    return {
        name: {key: round(values[key], 5) for key in ("rms", "rms_std")}
        for name, values in table.items()
    }


def better(new, old) -> dict:
    """By what share the errors are smaller: mean over the three parameters, and each."""
    each = {name: round(1 - new[name]["rms"] / old[name]["rms"], 4) for name in SHOWN}
    return {"mean": round(float(np.mean(list(each.values()))), 4), **each}


def bands(networks, kind):
    """One LSST band against three (sections 3.1 and 3.2)."""
    found, lines = {}, {}
    for light in (TAKEN_OFF, PRESENT):
        one, three = Mocks("lsst-r", light), Mocks("lsst-gri", light)
        truth, (r,) = networks.answers([(kind, one)], one)
        own = errors(truth, r)
        truth, (r, gri) = networks.answers([(kind, one), (kind, three)], three)
        r, gri = errors(truth, r), errors(truth, gri)
        found[light] = {
            **{"r": own, "r, on the lenses of gri": r, "gri": gri},
            **{"better_by": better(gri, own), "better_by_same_lenses": better(gri, r)},
        }
        lines[WORDS[light]] = [_point("r", own), _point("r, lenses of gri", r), _point("gri", gri)]
    published = {PRESENT: {"mean": 0.18, "std": 0.02}, TAKEN_OFF: {"mean": 0.20, "std": 0.02}}
    return {"light": found, "published_better_by": published}, [_row("bands", lines)]


def lens_light(networks, kind):
    """The lens light present, taken off with its shot noise left, and never there."""
    found, lines = {}, {}
    for survey in networks.scale.surveys:
        seen, bare = Mocks(survey, PRESENT), Mocks(survey, TAKEN_OFF)
        truth, (present,) = networks.answers([(kind, seen)], seen)
        present = errors(truth, present)
        truth, (taken,) = networks.answers([(kind, bare)], bare)
        taken = errors(truth, taken)
        never, (absent,) = networks.answers([(kind, bare)], Mocks(survey, "absent"))
        absent = errors(never, absent)
        # what a network that learned from bare images does where nothing was taken off
        truth, (untaken,) = networks.answers([(kind, bare)], seen)
        found[survey] = {
            **{"present": present, "shot noise left": taken, "never there": absent},
            **{"trained without, tested with": errors(truth, untaken)},
            **{"better_by": better(taken, present), "shot_noise_costs": better(absent, taken)},
        }
        points = (("present", present), ("shot noise left", taken), ("never there", absent))
        lines[survey] = [_point(*point) for point in points]
    means = [found[survey]["better_by"][name] for survey in found for name in SHOWN]
    overall = {"mean": round(float(np.mean(means)), 4), "std": round(float(np.std(means)), 4)}
    return {
        "surveys": found,
        "better_by": overall,
        "published_better_by": {"mean": 0.26, "std": 0.12},
    }, [_row("lens light", lines)]


def scatter(networks, kind):
    """Trained at several scatters of light about mass, tested at all (figures 10 to 12)."""
    found, rows = {}, []
    survey = networks.scale.surveys[0]
    bare = Mocks(survey, TAKEN_OFF, scatter=_CONTROL)
    truth, (answer,) = networks.answers([(kind, bare)], bare)
    control = errors(truth, answer)
    for figure, (trained, tested) in networks.scale.scatter.items():
        axis, lines = _AXES[figure], {}
        plans = {f"trained at {_sigma(sigma)}": Mocks(survey, scatter=sigma) for sigma in trained}
        for sigma in tested:
            on = Mocks(survey, scatter=sigma)
            truth, answers = networks.answers([(kind, mocks) for mocks in plans.values()], on)
            for label, answer in zip(plans, answers, strict=True):
                lines.setdefault(label, []).append(_point(sigma[axis], errors(truth, answer)))
        ends = (tested[0][axis], tested[-1][axis])  # the same for every scatter: a level line
        lines[WORDS[TAKEN_OFF]] = [_point(x, control) for x in ends]
        found[figure] = lines
        rows.append(_row(_AXIS_WORDS[figure], lines))
    published = {
        "no scatter, trained and tested": {"theta_E": 0.030, "orientation": 0.113},
        "no scatter, lens light taken off": {"theta_E": 0.022, "orientation": 0.113},
    }
    published["no scatter, trained and tested"]["ellipticity"] = 0.021
    published["no scatter, lens light taken off"]["ellipticity"] = 0.019
    return {"figures": found, "survey": survey, "published": published}, rows


def snr(networks, kind):
    """Error against S/N of the lensed source, lens light taken off (figure 13)."""
    found, lines = {}, {}
    for survey in networks.scale.surveys:
        mocks = Mocks(survey, TAKEN_OFF)
        truth, (answer,) = networks.answers([(kind, mocks)], mocks)
        points = []
        for low, high in pairwise(SNR_EDGES):
            rows = (truth["snr"] >= low) & (truth["snr"] < high)
            if rows.sum() >= LEAST:
                some = errors(_take(truth, rows), _take(answer, rows))
                points.append({**_point(low, some), "objects": int(rows.sum())})
        lines[survey] = points
        found[survey] = {"bins": points}
        if points and (points[0]["x"], points[-1]["x"]) == (20, 400):
            first, last = (points[k]["parameters"] for k in (0, -1))
            ratio = {name: round(first[name]["rms"] / last[name]["rms"], 3) for name in first}
            found[survey]["times_smaller_at_400_than_at_20_to_30"] = ratio
    published = {"lowest": 1.3, "highest": 2.3, "mean": 1.8, "std": 0.3}
    return {"surveys": found, "published_times_smaller": published}, [
        _row("S/N of the lensed source, lower end of the bin", lines)
    ]


def visits(networks, kind):
    """Stacks of visits, for training and for testing, lens light taken off (figure 14)."""
    survey, numbers = networks.scale.surveys[0], networks.scale.visits
    trained = [Mocks(survey, TAKEN_OFF, number) for number in numbers]
    lines = {f"trained on {number}": [] for number in numbers}
    for on in trained:
        truth, answers = networks.answers([(kind, mocks) for mocks in trained], on)
        for label, answer in zip(lines, answers, strict=True):
            lines[label].append(_point(on.visits, errors(truth, answer)))
    first, deepest = (list(lines.values())[k] for k in (0, -1))
    single = first[0]["parameters"]
    return {
        "survey": survey,
        "lines": lines,
        "better_by_testing_on_most": better(first[-1]["parameters"], single),
        "better_by_training_and_testing_on_most": better(deepest[-1]["parameters"], single),
        "published": {
            "better_by_testing_on_100": {"mean": 0.29, "std": 0.01},
            "better_by_training_and_testing_on_100": {"mean": 0.46, "std": 0.04},
            "100 of 100": {"theta_E": 0.03, "orientation": 0.18, "ellipticity": 0.03},
        },
    }, [_row("visits in a test image", lines)]


def parameters(networks, kind):
    """Error of each parameter as a function of each (figure 8)."""
    axes = {
        "theta_E": ("true Einstein radius [arcsec]", lambda t: t["theta_E"]),
        "orientation": ("true orientation [rad]", lambda t: np.mod(t["phi"], np.pi)),
        "ellipticity": ("true ellipticity $1-q$", lambda t: 1 - t["q"]),
        "theta_E over R_e": (
            r"$\theta_\mathrm{E}/R_\mathrm{e}$ of the lens light",
            lambda t: t["theta_E"] / t["lens_R_e"],
        ),
    }
    found, rows = {name: {} for name in axes}, []
    for survey in networks.scale.surveys:
        for light in networks.scale.lights:
            mocks = Mocks(survey, light)
            truth, (answer,) = networks.answers([(kind, mocks)], mocks)
            for name, (_, by) in axes.items():
                label = f"{survey}, {WORDS[light]}"
                found[name][label] = _binned(truth, answer, by(truth))
    for name, (words, _) in axes.items():
        rows.append({**_row(words, found[name]), "y_labels": {"theta_E": FRACTION}})
    return {"by": found, "theta_E": "RMS of the fraction (predicted - true) / true"}, rows


def _binned(truth, answer, by):
    """Points in eight bins of equal numbers; theta_E as the fraction that figure 8 shows."""
    true = {name: truth[name] for name in TARGETS}
    # e1 and e2 as they are; the Einstein radius relative to the true one
    true, ours = {**true, "theta_E": true["theta_E"] * 0}, dict(answer)
    ours["theta_E"] = answer["theta_E"] / truth["theta_E"] - 1
    lines = errors_in_bins(true, ours, by, rng=np.random.default_rng(SEED), bins=8)
    return [
        {
            "x": round(line["median"], 4),
            "objects": line["objects"],
            "parameters": {
                name: {key: round(values[key], 5) for key in ("rms", "rms_std")}
                for name, values in line["parameters"].items()
            },
        }
        for line in lines
    ]


STUDIES = {
    "bands": bands,
    "lens-light": lens_light,
    "scatter": scatter,
    "snr": snr,
    "visits": visits,
    "parameters": parameters,
}
# which of (sigma_e, sigma_phi) a figure runs along, and how it is written
_AXES = {"figure 10": 1, "figure 11": 0, "figure 12": 0}
_AXIS_WORDS = {
    "figure 10": r"$\sigma_\phi$ of the test mocks [deg], $\sigma_e=0$",
    "figure 11": r"$\sigma_e$ of the test mocks, $\sigma_\phi=0$",
    "figure 12": r"$\sigma_e$ of the test mocks, $\sigma_\phi=\sigma_e\cdot10/0.12$ deg",
}
_CONTROL = (0.12, 10.0)  # of SLACS; without light in the images it does not matter


def _sigma(sigma) -> str:
    return r"$\sigma_e={:g}$, $\sigma_\phi={:g}$".format(*sigma)


def _point(x, parameters) -> dict:
    return {"x": x, "parameters": parameters}


def _row(x_label, lines) -> dict:
    return {"x_label": x_label, "lines": lines}


def _take(columns, rows) -> dict:
    return {name: values[rows] for name, values in columns.items()}
