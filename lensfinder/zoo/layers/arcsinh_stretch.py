"""A stretch that is linear in the noise and logarithmic in the light."""

from typing import final

import keras
from keras import ops

from lensfinder.errors import ArchitectureError
from lensfinder.zoo.layers.adapted import AdaptedLayer

_LARGEST = 40.0  # of what sinh is taken: 1e17 sigma; float32 ends at exp(88)


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class ArcsinhStretch(AdaptedLayer):
    """Per band, arcsinh((image - sky) / (softening sigma)), scaled to about 1 at bright pixels.

    Faint arcs beside a core a thousand times brighter keep a few tenths of the output range, where
    a linear scale leaves them a thousandth (the idea of Lupton et al. 2004). Nothing is clipped,
    and fluxes can be recovered: the map is one to one, and called with ``inverse=True`` the layer
    is the way back. Called with ``onto=image`` it adds its input, in units of softening times
    sigma, to an image: a step of the size of the noise, wherever the light is.

    `adapt` sets, per band and from the pixels of all images, ``sky`` = median, ``sigma`` = median
    minus the 15.87 percentile (the noise side of the distribution, which light in the stamp hardly
    moves), and ``top`` = the stretched 99.9 percentile that becomes 1. Before `adapt` they are 0, 1
    and 1.

    Parameters
    ----------
    softening : float
        Where the map turns from linear to logarithmic, in units of sigma.
    group : str or None
        Group whose images pass through, for `lensfinder.zoo.adapt`.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ArchitectureError
        If the softening is not positive.
    """

    def __init__(self, softening: float = 1.0, *, group: str | None = None, **options):
        super().__init__(**options)
        if not softening > 0:
            raise ArchitectureError(f"The softening must be positive. Received: {softening}.")
        self.softening, self.group = float(softening), group

    def build(self, input_shape):
        shape = (input_shape[-1],)
        for name, start in (("sky", "zeros"), ("sigma", "ones"), ("top", "ones")):
            weight = self.add_weight(name=name, shape=shape, initializer=start, trainable=False)
            setattr(self, name, weight)
        self.built = True

    def finish_adapt(self) -> None:
        sky, sigma = self.sky_and_sigma()
        self.sky.assign(sky)
        self.sigma.assign(sigma)
        top = ops.arcsinh((self._sketch.percentile(99.9) - sky) / (self.softening * sigma))
        self.top.assign(ops.where(top > 0, top, ops.ones_like(top)))

    def call(self, inputs, inverse=False, onto=None):
        if onto is not None:
            return onto + inputs * (self.softening * self.sigma)
        if inverse:
            stretched = ops.clip(ops.cast(inputs, "float32") * self.top, -_LARGEST, _LARGEST)
            return ops.sinh(stretched) * (self.softening * self.sigma) + self.sky
        return ops.arcsinh((inputs - self.sky) / (self.softening * self.sigma)) / self.top

    def get_config(self):
        return {**super().get_config(), "softening": self.softening, "group": self.group}
