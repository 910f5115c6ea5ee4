"""How many of some objects are lenses, where each is one with a probability of its own."""

import numpy as np

CHUNK = 128  # objects whose distribution is worked out; more cost more, fewer need more draws


def chance_counts(probability, *, draws: int, rng) -> np.ndarray:
    """Draw the number of lenses among objects, without drawing a label for each.

    The number is Poisson-binomial. Its distribution is worked out exactly for some objects at a
    time, by one convolution per object, and their numbers are drawn from it and added: some
    hundred operations per object, where labels would take one per object and draw.

    Parameters
    ----------
    probability : array (N,)
        Of each object to be a lens.
    draws : int
        How many numbers to draw.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    array (draws,) of int
        Numbers of lenses.
    """
    p = np.asarray(probability, np.float64)
    p = np.pad(p, (0, -p.size % CHUNK)).reshape(-1, CHUNK)  # who is never a lens adds none
    mass = np.zeros((len(p), CHUNK + 1))
    mass[:, 0] = 1.0
    for column in p.T[:, :, None]:
        mass[:, 1:] = mass[:, 1:] * (1 - column) + mass[:, :-1] * column
        mass[:, :1] *= 1 - column
    counts = np.zeros(draws, int)
    for cumulative in np.cumsum(mass, axis=1):
        cumulative[-1] = 1.0  # which rounding may have left short of it
        counts += np.searchsorted(cumulative, rng.random(draws), side="right")
    return counts
