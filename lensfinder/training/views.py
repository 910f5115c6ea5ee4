"""Objects turned and mirrored while they are trained on, and the truth about them with them.

The sky has no preferred direction: a lens turned by a quarter, or in a mirror, is another lens, and
its e1, e2 and positions turn with it. The views are those of `lensfinder.zoo.layers.dihedral`, over
which a network can also average when it predicts.
"""

import numpy as np

from lensfinder.zoo.layers.dihedral import VIEWS, turned_back


class Views:
    """One of its eight views of each object: a quarter turn, or none, as it is or mirrored.

    No pixel moves between two others, so that noise stays what it is. A PSF that is not round turns
    with the objects, which no telescope would show.

    Parameters
    ----------
    targets : sequence of str
        What the truth is, in order; none for classes, which stay, and planes, which turn as the
        images do.

    Raises
    ------
    ArchitectureError
        If it is not known how a target turns.
    """

    def __init__(self, targets=()):
        # each is orthogonal: its transpose takes the parameters of an image to those of the view,
        # and rows of parameters are multiplied from the left
        back = [turned_back(targets, *which) for which in VIEWS] if targets else []
        self._turn = np.stack(back) if back else None

    def __call__(self, images, y, rng):
        """A view of each object, drawn at random.

        Parameters
        ----------
        images : dict of str to array (N, H, H, bands)
            The objects, row 0 at the bottom; all groups of one are turned alike.
        y : array (N, P) or (N, P, H, H, bands)
            Their truth.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        images : dict of str to array (N, H, H, bands)
            Of the views.
        y : array (N, P) or (N, P, H, H, bands)
            What is true of them.
        """
        which = rng.integers(len(VIEWS), size=len(y))
        turned = {name: np.empty_like(array) for name, array in images.items()}
        truth = np.array(y)
        for number, (turns, mirrored) in enumerate(VIEWS):
            rows = np.flatnonzero(which == number)
            for name, array in images.items():
                turned[name][rows] = view_of(array[rows], turns, mirrored)
            if y.ndim > 2:
                truth[rows] = view_of(y[rows], turns, mirrored)
        if y.ndim == 2 and self._turn is not None:
            truth = np.einsum("np,npq->nq", y, self._turn[which]).astype(y.dtype)
        return turned, truth


def view_of(images, turns: int, mirrored: bool) -> np.ndarray:
    """One of the eight views: `lensfinder.zoo.layers.dihedral.view`, in NumPy.

    Parameters
    ----------
    images : array (..., H, H, bands)
        Row 0 at the bottom, +x right.
    turns : int
        Quarter turns, counter-clockwise, 0 to 3.
    mirrored : bool
        Whether x changes sign first.

    Returns
    -------
    array (..., H, H, bands)
        The view; it may share memory with `images`.
    """
    if mirrored:
        images = images[..., ::-1, :]
    return np.rot90(images, turns, axes=(-2, -3))
