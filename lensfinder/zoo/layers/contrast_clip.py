"""Contrast clipping of Bom et al. 2022, section 2.2."""

from typing import final

import keras
from keras import ops

from lensfinder.errors import ArchitectureError
from lensfinder.zoo.layers.adapted import AdaptedLayer

# scheme -> (percentile of the inverted band for the lower bound, percentile for the upper bound)
_SCHEMES = {"challenge": (99.9, 98.0), "alternative": (99.9, 99.0), "none": None}


@final
@keras.saving.register_keras_serializable(package="lensfinder")
class ContrastClip(AdaptedLayer):
    """Clip each band between two percentiles of the *whole band's* pixels, then scale to [0, 1].

    Schemes (Bom et al. 2022, section 2.2): ``"challenge"``: lower bound = -1 x the 99.9 percentile
    of the inverted band, upper bound = the 98 percentile; ``"alternative"``: lower 0.1, upper 99
    percentile; ``"none"``: images pass unchanged. The 99.9 percentile of the inverted band is minus
    the 0.1 percentile, so the two schemes differ in their upper bound only.

    Bounds are non-trainable weights set by `adapt`; percentiles come from a `QuantileSketch`
    (within 0.1 % of a pixel of that rank, whatever the order of the images). Before `adapt` the
    bounds are 0 and 1. A constant band becomes all zeros.

    Parameters
    ----------
    scheme : {"challenge", "alternative", "none"}
        Which percentiles.
    upper_percentile : float or None
        Another percentile for the upper bound, in (50, 100). The schemes' were made for stamps of
        200 pixels, most of which are sky: on the middle of such stamps the same percentile lies
        many times higher.
    group : str or None
        Group whose images pass through, for `lensfinder.zoo.adapt`.
    **options : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ArchitectureError
        If the scheme is unknown, or another percentile cannot be the upper bound's.
    """

    def __init__(
        self,
        scheme: str = "alternative",
        *,
        upper_percentile: float | None = None,
        group: str | None = None,
        **options,
    ):
        super().__init__(**options)
        if scheme not in _SCHEMES:
            raise ArchitectureError(
                f"Expected a scheme among {', '.join(_SCHEMES)}. Received: {scheme!r}."
            )
        if upper_percentile is not None and (scheme == "none" or not 50 < upper_percentile < 100):
            raise ArchitectureError(
                "The upper bound of a scheme that clips is a percentile between 50 and 100. "
                f"Received: {upper_percentile} for the scheme {scheme!r}."
            )
        self.scheme, self.upper_percentile, self.group = scheme, upper_percentile, group

    def build(self, input_shape):
        if self.scheme != "none":
            shape = (input_shape[-1],)
            self.lower = self.add_weight(
                name="lower", shape=shape, initializer="zeros", trainable=False
            )
            self.upper = self.add_weight(
                name="upper", shape=shape, initializer="ones", trainable=False
            )
        self.built = True

    def finish_adapt(self) -> None:
        if self.scheme == "none":
            return
        inverted, upper = _SCHEMES[self.scheme]
        # percentile p of -x is minus percentile 100 - p of x
        self.lower.assign(self._sketch.percentile(100.0 - inverted))
        self.upper.assign(self._sketch.percentile(self.upper_percentile or upper))

    def call(self, inputs):
        if self.scheme == "none":
            return inputs
        width = self.upper - self.lower
        safe = ops.where(width > 0, width, ops.ones_like(width))
        clipped = ops.minimum(ops.maximum(inputs, self.lower), self.upper)
        return (clipped - self.lower) / safe

    def get_config(self):
        terms = {"upper_percentile": self.upper_percentile, "group": self.group}
        return {**super().get_config(), "scheme": self.scheme, **terms}
