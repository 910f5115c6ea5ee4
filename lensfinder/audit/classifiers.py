"""Who calls a reconstruction: a trained preset, any function, or where the light is traced to."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lensfinder.audit.opinion import Opinion, weighed
from lensfinder.errors import ArgumentError, PresetError, UnknownNameError
from lensfinder.inversion.frame import classifier_inputs
from lensfinder.inversion.relation import SOLUTIONS
from lensfinder.zoo import fixed_predict, open_preset
from lensfinder.zoo.forked_classifier import solution_probabilities

PRESET = "forked/euclid-vis"
PARITY = "parity"  # the name of the classifier that needs no weights
GROUPS = ("source", "residual")
SIZE = 64  # pixels along each side of the images, where no preset says otherwise
TASK = "auditor"


@dataclass(frozen=True)
class Classifier:
    """Calls reconstructions under-magnified, correct or over-magnified.

    Attributes
    ----------
    name : str
        Of the preset or function; ``parity`` for none.
    size : int
        Pixels along each side of the images it is shown.
    predict : callable or None
        From images {``source``, ``residual``: (N, size, size, 1)} to (N, 3): under, correct, over.
        None for the opinion by parity.
    fingerprint : str
        Of its weights, where it is a preset: an interrupted audit does not go on with others.
    """

    name: str
    size: int = SIZE
    predict: Callable | None = None
    fingerprint: str = ""

    def images(self, inversion) -> dict[str, np.ndarray]:
        """What it is shown of an inversion: two images (size, size, 1)."""
        return classifier_inputs(inversion, size=self.size)

    def __call__(self, images, opinion: Opinion | None) -> np.ndarray:
        """Probabilities of a reconstruction.

        Parameters
        ----------
        images : dict of str to array (size, size, 1)
            What `images` gives.
        opinion : Opinion or None
            Of the parity; None where the image or the mass is not known. A network's answer is
            weighed with it (`lensfinder.audit.opinion.weighed`).

        Returns
        -------
        array (3,)
            Of under, correct and over; they sum to 1.

        Raises
        ------
        ArgumentError
            If there is neither a network nor an opinion, or the network answers something else.
        """
        if self.predict is None:
            if opinion is None:
                raise ArgumentError(
                    "The parity of the light needs the image and the mass model. "
                    f"Give both, or a network (--classifier {PRESET})."
                )
            return opinion.probabilities
        answer = np.asarray(self.predict({name: images[name][None] for name in GROUPS}), np.float64)
        good = answer.shape == (1, len(SOLUTIONS)) and np.isfinite(answer).all()
        if not good or answer.min() < 0 or answer.max() > 1:
            raise ArgumentError(
                f"The classifier {self.name!r} must answer three probabilities per reconstruction, "
                f"of {', '.join(SOLUTIONS)}. Received: {answer.tolist()}. Correct it."
            )
        answer = solution_probabilities(answer)[0]
        return answer if opinion is None else weighed(answer, opinion)


def classifier_of(given=PRESET) -> Classifier:
    """A classifier from what a user names.

    Parameters
    ----------
    given : str, path, callable or Classifier
        A preset or its folder, ``"parity"``, or a function from images {``source``, ``residual``:
        (N, 64, 64, 1)} to (N, 3).

    Returns
    -------
    Classifier
        Ready to answer.

    Raises
    ------
    PresetError
        If the preset is not there, or is for another task.
    """
    if isinstance(given, Classifier):
        return given
    if callable(given):
        return Classifier(getattr(given, "__name__", type(given).__name__), predict=given)
    if str(given) == PARITY:
        return Classifier(PARITY)
    try:
        preset = open_preset(given)
    except UnknownNameError as error:
        raise PresetError(
            f"There is no preset {str(given)!r} to tell reconstructions apart. Train it with "
            "`lensfinder train forked-euclid-vis`, name the folder of one, or do without a network "
            f"(--classifier {PARITY})."
        ) from error
    shapes = preset.contract.shapes
    if preset.task != TASK or set(shapes) != set(GROUPS):
        raise PresetError(
            f"The preset {preset.name!r} is a {preset.task} of {', '.join(shapes)}. Expected an "
            f"{TASK} of {' and '.join(GROUPS)}: `lensfinder models list` shows what there is.",
            expected=TASK,
            received=preset.task,
        )
    network = fixed_predict(preset.load(), batch_size=1, jit_compile=False)
    return Classifier(str(preset.name), shapes["source"][0], network, preset.fingerprint)
