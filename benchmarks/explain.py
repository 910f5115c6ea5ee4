"""What an explanation costs, and whether it points at the arc.

(a) Time per object with 1,000 perturbations on a 200x200 + 66x66 object, the regions and the
perturbations included, against the image explainer of the lime package on the same object in the
same run. That one knows a single image of three channels: it is given the 200x200 group, as three
channels, its own segmentation switched for ours, and a function that puts the 66x66 group beside
it, with the same sky off; both networks are asked the same number of times. The networks are
untrained: their weights do not change their speed.

(b) On mocks of lenses, whose arcs are known (plane S3 above 1 sigma of the sky): the share of
lenses whose most important region for a lens touches the arc, and the share of that region's area
that is arc; against regions of the same segmentation drawn by chance, each with the same
probability or by its area; and against the most important region of the same mocks with the arc's
light moved to another object (negative control).
"""

import argparse
import time

import keras
import numpy as np
from _result import write_result

from lensfinder import zoo
from lensfinder.data.scatter import border_scatter
from lensfinder.explain import METHODS, Explainer
from lensfinder.explain.local_linear import lime_weights
from lensfinder.explain.switches import Switches
from lensfinder.find import FINDER
from lensfinder.simulate import Simulator
from lensfinder.specs import InputContract, load_survey

SURVEY, POPULATION, SEED = "euclid-vis", "finder-test", 20_263  # the finder was not trained on it
TWO_GROUPS = "euclid-vis-nisp"
NETWORKS = {"compact_finder": {}, "two_branch_efficientnet B0": {"variant": "B0"}}
THRESHOLD = 0.5
LIME_BATCH = 10  # lime's default


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lenses", type=int, default=100, help="mock lenses of part b")
    parser.add_argument("--samples", type=int, default=500, help="perturbations of part b, a seed")
    parser.add_argument("--seeds", type=int, default=2, help="seeds of part b")
    parser.add_argument("--timed", type=int, default=1_000, help="perturbations of part a")
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--preset", default=FINDER, help="finder of part b")
    parser.add_argument("--folder", default=None, help="where the result goes")
    options = parser.parse_args()
    started = time.perf_counter()
    figures = {
        "arcs": measure_arcs(options.preset, options.lenses, options.samples, options.seeds),
        "time": {name: measure_time(name, options.timed) for name in options.networks},
    }
    figures["wall_s"] = round(time.perf_counter() - started, 1)
    write_result("explain", figures, seed=SEED, folder=options.folder)


# --- (a) time -------------------------------------------------------------------------------------
class Clock:
    """Seconds on the wall, and of processor time: the second is fair on a busy machine, too."""

    def __init__(self):
        self._start = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Seconds since the start."""
        return time.perf_counter() - self._start[0], time.process_time() - self._start[1]


def measure_time(name, samples) -> dict:
    """Seconds for one object, ours and lime's, after one warm-up of the network."""
    keras.utils.set_random_seed(1)
    contract = InputContract.from_survey(load_survey(TWO_GROUPS))
    network = zoo.build(name.split()[0], contract, "finder", **NETWORKS[name])
    mocks = Simulator(TWO_GROUPS, "bom2022", seed=SEED).objects(np.arange(8))
    zoo.adapt(network, [mocks.images])
    images = {group: stack[0] for group, stack in mocks.images.items()}
    explainer = Explainer(network, contract, samples=samples)
    explainer.predict({group: stack[:1] for group, stack in mocks.images.items()})  # compile
    clock = Clock()
    switches = explainer.switches(images)
    ours, _ = lime_weights(switches, samples=samples)
    ours_s, ours_cpu_s = clock.read()
    filling = switches.filling(0)
    batch = {group: np.repeat(stack[None], 64, axis=0) for group, stack in images.items()}
    clock = Clock()
    for _ in range(2):
        explainer.predict(batch)
    network_s, network_cpu_s = (seconds * samples / 128 for seconds in clock.read())
    small = zoo.fixed_predict(network, batch_size=LIME_BATCH)  # or each call would be padded
    small({group: stack[:1] for group, stack in mocks.images.items()})
    (theirs_s, theirs_cpu_s), theirs = time_lime(switches, small, filling, samples)
    agree = float(_ranks(ours, theirs))
    line = {
        "perturbations": samples,
        "regions": switches.regions.count,
        "seconds_per_object": round(ours_s, 2),
        "seconds_of_the_network_alone": round(network_s, 2),
        "seconds_per_object_of_LimeImageExplainer": round(theirs_s, 2),
        "cpu_seconds_per_object": round(ours_cpu_s, 2),
        "cpu_seconds_of_the_network_alone": round(network_cpu_s, 2),
        "cpu_seconds_per_object_of_LimeImageExplainer": round(theirs_cpu_s, 2),
        "times_faster": round(theirs_s / ours_s, 2),
        "times_less_cpu": round(theirs_cpu_s / ours_cpu_s, 2),
        # none where an untrained network answers the same whatever is switched off
        "rank_correlation_of_the_weights": round(agree, 3) if np.isfinite(agree) else None,
    }
    print(name, line, flush=True)
    return line


