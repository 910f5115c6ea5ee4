"""A preset that answers: images of a batch in, one row of numbers per image out."""

from dataclasses import dataclass, field

import numpy as np

from lensfinder.data import Cutout, CutoutBatch, assemble
from lensfinder.errors import STATUS, ArgumentError, PresetError
from lensfinder.predict.fitting import Fitting
from lensfinder.predict.own import OwnNetwork
from lensfinder.tables import clean_message
from lensfinder.zoo import Preset, fixed_predict, open_preset
from lensfinder.zoo.features import with_log_odds
from lensfinder.zoo.predict import BATCH_SIZE

CLEAN_FIRST = "clean it first (find, model, explain: --clean), or say so with --assume-plane"
SEEN = "seen"  # of `Answers.extra`: what a modeller's features add to the log odds of its doubt


@dataclass
class Answers:
    """What a network said about one batch of objects.

    Attributes
    ----------
    images : dict of str to array (N, H, W, bands)
        What it was shown, in the contract's unit; zeros for rows with a problem.
    values : array (N, outputs) or (N, planes, H, W, bands) float32
        Its answers; NaN for rows with a problem.
    status : array (N,) int
        Bits of `STATUS`.
    messages : list of str
        What is wrong with a row, in words; empty if nothing is.
    extra : dict of str to array (N,)
        Further numbers of each row, such as those of a front end.
    """

    images: dict[str, np.ndarray]
    values: np.ndarray
    status: np.ndarray
    messages: list[str]
    extra: dict[str, np.ndarray] = field(default_factory=dict)


class Answering:
    """What answers about cutouts in two steps: they are made to fit, then it looks at them."""

    def __call__(
        self, cutouts: list[Cutout], *, resample: bool = False, fitting: Fitting | None = None
    ) -> Answers:
        """Answers for some objects; a bad one neither raises nor changes the others.

        Parameters
        ----------
        cutouts : list of Cutout
            The objects.
        resample : bool
            Whether images of another pixel scale are resampled to the network's.
        fitting : Fitting or None
            What else is done to make images fit.

        Returns
        -------
        Answers
            One row per cutout.
        """
        return self.answers(self.assembled(cutouts, resample=resample, fitting=fitting))


