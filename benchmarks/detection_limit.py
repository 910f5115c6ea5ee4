"""How many pixels an arc must show to be found: figure 11 of Bom et al. 2022.

A finder ranks mocks of the challenge's population, in its own survey: N_pix counts pixels above the
noise of that, which is 5.5 times the challenge's for the default finder's. For each range of N_pix
(pixels of the lensed source above the noise) lenses in it stand against as many objects with fewer
pixels, as in the paper, and against non-lenses. The paper's curve is near 0.5 below 30 pixels and
flat above 70.
"""

import argparse
import time

from _result import write_result

from lensfinder.errors import LensfinderError
from lensfinder.evaluate import evaluate
from lensfinder.find import FINDER
from lensfinder.zoo import open_preset

SEED = 20_220_311
FAINT, PLATEAU = 30, 70  # pixels: where the paper's curve begins to rise, and where it is flat


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--finder", default=FINDER, help="preset, or folder of one")
    parser.add_argument("--population", default="bom2022")
    parser.add_argument("--mocks", type=int, default=20_000)
    parser.add_argument("--folder", default=None, help="where the result goes")
    parser.add_argument("--out", default=None, help="folder for tables and figures (default: none)")
    options = parser.parse_args()
    started = time.perf_counter()
    try:
        found = evaluate(
            options.finder,
            n=options.mocks,
            seed=SEED,
            population=options.population,
            out=options.out,
        )["finder"]
    except LensfinderError as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error
    curves = found["detection_limit"]
    figures = {
        "finder": options.finder,
        "survey": open_preset(options.finder).contract.survey,
        "population": options.population,
        "mocks": found["objects"],
        "lenses": found["lenses"],
        "roc_auc": found["roc_auc"],
        "curves": curves,
        "paper": {"near_random_below": FAINT, "plateau_above": PLATEAU},
        "mean_roc_auc": {name: summary(lines) for name, lines in curves.items()},
        "wall_s": round(time.perf_counter() - started, 1),
    }
    print(f"\n{markdown(curves)}\n\n{figures['mean_roc_auc']}\n")
    write_result("detection_limit", figures, seed=SEED, folder=options.folder)


def summary(lines) -> dict:
    """ROC AUC below, on and above the rise of the paper's curve, each lens counted once."""
    parts = {
        f"below {FAINT}": [line for line in lines if line["high"] <= FAINT],
        f"{FAINT} to {PLATEAU}": [line for line in lines if FAINT <= line["low"] < PLATEAU],
        f"above {PLATEAU}": [line for line in lines if line["low"] >= PLATEAU],
    }
    found = {}
    for name, some in parts.items():
        some = [line for line in some if line["roc_auc"] == line["roc_auc"]]  # not NaN
        weight = sum(line["lenses"] for line in some)
        total = sum(line["lenses"] * line["roc_auc"] for line in some)
        found[name] = round(total / weight, 4) if weight else None
    return found


def markdown(curves) -> str:
    """The curves for a reader."""
    lines = [
        "| N_pix | lenses | ROC AUC against fewer pixels | against non-lenses |",
        "|---" * 4 + "|",
    ]
    for below, apart in zip(curves["below"], curves["non_lenses"], strict=True):
        lines.append(
            f"| {below['low']}-{below['high']} | {below['lenses']} "
            f"| {below['roc_auc']:.3f} +- {below['roc_auc_std']:.3f} "
            f"| {apart['roc_auc']:.3f} +- {apart['roc_auc_std']:.3f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
