"""Networks that look at one known place of the sky, and objects that have something there."""

import keras
import numpy as np

from lensfinder import zoo
from lensfinder.data import Cutout
from lensfinder.specs.contract import GroupContract, InputContract

PLACE = (1.15, -0.85)  # arcsec: x, y of the planted signal
RADIUS = 0.3  # arcsec


def contract(*, two=False, stamp=48) -> InputContract:
    """VIS alone, or with an infrared group of the same sky at three times the pixel scale."""
    groups = [GroupContract(name="vis", bands=("VIS",), stamp=stamp, pixel_scale=0.1)]
    if two:
        groups.append(
            GroupContract(name="nisp", bands=("H", "Y"), stamp=stamp // 3, pixel_scale=0.3)
        )
    return InputContract(survey="euclid-vis", groups=tuple(groups))


def blob(group, place=PLACE, radius=RADIUS) -> np.ndarray:
    """A Gaussian on the pixels of a group, its peak 1."""
    axis = (np.arange(group.stamp) - (group.stamp - 1) / 2) * group.pixel_scale
    distance2 = (axis[None] - place[0]) ** 2 + (axis[:, None] - place[1]) ** 2
    return np.exp(-distance2 / (2 * radius**2))


def images(of, *, seed=0, noise=0.02) -> dict:
    """A round galaxy in the middle, the planted signal, another blob that does not matter."""
    rng = np.random.default_rng(seed)
    result = {}
    for group in of.groups:
        light = 2 * blob(group, (0, 0), 0.4) + blob(group) + 0.8 * blob(group, (-1.3, 1.1))
        stack = np.repeat(light[..., None], len(group.bands), axis=-1)
        result[group.name] = (stack + rng.normal(0, noise, stack.shape)).astype(np.float32)
    return result


def network(of, *, gain=8.0):
    """p = sigmoid(gain (mean signal in the planted blob - 1/4)); gain 0 answers always the same."""
    inputs = {g.name: keras.Input(g.shape, name=g.name) for g in of.groups}
    flat = [keras.layers.Flatten()(tensor) for tensor in inputs.values()]
    joined = flat[0] if len(flat) == 1 else keras.layers.Concatenate()(flat)
    dense = keras.layers.Dense(1, activation="sigmoid")
    model = keras.Model(inputs, dense(joined))
    weights = [
        np.repeat(blob(g)[..., None] / blob(g).sum() / len(g.bands), len(g.bands), axis=-1).ravel()
        for g in of.groups
    ]
    kernel = gain * np.concatenate(weights)[:, None] / len(of.groups)
    dense.set_weights([kernel, np.array([-gain / 4])])
    return model


def cutout(of, name="planted", **terms) -> Cutout:
    """The same object as a cutout."""
    found = Cutout(id=name)
    for group_name, stack in images(of, **terms).items():
        group = of.group(group_name)
        for i, band in enumerate(group.bands):
            found.bands[band] = stack[..., i].copy()
            found.pixel_scales[band] = group.pixel_scale
            found.units[band] = of.unit
    return found


def planted_region(regions) -> int:
    """Position of the region that holds the planted signal."""
    sky = regions.sky
    column, row = (round(v / sky.scale + (sky.side - 1) / 2) for v in PLACE)
    return int(regions.labels[row, column]) - 1


def preset(folder, of) -> str:
    """A saved compact finder with random weights, for what needs a preset."""
    keras.utils.set_random_seed(4)
    arguments = {"widths": (4,), "units": 4}
    model = zoo.build("compact_finder", of, "finder", **arguments)
    zoo.adapt(model, [{name: stack[None] for name, stack in images(of).items()}])
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / "finder"
    zoo.save_preset(
        place,
        model,
        builder="compact_finder",
        arguments=arguments,
        task="finder",
        targets=None,
        contract=of,
        metrics={},
        card="For tests.",
    )
    return str(place)
