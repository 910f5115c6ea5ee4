"""The networks of cleaned images that come with the package, as `find --clean` shows them images.

Their cards measure them on true sources. Here the same fresh mocks are shown three ways: the true
source, what the cleaner leaves of the noisy image, and, as a control, the noisy image itself. What
`find` refuses (invented light, nothing left) counts as no lens found: a finder's completeness is of
all lenses. Beside them are stamps of sky alone, and galaxies with no source behind them.
"""

import argparse

import numpy as np
from _result import figures_of, preset_label, write_result

from lensfinder.data import CutoutBatch
from lensfinder.errors import STATUS
from lensfinder.predict import Cleaner
from lensfinder.predict.chain import Chain
from lensfinder.predict.cleaner import CLEANER
from lensfinder.predict.network import Network
from lensfinder.simulate import Simulator
from lensfinder.training.bootstrap import bootstrap
from lensfinder.training.metrics import roc_auc

FINDER, POPULATION, SEED = "vib-detect/lsst-gri-10yr", "madireddy", 20_220_396
PLANES = ("S1", "S3")
RATE = 0.01
WORST = -1.0  # below any probability: what has no score is no candidate


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--finder", default=FINDER, help="of cleaned images; preset or folder")
    parser.add_argument("--cleaner", default=CLEANER, help="preset or folder")
    parser.add_argument("--mocks", type=int, default=4000)
    parser.add_argument("--empty", type=int, default=200, help="stamps of sky alone")
    parser.add_argument("--folder", default=None, help="where the result goes")
    options = parser.parse_args()
    figures = figures_of(run, options)
    print(f"\n{markdown(figures)}\n")
    write_result("behind_cleaner", figures, seed=SEED, folder=options.folder)


def run(options) -> dict:
    """Figures of the finder on each kind of image."""
    network = Network(options.finder, "finder")
    chain = Chain(network, cleaner=Cleaner(options.cleaner))
    survey, (group,) = network.contract.survey, network.contract.groups
    simulator = Simulator(survey, POPULATION, seed=SEED, planes=PLANES)
    found = {name: ([], []) for name in ("true sources", "cleaned", "noisy", "no source", "sky")}
    labels = []

    def see(name, images, *, cleaned):
        values, status = answered(network, chain, {group.name: images}, cleaned=cleaned)
        found[name][0].append(values)
        found[name][1].append(status)

    for mocks in simulator.stream(count=options.mocks, batch=64):
        given, source = (np.asarray(mocks.planes[name][group.name]) for name in PLANES)
        lens = np.asarray(mocks.truth["label"]) > 0
        labels.append(lens)
        see("true sources", source, cleaned=False)
        see("cleaned", given, cleaned=True)
        see("noisy", given, cleaned=False)
        see("no source", (given - source)[~lens], cleaned=True)
    noise = np.array([band.background_sigma for band in simulator.survey.group(group.name).bands])
    rng = np.random.default_rng(SEED)
    for start in range(0, options.empty, 64):
        shape = (min(64, options.empty - start), *group.shape)
        sky = (noise * rng.normal(size=shape)).astype(np.float32)
        see("sky", sky, cleaned=True)
    labels = np.concatenate(labels)
    rows = {name: [np.concatenate(part) for part in parts] for name, parts in found.items()}
    return {
        "finder": preset_label(options.finder),
        "cleaner": preset_label(options.cleaner),
        "data": {"survey": survey, "population": POPULATION, "n": options.mocks, "seed": SEED},
        **{name: of_classes(labels, *rows[name]) for name in ("true sources", "cleaned", "noisy")},
        **{name: of_others(*rows[name]) for name in ("no source", "sky")},
    }


def answered(network, chain, images, *, cleaned):
    """Probabilities, NaN for what is refused, and statuses."""
    count = len(next(iter(images.values())))
    empty = [""] * count
    batch = CutoutBatch(empty, images, np.zeros(count, np.int64), list(empty))
    answers = (chain if cleaned else network).answers(batch)
    return answers.values[:, 0].astype(float), np.asarray(answers.status)


def of_classes(label, p_lens, status) -> dict:
    """Accuracy (mean over classes), AUC, completeness at 1 % false positives; and refusals."""
    score = np.where(np.isfinite(p_lens), p_lens, WORST)
    said = score >= 0.5
    others = np.sort(score[~label])[::-1]
    cut = others[int(RATE * len(others))]
    rng = np.random.default_rng(SEED)
    error = bootstrap(roc_auc, label.astype(int), score, rng=rng, strata=label)
    return {
        "objects": len(label),
        "lenses": int(label.sum()),
        "accuracy": float(np.mean([np.mean(said[label]), np.mean(~said[~label])])),
        "roc_auc": float(roc_auc(label.astype(int), score)),
        "roc_auc_std": float(error["std"]),
        f"completeness_at_{RATE}": float(np.mean(score[label] > cut)),
        "lenses_refused": refusals(status[label]),
        "others_refused": refusals(status[~label]),
    }


def of_others(p_lens, status) -> dict:
    """How often what has no source is called a lens."""
    return {
        "objects": len(p_lens),
        "called_lenses": int(np.sum(p_lens >= 0.5)),  # NaN is not
        "refused": refusals(status),
    }


def refusals(status) -> dict[str, int]:
    """Objects per status that is not ok."""
    words = [STATUS.decode(bits) for bits in status[status != 0]]
    return {name: words.count(name) for name in sorted(set(words))}


def markdown(figures) -> str:
    """The figures as tables."""
    lines = ["| shown | accuracy | AUC | completeness at FPR 1 % | refused |", "|---" * 5 + "|"]
    for name in ("true sources", "cleaned", "noisy"):
        v = figures[name]
        refused = sum(v["lenses_refused"].values()) + sum(v["others_refused"].values())
        lines.append(
            f"| {name} | {v['accuracy']:.3f} | {v['roc_auc']:.4f} ± {v['roc_auc_std']:.4f} "
            f"| {v[f'completeness_at_{RATE}']:.3f} | {refused} |"
        )
    lines += ["", "| without a source | objects | called lenses | refused |", "|---" * 4 + "|"]
    for name in ("no source", "sky"):
        v = figures[name]
        refused = sum(v["refused"].values())
        lines.append(f"| {name} | {v['objects']} | {v['called_lenses']} | {refused} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
