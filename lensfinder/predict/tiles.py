"""Whole survey tiles through a cleaner, from file to file, with some pieces in memory at a time."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from lensfinder.data.assembly import bands_taken
from lensfinder.data.scatter import lower_scatter
from lensfinder.data.tile_bands import assemble_tile
from lensfinder.errors import OutputExistsError
from lensfinder.predict.cleaned_files import DENOISED, FileNames
from lensfinder.predict.cleaning import BRIGHT, PLATEAU, SMOOTHING, invented
from lensfinder.tables import write_atomically
from lensfinder.zoo.tiled import PIECE, tile_pieces

SAMPLE = 1 << 16  # pixels that level and noise of a band are taken from: to half a percent
STRIP = 256  # rows that are compared at a time
REACH = int(4 * SMOOTHING)  # pixels around a pixel that its check for invented light looks at
VIEW = 400  # pixels: longer side of the small view of a tile


@dataclass(frozen=True)
class CleanTile:
    """What became of a tile.

    Attributes
    ----------
    file : str
        Name of its image; empty if there is none.
    fluxes : array (columns,)
        Sums as of `lensfinder.predict.cleaning.Fluxes`, over the pixels that have an answer; NaN
        without an image.
    masked : float
        Share of the pixels without an answer.
    status : int
        Bits of `STATUS`.
    message : str
        What is wrong.
    view : array (2, h, w, bands) or None
        A small view, as given and cleaned: means over squares of pixels, NaN where a square has
        none.
    square : int
        Side of these squares, pixels.
    """

    file: str
    fluxes: np.ndarray
    masked: float
    status: int
    message: str
    view: np.ndarray | None = None
    square: int = 1


class TileCleaner:
    """Cleans one tile after the other.

    Pixels without an answer are NaN: bad ones, those cut off at full well, and those where the
    cleaned image has light that the tile has not got.

    Parameters
    ----------
    cleaner : Cleaner
        What takes noise and lenses off.
    folder : path
        Where the images go; the denoised ones go into its folder ``denoised``.
    survey : Survey
        Whose zero points are written.
    fitting : Fitting
        How tiles of other surveys are made to fit; nothing is padded, mended or resampled.
    intermediate : bool
        Whether the denoised images are written, too.
    piece : int
        Side of the pieces, pixels.
    overwrite : bool
        Whether files that exist may be replaced.
    """

    def __init__(
        self,
        cleaner,
        folder,
        *,
        survey,
        fitting,
        intermediate: bool = False,
        piece: int = PIECE,
        overwrite: bool = False,
    ):
        self.cleaner, self.folder, self.survey = cleaner, Path(folder), survey
        self.intermediate, self.piece, self.overwrite = intermediate, piece, overwrite
        self._how = {
            "calibrate": fitting.calibrate,
            "band_map": fitting.band_map,
            "assume": fitting.assume,
        }
        self._bands_of = bands_taken(cleaner.contract.bands, fitting.band_map)
        first, last = cleaner.first.keras_model, cleaner.network.keras_model
        self._models = [first] if first is last else [first, last]
        self._names = FileNames()

    def __call__(self, cutout) -> CleanTile:
        """Clean a tile, and write what is left.

        Parameters
        ----------
        cutout : Cutout
            The tile.

        Returns
        -------
        CleanTile
            A tile with a problem has a status and no file.

        Raises
        ------
        OutputExistsError
            If its file exists.
        ArchitectureError
            If the network is not made of convolutions alone.
        """
        tile = assemble_tile(cutout, self.cleaner.contract, **self._how)
        kinds = 3 if len(self.cleaner.planes) > 1 else 2
        bands = len(self.cleaner.contract.bands)
        if tile.status:
            nothing = np.full(kinds * bands, np.nan, np.float32)
            return CleanTile("", nothing, float("nan"), tile.status, tile.message)
        name = FileNames.file(self._names.take(cutout.id))
        places = self._free(name)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".") as scratch:
            planes = [self._scratch(scratch, number, tile) for number in range(len(places))]
            sums, masked = self._fill(tile, planes, kinds)
            for (place, plane), pixels in zip(places, planes, strict=True):
                units = self._units(cutout, plane, pixels)
                write_atomically(place, lambda path, hdus=units: hdus.writeto(path, overwrite=True))
            view, square = _view(tile, planes[0])
        fluxes = sums.ravel().astype(np.float32)
        return CleanTile(name, fluxes, masked, 0, tile.message, view, square)

    def _free(self, name):
        """Files to write, the plane of each: the last, and perhaps the denoised one."""
        places = [(self.folder / name, -1)]
        if self.intermediate and len(self.cleaner.planes) > 1:
            places.append((self.folder / DENOISED / name, 0))
        for place, _ in places:
            if place.exists() and not self.overwrite:
                raise OutputExistsError(f"{place} exists. Choose another folder, or overwrite it.")
            place.parent.mkdir(parents=True, exist_ok=True)
        return places

    def _scratch(self, folder, number, tile):
        """Pixels of all bands on disk, in the byte order of FITS."""
        shape = (len(tile.images), *tile.images[0].shape)
        return np.memmap(Path(folder) / f"plane-{number}", ">f4", "w+", shape=shape)

    def _fill(self, tile, planes, kinds):
        """Clean piece by piece; sums of what was given and made, and the share without answer."""
        levels, noises, tops = zip(*(_facts(tile, k) for k in range(len(tile.images))), strict=True)
        level = np.array(levels, np.float32)

        def read(rows, columns):
            piece = tile.piece(rows, columns)
            return np.where(np.isfinite(piece), piece, level)

        sums, masked, shape = np.zeros((kinds, len(levels))), 0, tile.images[0].shape
        for part in tile_pieces(self._models, shape, read, piece=self.piece, margin=REACH):
            bad = ~np.isfinite(tile.piece(*part.kept)).all(axis=-1)
            for band, (noise, top) in enumerate(zip(noises, tops, strict=True)):
                image, last = part.given[..., band], part.answer[-1, ..., band]
                bad |= invented(image, last, noise)[part.inner]
                bad |= image[part.inner] >= top
            masked += int(bad.sum())
            given = part.given[part.inner]
            shown = [given, part.answer[-1][part.inner]]
            if kinds == 3:
                shown.insert(1, part.answer[0][part.inner])
            sums += [np.sum(x, axis=(0, 1), where=~bad[..., None], dtype=float) for x in shown]
            for plane, number in zip(planes, (-1, 0), strict=False):
                answer = np.where(bad[..., None], np.nan, part.answer[number][part.inner])
                plane[:, *part.kept] = np.moveaxis(answer, -1, 0)
        return sums, masked / float(np.prod(shape))

    def _units(self, cutout, plane, pixels) -> fits.HDUList:
        """A FITS file with an extension per band, as `write_cutouts` writes stamps."""
        primary, contract = fits.PrimaryHDU(), self.cleaner.contract
        primary.header["OBJECT"] = cutout.id.encode("ascii", "replace").decode()
        primary.header["SURVEY"] = self.survey.name
        primary.header["KIND"], primary.header["PLANE"] = "cleaned", self.cleaner.planes[plane]
        primary.header["CLEANER"] = str(self.cleaner.network.preset.name)
        units = fits.HDUList([primary])
        for band, image in zip(contract.bands, pixels, strict=True):
            unit = fits.ImageHDU(image)
            unit.header.update(cutout.wcs.get(self._bands_of[band], {}))
            unit.header["EXTNAME"] = band
            unit.header["PIXSCALE"] = contract.group_of(band).pixel_scale
            unit.header["BUNIT"] = contract.unit
            unit.header["MAGZERO"] = self.survey.band(band).zero_point
            units.append(unit)
        return units


def _facts(tile, number: int) -> tuple[float, float, float]:
    """Level and noise of a band, and from which value on its pixels are cut off."""
    image, factor = tile.images[number], np.float32(tile.factors[number])
    step = max(1, int(np.sqrt(image.size / SAMPLE)))
    some = image[::step, ::step] * factor
    some = some[np.isfinite(some)]
    if not some.size:  # good pixels in rows or columns that the sample passes by
        some = image[np.isfinite(image)] * factor
    level, noise = float(np.median(some)), lower_scatter(some)
    top = np.fmax.reduce(image, axis=None)
    strips = (image[first : first + STRIP] for first in range(0, len(image), STRIP))
    plateau = sum(int(np.count_nonzero(strip == top)) for strip in strips)
    cut_off = plateau >= PLATEAU and top * factor > level + BRIGHT * noise
    return level, noise, float(top * factor) if cut_off else np.inf


def _view(tile, cleaned) -> tuple[np.ndarray, int]:
    """A small view of a tile, as given and cleaned, and the side of its squares."""
    height, width = tile.images[0].shape
    side = -(-max(height, width) // VIEW)  # rounded up
    rows, columns = max(1, height // side), max(1, width // side)  # of whole squares
    high, wide = min(side, height), min(side, width)
    view = np.empty((2, rows, columns, len(tile.images)), np.float32)
    for row in range(rows):
        strip = slice(row * high, (row + 1) * high), slice(0, columns * wide)
        shown = [tile.piece(*strip), np.moveaxis(cleaned[:, *strip], 0, -1)]
        for image, into in zip(shown, view[:, row], strict=True):
            squares = image.reshape(high, columns, wide, -1)
            good = np.isfinite(squares)
            count = good.sum(axis=(0, 2))
            total = np.sum(squares, axis=(0, 2), where=good, dtype=np.float64)
            into[:] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return view, side
