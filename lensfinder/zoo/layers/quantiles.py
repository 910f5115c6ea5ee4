"""Quantiles of a stream of pixels, in bounded memory and in any order."""

import math

import numpy as np

SMALLEST = 1e-6  # e-/s; anything nearer to zero counts as zero. Survey noise is 1e-3 and above
LARGEST = 1e12  # beyond any detector; larger values fall into the outermost bins


class QuantileSketch:
    """Percentiles of the pixels of each band, from batches seen once.

    Pixels are counted in bins whose width is a fixed *fraction* of their value (both signs), so the
    99th and the 1st percentile are equally well known although astronomical pixels span many
    orders of magnitude. Counts are integers: the result depends neither on the order nor on the
    size of the batches, and two sketches add exactly.

    The value returned for a percentile lies within `relative_error` of a pixel value of exactly
    that rank (or within 1e-6 of it, near zero). Memory: 0.33 MB per band at the default error.

    Parameters
    ----------
    bands : int
        Number of bands.
    relative_error : float
        Largest relative error of a returned value.
    """

    def __init__(self, bands: int, relative_error: float = 1e-3):
        if bands < 1 or not 0 < relative_error < 0.5:
            raise ValueError(
                "A sketch needs at least one band and a relative error in (0, 0.5). "
                f"Received: bands={bands}, relative_error={relative_error}."
            )
        self.bands, self.relative_error = int(bands), float(relative_error)
        self._log_gamma = math.log((1 + relative_error) / (1 - relative_error))
        self._half = math.ceil(math.log(LARGEST / SMALLEST) / self._log_gamma)
        self._counts = np.zeros((self.bands, 2 * self._half + 1), np.int64)
        self.dropped = 0

    @property
    def count(self) -> int:
        """Finite pixels counted per band, over all batches (of the first band)."""
        return int(self._counts[0].sum())

    def update(self, images) -> None:
        """Count the pixels of a batch; pixels that are not finite are dropped and counted apart.

        Parameters
        ----------
        images : array (..., bands)
            Any number of pixels.
        """
        values = np.asarray(images)
        if values.ndim < 1 or values.shape[-1] != self.bands:
            raise ValueError(f"Expected {self.bands} bands last. Received shape: {values.shape}.")
        values = values.reshape(-1, self.bands)
        for band in range(self.bands):
            column = values[:, band].astype(np.float64)
            finite = column[np.isfinite(column)]
            self.dropped += column.size - finite.size
            size = np.abs(finite)
            bins = np.zeros(finite.shape, np.int64)
            outside = size > SMALLEST
            steps = np.ceil(np.log(size[outside] / SMALLEST) / self._log_gamma).astype(np.int64)
            bins[outside] = np.sign(finite[outside]).astype(np.int64) * np.clip(
                steps, 1, self._half
            )
            self._counts[band] += np.bincount(bins + self._half, minlength=2 * self._half + 1)

    def percentile(self, percent: float) -> np.ndarray:
        """Value of a percentile in every band.

        Parameters
        ----------
        percent : float
            Between 0 and 100.

        Returns
        -------
        array (bands,), float64
            A value within the stated error of the pixel of that rank.

        Raises
        ------
        ValueError
            If a band has no finite pixel, or `percent` is outside 0-100.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"A percentile lies between 0 and 100. Received: {percent}.")
        result = np.empty(self.bands)
        for band, counts in enumerate(self._counts):
            cumulative = np.cumsum(counts)
            if cumulative[-1] == 0:
                raise ValueError(f"Band number {band} has no finite pixel. Give images with some.")
            rank = round(percent / 100 * (cumulative[-1] - 1))
            result[band] = self._value(int(np.searchsorted(cumulative, rank, side="right")))
        return result

    def _value(self, index: int) -> float:
        step = index - self._half
        if step == 0:
            return 0.0
        # the point of a bin (gamma^(k-1), gamma^k] with the same relative distance to both ends
        middle = math.exp(abs(step) * self._log_gamma) * (1 - self.relative_error)
        return math.copysign(SMALLEST * middle, step)
