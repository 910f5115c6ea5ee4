"""Small presets with random weights, and small images, for tests of everything above the zoo."""

import numpy as np

from lensfinder import zoo
from lensfinder.data import Cutout
from lensfinder.specs import InputContract

STAMP = 16


def contract(*, stamp=STAMP, groups=("vis",), survey="euclid-vis") -> InputContract:
    """A contract of one band per group, or VIS with three infrared bands."""
    known = {
        "vis": {"name": "vis", "bands": ("VIS",), "stamp": stamp, "pixel_scale": 0.1},
        "nisp": {"name": "nisp", "bands": ("H", "J", "Y"), "stamp": stamp, "pixel_scale": 0.3},
    }
    return InputContract(survey=survey, groups=tuple(known[name] for name in groups))


def save(
    folder,
    task="finder",
    *,
    seed=1,
    stretch="arcsinh",
    targets=None,
    metrics=None,
    arguments=None,
    calibration=None,
    agreed=None,
    **terms,
):
    """Save a compact network with random weights as a preset; returns its folder as text."""
    import keras

    keras.utils.set_random_seed(seed)
    builder = {"finder": "compact_finder", "modeller": "compact_modeller"}[task]
    arguments = {"widths": (4,), "units": 4, "stretch": stretch, **(arguments or {})}
    agreed = agreed or contract(**terms)
    model = zoo.build(builder, agreed, task, targets=targets, **arguments)
    for variable in model.weights:  # random norms and biases too, so that scores spread
        if "kernel" not in variable.path and "stretch" not in variable.path:
            variable.assign(
                variable + np.abs(np.random.default_rng(seed).normal(0, 0.2, variable.shape))
            )
    if stretch == "arcsinh":
        zoo.adapt(model, [images(64, agreed)])
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{task}-{seed}"
    zoo.save_preset(
        place,
        model,
        builder=builder,
        arguments=arguments,
        task=task,
        targets=targets,
        contract=agreed,
        metrics={"finder": {"roc_auc": 0.5}} if metrics is None else metrics,
        card="For tests.",
        calibration=calibration,
    )
    return str(place)


def images(count, agreed=None, seed=0) -> dict:
    """Blobs of different brightness on noise, e-/s."""
    rng = np.random.default_rng(seed)
    result = {}
    for group in (agreed or contract()).groups:
        axis = np.arange(group.stamp) - (group.stamp - 1) / 2
        radius2 = axis[:, None] ** 2 + axis**2
        blob = np.exp(-radius2 / rng.uniform(2, 20, (count, 1, 1)))
        blob = blob * rng.lognormal(0, 1, (count, 1, 1))
        noise = rng.normal(0, 0.05, (count, group.stamp, group.stamp, len(group.bands)))
        result[group.name] = (blob[..., None] + noise).astype(np.float32)
    return result


def cutouts(count, agreed=None, seed=0, **changes) -> list[Cutout]:
    """The same as cutouts."""
    agreed = agreed or contract()
    stacks = images(count, agreed, seed)
    result = []
    for row in range(count):
        cutout = Cutout(id=f"object-{row}")
        for group in agreed.groups:
            for channel, band in enumerate(group.bands):
                cutout.bands[band] = stacks[group.name][row, :, :, channel].copy()
                cutout.pixel_scales[band] = group.pixel_scale
                cutout.units[band] = agreed.unit
        for name, value in changes.items():
            setattr(cutout, name, value)
        result.append(cutout)
    return result
