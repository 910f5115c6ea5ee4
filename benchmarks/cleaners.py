"""Ways to train a cleaner, at equal compute: the three strategies of Madireddy et al., and ours.

The paper trains its denoiser and its deblender one by one (modular), as one deeper network from the
noisy image to the source (end-to-end), or as a pair whose losses are added (joint), and finds the
last best. The other rows take the joint one and change one thing after the other; in the last, a
source is no brighter than the denoised image, which takes no training. All see as many
multiply-adds in training, on the same fresh mocks, and are measured on one blind sample:
PSNR and SSIM as in the paper's table 2, and what becomes of the source's flux, for PSNR alone
rewards a network that leaves faint arcs out. Each row's PSNR is compared with that of the joint one
image by image; ``joint, another seed`` is that training with other first weights and other mocks,
and says how much of a difference is luck.

Scales: ``ci`` shows that the machinery runs, and its numbers mean nothing; ``cpu`` takes about two
and a half hours of one core. Trainings stay in --work: call it again to go on, after a kill or
after --minutes. With --rows only some are trained, so that two processes can share the work.
"""

from dataclasses import dataclass

import numpy as np
from _madireddy_mocks import FAMILY, GROUP, SEED, SURVEY, planes
from _resumed import measure, parser
from madireddy import on_stamps

from lensfinder.specs import load_survey
from lensfinder.training.cleaning import cleaner_figures, plane_truth
from lensfinder.training.image_metrics import image_psnr
from lensfinder.training.loop import train
from lensfinder.training.network import build_network
from lensfinder.training.recipe import Recipe, load_recipe
from lensfinder.training.run_folder import Stopwatch
from lensfinder.zoo import multiply_adds

STRETCHED = {"network": {"scaling": "arcsinh"}}
NOISE = {"loss": {"name": "plane_noise", "arguments": {"weights": [0.5, 0.5]}}}
# row -> trainings that it needs: recipe, and what is changed of it
ROWS = {
    "modular": (("denoise-small", {}), ("deblend-small", {})),
    "end-to-end": (("end-to-end-small", {"deep": True}),),
    "joint": (("joint-small", {}),),
    "joint, another seed": (("joint-small", {"seed": 20_220_377}),),
    "joint, stretched": (("joint-small", STRETCHED),),
    "joint, stretched, error in noise": (("joint-small", {**STRETCHED, **NOISE}),),
}
LAST = list(ROWS)[-1]
AGAINST = "joint"  # the paper's best
BRIGHT = 3.0  # sigma of an empty pixel: above it a pixel of the true source is one of its arcs


@dataclass(frozen=True)
class Scale:
    """Size of one module, blind mocks, and the training of the joint network."""

    blind: int
    blocks: int
    channels: int
    batch_size: int
    steps: int  # per epoch
    epochs: int


SCALES = {
    "ci": Scale(32, 1, 4, 4, 2, 1),
    "cpu": Scale(1000, 4, 24, 16, 250, 8),
    "paper": Scale(12_000, 16, 256, 16, 1125, 200),
}


def main():
    given = parser(__doc__, SCALES, work="runs/cleaners")
    given.add_argument("--rows", nargs="*", help="train only these, and write no result")
    measure("cleaners", given.parse_args(), run, markdown, seed=SEED)


def run(work, options) -> dict | None:
    """All rows; None if the time is up before they are trained."""
    scale, watch = SCALES[options.scale], Stopwatch(options.minutes)
    budget = cost(recipe_of("joint-small", {}, scale)) * scale.steps
    blind, rows, each = planes(work / "blind", scale.blind), {}, {}
    for row in options.rows or ROWS:
        models, took = [], {}
        for name, change in ROWS[row]:
            recipe = recipe_of(name, change, scale)
            # the modules of the modular strategy share what the pair of the joint one takes
            steps = max(1, round(budget / len(ROWS[row]) / cost(recipe)))
            recipe = Recipe.model_validate(
                {**recipe.model_dump(mode="json", exclude_none=True), "steps_per_epoch": steps}
            )
            left = None if options.minutes is None else max(0, options.minutes - watch.seconds / 60)
            place = work / f"{row.replace(', ', '-').replace(' ', '-')}-{name}"
            result = train(recipe, place, minutes=left)
            if not result.finished:
                return None
            models.append(on_stamps(recipe, result.model))
            took[name] = {
                "network": recipe.network.model_dump(mode="json"),
                "loss": recipe.loss.model_dump(mode="json"),
                "objects": result.history[-1]["step"] * recipe.batch_size,
                "train_s": round(sum(entry["seconds"] for entry in result.history), 1),
                "forward_multiply_adds": cost(recipe)
                * result.history[-1]["step"]
                * recipe.batch_size,
            }
        rows[row], each[row] = figures_of(models, blind)
        rows[row]["trainings"] = took
        if row == LAST:  # the bound has no weights: nothing is trained again
            models = [on_stamps(recipe, result.model, bounded=True)]
            bounded = f"{row}, bounded"
            rows[bounded], each[bounded] = figures_of(models, blind)
            rows[bounded]["trainings"] = took
        print(f"{row}: {rows[row]['S3']}", flush=True)
    if options.rows is not None:
        return None
    for row, found in rows.items():
        found["against_joint"] = compared(each[row], each[AGAINST])
    return {
        "mocks": {"survey": SURVEY, "population": FAMILY, "blind": scale.blind},
        "patch": load_recipe(f"{FAMILY}/joint-small").cleaning.patch,
        "epochs": scale.epochs,
        "rows": rows,
    }


