"""Fresh mocks straight into `model.fit`, with nothing on disk."""

import keras
import numpy as np

from lensfinder.errors import SimulationError


class MockDataset(keras.utils.PyDataset):
    """Batches of mocks and targets; batch k is the same in every process that asks for it.

    Parameters
    ----------
    simulator : Simulator
        What makes the mocks; its plane S1 is the input.
    targets : sequence of str
        Columns of the truth table: ``("label",)`` for a finder, lens parameters for a modeller.
    batch_size : int
        Objects per batch.
    batches : int
        Batches per epoch.
    start : int
        Number of the first object.
    **kwargs
        For `keras.utils.PyDataset`.

    Raises
    ------
    SimulationError
        If the simulator does not return plane S1.
    """

    def __init__(
        self, simulator, targets, *, batch_size: int, batches: int, start: int = 0, **kwargs
    ):
        super().__init__(**kwargs)
        if "S1" not in simulator.planes:
            raise SimulationError("Training needs the noisy plane. Add 'S1' to `planes`.")
        self.simulator, self.targets = simulator, tuple(targets)
        self.batch_size, self.batches, self.start = batch_size, batches, start

    def __len__(self):
        return self.batches

    def __getitem__(self, k):
        first = self.start + k * self.batch_size
        mocks = self.simulator.objects(np.arange(first, first + self.batch_size))
        return mocks.images, mocks.targets(self.targets)
