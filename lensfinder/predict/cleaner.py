"""The stage that cleans: one network, or a denoiser and the deblender it feeds."""

import numpy as np

from lensfinder.errors import STATUS, PresetError
from lensfinder.predict.cleaning import doubts, nothing_left
from lensfinder.predict.network import BATCH_SIZE, Answers, Network
from lensfinder.tables import clean_message
from lensfinder.zoo import fixed_predict
from lensfinder.zoo.presets import preset_table

CLEANER = "edsr-small/lsst-gri-10yr"


class Cleaner:
    """Makes noiseless images of the source of noisy blended ones.

    Parameters
    ----------
    preset : str, path, OwnNetwork or None
        The network; the cleaner that comes with lensfinder by default.
    denoiser : str, path, OwnNetwork or None
        For a deblender that was trained on noiseless images (modular training): the network that
        makes them.
    batch_size : int
        Objects per step.

    Attributes
    ----------
    network : Network
        The last one; its preset names the whole.
    first : Network
        The one that is shown the images.
    contract : InputContract
        What it must be fed.
    planes : tuple of str
        What it makes, in order.

    Raises
    ------
    PresetError
        If a preset is for another task, or the two do not go together; or there is none.
    UnknownNameError, UntrustedArtefactError
        If there is no such preset, or its files are not what they should be.
    """

    def __init__(self, preset=None, *, denoiser=None, batch_size: int = BATCH_SIZE):
        preset = default_cleaner() if preset is None else preset
        self.network = self.first = Network(preset, "cleaner", batch_size=batch_size)
        self.contract, self.planes = self.network.contract, tuple(self.network.preset.targets)
        self._second = None
        if denoiser is None:
            if self.network.plane != "S1":
                raise PresetError(
                    f"{self.network.preset.name} takes noiseless images ({self.network.plane}). "
                    "Give what makes them, too (denoiser=, --denoiser), or another cleaner."
                )
            return
        self.first = Network(denoiser, "cleaner", batch_size=batch_size)
        found = (tuple(self.first.preset.targets), self.planes)
        if found != (("S2",), ("S3",)) or self.first.contract != self.contract:
            raise PresetError(
                "A denoiser (S2) feeds a deblender (S3) that takes the same images. Received: "
                f"{found[0]} and {found[1]}. Leave the denoiser away for a network that makes both."
            )
        self.planes = ("S2", "S3")
        self._second = fixed_predict(
            self.network.keras_model, batch_size=self.network.batch_size, jit_compile=False
        )

    def __call__(self, chunk, **options) -> Answers:
        """Cleaned images of some objects.

        Parameters
        ----------
        chunk : list of Cutout
            The objects.
        **options : dict
            As of `Network.assembled`.

        Returns
        -------
        Answers
            As of `answers`.
        """
        return self.answers(self.first.assembled(chunk, **options))

    def answers(self, batch, *, noise=None, zoomed: float = 1.0) -> Answers:
        """Cleaned images of images that fit.

        Parameters
        ----------
        batch : CutoutBatch
            From `Network.assembled`.
        noise : array (N, bands) or None
            Scatter of the sky, if the images themselves no longer show it (`doubts`).
        zoomed : float
            How much the images were enlarged.

        Returns
        -------
        Answers
            Values (N, planes, H, W, bands). A row whose core is cut off at full well
            (``saturated``), or whose cleaned image has light that the given one has not got
            (``invented_light``), has no values. A deblender behind a denoiser of its own makes no
            pixel brighter than that left it. ``extra`` says where the last plane is ``dark``
            (`nothing_left`).
        """
        answers = self.first.answers(batch)
        ((group, given),) = answers.images.items()
        if self._second is not None:
            bad = answers.status != 0
            shown = np.where(bad[:, None, None, None], 0.0, answers.values[:, 0])
            second = np.array(self._second({group: shown}))
            second[bad] = np.nan
            # of light that adds up, a part is not more than the whole
            second = np.minimum(second, np.maximum(answers.values[:, -1:], 0.0))
            broken = ~bad & ~np.isfinite(second).all(axis=(1, 2, 3, 4))
            answers.status[broken] |= STATUS["no_score"]
            for row in np.flatnonzero(broken):
                answers.messages[row] = clean_message(STATUS.explain(STATUS["no_score"]))
            answers.values = np.concatenate([answers.values, second], axis=1)
        for row in np.flatnonzero(answers.status == 0):
            own = None if noise is None else noise[row]
            doubt, words = doubts(given[row], answers.values[row, -1], noise=own, zoomed=zoomed)
            if doubt:
                answers.status[row] |= STATUS[doubt]
                answers.messages[row] = words
        answers.values[answers.status != 0] = np.nan
        dark = np.zeros(len(given), bool)
        for row in np.flatnonzero(answers.status == 0):
            own = None if noise is None else noise[row]
            dark[row] = nothing_left(given[row], answers.values[row, -1], noise=own, zoomed=zoomed)
        answers.extra["dark"] = dark
        return answers


def default_cleaner() -> str:
    """The cleaner that comes with lensfinder.

    Returns
    -------
    str
        Name of the preset.

    Raises
    ------
    PresetError
        If none comes with it.
    """
    if CLEANER not in preset_table():
        raise PresetError(
            f"{CLEANER} does not come with this installation. Train one (`lensfinder train --zoo "
            "madireddy/joint-small-arcsinh -o runs/cleaner`), and give the folder of its preset "
            "(preset=, --preset, or --clean of `find` and `model`)."
        )
    return CLEANER
