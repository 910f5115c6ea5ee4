"""Modellers that answer together: what they disagree on is part of the answer's spread."""

from dataclasses import dataclass

import numpy as np

from lensfinder.errors import PresetError
from lensfinder.posterior import has_posterior
from lensfinder.predict.network import Answering, Answers, Network
from lensfinder.zoo.predict import BATCH_SIZE


@dataclass(frozen=True)
class Members:
    """What stands for several presets where one is named.

    Attributes
    ----------
    name : str
        Of all of them, separated by " + ".
    targets : tuple of str
        What they predict.
    task : str
        "modeller".
    metrics : None
        Nobody has measured them together.
    """

    name: str
    targets: tuple[str, ...]
    task: str = "modeller"
    metrics: None = None


class Ensemble(Answering):
    """What answers like a `Network`, with the mixture of its members' posteriors.

    The scatter of the members' means is what their training leaves open (epistemic); the mean of
    their covariances what the images leave open (Lakshminarayanan et al. 2017, section 2.4).

    Parameters
    ----------
    names : sequence of str, path or Preset
        Modellers with posteriors, such as those of all folds of a cross-validation
        (`lensfinder.training.fold_presets`).
    batch_size : int
        Objects per step.

    Attributes
    ----------
    members : list of Network
        The modellers.
    preset : Members
        Their names and targets.
    contract, batch_size
        Those of all of them.
    keras_model : keras.Model
        The first member's: pages show what it saw, and of bottlenecks it is the one that says
        whether an image is unlike the training data.
    outputs : int
        Numbers per image.
    calibration : None
        Limits are those of one network, and so none of the ensemble.

    Raises
    ------
    PresetError
        If a preset is named twice, is no modeller, has no posterior, or differs from the first in
        what it takes or predicts.
    UnknownNameError, UntrustedArtefactError
        If there is no such preset, or its files are not what they should be.
    """

    calibration = None

    def __init__(self, names, *, batch_size: int = BATCH_SIZE):
        self.members = [Network(name, "modeller", batch_size=batch_size) for name in names]
        titles = [str(member.preset.name) for member in self.members]
        both = list(zip(self.members, titles, strict=True))
        places = {str(getattr(member.preset, "folder", title)) for member, title in both}
        if len(places) < len(titles):
            raise PresetError(
                f"A preset is named twice. An ensemble is of different ones: {titles}."
            )
        for member, title in both:
            if not has_posterior(np.empty((0, member.outputs)), member.preset.targets):
                raise PresetError(
                    f"{title} gives values without a posterior, so it cannot be mixed with others. "
                    "Take modellers whose `components` is not 0."
                )
        targets = [member.preset.targets for member in self.members]
        check_members(titles, targets, [member.contract for member in self.members])
        planes = {title: member.plane for member, title in both}
        if len(set(planes.values())) > 1:
            raise PresetError(f"Members of an ensemble read one plane. Received: {planes}.")
        first = self.members[0]
        self.preset = Members(" + ".join(titles), first.preset.targets)
        self.contract, self.batch_size = first.contract, first.batch_size
        self.keras_model = first.keras_model
        targets = len(self.preset.targets)
        self.outputs = targets + sum(member.outputs - targets for member in self.members)

    def assembled(self, cutouts, *, resample: bool = False, fitting=None, to_clean=False):
        """What the networks are to be shown of some objects; as `Network`."""
        how = {"resample": resample, "fitting": fitting, "to_clean": to_clean}
        return self.members[0].assembled(cutouts, **how)

    def answers(self, batch) -> Answers:
        """The members' answers as one posterior: their mean, and the components of all.

        Parameters
        ----------
        batch : CutoutBatch
            From `assembled`.

        Returns
        -------
        Answers
            One row per object; where a member has no answer, none is given.
        """
        found = [member.answers(batch) for member in self.members]
        targets = len(self.preset.targets)
        parts = [np.mean([each.values[:, :targets] for each in found], axis=0)]
        for member, each in zip(self.members, found, strict=True):
            components = each.values[:, targets:].copy()
            # the weight is the first number of every component, and those of a member sum to 1
            components[:, :: self._length(member)] /= len(found)
            parts.append(components)
        status = np.bitwise_or.reduce([each.status for each in found])
        values = np.concatenate(parts, axis=1).astype(np.float32)
        values[status != 0] = np.nan
        messages = [next(filter(None, said), "") for said in zip(*(e.messages for e in found))]
        return Answers(batch.images, values, status, messages)

    def facts(self) -> dict:
        """What a table's metadata says about the networks."""
        return self.members[0].facts() | {"preset": self.preset.name}

    def _length(self, member) -> int:
        """Numbers of one component: weight, means, and a triangle of the covariance's factor."""
        targets = len(self.preset.targets)
        return 1 + targets + targets * (targets + 1) // 2


def check_members(titles, targets, contracts=None) -> None:
    """Raise an error unless networks can answer together.

    Parameters
    ----------
    titles : sequence of str
        Names of the networks.
    targets : sequence of tuple of str
        What each predicts.
    contracts : sequence of InputContract or None
        What each takes; None where they are all shown the same images whatever these are, as those
        that a caller holds in memory.

    Raises
    ------
    PresetError
        If one differs from the first, or there is none.
    """
    if not titles:
        raise PresetError("Name a modeller. `lensfinder models list` shows what there is.")
    taken = [None] * len(titles) if contracts is None else list(contracts)

    def words(number):
        contract = taken[number]
        shown = "" if contract is None else f"{contract.shapes} of {contract.survey}, "
        return f"{titles[number]}: {shown}{targets[number]}"

    for number in range(1, len(titles)):
        if targets[number] != targets[0] or taken[number] != taken[0]:
            same = "" if contracts is None else "take the same images and "
            raise PresetError(
                f"Members of an ensemble {same}predict the same targets. {words(0)}; "
                f"{words(number)}."
            )


def modeller_of(preset, *, batch_size: int = BATCH_SIZE):
    """The modeller that one name, or the ensemble that several, stand for.

    Parameters
    ----------
    preset : str, path, Preset or OwnNetwork, or sequence of them
        One or more; a network of one's own stands alone.
    batch_size : int
        Objects per step.

    Returns
    -------
    Network or Ensemble
        Ready to answer.

    Raises
    ------
    PresetError
        As for `Network` and `Ensemble`.
    """
    names = list(preset) if isinstance(preset, list | tuple) else [preset]
    if len(names) == 1:
        return Network(names[0], "modeller", batch_size=batch_size)
    return Ensemble(names, batch_size=batch_size)
