"""Table 2 of Madireddy et al. beside ours: denoise, deblend, detect and model, module by module.

Each module is trained by itself, by the recipes of `data_specs/recipes/madireddy`, and
measured twice on one blind sample: *component-wise*, fed with the truth (T2 to T5), and
*end-to-end*, fed with what the modules before it made of the noisy images (I3 to I5). Beside them
are the paper's baselines: residual networks on the noisy images, and on the true sources.

What follows the cleaner of `joint-small-arcsinh` follows that of the paper's joint recipe,
`joint-small`, too, so that a gain in PSNR is seen in what it is for.

Scales: ``ci`` shows that the machinery runs, and its numbers mean nothing; ``cpu`` takes one core
three hours; ``paper`` has the paper's networks and numbers of objects. Trainings stay in --work:
call it again to go on, after a kill or after --minutes.
"""

import gc
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _madireddy_doubts import (
    finder_doubts,
    latent_figures,
    modeller_coverage,
    modeller_doubts,
)
from _madireddy_mocks import FAMILY, GROUP, PLANES, SURVEY, objects, planes, source
from _madireddy_table import PUBLISHED, TARGETS, markdown
from _resumed import measure, parser

from lensfinder.predict.cleaning import doubts
from lensfinder.tables import write_atomically
from lensfinder.training import metrics
from lensfinder.training.cleaning import cleaner_figures, plane_truth
from lensfinder.training.loop import train
from lensfinder.training.network import network_arguments
from lensfinder.training.recipe import Recipe, load_recipe
from lensfinder.training.run_folder import Stopwatch
from lensfinder.zoo import build, fixed_predict

SEED = 20_220_399
DETECT, MODEL = "vib-detect", "vib-model"
CLEANERS = {"clean": "joint-small-arcsinh", "clean as published": "joint-small"}


@dataclass(frozen=True)
class Scale:
    """How large the networks are, and how much they see."""

    blind: int
    stored: int  # mocks that all trainings of finders and modellers share; 0: fresh ones
    held: int  # of the same kind, to validate on
    cleaner: dict
    cleaner_training: dict  # keys of the recipe
    vib: dict
    resnet: dict  # of the baselines that find lenses
    deep: dict  # of those that model them
    training: dict


SCALES = {
    "ci": Scale(
        64,
        160,  # with the blind ones and those held out a single block of the simulator
        32,
        {"blocks": 1, "channels": 4},
        {"batch_size": 8, "steps_per_epoch": 2, "epochs": 1, "adapt_size": 8},
        {"filters": [4, 4, 4, 4, 8], "units": 8},
        {"depth": 8, "width": 4},
        {"depth": 8, "width": 4},
        {"batch_size": 16, "steps_per_epoch": 2, "epochs": 1, "adapt_size": 16},
    ),
    "cpu": Scale(
        4400,  # half of their lenses, 1,000, are enough to test a posterior on
        30_720,
        1024,
        {"blocks": 4, "channels": 24},
        {"batch_size": 16, "steps_per_epoch": 250, "epochs": 8},
        {"filters": [16, 16, 32, 32, 48]},
        # 1.5 million parameters, ten times as many as the bottleneck: 72 objects/s of one core
        {"depth": 50, "width": 16},
        {"depth": 50, "width": 16},
        {"batch_size": 128, "steps_per_epoch": 100, "epochs": 8},
    ),
    # 18,000 images for 200 epochs, and 108,000 for 300; mocks never repeat here
    "paper": Scale(
        12_000,
        0,
        0,
        {"blocks": 16, "channels": 256, "residual_scale": 0.1},
        {"batch_size": 16, "steps_per_epoch": 1125, "epochs": 200},
        {"filters": [32, 32, 64, 64, 512], "units": 1200},
        {"depth": 50, "width": 64},
        {"depth": 101, "width": 64},
        {"batch_size": 512, "steps_per_epoch": 210, "epochs": 300},
    ),
}


def main():
    given = parser(__doc__, SCALES, work="runs/madireddy")
    given.add_argument("--workers", type=int, default=1, help="processes that make the mocks")
    measure("madireddy", given.parse_args(), run, markdown, seed=SEED)


