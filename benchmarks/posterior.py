"""A modeller's posteriors: coverage of fresh mocks, wrong controls, images of no lens, and time.

Coverage is measured on mocks of each population that the preset's spread was calibrated on, of
another seed than any sample of its card, and on all of them together; for a preset that names none,
on the population that it was tested on. Then the same modeller is shown what is no lens, galaxies
without arcs and the look-alikes (spirals, rings, mergers) of a finder's population, galaxies of the
Hubble Deep Field picture, and real galaxies, spirals among them: its spread should be larger there,
or it should say that it sees no lens. Nothing is tuned on these. Times are of one process, for one
image at a time and for 256.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from _result import write_result

from lensfinder.errors import LensfinderError
from lensfinder.posterior import Posterior, has_posterior
from lensfinder.predict.network import Network
from lensfinder.predict.readout import NO_LENS, Readout
from lensfinder.training.coverage import posterior_figures
from lensfinder.training.evaluation import MockSample, lenses_of, score_mocks
from lensfinder.training.metrics import roc_auc
from lensfinder.zoo import fixed_predict, open_preset

MODELLER = "compact-modeller/euclid-wide-vis"
SEED = 20_290
OTHERS = "finder-test"  # lenses, galaxies without arcs, look-alikes
LENS = "lens"
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
    parser.add_argument("--mocks-alone", action="store_true", help="no real images")
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
        "no_lens": no_lens(preset, options),
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


def no_lens(preset, options) -> dict:
    """Spread of each kind of object, what `model` marks, and how well both tell it from lenses.

    Mock lenses and others, galaxies of the Hubble picture, and real lenses and galaxies as the
    survey would see them. Of those marked, `by_spread` are those whose spread is too large, and
    `by_doubt` those that the network takes for no lens.
    """
    network = Network(preset, "modeller")
    readout = Readout(network)
    sample = mock_sample(preset, OTHERS, options.others)

    def answer(images):
        return readout(network.of_arrays(images)).values

    scored = score_mocks(answer, sample, contract=preset.contract)
    kinds = np.asarray(scored.truth["class"]).astype(str)
    kinds = np.where(np.asarray(scored.truth["label"]) > 0, LENS, np.char.add("no lens: ", kinds))
    values, names = [scored.output], [kinds]
    for kind, images in real_stamps(preset, options).items():
        values.append(answer(images))
        names.append(np.full(len(values[-1]), kind))
    columns = dict(zip(readout.names, np.concatenate(values).T.astype(float), strict=True))
    kinds, passed = np.concatenate(names), readout.limits.passed(columns)
    unsure = np.any([beyond for _, beyond in passed], axis=0) if passed else np.zeros(len(kinds))
    wide = [beyond for _, beyond in passed[: len(readout.limits.std)]]
    wide = np.any(wide, axis=0) if wide else np.zeros(len(kinds))
    tells = {name: columns[f"{name}_std"] for name in preset.targets}
    if NO_LENS in columns:
        tells[NO_LENS] = columns[NO_LENS]
    result = {}
    for kind in np.unique(kinds):
        of = kinds == kind
        result[str(kind)] = {
            "objects": int(of.sum()),
            "unsure": round(float(unsure[of].mean()), 4),
            "by_spread": round(float(wide[of].mean()), 4),
            **({"by_doubt": round(float(passed[-1][1][of].mean()), 4)} if NO_LENS in tells else {}),
            **{
                f"{name}_std_median": round(float(np.median(columns[f"{name}_std"][of])), 4)
                for name in preset.targets
            },
        }
        if kind != LENS:
            pair = of | (kinds == LENS)
            result[str(kind)]["auc"] = {
                name: round(roc_auc(of[pair].astype(int), told[pair]), 3)
                for name, told in tells.items()
            }
    return result


def real_stamps(preset, options) -> dict[str, dict]:
    """Real lenses and galaxies by kind, as a survey of one band would see them."""
    from _real_objects import hubble_objects, one_band, read_objects

    from lensfinder.paths import real_images_dir
    from lensfinder.specs import load_survey

    if len(preset.contract.groups) > 1 or len(preset.contract.groups[0].bands) > 1:
        return {}
    survey, found = load_survey(one_band(preset)), {}
    if options.hubble:
        hubble = hubble_objects(survey, count=options.hubble, seed=SEED)
        found["Hubble Deep Field galaxies"] = [each.stamp for each in hubble]
    folder = real_images_dir()
    if folder is not None and not options.mocks_alone:
        objects, _ = read_objects(folder, preset.contract, survey, as_survey=True, seed=SEED)
        for each in objects:
            found.setdefault(f"real: {each.kind}", []).append(each.stamp)
    (group,) = preset.contract.groups
    return {
        kind: {group.name: np.stack(stamps)[..., None].astype(np.float32)}
        for kind, stamps in found.items()
    }


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
    lines += [
        "| kind | objects | unsure | taken for no lens | median std of each |",
        "|---" * 5 + "|",
    ]
    for kind, v in figures["no_lens"].items():
        spread = ", ".join(f"{v[key]:.3f}" for key in v if key.endswith("_std_median"))
        told = f"{v['by_doubt']:.3f}" if "by_doubt" in v else "-"
        lines.append(f"| {kind} | {v['objects']} | {v['unsure']:.3f} | {told} | {spread} |")
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
