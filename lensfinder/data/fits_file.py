"""Images and headers out of a FITS file that `fits_scan` has found plausible."""

import io
import math
import re

import numpy as np
from astropy.io import fits

from lensfinder.data.fits_scan import HduInfo, scan
from lensfinder.data.guard import DEFAULT_LIMITS, ReadLimits, decoding, read_bytes
from lensfinder.errors import DataFormatError

_WCS = re.compile(
    r"WCSAXES|(CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CROTA)[12]|(CD|PC)[12]_[12]|LONPOLE|LATPOLE"
    r"|RADESYS|EQUINOX"
)
_NOT_A_BAND = ("_PSF", "_RMS")


class FitsFile:
    """A FITS file in memory; every method raises typed errors only.

    Parameters
    ----------
    path : path-like
        The file; gzip is seen through.
    limits : ReadLimits
        Caps.

    Attributes
    ----------
    units : list of HduInfo
        What the file declares, verified against its length and checksums.

    Raises
    ------
    DataFormatError
        If the file is no FITS file, truncated, oversized or corrupted.
    """

    def __init__(self, path, limits: ReadLimits = DEFAULT_LIMITS):
        self.path = path
        data = read_bytes(path, limits)
        with decoding(path):
            self.units = scan(data, limits)
            stream = io.BytesIO(data[: self.units[-1].end])
            self._hdus = fits.open(stream, memmap=False, lazy_load_hdus=True)

    def images(self) -> list[HduInfo]:
        """Units that hold an image of at least two axes."""
        return [unit for unit in self.units if len(unit.shape) >= 2 and math.prod(unit.shape)]

    def science(self) -> list[HduInfo]:
        """Images that are not the PSF or the noise map of a band."""
        return [unit for unit in self.images() if not unit.name.upper().endswith(_NOT_A_BAND)]

    def find(self, key) -> HduInfo | None:
        """The unit with this EXTNAME or number; the first image for None.

        FITS names do not differ in case alone, but bands do (r and R): an exact match wins.

        Parameters
        ----------
        key : str, int or None
            Name or number.

        Returns
        -------
        HduInfo or None
            The unit, None if there is none.
        """
        if key is None:
            return next(iter(self.images()), None)
        if isinstance(key, int):
            return self.units[key] if 0 <= key < len(self.units) else None
        exact = (unit for unit in self.units if unit.name == key)
        loose = (unit for unit in self.units if unit.name.upper() == key.upper())
        return next(exact, None) or next(loose, None)

    def data(self, unit: HduInfo) -> np.ndarray:
        """The pixels of a unit, scaled, blank pixels NaN, as native float32.

        Parameters
        ----------
        unit : HduInfo
            One of `images`.

        Returns
        -------
        array float32
            Shape `unit.shape`.

        Raises
        ------
        DataFormatError
            If it cannot be decoded, or is not what the header said.
        """
        with decoding(self.path):
            array = self._hdus[unit.index].data
            if array is None or array.shape != unit.shape:
                raise DataFormatError(f"Extension {unit.index} does not decode to {unit.shape}.")
            return np.array(array, dtype=np.float32)

    def table(self, key) -> HduInfo | None:
        """The binary table with this EXTNAME or number; the first one for None.

        Parameters
        ----------
        key : str, int or None
            Name or number.

        Returns
        -------
        HduInfo or None
            The unit, None if there is none.
        """
        found = self.units if key is None else [self.find(key)]
        return next((unit for unit in found if unit is not None and _is_table(unit)), None)

    def cell(self, unit: HduInfo) -> np.ndarray:
        """The square image that a table of one row holds in one of its cells, row by row.

        Parameters
        ----------
        unit : HduInfo
            A unit from `table`.

        Returns
        -------
        array (H, H) float32
            The image.

        Raises
        ------
        DataFormatError
            If there is not exactly one row, or not exactly one such cell.
        """
        with decoding(self.path):
            rows = self._hdus[unit.index].data
            if len(rows) != 1:
                raise DataFormatError(f"A table of one row holds an image. Received: {len(rows)}.")
            cells = [np.asarray(rows[name][0]) for name in rows.columns.names]
            sides = [math.isqrt(cell.size) for cell in cells]
            found = [
                cell.reshape(side, side)
                for cell, side in zip(cells, sides, strict=True)
                if cell.dtype.kind in "iuf" and cell.size == side * side > 1
            ]
            if len(found) != 1:
                raise DataFormatError(
                    f"{len(found)} cells of the table hold a square image. Expected: 1."
                )
            return np.array(found[0], dtype=np.float32)

    def header(self, unit: HduInfo) -> dict:
        """Keywords of a unit that carry a value; a card that cannot be parsed is left out.

        Parameters
        ----------
        unit : HduInfo
            Any unit.

        Returns
        -------
        dict
            Keyword to value.
        """
        with decoding(self.path):
            return _values(self._hdus[unit.index].header)

    def ids(self, count: int) -> list[str] | None:
        """Ids from the first table with a column ``id`` and one row per stamp.

        Parameters
        ----------
        count : int
            Number of stamps.

        Returns
        -------
        list of str or None
            None where no table fits.
        """
        with decoding(self.path):
            for unit in self.units:
                if not _is_table(unit):
                    continue
                table = self._hdus[unit.index]
                names = {name.lower(): name for name in table.columns.names}
                if "id" in names and len(table.data) == count:
                    return [str(value).strip() for value in table.data[names["id"]]]
        return None


