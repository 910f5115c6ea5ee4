"""A modeller's posteriors: coverage of fresh mocks, wrong controls, images of no lens, and time.

Coverage is measured on mocks of each population that the preset's spread was calibrated on, of
another seed than any sample of its card, and on all of them together; for a preset that names none,
on the population that it was tested on. Then the same modeller is shown what is no lens, galaxies
without arcs and the look-alikes (spirals, rings, mergers) of a finder's population, and galaxies of
the Hubble Deep Field picture: its spread should be larger there. Times are of one process, for one
image at a time and for 256.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from _result import write_result

from lensfinder.errors import LensfinderError
from lensfinder.posterior import Posterior, has_posterior
from lensfinder.training.coverage import posterior_figures
from lensfinder.training.evaluation import MockSample, lenses_of, score_mocks
from lensfinder.training.metrics import roc_auc
from lensfinder.zoo import fixed_predict, open_preset

MODELLER = "compact-modeller/euclid-wide-vis"
SEED = 20_290
OTHERS = "finder-test"  # lenses, galaxies without arcs, look-alikes
BATCHES = (1, 256)
REPEATS = 5
LIMITS = {"0.68": (0.65, 0.71)}
BIN_LIMITS = (0.60, 0.76)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modeller", default=MODELLER, help="preset, or folder of one")
    parser.add_argument("--mocks", type=int, default=10_000, help="lenses of each population")
    parser.add_argument("--populations", nargs="+", default=None, help="for the coverage")
    parser.add_argument("--others", type=int, default=2_000, help="objects of all kinds")
    parser.add_argument("--hubble", type=int, default=100, help="galaxies of the picture; 0: none")
    parser.add_argument("--folder", default=None, help="where the result goes")
    options = parser.parse_args()
    if Path(options.modeller).is_dir() and options.folder is None:
        raise SystemExit("Of a modeller in a folder of your own: say where with --folder.")
    started = time.perf_counter()
    try:
        figures = run(options)
    except LensfinderError as error:  # typed: a preset that is not there, or without posteriors
        raise SystemExit(f"{type(error).__name__}: {error}") from error
    figures["wall_s"] = round(time.perf_counter() - started, 1)
    print(f"\n{markdown(figures)}\n")
    # of another modeller than the usual one, a result of its own
    ending = "" if figures["modeller"] == MODELLER else "-" + figures["modeller"].replace("/", "-")
    write_result(f"posterior{ending}", figures, seed=SEED, folder=options.folder)


def run(options) -> dict:
    """Coverage, behaviour on what is no lens, and times."""
    preset = open_preset(options.modeller)
    model = preset.load()
    predict = fixed_predict(model)
    if not has_posterior(np.empty((0, predict.outputs[-1])), preset.targets):
        raise SystemExit(f"{preset.name} answers without a posterior. Name a preset with one.")
    calibrated = (preset.metrics.get("calibration") or {}).get("calibrated_on", [])
    names = options.populations or [each["population"] for each in calibrated]
    parts = {}
    for name in names or [preset.metrics["data"]["population"]]:
        sample = mock_sample(preset, name, options.mocks)
        parts[name] = score_mocks(predict, sample, contract=preset.contract)
    name = Path(options.modeller).name if Path(options.modeller).is_dir() else options.modeller
    return {
        "modeller": name,
        "data": [scored.data for scored in parts.values()],
        **of_populations(parts, preset.targets),
        "no_lens": no_lens(preset, predict, options),
        "time": times(preset, model),
    }


def of_populations(parts, targets) -> dict:
    """Tests of the posteriors: of all populations together, and, if there are several, of each."""
    lenses = {name: lenses_of(scored) for name, scored in parts.items()}
    wanted = {None: list(lenses.values())}
    if len(lenses) > 1:
        wanted |= {name: [one] for name, one in lenses.items()}
    results = {}
    for name, some in wanted.items():
        posterior = Posterior.of(np.concatenate([output for _, output in some]), targets)
        true, snr = (
            np.concatenate([columns(truth, names) for truth, _ in some])
            for names in (targets, ["snr"])
        )
        # the same random numbers whatever is measured beside it
        rng = np.random.default_rng(SEED)
        found = posterior_figures(posterior, true, rng=rng, by=snr[:, 0])
        results[name] = {"posterior": found, "within_limits": judged(found)}
    return {**results.pop(None), "populations": results}


def columns(truth, names) -> np.ndarray:
    """Columns of a table as an array (N, names)."""
    return np.stack([np.asarray(truth[name], float) for name in names], axis=1)


def mock_sample(preset, population, count) -> MockSample:
    """Mocks of the preset's survey."""
    return MockSample(preset.contract.survey, population, count, SEED)


def judged(found) -> dict:
    """Whether coverage is where it should be, of all, per bin of S/N, and of wrong posteriors."""
    result = {}
    for name, values in found["parameters"].items():
        bins = [line["parameters"][name]["coverage"] for line in found["bins"]]
        result[name] = {
            "all": all(low <= values["coverage"][k] <= high for k, (low, high) in LIMITS.items()),
            "bins": all(BIN_LIMITS[0] <= held <= BIN_LIMITS[1] for held in bins),
            "controls": {
                control: LIMITS["0.68"][0] <= facts["coverage"][name] <= LIMITS["0.68"][1]
                for control, facts in found["controls"].items()
            },
        }
    return result


