"""The posterior of each lens, from one preset, from an ensemble of them, or from draws."""

import numpy as np

from lensfinder.errors import ArgumentError, PresetError
from lensfinder.posterior import Posterior
from lensfinder.zoo import Preset, fixed_predict, open_preset
from lensfinder.zoo.predict import BATCH_SIZE


def posterior_of_draws(draws, noise, targets) -> Posterior:
    """Posteriors of lenses from answers drawn by a network whose decoder has a fixed width.

    The mixture over draws, of codes (`lensfinder.zoo.vib.predict_draws`) or of the last layer's
    weights (`lensfinder.zoo.posterior_samples`), of the Gaussians that the loss assumed: its
    likelihood averaged over what the network does not know (Madireddy et al. 2022, section 3.3).

    Parameters
    ----------
    draws : array (S, N, P)
        Answers, in the targets' units.
    noise : array (P,)
        Standard deviations of the decoder, in the same units: the ``noise`` of a recipe's
        ``gaussian_decoder`` times the range of each target.
    targets : sequence of str
        The P parameters.

    Returns
    -------
    Posterior
        Of N lenses, with S equal components.

    Raises
    ------
    ArgumentError
        If the shapes do not fit, or a width is not positive.
    """
    draws, noise = np.asarray(draws, np.float64), np.asarray(noise, np.float64)
    fits = draws.ndim == 3 and len(draws) and noise.shape == (draws.shape[-1],) == (len(targets),)
    if not fits or not (noise > 0).all():
        raise ArgumentError(
            f"Draws (S, N, {len(targets)}) and one positive width for each of {tuple(targets)} "
            f"make a posterior. Received: draws {draws.shape}, noise {noise}."
        )
    weights = np.full(draws.shape[:2], 1.0 / len(draws))
    factors = np.broadcast_to(np.diag(noise), (*draws.shape, len(targets)))
    return Posterior(tuple(targets), weights, draws, factors)


def posterior_of(presets, images, *, batch_size: int = BATCH_SIZE) -> Posterior:
    """Posteriors of lenses in memory.

    Parameters
    ----------
    presets : str, Path, Preset, or sequence of them
        A modeller with a posterior; or several, such as those of all folds, whose answers are
        mixed: what they disagree on is then part of the spread.
    images : dict of str to array (N, H, W, bands)
        One array per group, in the contract's unit, row 0 at the bottom.
    batch_size : int
        Objects per step.

    Returns
    -------
    Posterior
        Of N lenses; its `distribution` is one of TensorFlow Probability.

    Raises
    ------
    PresetError
        If a preset has no posterior, or the members of an ensemble predict different targets.
    UnknownNameError, UntrustedArtefactError
        If there is no such preset, or its files are not what they should be.
    MissingBandError, StampShapeError
        If the images do not fit.
    """
    given = presets if isinstance(presets, list | tuple) else [presets]
    members = [each if isinstance(each, Preset) else open_preset(each) for each in given]
    targets = {member.targets for member in members}
    if len(targets) != 1:
        raise PresetError(
            f"Members of an ensemble predict the same targets. Received: {sorted(targets)}."
        )
    posteriors = []
    for member in members:
        predict = fixed_predict(member.load(), batch_size=batch_size)
        posteriors.append(Posterior.of(predict(images), member.targets))
    return posteriors[0] if len(posteriors) == 1 else Posterior.mixture(posteriors)