def _is_table(unit) -> bool:
    return unit.text("XTENSION").upper() == "BINTABLE" and not unit.compressed


def _values(header) -> dict:
    found = {}
    for keyword in header:
        if keyword in ("", "COMMENT", "HISTORY") or keyword in found:
            continue
        try:
            found[keyword] = header[keyword]
        except (fits.VerifyError, ValueError, KeyError):
            continue  # a stray card says nothing; the sizes were checked by the scan
    return found


def wcs_keywords(header: dict) -> dict:
    """The keywords of a celestial projection.

    Parameters
    ----------
    header : dict
        Keyword to value.

    Returns
    -------
    dict
        Those of them that describe the projection; empty without CTYPE1.
    """
    if "CTYPE1" not in header:
        return {}
    return {
        keyword: value
        for keyword, value in header.items()
        if _WCS.fullmatch(keyword) and isinstance(value, int | float | str)
    }


def wcs_pixel_scale(header: dict) -> float | None:
    """Arcsec per pixel from the CD matrix, from PC and CDELT, or from CDELT alone.

    The square root of the determinant, so that rotation does not matter (Greisen & Calabretta
    2002, equations 1-3). A projection in other units than degrees is not read.

    Parameters
    ----------
    header : dict
        Keyword to value.

    Returns
    -------
    float or None
        The scale, None where the header has none.
    """
    if not str(header.get("CTYPE1", "")).strip() or header.get("CUNIT1", "deg") != "deg":
        return None
    if "CD1_1" in header:
        matrix = [header.get(f"CD{i}_{j}", 0.0) for i in (1, 2) for j in (1, 2)]
        step = (1.0, 1.0)
    elif "CDELT1" in header:
        defaults = (1.0, 0.0, 0.0, 1.0)
        matrix = [
            header.get(f"PC{i}_{j}", default)
            for (i, j), default in zip(((1, 1), (1, 2), (2, 1), (2, 2)), defaults, strict=True)
        ]
        step = (header["CDELT1"], header.get("CDELT2", header["CDELT1"]))
    else:
        return None
    numbers = [*matrix, *step]
    if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
        return None
    area = abs((matrix[0] * matrix[3] - matrix[1] * matrix[2]) * step[0] * step[1])
    return 3600.0 * math.sqrt(area) if area > 0 else None
