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

from _madireddy_figures import (
    MODEL,
    cleaned_planes,
    detect_table,
    doubts_and_coverage,
    latent_maps,
    model_table,
    non_lens_fluxes,
    psnr_of_nothing,
    psnr_table,
)
from _madireddy_mocks import FAMILY, SURVEY, objects, planes, source
from _madireddy_table import PUBLISHED, markdown
from _resumed import measure, parser

from lensfinder.tables import write_atomically
from lensfinder.training.loop import train
from lensfinder.training.network import network_arguments
from lensfinder.training.recipe import Recipe, load_recipe
from lensfinder.training.run_folder import Stopwatch
from lensfinder.zoo import build, fixed_predict

SEED = 20_220_399
DETECT = "vib-detect"
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
        "latent_maps": latent_maps(networks, blind, cleaned, work / "figures"),
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


if __name__ == "__main__":
    main()
