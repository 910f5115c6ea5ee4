"""Lensed images of real sources, each through the PSF of its own object.

Rays are shot on a regular grid of points inside the pixels, in batches, by a compiled program; the
brightness they meet is spread over the survey's pixels by the response of each point (`psf`): one
convolution per point of a pixel, at the survey's own sampling. That is the convolution with the
subsampled PSF and the binning in one linear step, and no pixel is convolved twice.
"""

from collections import OrderedDict
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops
from scipy import fft

from lensfinder.paint.psf import object_psf, pixel_response
from lensfinder.simulate.brightness import source_plane, stamp_sum
from lensfinder.simulate.programs import jit_compile
from lensfinder.simulate.psf import SeparablePsf

CHUNK = 16  # objects per call of the program: 40 MB of rays for four bands of 64 pixels
MARGIN_ARCSEC = 1.0  # light from so far outside of the stamp is scattered into it
MOST_SUBPIXELS = 8
_KEPT_RESPONSES = 32  # of PSFs, 2 to 7 MB each


def subpixels_for(settings, sources, group) -> int:
    """Rays per pixel and axis: as many as make rays denser than the source's pixels, at most 8.

    Parameters
    ----------
    settings : Settings
        With `subpixels`, which goes first.
    sources : Sources
        With their pixel scales.
    group : Group
        With its own.

    Returns
    -------
    int
        Rays.
    """
    if settings.subpixels is not None:
        return settings.subpixels
    finest = float(sources.pixel_scale.min())
    return int(np.clip(np.ceil(group.pixel_scale / finest - 1e-6), 2, MOST_SUBPIXELS))


@dataclass(frozen=True)
class _Grid:
    """Rays of one group: pixels along a side with the margin, points per pixel, positions."""

    pixels: int
    margin: int
    subpixels: int
    positions: np.ndarray

    @classmethod
    def of(cls, group, subpixels):
        margin = int(np.ceil(MARGIN_ARCSEC / group.pixel_scale))
        pixels = group.stamp + 2 * margin
        points = (np.arange(pixels * subpixels) + 0.5) / subpixels - pixels / 2.0
        return cls(pixels, margin, subpixels, np.float32(points * group.pixel_scale))


class _Rays(keras.layers.Layer):
    """Brightness of the lensed source at the points of a grid, electron/s/arcsec^2."""

    def __init__(self, positions):
        super().__init__()
        self.positions = positions

    def call(self, mass, stamp, image, flux):
        n = self.positions.size
        x = ops.broadcast_to(ops.convert_to_tensor(self.positions)[None, None, :], (CHUNK, n, n))
        y = ops.broadcast_to(ops.convert_to_tensor(self.positions)[None, :, None], (CHUNK, n, n))
        bx, by = source_plane(mass, x, y)
        return ops.stack(stamp_sum(stamp, image, flux, bx, by), axis=1)


