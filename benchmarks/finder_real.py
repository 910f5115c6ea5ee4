"""A finder on every real lens and galaxy it can take: ranks, AUC, and the gap to mocks as a number.

All objects of `_real_objects` are scored and ranked on one page. The thresholds for a rate of false
positives of 1e-2 and 1e-3 are measured on mocks of the population that the preset was tested on
(other objects than its test sample); the rate of real false positives above them, over the rate on
mocks, is the gap. Nothing is tuned on these images. No galaxy is known to be a lens, though
nobody has checked those of the tile. The finder must take one image of one band.
"""

from pathlib import Path

import numpy as np
from _gallery import write_gallery
from _on_real_images import measure, parser
from _real_objects import hubble_objects, one_band, read_objects
from _real_sets import EXCLUDED
from _result import preset_label

from lensfinder.find import FINDER, find, ranks
from lensfinder.report import Page
from lensfinder.simulate import Simulator
from lensfinder.simulate.sources import is_odd
from lensfinder.specs import load_survey
from lensfinder.training.bootstrap import bootstrap
from lensfinder.training.metrics import roc_auc, upper_limit
from lensfinder.zoo import fixed_predict, open_preset

SEED = 20_281
RATES = (1e-2, 1e-3)
GAP_SETS = ("KiDS tile r", "HSC blends i")
ALL = "all that are no lenses"
WAYS = {"as they are": False, "as the survey": True}
WORST = 40


def main():
    found = parser(__doc__)
    found.add_argument("--finder", default=FINDER, help="preset, or folder of one")
    found.add_argument("--mocks", type=int, default=10_000, help="for the thresholds; 0: none")
    found.add_argument("--hubble", type=int, default=100, help="galaxies of the Deep Field picture")
    found.add_argument("--pages", default=None, help="folder for the HTML pages (default: none)")
    measure("finder_real", found.parse_args(), run, markdown, seed=SEED)


def run(folder, options) -> dict:
    """Scores of all objects in both ways, and of mocks."""
    preset = open_preset(options.finder)
    survey = load_survey(one_band(preset))
    predict = fixed_predict(preset.load())
    (group,) = preset.contract.groups
    population = preset.metrics.get("data", {}).get("population", "finder-test")
    thresholds = mock_thresholds(predict, survey, population, options.mocks)
    result = {"finder": preset_label(options.finder), "mocks": thresholds, "excluded": EXCLUDED}
    hubble = hubble_objects(survey, count=options.hubble, seed=SEED) if options.hubble else []
    even = [k for k, each in enumerate(hubble) if not is_odd(each.id)]
    for name, as_survey in WAYS.items():
        objects, left_out = read_objects(
            folder, preset.contract, survey, as_survey=as_survey, seed=SEED
        )
        stamps = np.stack([each.stamp for each in objects + hubble])[..., None].astype(np.float32)
        scores = predict({group.name: stamps})[:, 0].astype(float)
        apart, scores = scores[len(objects) :], scores[: len(objects)]
        result[name] = {
            **judge(objects, scores, thresholds),
            "hubble_picture_above_0.5": _share(apart > 0.5) if hubble else None,
            # those with even numbers are in no library that a recipe of ours trains non-lenses on
            "hubble_picture_even_above_0.5": _share(apart[even] > 0.5) if hubble else None,
            "left_out": left_out,
        }
        if options.pages is not None:
            both = np.concatenate([scores, apart])
            place = Path(options.pages)
            pages(place, name, options.finder, objects + hubble, both, stamps, group)
    return result


def mock_thresholds(predict, survey, population, count) -> dict | None:
    """Scores above which 1 % and 0.1 % of mock non-lenses lie; count 0 gives None."""
    if not count:
        return None
    scores, labels = [], []
    simulator = Simulator(survey, population, seed=SEED)
    for mocks in simulator.stream(count=count):
        scores.append(predict(mocks.images)[:, 0])
        labels.append(np.asarray(mocks.truth["label"]))
    scores, labels = np.concatenate(scores).astype(float), np.concatenate(labels)
    others = np.sort(scores[labels == 0])[::-1]
    table = {"population": population, "non_lenses": len(others), "thresholds": {}}
    table["roc_auc"] = round(roc_auc(labels, scores), 4)
    for rate in RATES:
        threshold = others[int(rate * len(others))]
        table["thresholds"][f"{rate:g}"] = {
            "threshold": round(float(threshold), 6),
            "completeness": _share(scores[labels == 1] > threshold),
        }
    return table


