"""A Keras model of the user's own in the place of a preset: any stage of a chain can be one."""

from dataclasses import dataclass, field

from lensfinder.errors import ArgumentError, PresetError
from lensfinder.specs import InputContract


@dataclass(frozen=True)
class _Facts:
    """What a preset's configuration would say."""

    calibration: None = None
    plane: str = "S1"


@dataclass(frozen=True)
class OwnNetwork:
    """A Keras model, and what a preset would say about it.

    Give it wherever a verb takes a preset: ``find(images, preset=OwnNetwork(...))``.

    Attributes
    ----------
    keras_model : keras.Model
        Takes {group: (N, H, W, bands)} as the contract says; a finder gives (N, 1) probabilities, a
        modeller (N, targets) in physical units, a cleaner (N, planes, H, W, bands).
    task : {"finder", "modeller", "cleaner"}
        What it is for.
    contract : InputContract
        What it must be fed.
    targets : tuple of str
        What a modeller predicts, or the planes ("S2", "S3") that a cleaner makes.
    name : str
        How tables and pages call it.
    metrics : dict
        What was measured on it, if anything.
    config : object
        What a preset's configuration would say; a model of one's own has no calibration apart.
    """

    keras_model: object
    task: str
    contract: InputContract
    targets: tuple[str, ...] = ("p_lens",)
    name: str = "own"
    metrics: dict = field(default_factory=dict)
    config: _Facts = field(default=_Facts(), repr=False)

    def __post_init__(self):
        if self.task not in ("finder", "modeller", "cleaner"):
            raise ArgumentError(
                f"A network is a finder, a modeller or a cleaner. Received: {self.task!r}."
            )
        tensors = getattr(self.keras_model, "inputs", None) or ()
        taken = {tensor.name: tuple(tensor.shape[1:]) for tensor in tensors}
        if taken != self.contract.shapes:
            raise PresetError(
                f"The contract is for inputs {self.contract.shapes}. The model takes {taken}. Name "
                "its inputs after the groups, and give them their shapes.",
                expected=self.contract.shapes,
                received=taken,
            )
        given = tuple(self.keras_model.output_shape[1:])
        if given != self._wanted():
            raise PresetError(
                f"A {self.task} of {', '.join(self.targets)} gives {self._wanted()} per object. "
                f"The model gives {given}. Change its last layer, or the targets.",
                expected=self._wanted(),
                received=given,
            )

    def __str__(self):
        return f"<{self.name}>"  # in the command line that a table records

    def _wanted(self) -> tuple[int, ...]:
        if self.task != "cleaner":
            return (len(self.targets),)
        (shape,) = list(self.contract.shapes.values())[:1]
        return (len(self.targets), *shape)

    def load(self):
        """The model.

        Returns
        -------
        keras.Model
            As it was given.
        """
        return self.keras_model
