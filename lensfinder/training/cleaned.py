"""Mocks as a cleaner leaves them: what a network behind it is validated and measured on."""

import functools

from lensfinder.errors import PresetError
from lensfinder.zoo import fixed_predict, open_preset

SOURCE = "S3"
BATCH_SIZE = 16  # convolutions over whole stamps: more at once is no faster


class CleaningStage:
    """A cleaner's source plane of noisy images, and nothing else.

    It refuses nothing: `find` gives no answer about an object whose cleaned image is dark or has
    light of its own (`lensfinder.predict.Cleaner`), figures measured behind this stage have one.

    Parameters
    ----------
    name_or_path : str or Path
        The cleaner.

    Attributes
    ----------
    preset : Preset
        The same, open.

    Raises
    ------
    PresetError
        If it is no cleaner, or makes no sources.
    UnknownNameError, UntrustedArtefactError
        If there is no such preset, or its files are not what they should be.
    """

    def __init__(self, name_or_path):
        self.preset = open_preset(name_or_path)
        if self.preset.task != "cleaner" or SOURCE not in self.preset.targets:
            raise PresetError(
                f"{self.preset.name} makes no sources alone ({SOURCE}): it is a "
                f"{self.preset.task}. Give a cleaner, such as edsr-small/lsst-gri-10yr."
            )
        self._column = list(self.preset.targets).index(SOURCE)
        self._predict = fixed_predict(self.preset.load(), batch_size=BATCH_SIZE)

    def check(self, contract) -> None:
        """Say so if its images are not those of a network.

        Parameters
        ----------
        contract : InputContract
            Of the network behind it.

        Raises
        ------
        PresetError
            If they are not.
        """
        if self.preset.contract != contract:
            ours = self.preset.contract
            raise PresetError(
                f"The cleaner {self.preset.name} makes images of {ours.shapes} for {ours.survey}, "
                f"the network behind it takes {contract.shapes} for {contract.survey}. Give "
                "networks of one input contract."
            )

    def __call__(self, images) -> dict:
        """The sources on some images.

        Parameters
        ----------
        images : dict of str to array (N, H, W, bands)
            As they were observed.

        Returns
        -------
        dict of str to array (N, H, W, bands)
            Cleaned.
        """
        ((group, _),) = images.items()
        return {group: self._predict(images)[:, self._column]}


@functools.lru_cache(maxsize=2)
def _stage(place: str, fingerprint: str) -> CleaningStage:
    return CleaningStage(place)


def stage_of(name_or_path) -> CleaningStage:
    """A cleaner by name or folder; the one that was opened last is not read again.

    Parameters
    ----------
    name_or_path : str or Path
        The cleaner.

    Returns
    -------
    CleaningStage
        The stage.

    Raises
    ------
    PresetError, UnknownNameError, UntrustedArtefactError
        As of `CleaningStage`.
    """
    return _stage(str(name_or_path), open_preset(name_or_path).fingerprint)


def simulated_plane(plane: str, cleaner) -> str:
    """The plane to simulate, of which another is to be made.

    Parameters
    ----------
    plane : {"S1", "S2", "S3"}
        What the network is shown.
    cleaner : str, Path or None
        What makes it; None for the true one.

    Returns
    -------
    str
        The noisy one (S1) if there is a cleaner.

    Raises
    ------
    PresetError
        If the network is not one of cleaned images.
    """
    if cleaner is None:
        return plane
    if plane != SOURCE:
        raise PresetError(
            "A cleaner goes before a network of cleaned images (plane S3). Received: one that was "
            f"trained on images as they are ({plane}). Leave the cleaner away."
        )
    return "S1"
