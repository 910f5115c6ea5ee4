"""Objects turned and mirrored while they are trained on, and the truth about them with them."""

import numpy as np
from keras import ops

from lensfinder.zoo.layers.dihedral import VIEWS, turned_back, view


class Views:
    """One of its eight views of each object: a quarter turn, or none, as it is or mirrored.

    No pixel moves between two others, so that noise stays what it is.

    Parameters
    ----------
    targets : sequence of str
        What the truth is, in order; ``("p_lens",)`` for what does not turn.

    Raises
    ------
    ArchitectureError
        If it is not known how a target turns.
    """

    def __init__(self, targets):
        back = [turned_back(targets, *which) for which in VIEWS]
        # each is orthogonal: its transpose takes the parameters of an image to those of the view,
        # and rows of parameters are multiplied from the left
        self._turn = np.stack(back)

    def __call__(self, images, y, rng):
        """A view of each object, drawn at random.

        Parameters
        ----------
        images : dict of str to array (N, H, H, bands)
            The objects, row 0 at the bottom; all groups of one are turned alike.
        y : array (N, P)
            Their truth.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        images : dict of str to array (N, H, H, bands)
            Of the views.
        y : array (N, P)
            What is true of them.
        """
        which = rng.integers(len(VIEWS), size=len(y))
        turned = {name: np.empty_like(array) for name, array in images.items()}
        for number, (turns, mirrored) in enumerate(VIEWS):
            rows = np.flatnonzero(which == number)
            if not rows.size:
                continue
            for name, array in images.items():
                seen = view(ops.convert_to_tensor(array[rows]), turns, mirrored)
                turned[name][rows] = ops.convert_to_numpy(seen)
        truth = np.einsum("np,npq->nq", y, self._turn[which]).astype(y.dtype)
        return turned, truth