def no_lens(preset, predict, options) -> dict:
    """The spread for each kind of object, and how well it tells others from lenses."""
    sample = mock_sample(preset, OTHERS, options.others)
    scored = score_mocks(predict, sample, contract=preset.contract)
    spreads = Posterior.of(scored.output, preset.targets).std()
    kinds = np.asarray(scored.truth["class"]).astype(str)
    kinds = np.where(np.asarray(scored.truth["label"]) > 0, "lens", np.char.add("no lens: ", kinds))
    if options.hubble:
        stamps = hubble_stamps(preset, options.hubble)
        seen = Posterior.of(predict(stamps), preset.targets).std()
        spreads = np.concatenate([spreads, seen])
        kinds = np.concatenate([kinds, np.full(len(seen), "Hubble Deep Field galaxies")])
    calibration = preset.config.calibration
    limits = np.inf if calibration is None else np.array(calibration.limits)
    unsure = (spreads > limits).any(axis=1)
    result = {}
    for kind in np.unique(kinds):
        of = kinds == kind
        result[str(kind)] = {
            "objects": int(of.sum()),
            "unsure": round(float(unsure[of].mean()), 4),
            **{
                f"{name}_std_median": round(float(np.median(spreads[of, i])), 4)
                for i, name in enumerate(preset.targets)
            },
        }
        if kind != "lens":
            pair = of | (kinds == "lens")
            result[str(kind)]["auc_of_spread"] = {
                name: round(roc_auc(of[pair].astype(int), spreads[pair, i]), 3)
                for i, name in enumerate(preset.targets)
            }
    return result


def hubble_stamps(preset, count) -> dict:
    """Real galaxies, as the survey would see them; of a network with one band."""
    from _real_objects import hubble_objects, one_band

    from lensfinder.specs import load_survey

    objects = hubble_objects(load_survey(one_band(preset)), count=count, seed=SEED)
    (group,) = preset.contract.groups
    stamps = np.stack([each.stamp for each in objects])[..., None].astype(np.float32)
    return {group.name: stamps}


def times(preset, model) -> dict:
    """Milliseconds per lens of the network, and of the posterior's columns."""
    rng = np.random.default_rng(SEED)
    result = {}
    for batch in BATCHES:
        predict = fixed_predict(model, batch_size=batch)
        images = {
            name: rng.normal(0, 0.05, (batch, *shape)).astype(np.float32)
            for name, shape in preset.contract.shapes.items()
        }
        answers = predict(images)
        repeats = REPEATS * (20 if batch == 1 else 1)
        network = best(lambda images=images, run=predict: run(images), repeats)
        columns = best(
            lambda answers=answers: Posterior.of(answers, preset.targets).columns(), repeats
        )
        draws = best(
            lambda answers=answers: Posterior.of(answers, preset.targets).sample(100, rng=rng),
            repeats,
        )
        result[f"batch {batch}"] = {
            "network_ms_per_lens": round(1e3 * network / batch, 3),
            "columns_ms_per_lens": round(1e3 * columns / batch, 3),
            "100_draws_ms_per_lens": round(1e3 * draws / batch, 3),
        }
    return result


def best(what, repeats) -> float:
    """Seconds of the quickest call."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        what()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def markdown(figures) -> str:
    """Tables of what was measured."""
    lines = []
    for name, part in {"together": figures, **figures["populations"]}.items():
        lines += [f"{name}:", *coverage_table(part["posterior"]), ""]
    lines += ["| kind | objects | unsure | median std of each |", "|---|---|---|---|"]
    for kind, v in figures["no_lens"].items():
        spread = ", ".join(f"{v[key]:.3f}" for key in v if key.endswith("_std_median"))
        lines.append(f"| {kind} | {v['objects']} | {v['unsure']:.3f} | {spread} |")
    lines += ["", "| ms per lens | network | columns | 100 draws |", "|---|---|---|---|"]
    for name, v in figures["time"].items():
        lines.append(f"| {name} | " + " | ".join(f"{x:.3f}" for x in v.values()) + " |")
    return "\n".join(lines)


def coverage_table(found) -> list[str]:
    """Coverage and controls of one sample."""
    lines = [
        "| parameter | median std | within 50 % | 68 % | 95 % | 68 %, bins of S/N | ranks p |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, v in found["parameters"].items():
        held = " | ".join(f"{v['coverage'][k]:.3f}" for k in ("0.5", "0.68", "0.95"))
        bins = ", ".join(f"{b['parameters'][name]['coverage']:.3f}" for b in found["bins"])
        lines.append(f"| {name} | {v['std_median']:.4f} | {held} | {bins} | {v['ranks_p']:.2g} |")
    lines += ["", "| control | within 68 % | p | joint p | rejected |", "|---|---|---|---|---|"]
    for name, v in found["controls"].items():
        held, p = (
            ", ".join(f"{number:.3g}" for number in v[key].values()) for key in ("coverage", "p")
        )
        lines.append(f"| {name} | {held} | {p} | {v['tarp_p']:.2g} | {v['rejects']} |")
    return lines


if __name__ == "__main__":
    main()