def run(work, options) -> dict | None:
    """All modules, then the table; None if the time is up before they are trained."""
    scale, watch = SCALES[options.scale], Stopwatch(options.minutes)
    models, networks, took = {}, {}, {}
    blind = planes(work / "blind", scale.blind)
    stored, held = None, None
    if scale.stored:
        held = planes(work / "held", scale.held, scale.blind)
        stored = planes(work / "stored", scale.stored, scale.blind + scale.held)
    for name, recipe in recipes(scale).items():
        left = None
        if options.minutes is not None:
            left = max(0.0, options.minutes - watch.seconds / 60)
        given = {"minutes": left, "workers": options.workers}
        if stored is not None and recipe.task != "cleaner":  # that sees fresh ones
            given |= {"source": source(recipe, stored), "validation": objects(recipe, held)}
        result = train(recipe, work / name.replace(" ", "-"), **given)
        if not result.finished:
            return None
        models[name] = on_stamps(recipe, result.model)
        if name == "clean":  # the bound has no weights: trained without, used with it
            models["clean, without its bound"] = models[name]
            models[name] = on_stamps(recipe, result.model, bounded=True)
        if recipe.task != "cleaner":
            networks[name] = result.model
        took[name] = {
            "network": recipe.network.model_dump(mode="json"),
            "train_s": round(sum(entry["seconds"] for entry in result.history), 1),
            "epochs": recipe.epochs,
            "objects": result.history[-1]["step"] * recipe.batch_size,
            "parameters": result.model.count_params(),
        }
        print(f"{name}: {took[name]}", flush=True)
        gc.collect()
    cleaned = cleaned_planes(models["clean"], blind)
    published = cleaned_planes(models["clean as published"], blind)
    found = {
        "mocks": {"survey": SURVEY, "population": FAMILY, "blind": scale.blind},
        "networks": took,
        "published": PUBLISHED,
        "psnr": psnr_table(blind, cleaned),
        "psnr of nothing": psnr_of_nothing(blind),
        "without the bound": psnr_table(
            blind, cleaned_planes(models["clean, without its bound"], blind)
        ),
        "detect": detect_table(models, blind, cleaned),
        "model": model_table(models, blind, cleaned),
        "behind the paper's cleaner": {
            "psnr": psnr_table(blind, published),
            "detect": detect_table(models, blind, published, ("vib on I3", "resnet on I3")),
            "model": model_table(models, blind, published, ("vib on I3", "flipout on I3")),
        },
        "non_lenses": non_lens_fluxes(models, blind, cleaned),
        **doubts_and_coverage(networks, blind, cleaned),
        "latent_maps": latent_maps(networks, blind, work / "figures"),
        "differences": (
            "Mocks of the same kind, not the same mocks. PSNR with the range of each true image as "
            "its peak, where the paper's peak is not stated; noise is fainter beside the galaxies "
            "than the paper's (S1-S2), so that PSNRs do not compare with the paper's, only with "
            "each other. The cleaner works on stretched images with an error in units of the noise "
            "(cleaners.py compares); the paper's has the skip connection of its figure. Residual "
            "networks for I3 take negative pixels as dark, as the bottleneck does. The network "
            "with flipout answers with the mean of its weights. The bottleneck is trained without "
            "minibatch-weighted sampling. Sizes of networks are those under `networks`."
        ),
    }
    dump = json.dumps(found, default=float)  # whatever becomes of the result's file
    write_atomically(work / "figures.json", lambda place: Path(place).write_text(dump))
    return found


def recipes(scale) -> dict[str, Recipe]:
    """Every training by the name it has in the table."""
    detect, model = (load_recipe(f"{FAMILY}/{name}") for name in (DETECT, MODEL))
    deep = {"name": "resnet", "arguments": scale.resnet}
    deeper = {"name": "resnet", "arguments": scale.deep}
    clean = {"scaling": "image", "positive": True}
    flipout = {"name": "resnet101_flipout", "arguments": {**scale.deep, **clean}}
    if scale.stored == 0:  # an epoch counts the divergence once, and no mock is seen twice
        flipout["arguments"]["temperature"] = 1 / scale.training["epochs"]
    on_source = {**deep, "arguments": {**scale.resnet, **clean}}
    cleaners = {
        name: changed(
            load_recipe(f"{FAMILY}/{recipe}"), scale.cleaner_training, scale.cleaner, scale
        )
        for name, recipe in CLEANERS.items()
    }
    return {
        **cleaners,
        "detect vib on S3": changed(detect, scale.training, scale.vib, scale),
        "detect resnet on S1": changed(detect, scale.training, deep, scale, "S1"),
        "detect resnet on S3": changed(detect, scale.training, on_source, scale),
        "model vib on S3": changed(model, scale.training, scale.vib, scale),
        "model resnet on S1": changed(model, scale.training, deeper, scale, "S1"),
        "model flipout on S3": changed(model, scale.training, flipout, scale),
    }