class ArcPainter:
    """Draws lensed sources as a survey sees them, without noise.

    Parameters
    ----------
    survey : Survey
        Groups and pixel scales; its PSFs serve objects that have none.
    sources : Sources
        The library.
    settings : Settings
        With `subpixels`.
    """

    def __init__(self, survey, sources, settings):
        self.survey, self.sources = survey, sources
        side, channels = sources.images.shape[1], sources.images.shape[-1]
        shapes = {"mass": (7,), "stamp": (5,), "image": (side, side, channels)}
        shapes["flux"] = (len(survey.bands),)
        inputs = {
            name: keras.Input(batch_shape=(CHUNK, *shape), name=name)
            for name, shape in shapes.items()
        }
        self._grids = {
            group.name: _Grid.of(group, subpixels_for(settings, sources, group))
            for group in survey.groups
        }
        self._programs = {}
        for name, grid in self._grids.items():
            self._programs[name] = keras.Model(inputs, _Rays(grid.positions)(**inputs))
            self._programs[name].compile(jit_compile=jit_compile())
        self._survey_psfs = {b.name: SeparablePsf.of_band(b) for b in survey.bands}
        self._responses = OrderedDict()

    def __call__(self, columns, psfs):
        """Draw any number of objects.

        Parameters
        ----------
        columns : dict of str to array (N,)
            Parameters of the lens, ``source``, ``x_src``, ``y_src``, ``src_angle``, ``src_flip``.
        psfs : sequence of (key, dict)
            Per object: a name for its PSFs that is unique to them, and (image, pixel scale,
            quarters of a turn) by band; the survey's PSF where a band has none.

        Returns
        -------
        dict of str to array (N, H, W, bands) float32
            Per group, electron/s.
        """
        count = len(columns["source"])
        images = {
            group.name: np.zeros((count, *group.shape), np.float32) for group in self.survey.groups
        }
        mass, stamp = _scene_arrays(columns, self.sources)
        for start in range(0, count, CHUNK):
            rows = np.arange(start, min(start + CHUNK, count))
            filled = np.resize(rows, CHUNK)  # the last call is filled up with what it has
            source = columns["source"][filled]
            batch = {
                "mass": mass[filled],
                "stamp": stamp[filled],
                "image": self.sources.images[source],
                "flux": self.sources.flux[source].astype(np.float32),
            }
            first = 0
            for group in self.survey.groups:
                bands = slice(first, first + len(group.bands))
                rays = np.asarray(self._programs[group.name].predict_on_batch(batch))[:, bands]
                for k, row in enumerate(rows):
                    images[group.name][row] = self._observe(group, rays[k], *psfs[row])
                first = bands.stop
        return images

    def _observe(self, group, rays, key, psfs):
        """Rays (bands, n k, n k) of one object as pixels (H, W, bands)."""
        grid = self._grids[group.name]
        n, k = grid.pixels, grid.subpixels
        points = rays.reshape(len(group.bands), n, k, n, k).transpose(0, 2, 4, 1, 3)
        area = np.float32((group.pixel_scale / k) ** 2)
        image = np.empty(group.shape, np.float32)
        for b, band in enumerate(group.bands):
            response, reach, side = self._response(group, band, key, psfs)
            spread = fft.rfft2(points[b] * area, s=(side, side))
            summed = np.einsum("abij,abij->ij", spread, response)
            whole = fft.irfft2(summed, s=(side, side))
            at = slice(grid.margin + reach, grid.margin + reach + group.stamp)
            image[..., b] = whole[at, at]
        return image

    def _response(self, group, band, key, psfs):
        """Transform of the response of a PSF, its reach in pixels, and the side of the transform.

        Kept for the objects that come next, which often share it.
        """
        given = psfs.get(band.name)
        name = (group.name, band.name, None if given is None else key)
        if name in self._responses:
            self._responses.move_to_end(name)
            return self._responses[name]
        psf = self._survey_psfs[band.name] if given is None else object_psf(*given)
        grid = self._grids[group.name]
        response = pixel_response(psf, group.pixel_scale, grid.subpixels)
        reach = response.shape[-1] // 2
        side = fft.next_fast_len(grid.pixels + 2 * reach, real=True)
        self._responses[name] = (fft.rfft2(response, s=(side, side)), reach, side)
        while len(self._responses) > _KEPT_RESPONSES:
            self._responses.popitem(last=False)
        return self._responses[name]


def _scene_arrays(columns, sources):
    """`scene.MASS` and `scene.STAMP` of the objects, float32."""
    mass = [columns[name] for name in ("theta_E", "q", "phi", "x_lens", "y_lens")]
    mass += [columns["gamma1"], columns["gamma2"]]
    stamp = [columns["x_src"], columns["y_src"], sources.size[columns["source"]]]
    stamp += [columns["src_angle"], columns["src_flip"]]
    return np.stack(mass, axis=1).astype(np.float32), np.stack(stamp, axis=1).astype(np.float32)