class Network(Answering):
    """A preset that is loaded and ready to answer at a fixed batch size.

    Parameters
    ----------
    name : str, path, Preset or OwnNetwork
        Preset, or folder of one; or a Keras model of the user's own.
    task : str
        What the preset must be for: ``"finder"``, ``"modeller"`` or ``"cleaner"``.
    batch_size : int
        Objects per step.

    Raises
    ------
    PresetError
        If the preset is for another task.
    UnknownNameError, UntrustedArtefactError
        If there is no such preset, or its files are not what they should be.

    Attributes
    ----------
    preset : Preset or OwnNetwork
        What it is.
    contract : InputContract
        What it takes.
    batch_size : int
        Objects per step.
    keras_model : keras.Model
        The network itself.
    outputs : int
        Of a network without planes, numbers per image.
    calibration : Calibration or None
        What its preset says of its answers.
    plane : {"S1", "S2", "S3"}
        What it was trained on: images as they are, without noise, or the source alone.
    """

    def __init__(self, name, task: str, *, batch_size: int = BATCH_SIZE):
        if int(batch_size) != batch_size or batch_size < 1:
            raise ArgumentError(
                f"The batch size must be a whole number > 0. Received: {batch_size}."
            )
        opened = isinstance(name, OwnNetwork | Preset)
        self.preset = name if opened else open_preset(name)
        if self.preset.task != task:
            raise PresetError(
                f"The preset {self.preset.name!r} is a {self.preset.task}. Expected a {task}: "
                "`lensfinder models list` shows what there is.",
                expected=task,
                received=self.preset.task,
            )
        self.contract = self.preset.contract
        self.batch_size = int(batch_size)
        self.keras_model = self.preset.load()
        self.outputs = self.keras_model.output_shape[-1]
        self.calibration = self.preset.config.calibration
        self.plane = self.preset.config.plane
        # XLA is off on purpose: on a GPU it moves scores by 1e-2, and thresholds with them
        doubt = getattr(self.calibration, "doubt", None)
        self._seen = doubt is not None and bool(doubt.of_features)
        self._predict = fixed_predict(
            with_log_odds(self.keras_model, doubt.of_features) if self._seen else self.keras_model,
            batch_size=self.batch_size,
            jit_compile=False,
        )

    def assembled(
        self,
        cutouts: list[Cutout],
        *,
        resample: bool = False,
        fitting: Fitting | None = None,
        to_clean: bool = False,
    ) -> CutoutBatch:
        """What the network is to be shown of some objects.

        Parameters
        ----------
        cutouts : list of Cutout
            The objects.
        resample : bool
            Whether images of another pixel scale are resampled to the network's.
        fitting : Fitting or None
            What else is done to make images fit.
        to_clean : bool
            Whether they will be cleaned yet.

        Returns
        -------
        CutoutBatch
            One row per cutout. A network that was trained on cleaned images takes no others: they
            look like nothing it knows, and it answers all the same. Nor is a cleaned image cleaned
            again.
        """
        fitting = fitting or Fitting()
        batch = assemble(cutouts, self.contract, resample=resample, **fitting.arguments())
        to_clean = to_clean or (self.preset.task == "cleaner" and self.plane == "S1")
        if self.plane == "S1" and not to_clean:
            return batch
        assumed = None if fitting.assume is None else fitting.assume.plane
        for row in np.flatnonzero(batch.ok):
            stated = cutouts[row].meta.get("plane") or assumed
            if to_clean:
                if stated in (None, "S1"):
                    continue
                status, words = "already_cleaned", f"this is {stated}, a cleaned image already"
            elif stated != self.plane:
                status, words = "not_cleaned", f"{self.preset.name} reads the plane {self.plane}, "
                words += f"and this is {stated or 'not said to be one'}: {CLEAN_FIRST}"
            elif cutouts[row].meta.get("dark"):
                status, words = "nothing_left", STATUS.explain(STATUS["nothing_left"])
            else:
                continue
            batch.status[row] |= STATUS[status]
            batch.messages[row] = clean_message(words)
            for images in batch.images.values():
                images[row] = 0.0
        return batch

    def answers(self, batch: CutoutBatch) -> Answers:
        """Answers about images that fit; a row with a problem keeps it, and gets no answer.

        Parameters
        ----------
        batch : CutoutBatch
            From `assembled`, or images that were made from those.

        Returns
        -------
        Answers
            One row per object.
        """
        status = np.array(batch.status, np.int64)
        values = np.array(self._predict(batch.images), np.float32)  # a copy we may write to
        messages = [clean_message(text) for text in batch.messages]
        finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
        broken = (status == 0) & ~finite
        status[broken] |= STATUS["no_score"]
        values[status != 0] = np.nan
        for row in np.flatnonzero(status):
            messages[row] = messages[row] or clean_message(STATUS.explain(status[row]))
        if not self._seen:
            return Answers(batch.images, values, status, messages)
        extra = {SEEN: values[:, -1].copy()}
        return Answers(batch.images, values[:, :-1], status, messages, extra)

    def of_arrays(self, images) -> Answers:
        """Answers about stamps in memory.

        Parameters
        ----------
        images : dict of str to array (N, H, W, bands)
            One array per group, in the contract's unit, row 0 at the bottom.

        Returns
        -------
        Answers
            One row per object.

        Raises
        ------
        MissingBandError, StampShapeError
            If the arrays do not fit.
        """
        count = len(next(iter(images.values()), ()))
        empty = [""] * count
        return self.answers(CutoutBatch(empty, images, np.zeros(count, np.int64), empty))

    def facts(self) -> dict:
        """What a table's metadata says about the network."""
        return {
            "preset": str(self.preset.name),
            "contract": self.contract.model_dump(mode="json"),
        }


@dataclass
class Rows:
    """Columns that grow batch by batch.

    Attributes
    ----------
    ids, messages : list of str
        Of every row so far.
    status, values : list of array
        One array per batch: bits of `STATUS` (N,), and answers (N, outputs).
    extra : dict of str to list of array
        Further numbers, one array per batch; every batch has the same.
    """

    ids: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    status: list[np.ndarray] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)
    extra: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def add(self, cutouts, answers) -> int:
        """Append a batch.

        Parameters
        ----------
        cutouts : list of Cutout
            Its objects.
        answers : Answers
            What was said about them.

        Returns
        -------
        int
            Number of its first row.
        """
        first = len(self.ids)
        self.ids += [cutout.id for cutout in cutouts]
        self.messages += answers.messages
        self.status.append(answers.status)
        self.values.append(answers.values)
        for name, numbers in answers.extra.items():
            self.extra.setdefault(name, []).append(numbers)
        return first

    def numbers(self, name: str) -> np.ndarray:
        """One of the further columns.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        array (N,)
            Of every row; empty for a table without rows.
        """
        parts = self.extra.get(name)
        return np.concatenate(parts) if parts else np.zeros(len(self.ids), np.float32)

    def columns(self, outputs: int) -> tuple[dict, np.ndarray]:
        """The columns that every table has, and the answers.

        Parameters
        ----------
        outputs : int
            Answers per row, for a table without rows.

        Returns
        -------
        columns : dict
            id, status and message.
        values : array (N, outputs) float32
            Answers.
        """
        status = np.concatenate([np.zeros(0, np.int64), *self.status])
        values = np.concatenate([np.zeros((0, outputs), np.float32), *self.values])
        return {
            "id": self.ids,
            "status": [STATUS.decode(bits) for bits in status],
            "message": self.messages,
        }, values
