"""What the mean over eight views buys: the same weights with and without it, on the same mocks.

Each compact preset answers mocks of the population it was measured on, other objects than its test
sample, once as it is and once as the mean over quarter turns and mirrors; uncalibrated scores.
"""

import argparse
import time

import numpy as np
from _result import write_result

from lensfinder import zoo
from lensfinder.simulate import Simulator
from lensfinder.training import metrics

SEED = 424_242
PRESETS = ("compact-finder/euclid-vis", "compact-modeller/euclid-vis")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mocks", type=int, default=4096, help="mocks per preset")
    parser.add_argument("--folder", default=None, help="where the result goes")
    options = parser.parse_args()
    figures = {name: compare(name, options.mocks) for name in PRESETS}
    write_result("views", {"mocks": options.mocks, **figures}, seed=SEED, folder=options.folder)


def compare(name, count):
    """Figures and processor time of one preset, one view and eight."""
    preset = zoo.open_preset(name)
    trained = preset.load(calibrated=False)
    data = preset.metrics["data"]
    mocks = Simulator(data["survey"], data["population"], seed=SEED).objects(np.arange(count))
    found = {}
    for words, symmetric in (("one view", False), ("eight views", True)):
        network = zoo.build(
            preset.config.builder,
            preset.contract,
            preset.task,
            targets=preset.targets,
            **{**preset.config.arguments, "symmetric": symmetric},
        )
        network.set_weights(trained.get_weights())
        predict = zoo.fixed_predict(network)
        predict({group: stack[:1] for group, stack in mocks.images.items()})  # compile
        start = time.process_time()
        answers = predict(mocks.images)
        seconds = time.process_time() - start
        found[words] = {**_figures(preset, mocks, answers), "objects_per_cpu_s": count / seconds}
        print(name, words, found[words], flush=True)
    return found


def _figures(preset, mocks, answers):
    if preset.task == "finder":
        label, score = np.asarray(mocks.truth["label"]), answers[:, 0]
        rates = {f"tpr_at_fpr_{r:g}": metrics.tpr_at_fpr(label, score, r) for r in (1e-2, 1e-3)}
        return {"roc_auc": metrics.roc_auc(label, score), **rates}
    return {
        f"{name}_rms": float(np.sqrt(np.mean((answers[:, k] - mocks.truth[name]) ** 2)))
        for k, name in enumerate(preset.targets)
    }


if __name__ == "__main__":
    main()
