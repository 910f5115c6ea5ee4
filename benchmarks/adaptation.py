"""How many labelled images another survey takes: figure 12 of Bom et al. 2022, on our own mocks.

A pretrained finder is trained on with N images of KiDS (r band) and, for comparison, the same
network is trained on them from scratch, with a rate and a patience that suit random weights. As in
the paper (section 6), as many images again serve to choose the epoch, and both are measured on a
test set that is the same for all; five repeats with other images each. The figures are ROC AUC,
precision-recall AUC and F_beta (beta^2 = 0.001). Beside them is what the base reaches as it is, and
once its preprocessing and batch norms have seen the images, without labels.

The paper's curve is for its two-branch network and the mocks of the first lens-finding challenge:
pretrained above 0.5 at 40 images, as good as the base at 200, and better than scratch at every N.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from _result import RESULTS, write_result

BASE = "compact-finder/euclid-vis"
VIEW = {"bands": {"VIS": "r"}}
SURVEY, POPULATION = "kids-ugri", "bom2022-ground"
SEED = 20260801
# images trained on, repeats, test objects, most epochs (None: the default of Tuning)
SCALES = {
    "ci": ((8, 16), 2, 64, 2),
    "cpu": ((20, 40, 100, 200, 400, 1000), 5, 2000, None),
    "paper": ((20, 40, 100, 200, 400, 1000), 10, 20_000, None),
}
FIGURES = ("roc_auc", "precision_recall_auc", "f_beta")
STARTS = ("pretrained", "scratch")
WORDS = {"pretrained": "adapted", "scratch": "from random weights"}
# random weights need larger steps and more of them than the default of Tuning, which is for few
# images and a base
FROM_SCRATCH = {"learning_rate": 1e-3, "batch_norm": "trained", "epochs": 60, "patience": 20}


def mocks(count, *, start, contract):
    """Labelled mocks in the bands of a contract: objects `start`, `start` + 1, ... of one seed."""
    from lensfinder.data import Labelled
    from lensfinder.simulate import Simulator
    from lensfinder.specs import load_survey
    from lensfinder.training.sources import mock_batch

    channels = contract.channels(load_survey(SURVEY))
    simulator = Simulator(SURVEY, POPULATION, seed=SEED)
    parts = [
        mock_batch(part, ("label",), channels)
        for part in simulator.stream(start=start, count=count, batch=256)
    ]
    images = {name: np.concatenate([p.images[name] for p in parts]) for name in parts[0].images}
    ids = tuple(name for p in parts for name in p.ids)
    return Labelled(contract, ids, images, np.concatenate([p.y for p in parts]))


def chosen(pool, count, rng):
    """Two disjoint samples with as many lenses as non-lenses: to train on, and to stop by."""
    label, rows = pool.y[:, 0], []
    for kind in (0, 1):
        rows.append(rng.permutation(np.flatnonzero(label == kind))[:count])
    half = [np.concatenate([kind[part::2] for kind in rows]) for part in (0, 1)]
    return [pool.take(rng.permutation(part)) for part in half]


class Bench:
    """One network, compiled once, and begun from the base or from random weights again and again.

    Parameters
    ----------
    base : Preset
        What is adapted.
    contract : InputContract
        Of the adapted network.
    start : {"pretrained", "scratch"}
        Where it begins; `FROM_SCRATCH` is how the latter is trained.
    epochs : int or None
        Most epochs; None for the default of either.
    """

    def __init__(self, base, contract, start, epochs):
        from lensfinder.training import Tuning
        from lensfinder.training.adaptation import for_contract
        from lensfinder.training.finetuning import FineTuner

        self.base, self.contract, self.start = base, contract, start
        self.network = for_contract(base, contract)
        self.pretrained = self.weights()
        tuning = FROM_SCRATCH if start == "scratch" else {}
        given = {} if epochs is None else {"epochs": epochs}
        self.tuner = FineTuner(self.network, "finder", Tuning(**{**tuning, **given}))

    def weights(self):
        """Values of all weights."""
        from lensfinder.zoo.weights import array_of

        return [array_of(variable) for variable in self.network.weights]

    def random(self, seed):
        """Fresh weights of the same network."""
        import keras

        from lensfinder import zoo
        from lensfinder.zoo.weights import array_of

        keras.utils.set_random_seed(seed)
        terms = self.base.config
        fresh = zoo.build(terms.builder, self.contract, "finder", **terms.arguments)
        return [array_of(variable) for variable in fresh.weights]

    def as_it_is(self, test):
        """Answers of the base on the test objects, nothing measured anew."""
        self.tuner.start_from(self.pretrained)
        return self.tuner.predict(test.images)[:, 0]

    def scores(self, train, validation, test, *, key):
        """Answers on the test objects, before and after training, and the number of epochs."""
        from lensfinder import zoo
        from lensfinder.training.finetuning import recalibrate

        tuner, tuning = self.tuner, self.tuner.tuning
        pretrained = self.start == "pretrained"
        tuner.start_from(self.pretrained if pretrained else self.random(SEED + key))
        zoo.adapt(self.network, [train.images])
        if tuning.batch_norm == "recalibrated":
            recalibrate(self.network, train.images, batch_size=min(64, len(train)), seed=key)
        tuner.start_from(self.weights())
        before = tuner.predict(test.images)[:, 0]
        fit = tuner.fit(
            train.images,
            train.y,
            epochs=tuning.epochs_for(len(train)),
            validation=(validation.images, validation.y),
            key=key,
        )
        return before, tuner.predict(test.images)[:, 0], fit.best


def figures_of(label, score):
    """The three figures of figure 12."""
    from lensfinder.training import metrics

    return {
        "roc_auc": metrics.roc_auc(label, score),
        "precision_recall_auc": metrics.precision_recall_auc(label, score),
        "f_beta": metrics.best_f_beta(label, score)[0],
    }


def summary(rows):
    """Mean and standard deviation (n - 1) over repeats of every figure."""
    return {
        f"{name}_{what}": round(float(function([row[name] for row in rows])), 4)
        for name in FIGURES
        for what, function in (("mean", np.mean), ("std", lambda values: np.std(values, ddof=1)))
    }


def run(scale, folder=None):
    """Measure all numbers of images and write ``results/adaptation.json``."""
    from lensfinder import zoo
    from lensfinder.specs import InputContract, View, load_survey

    sizes, repeats, test_size, epochs = SCALES[scale]
    base = zoo.open_preset(BASE)
    held = InputContract.from_survey(load_survey(SURVEY))
    contract = View(**VIEW).contract(base.contract, held)
    raw = held.select({group.name: group.bands for group in contract.groups})
    begin = time.perf_counter()
    test = mocks(test_size, start=0, contract=raw)
    # as many again as are needed, because lenses and non-lenses are drawn in equal numbers
    pool = mocks(int(2.5 * max(sizes)) + 40, start=1_000_000, contract=raw)
    benches = {start: Bench(base, contract, start, epochs) for start in STARTS}
    label = test.y[:, 0]
    curves = {start: {} for start in STARTS}
    untrained = []
    for count in sizes:
        for start in STARTS:
            rows, kept = [], []
            for repeat in range(repeats):
                rng = np.random.default_rng((SEED, count, repeat))
                train, validation = chosen(pool, count, rng)
                before, after, best = benches[start].scores(train, validation, test, key=repeat)
                rows.append(figures_of(label, after))
                kept.append(best)
                if start == "pretrained":
                    untrained.append({"images": count, **figures_of(label, before)})
            curves[start][str(count)] = {**summary(rows), "epochs_median": float(np.median(kept))}
            print(count, start, curves[start][str(count)], flush=True)
    figures = {
        "scale": scale,
        "base": BASE,
        "survey": SURVEY,
        "population": POPULATION,
        "test_objects": len(test),
        "repeats": repeats,
        "branches": [branch.model_dump(mode="json") for branch in contract.branches],
        "tuning": {start: b.tuner.tuning.model_dump(mode="json") for start, b in benches.items()},
        "curves": curves,
        "base_as_it_is": figures_of(label, benches["pretrained"].as_it_is(test)),
        "pretrained_without_training": {
            str(count): summary([row for row in untrained if row["images"] == count])
            for count in sizes
        },
        "pretrained_ahead_at": [
            count
            for count in sizes
            if curves["pretrained"][str(count)]["roc_auc_mean"]
            > curves["scratch"][str(count)]["roc_auc_mean"]
        ],
        "seconds": round(time.perf_counter() - begin, 1),
    }
    place = write_result("adaptation", figures, seed=SEED, folder=folder)
    draw(place)
    return place


def draw(result) -> Path:
    """Figure 12 from a result: the three figures over the number of images; a PNG beside it."""
    from lensfinder.report import plots
    from lensfinder.report.studies import study_plot

    figures = json.loads(Path(result).read_text())["figures"]
    lines = {
        WORDS[start]: [
            {
                "x": count,
                "parameters": {
                    name: {"rms": point[f"{name}_mean"], "rms_std": point[f"{name}_std"]}
                    for name in FIGURES
                },
            }
            for count, point in sorted(figures["curves"][start].items(), key=_images)
        ]
        for start in STARTS
    }
    constant = {name: {"rms": figures["base_as_it_is"][name], "rms_std": 0} for name in FIGURES}
    lines["base as it is"] = [
        {"x": point["x"], "parameters": constant} for point in lines[WORDS[STARTS[0]]]
    ]
    row = {
        "x_label": "images to train on (as many again choose the epoch)",
        "lines": lines,
        "y_labels": dict(zip(FIGURES, ("ROC AUC", "precision-recall AUC", "F_beta"), strict=True)),
        "bottom": 0.4,
    }
    title = (
        f"{figures['base']} adapted to {figures['survey']}, r band: {figures['repeats']} repeats"
    )
    plot = study_plot([row], parameters=FIGURES, title=title)
    return plots.save(plot, Path(result).with_suffix(".png"))


def _images(item) -> int:
    """JSON keeps numbers of images as words, in the order of words."""
    return int(item[0])


def main():
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=sorted(SCALES), default="ci")
    parser.add_argument("--folder", help="where results go (default: benchmarks/results)")
    parser.add_argument("--draw", action="store_true", help="only draw the result that is there")
    given = parser.parse_args()
    if given.draw:
        draw(Path(given.folder or RESULTS) / "adaptation.json")
        return
    run(given.scale, given.folder)


if __name__ == "__main__":
    main()
