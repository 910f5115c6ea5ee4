"""Does a modeller read the arcs, or the galaxy in front of them?

    python benchmarks/reads_arcs.py [--modeller PRESET ...] [--mocks 10000]

Four questions. Mass and light apart: on mocks whose mass has an axis ratio of 0.5 to 1 and any
angle, whatever the light has, are e1 and e2 those of the mass? Large radii: is theta_E unbiased at
2 to 2.5 arcsec? Turned: by how much does theta_E move when an image is turned or mirrored? No arcs:
what does the modeller say of its own mocks with the arcs removed (`lensfinder.data.twins`), of
galaxies without arcs and of spirals, rings and mergers? A modeller with a posterior has a spread to
tell with; of one without, the scatter over the eight views is shown instead.

The mocks are otherwise those of each modeller's training. An open network that was measured beside
them (HOLISMOKES IX, on mocks of its own kind) has the figures in `OPEN`.
"""

import argparse
import time

import numpy as np
from _result import preset_label, write_result

from lensfinder.data.twins import without_arcs
from lensfinder.errors import LensfinderError
from lensfinder.posterior import Posterior, has_posterior
from lensfinder.predict.network import Network
from lensfinder.predict.readout import NO_LENS, Readout
from lensfinder.simulate import Simulator
from lensfinder.specs import Population, load_population, load_survey
from lensfinder.training.metrics import roc_auc
from lensfinder.zoo import build, fixed_predict, open_preset
from lensfinder.zoo.layers.dihedral import VIEWS, turned_back, view

