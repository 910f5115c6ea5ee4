"""Modellers of one survey beside each other: their errors in every bin of theta_E and of S/N.

The first preset is the reference that the others are compared with. All are shown the same mocks,
once of lenses whose mass follows their light, once of others whose mass does not (of the default
presets only the posterior one was trained on such). The error of a ratio is that of resampled
lenses, the same for both.
"""

import argparse

import numpy as np
from _result import figures_of, write_result

from lensfinder.training.evaluation import MockSample, lenses_of, score_mocks
from lensfinder.training.parameter_bins import bins_along
from lensfinder.training.parameters import parameter_differences, parameter_table
from lensfinder.zoo import fixed_predict, open_preset

PRESETS = (
    "compact-modeller/euclid-vis",
    "six-layer-cnn/euclid-vis",
    "compact-modeller/euclid-vis-posterior",
)
POPULATIONS = ("pearson2019-test", "lenses-apart")
TARGETS = ("theta_E", "e1", "e2")
SHOWN = ("theta_E", "ellipticity", "orientation")
AXES = {"theta_E": "theta_E", "snr": "S/N"}
DRAWS = 100
SEED = 20_310_900  # of no preset's training, validation or test


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", default=list(PRESETS), help="the first: reference")
    parser.add_argument("--populations", nargs="+", default=list(POPULATIONS))
    parser.add_argument("--mocks", type=int, default=10_000, help="of each population")
    parser.add_argument("--folder", default=None, help="where the result goes")
    options = parser.parse_args()
    figures = figures_of(run, options)
    print(f"\n{markdown(figures)}\n")
    write_result("modellers", figures, seed=SEED, folder=options.folder)


def run(options) -> dict:
    """Figures of every preset on every population."""
    presets = [open_preset(name) for name in options.presets]
    contract = presets[0].contract
    for preset in presets:
        if preset.contract != contract or tuple(preset.targets) != TARGETS:
            raise SystemExit(
                f"{preset.name} is shown other images than {presets[0].name}, or answers something "
                "else. Name modellers of one survey."
            )
    predicts = [fixed_predict(preset.load()) for preset in presets]

    def together(images):
        return np.concatenate([predict(images)[:, : len(TARGETS)] for predict in predicts], axis=1)

    found = {}
    for population in options.populations:
        sample = MockSample(contract.survey, population, options.mocks, SEED)
        scored = score_mocks(together, sample, contract=contract)
        truth, output = lenses_of(scored)
        answers = dict(zip(options.presets, np.split(output, len(presets), axis=1), strict=True))
        found[population] = {"data": scored.data, **compared(truth, answers)}
    return {"populations": found, "reference": options.presets[0]}


def compared(truth, answers) -> dict:
    """Errors of every preset, whole and in bins, with the ratio to the first one's."""
    true = {name: np.asarray(truth[name], float) for name in TARGETS}
    table, reference = {}, None
    for preset, output in answers.items():
        predicted = {name: output[:, k].astype(float) for k, name in enumerate(TARGETS)}
        # the same resampling for all, so that their errors can be compared
        both = {"rng": np.random.default_rng(SEED)}
        whole = slim(parameter_table(true, predicted, **both, draws=100))
        by = {
            axis: [{**line, "parameters": slim(line["parameters"])} for line in lines]
            for axis, lines in bins_along(truth, true, predicted, **both).items()
        }
        table[preset] = {"parameters": whole, "bins": by}
        off = parameter_differences(true, predicted)
        reference = reference or off
        table[preset]["over_reference"] = {
            "all": over(off, reference),
            **{
                axis: [
                    over(
                        off, reference, (truth[axis] >= line["low"]) & (truth[axis] <= line["high"])
                    )
                    for line in lines
                ]
                for axis, lines in by.items()
            },
        }
    return {"presets": table}


def slim(parameters) -> dict:
    """RMS of each parameter, and its error."""
    return {
        name: {key: round(float(values[key]), 5) for key in ("rms", "rms_std")}
        for name, values in parameters.items()
    }


def over(new, old, rows=slice(None)) -> dict:
    """RMS as a multiple of the reference's, and its error: the same lenses resampled of both."""
    found, rng = {}, np.random.default_rng(SEED)
    for name in SHOWN:
        pair = np.stack([new[name][rows] ** 2, old[name][rows] ** 2])
        draws = rng.integers(0, pair.shape[1], (DRAWS, pair.shape[1]))
        squares = np.stack([row[draws].mean(axis=1) for row in pair])
        ratio = float(np.sqrt(pair[0].mean() / pair[1].mean()))
        std = float(np.sqrt(squares[0] / squares[1]).std())
        found[name] = {"ratio": round(ratio, 4), "std": round(std, 4)}
    return found


def markdown(figures) -> str:
    """A table for each population and axis."""
    lines = []
    for population, found in figures["populations"].items():
        for axis, words in AXES.items():
            medians = [
                line["median"] for line in next(iter(found["presets"].values()))["bins"][axis]
            ]
            shown = " | ".join(f"{words} {value:.3g}" for value in medians)
            lines += ["", f"{population}, RMS:", "", f"| preset | | all | {shown} |"]
            lines.append("|" + "---|" * (len(medians) + 3))
            for preset, values in found["presets"].items():
                for name in SHOWN:
                    cells = [
                        values["parameters"][name],
                        *(line["parameters"][name] for line in values["bins"][axis]),
                    ]
                    shown = " | ".join(f"{cell['rms']:.3f}" for cell in cells)
                    lines.append(f"| {preset} | {name} | {shown} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
