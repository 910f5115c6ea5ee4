"""Preprocessing layers whose constants are learnt from the images, once, before training."""

import abc

import keras
import numpy as np

from lensfinder.errors import DatasetSpecError
from lensfinder.zoo.layers.quantiles import QuantileSketch
from lensfinder.zoo.layers.to_branches import ToBranches


class AdaptedLayer(keras.layers.Layer, abc.ABC):
    """A per-band map of pixel values with constants from the pixel distribution of the whole band.

    `adapt` works like that of `keras.layers.Normalization`: it looks at images once and sets
    non-trainable weights, which are then saved with the model. An unadapted layer keeps the
    initial values that its class documents.

    Parameters
    ----------
    **options : dict
        Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(self, **options):
        options.setdefault("trainable", False)
        super().__init__(**options)
        self._sketch = None

    @abc.abstractmethod
    def finish_adapt(self) -> None:
        """Set the weights from the pixels counted so far."""

    def begin_adapt(self, bands: int) -> None:
        """Forget pixels counted before, and get ready to count.

        Parameters
        ----------
        bands : int
            Number of bands.
        """
        self._sketch = QuantileSketch(bands)

    def update_adapt(self, images) -> None:
        """Count the pixels of a batch.

        Parameters
        ----------
        images : array (N, H, W, bands)
            A batch of images.
        """
        self._sketch.update(_to_numpy(images))

    def sky_and_sigma(self):
        """Median of the pixels counted so far, and how far the 15.87 percentile lies below it.

        Returns
        -------
        sky, sigma : array (bands,)
            The noise side of the distribution, which light in the stamp hardly moves.
        """
        sky = self._sketch.percentile(50.0)
        sigma = sky - self._sketch.percentile(15.87)
        sigma[sigma <= 0] = 1.0  # a constant band: any scale will do
        return sky, sigma

    def adapt(self, data) -> None:
        """Set the weights from images.

        Parameters
        ----------
        data : array (N, H, W, bands) or iterable of such arrays
            The images, at once or in batches (a list, a generator, a dataset).
        """
        batches = [data] if hasattr(data, "shape") else data
        started = False
        for batch in batches:
            if not started:
                bands = int(batch.shape[-1])
                if not self.built:
                    self.build((None, None, None, bands))
                self.begin_adapt(bands)
                started = True
            self.update_adapt(batch)
        if not started:
            raise DatasetSpecError("`adapt` needs at least one image. Received an empty dataset.")
        self.finish_adapt()

    def compute_output_shape(self, input_shape):
        return input_shape


def adapt(model, batches, *, limit: int = 4096) -> int:
    """Adapt every preprocessing layer of a model in one pass over some images.

    Parameters
    ----------
    model : keras.Model
        A model of the zoo; its adapted layers carry the name of their group.
    batches : iterable
        Dictionaries {group: images (N, H, W, bands)}, or tuples that begin with one.
    limit : int
        Stop after this many objects. 4,096 stamps of 57 x 57 are 13 million pixels: the 99.9th
        percentile then rests on 13,000 of them.

    Returns
    -------
    int
        Number of objects seen (0 if the model has nothing to adapt).

    Raises
    ------
    DatasetSpecError
        If a group is missing in a batch, or there is no batch.
    """
    layers = [
        layer
        for layer in model.layers
        if isinstance(layer, AdaptedLayer) and layer.group is not None
    ]
    groups = {layer.group for layer in layers}
    if not layers:
        return 0
    # what stands between the inputs and the layers, in a network adapted from another survey
    between = [layer for layer in model.layers if isinstance(layer, ToBranches)]
    seen = 0
    for batch in batches:
        images = batch[0] if isinstance(batch, (tuple, list)) else batch
        for layer in between:
            if isinstance(images, dict) and set(layer.contract.shapes) <= set(images):
                images = layer(images)
        if not isinstance(images, dict) or not groups <= set(images):
            received = sorted(images) if isinstance(images, dict) else type(images).__name__
            raise DatasetSpecError(
                f"Each batch must hold the groups {sorted(groups)}. Received: {received}."
            )
        for layer in layers:
            if seen == 0:
                layer.begin_adapt(int(images[layer.group].shape[-1]))
            layer.update_adapt(images[layer.group])
        seen += int(images[layers[0].group].shape[0])
        if seen >= limit:
            break
    if seen == 0:
        raise DatasetSpecError("`adapt` needs at least one image. Received no batch.")
    for layer in layers:
        layer.finish_adapt()
    return seen


def _to_numpy(images):
    if isinstance(images, np.ndarray):
        return images
    # tensors of tf.data are not of the running backend when that is JAX: both speak numpy
    return keras.ops.convert_to_numpy(images) if keras.ops.is_tensor(images) else np.asarray(images)
