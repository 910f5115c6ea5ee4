"""Compiled programs of fixed shape: one compilation, any number of calls."""

import math

import keras
import numpy as np

from lensfinder.simulate.observe import Observer
from lensfinder.simulate.render import Renderer
from lensfinder.simulate.scene import unpack

CHUNK = 64  # objects per call of a program


def jit_compile() -> bool:
    """Whether XLA is used: everywhere but on PyTorch. It helps elementwise physics."""
    return keras.backend.backend() != "torch"


class RenderProgram:
    """Draws scenes, `CHUNK` at a time; compiled anew for each layout of components.

    Parameters
    ----------
    survey : Survey
        For the renderer.
    sampling : Sampling
        For the renderer.
    """

    def __init__(self, survey, sampling):
        self.renderer = Renderer(survey, sampling, name="renderer")
        self._models = {}

    def __call__(self, scene):
        """Draw a scene of any number of objects.

        Parameters
        ----------
        scene : Scene
            The objects.

        Returns
        -------
        source, rest : dicts of str to array (N, H, W, bands)
            Plane S3, and everything that is not the source, per group.
        """
        parts = []
        for start in range(0, len(scene), CHUNK):
            rows = np.arange(start, min(start + CHUNK, len(scene)))
            images = self._model(scene).predict_on_batch(scene.take(rows).padded(CHUNK).packed())
            parts.append({name: np.asarray(image)[: len(rows)] for name, image in images.items()})
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        groups = [group.name for group in self.renderer.survey.groups]
        return tuple({g: joined[f"{kind}/{g}"] for g in groups} for kind in ("source", "rest"))

    def _model(self, scene):
        shapes = scene.shapes()
        key = tuple(shapes.values())
        if key not in self._models:
            size = sum(math.prod(shape) for shape in shapes.values())
            packed = keras.Input(batch_shape=(CHUNK, size), name="scene")
            model = keras.Model(packed, _Packed(self.renderer, shapes)(packed))
            model.compile(jit_compile=jit_compile())
            self._models[key] = model
        return self._models[key]


class _Packed(keras.layers.Layer):
    """A renderer fed with one array per batch."""

    def __init__(self, renderer, shapes):
        super().__init__()
        self.renderer, self.shapes = renderer, shapes

    def call(self, packed):
        return self.renderer(unpack(packed, self.shapes))


class NoiseProgram:
    """Observes noiseless images, `CHUNK` at a time.

    Parameters
    ----------
    survey : Survey
        Whose noise.
    """

    def __init__(self, survey):
        images = {
            group.name: keras.Input(batch_shape=(CHUNK, *group.shape), name=group.name)
            for group in survey.groups
        }
        keys = keras.Input(batch_shape=(CHUNK, 2), dtype="int32", name="keys")
        self._model = keras.Model({**images, "keys": keys}, Observer(survey)(images, keys))
        self._model.compile(jit_compile=jit_compile())

    def __call__(self, images, keys):
        """Observe any number of objects.

        Parameters
        ----------
        images : dict of str to array (N, H, W, bands)
            Noiseless, electron/s.
        keys : array of int32 (N, 2)
            From `random.object_keys`.

        Returns
        -------
        dict of str to array (N, H, W, bands)
            Noisy.
        """
        parts = []
        for start in range(0, len(keys), CHUNK):
            rows = np.minimum(np.arange(start, start + CHUNK), len(keys) - 1)
            batch = {name: image[rows] for name, image in images.items()}
            noisy = self._model.predict_on_batch({**batch, "keys": keys[rows]})
            count = min(CHUNK, len(keys) - start)
            parts.append({name: np.asarray(image)[:count] for name, image in noisy.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in images}
