"""From noiseless images to what a detector records: sky, photons, dark current, readouts."""

import keras
import numpy as np
from keras import ops

from lensfinder.simulate.random import normals

_FEW = 20.0  # electrons below which the expansion is replaced by the exact distribution
_TERMS = 60  # of the exact distribution: Poisson(20) exceeds 60 once in 1e13


def poisson_from_normal(rate, z):
    """Poisson-like numbers from standard normal ones, good to the fourth cumulant.

    Cornish-Fisher expansion with skewness ``rate^-1/2`` and excess kurtosis ``1 / rate``; not
    rounded to whole electrons, so that it adds no variance. For 20 electrons or more.

    Parameters
    ----------
    rate : tensor
        Expected electrons.
    z : tensor
        Standard normal numbers.

    Returns
    -------
    tensor
        Electrons.
    """
    root = ops.sqrt(rate)
    skew = (z * z - 1.0) / 6.0
    curve = (z * z * z - 3.0 * z) / 24.0 - (2.0 * z * z * z - 5.0 * z) / 36.0
    return rate + root * z + skew + curve / root


def poisson_exact(rate, z):
    """Poisson numbers by inversion of the distribution function, for few electrons.

    Parameters
    ----------
    rate : tensor
        Expected electrons, at most 20 to be exact.
    z : tensor
        Standard normal numbers.

    Returns
    -------
    tensor
        Whole electrons.
    """
    u = 0.5 * (1.0 + ops.erf(z * 0.7071067811865476))
    term = ops.exp(-rate)
    total, count = term, ops.zeros_like(rate)
    for k in range(1, _TERMS):
        count = count + ops.cast(u > total, "float32")
        term = term * rate / float(k)
        total = total + term
    return count


class Observer(keras.layers.Layer):
    """Adds the noise of a survey to noiseless images.

    Parameters
    ----------
    survey : Survey
        Sky, exposures and detector of every band.
    **kwargs
        For `keras.layers.Layer`.
    """

    def __init__(self, survey, **kwargs):
        super().__init__(**kwargs)
        self.survey = survey

    def call(self, images, keys):
        """Observe a batch.

        Parameters
        ----------
        images : dict of str to tensor (N, H, W, bands)
            Noiseless images per group, electron/s.
        keys : int32 tensor (N, 2)
            From `random.object_keys`.

        Returns
        -------
        dict of str to tensor (N, H, W, bands)
            Sky-subtracted noisy images, electron/s.
        """
        observed, stream = {}, 0
        for group in self.survey.groups:
            bands = []
            for b, band in enumerate(group.bands):
                clean = images[group.name][..., b]
                z = normals(keys, (2, group.stamp, group.stamp), stream)
                bands.append(_observe_band(band, clean, z[:, 0], z[:, 1]))
                stream += 1
            observed[group.name] = ops.stack(bands, axis=-1)
        return observed


def _observe_band(band, clean, z_photons, z_readout):
    time = band.total_time
    background = (band.sky + band.dark_current) * time
    rate = clean * time + background
    if background >= _FEW:
        electrons = poisson_from_normal(ops.maximum(rate, _FEW), z_photons)
    else:
        many = poisson_from_normal(ops.maximum(rate, _FEW), z_photons)
        few = poisson_exact(ops.clip(rate, 0.0, _FEW), z_photons)
        electrons = ops.where(rate < _FEW, few, many)
    readout = np.float32(band.read_noise * np.sqrt(band.n_exposures))
    return (electrons - background + readout * z_readout) / time