def recipe_of(name, change, scale) -> Recipe:
    """A recipe of the family at this scale, with one row's change."""
    plain = load_recipe(f"{FAMILY}/{name}").model_dump(mode="json", exclude_none=True)
    blocks = 2 * scale.blocks + 1 if change.get("deep") else scale.blocks
    arguments = {"blocks": blocks, "channels": scale.channels, **change.get("network", {})}
    plain["network"]["arguments"] = arguments
    plain["loss"] = change.get("loss", plain["loss"])
    warmup = min(plain["schedule"]["warmup_steps"], scale.steps * scale.epochs // 10)
    plain["schedule"]["warmup_steps"] = warmup
    joint = load_recipe(f"{FAMILY}/joint-small")
    plain["data"]["seed"] = joint.data.seed
    plain["validation"]["seed"] = joint.validation.seed
    plain["validation"]["size"] = min(plain["validation"]["size"], max(16, scale.blind))
    if "seed" in change:
        plain["seed"] = plain["data"]["seed"] = change["seed"]
    words = {"batch_size": scale.batch_size, "epochs": scale.epochs, "steps_per_epoch": scale.steps}
    return Recipe.model_validate({**plain, **words})


def cost(recipe) -> int:
    """Multiply-adds of one object in one pass."""
    return multiply_adds(build_network(recipe))


def figures_of(models, blind):
    """Figures of both planes, where a row makes both, and of the sources' flux; PSNR of each."""
    held = {name: {GROUP: np.asarray(blind[name])} for name in ("S1", "S2", "S3")}
    image, answers = held["S1"][GROUP], []
    for model in models:  # one after the other: what the first makes is shown to the second
        made = np.concatenate(
            [model({GROUP: image[k : k + 64]}) for k in range(0, len(image), 64)], axis=0
        )
        answers += list(np.moveaxis(made, 1, 0))
        image = made[:, -1]
    names = ("S2", "S3") if len(answers) == 2 else ("S3",)
    truth, answer = plane_truth(held, names, GROUP), np.stack(answers, axis=1)
    found = cleaner_figures(names, truth, answer, held["S1"][GROUP])
    lens = np.asarray(blind["label"]) == 1
    each = image_psnr(truth[:, -1], answer[:, -1])
    return {**found, "flux": fluxes(truth[:, -1], answer[:, -1], lens)}, each


def compared(psnr, other) -> dict:
    """Mean difference of the PSNR of S3 from another row's, with its error over the images."""
    difference = np.asarray(psnr, float) - other
    error = difference.std(ddof=1) / np.sqrt(difference.size)
    return {"S3_psnr_difference": float(difference.mean()), "error": float(error)}


def fluxes(truth, answer, lens) -> dict:
    """Flux over the true one (median, 16 and 84 %), and within the pixels of the true arcs."""
    survey = load_survey(SURVEY)
    noise = np.array([band.background_sigma for band in survey.group(GROUP).bands])
    arcs = truth > BRIGHT * noise
    within = (answer * arcs).sum(axis=(1, 2, 3)) / (truth * arcs).sum(axis=(1, 2, 3))
    total = answer.sum(axis=(1, 2, 3)) / truth.sum(axis=(1, 2, 3))
    lost = (np.abs(answer - truth) * arcs).sum(axis=(1, 2, 3)) / (truth * arcs).sum(axis=(1, 2, 3))
    kinds = {
        "lenses, total": total[lens],
        "non-lenses, total": total[~lens],
        "lenses, within the arcs": within[lens],
        "lenses, absolute error within the arcs": lost[lens],
    }
    return {
        name: dict(
            zip(("p16", "p50", "p84"), np.nanpercentile(values, [16, 50, 84]).tolist(), strict=True)
        )
        for name, values in kinds.items()
    }


def markdown(figures) -> str:
    """The comparison for a reader."""
    lines = [
        "| | S2, dB | S3, dB | over joint, dB | S3, SSIM | flux of lenses' sources "
        "| error within the arcs |",
        "|---" * 7 + "|",
    ]
    for name, found in figures["rows"].items():
        noiseless = f"{found['S2']['psnr']:.2f}" if "S2" in found else "-"
        total, lost = (
            found["flux"][key]
            for key in ("lenses, total", "lenses, absolute error within the arcs")
        )
        over = found["against_joint"]
        over = f"{over['S3_psnr_difference']:+.2f} ± {over['error']:.2f}"
        lines.append(
            f"| {name} | {noiseless} | {found['S3']['psnr']:.2f} | {over} "
            f"| {found['S3']['ssim']:.3f} | "
            f"{total['p50']:.2f} ({total['p16']:.2f} to {total['p84']:.2f}) | {lost['p50']:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
