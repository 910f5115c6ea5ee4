"""A linear scale of pixel values, per band, that can be undone."""

from typing import final

import keras
from keras import ops

from lensfinder.zoo.layers.adapted import AdaptedLayer


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class BandScale(AdaptedLayer):
    """Per band, (image - sky) / span; called with ``inverse=True``, the way back.

    Linear, so that a network between the two answers in the unit of its input and fluxes stay sums
    of pixels. `adapt` sets, per band and from the pixels of all images, ``sky`` = median and
    ``span`` = 99.9 percentile minus median: bright pixels come out near 1. Before `adapt` they are
    0 and 1.

    Parameters
    ----------
    group : str or None
        Group whose images pass through, for `lensfinder.zoo.adapt`.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(self, *, group: str | None = None, **options):
        super().__init__(**options)
        self.group = group

    def build(self, input_shape):
        shape = (input_shape[-1],)
        for name, start in (("sky", "zeros"), ("span", "ones")):
            weight = self.add_weight(name=name, shape=shape, initializer=start, trainable=False)
            setattr(self, name, weight)
        self.built = True

    def finish_adapt(self) -> None:
        sky = self._sketch.percentile(50.0)
        span = self._sketch.percentile(99.9) - sky
        span[span <= 0] = 1.0  # a constant band: any scale will do
        self.sky.assign(sky)
        self.span.assign(span)

    def call(self, inputs, inverse=False):
        if inverse:
            return inputs * self.span + self.sky
        return (ops.cast(inputs, self.compute_dtype) - self.sky) / self.span

    def get_config(self):
        return {**super().get_config(), "group": self.group}
