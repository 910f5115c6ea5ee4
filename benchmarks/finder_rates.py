"""How many lenses finders find at few false positives, on more mocks than a preset's test has.

At the scale of a survey one false positive in ten thousand is what counts, and a sample must hold
many times as many non-lenses to measure that. All finders of a survey are shown the same mocks with
look-alikes, drawn for this alone (another seed than any training, validation or test).
"""

import argparse
import time

import numpy as np
from _result import preset_label, write_result

from lensfinder.errors import LensfinderError
from lensfinder.simulate import Simulator
from lensfinder.training.scores import FPRS, finder_figures
from lensfinder.zoo import fixed_predict, open_preset

SEED = 20_261_122
FINDERS = ("compact-finder/euclid-vis", "compact-finder/euclid-vis-symmetric")
POPULATION = "finder-test"
KEPT = ("objects", "lenses", "roc_auc", "tpr0", "tpr10", *(f"tpr_at_fpr_{r:g}" for r in FPRS))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--finders", nargs="+", default=list(FINDERS), help="of one survey")
    parser.add_argument("--population", default=POPULATION)
    parser.add_argument("--mocks", type=int, default=80_000)
    parser.add_argument("--name", default="finder_rates", help="of the result")
    parser.add_argument("--folder", default=None, help="where the result goes")
    options = parser.parse_args()
    started = time.perf_counter()
    try:
        figures = measure(options.finders, options.population, options.mocks)
    except LensfinderError as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error
    figures["wall_s"] = round(time.perf_counter() - started, 1)
    print(f"\n{markdown(figures)}\n")
    write_result(options.name, figures, seed=SEED, folder=options.folder)


def measure(finders, population, count) -> dict:
    """Figures of each finder on the same mocks.

    Parameters
    ----------
    finders : sequence of str
        Presets, or folders of them; all of one survey.
    population : str
        That the mocks are drawn from.
    count : int
        How many.

    Returns
    -------
    dict
        ``finders``: of each the figures of `KEPT` with their bootstrap errors, and the false
        positives by kind of non-lens; a rate that so few non-lenses cannot measure is None.
    """
    presets = [open_preset(name) for name in finders]
    surveys = {preset.contract.survey for preset in presets}
    if len(surveys) > 1:
        raise SystemExit(f"Name finders of one survey. Received: {', '.join(sorted(surveys))}.")
    networks = [fixed_predict(preset.load()) for preset in presets]
    scores, labels, kinds = [[] for _ in presets], [], []
    for mocks in Simulator(surveys.pop(), population, seed=SEED).stream(count=count):
        for network, some in zip(networks, scores, strict=True):
            some.append(network(mocks.images)[:, 0])
        labels.append(np.asarray(mocks.truth["label"]))
        kinds.append(np.asarray(mocks.truth["class"], dtype=str))
    label, kind = np.concatenate(labels), np.concatenate(kinds)
    found = {}
    for name, some in zip(finders, scores, strict=True):
        rng = np.random.default_rng(SEED)
        figures = finder_figures(label, np.concatenate(some), rng=rng, kinds=kind)
        found[preset_label(name)] = {
            **{key: figures[key] for key in KEPT},
            "std": {key: figures["std"][key] for key in KEPT[2:] if key in figures["std"]},
            "non_lenses": figures["non_lenses"],
        }
    return {"population": population, "mocks": int(label.size), "finders": found}


def markdown(figures) -> str:
    """The rates as a table for a README."""
    rates = [f"tpr_at_fpr_{rate:g}" for rate in FPRS]
    heads = [f"TPR at FPR {rate:g}" for rate in FPRS]
    lines = [f"| finder | AUC | {' | '.join(heads)} |", "|---" * (2 + len(FPRS)) + "|"]
    for name, found in figures["finders"].items():
        cells = [
            "-" if found[key] is None else f"{found[key]:.3f} +- {found['std'][key]:.3f}"
            for key in rates
        ]
        lines.append(f"| {name} | {found['roc_auc']:.4f} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