def changed(recipe, training, network, scale, plane=None) -> Recipe:
    """A recipe at this scale, perhaps with another network, shown another plane."""
    plain = recipe.model_dump(mode="json", exclude_none=True)
    plain["network"].setdefault("arguments", {})
    plain["network"]["arguments"].pop("bounded", None)  # see `run`
    if "name" in network:
        plain["network"] = network
    else:
        plain["network"]["arguments"] |= network
    if plane is not None:
        plain["data"]["plane"] = plane
    # of the point networks; flipout keeps the likelihood, in whose nats its divergence counts
    if network.get("name") == "resnet" and plain["loss"]["name"] == "gaussian_decoder":
        plain["loss"] = {"name": "scaled_mse", "arguments": {}}
    if scale.stored:  # so that `ci` is small
        plain["validation"]["size"] = min(plain["validation"]["size"], scale.held)
    schedule = plain["schedule"]
    if "warmup_steps" in schedule:
        steps = training["steps_per_epoch"] * training["epochs"]
        schedule["warmup_steps"] = min(schedule["warmup_steps"], steps // 10)
    return Recipe.model_validate({**plain, **training})


def on_stamps(recipe, model, **changed):
    """The network that was trained, for whole stamps: a cleaner was trained on pieces."""
    if recipe.training_contract() == recipe.contract() and not changed:
        return fixed_predict(model, batch_size=16)
    whole = build(
        recipe.network.name,
        recipe.contract(),
        recipe.task,
        targets=recipe.truth_columns,
        **{**network_arguments(recipe), **changed},
    )
    whole.set_weights(model.get_weights())
    return fixed_predict(whole, batch_size=16)


def cleaned_planes(predict, blind) -> dict:
    """What a joint network makes of the noisy images: T2 and I3."""
    shape = blind["S1"].shape
    made = np.empty((shape[0], 2, *shape[1:]), np.float32)
    for start in range(0, shape[0], 64):
        rows = slice(start, start + 64)
        made[rows] = predict({GROUP: np.asarray(blind["S1"][rows])})
    return {"T2": made[:, 0], "I3": made[:, 1]}


def psnr_table(blind, cleaned) -> dict:
    """The first part of the table, with SSIM and flux ratios."""
    held = {name: {GROUP: np.asarray(blind[name])} for name in PLANES}
    truth = plane_truth(held, ("S2", "S3"), GROUP)
    answer = np.stack([cleaned["T2"], cleaned["I3"]], axis=1)
    noisy = cleaner_figures(("S2", "S3"), truth, answer, held["S1"][GROUP])
    blended = cleaner_figures(("S3",), truth[:, 1:], answer[:, 1:], held["S2"][GROUP])
    return {
        "S1-S2": noisy["S2"]["psnr_given"],
        "S2-T2": noisy["S2"]["psnr"],
        "S2-S3": blended["S3"]["psnr_given"],
        "S3-T3": noisy["S3"]["psnr"],
        "ssim S2-T2": noisy["S2"]["ssim"],
        "ssim S3-T3": noisy["S3"]["ssim"],
        "flux T2 over S2": noisy["S2"]["flux_ratio"],
        "flux T3 over S3": noisy["S3"]["flux_ratio"],
    }


def psnr_of_nothing(blind) -> dict:
    """PSNR of a dark image against the true source: what a cleaner has to beat, by class."""
    truth, lens = np.asarray(blind["S3"]), np.asarray(blind["label"]) == 1
    found = {}
    for name, rows in (("lenses", lens), ("non-lenses", ~lens)):
        held = plane_truth({"S3": {GROUP: truth[rows]}}, ("S3",), GROUP)
        dark = np.zeros_like(held)
        found[name] = cleaner_figures(("S3",), held, dark, dark[:, 0])["S3"]["psnr"]
    return found


def non_lens_fluxes(models, blind, cleaned, most=1000) -> dict:
    """What is left of the light of non-lenses, as shares of the light given: quantiles.

    ``deblended`` and ``source (truth)`` are of the blind non-lenses, whose source lies beside the
    galaxy, unlensed. ``galaxy alone`` was shown without that source, so that any light left is
    invented, or the galaxy's own; ``refused`` of those got a status instead of an image, and
    ``called_lens`` is the share of the others that the bottleneck calls a lens.
    """
    predict = models["clean"]
    rows = np.flatnonzero(np.asarray(blind["label"]) == 0)[:most]
    given, source = (np.asarray(blind[name][rows]) for name in ("S1", "S3"))
    alone = given - source
    made = predict({GROUP: alone})[:, -1]
    refused = [bool(doubts(*pair)[0]) for pair in zip(alone, made, strict=True)]

    def share(image, of):
        ratio = image.sum(axis=(1, 2, 3), dtype=float) / of.sum(axis=(1, 2, 3), dtype=float)
        return {f"p{q}": float(np.percentile(ratio, q)) for q in (1, 16, 50, 84, 99)}

    made_of_all = np.asarray(cleaned["I3"][rows])
    shares = {"source (truth)": share(source, given), "deblended": share(made_of_all, given)}
    shares["galaxy alone"] = share(made, alone)
    score = models["detect vib on S3"]({GROUP: made})[:, 0]
    called = float(np.mean(score[~np.array(refused)] >= 0.5)) if not all(refused) else None
    facts = {"objects": len(rows), "refused": int(sum(refused)), "called_lens": called}
    return {**facts, "shares": shares}


def shown(blind, cleaned, plane, rows=slice(None)):
    """Images of a plane, true or made."""
    return {GROUP: np.asarray((cleaned if plane in cleaned else blind)[plane][rows])}


def detect_table(models, blind, cleaned, lines=tuple(PUBLISHED["detect"])) -> dict:
    """Accuracy (mean over classes), AUC, precision and recall of every finder."""
    label, table = np.asarray(blind["label"]).astype(int), {}
    for line in lines:
        network, _, plane = line.split()
        trained = plane if plane != "I3" else "S3"
        predict = models[f"detect {network} on {trained}"]
        score = predict(shown(blind, cleaned, plane))[:, 0].astype(float)
        said = score >= 0.5
        right = [np.mean(said[label == kind] == kind) for kind in (0, 1)]
        hits = int(np.sum(said & (label == 1)))
        table[line] = {
            "accuracy": float(np.mean(right)),
            "auc": float(metrics.roc_auc(label, score)),
            "precision": hits / int(said.sum()) if said.any() else None,
            "recall": hits / int(label.sum()),
        }
    return table


def model_table(models, blind, cleaned, lines=("constant", *PUBLISHED["model"])) -> dict:
    """Mean absolute error of parameters scaled to 0-1 by their ranges, over the lenses.

    ``constant`` answers with the median of the sample.
    """
    lens = np.flatnonzero(np.asarray(blind["label"]) == 1)
    truth = np.stack([np.asarray(blind[name])[lens] for name in TARGETS], axis=1)
    span, table = np.ptp(truth, axis=0), {}
    for line in lines:
        if line == "constant":
            answer = np.median(truth, axis=0)
        else:
            network, _, plane = line.split()
            trained = plane if plane != "I3" else "S3"
            answer = models[f"model {network} on {trained}"](shown(blind, cleaned, plane, lens))
        each = np.abs(answer - truth).mean(axis=0) / span
        parts = {name: float(value) for name, value in zip(TARGETS, each, strict=True)}
        table[line] = {"mae": float(each.mean()), **parts}
    return table


def doubts_and_coverage(networks, blind, cleaned) -> dict:
    """Errors by doubt, component-wise and end-to-end; coverage of the modellers' posteriors."""
    label = np.asarray(blind["label"]).astype(int)
    lens = np.flatnonzero(label == 1)
    truth = np.stack([np.asarray(blind[name])[lens] for name in TARGETS], axis=1).astype(float)
    recipe = load_recipe(f"{FAMILY}/{MODEL}")
    span = np.array([target.high - target.low for target in recipe.targets])
    noise = recipe.loss.arguments["noise"] * span
    found = {"wrong_by_doubt": {}, "error_by_doubt": {}, "coverage": {}}
    scales = {}
    for plane in ("S3", "I3"):
        images, arcs = (shown(blind, cleaned, plane, rows) for rows in (slice(None), lens))
        for kind in ("vib", "resnet"):
            network = networks[f"detect {kind} on S3"]
            found["wrong_by_doubt"][f"{kind} on {plane}"] = finder_doubts(network, images, label)
        for kind in ("vib", "flipout"):
            network, line = networks[f"model {kind} on S3"], f"{kind} on {plane}"
            found["error_by_doubt"][line] = modeller_doubts(network, arcs, truth, span, noise)
            given = (network, arcs, truth, TARGETS, noise)
            found["coverage"][line] = modeller_coverage(*given)
            scales.setdefault(kind, found["coverage"][line].get("spread_times"))
            if plane == "I3" and scales[kind]:
                # what a user of a preset has, whose spreads were calibrated on true sources
                found["coverage"][f"{line}, calibrated on S3"] = modeller_coverage(
                    *given, scales=scales[kind]
                )
    return found


def latent_maps(networks, blind, folder) -> list:
    """Names of the pictures of both bottlenecks' codes, on the true sources."""
    names = []
    for task, kept in (("detect", slice(None)), ("model", np.asarray(blind["label"]) == 1)):
        columns = {name: np.asarray(blind[name])[kept] for name in TARGETS}
        if task == "detect":
            lens = np.asarray(blind["label"]) == 1
            columns = {"class": np.where(lens, "lens", "non-lens")}
        images = {GROUP: np.asarray(blind["S3"][kept])}
        network = networks[f"{task} vib on S3"]
        names += [path.name for path in latent_figures(network, images, columns, folder, task)]
    return names


if __name__ == "__main__":
    main()