MODELLERS = {  # preset -> population whose other distributions the mocks have: that of its training
    "compact-modeller/euclid-wide-vis": "varied-lenses",
    "compact-modeller/euclid-vis-posterior": "pearson2019-train",
    "compact-modeller/euclid-vis": "pearson2019-train",
    "six-layer-cnn/euclid-vis": "pearson2019-train",
}
OTHERS = "finder-test"  # galaxies without arcs, and look-alikes
SEED = 20_310
RADII = (2.0, 2.5)  # arcsec
Q = (0.5, 1.0)  # axis ratios of mass and light
GOALS = {
    "correlation_with_mass_at_least": 0.7,
    "correlation_with_light_at_most": 0.2,
    "bias_at_large_theta_E_at_most_arcsec": 0.1,
    "theta_E_sd_over_views_at_most_arcsec": 0.05,
}
OPEN = {
    "correlation_with_mass": 0.06,
    "correlation_with_light": 0.87,
    "bias_at_large_theta_E_arcsec": -0.64,
    "theta_E_sd_over_views_arcsec": 0.145,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modeller", nargs="+", default=list(MODELLERS), help="presets")
    parser.add_argument("--mocks", type=int, default=10_000, help="lenses per modeller")
    parser.add_argument("--others", type=int, default=2_000, help="objects that are no lenses")
    parser.add_argument("--turned", type=int, default=300, help="lenses to turn and to strip")
    parser.add_argument("--folder", default=None, help="where the result goes")
    options = parser.parse_args()
    started = time.perf_counter()
    try:
        found = {preset_label(name): judge(name, options) for name in options.modeller}
    except LensfinderError as error:  # typed: a preset that is not there, or no modeller
        raise SystemExit(f"{type(error).__name__}: {error}") from error
    figures = {"goals": GOALS, "open_network": OPEN, "modellers": found}
    figures["wall_s"] = round(time.perf_counter() - started, 1)
    print(f"\n{markdown(figures)}\n")
    write_result("reads_arcs", figures, seed=SEED, folder=options.folder)


def judge(name, options) -> dict:
    """All four questions to one modeller."""
    preset = open_preset(name)
    base = MODELLERS.get(name, preset.metrics["data"]["population"])
    survey = load_survey(preset.contract.survey)
    simulator = Simulator(survey, apart(base), seed=SEED, planes=("S1",))
    mocks = simulator.objects(np.arange(options.mocks))
    modeller = Modeller(preset)
    answers = modeller(mocks.images)
    found = {"population": f"{base}, mass apart from light", "objects": len(mocks.truth)}
    found["shape"] = shape(answers, mocks.truth, preset.targets)
    found["theta_E"] = radius(answers, mocks.truth, preset.targets)
    few = {group: stack[: options.turned] for group, stack in mocks.images.items()}
    found["turned"] = modeller.turned(few)
    found["no_arcs"] = no_arcs(modeller, simulator, survey, few, options)
    found["reached"] = reached(found)
    return found


def apart(name) -> Population:
    """A population of uniform axis ratios with the mass independent of the light."""
    given = load_population(name)
    axis_ratio = given.mass.axis_ratio.model_copy(update={"low": Q[0], "high": Q[1]})
    return given.model_copy(
        update={
            "name": f"{given.name}-apart",
            "mass": given.mass.model_copy(update={"axis_ratio": axis_ratio}),
            "lens_light": given.lens_light.model_copy(update={"independent": 1.0}),
        }
    )


class Modeller:
    """A preset, its spread, and the same weights looking at one view only."""

    def __init__(self, preset):
        self.preset, self.targets = preset, preset.targets
        self.trained = preset.load()
        self.predict = fixed_predict(self.trained)
        self.posterior = has_posterior(np.empty((0, self.predict.outputs[-1])), self.targets)
        self.symmetric = bool(preset.config.arguments.get("symmetric"))
        self.single = self._one_view() if self.symmetric else self.predict

    def __call__(self, images) -> np.ndarray:
        """Answers of a preset, all of its numbers."""
        return self.predict(images)

    def _one_view(self):
        """The network without its mean over views; weights are those of the uncalibrated one."""
        bare = build(
            self.preset.config.builder,
            self.preset.contract,
            self.preset.task,
            targets=self.targets,
            **{**self.preset.config.arguments, "symmetric": False},
        )
        bare.set_weights(self.preset.load(calibrated=False).get_weights())
        return fixed_predict(bare)

    def views(self, images, predict) -> np.ndarray:
        """Means of all eight views, each turned back: (8, N, P)."""
        count, found = len(self.targets), []
        for which in VIEWS:
            shown = {group: np.array(view(stack, *which)) for group, stack in images.items()}
            found.append(predict(shown)[:, :count] @ turned_back(self.targets, *which).T)
        return np.stack(found)

    def turned(self, images) -> dict:
        """Median over images of the scatter of theta_E over the eight views, arcsec."""
        at = self.targets.index("theta_E")
        kinds = {"as it is shipped": self.predict}
        if self.symmetric:
            kinds["one view of the same weights"] = self.single
        return {
            words: round(float(np.median(self.views(images, predict)[..., at].std(axis=0))), 6)
            for words, predict in kinds.items()
        }

    def doubt(self, images, answers) -> tuple[str, np.ndarray]:
        """What tells of an odd image, (N, P): standard deviations, or else the views' scatter."""
        if self.posterior:
            return "standard deviation", Posterior.of(answers, self.targets).std()
        return "scatter over the views", self.views(images, self.single).std(axis=0)

    def unsure(self, images) -> dict[str, np.ndarray]:
        """Which rows a table marks, and the probability of no lens if the preset has it, (N,)."""
        network = Network(self.preset, "modeller")
        readout = Readout(network)
        if not readout.limits:
            return {}
        values = readout(network.of_arrays(images)).values.astype(float)
        columns = dict(zip(readout.names, values.T, strict=True))
        passed = readout.limits.passed(columns)
        found = {"unsure": np.any([marked for _, marked in passed], axis=0)}
        return found | ({NO_LENS: columns[NO_LENS]} if NO_LENS in columns else {})


# --- the questions --------------------------------------------------------------------------------
def shape(answers, truth, targets) -> dict:
    """Correlation of the predicted e1 and e2 with those of the mass, and of the light."""
    q, phi = (np.asarray(truth[f"lens_{name}"], float) for name in ("q", "phi"))
    size = (1 - q**2) / (1 + q**2)
    light = {"e1": size * np.cos(2 * phi), "e2": size * np.sin(2 * phi)}
    found = {}
    for name in ("e1", "e2"):
        predicted, mass = answers[:, targets.index(name)], np.asarray(truth[name], float)
        found[name] = {
            "with_mass": _correlation(predicted, mass),
            "with_light": _correlation(predicted, light[name]),
            "mass_with_light": _correlation(mass, light[name]),
            "rms": round(float(np.sqrt(np.mean((predicted - mass) ** 2))), 4),
            "rms_of_light": round(float(np.sqrt(np.mean((light[name] - mass) ** 2))), 4),
        }
    return found


def _correlation(a, b) -> float:
    return round(float(np.corrcoef(a, b)[0, 1]), 4)


def radius(answers, truth, targets) -> dict:
    """Error of theta_E, arcsec: of all, and where it is large."""
    true = np.asarray(truth["theta_E"], float)
    error = answers[:, targets.index("theta_E")] - true
    large = (true >= RADII[0]) & (true <= RADII[1])
    found = {}
    for words, rows in (("all", np.ones(len(true), bool)), ("large", large)):
        low, middle, high = np.percentile(error[rows], (15.865, 50, 84.135))
        found[words] = {
            "objects": int(rows.sum()),
            "mean_error_arcsec": round(float(error[rows].mean()), 4),
            "mean_error_std_arcsec": round(float(error[rows].std() / np.sqrt(rows.sum())), 4),
            "median_error_arcsec": round(float(middle), 4),
            "upper_arcsec": round(float(high - middle), 4),
            "lower_arcsec": round(float(low - middle), 4),
            "rms_arcsec": round(float(np.sqrt(np.mean(error[rows] ** 2))), 4),
        }
    return found


def no_arcs(modeller, simulator, survey, lenses, options) -> dict:
    """What is said of images without arcs, beside the same of lenses."""
    kinds = {"lens": lenses, "arcs removed": stripped(lenses, survey)}
    others = Simulator(survey, OTHERS, seed=SEED).objects(np.arange(options.others))
    names = np.asarray(others.truth["class"], "U")
    for name in ("no_source", "unlensed_source", "look_alike"):
        rows = names == name
        if rows.any():
            kinds[name] = {group: stack[rows] for group, stack in others.images.items()}
    at, found, doubts, odds = modeller.targets.index("theta_E"), {}, {}, {}
    for name, images in kinds.items():
        answers = modeller(images)
        by, doubt = modeller.doubt(images, answers)
        doubts[name] = doubt
        theta = answers[:, at]
        found[name] = {
            "objects": len(theta),
            "theta_E_median_arcsec": round(float(np.median(theta)), 4),
            "theta_E_sd_arcsec": round(float(theta.std()), 4),
            "spread_is": by,
            **{
                f"{target}_spread_median": round(float(np.median(doubt[:, k])), 4)
                for k, target in enumerate(modeller.targets)
            },
        }
        if modeller.posterior:
            marked = modeller.unsure(images)
            odds[name] = marked.pop(NO_LENS, None)
            found[name] |= {key: round(float(rows.mean()), 4) for key, rows in marked.items()}
    for name, doubt in doubts.items():
        if name != "lens":
            found[name] |= _detected(doubts["lens"], doubt, modeller.targets)
            if odds.get(name) is not None:
                label = np.repeat([0, 1], [len(odds["lens"]), len(odds[name])])
                both = np.concatenate([odds["lens"], odds[name]])
                found[name]["auc"][NO_LENS] = round(roc_auc(label, both), 4)
    return found


def _detected(lens, other, targets) -> dict:
    """How well the spread tells an odd image from a lens: AUC of each target's, and of the largest.

    The largest is of spreads over the median spread of lenses.
    """
    label = np.repeat([0, 1], [len(lens), len(other)])
    both = np.concatenate([lens, other])
    scaled = both / np.median(lens, axis=0)
    return {
        "theta_E_spread_over_that_of_lenses": round(
            float(np.median(other[:, targets.index("theta_E")]))
            / float(np.median(lens[:, targets.index("theta_E")])),
            3,
        ),
        "auc": {name: round(roc_auc(label, both[:, k]), 4) for k, name in enumerate(targets)}
        | {"largest": round(roc_auc(label, scaled.max(axis=1)), 4)},
    }


def stripped(images, survey) -> dict:
    """The images without their arcs, with noise of their own in every band."""
    found = {group.name: np.empty_like(images[group.name]) for group in survey.groups}
    for k in range(len(next(iter(images.values())))):
        rng = np.random.default_rng((SEED, k))
        for group in survey.groups:
            for channel, band in enumerate(group.bands):
                found[group.name][k, ..., channel] = without_arcs(
                    images[group.name][k, ..., channel],
                    rng,
                    noise=band.background_sigma,
                    total_time=band.total_time,
                )
    return found


def reached(found) -> dict:
    """Whether each figure is where it should be."""
    shapes, views = found["shape"].values(), found["turned"]["as it is shipped"]
    return {
        "mass": min(row["with_mass"] for row in shapes) > GOALS["correlation_with_mass_at_least"],
        "light": max(abs(row["with_light"]) for row in shapes)
        < GOALS["correlation_with_light_at_most"],
        "large_theta_E": abs(found["theta_E"]["large"]["mean_error_arcsec"])
        < GOALS["bias_at_large_theta_E_at_most_arcsec"],
        "turned": views < GOALS["theta_E_sd_over_views_at_most_arcsec"],
    }


# --- words ----------------------------------------------------------------------------------------
def markdown(figures) -> str:
    """Tables of what was measured."""
    lines = [
        "| modeller | e1, e2 with mass | with light | theta_E at 2-2.5 | sd of views | one view |",
        "|---" * 6 + "|",
        "| asked | > 0.7 | < 0.2 | 0.1 | 0.05 | - |",
        "| open network | 0.06 | 0.87 | -0.64 | 0.145 | - |",
    ]
    for name, found in figures["modellers"].items():
        mass, light = (
            ", ".join(f"{found['shape'][e][key]:.2f}" for e in ("e1", "e2"))
            for key in ("with_mass", "with_light")
        )
        large, turned = found["theta_E"]["large"], list(found["turned"].values())
        lines.append(
            f"| {name} | {mass} | {light} | {large['mean_error_arcsec']:+.3f} | {turned[0]:.4f} | "
            f"{turned[-1]:.4f} |"
        )
    lines += [
        "",
        "| modeller | shown | theta_E | its spread | AUC against lenses | unsure |",
        "|---" * 6 + "|",
    ]
    for name, found in figures["modellers"].items():
        for kind, row in found["no_arcs"].items():
            theta = f"{row['theta_E_median_arcsec']:.2f} +- {row['theta_E_sd_arcsec']:.2f}"
            found_by = row.get("auc", {})
            auc = found_by.get(NO_LENS, found_by.get("largest", "-"))
            lines.append(
                f"| {name} | {kind} | {theta} | {row['theta_E_spread_median']:.3f} | {auc} | "
                f"{row.get('unsure', '-')} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
