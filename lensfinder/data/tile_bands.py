"""Bands of a whole tile as a network takes them, piece by piece; or a status that says why not."""

from dataclasses import dataclass

import numpy as np

from lensfinder.data.assembly import Assume, Fitter, Problems, zero_points_of
from lensfinder.specs import InputContract
from lensfinder.specs.contract import PIXEL_SCALE_RTOL


@dataclass(frozen=True)
class TileBands:
    """A survey tile as a network of one group can take it, piece by piece.

    Attributes
    ----------
    images : tuple of array (H, W)
        One per band of the contract, as they were read.
    factors : tuple of float
        What brings each to the contract's unit.
    status : int
        Bits of `STATUS`; 0 is good, else there are no images.
    message : str
        What is wrong.
    """

    images: tuple[np.ndarray, ...]
    factors: tuple[float, ...]
    status: int = 0
    message: str = ""

    def piece(self, rows, columns) -> np.ndarray:
        """A part of the tile.

        Parameters
        ----------
        rows, columns : slice
            Which.

        Returns
        -------
        array (h, w, bands) float32
            In the contract's unit; bad pixels are not finite.
        """
        parts = [
            image[rows, columns] * np.float32(factor)
            for image, factor in zip(self.images, self.factors, strict=True)
        ]
        return np.stack(parts, axis=-1)


def assemble_tile(
    cutout, contract: InputContract, *, calibrate=False, survey=None, band_map=None, assume=None
) -> TileBands:
    """A tile of any size, checked against the contract of a network for stamps.

    Parameters
    ----------
    cutout : Cutout
        The tile, with bands on one grid of pixels.
    contract : InputContract
        Bands, pixel scale and unit that a network of one group needs.
    calibrate, survey, band_map, assume
        As of `assemble`.

    Returns
    -------
    TileBands
        The bands, none of them copied; or a status.

    Raises
    ------
    UnknownNameError
        If `calibrate` is asked for and the survey does not know a band of the contract.
    """
    zero_points = zero_points_of(contract, survey) if calibrate else None
    names = {band: (band_map or {}).get(band, band) for band in contract.bands}
    fitter = Fitter(contract, False, zero_points, names, assume or Assume(), False, 0.0)
    problems = Problems(cutout.status, [cutout.message] if cutout.message else [])
    found = [] if cutout.status else [_band(fitter, cutout, b, problems) for b in contract.bands]
    shapes = {image.shape for image, _ in filter(None, found)}
    if len(shapes) > 1:
        problems.add("wrong_shape", f"the bands differ in size: {sorted(shapes)}")
    if problems.status:
        return TileBands((), (), problems.status, "; ".join(problems.words))
    images, factors = zip(*found, strict=True)
    return TileBands(images, factors, 0, "; ".join(problems.words))


def _band(fitter, cutout, band, problems):
    """Image of a band and its factor, or None, of a tile whose pixels are the network's."""
    source, image = fitter.image(cutout, band, problems)
    if image is None:
        return None
    scale = cutout.pixel_scales.get(source) or fitter.assume.pixel_scale
    wanted = fitter.contract.group_of(band).pixel_scale
    factor = fitter.factor(cutout, source, band, scale, problems)
    low, high = (extreme.reduce(image, axis=None) for extreme in (np.fmin, np.fmax))  # no copies
    if image.ndim != 2 or min(image.shape) < 2:
        problems.add("wrong_shape", f"band {band} has shape {image.shape}")
    elif scale is None or not abs(scale / wanted - 1.0) <= PIXEL_SCALE_RTOL:
        problems.add("wrong_pixel_scale", f'band {band} has {scale}"/pixel, not {wanted:g}')
    elif np.isnan(low):
        problems.add("nan_pixels", f"every pixel of band {band} is bad")
    elif low == high:
        problems.add("constant_image", f"every pixel of band {band} is the same")
    return None if factor is None else (image, factor)
