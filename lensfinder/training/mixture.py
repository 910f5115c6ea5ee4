"""Several sources of training data as one: each batch holds objects of every part."""

from dataclasses import dataclass

import numpy as np

from lensfinder.errors import DatasetSpecError
from lensfinder.training.sources import Batch, Source


@dataclass(frozen=True)
class MixtureSource:
    """The parts' batches, joined; as much a pure function of (epoch, step) as the parts are.

    Attributes
    ----------
    parts : tuple of Source
        Each with a batch size of its own.
    """

    parts: tuple[Source, ...]

    def fingerprint(self) -> dict:
        """What must be the same for an interrupted training to be continued.

        Returns
        -------
        dict
            The fingerprints of the parts that have one, by position.
        """
        return {
            str(k): part.fingerprint()
            for k, part in enumerate(self.parts)
            if hasattr(part, "fingerprint")
        }

    def batches(self, epoch, first, last):
        """Batches by position.

        Parameters
        ----------
        epoch, first, last : int
            Batches `first` to `last` (excluded) of an epoch, all counted from 0.

        Yields
        ------
        Batch
            In order; within a batch, part after part.

        Raises
        ------
        DatasetSpecError
            If the parts do not show the same groups, sizes and bands.
        """
        for batches in zip(*(part.batches(epoch, first, last) for part in self.parts), strict=True):
            yield _joined(batches)


def _joined(batches) -> Batch:
    shapes = [
        {name: array.shape[1:] for name, array in sorted(batch.images.items())} for batch in batches
    ]
    if any(shape != shapes[0] for shape in shapes):
        raise DatasetSpecError(
            f"The parts of a mixture must show the same groups. Received: {shapes}. "
            "Simulate them for one survey."
        )
    return Batch(
        images={
            name: np.concatenate([batch.images[name] for batch in batches]) for name in shapes[0]
        },
        y=np.concatenate([batch.y for batch in batches]),
        ids=tuple(f"part {k}: {name}" for k, batch in enumerate(batches) for name in batch.ids),
    )
