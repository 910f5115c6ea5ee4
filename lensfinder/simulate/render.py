"""Noiseless images of a scene: adaptive nodes, then one linear step to pixels.

Every pixel of the finest group gets a few Gauss-Legendre nodes; the pixels where the brightness
bends most (cusps of galaxies, narrow arcs) get many more. All bands and all pixel scales are
integrated from the same nodes, so each profile is evaluated once.
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from lensfinder.errors import SimulationError
from lensfinder.simulate.brightness import scene_brightness
from lensfinder.simulate.psf import SeparablePsf, gauss_nodes


@dataclass(frozen=True)
class Sampling:
    """How finely a scene is sampled.

    Attributes
    ----------
    base : int
        Nodes per pixel and axis within `inner_radius` of the centre; one per pixel beyond.
    inner_radius : float
        Arcsec; arcs of galaxy-scale lenses lie within.
    levels : tuple of (int, int)
        (pixels, nodes per axis): so many of the roughest pixels get so many nodes; the roughest
        go to the first level.
    """

    base: int = 2
    inner_radius: float = 4.0
    levels: tuple[tuple[int, int], ...] = ((16, 12), (256, 4))


# Measured on the 20 hard systems of benchmarks/simulate.py (n up to 6), 57 pixels: 99 % of pixels
# within 5e-4 of the peak for STANDARD and 8e-4 for FAST; 3 x 3 uniform points per pixel leave 3e-3.
STANDARD = Sampling()
FAST = Sampling(levels=((8, 12), (96, 4)))


class Renderer(keras.layers.Layer):
    """Draws scenes without noise.

    Parameters
    ----------
    survey : Survey
        Groups, pixel scales and PSFs.
    sampling : Sampling
        How finely to sample.
    **kwargs
        For `keras.layers.Layer`.
    """

    def __init__(self, survey, sampling: Sampling = STANDARD, **kwargs):
        super().__init__(**kwargs)
        self.survey, self.sampling = survey, sampling
        scale = survey.finest.pixel_scale
        psfs = {band.name: SeparablePsf.of_band(band) for band in survey.bands}
        reach = max(
            group.width / 2 + psfs[band.name].radius
            for group in survey.groups
            for band in group.bands
        )
        # same parity as the finest stamp, so that its pixels and ours coincide
        extra = int(np.ceil((reach - survey.finest.width / 2) / scale - 1e-9))
        self.n_pixels = survey.finest.stamp + 2 * max(extra, 0)
        self.scale = scale
        self._grid = self._base_grid()
        if sum(k for k, _ in sampling.levels) > self.n_pixels**2:
            raise SimulationError(
                f"The sampling refines more pixels than the {self.n_pixels**2} there are. "
                "Use fewer in `levels`."
            )
        self._levels = [
            (count, order, *gauss_nodes(self.n_pixels, scale, order))
            for count, order in sampling.levels
        ]
        self._operators = {
            group.name: [
                self._band_operators(psfs[band.name], group.stamp, group.pixel_scale)
                for band in group.bands
            ]
            for group in survey.groups
        }

    def _base_grid(self):
        """Node positions and weights along one axis, and the extent of the finely sampled part."""
        order = self.sampling.base
        n_inner = int(np.ceil(2 * self.sampling.inner_radius / self.scale))
        n_inner += (self.n_pixels - n_inner) % 2
        n_inner = min(n_inner, self.n_pixels)
        n_outer = (self.n_pixels - n_inner) // 2
        inner, weights = gauss_nodes(n_inner, self.scale, order)
        outer = (np.arange(n_outer) + 0.5 + n_inner / 2.0) * self.scale
        positions = np.concatenate([-outer[::-1], inner, outer])
        lengths = np.concatenate(
            [np.full(n_outer, self.scale), np.tile(weights, n_inner), np.full(n_outer, self.scale)]
        )
        return positions, lengths, n_inner, n_outer

    def _band_operators(self, psf, stamp, scale):
        """Matrices of one band: for the base nodes, and for each level (pixel, node, output)."""
        positions, lengths, _, _ = self._grid
        base = [
            (np.float32((row * lengths).T), np.float32((column * lengths).T))
            for row, column in psf.operators(positions, stamp, scale)
        ]
        fine = []
        for _, order, nodes, weights in self._levels:
            lengths = np.tile(weights, self.n_pixels)
            fine.append(
                [
                    tuple(
                        np.float32((part * lengths).T.reshape(self.n_pixels, order, stamp))
                        for part in pair
                    )
                    for pair in psf.operators(nodes, stamp, scale)
                ]
            )
        return base, fine

    def call(self, scene):
        """Draw a batch of scenes.

        Parameters
        ----------
        scene : dict of str to tensor
            Arrays of a `Scene`.

        Returns
        -------
        dict of str to tensor (N, H, W, bands)
            ``rest/<group>`` and ``source/<group>``, electron/s per pixel.
        """
        positions = np.float32(self._grid[0])
        x, y = positions[None, None, :], positions[None, :, None]
        base = scene_brightness(scene, ops.convert_to_tensor(x), ops.convert_to_tensor(y))
        n_objects = ops.shape(scene["mass"])[0]
        chosen = self._roughest(base)
        mask = self._unrefined(chosen, n_objects) if self._levels else None
        levels, start = [], 0
        for count, order, nodes, _ in self._levels:
            rows, columns = chosen
            rows, columns = rows[:, start : start + count], columns[:, start : start + count]
            start += count
            fine = np.float32(nodes.reshape(self.n_pixels, order))
            fx = ops.reshape(ops.take(fine, columns, axis=0), (-1, count, 1, order))
            fy = ops.reshape(ops.take(fine, rows, axis=0), (-1, count, order, 1))
            shape = (-1, count * order, order)
            fx = ops.reshape(ops.broadcast_to(fx, (n_objects, count, order, order)), shape)
            fy = ops.reshape(ops.broadcast_to(fy, (n_objects, count, order, order)), shape)
            levels.append((rows, columns, scene_brightness(scene, fx, fy)))
        images = {}
        for kind, name in enumerate(("source", "rest")):
            for group in self.survey.groups:
                images[f"{name}/{group.name}"] = self._observe(
                    group,
                    base[kind],
                    mask,
                    [(r, c, fine[kind]) for r, c, fine in levels],
                    n_objects,
                )
        return images

    def _roughest(self, base):
        """Rows and columns of the pixels that bend most, the worst first."""
        total = None
        for part in base:
            for band in part:
                total = band if total is None else total + band
        if total is None or not self._levels:
            return None
        pixels = self._per_pixel(total)
        padded = ops.concatenate([pixels[:, :1], pixels, pixels[:, -1:]], axis=1)
        padded = ops.concatenate([padded[:, :, :1], padded, padded[:, :, -1:]], axis=2)
        bend = ops.abs(
            4.0 * pixels
            - padded[:, :-2, 1:-1]
            - padded[:, 2:, 1:-1]
            - padded[:, 1:-1, :-2]
            - padded[:, 1:-1, 2:]
        )
        count = sum(level[0] for level in self._levels)
        flat = ops.reshape(bend, (-1, self.n_pixels**2))
        _, index = ops.top_k(flat, count)
        index = ops.cast(index, "int32")
        return index // self.n_pixels, index % self.n_pixels

    def _per_pixel(self, nodes):
        """Sum of the weighted node values of each pixel, (N, n_pixels, n_pixels)."""
        _, lengths, n_inner, n_outer = self._grid
        order = self.sampling.base
        weights = np.float32(lengths)
        nodes = nodes * weights[None, :, None] * weights[None, None, :]
        n = nodes.shape[1]

        def merge(values, axis):
            if order == 1:
                return values
            moved = values if axis == 2 else ops.swapaxes(values, 1, 2)
            inner = moved[:, :, n_outer : n - n_outer]
            inner = ops.sum(ops.reshape(inner, (-1, moved.shape[1], n_inner, order)), axis=-1)
            parts = [moved[:, :, :n_outer], inner, moved[:, :, n - n_outer :]]
            moved = ops.concatenate(parts, axis=2) if n_outer else inner
            return moved if axis == 2 else ops.swapaxes(moved, 1, 2)

        return merge(merge(nodes, 2), 1)

    def _unrefined(self, chosen, n_objects):
        """1 at the nodes of pixels without refinement, 0 at the others."""
        rows, columns = chosen
        size = self.n_pixels**2
        offset = ops.reshape(ops.arange(n_objects, dtype="int32") * size, (-1, 1))
        flat = ops.reshape(offset + rows * self.n_pixels + columns, (-1, 1))
        mask = ops.scatter_update(
            ops.ones((n_objects * size,), "float32"), flat, ops.zeros_like(flat[:, 0], "float32")
        )
        mask = ops.reshape(mask, (n_objects, self.n_pixels, self.n_pixels))
        _, _, n_inner, n_outer = self._grid

        def spread(values, axis):
            n = self.n_pixels
            take = [slice(None)] * 3
            parts = []
            for low, high, order in (
                (0, n_outer, 1),
                (n_outer, n_outer + n_inner, self.sampling.base),
                (n - n_outer, n, 1),
            ):
                if high > low:
                    take[axis] = slice(low, high)
                    parts.append(ops.repeat(values[tuple(take)], order, axis=axis))
            return ops.concatenate(parts, axis=axis)

        return spread(spread(mask, 1), 2)

    def _observe(self, group, base, mask, levels, n_objects):
        """Pixels of one group, (N, H, W, bands)."""
        bands = []
        for b, (base_operators, fine_operators) in enumerate(self._operators[group.name]):
            at = self._band_index(group, b)
            if not base:
                bands.append(ops.zeros((n_objects, group.stamp, group.stamp), "float32"))
                continue
            nodes = base[at] if mask is None else base[at] * mask
            image = None
            for row, column in base_operators:
                part = _both_axes(nodes, row, column)
                image = part if image is None else image + part
            for (rows, columns, fine), operators in zip(levels, fine_operators, strict=True):
                for row, column in operators:
                    image = image + self._refined(fine[at], rows, columns, row, column)
            bands.append(image)
        return ops.stack(bands, axis=-1)

    def _refined(self, values, rows, columns, row_operator, column_operator):
        """What the refined pixels add to an image, (N, H, W).

        `values` holds pixel after pixel, (N, count * order, order).
        """
        _, order, stamp = row_operator.shape
        count = rows.shape[1]
        across = ops.take(column_operator, columns, axis=0)  # (N, count, order, W)
        values = ops.reshape(values, (-1, count, order, order))
        spread = ops.reshape(ops.matmul(values, across), (-1, count * order, stamp))
        down = ops.reshape(ops.take(row_operator, rows, axis=0), (-1, count * order, stamp))
        return ops.matmul(ops.swapaxes(down, 1, 2), spread)

    def _band_index(self, group, b):
        before = 0
        for other in self.survey.groups:
            if other.name == group.name:
                return before + b
            before += len(other.bands)
        raise SimulationError(f"Group {group.name!r} is not of survey {self.survey.name!r}.")


def _both_axes(nodes, row, column):
    """What all nodes (N, A, B) add to an image (N, H, W), with operators (A, H) and (B, W).

    As two large matrix products: a batch of small ones runs at a fifth of their speed on a CPU.
    """
    a, b = nodes.shape[1:]
    across = ops.matmul(ops.reshape(nodes, (-1, b)), column)
    across = ops.swapaxes(ops.reshape(across, (-1, a, column.shape[1])), 1, 2)
    image = ops.matmul(ops.reshape(across, (-1, a)), row)
    return ops.swapaxes(ops.reshape(image, (-1, column.shape[1], row.shape[1])), 1, 2)
