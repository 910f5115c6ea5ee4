"""Figures of the networks of Madireddy et al., on blind mocks and on what cleaners make of them."""

import numpy as np
from _madireddy_doubts import (
    finder_doubts,
    latent_figures,
    modeller_coverage,
    modeller_doubts,
)
from _madireddy_mocks import FAMILY, GROUP, PLANES, SURVEY
from _madireddy_table import PUBLISHED, TARGETS

from lensfinder.predict.cleaning import doubts
from lensfinder.specs import load_survey
from lensfinder.training import metrics
from lensfinder.training.cleaning import cleaner_figures, plane_truth
from lensfinder.training.evaluation import magnitudes
from lensfinder.training.recipe import load_recipe

MODEL = "vib-model"


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
    """What is left of the light of non-lenses: quantiles of shares of the light given, and of mag.

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
    in_r = {
        "source (truth)": magnitudes_in_r(source),
        "deblended": magnitudes_in_r(made_of_all),
        "galaxy alone": magnitudes_in_r(made),
    }
    score = models["detect vib on S3"]({GROUP: made})[:, 0]
    called = float(np.mean(score[~np.array(refused)] >= 0.5)) if not all(refused) else None
    facts = {"objects": len(rows), "refused": int(sum(refused)), "called_lens": called}
    return {**facts, "shares": shares, "r_magnitudes": in_r}


def magnitudes_in_r(images) -> dict:
    """AB magnitudes of all light of images: quantiles from the brightest on, null where dark."""
    bands = load_survey(SURVEY).group(GROUP).bands
    (column,) = [k for k, band in enumerate(bands) if band.name == "r"]
    flux = images[..., column].sum(axis=(1, 2), dtype=float)
    mag = np.where(flux > 0, magnitudes(flux, bands[column].zero_point), np.inf)
    found = {f"p{q}": np.percentile(mag, q, method="higher") for q in (1, 16, 50, 84, 99)}
    return {name: float(value) if np.isfinite(value) else None for name, value in found.items()}


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


def latent_maps(networks, blind, cleaned, folder) -> list:
    """Names of the pictures of both bottlenecks' codes, of true sources and of cleaned images."""
    names = []
    for task, kept in (("detect", slice(None)), ("model", np.asarray(blind["label"]) == 1)):
        columns = {name: np.asarray(blind[name])[kept] for name in TARGETS}
        if task == "detect":
            lens = np.asarray(blind["label"]) == 1
            columns = {"class": np.where(lens, "lens", "non-lens")}
        for plane in ("S3", "I3"):
            images = shown(blind, cleaned, plane, kept)
            given = (networks[f"{task} vib on S3"], images, columns, folder, f"{task}-{plane}")
            names += [path.name for path in latent_figures(*given)]
    return names
