"""The posterior of each lens, from one preset or from an ensemble of them."""

from lensfinder.posterior import Posterior
from lensfinder.predict.ensemble import check_members
from lensfinder.zoo import Preset, fixed_predict, open_preset
from lensfinder.zoo.predict import BATCH_SIZE


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
        If a preset has no posterior, none is given, or the members of an ensemble predict different
        targets.
    UnknownNameError, UntrustedArtefactError
        If there is no such preset, or its files are not what they should be.
    MissingBandError, StampShapeError
        If the images do not fit.
    """
    given = presets if isinstance(presets, list | tuple) else [presets]
    members = [each if isinstance(each, Preset) else open_preset(each) for each in given]
    check_members([member.name for member in members], [member.targets for member in members])
    posteriors = []
    for member in members:
        predict = fixed_predict(member.load(), batch_size=batch_size)
        posteriors.append(Posterior.of(predict(images), member.targets))
    return posteriors[0] if len(posteriors) == 1 else Posterior.mixture(posteriors)
