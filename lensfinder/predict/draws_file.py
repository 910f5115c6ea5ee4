"""Draws from the posteriors of a run, gathered row by row and written as one file."""

from pathlib import Path

import numpy as np

from lensfinder.errors import ArgumentError, PresetError
from lensfinder.posterior import Posterior, has_posterior
from lensfinder.tables import refuse_existing, write_atomically

DRAWS = 500  # per lens


class DrawsFile:
    """Gathers draws of every lens, for `delays` and `export`.

    The columns of a table hold what is known of each parameter by itself; draws hold how they
    hang together. The file has an array (N, draws) of float32 for each target, and the ids. All
    draws are held until it is written: 6 kB a lens by default, twice that at the end.

    Parameters
    ----------
    path : path
        File to write, ``.npz``.
    network : Network, Ensemble or Chain
        What answers.
    draws : int
        Per lens.
    seed : int
        Row i draws from (seed, i), whatever the batch size.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    ArgumentError
        If the name does not end in .npz, or draws or seed cannot be.
    PresetError
        If the network has no posterior.
    OutputExistsError
        If the file exists and may not be replaced.
    """

    def __init__(self, path, network, *, draws: int = DRAWS, seed: int = 0, overwrite=False):
        self.path, self._targets = Path(path), network.preset.targets
        if self.path.suffix != ".npz":
            raise ArgumentError(
                f"Draws are written as .npz. Received: {self.path.name!r}. End the name in it."
            )
        if draws < 1 or seed < 0:
            raise ArgumentError(
                "Draws are one or more, and their seed is not negative. "
                f"Received: {draws} and {seed}."
            )
        if not has_posterior(np.empty((0, network.outputs)), self._targets):
            raise PresetError(
                f"{network.preset.name} answers without a posterior, so there is nothing to draw "
                "from. Take a modeller whose table has columns such as theta_E_std."
            )
        refuse_existing(self.path, overwrite)
        self._draws, self._seed, self._parts, self._count = draws, seed, [], 0

    def add(self, answers) -> None:
        """Draw from the posteriors of the next rows.

        Parameters
        ----------
        answers : Answers
            Of the network; a row without an answer gets NaN.
        """
        found = Posterior.of(answers.values, self._targets)
        part = np.full((len(found), self._draws, len(self._targets)), np.nan, np.float32)
        for i in np.flatnonzero(np.isfinite(answers.values).all(axis=1)):
            rng = np.random.default_rng([self._seed, self._count + int(i)])
            part[i] = found.rows([i]).sample(self._draws, rng=rng)[:, 0]
        self._parts.append(part)
        self._count += len(part)

    def write(self, ids) -> None:
        """Write the file: whole, or not at all.

        Parameters
        ----------
        ids : sequence of str
            Of the rows, in order.
        """
        empty = np.empty((0, self._draws, len(self._targets)), np.float32)
        draws = np.concatenate([empty, *self._parts])
        arrays = {name: draws[:, :, k] for k, name in enumerate(self._targets)}
        arrays["id"] = np.asarray(ids, dtype="U")
        write_atomically(self.path, lambda place: np.savez(place, **arrays))
