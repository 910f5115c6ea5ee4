"""A network with stages before it: a mask, a cleaner; and a second look at another scale."""

from dataclasses import replace

import numpy as np

from lensfinder.data import CutoutBatch
from lensfinder.data.blobs import ZOOM, blob_mask, masked, zoom
from lensfinder.data.scatter import lower_scatter
from lensfinder.errors import FRONT_STATUS, STATUS, PresetError
from lensfinder.predict.cleaned_files import CleanedFiles
from lensfinder.predict.network import Answers, Network
from lensfinder.predict.rarity import Rarity
from lensfinder.training.cleaned import refuse_other_images


class Chain:
    """What answers like a `Network`, from images that were masked and cleaned before.

    Madireddy et al., section 5.1: a circular mask, the cleaner, the network; if the finder sees no
    lens, the same again with the centre of the image enlarged.

    Parameters
    ----------
    network : Network
        What answers in the end.
    cleaner : Cleaner or None
        What it is shown the sources of; none, for the images themselves.
    mask_blobs : bool
        Whether everything but the source in the middle is replaced by sky first.
    multi_scale : bool
        Whether the centre of the image is looked at too, enlarged; for finders.
    files : CleanedFiles or None
        Where the cleaned images are written, if they are wanted.
    overwrite : bool
        Whether those may replace files.

    Attributes
    ----------
    preset, contract, batch_size, keras_model, outputs, calibration
        Those of the network. Its images are the cleaner's.

    Raises
    ------
    PresetError
        If the cleaner's images are not what the network takes, or a network that is no finder
        should look at two scales.
    """

    def __init__(
        self,
        network: Network,
        *,
        cleaner=None,
        mask_blobs: bool = False,
        multi_scale: bool = False,
        files: CleanedFiles | None = None,
        overwrite: bool = False,
    ):
        self.network, self.cleaner, self.files = network, cleaner, files
        self.mask_blobs, self.multi_scale = mask_blobs, multi_scale
        self.preset, self.contract = network.preset, network.contract
        self.batch_size, self.keras_model = network.batch_size, network.keras_model
        self.outputs, self.calibration = network.outputs, network.calibration
        self._overwrite = overwrite
        self._rarity = Rarity.of(network.keras_model)
        if multi_scale and self.preset.task != "finder":
            raise PresetError(
                f"{self.preset.name} is a {self.preset.task}, whose answers change with the scale. "
                "Look at two scales with a finder only."
            )
        if cleaner is not None:
            refuse_other_images(cleaner.network.preset.name, cleaner.contract, self.contract)

    def __call__(self, cutouts, *, resample: bool = False, fitting=None) -> Answers:
        """Answers for some objects.

        Parameters
        ----------
        cutouts : list of Cutout
            The objects.
        resample : bool
            Whether images of another pixel scale are resampled.
        fitting : Fitting or None
            What else is done to make images fit.

        Returns
        -------
        Answers
            One row per cutout, with what the last network was shown. ``extra`` holds
            ``front_status``, bits of `FRONT_STATUS`; with a mask ``mask_radius``, arcsec; and at
            two scales ``p_lens_stamp`` and ``p_lens_zoom``, of which the larger is the answer, so
            that an object is a lens if it is one at either scale.
        """
        batch = self.network.assembled(
            cutouts, resample=resample, fitting=fitting, to_clean=self.cleaner is not None
        )
        return self.answers(batch, cutouts)

    def answers(self, batch: CutoutBatch, cutouts=None) -> Answers:
        """Answers about images that fit.

        Parameters
        ----------
        batch : CutoutBatch
            From `Network.assembled`.
        cutouts : list of Cutout or None
            The same objects, after which the files of cleaned images are named; none, for none.

        Returns
        -------
        Answers
            As of a call.
        """
        extra = {"front_status": np.zeros(len(batch), np.int64)}
        noise = self._noise(batch)
        if self.mask_blobs:
            batch, extra["front_status"], extra["mask_radius"] = self._masked(batch)
        answers, cleaned = self._through(batch, noise)
        if self.files is not None and cutouts is not None:
            self.files.write(cutouts, cleaned, overwrite=self._overwrite)
        extra["front_status"] |= self._unlike_training(answers)
        if self.multi_scale:
            centres = {name: zoom(images) for name, images in batch.images.items()}
            again, _ = self._through(replace(batch, images=centres), noise, zoomed=1.0 / ZOOM)
            first, second = answers.values[:, 0].copy(), again.values[:, 0]
            second = np.where(answers.status == 0, second, np.nan).astype(np.float32)
            blind = (answers.status == 0) & ~np.isfinite(second)
            extra["front_status"] |= blind * FRONT_STATUS["no_second_look"]
            extra |= {"p_lens_stamp": first, "p_lens_zoom": second}
            answers.values = np.fmax(first, second)[:, None]
        answers.extra = answers.extra | extra
        return answers

    def facts(self) -> dict:
        """What a table's metadata says about the network and the stages before it."""
        found = self.network.facts()
        if self.cleaner is not None:
            found["cleaner"] = self.cleaner.network.facts()
        return found | {"mask_blobs": self.mask_blobs, "multi_scale": self.multi_scale}

    def _masked(self, batch: CutoutBatch):
        """Images with sky outside the circles, what is doubtful about these, and their radii."""
        status = np.zeros(len(batch), np.int64)
        radius = np.full(len(batch), np.nan, np.float32)
        images = {name: array.copy() for name, array in batch.images.items()}
        for row in np.flatnonzero(batch.ok):
            for group in self.contract.groups:
                stamp = images[group.name][row]
                found = blob_mask(stamp)
                images[group.name][row] = masked(stamp, found.inside)
                status[row] |= found.status
                radius[row] = np.fmax(radius[row], found.radius * group.pixel_scale)
        return replace(batch, images=images), status, radius

    def _noise(self, batch: CutoutBatch):
        """Scatter of the sky per row and band, before anything is masked; for the cleaner."""
        if self.cleaner is None:
            return None
        ((_, images),) = batch.images.items()
        noise = np.ones((len(images), images.shape[-1]))
        for row in np.flatnonzero(batch.ok):
            noise[row] = [lower_scatter(images[row, ..., band]) for band in range(images.shape[-1])]
        return noise

    def _through(self, batch: CutoutBatch, noise, *, zoomed: float = 1.0):
        """The answers, and what the cleaner made on the way."""
        if self.cleaner is None:
            return self.network.answers(batch), None
        cleaned = self.cleaner.answers(batch, noise=noise, zoomed=zoomed)
        ((group, _),) = cleaned.images.items()
        dark, messages = cleaned.extra["dark"], list(cleaned.messages)
        for row in np.flatnonzero(dark):  # a cleaned image all the same, but nothing to judge
            messages[row] = STATUS.explain(STATUS["nothing_left"])
        status = cleaned.status | dark * STATUS["nothing_left"]
        good = status == 0
        sources = np.where(good[:, None, None, None], cleaned.values[:, -1], np.float32(0))
        shown = replace(batch, images={group: sources}, status=status, messages=messages)
        return self.network.answers(shown), cleaned

    def _unlike_training(self, answers: Answers) -> np.ndarray:
        if self._rarity is None:
            return np.zeros(len(answers.status), np.int64)
        rare = self._rarity(answers.images) & (answers.status == 0)
        return rare * FRONT_STATUS["unlike_training"]