def time_lime(switches: Switches, predict, filling, samples):
    """Seconds and weights of lime's own loop over one object, with its default batch of 10."""
    from lime.lime_image import LimeImageExplainer

    fine, coarse = switches.regions.sky.contract.groups
    labels = switches.regions.labels - 1
    image = np.repeat(switches.images[fine.name], 3, axis=-1)
    hidden = np.repeat(filling[fine.name], 3, axis=-1)
    whole = np.abs(image - hidden).min(axis=-1) > 0  # where a pixel tells whether it is on

    def classify(stack):
        # lime hands over pixels only: which regions are off has to be read from them
        on = np.stack(
            [np.bincount(labels.ravel(), (one[..., 0] != 0).ravel()) > 0 for one in stack]
        )
        states = on.astype(np.float32)
        part = (states @ switches.regions.coverage[coarse.name].T).reshape(
            -1, coarse.stamp, coarse.stamp, 1
        )
        off = (stack[..., :1] == 0) & whole[..., None]
        fine_images = np.where(off, filling[fine.name], stack[..., :1])
        mixed = filling[coarse.name] + part * (switches.images[coarse.name] - filling[coarse.name])
        p = predict({fine.name: fine_images, coarse.name: mixed})
        return np.concatenate([1 - p, p], axis=1)

    clock = Clock()
    explanation = LimeImageExplainer(random_state=0).explain_instance(
        image,
        classify,
        labels=(1,),
        top_labels=None,
        hide_color=0,
        num_samples=samples,
        batch_size=LIME_BATCH,
        segmentation_fn=lambda _: labels,
    )
    seconds = clock.read()
    weights = np.zeros(switches.regions.count)
    for region, weight in explanation.local_exp[1]:
        weights[region] = weight
    return seconds, weights


def _ranks(first, second):
    from scipy.stats import spearmanr

    return spearmanr(first, second).statistic


# --- (b) arcs -------------------------------------------------------------------------------------
def measure_arcs(preset, count, samples, seeds) -> dict:
    """How often the most important region is on the arc, by method."""
    found = zoo.open_preset(preset)
    explainer = Explainer(found.load(), found.contract, samples=samples)
    (group,) = found.contract.groups  # the mocks are of one group
    stamps, arcs, scores = lenses(explainer, group, count)
    shares = {}
    for method in METHODS:
        start = time.perf_counter()
        rows = []
        for i, stamp in enumerate(stamps):
            explanation = explainer({group.name: stamp}, method=method, seeds=seeds, seed=10 * i)
            rows.append(on_the_arc(explanation, arcs[i], arcs[(i + 1) % len(arcs)]))
        shares[method] = summary(rows) | {
            "seconds_per_object": round((time.perf_counter() - start) / len(stamps), 2)
        }
        print(method, shares[method], flush=True)
    sure = scores >= THRESHOLD
    return {
        "preset": str(found.name),
        "population": POPULATION,
        "lenses": len(stamps),
        "lenses_with_p_above_threshold": int(sure.sum()),
        "perturbations_per_seed": samples,
        "seeds": seeds,
        "arc_share_of_the_sky_mean": round(float(arcs.mean()), 4),
        **shares,
    }


def lenses(explainer, group, count):
    """Images of mock lenses that the finder calls lenses, their arcs and their scores."""
    simulator = Simulator(SURVEY, POPULATION, seed=SEED, planes=("S1", "S3"))
    stamps, arcs, scores = [], [], []
    for mocks in simulator.stream(batch=simulator.block):
        score = explainer.predict(mocks.images)[:, 0]
        for i in np.flatnonzero((np.asarray(mocks.truth["label"]) == 1) & (score >= THRESHOLD)):
            image = mocks.images[group.name][i]
            _, sigma = border_scatter(image)
            arc = mocks.planes["S3"][group.name][i, ..., 0] > sigma[0]
            if arc.any():  # else nothing could be touched
                stamps.append(image)
                arcs.append(arc)
                scores.append(score[i])
        if len(stamps) >= count:
            break
    return stamps[:count], np.array(arcs[:count]), np.array(scores[:count])


def on_the_arc(explanation, arc, other) -> dict:
    """What the most important region for a lens has of the arc; chance, and another's arc, too."""
    labels = explanation.regions.labels
    areas = np.bincount(labels.ravel())[1:]
    covered = explanation.regions.sums(arc) / areas  # share of each region that is arc
    top = explanation.top("lens")
    row = {
        "chance_any_region": float(np.mean(covered > 0)),
        "chance_by_area": float(np.average(covered > 0, weights=areas)),
        "chance_share_of_the_region": float(arc.mean()),
        "stability": explanation.stability("lens"),
        "fit_r2": explanation.fit_r2,
        "has_top_region": bool(top),
        "touches": bool(top) and bool(covered[top[0]] > 0),
        "share_of_the_region": covered[top[0]] if top else np.nan,
        "most_is_arc": bool(top) and bool(covered[top[0]] > 0.5),
        "chance_most_is_arc": float(np.mean(covered > 0.5)),
    }
    elsewhere = explanation.regions.sums(other) / areas
    row["touches_the_arc_of_another"] = bool(top) and bool(elsewhere[top[0]] > 0)
    return row


def summary(rows) -> dict:
    """Means over the lenses, and the standard error of the share that touches."""
    result = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows], float)
        if np.isfinite(values).any():
            result[name] = round(float(np.nanmean(values)), 4)
    share = result["touches"]
    result["touches_std"] = round(float(np.sqrt(share * (1 - share) / len(rows))), 4)
    return result


if __name__ == "__main__":
    main()