def judge(objects, scores, thresholds) -> dict:
    """AUC, the rank of each lens, and rates per set."""
    lens = np.array([each.lens for each in objects])
    place = ranks(scores)
    rows = [
        {
            "set": each.set,
            "id": each.id,
            "p_lens": round(float(score), 4),
            "rank": int(rank),
            "message": each.message,
        }
        for each, score, rank in zip(objects, scores, place, strict=True)
        if each.lens
    ]
    error = bootstrap(
        roc_auc, lens.astype(int), scores, rng=np.random.default_rng(SEED), strata=lens
    )
    sets = {}
    names = np.array([each.set for each in objects])
    for name in dict.fromkeys(names.tolist()):
        at = names == name
        sets[name] = {"objects": int(at.sum()), "lenses": bool(lens[at].all())}
        sets[name]["above_0.5"] = _share(scores[at] > 0.5)
        if thresholds is not None:
            for rate, known in thresholds["thresholds"].items():
                above = scores[at] > known["threshold"]
                sets[name][f"above_threshold_{rate}"] = _share(above)
                if not lens[at].any():
                    limit = upper_limit(int(above.sum()), int(at.sum()))
                    sets[name][f"upper_95_{rate}"] = round(float(limit), 4)
    space = np.array([each.space for each in objects])
    return {
        "objects": len(objects),
        "lenses": int(lens.sum()),
        "auc": round(roc_auc(lens.astype(int), scores), 4),
        "auc_std": round(error["std"], 4),
        # most lenses are from space, most others from the ground: within one sharpness is no help
        "auc_space": _area(lens[space], scores[space]),
        "auc_ground": _area(lens[~space], scores[~space]),
        "median_rank_of_lenses": float(np.median(place[lens])),
        "sets": sets,
        "completeness": completeness(rows, thresholds),
        "gap": gap(names, lens, scores, thresholds),
        "ranks_of_lenses": sorted(rows, key=lambda row: row["rank"]),
        "scores_of_others": {
            name: np.round(np.sort(scores[(names == name) & ~lens])[::-1], 4).tolist()
            for name in sets
            if not sets[name]["lenses"]
        },
    }


def completeness(rows, thresholds) -> dict | None:
    """Share of the real lenses above the thresholds; that of mocks stands beside the thresholds."""
    if thresholds is None:
        return None
    scores = np.array([row["p_lens"] for row in rows])
    known = thresholds["thresholds"].items()
    return {rate: _share(scores > values["threshold"]) for rate, values in known}


def gap(names, lens, scores, thresholds) -> dict | None:
    """How many times as many false positives as on mocks: the number, and its upper limit (95 %).

    Of the sets of `GAP_SETS`, and of everything that is no lens together.
    """
    if thresholds is None:
        return None
    samples = {name: scores[names == name] for name in GAP_SETS if (names == name).any()}
    samples[ALL] = scores[~lens]
    found = {}
    for name, some in samples.items():
        found[name] = {}
        for rate, known in thresholds["thresholds"].items():
            hits = int((some > known["threshold"]).sum())
            limit = upper_limit(hits, len(some)) / float(rate)
            found[name][rate] = {
                "times": round(hits / len(some) / float(rate), 2),
                "upper_95": round(limit, 2),
                "hits": hits,
                "objects": len(some),
            }
    return found


def pages(folder, name, finder, objects, scores, stamps, group):
    """The ranked page of everything, and one of the false positives that score highest."""
    short = name.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    ids = [f"{'LENS' if each.lens else each.kind} {each.set} {each.id}" for each in objects]
    page = Page(folder / f"{short}.html", gallery=len(objects))
    find({group.name: stamps}, preset=finder, ids=ids, report=False, watch=[page])
    worst = [k for k in np.argsort(-scores) if not objects[k].lens][:WORST]
    captions = [(stamps[k, ..., 0], f"{ids[k]}: {scores[k]:.3f}") for k in worst]
    rows = [([stamp], caption, False) for stamp, caption in captions]
    lenses = [k for k in np.argsort(scores) if objects[k].lens]
    missed = [([stamps[k, ..., 0]], f"{ids[k]}: {scores[k]:.3f}", True) for k in lenses]
    sections = [(f"The {WORST} worst false positives", rows), ("Lenses, lowest first", missed)]
    write_gallery(folder / f"{short}-worst.html", f"{name}: worst", sections, width=group.width)


def markdown(figures) -> str:
    """The numbers as tables for a README."""
    lines = ["| | lenses | others | AUC | median rank of lenses |", "|---" * 5 + "|"]
    for name in WAYS:
        found = figures[name]
        lines.append(
            f"| {name} | {found['lenses']} | {found['objects'] - found['lenses']} | "
            f"{found['auc']:.3f} +- {found['auc_std']:.3f} | {found['median_rank_of_lenses']:g} |"
        )
    rates = list(figures["mocks"]["thresholds"]) if figures["mocks"] else []
    head = [f"{name}, {what}" for name in WAYS for what in ("> 0.5", *(f"FPR {r}" for r in rates))]
    lines += ["", f"| set | objects | {' | '.join(head)} |", "|---" * (2 + len(head)) + "|"]
    for name, row in figures[next(iter(WAYS))]["sets"].items():
        cells = [f"{name}{' (lenses)' if row['lenses'] else ''}", str(row["objects"])]
        for way in WAYS:
            found = figures[way]["sets"].get(name, {})
            keys = ["above_0.5", *(f"above_threshold_{rate}" for rate in rates)]
            cells += [f"{found[key]:.3f}" if key in found else "-" for key in keys]
        lines.append(f"| {' | '.join(cells)} |")
    if rates:
        lines.append("")
        lines += [
            "| real over mock false positives | FPR | times | below (95 %) |",
            "|---" * 4 + "|",
        ]
        lines += [
            f"| {way}, {name} | {rate} | {row['times']:g} | {row['upper_95']:g} |"
            for way in WAYS
            for name, found in figures[way]["gap"].items()
            for rate, row in found.items()
        ]
    return "\n".join(lines)


def _area(lens, scores) -> float | None:
    """ROC AUC, where there are both."""
    if lens.all() or not lens.any():
        return None
    return round(roc_auc(lens.astype(int), scores), 4)


def _share(hits) -> float:
    return round(float(np.mean(hits)), 4)


if __name__ == "__main__":
    main()
