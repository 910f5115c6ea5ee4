"""One object with parts of its sky switched off, scored in batches."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from lensfinder.explain.background import Fill, fill_images
from lensfinder.explain.regions import Regions

FILL_STREAM = 1  # which random numbers of a seed the noise of the fill is made of


@dataclass(frozen=True)
class Switches:
    """One object, and a network that is asked about it.

    All groups are switched at once: what is off, is off at every wavelength and resolution.

    Attributes
    ----------
    predict : FixedPredict
        The network, `lensfinder.zoo.fixed_predict`; its batch size is the one used here.
    images : dict of str to array (H, W, bands)
        The object, e-/s.
    regions : Regions
        Division of its sky.
    fill : Fill
        What is put where the sky is off.
    """

    predict: Callable
    images: dict[str, np.ndarray]
    regions: Regions
    fill: Fill = Fill.GALAXY

    def filling(self, seed: int) -> dict[str, np.ndarray]:
        """The object with everything switched off.

        Parameters
        ----------
        seed : int
            For the noise of the sky.

        Returns
        -------
        dict of str to array (H, W, bands)
            One array per group.
        """
        rng = np.random.default_rng([seed, FILL_STREAM])
        return fill_images(self.images, self.regions.sky.contract, fill=self.fill, rng=rng)

    def score(self, kept: Iterator[dict], filling) -> np.ndarray:
        """Probabilities with parts of the sky kept.

        Parameters
        ----------
        kept : iterable of dict of str to array (n, H, W)
            Which fraction of every pixel is kept, batch by batch.
        filling : dict of str to array (H, W, bands)
            What the rest becomes.

        Returns
        -------
        array (N,) of float64
            p_lens for each, in order.
        """
        scores = [np.zeros(0)]
        for batch in kept:
            mixed = {
                name: filling[name] + part[..., None] * (self.images[name] - filling[name])
                for name, part in batch.items()
            }
            scores.append(np.asarray(self.predict(mixed)[:, 0], np.float64))
        return np.concatenate(scores)

    def score_states(self, states, filling) -> np.ndarray:
        """Probabilities with regions kept or off.

        Parameters
        ----------
        states : array (N, count)
            1 where a region is kept, 0 where it is off.
        filling : dict of str to array (H, W, bands)
            What the regions that are off become.

        Returns
        -------
        array (N,) of float64
            p_lens for each row.
        """
        coverage = self.regions.coverage
        shapes = self.regions.sky.contract.shapes

        def kept():
            for start in range(0, len(states), self.predict.batch_size):
                some = np.asarray(states[start : start + self.predict.batch_size], np.float32)
                yield {
                    name: (some @ coverage[name].T).reshape(-1, *shapes[name][:2])
                    for name in coverage
                }

        return self.score(kept(), filling)
