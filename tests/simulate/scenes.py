"""Scenes to try a renderer on."""

import keras
import numpy as np

from lensfinder.simulate.scene import Scene


def random_lenses(rng, count, *, bands=1, width=5.7):
    """SIE, shear and two Sérsic profiles; as hard as the issue asks, and a little harder."""
    scene = Scene.empty(count, bands, lens=1, source=1)
    gamma, angle = rng.uniform(0, 0.1, count), rng.uniform(0, 2 * np.pi, count)
    theta_E = rng.uniform(0.12, 0.35, count) * width
    scene.mass[:] = np.stack(
        [
            theta_E,
            rng.uniform(0.2, 1, count),
            rng.uniform(0, np.pi, count),
            *rng.normal(0, 0.1, (2, count)),
            gamma * np.cos(angle),
            gamma * np.sin(angle),
        ],
        axis=1,
    )

    def light(x, y, smallest, largest):
        shape = (x, y, rng.uniform(smallest, largest, count), rng.uniform(0.5, 6, count))
        return np.stack([*shape, rng.uniform(0.2, 1, count), rng.uniform(0, np.pi, count)], axis=1)

    scene.lens[:, 0] = light(scene.mass[:, 3], scene.mass[:, 4], 0.3, 1.5)
    scene.source[:, 0] = light(*rng.normal(0, 0.2, (2, count)), 0.05, 0.5)
    scene.lens_flux[:, 0] = rng.uniform(10, 100, (count, bands))
    scene.source_flux[:, 0] = rng.uniform(2, 20, (count, bands))
    return scene


def one_galaxy(*, flux=10.0, bands=1, kind="field", **shape):
    """A single Sérsic profile, unlensed unless `kind` is ``source`` and a mass is added."""
    scene = Scene.empty(1, bands, **{kind: 1})
    terms = {"x": 0.0, "y": 0.0, "R_e": 0.5, "n": 1.0, "q": 1.0, "phi": 0.0} | shape
    getattr(scene, kind)[0, 0] = list(terms.values())
    getattr(scene, f"{kind}_flux")[0, 0] = flux
    return scene


def drawn(renderer, scene):
    """Images of a scene as NumPy arrays: {"source/<group>": (N, H, W, bands), "rest/...": ...}."""
    arrays = {name: keras.ops.convert_to_tensor(a) for name, a in scene.arrays().items()}
    return {
        name: keras.ops.convert_to_numpy(image).astype(np.float64)
        for name, image in renderer(arrays).items()
    }


def centroid(image, scale):
    """Flux-weighted mean position, arcsec."""
    y, x = (np.arange(side) - (side - 1) / 2 for side in image.shape)
    total = image.sum()
    return scale * (image.sum(0) * x).sum() / total, scale * (image.sum(1) * y).sum() / total
