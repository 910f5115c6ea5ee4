"""LIME (Ribeiro et al. 2016) on the regions of the sky; the regression is the lime package's own.

Random halves of the regions are switched off, and a linear model of the probability is fitted
around the whole object: the nearer a perturbed object is to the whole one, the more it counts. A
region's weight is by how much p_lens rises with it.
"""

import numpy as np
from lime.lime_base import LimeBase

from lensfinder.explain.switches import Switches

SAMPLES = 1_000
KERNEL_WIDTH = 0.25  # of cosine distance, that of lime's image explainer
STATES_STREAM = 2  # which random numbers of a seed decide on the regions
FLAT = 1e-6  # float32 probabilities resolve no smaller change


def kernel(distance) -> np.ndarray:
    """How much a perturbed object counts, as in lime's image explainer.

    Parameters
    ----------
    distance : array (N,)
        Cosine distances from the whole object.

    Returns
    -------
    array (N,)
        From 1 to 0.
    """
    return np.sqrt(np.exp(-(np.asarray(distance) ** 2) / KERNEL_WIDTH**2))


def draw_states(count: int, samples: int, *, seed: int) -> np.ndarray:
    """Which regions are kept.

    Parameters
    ----------
    count : int
        Number of regions.
    samples : int
        Number of perturbed objects, the whole one included.
    seed : int
        Seed.

    Returns
    -------
    array (samples, count) of int
        1 for kept; the first row keeps all.
    """
    states = np.random.default_rng([seed, STATES_STREAM]).integers(0, 2, (samples, count))
    states[0] = 1
    return states


def lime_weights(switches: Switches, *, samples: int = SAMPLES, seed: int = 0):
    """Weights of the regions by LIME.

    Parameters
    ----------
    switches : Switches
        The object and the network.
    samples : int
        Number of perturbed objects.
    seed : int
        Seed.

    Returns
    -------
    weights : array (count,)
        Change of p_lens by each region.
    r2 : float
        Weighted R^2 of the linear model; NaN if p_lens does not change at all.
    """
    states = draw_states(switches.regions.count, samples, seed=seed)
    scores = switches.score_states(states, switches.filling(seed))
    if np.ptp(scores) <= FLAT:
        return np.zeros(switches.regions.count), float("nan")
    # cosine distance of a row of zeros and ones from ones only; a row of zeros is at right angles
    distances = 1.0 - np.sqrt(states.mean(axis=1))
    base = LimeBase(kernel, random_state=seed)
    _, found, r2, _ = base.explain_instance_with_data(
        states, scores[:, None], distances, 0, switches.regions.count, feature_selection="none"
    )
    weights = np.zeros(switches.regions.count)
    for region, weight in found:
        weights[region] = weight
    return weights, float(r2)
