"""Mock lenses and what is mistaken for them: population -> trace -> observe, in batches.

`Simulator` is the door: ``Simulator("euclid-vis", "pearson2019-test", seed=1).objects(range(8))``.
"""

from lensfinder.simulate.dataset import MockDataset
from lensfinder.simulate.mocks import Mocks
from lensfinder.simulate.render import FAST, STANDARD, Renderer, Sampling
from lensfinder.simulate.run import simulate
from lensfinder.simulate.scene import Scene
from lensfinder.simulate.simulator import Simulator
from lensfinder.simulate.sources import SourceLibrary

__all__ = [
    "FAST",
    "STANDARD",
    "MockDataset",
    "Mocks",
    "Renderer",
    "Sampling",
    "Scene",
    "Simulator",
    "SourceLibrary",
    "simulate",
]
