"""Mocks as a cleaner leaves them: what a network behind it is validated and measured on."""

import functools

from lensfinder.errors import DatasetSpecError, PresetError
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
        if self.preset.config.plane != "S1":
            raise PresetError(
                f"{self.preset.name} takes noiseless images ({self.preset.config.plane}), not "
                "noisy ones. Give a cleaner that makes sources of these."
            )
        self._column = list(self.preset.targets).index(SOURCE)
        self._predict = fixed_predict(self.preset.load(), batch_size=BATCH_SIZE)

    def check(self, contract, held=None) -> None:
        """Say so if its images are not those of a network, or it has seen the mocks.

        Parameters
        ----------
        contract : InputContract
            Of the network behind it.
        held : Held, MockSample or None
            Mocks that it is to clean.

        Raises
        ------
        PresetError
            If it makes other images.
        DatasetSpecError
            If it was trained on mocks of the same seed and population: it may know the answers.
        """
        trained = self.preset.metrics.get("training", {}).get("recipe", {}).get("data", {})
        seen = (trained.get("seed"), trained.get("population"))
        if held is not None and seen == (held.seed, str(held.population)):
            raise DatasetSpecError(
                f"{self.preset.name} was trained on mocks of seed {held.seed} of "
                f"{held.population}, and would clean what it has seen. Take another seed."
            )
        refuse_other_images(self.preset.name, self.preset.contract, contract)

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


def stage_of(name_or_path) -> CleaningStage | None:
    """A cleaner by name or folder; one of the last two is not loaded again unless it changed.

    Parameters
    ----------
    name_or_path : str, Path or None
        The cleaner.

    Returns
    -------
    CleaningStage or None
        The stage; None for None.

    Raises
    ------
    PresetError, UnknownNameError, UntrustedArtefactError
        As of `CleaningStage`.
    """
    if name_or_path is None:
        return None
    return _stage(str(name_or_path), open_preset(name_or_path).fingerprint)


def check_stages(recipe) -> str | None:
    """Open the cleaners of a recipe's validation and test, before anything is trained.

    Parameters
    ----------
    recipe : Recipe
        The recipe.

    Returns
    -------
    str or None
        Fingerprint of the cleaner of `validation`, which chooses the best epoch.

    Raises
    ------
    PresetError, UnknownNameError, UntrustedArtefactError, DatasetSpecError
        As of `CleaningStage` and its `check`.
    """
    for held in (recipe.test, recipe.validation):
        stage = None if held is None else stage_of(held.cleaner)
        if stage is not None:
            stage.check(recipe.contract(), held)
    return None if stage is None else stage.preset.fingerprint


def refuse_other_images(cleaner: str, made, taken) -> None:
    """Refuse a cleaner whose images are not those of the network behind it.

    Parameters
    ----------
    cleaner : str
        Its name.
    made, taken : InputContract
        Of the cleaner, and of the network.

    Raises
    ------
    PresetError
        If they differ.
    """
    if made != taken:
        raise PresetError(
            f"The cleaner {cleaner} makes images of {made.shapes} for {made.survey}, the network "
            f"behind it takes {taken.shapes} for {taken.survey}. Give networks of one input "
            "contract."
        )
